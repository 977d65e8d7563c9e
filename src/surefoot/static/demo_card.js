// What every card of something done has in common: a title that can hold the focus, and buttons of which one is pressed at a time.
import { button, element } from "./demo_elements.js";

const REMEDIES = {
  plan_stale: "Preview it again.",
  undo_conflict: "",
  run_not_allowed: "",
  gate_red: "",
  invalid_action: "",
  not_found: "It may have been dropped or may not be yours to see.",
  run_in_progress: "Press again in a moment.",
};

export const inWords = (problem) => `${problem.message} ${REMEDIES[problem.code] ?? problem.whatToDo}`.trim();

// Why something is only suggested now; empty while no check stands against it.
export function suggestedOnly(gates) {
  if (!gates.length) return "";
  return `Surefoot's own checks do not pass at present (${gates.join(", ")}), so this is only suggested. Nothing is applied until they pass again; undoing works as ever.`;
}

export const NOT_HELD = "The checks pass again, so it can be applied.";

export class Card {
  // `page` knows the person and the names, and announces: see demo_actions.js.
  constructor(page, id) {
    this.page = page;
    this.reasonId = `held-${id}`;
    this.person = page.person;
    this.title = element("h3", "", { tabindex: "-1", id: `title-${id}` });
    this.body = element("div");
    this.node = element("article", [this.title, this.body], { class: "run card", "aria-labelledby": this.title.id });
    this.isBusy = false;
  }

  // What has the focus is replaced with the rest of the card; whoever uses the keyboard goes on from its title.
  fill(titleParts, state, parts) {
    const hadFocus = this.node.contains(document.activeElement);
    this.title.replaceChildren(...titleParts);
    this.node.dataset.state = state;
    this.body.replaceChildren(...parts);
    if (hadFocus) this.title.focus();
  }

  button(text, work, isMain = false) {
    return button(text, { class: isMain ? "main" : "plain" }, () => this.#press(work));
  }

  // Why it cannot be applied now, and the button that stands where Apply would: it says so too, and looks whether that is over.
  whyHeld(gates) {
    return element("p", suggestedOnly(gates), { class: "problem", id: this.reasonId });
  }

  heldButton(look) {
    const node = this.button("Only suggested: look again", look);
    node.setAttribute("aria-describedby", this.reasonId);
    return node;
  }

  // A press while another is under way does nothing; the server would do nothing twice either.
  async #press(work) {
    if (this.isBusy) return;
    this.isBusy = true;
    this.#mark(true);
    const announced = await work().catch((problem) => this.failed(problem));
    this.isBusy = false;
    this.#mark(false);
    await this.page.changed();
    this.page.say(this, announced ?? this.title.textContent);
  }

  #mark(isBusy) {
    this.node.setAttribute("aria-busy", String(isBusy));
    for (const node of this.body.querySelectorAll("button")) node.setAttribute("aria-disabled", String(isBusy));
  }
}
