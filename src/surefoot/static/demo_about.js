// "About this answer": who wrote it, what it cost, and how it was come by, in words.
import { counted, element } from "./demo_elements.js";

const TIERS = { extractive: "Quoting", small: "Small model", large: "Large model" };
const PURPOSES = { repair: "second draft", standalone_question: "putting the follow-up into words" };
const OUTCOMES = {
  accepted: "accepted",
  refused: "found too little to quote",
  invalid: "its draft had no valid form",
  unsupported: "its draft said what its quotes do not say",
  risky_action: "proposed a step of high risk, which a small model may not",
  cannot_answer: "found no answer in the passages",
  timed_out: "took too long",
  unavailable: "could not be reached",
  circuit_open: "not asked, it has failed too often lately",
  no_budget: "not asked, the budget has no room for it",
  cancelled: "stopped",
};
const BECAUSE = {
  insufficient_evidence: "asked because quoting did not suffice",
  thin_margin: "asked because the quoted answer was only just good enough",
  invalid_draft: "asked because the draft before it had no valid form",
  unsupported_claim: "asked because the draft before it said what its quotes do not say",
  action_risk: "asked because the draft before it proposed a step of high risk",
};
const CACHE = {
  miss: "Made for this question",
  hit: "Kept from an equal question (cache hit), so nothing was spent",
  shared: "Made together with an equal question of the same moment",
};
const DEGRADED = {
  budget_small_only: "Most of the budget for AI answers is used up, so larger models were not asked",
  budget_exhausted: "The budget for AI answers is used up",
  gate_red: "The checks on answers do not pass at present, so no AI model is asked",
  models_unavailable: "The AI models cannot be reached at the moment",
  deadline: "The AI models took too long",
};

const dollars = (cost) => `$${cost.toFixed(cost > 0 && cost < 0.01 ? 6 : 2)}`;
const milliseconds = (count) => `${Math.round(count).toLocaleString()} ms`;

// Why less was tried than could be, as a sentence; empty when nothing is missing.
export function degradedSentence(reply) {
  if (!reply.degraded) return "";
  const because = DEGRADED[reply.degraded] ?? `Fewer models were asked than usual (${reply.degraded})`;
  if (!reply.answer) return `${because}; nothing could be quoted either.`;
  return reply.answer.ai_generated ? `${because}.` : `${because}; this answer is quoted.`;
}

function stepItem(step) {
  const who = step.model ? `${TIERS[step.tier] ?? step.tier}, ${step.model}` : (TIERS[step.tier] ?? step.tier);
  const purpose = PURPOSES[step.purpose] ? ` (${PURPOSES[step.purpose]})` : "";
  const because = step.escalated_because ? `; ${BECAUSE[step.escalated_because] ?? step.escalated_because}` : "";
  const spent = step.model ? `, ${counted(step.tokens, "token", "tokens")}, ${dollars(step.cost_usd)}` : "";
  return element("li", `${who}${purpose}: ${OUTCOMES[step.outcome] ?? step.outcome}${because}. ${milliseconds(step.latency_ms)}${spent}.`);
}

function facts(reply, asker, elapsed) {
  const { answer } = reply;
  const isFirstShown = reply.first_claim_ms !== null;
  return [
    ["Written by", answer ? (answer.ai_generated ? `AI model ${reply.model}` : "Nobody anew: quoted from the documents") : ""],
    ["Tier", answer ? (TIERS[answer.tier] ?? answer.tier) : ""],
    ["Reason", reply.refusal ? reply.refusal.reason : ""],
    ["Why", reply.why],
    ["Checks that do not pass", reply.red_gates.join(", ")],
    ["Confidence", `${Math.round(reply.confidence * 100)} % that the passages answer it`],
    ["Cost", `${dollars(reply.cost_usd)}, ${counted(reply.tokens, "token", "tokens")}`],
    ["Cache", CACHE[reply.cache] ?? reply.cache],
    ["First checked sentence", isFirstShown ? `after ${milliseconds(reply.first_claim_ms)}` : ""],
    ["Whole reply", `after ${milliseconds(elapsed)}`],
    ["Asked as", asker],
    ["In the ledger", reply.reply_id],
  ].filter(([, value]) => value);
}

export function about(reply, asker, elapsed) {
  const list = element("dl", "", { class: "facts" });
  for (const [term, value] of facts(reply, asker, elapsed)) list.append(element("dt", `${term}:`), element("dd", value));
  const parts = [element("summary", reply.answer ? "About this answer" : "About this reply"), list];
  if (reply.steps.length) parts.push(element("h4", "Steps"), element("ol", reply.steps.map(stepItem), { class: "steps" }));
  return element("details", parts, { class: "about" });
}
