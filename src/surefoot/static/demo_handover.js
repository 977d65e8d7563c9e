// Talking to a person: what they are given, before it is given and after.
import { byId, counted, element } from "./demo_elements.js";
import { handOver, readConversation } from "./demo_service.js";

export class Handover {
  // `say` announces; `conversation` gives { person, asker, id } of the conversation at hand.
  constructor(say, conversation) {
    this.say = say;
    this.conversation = conversation;
    byId("talk").addEventListener("click", () => this.#toggle());
    byId("handover-cancel").addEventListener("click", () => this.#close());
    byId("handover-form").addEventListener("submit", (event) => this.#send(event));
    byId("handover-form").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#close();
    });
  }

  offer(isWanted) {
    byId("handover").hidden = false;
    byId("handover").classList.toggle("wanted", isWanted);
  }

  forget() {
    for (const id of ["handover", "handover-form", "handed-over"]) byId(id).hidden = true;
    byId("talk").hidden = false;
    byId("talk").setAttribute("aria-expanded", "false");
    byId("handover-note").value = "";
  }

  async #toggle() {
    if (!byId("handover-form").hidden) return this.#close();
    const { person, asker, id } = this.conversation();
    try {
      const { turns } = await readConversation(person, id);
      if (this.conversation().id !== id) return;
      byId("handover-packet").replaceChildren(...packet(turns, asker));
    } catch (problem) {
      this.say(`That did not work: ${problem.message} ${problem.whatToDo ?? ""}`);
      return;
    }
    byId("handover-form").hidden = false;
    byId("talk").setAttribute("aria-expanded", "true");
    byId("handover-note").focus();
  }

  #close() {
    byId("handover-form").hidden = true;
    byId("talk").setAttribute("aria-expanded", "false");
    byId("talk").focus();
  }

  async #send(event) {
    event.preventDefault();
    const { person, asker, id } = this.conversation();
    const note = byId("handover-note").value.trim();
    try {
      const done = await handOver(person, id, note);
      const { turns } = await readConversation(person, id);
      if (this.conversation().id === id) this.#confirm(done, turns.filter((turn) => turn.asked_at <= done.handed_over_at), asker, note);
    } catch (problem) {
      this.say(`That did not work: ${problem.message} ${problem.whatToDo ?? ""}`);
    }
  }

  #confirm(done, turns, asker, note) {
    const moment = new Date(done.handed_over_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    const said = done.is_first ? `A person was asked to take over (${moment}).` : `A person had been asked already (${moment}); nothing more was sent.`;
    const confirmation = byId("handed-over");
    confirmation.replaceChildren(element("h2", said));
    if (done.is_first) {
      const given = packet(turns, asker);
      if (note) given.push(element("li", `your note: ${note}`));
      confirmation.append(element("p", "They are given:"), element("ul", given));
    }
    confirmation.append(element("p", `What you ask from now on is not part of it. Event ${done.event_id}; Pennyfern does not exist, so nobody will call.`, { class: "hint" }));
    byId("handover-form").hidden = true;
    byId("talk").hidden = true;
    confirmation.hidden = false;
    confirmation.focus();
    this.say(said);
  }
}

function packet(turns, asker) {
  const questions = turns.map((turn) => element("li", `${turn.question} (${turn.outcome === "answer" ? "answered" : "not answered"})`));
  const asked = element("li", `${counted(turns.length, "question", "questions")}, with what was shown and the places it came from`);
  if (questions.length) asked.append(element("ul", questions));
  return [asked, element("li", `who asks: ${asker}, with plan, region and language as this product knows them`)];
}
