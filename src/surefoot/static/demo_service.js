// Calls of the product's API as the person who is signed in, answers as server-sent events among them.

export class Problem extends Error {
  constructor({ code, detail, title, status = 0, retryable = false, retryAfter = "", differences = [] }) {
    super(detail || title || `The server answered ${status}.`);
    this.code = code || `http_${status}`;
    this.status = status;
    this.isRetryable = retryable;
    this.retryAfter = retryAfter;
    this.differences = differences;
  }

  get whatToDo() {
    if (this.code in WHAT_TO_DO) return WHAT_TO_DO[this.code];
    if (this.retryAfter) return `Ask again in ${this.retryAfter} seconds.`;
    if (this.isRetryable) return "Ask again in a moment.";
    return this.status >= 500 ? "Ask again; if it stays so, the terminal of surefoot demo says more." : "Change it and try again.";
  }
}

const WHAT_TO_DO = {
  unreachable: "Is surefoot demo still running? Start it and ask again.",
  connection_ended: "Ask again.",
  unauthenticated: "Ask again: you are signed in anew with each call.",
  not_found: "Start a new conversation.",
};

async function fetched(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ code: "unreachable", detail: "The server could not be reached." });
  }
}

async function accepted(response) {
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Problem({ ...told, status: response.status, retryAfter: response.headers.get("Retry-After") });
}

export async function send(method, path, { headers = {}, body, signal } = {}) {
  const text = body && JSON.stringify(body);
  const typed = body ? { "Content-Type": "application/json", ...headers } : headers;
  return accepted(await fetched(path, { method, headers: typed, body: text, signal }));
}

// The host's backend vouches for whoever is signed in there, for minutes; so each call brings a fresh token.
export async function sendAs(person, method, path, { accept = "application/json", headers = {}, ...options } = {}) {
  const signed = await send("POST", "/demo/token", { body: { person }, signal: options.signal });
  const { token } = await signed.json();
  return send(method, path, { ...options, headers: { ...headers, Authorization: `Bearer ${token}`, Accept: accept } });
}

export async function startOfPage() {
  return (await send("GET", "/demo/start")).json();
}

export async function startConversation(person, signal) {
  const response = await sendAs(person, "POST", "/v1/conversations", { body: {}, signal });
  return (await response.json()).conversation_id;
}

export async function readConversation(person, id) {
  return (await sendAs(person, "GET", `/v1/conversations/${id}`)).json();
}

export async function handOver(person, id, note) {
  return (await sendAs(person, "POST", `/v1/conversations/${id}/handover`, { body: { note } })).json();
}

// Yields { name, data } for `claim`, `restart` and last `reply`; a server that sends the reply at once gives that alone.
export async function* ask(person, question, conversationId, signal) {
  const body = { question, conversation_id: conversationId };
  const response = await sendAs(person, "POST", "/v1/ask", { body, signal, accept: "text/event-stream" });
  if (!response.headers.get("Content-Type").startsWith("text/event-stream")) {
    yield { name: "reply", data: await response.json() };
    return;
  }
  let isWhole = false;
  for await (const { name, data } of eventsOf(response.body)) {
    const told = JSON.parse(data);
    if (name === "error") throw new Problem(told);
    isWhole ||= name === "reply";
    yield { name, data: told };
  }
  if (!isWhole) throw new Problem({ code: "connection_ended", detail: "The connection ended before the answer was complete." });
}

// The events of a text/event-stream, however its bytes are cut; one that is unfinished at the end is none.
export async function* eventsOf(bytes) {
  let name = "message";
  let data = [];
  for await (const line of linesOf(bytes)) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (line === "") {
      if (data.length) yield { name, data: data.join("\n") };
      [name, data] = ["message", []];
    } else if (field === "event") name = value;
    else if (field === "data") data.push(value);
  }
}

async function* linesOf(bytes) {
  const reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let { value, done } = await read(reader); !done; { value, done } = await read(reader)) {
    // A carriage return at the very end may be half of a line's end.
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    yield* lines;
  }
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ code: "connection_ended", detail: "The connection broke before the answer was complete." });
  }
}
