// One run of a playbook: all of its steps as one difference, who has to agree, what stands, and the undo of the whole.
import { Card, NOT_HELD, inWords, suggestedOnly } from "./demo_card.js";
import { element } from "./demo_elements.js";
import { capital, changeTables, conflictTables, moment, spaced } from "./demo_difference.js";
import { pressPlaybook, readPlaybook } from "./demo_runs.js";

const OUTCOMES = {
  running: "Under way",
  applied: "Applied",
  undone: "Undone",
  compensated: "Not done, and what had begun was taken back",
  partial: "Only partly done, a person has to look",
};
const BEFORE = {
  proposed: "Being previewed",
  planned: "Preview, nothing has changed yet",
  awaiting_approval: "Needs approval by somebody else",
  approved: "Approved, not applied yet",
  denied: "Not allowed, nothing was changed",
  failed: "Not possible, nothing was changed",
  rejected: "Rejected, nothing was changed",
  expired: "Expired, nothing was changed",
  cancelled: "Dropped, nothing was changed",
};
const STEPS = {
  denied: "not allowed",
  planned: "ready",
  approved: "ready",
  scheduled: "scheduled",
  applying: "under way",
  applied: "done",
  final: "done, and cannot be undone any more",
  stale: "out of date",
  failed: "not possible",
  unknown: "it is not known yet whether it happened",
  needs_human: "a person has to find out whether it happened",
  undone: "taken back",
  expired: "expired",
  cancelled: "not done",
};
const LOOKS_AGAIN_MS = 500;
const DIFFERS = "Somebody changed this since, so nothing of it was put back. Compare, and mend it by hand:";

export class PlaybookCard extends Card {
  // `page` also knows the title of a playbook: see demo_playbooks.js.
  constructor(view, page, playbooks) {
    super(page, view.run.run_id);
    this.playbooks = playbooks;
    this.undoKey = crypto.randomUUID();
    this.node.dataset.run = view.run.run_id;
    this.show(view);
  }

  get id() {
    return this.view.run.run_id;
  }

