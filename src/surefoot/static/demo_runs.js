// Actions and runs of the signed-in person, and the state of the product that they change.
import { send, sendAs } from "./demo_service.js";

const ENV = "production";

const json = async (response) => (await response).json();

export const readState = () => json(send("GET", "/demo/state"));

export const listActions = async (person) => (await json(sendAs(person, "GET", "/v1/actions"))).actions;

// The same key has its effect once, however often it is sent.
export const propose = (person, key, wanted) =>
  json(sendAs(person, "POST", "/v1/runs", { headers: { "Idempotency-Key": key }, body: { ...wanted, env: ENV } }));

export const readRun = (person, id) => json(sendAs(person, "GET", `/v1/runs/${id}`));

export const takeStep = (person, id, step, body = {}, key = "") =>
  json(sendAs(person, "POST", `/v1/runs/${id}/${step}`, { headers: key ? { "Idempotency-Key": key } : {}, body }));

// Whole views of the newest runs in these states: the person's own, or all that they may see.
export async function listRuns(person, states, isMine, limit = 50) {
  const query = new URLSearchParams([["env", ENV], ["mine", isMine], ["limit", limit], ...states.map((state) => ["state", state])]);
  const { runs } = await json(sendAs(person, "GET", `/v1/runs?${query}`));
  return Promise.all(runs.map((run) => readRun(person, run.run_id)));
}
