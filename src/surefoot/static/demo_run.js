// One run: its preview as a difference, who has to agree, what it did, and the undo that stays.
import { Card, NOT_HELD, inWords, suggestedOnly } from "./demo_card.js";
import { element } from "./demo_elements.js";
import { capital, changeTables, conflictTables, moment, spaced } from "./demo_difference.js";
import { readRun, takeStep } from "./demo_runs.js";

export const STATES = {
  proposed: "Being previewed",
  denied: "Not allowed",
  suggested: "Only suggested",
  planned: "Preview, nothing has changed yet",
  awaiting_approval: "Needs approval by somebody else",
  approved: "Approved, not applied yet",
  rejected: "Rejected, nothing was changed",
  scheduled: "Scheduled",
  applying: "Under way",
  applied: "Applied",
  stale: "Out of date, nothing was changed",
  failed: "Not possible, nothing was changed",
  unknown: "It is not known yet whether it happened",
  needs_human: "A person has to find out whether it happened",
  undone: "Undone",
  final: "Applied, and the time for undoing is over",
  expired: "Expired, nothing was changed",
  cancelled: "Dropped, nothing was changed",
};
const AGAIN = new Set(["denied", "stale", "failed", "expired", "rejected", "cancelled"]);
const WAITING = new Set(["proposed", "applying", "unknown", "scheduled", "awaiting_approval", "needs_human"]);
const BEFORE = new Set(["suggested", "planned", "awaiting_approval", "approved", "scheduled"]);

const STALE = "Something changed in Pennyfern after the preview, so this plan was not applied.";
const ONCE_MORE_MS = 500;

const plural = (count, one) => `${count.toLocaleString()} ${one}${count === 1 ? "" : "s"}`;

export class RunCard extends Card {
  // `page` also proposes: see demo_actions.js.
  constructor(view, page) {
    super(page, view.run.run_id);
    this.show(view);
  }

  get id() {
    return this.view.run.run_id;
  }

