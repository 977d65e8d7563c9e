// The host product's page: who asks is decided by the host's backend, what is shown comes from /v1/ask.
// Everything from outside reaches the page as text nodes; nothing is parsed as HTML.
"use strict";

const byId = (id) => document.getElementById(id);
const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeZone: "UTC" });

function element(name, text, attributes = {}) {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

// Quotes are the document's own characters; of its Markdown only bold and code are shown as such, as elements with text.
function prose(text) {
  return text.split(/(\*\*[^*\n]+\*\*|`[^`\n]+`)/).map((part) => {
    if (part.startsWith("**") && part.length > 4) return element("strong", part.slice(2, -2));
    if (part.startsWith("`") && part.length > 2) return element("code", part.slice(1, -1));
    return part;
  });
}

async function post(path, body, token) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const reply = await response.json();
  if (!response.ok) throw new Error(reply.detail || reply.title || `The server answered ${response.status}.`);
  return reply;
}

function citationItem(citation, number) {
  const item = element("li", "", { id: `citation-${number}` });
  const quote = element("blockquote", "", { lang: citation.locale });
  quote.append(...prose(citation.quote));
  item.append(quote);
  const place = element("p", "", { class: "place" });
  place.append(element("strong", citation.title, { lang: citation.locale }));
  if (citation.heading) place.append(" › ", element("span", citation.heading, { lang: citation.locale }));
  const dated = citation.updated_at ? dates.format(new Date(citation.updated_at)) : "undated";
  const page = citation.page_number ? `, page ${citation.page_number}` : "";
  place.append(` · ${dated} · ${citation.uri}${page}, characters ${citation.start} to ${citation.end}`);
  if (citation.stale) place.append(" ", element("span", `Out of date: ${citation.stale}`, { class: "stale" }));
  item.append(place);
  return item;
}

function showCitations(citations, title) {
  byId("citations-title").textContent = citations.length ? title : "";
  byId("citations-title").hidden = !citations.length;
  byId("citations").replaceChildren(...citations.map((citation, index) => citationItem(citation, index + 1)));
}

function showAnswer(answer) {
  const citations = [];
  const claims = answer.claims.map((claim) => {
    const line = element("p", "", { lang: claim.citations[0].locale });
    line.append(...prose(claim.text));
    for (const citation of claim.citations) {
      citations.push(citation);
      const number = citations.length;
      line.append(element("a", String(number), { href: `#citation-${number}`, "aria-label": `Citation ${number}` }));
    }
    return line;
  });
  byId("result").classList.remove("refused");
  byId("result-title").textContent = "Answer";
  byId("claims").replaceChildren(...claims);
  byId("help").replaceChildren(element("p", answer.label, { class: "hint" }));
  showCitations(citations, "Where this stands");
  return `Answered, with ${citations.length} ${citations.length === 1 ? "citation" : "citations"}.`;
}

function showRefusal(refusal) {
  byId("result").classList.add("refused");
  byId("result-title").textContent = "No answer";
  byId("claims").replaceChildren(element("p", refusal.message));
  const help = byId("help");
  help.replaceChildren();
  if (refusal.would_help.length) {
    help.append(element("h3", "What would help"));
    const list = element("ul");
    list.append(...refusal.would_help.map((sentence) => element("li", sentence)));
    help.append(list);
  }
  showCitations(refusal.closest, "Closest places");
  return "No answer; the reason and what would help are below.";
}

function showFacts(reply, person, milliseconds) {
  const reason = reply.refusal ? ` Reason: ${reply.refusal.reason}.` : "";
  const percent = Math.round(reply.confidence * 100);
  const cost = reply.cost_usd.toFixed(2);
  byId("facts").textContent = `${reply.why} Asked as ${person}.${reason} Answerable with confidence ${percent} %. ${milliseconds} ms, $${cost}.`;
}

async function ask(event) {
  event?.preventDefault();
  const send = byId("send");
  const question = byId("question").value.trim();
  if (!question) {
    byId("status").textContent = "Type a question first.";
    byId("question").focus();
    return;
  }
  if (send.getAttribute("aria-disabled") === "true") return;
  // The button keeps the focus: a disabled one would lose it.
  send.setAttribute("aria-disabled", "true");
  byId("status").textContent = "Looking into the documents";
  const started = performance.now();
  const person = byId("person").selectedOptions[0];
  try {
    const { token } = await post("/demo/token", { person: person.value });
    const reply = await post("/v1/ask", { question }, token);
    const announced = reply.answer ? showAnswer(reply.answer) : showRefusal(reply.refusal);
    showFacts(reply, person.textContent, Math.round(performance.now() - started));
    byId("result").hidden = false;
    byId("status").textContent = announced;
  } catch (error) {
    byId("result").hidden = true;
    byId("status").textContent = `That did not work: ${error.message} Is surefoot demo still running?`;
  } finally {
    send.setAttribute("aria-disabled", "false");
  }
}

function tryExample(example) {
  byId("person").value = example.person;
  byId("question").value = example.question;
  ask();
}

async function start() {
  const response = await fetch("/demo/start");
  const { people, examples } = await response.json();
  byId("person").replaceChildren(...people.map((person) => element("option", person.shown_as, { value: person.name })));
  byId("examples").replaceChildren(
    ...examples.map((example) => {
      const item = element("li");
      const button = element("button", "", { type: "button" });
      const person = people.find((one) => one.name === example.person).shown_as.split(",")[0];
      button.append(element("span", example.question, { lang: example.locale }), ` (${person})`);
      button.addEventListener("click", () => tryExample(example));
      item.append(button);
      return item;
    }),
  );
  byId("ask").addEventListener("submit", ask);
  byId("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) ask(event);
  });
}

start().catch((error) => {
  byId("status").textContent = `The page could not start: ${error.message}`;
});