  show(view, { undo = null, conflict = null, trouble = "" } = {}) {
    Object.assign(this, { view, undo, conflict, trouble });
    const title = [this.playbooks.titleOf(view.run.action), ": ", element("span", this.#stateWords(), { class: "state" })];
    this.fill(title, view.outcome === "previewed" || view.outcome === "refused" ? view.run.state : view.outcome, [
      ...this.#story(),
      ...this.#difference(),
      ...this.#facts(),
      element("div", this.#buttons(), { class: "row" }),
    ]);
  }

  // Nobody presses while the server is at it; what comes of it is looked up until it is known.
  async follow() {
    while (this.view.outcome === "running" && this.node.isConnected) {
      await new Promise((resolve) => setTimeout(resolve, LOOKS_AGAIN_MS));
      await this.#look();
    }
  }

  async failed(problem) {
    const view = await readPlaybook(this.person, this.id).catch(() => this.view);
    const gates = gatesOf(view);
    const trouble = problem.code === "gate_red" && gates.length ? "" : inWords(problem);
    if (problem.differences?.length) this.undoKey = crypto.randomUUID();
    this.show(view, problem.differences?.length ? { conflict: problem.differences } : { trouble });
    return trouble || suggestedOnly(gates);
  }

  #may(step) {
    return this.view.open_steps.includes(step);
  }

  get #isHeld() {
    return this.#may("apply") && gatesOf(this.view).length > 0;
  }

  #stateWords() {
    const { run, outcome } = this.view;
    if (run.state === "awaiting_approval" && this.#may("approve")) return `${this.page.nameOf(run.maker)} asks for your approval`;
    if (this.#isHeld) return "Only suggested for now, nothing has changed";
    return OUTCOMES[outcome] ?? BEFORE[run.state] ?? spaced(run.state);
  }

  #story() {
    const { run, steps, outcome } = this.view;
    if (this.undo || this.conflict) return [];
    const lines = [];
    if (run.reason) lines.push(element("p", run.reason, { class: "reason" }));
    if (gatesOf(this.view).length) lines.push(this.whyHeld(gatesOf(this.view)));
    if (this.trouble) lines.push(element("p", this.trouble, { class: "problem" }));
    if (outcome === "partial") lines.push(...this.#whatStands());
    if (steps.length) lines.push(element("ol", steps.map((step) => this.#step(step)), { class: "playbook-steps" }));
    if (outcome === "refused" && !steps.some((step) => ["denied", "failed"].includes(step.run.state)) && this.view.why) lines.push(element("p", capital(`${this.view.why}.`), { class: "problem" }));
    if (outcome === "refused" && this.page.isMine(run)) lines.push(element("p", "It can be previewed again above, as a whole.", { class: "hint" }));
    if (run.state === "approved" && !this.page.isMine(run)) lines.push(element("p", `${this.page.nameOf(run.maker)} can apply it now.`));
    return lines;
  }

  // It never merely failed while something of it is there.
  #whatStands() {
    const standing = this.view.steps.filter((step) => this.view.stands.includes(step.run.run_id));
    const one = `Not every step could be done, and not all that was done could be taken back. ${standing.length} of ${this.view.steps.length} still ${standing.length === 1 ? "stands" : "stand"} in Pennyfern:`;
    return [element("p", one, { class: "problem" }), element("ul", standing.map((step) => element("li", this.page.titleOf(step.run.action))), { class: "stands" })];
  }

  #step(step) {
    const { run, approvals, decisions, attempts } = step;
    const parts = [element("strong", this.page.titleOf(run.action)), `: ${this.#stepWords(step)}`];
    for (const { approver, verdict, note } of approvals) parts.push(`, ${verdict === "approve" ? "approved" : "rejected"} by ${this.page.nameOf(approver)}${note ? ` (${note})` : ""}`);
    const item = element("li", parts);
    if (run.state === "denied") {
      const reasons = decisions.at(-1)?.reasons ?? [];
      for (const { reason, remedy } of reasons.length ? reasons : [{ reason: "No rule allows it.", remedy: "" }]) item.append(element("p", `${reason} ${remedy}`, { class: "problem" }));
    }
    if (run.state === "failed" && attempts.length) item.append(element("p", `Pennyfern says: ${attempts.at(-1).outcome.replace(/^rejected: /, "")}`, { class: "problem" }));
    return item;
  }

  #stepWords({ run, approvals }) {
    if (run.state === "awaiting_approval") return this.#may("approve") ? "waits for your word" : `${this.page.approversOf(run.action)} has to agree first; you cannot do that yourself`;
    if (run.state === "rejected" && approvals.length) return "not done";
    return STEPS[run.state] ?? spaced(run.state);
  }

  #difference() {
    if (this.conflict) return [element("p", DIFFERS, { class: "problem" }), ...conflictTables(this.conflict, this.page.names)];
    if (this.undo) return [element("p", "Undo puts all of this back, the last step first:", { class: "puts-back" }), ...this.#tables(this.undo.steps)];
    const { outcome, steps } = this.view;
    const tables = this.#tables(steps);
    if (!tables.length || outcome === "refused") return [];
    if (outcome === "previewed") return [element("h4", "What would change, all together"), ...tables];
    return [element("details", [element("summary", outcome === "applied" ? "What it changed" : "What it was to change"), ...tables])];
  }

  #tables(steps) {
    return changeTables(steps.flatMap((step) => step.plan?.changes ?? []), this.page.names);
  }

  #facts() {
    const { outcome, steps, plan_expires_at: until } = this.view;
    if (this.undo || this.conflict) return [];
    if (outcome === "applied" && this.#may("undo")) {
      const soonest = steps.map((step) => step.undo_until).filter((end) => end).sort()[0];
      return [element("p", `All of it can be undone${soonest ? ` until ${moment(soonest)}` : ""}.`, { class: "hint" })];
    }
    if (outcome !== "previewed" || !until) return [];
    const plans = steps.map((step) => step.plan).filter((plan) => plan);
    const cost = plans.reduce((sum, plan) => sum + plan.cost_usd, 0);
    const minutes = plans.reduce((sum, plan) => sum + plan.minutes_saved, 0);
    const saved = minutes ? `Saves about ${minutes.toLocaleString()} minutes. ` : "";
    const facts = ["The steps are applied one after another; if one fails, those before it are taken back.", `${saved}Costs $${cost.toFixed(2)}. This preview holds until ${moment(until)}.`];
    return [element("ul", facts.map((fact) => element("li", fact)), { class: "facts-list hint" })];
  }

