// Playbooks that can be started: what their steps are, what is still to be chosen, and the preview of all of them as one.
import { inWords } from "./demo_card.js";
import { byId, counted, element } from "./demo_elements.js";
import { capital, spaced } from "./demo_difference.js";
import { ArgumentForm } from "./demo_form.js";
import { PlaybookCard } from "./demo_playbook.js";
import { listPlaybooks, previewPlaybook } from "./demo_runs.js";

const PREFIX = "playbook.";

export const evidenceWords = ({ citations, question }) => `${counted(citations.length, "passage", "passages")} of the answer to “${question}”`;

export class Playbooks {
  // `page` knows the person, the names and the actions: see demo_actions.js.
  constructor(page) {
    this.page = page;
    this.known = [];
    this.starters = [];
    this.evidence = null;
  }

  forget() {
    byId("sets").hidden = true;
    for (const id of ["playbooks", "playbook-runs"]) byId(id).replaceChildren();
    this.starters = [];
  }

  async signIn(person) {
    this.known = await listPlaybooks(person);
  }

  // One form for each, once the actions' titles are known too.
  show() {
    byId("sets").hidden = this.known.length === 0;
    this.starters = this.known.map((playbook) => new Starter(playbook, this));
    for (const starter of this.starters) starter.rest(this.evidence);
    byId("playbooks").replaceChildren(...this.starters.map((starter) => starter.node));
  }

  rest(evidence) {
    this.evidence = evidence;
    for (const starter of this.starters) starter.rest(evidence);
  }

  titleOf(action) {
    const name = action.slice(PREFIX.length);
    return this.known.find((playbook) => playbook.name === name)?.title ?? capital(spaced(name));
  }

  card(view) {
    return new PlaybookCard(view, this.page, this);
  }

  // The card of this run, before all others when it is new here.
  add(view) {
    const card = this.card(view);
    const shown = [...byId("playbook-runs").children].find((node) => node.dataset.run === view.run.run_id);
    if (shown) shown.replaceWith(card.node);
    else byId("playbook-runs").prepend(card.node);
    return card;
  }
}

class Starter {
  constructor(playbook, playbooks) {
    this.playbook = playbook;
    this.playbooks = playbooks;
    this.page = playbooks.page;
    this.evidence = null;
    this.#renewKey();
    const id = `playbook-${playbook.name}`;
    this.form = new ArgumentForm(playbook.arguments_schema, { viewer: this.page.signedIn.context }, id);
    // What the host states about the person is not theirs to choose; nobody fills in the id of an account.
    for (const [name, part] of Object.entries(playbook.arguments_schema.properties ?? {})) {
      const field = this.form.fields.get(name);
      field.node.hidden = Boolean(part["x-context"]) && field.read() !== undefined;
    }
    const steps = playbook.actions.map((action) => element("li", this.page.titleOf(action)));
    const title = element("h3", playbook.title, { id: `${id}-title` });
    this.rests = element("input", "", { type: "checkbox", id: `${id}-evidence`, "aria-describedby": `${id}-evidence-about` });
    this.about = element("p", "", { class: "hint", id: `${id}-evidence-about` });
    this.choice = element("div", [this.rests, element("label", "It rests on the last answer", { for: this.rests.id }), this.about], { class: "check" });
    this.none = element("p", "A step may have to rest on a passage that you were shown. Ask about it first; that answer then counts here.", { class: "hint" });
    this.problem = element("p", "", { class: "problem" });
    this.submit = element("button", `Preview all ${steps.length} steps`, { type: "submit", class: "main" });
    const parts = [title, element("p", playbook.description), element("ol", steps, { class: "playbook-steps" }), this.form.node, this.choice, this.none, this.problem, element("div", [this.submit], { class: "row" })];
    this.node = element("form", parts, { class: "card playbook", autocomplete: "off", "aria-labelledby": title.id });
    this.node.addEventListener("submit", (event) => this.#preview(event));
    this.node.addEventListener("input", () => this.#renewKey());
  }

  // The passages of the last answer, if there is one.
  rest(evidence) {
    this.evidence = evidence;
    this.choice.hidden = !evidence;
    this.none.hidden = Boolean(evidence);
    this.rests.checked = Boolean(evidence);
    if (evidence) this.about.textContent = evidenceWords(evidence);
    this.#renewKey();
  }

  // Another wish is another request; the same one keeps its key, so that a second press changes nothing.
  #renewKey() {
    this.key = crypto.randomUUID();
  }

  async #preview(event) {
    event.preventDefault();
    if (this.isBusy) return;
    this.isBusy = true;
    this.submit.setAttribute("aria-disabled", "true");
    this.problem.textContent = "";
    const { person } = this.page;
    let announced;
    try {
      const citations = this.evidence && this.rests.checked ? this.evidence.citations : [];
      const view = await previewPlaybook(person, this.key, { playbook: this.playbook.name, arguments: this.form.values(), citations });
      if (person !== this.page.person) return;
      const card = this.playbooks.add(view);
      if (view.outcome !== "previewed") this.#renewKey();
      await this.page.changed();
      card.title.focus();
      announced = `${card.title.textContent}.`;
    } catch (problem) {
      announced = inWords(problem);
      this.problem.textContent = announced;
    } finally {
      this.isBusy = false;
      this.submit.setAttribute("aria-disabled", "false");
    }
    this.page.announce(announced);
  }
}
