// One question and what comes of it, from the first checked sentence to the whole reply.
import { about, degradedSentence } from "./demo_about.js";
import { offerButtons } from "./demo_actions.js";
import { button, counted, element, prose, removing } from "./demo_elements.js";

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeZone: "UTC" });
const COMING = "More may come. An AI model may be writing this; each sentence is checked against its quote before it is shown.";

function place(citation) {
  const line = element("p", [element("strong", citation.title, { lang: citation.locale })], { class: "place" });
  if (citation.heading) line.append(" › ", element("span", citation.heading, { lang: citation.locale }));
  const dated = citation.updated_at ? dates.format(new Date(citation.updated_at)) : "undated";
  const page = citation.page_number ? `, page ${citation.page_number}` : "";
  line.append(` · ${dated} · ${citation.uri}${page}, characters ${citation.start} to ${citation.end}`);
  if (citation.stale) line.append(" ", element("span", `Out of date: ${citation.stale}`, { class: "stale" }));
  return line;
}

export class Turn {
  // `judge` makes the row of buttons for what the person thinks of a reply; `askAgain` asks this very question once more, `pick` another one in the same conversation; `prepare` opens an
  // action, and is null where there is nothing to act on.
  constructor(number, question, asker, { askAgain, pick, prepare, judge }) {
    this.number = number;
    this.asker = asker;
    this.askAgain = askAgain;
    this.pick = pick;
    this.prepare = prepare;
    this.judge = judge;
    this.shown = [];
    this.hasShown = false;
    this.started = performance.now();
    this.title = element("h2", question, { id: `turn-${number}`, tabindex: "-1" });
    this.understood = element("p", "", { class: "understood" });
    this.outcome = element("h3", "Looking into the documents", { class: "outcome" });
    this.before = element("div", "", { class: "before" });
    this.claims = element("div", "", { class: "claims" });
    this.label = element("p", "", { class: "label hint" });
    this.help = element("div", "", { class: "help" });
    this.citationsTitle = element("h4", "", { class: "citations-title" });
    this.citations = element("ol", "", { class: "citations" });
    this.about = element("div");
    const parts = [this.outcome, this.before, this.claims, this.label, this.help, this.citationsTitle, this.citations, this.about];
    this.body = element("div", parts, { class: "reply" });
    this.node = element("article", [this.title, this.understood, this.body], { class: "turn", "aria-labelledby": this.title.id });
    this.#sources("", []);
  }

  claim(claim) {
    this.shown.push(JSON.stringify(claim));
    this.hasShown = true;
    const line = element("p", prose(claim.text), { lang: claim.citations[0].locale });
    for (const citation of claim.citations) {
      const number = this.citations.childElementCount + 1;
      const id = `turn-${this.number}-citation-${number}`;
      line.append(element("a", String(number), { href: `#${id}`, "aria-label": `Citation ${number}` }));
      this.citations.append(this.#citation(citation, id));
    }
    this.claims.append(line);
    this.outcome.textContent = "Answer";
    this.label.textContent = COMING;
    this.#entitle("Where this stands");
  }

  restart() {
    removing([this.claims, this.citations], this.title)(() => {
      this.shown = [];
      this.claims.replaceChildren();
      this.#sources("", []);
    });
    this.outcome.textContent = "Starting over";
    this.label.textContent = "Another attempt at the answer is being made.";
  }

  // The reply counts, whatever came before it. Returns what to announce.
  reply(reply) {
    if (reply.searched) this.understood.replaceChildren("Understood as: ", element("q", reply.searched));
    const announced = reply.answer ? this.#answer(reply.answer) : this.#refusal(reply.refusal);
    const offers = this.prepare ? offerButtons(reply, this.prepare) : [];
    if (offers.length) this.help.append(element("h4", "What can be done"), element("ul", offers, { class: "offers" }));
    const degraded = degradedSentence(reply);
    if (degraded) this.label.after(element("p", degraded, { class: "degraded" }));
    this.about.before(this.judge(reply.reply_id));
    this.about.replaceChildren(about(reply, this.asker, performance.now() - this.started));
    return degraded ? `${announced} ${degraded}` : announced;
  }

  stopped() {
    this.outcome.textContent = "Stopped";
    this.label.textContent = this.shown.length
      ? "You stopped this before it was complete, and nothing more is spent on it. An AI model may have written it; each sentence was checked against its quote."
      : "You stopped this before anything was found, and nothing more is spent on it.";
    this.help.replaceChildren(button("Ask again", {}, this.askAgain));
    return "Stopped. Nothing more is spent on this question.";
  }

  failed(problem) {
    this.node.classList.add("failed");
    this.outcome.textContent = "That did not work";
    this.label.textContent = this.shown.length ? "What came before is checked, but it is not the whole answer." : "";
    const told = element("p", [problem.message, " ", problem.whatToDo, " ", element("code", problem.code)], { class: "problem" });
    this.help.replaceChildren(told, button("Ask again", {}, this.askAgain));
    return `That did not work: ${problem.message} ${problem.whatToDo} (${problem.code})`;
  }

  #answer(answer) {
    const wanted = answer.claims.map((claim) => JSON.stringify(claim));
    if (this.shown.some((claim, at) => claim !== wanted[at])) this.restart();
    for (const claim of answer.claims.slice(this.shown.length)) this.claim(claim);
    if (answer.note) this.before.replaceChildren(element("p", answer.note, { class: "premise", role: "note" }));
    this.label.textContent = answer.label;
    this.node.classList.toggle("ai", answer.ai_generated);
    const who = answer.ai_generated ? "by an AI model" : "in quotes";
    return `${answer.note} Answered ${who}, with ${counted(this.citations.childElementCount, "citation", "citations")}.`.trim();
  }

  #refusal(refusal) {
    this.restart();
    this.node.classList.add("refused");
    this.outcome.textContent = "No answer";
    this.label.textContent = "";
    this.claims.append(element("p", refusal.message));
    this.#sources(refusal.closest.length ? "Closest places" : "", refusal.closest);
    if (refusal.choices.length) this.#choices(refusal.choices);
    if (refusal.would_help.length) {
      const sentences = refusal.would_help.map((sentence) => element("li", sentence));
      this.help.append(element("h4", "What would help"), element("ul", sentences));
    }
    const after = this.hasShown ? "No answer after all; what was shown is taken back." : "No answer; the reason and what would help are below.";
    return refusal.choices.length ? `${refusal.message} ${counted(refusal.choices.length, "question", "questions")} to pick from.` : after;
  }

  #choices(choices) {
    const items = choices.map((choice) => element("li", [button(choice, {}, () => this.pick(choice))]));
    this.help.append(element("h4", "Did you mean"), element("ul", items, { class: "choices" }));
  }

  #sources(title, citations) {
    const items = citations.map((citation, at) => this.#citation(citation, `turn-${this.number}-citation-${at + 1}`));
    this.citations.replaceChildren(...items);
    this.#entitle(title);
  }

  #entitle(title) {
    this.citationsTitle.textContent = title;
    this.citationsTitle.hidden = !title;
  }

  #citation(citation, id) {
    const quote = element("blockquote", prose(citation.quote), { lang: citation.locale });
    return element("li", [quote, place(citation)], { id });
  }
}
