// "Do something": choose an action, fill it in, preview it. What comes of it is a card that stays.
import { button, byId, element } from "./demo_elements.js";
import { ArgumentForm } from "./demo_form.js";
import { Playbooks, evidenceWords } from "./demo_playbooks.js";
import { Product } from "./demo_product.js";
import { RunCard } from "./demo_run.js";
import { inWords } from "./demo_card.js";
import { listActions, listRuns, propose } from "./demo_runs.js";
import { spaced } from "./demo_difference.js";

const KEPT = ["planned", "awaiting_approval", "approved", "scheduled", "applying", "unknown", "needs_human", "applied", "undone", "suggested"];
const OVER = new Set(["denied", "rejected", "stale", "failed", "undone", "final", "expired", "cancelled"]);

export class Doing {
  // `announce` says a sentence; `people` are those of the page, each with its context.
  constructor(announce, people) {
    this.announce = announce;
    this.people = people;
    this.product = new Product();
    this.cards = new Map();
    this.playbooks = new Playbooks(this);
    this.evidence = null;
    byId("action").addEventListener("change", () => this.#choose());
    byId("choose").addEventListener("submit", (event) => this.#preview(event));
    // Another wish is another request; the same one keeps its key, so that a second press changes nothing.
    byId("choose").addEventListener("input", () => this.#renewKey());
    for (const id of ["doing", "product"]) byId(id).hidden = false;
  }

  get names() {
    return this.product.names;
  }

  get person() {
    return this.signedIn.name;
  }

  nameOf(user) {
    const known = this.people.find((one) => one.user === user);
    return known ? known.shown_as.split(",")[0] : user;
  }

  isMine(run) {
    return run.maker === this.signedIn.user;
  }

  titleOf(name) {
    return this.actions?.find((action) => action.name === name)?.title ?? spaced(name);
  }

  approversOf(name) {
    const roles = this.actions?.find((action) => action.name === name)?.approver_roles ?? [];
    return `somebody else with the role ${roles.map(spaced).join(" or ")}`;
  }

  say(card, sentence) {
    if (card.person === this.person) this.announce(sentence);
  }

  // Everything here is as this person sees it.
  async signIn(name) {
    this.signedIn = this.people.find((one) => one.name === name);
    const visit = (this.visit = {});
    this.cards.clear();
    this.rest(null);
    this.playbooks.forget();
    for (const id of ["runs", "waiting", "action"]) byId(id).replaceChildren();
    byId("approvals").hidden = true;
    const [actions, mine, waiting] = await Promise.all([
      listActions(name),
      listRuns(name, KEPT, true),
      listRuns(name, ["awaiting_approval"], false),
      this.product.refresh(),
      this.playbooks.signIn(name),
    ]);
    if (visit !== this.visit) return;
    this.actions = actions;
    byId("action").replaceChildren(element("option", "Choose", { value: "" }), ...actions.map((action) => element("option", action.title, { value: action.name })));
    this.#choose();
    for (const view of mine.runs.reverse()) this.add(view);
    for (const view of waiting.runs.filter(({ steps }) => steps.includes("approve"))) this.#ask(new RunCard(view, this));
    this.playbooks.show();
    for (const view of mine.playbooks.reverse()) this.playbooks.add(view);
    for (const view of waiting.playbooks.filter(({ open_steps: steps }) => steps.includes("approve"))) this.#ask(this.playbooks.card(view));
  }

  // What the next preview may rest on: the passages of the last answer.
  rest(answered) {
    this.evidence = answered?.citations.length ? answered : null;
    this.#showEvidence();
    byId("evidence").checked = Boolean(this.evidence);
    if (this.evidence) byId("evidence-about").textContent = evidenceWords(this.evidence);
    this.playbooks.rest(this.evidence);
    this.#renewKey();
  }

  // The action that was offered beside an answer: previewed at once, or shown as a form for what only the person knows.
  async prepare(offer, replyId = null) {
    byId("action").value = offer.action ?? offer.name;
    this.#choose();
    if (!this.form) return;
    this.form.fill(offer.arguments ?? {});
    byId("why").value = offer.reason ?? "";
    this.offered = offer.citations ?? null;
    this.offeredBeside = replyId;
    const open = this.form.firstOpen;
    byId("doing").scrollIntoView({ block: "nearest" });
    if (open) {
      open.focus();
      this.announce(`${this.titleOf(byId("action").value)}: fill in what is missing, then preview it.`);
      return;
    }
    byId("preview").focus();
    byId("choose").requestSubmit();
  }

  async propose(key, wanted) {
    return propose(this.person, key, wanted);
  }

  async changed() {
    await this.product.refresh().catch((problem) => this.announce(inWords(problem)));
  }

  // The card of this run, at the top of all when it is new here.
  add(view) {
    const known = this.cards.get(view.run.run_id);
    if (known?.node.isConnected && known.id === view.run.run_id) {
      known.show(view);
      return known;
    }
    const card = new RunCard(view, this);
    this.cards.set(view.run.run_id, card);
    byId("runs").prepend(card.node);
    return card;
  }

  #ask(card) {
    byId("approvals").hidden = false;
    byId("waiting").append(card.node);
  }

  #showEvidence() {
    byId("evidence-field").hidden = !this.form || !this.evidence;
  }

  #renewKey() {
    this.key = crypto.randomUUID();
  }

