// What the person thinks of a reply: one press, and for what was not right a word of theirs if they like.
import { button, element } from "./demo_elements.js";
import { sendAs } from "./demo_service.js";

const OPINIONS = [
  ["helpful", "Helpful"],
  ["wrong", "Wrong"],
  ["not_relevant", "Not what I asked"],
];
const LONGEST = 1000;

const give = (person, reply, opinion, comment) => sendAs(person, "POST", `/v1/replies/${reply}/feedback`, { body: { opinion, comment } });

// `person` asked for the reply of this id; `say` announces. A later press takes the place of an earlier one.
export function feedbackBar(person, replyId, say) {
  const buttons = new Map(OPINIONS.map(([opinion, label]) => [opinion, button(label, { "aria-pressed": "false" }, () => press(opinion))]));
  const comment = element("input", "", { type: "text", id: `why-${replyId}`, maxlength: String(LONGEST) });
  const why = element("form", [element("label", "What was not right? (optional)", { for: comment.id }), comment, element("button", "Send", { type: "submit" })], { class: "why-not" });
  why.hidden = true;
  const told = element("p", "", { class: "hint" });
  let chosen = "";

  async function tell(opinion, text, said) {
    try {
      await give(person, replyId, opinion, text);
      for (const [name, one] of buttons) one.setAttribute("aria-pressed", String(name === opinion));
      chosen = opinion;
      told.textContent = said;
    } catch (problem) {
      told.textContent = `That did not work: ${problem.message} ${problem.whatToDo ?? ""}`.trim();
    }
    say(told.textContent);
  }

  async function press(opinion) {
    await tell(opinion, "", "Thank you, that is noted. Press another to change it.");
    why.hidden = chosen === "" || chosen === "helpful";
  }

  why.addEventListener("submit", async (event) => {
    event.preventDefault();
    await tell(chosen, comment.value.trim(), "Thank you, your words are noted, without addresses and numbers.");
  });
  const row = element("div", [...buttons.values()], { role: "group", "aria-label": "What do you think of this reply?", class: "opinions" });
  return element("div", [row, why, told], { class: "feedback" });
}