  #buttons() {
    if (this.undo) return [this.button("Undo all of it now", () => this.#undoNow(), true), this.button("Keep it", () => this.#keep())];
    if (this.conflict) return [this.button("Close the comparison", () => this.#look())];
    const buttons = [];
    const add = (step, text, work, isMain = false) => this.#may(step) && buttons.push(this.button(text, work, isMain));
    if (this.#isHeld) buttons.push(this.heldButton(() => this.#lookWhetherHeld()));
    else add("apply", `Apply all ${this.view.steps.length} steps`, () => this.#apply(), true);
    add("approve", "Approve all of it", () => this.#judge("approve"), true);
    add("reject", "Reject", () => this.#judge("reject"));
    add("undo", "Undo all of it", () => this.#previewUndo());
    if (this.page.isMine(this.view.run)) add("cancel", "Drop it", () => this.#pressed("cancel"));
    const waits = ["awaiting_approval", "proposed"].includes(this.view.run.state) || ["running", "partial"].includes(this.view.outcome);
    if (waits) buttons.push(this.button("Look again", () => this.#look()));
    return buttons;
  }

  async #pressed(step, body = {}) {
    this.show(await pressPlaybook(this.person, this.id, step, body));
  }

  async #judge(verdict) {
    await this.#pressed(verdict, { plan_digest: this.view.plan_digest });
  }

  async #look() {
    this.show(await readPlaybook(this.person, this.id));
  }

  async #lookWhetherHeld() {
    await this.#look();
    return this.#isHeld ? suggestedOnly(gatesOf(this.view)) : NOT_HELD;
  }

  async #apply() {
    await this.#pressed("apply", { plan_digest: this.view.plan_digest, wait: true });
    await this.follow();
    if (this.view.outcome === "applied") return `Applied, all ${this.view.steps.length} steps. Undo stays beside it.`;
    return `${this.title.textContent}.`;
  }

  async #previewUndo() {
    const undo = await pressPlaybook(this.person, this.id, "undo", { preview: true }, this.undoKey);
    if (undo.run.state !== "planned") return this.#notUndone(undo);
    this.show(this.view, { undo });
    return "Undo would put back what is shown; nothing has changed yet.";
  }

  async #undoNow() {
    const undo = await pressPlaybook(this.person, this.id, "undo", { preview: false, wait: true }, this.undoKey);
    if (undo.outcome !== "applied") return this.#notUndone(undo);
    await this.#look();
    return "Undone, every step. Everything is as it was before.";
  }

  async #keep() {
    const { run } = this.undo;
    this.undoKey = crypto.randomUUID();
    await pressPlaybook(this.person, run.run_id, "cancel");
    await this.#look();
    return "Kept. Undo stays beside it.";
  }

  // The undo's own run ended otherwise, or goes on; the next press begins a new one.
  async #notUndone(undo) {
    this.undoKey = crypto.randomUUID();
    const trouble = undo.outcome === "running" ? "The undo is under way; look again in a moment." : `Not all of it is undone: ${OUTCOMES[undo.outcome] ?? BEFORE[undo.run.state] ?? undo.outcome}.`;
    this.show(await readPlaybook(this.person, this.id), { trouble });
    return trouble;
  }
}

// The gates that keep any step of it from being applied now.
function gatesOf(view) {
  return [...new Set(view.steps.flatMap((step) => step.red_gates))];
}
