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

export const listPlaybooks = async (person) => (await json(sendAs(person, "GET", "/v1/playbooks"))).playbooks;

// Every step is simulated; with the same key the stored preview is answered.
export const previewPlaybook = (person, key, wanted) =>
  json(sendAs(person, "POST", "/v1/playbook-runs", { headers: { "Idempotency-Key": key }, body: { ...wanted, env: ENV } }));

export const readPlaybook = (person, id) => json(sendAs(person, "GET", `/v1/playbook-runs/${id}`));

export const pressPlaybook = (person, id, step, body = {}, key = "") =>
  json(sendAs(person, "POST", `/v1/playbook-runs/${id}/${step}`, { headers: key ? { "Idempotency-Key": key } : {}, body }));

const playbookOf = (run) => (run.action.startsWith("playbook.") ? run.run_id : run.playbook);

// Whole views of the newest runs in these states, the person's own or all that they may see; and of the playbooks among them,
// whose steps are not told apart from the whole. What only takes something back is shown beside what it takes back.
export async function listRuns(person, states, isMine, limit = 50) {
  const query = new URLSearchParams([["env", ENV], ["mine", isMine], ["limit", limit], ...states.map((state) => ["state", state])]);
  const { runs: found } = await json(sendAs(person, "GET", `/v1/runs?${query}`));
  const effects = found.filter((run) => run.kind !== "undo");
  const whole = [...new Set(effects.map(playbookOf))].filter((id) => id);
  const alone = effects.filter((run) => !playbookOf(run));
  const [runs, playbooks] = await Promise.all([Promise.all(alone.map((run) => readRun(person, run.run_id))), Promise.all(whole.map((id) => readPlaybook(person, id)))]);
  return { runs, playbooks };
}