  show(view, { undo = null, conflict = null, trouble = "" } = {}) {
    const isNew = this.view?.run.run_id !== view.run.run_id;
    if (isNew) this.keys = { undo: crypto.randomUUID(), redo: crypto.randomUUID(), again: crypto.randomUUID() };
    Object.assign(this, { view, undo, conflict, trouble });
    const { run } = view;
    this.node.dataset.run = run.run_id;
    const title = [this.page.titleOf(run.action), ": ", element("span", this.#stateWords(), { class: "state" })];
    this.fill(title, run.state, [...this.#story(), ...this.#difference(), ...this.#facts(), element("div", this.#buttons(), { class: "row" })]);
  }

  #stateWords() {
    const { run } = this.view;
    if (run.state === "scheduled" && run.not_before) return `Scheduled for ${moment(run.not_before)}`;
    if (run.state === "awaiting_approval" && this.#may("approve")) return `${this.page.nameOf(run.maker)} asks for your approval`;
    if (this.#isHeld) return "Only suggested for now, nothing has changed";
    return STATES[run.state] ?? spaced(run.state);
  }

  // It could be applied, were it not for a check that fails.
  get #isHeld() {
    return this.#may("apply") && this.view.red_gates.length > 0;
  }

  #may(step) {
    return this.view.steps.includes(step);
  }

  #story() {
    const { run, approvals } = this.view;
    const lines = [];
    if (run.reason) lines.push(element("p", run.reason, { class: "reason" }));
    if (run.state === "awaiting_approval" && !this.#may("approve")) lines.push(element("p", `${capital(this.page.approversOf(run.action))} has to agree first; you cannot do that yourself.`));
    for (const { approver, verdict, note } of approvals) lines.push(element("p", `${verdict === "approve" ? "Approved" : "Rejected"} by ${this.page.nameOf(approver)}${note ? `: ${note}` : "."}`));
    if (run.state === "approved" && !this.#may("apply")) lines.push(element("p", `${this.page.nameOf(run.maker)} can apply it now.`));
    if (run.state === "stale") lines.push(element("p", `${STALE} ${this.view.successor ? "It was planned anew, as a run of its own." : "Preview it again to see what it would do now."}`, { class: "problem" }));
    if (["failed", "denied"].includes(run.state)) lines.push(...this.#why());
    if (BEFORE.has(run.state) && this.view.red_gates.length) lines.push(this.whyHeld(this.view.red_gates));
    if (this.trouble) lines.push(element("p", this.trouble, { class: "problem" }));
    return lines;
  }

  // Why it did not come to pass: the rules that decided, or the product's own words.
  #why() {
    const { decisions, attempts, run } = this.view;
    const last = attempts.at(-1);
    if (run.state === "failed") return [element("p", last ? `Pennyfern says: ${last.outcome.replace(/^rejected: /, "")}` : "Pennyfern did not do it.", { class: "problem" })];
    const reasons = decisions.at(-1)?.reasons ?? [];
    const none = [element("p", "No rule allows it.", { class: "problem" })];
    return reasons.length ? reasons.map(({ reason, remedy }) => element("p", `${reason} ${remedy}`, { class: "problem" })) : none;
  }

  #difference() {
    const { plan, run } = this.view;
    if (this.conflict) {
      const title = element("p", "Somebody changed this since, so nothing was overwritten. Compare, and mend it by hand:", { class: "problem" });
      return [title, ...conflictTables(this.conflict, this.page.names)];
    }
    if (this.undo) return [element("p", "Undo puts this back:", { class: "puts-back" }), ...changeTables(this.undo.plan.changes, this.page.names)];
    if (!plan || AGAIN.has(run.state)) return [];
    const tables = changeTables(plan.changes, this.page.names);
    const summary = element("p", plan.summary, { class: "plan" });
    if (BEFORE.has(run.state)) return [summary, ...tables];
    return [summary, element("details", [element("summary", run.state === "undone" ? "What it had changed" : "What it changed"), ...tables])];
  }

  #facts() {
    const { plan, run, caps, decisions, undo_until: until } = this.view;
    if (this.undo || this.conflict) return [];
    if (run.state === "applied" && until) return [element("p", `It can be undone until ${moment(until)}.`, { class: "hint" })];
    if (!plan || !BEFORE.has(run.state)) return [];
    const saved = plan.minutes_saved ? `Saves about ${plural(plan.minutes_saved, "minute")}.` : "";
    const facts = [`${saved} Costs $${plan.cost_usd.toFixed(plan.cost_usd && plan.cost_usd < 0.01 ? 3 : 2)}. This preview holds until ${moment(plan.expires_at)}.`];
    for (const cap of caps) facts.push(`${capital(spaced(cap.cap_id))}: ${cap.left.toLocaleString()} of ${cap.most.toLocaleString()} left.`);
    for (const { reason, remedy } of decisions.at(-1)?.reasons ?? []) facts.push(`${reason} ${remedy}`);
    const told = facts.map((fact) => fact.trim()).filter((fact) => fact);
    return [element("ul", told.map((fact) => element("li", fact)), { class: "facts-list hint" })];
  }

  #buttons() {
    const { run } = this.view;
    if (this.undo) return [this.button("Undo now", () => this.#undoNow(), true), this.button("Keep it", () => this.#keep())];
    const buttons = [];
    const add = (step, text, work, isMain = false) => this.#may(step) && buttons.push(this.button(text, work, isMain));
    add("take_up", "Do it", () => this.#step("take-up"), true);
    if (this.#isHeld) buttons.push(this.heldButton(() => this.#lookWhetherHeld()));
    else add("apply", "Apply", () => this.#apply(), true);
    add("approve", "Approve", () => this.#judge("approve"), true);
    add("reject", "Reject", () => this.#judge("reject"));
    if (this.conflict) buttons.push(this.button("Close the comparison", () => this.#look()));
    else add("undo", "Undo", () => this.#previewUndo());
    add("redo", "Do it again", () => this.#redo());
    const isMine = run.kind !== "undo" && this.page.isMine(run);
    if (isMine && !this.view.successor && (AGAIN.has(run.state) || this.trouble)) buttons.push(this.button("Preview again", () => this.#again()));
    if (isMine) add("cancel", "Drop it", () => this.#step("cancel"));
    if (WAITING.has(run.state) && !this.#isHeld) buttons.push(this.button("Look again", () => this.#look()));
    return buttons;
  }

  async failed(problem) {
    const view = await readRun(this.person, this.id).catch(() => this.view);
    // A check that fails since the preview is told by the card itself, for as long as it fails.
    const trouble = problem.code === "gate_red" && view.red_gates.length ? "" : inWords(problem);
    this.show(view, problem.differences?.length ? { conflict: problem.differences } : { trouble });
    return trouble || suggestedOnly(view.red_gates);
  }

  async #step(step, body = {}, key = "") {
    this.show(await takeStep(this.person, this.id, step, body, key));
  }

  async #apply() {
    await this.#step("apply", { plan_digest: this.view.plan.digest, wait: true });
    const { run, plan, successor } = this.view;
    if (run.state === "applied") return `Applied. ${plan.summary} Undo stays beside it.`;
    return run.state === "stale" && successor ? this.#goOnWith(successor) : this.title.textContent;
  }

  // Where the same change was still possible, the server has gone on with it by itself; else it waits for a person.
  async #goOnWith(successor) {
    const card = this.page.add(await readRun(this.person, successor));
    card.title.focus();
    await card.follow();
    return `${STALE} Planned anew. ${card.title.textContent}.`;
  }

  // Nobody presses while the server is at it; what comes of it is looked up until it is known.
  async follow() {
    while (["proposed", "applying"].includes(this.view.run.state) && this.node.isConnected) {
      await new Promise((resolve) => setTimeout(resolve, ONCE_MORE_MS));
      await this.#look();
    }
  }

  async #judge(verdict) {
    await this.#step(verdict, { plan_digest: this.view.plan.digest });
  }

  async #look() {
    this.show(await readRun(this.person, this.id));
  }

  async #lookWhetherHeld() {
    await this.#look();
    return this.#isHeld ? suggestedOnly(this.view.red_gates) : NOT_HELD;
  }

  async #previewUndo() {
    const undo = await takeStep(this.person, this.id, "undo", { preview: true }, this.keys.undo);
    if (undo.run.state !== "planned") return this.#notUndone(undo);
    this.show(this.view, { undo });
    return "Undo would put back what is shown; nothing has changed yet.";
  }

  async #undoNow() {
    const undo = await takeStep(this.person, this.id, "undo", { preview: false, wait: true }, this.keys.undo);
    if (undo.run.state !== "applied") return this.#notUndone(undo);
    await this.#look();
    return "Undone. Everything is as it was before.";
  }

  async #keep() {
    const { run } = this.undo;
    this.keys.undo = crypto.randomUUID();
    await takeStep(this.person, run.run_id, "cancel");
    await this.#look();
    return "Kept. Undo stays beside it.";
  }

  // The undo's own run ended otherwise; the next press begins a new one.
  async #notUndone(undo) {
    this.keys.undo = crypto.randomUUID();
    const reasons = undo.decisions.at(-1)?.reasons.map(({ reason, remedy }) => `${reason} ${remedy}`) ?? [];
    const trouble = `Not undone: ${[STATES[undo.run.state] ?? undo.run.state, ...reasons].join(". ")}`;
    this.show(await readRun(this.person, this.id), { trouble });
    return trouble;
  }

  async #redo() {
    const view = await takeStep(this.person, this.id, "redo", {}, this.keys.redo);
    this.page.add(view).title.focus();
    return "A new preview of the same; nothing has changed yet.";
  }

  async #again() {
    const { run } = this.view;
    if (this.#may("cancel")) await takeStep(this.person, this.id, "cancel");
    const wanted = { action: run.action, arguments: run.arguments, reason: run.reason, citations: run.citations };
    this.show(await this.page.propose(this.keys.again, wanted));
  }
}
