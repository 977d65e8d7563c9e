// The host product's page: who asks is decided by the host's backend, what is shown comes from the product's API.
import { Doing, citationsOf } from "./demo_actions.js";
import { button, byId, element } from "./demo_elements.js";
import { feedbackBar } from "./demo_feedback.js";
import { Handover } from "./demo_handover.js";
import { Problem, ask, startConversation, startOfPage } from "./demo_service.js";
import { Turn } from "./demo_turn.js";

// One conversation per visit and person; its id is known once its first question was asked.
let conversation = { id: "", turns: 0 };
// Aborting it ends the question at the server, and its spending.
let underWay = null;
// What the person can have done; null while the page has no product to do it in.
let doing = null;

const say = (sentence) => {
  byId("status").textContent = sentence;
};
const person = () => byId("person").selectedOptions[0];
const handover = new Handover(say, () => ({ person: person().value, asker: person().textContent, id: conversation.id }));

function showBusy(isBusy) {
  // The button keeps the focus: a disabled one would lose it.
  byId("send").setAttribute("aria-disabled", String(isBusy));
  const hadFocus = document.activeElement === byId("stop");
  byId("stop").hidden = !isBusy;
  if (hadFocus && !isBusy) byId("question").focus();
}

function newTurn(question) {
  conversation.turns += 1;
  const pick = (text) => {
    if (askNow(text)) byId("turns").lastElementChild.querySelector("h2").focus();
  };
  const asker = person().value;
  const turn = new Turn(conversation.turns, question, person().textContent, {
    askAgain: () => pick(question),
    pick,
    judge: (replyId) => feedbackBar(asker, replyId, say),
    prepare: doing && ((offer, replyId) => doing.prepare(offer, replyId)),
  });
  byId("turns").append(turn.node);
  byId("renew").hidden = false;
  turn.node.scrollIntoView({ block: "start" });
  return turn;
}

// Whether the question is on its way; only one is at a time.
function askNow(question) {
  if (underWay) {
    say("One question at a time: wait for the answer, or stop it.");
    return false;
  }
  underWay = new AbortController();
  showBusy(true);
  say("Looking into the documents");
  const turn = newTurn(question);
  follow(turn, question, conversation, underWay);
  return true;
}

async function follow(turn, question, held, controller) {
  let announced = "";
  try {
    announced = await answered(turn, question, held, controller.signal);
  } catch (error) {
    if (controller.signal.aborted) announced = turn.stopped();
    else announced = turn.failed(error instanceof Problem ? error : new Problem({ code: error.name, detail: error.message }));
  }
  if (underWay === controller) {
    underWay = null;
    showBusy(false);
  }
  // A turn of a conversation that was left meanwhile has nothing to say any more.
  if (held !== conversation) return;
  if (held.id) handover.offer(turn.node.matches(".refused, .failed"));
  say(announced);
}

async function answered(turn, question, held, signal) {
  const asker = person().value;
  held.id ||= await startConversation(asker, signal);
  let announced = "";
  for await (const { name, data } of ask(asker, question, held.id, signal)) {
    if (name === "claim") {
      if (!turn.shown.length && held === conversation) say("The first checked sentence is shown; more may come.");
      turn.claim(data);
    } else if (name === "restart") turn.restart();
    else if (name === "reply") {
      announced = turn.reply(data);
      if (held === conversation && data.answer) doing?.rest({ question, reply: data.reply_id, citations: citationsOf(data) });
    }
  }
  return announced;
}

function submit(event) {
  event.preventDefault();
  const question = byId("question").value.trim();
  if (!question) {
    say("Type a question first.");
    byId("question").focus();
  } else if (askNow(question)) byId("question").value = "";
}

function renew(announced) {
  underWay?.abort();
  conversation = { id: "", turns: 0 };
  byId("turns").replaceChildren();
  byId("renew").hidden = true;
  handover.forget();
  doing?.rest(null);
  say(announced);
}

function signIn() {
  doing?.signIn(person().value).catch((problem) => say(`Actions could not be read: ${problem.message}`));
}

function tryExample(example) {
  if (underWay) {
    askNow(example.question);
    return;
  }
  if (person().value !== example.person) {
    byId("person").value = example.person;
    renew("");
    signIn();
  }
  askNow(example.question);
  byId("turns").lastElementChild.querySelector("h2").focus();
}

function exampleItem(example, people) {
  const name = people.find((one) => one.name === example.person).shown_as.split(",")[0];
  return element("li", [button([element("span", example.question, { lang: example.locale }), ` (${name})`], {}, () => tryExample(example))]);
}

async function start() {
  const { people, examples, has_actions: hasActions } = await startOfPage();
  byId("person").replaceChildren(...people.map((one) => element("option", one.shown_as, { value: one.name })));
  byId("examples").replaceChildren(...examples.map((example) => exampleItem(example, people)));
  byId("person").addEventListener("change", () => {
    renew(`A new conversation, as ${person().textContent}.`);
    signIn();
  });
  byId("renew").addEventListener("click", () => {
    renew("A new conversation.");
    byId("question").focus();
  });
  byId("stop").addEventListener("click", () => underWay?.abort());
  byId("ask").addEventListener("submit", submit);
  byId("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  });
  if (hasActions) doing = new Doing(say, people);
  signIn();
}

start().catch((error) => say(`The page could not start: ${error.message}`));