  #choose() {
    const chosen = this.actions.find((action) => action.name === byId("action").value);
    this.form = chosen ? new ArgumentForm(chosen.arguments_schema, { viewer: this.signedIn.context }) : null;
    this.offered = null;
    byId("action-about").textContent = chosen ? chosen.description : "Each is previewed first, and can be taken back.";
    byId("arguments").replaceChildren(...(this.form ? [this.form.node] : []));
    byId("why").value = "";
    for (const id of ["why-field", "preview"]) byId(id).hidden = !chosen;
    this.#showEvidence();
    this.#tell("");
    this.#renewKey();
  }

  #tell(problem) {
    byId("doing-problem").textContent = problem;
  }

  async #preview(event) {
    event.preventDefault();
    if (this.isBusy || !this.form) return;
    this.isBusy = true;
    byId("preview").setAttribute("aria-disabled", "true");
    const { person, key } = this;
    this.#tell("");
    let announced;
    try {
      const view = await this.propose(key, this.#wanted());
      if (person !== this.person) return;
      const card = this.add(view);
      // What is over can be wished for again.
      if (OVER.has(view.run.state)) this.#renewKey();
      await this.changed();
      card.title.focus();
      announced = `${card.title.textContent}.`;
    } catch (problem) {
      announced = inWords(problem);
      this.#tell(announced);
    } finally {
      this.isBusy = false;
      byId("preview").setAttribute("aria-disabled", "false");
    }
    this.announce(announced);
  }

  // The reply that this was offered beside, so that question and deed are found together.
  #beside() {
    const reply = this.offered ? this.offeredBeside : this.evidence?.reply;
    return reply ? { reply_id: reply } : {};
  }

  #wanted() {
    const rests = byId("evidence").checked && !byId("evidence-field").hidden ? this.evidence.citations : [];
    return { action: byId("action").value, arguments: this.form.values(), reason: byId("why").value.trim(), citations: this.offered ?? rests, ...this.#beside() };
  }
}

// Buttons for what the reply offers to do; a reply without offers has none.
export function offerButtons(reply, press) {
  return (reply.actions ?? []).map((offer) => element("li", [button(offer.title, {}, () => press(offer, reply.reply_id)), element("p", offer.reason ?? "", { class: "hint" })]));
}

// The passages that an answer stands on, each once.
export function citationsOf(reply) {
  const all = reply.answer?.claims.flatMap((claim) => claim.citations.map((citation) => citation.chunk_id)) ?? [];
  return [...new Set(all)].slice(0, 16);
}
