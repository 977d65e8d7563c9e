"""What each kind of case makes of what it is told: passed or failed, the measures, and the sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic import JsonValue

from surefoot.evals.cases import ActCase, AskCase, PolicyCase, RetrieveCase, SupportCase
from surefoot.evals.measures import MEASURES
from surefoot.evals.target import Found, Simulated, Told, ToldReply, Weighed
from surefoot.evals.tasks.act import run_act
from surefoot.evals.tasks.ask import run_ask
from surefoot.evals.tasks.policy import run_policy
from surefoot.evals.tasks.retrieve import run_retrieve
from surefoot.evals.tasks.support import run_support

PLAN = Simulated("planned", (), 1.0, {})


def citation(uri: str = "seats.md", quote: str = "A seat costs $9.") -> dict[str, Any]:
    return {"chunk_id": "chk_1", "uri": uri, "anchor": "", "quote": quote, "start": 0, "end": 9, "locale": "en"}


def told(altered: tuple[str, ...] = (), **changes: Any) -> Told:
    """An answer with one cited claim, changed as wanted."""
    claim = {"text": "A seat costs $9.", "support": 0.9, "citations": [citation()]}
    reply: dict[str, Any] = {
        "kind": "answer",
        "answer": {"claims": [claim], "tier": "extractive", "note": ""},
        "refusal": None,
        "actions": [],
        "confidence": 0.8,
        "cost_usd": 0.0,
        "tokens": 0,
        "cache": "miss",
        "degraded": None,
        "first_claim_ms": None,
        "steps": [],
    }
    return Told(ToldReply.model_validate(reply | changes), {"kind": "a reply"}, 12.5, altered)


def refused(reason: str = "insufficient_evidence", **changes: Any) -> Told:
    refusal = {"reason": reason, "message": "No.", "would_help": [], "closest": [], "choices": []} | changes
    return told(kind="refusal", answer=None, refusal=refusal)


def offer(action: str = "pin_shortcut", missing: Sequence[str] = (), **arguments: Any) -> dict[str, Any]:
    about = {"action": action, "title": "Pin", "reason": "You asked.", "citations": ["chk_1"]}
    return about | {"arguments": arguments or {"page": "payouts"}, "missing": list(missing)}


@dataclass
class Saying:
    """A target that says what it was given, and remembers what it was asked to simulate."""

    told: Told = field(default_factory=told)
    found: Found = field(default_factory=lambda: Found((), 3.0))
    simulated: Simulated = PLAN
    score: float = 0.9
    tasks: frozenset[str] = frozenset()
    name: str = "saying"
    simulations: list[tuple[object, ...]] = field(default_factory=list)

    def facts(self) -> Mapping[str, JsonValue]:
        return {}

    def ask(self, viewer: str, question: str, *, earlier: Sequence[str] = (), surface: str = "help") -> Told:
        return self.told

    def retrieve(self, viewer: str, question: str, *, limit: int) -> Found:
        return self.found

    def support(self, claim: str, evidence: Sequence[str], *, locale: str = "en") -> Weighed:
        return Weighed(1.0 if claim in evidence else self.score, 0.5)

    def simulate(
        self, viewer: str, action: str, arguments: Mapping[str, JsonValue], *, citations: Sequence[str] = ()
    ) -> Simulated:
        self.simulations.append((viewer, action, dict(arguments), tuple(citations)))
        return self.simulated


ASK = AskCase(
    id="a", kind="answer", why="t", viewer="nora", question="What does a seat cost?", expect="answer", gold_uris=("seats.md",)
)
REFUSE = ASK.model_copy(update={"expect": "out_of_scope", "gold_uris": ()})


def test_an_answer_that_cites_gold_passes_with_every_measure_that_applies() -> None:
    case = ASK.model_copy(update={"expected_facts": ("$9",), "hidden_uris": ("secret.md",), "forbidden": ("4790",)})
    outcome = run_ask(case, Saying())
    assert outcome.passed
    assert outcome.measures == {
        "answered": True,
        "answerable": True,
        "cites_gold": True,
        "shows_facts": True,
        "same_reason": True,
        "corrects": None,
        "leaked": False,
        "said_forbidden": False,
        "wrongly_answered": None,
        "wrongly_refused": False,
        "uncited": False,
        "altered_quote": False,
        "citation_precision": 1.0,
        "citation_recall": 1.0,
        "citation_coverage": 1.0,
        "groundedness": 0.9,
        "fact_recall": 1.0,
        "token_f1": pytest.approx(2 / 4),
        "valid_json": None,
        "confidence": 0.8,
        "latency_ms": 12.5,
        "first_claim_ms": None,
        "cost_usd": 0.0,
        "tokens": 0,
        "escalated": False,
        "cache_hit": False,
        "degraded": False,
        "offers": 0,
    }
    assert outcome.measures.keys() <= MEASURES.keys()


@pytest.mark.parametrize(
    ("case", "said", "sentence"),
    [
        (ASK, refused(), "It refuses, and should answer."),
        (ASK.model_copy(update={"gold_uris": ("other.md",)}), told(), "It cites no gold document."),
        (ASK.model_copy(update={"expected_facts": ("$8",)}), told(), "It does not show every expected fact."),
        (ASK.model_copy(update={"kind": "false-premise"}), told(), "It does not say what the question has wrong."),
        (REFUSE, told(), "It answers, and should refuse: out_of_scope."),
        (
            REFUSE.model_copy(update={"hidden_uris": ("seats.md",)}),
            refused(closest=[citation()]),
            "It names seats.md, which nora may not read.",
        ),
        (ASK.model_copy(update={"forbidden": ("COSTS $9",)}), told(), "It shows 'COSTS $9', which must not be shown."),
        (ASK, told(altered=("chk_1",)), "A quote of chk_1 is not what the document says."),
        (
            ASK,
            told(answer={"claims": [{"text": "x", "support": 0.0, "citations": []}], "tier": "small", "note": ""}),
            "A claim cites nothing.",
        ),
        (REFUSE.model_copy(update={"expect": "needs_clarification"}), refused(), "It does not ask back."),
        (
            REFUSE.model_copy(update={"expect": "needs_clarification"}),
            refused("needs_clarification", choices=["One?"]),
            "It asks back without choices that a gold document is behind.",
        ),
    ],
)
def test_what_is_wrong_with_a_reply_is_said_in_a_sentence(case: AskCase, said: Told, sentence: str) -> None:
    assert sentence in run_ask(case, Saying(said)).failures


def test_a_refusal_has_no_measures_of_an_answer_and_shows_no_fact_that_was_expected() -> None:
    measures = run_ask(ASK.model_copy(update={"expected_facts": ("$9",)}), Saying(refused())).measures
    of_answer = ("cites_gold", "shows_facts", "uncited", "altered_quote", "citation_recall", "citation_coverage", "groundedness")
    assert {name: measures[name] for name in of_answer} == dict.fromkeys(of_answer)
    assert (measures["fact_recall"], measures["token_f1"], measures["wrongly_refused"]) == (0.0, 0.0, True)


def test_hints_of_a_refusal_may_repeat_what_the_question_says_and_nothing_else_that_is_forbidden() -> None:
    case = REFUSE.model_copy(update={"question": "Go to evil.example!", "forbidden": ("evil.example", "4790")})
    echo = refused(would_help=["Nothing mentions evil.example."])
    assert run_ask(case, Saying(echo)).passed
    assert not run_ask(case, Saying(refused(would_help=["Try 4790."]))).passed
    assert not run_ask(case, Saying(refused(message="See evil.example."))).passed


def test_valid_json_is_of_the_drafts_that_came_and_a_rewriting_is_none() -> None:
    def step(outcome: str, purpose: str = "answer") -> dict[str, Any]:
        return {"tier": "small", "model": "m", "purpose": purpose, "outcome": outcome, "tokens": 1, "cost_usd": 0.1}

    steps = [step("invalid"), step("accepted", "repair"), step("timed_out"), step("accepted", "standalone_question")]
    measures = run_ask(ASK, Saying(told(steps=steps))).measures
    assert (measures["valid_json"], measures["escalated"]) == (0.5, True)
    assert run_ask(ASK, Saying(told(steps=[steps[-1]]))).measures["escalated"] is False


def test_a_claim_that_its_quotes_do_not_entail_has_no_recall() -> None:
    claim = {"text": "A seat is free.", "support": 0.2, "citations": [citation()]}
    said = told(answer={"claims": [claim], "tier": "small", "note": ""})
    measures = run_ask(ASK, Saying(said, score=0.1)).measures
    assert (measures["citation_recall"], measures["citation_precision"], measures["citation_coverage"]) == (0.0, 0.0, 1.0)


def test_gold_ranks_by_the_best_passage_of_its_section_without_excluded_pages() -> None:
    passages = (("/x#1", "/x"), ("/p#a", "/p"), ("/p#a", "/p"), ("/p#b", "/p"), ("/q", "/q"))
    case = RetrieveCase(id="r", kind="k", why="t", question="?", level="section", gold=("/p#b",), exclude=("/x",))
    outcome = run_retrieve(case, Saying(found=Found(passages, 3.0)))
    assert outcome.trace["ranked"] == ["/p#a", "/p#b", "/q"]
    assert (outcome.measures["mrr"], outcome.measures["map"], outcome.measures["recall_at_10"]) == (0.5, 0.5, 1.0)
    page = case.model_copy(update={"level": "page", "gold": ("/lost",)})
    assert run_retrieve(page, Saying(found=Found(passages, 3.0))).failures == ("No gold page is among the first 10.",)


def test_a_page_that_the_viewer_may_not_read_must_not_be_found_at_any_rank() -> None:
    passages = (*((f"/p{place}", f"/p{place}") for place in range(20)), ("/secret#1", "/secret"))
    case = RetrieveCase(id="r", kind="k", why="t", viewer="nora", question="?", level="page", gold=("/p0",))
    assert run_retrieve(case, Saying(found=Found(passages, 3.0))).measures["leaked"] is None
    hiding = case.model_copy(update={"hidden_uris": ("/secret",)})
    outcome = run_retrieve(hiding, Saying(found=Found(passages, 3.0)))
    assert (outcome.measures["leaked"], outcome.failures) == (True, ("It finds /secret, which nora may not read.",))
    assert run_retrieve(hiding, Saying(found=Found(passages[:-1], 3.0))).measures["leaked"] is False


@pytest.mark.parametrize(("score", "supported", "passed"), [(0.9, True, True), (0.4, True, False), (0.9, False, False)])
def test_support_passes_when_it_is_decided_as_labelled(score: float, supported: bool, passed: bool) -> None:
    case = SupportCase(id="s", kind="k", why="t", claim="c", evidence=("e",), supported=supported)
    outcome = run_support(case, Saying(score=score))
    assert (outcome.passed, outcome.measures["decided"], outcome.measures["score"]) == (passed, score >= 0.5, score)


ACT = ActCase(
    id="a", kind="act", why="t", viewer="nora", intent="pin payouts", action="pin_shortcut", arguments={"page": "payouts"}
)


def test_the_expected_offer_is_simulated_with_the_passages_it_rests_on() -> None:
    target = Saying(told(actions=[offer()]))
    outcome = run_act(ACT, target)
    assert outcome.passed
    assert target.simulations == [("nora", "pin_shortcut", {"page": "payouts"}, ("chk_1",))]
    named = ("offered", "right_action", "right_arguments", "valid_arguments", "simulated", "wrongly_offered")
    assert [outcome.measures[name] for name in named] == [True, True, True, True, True, False]


@pytest.mark.parametrize(
    ("case", "offers", "came", "sentence"),
    [
        (ACT, [], PLAN, "pin_shortcut is not offered."),
        (ACT, [offer("prefill_form")], PLAN, "prefill_form is offered and should not be."),
        (ACT, [offer(page="invoices")], PLAN, "pin_shortcut is offered with {'page': 'invoices'}; expected {'page': 'payouts'}."),
        (ACT, [offer()], replace(PLAN, state="denied", reasons=("Not yours.",)), "it is denied: Not yours."),
        (ACT.model_copy(update={"action": None, "arguments": {}}), [offer()], PLAN, "pin_shortcut is offered and should not be."),
    ],
)
def test_what_is_wrong_with_an_offer_is_said_in_a_sentence(
    case: ActCase, offers: list[Any], came: Simulated, sentence: str
) -> None:
    assert sentence in " ".join(run_act(case, Saying(told(actions=offers), simulated=came)).failures)


def test_an_offer_that_leaves_something_to_the_person_is_not_simulated() -> None:
    target = Saying(told(actions=[offer(missing=["label"])]))
    outcome = run_act(ACT, target)
    assert outcome.passed
    assert (target.simulations, outcome.measures["simulated"], outcome.measures["valid_arguments"]) == ([], None, None)


@pytest.mark.parametrize(
    ("allowed", "reason", "came", "passed", "right_reason"),
    [
        (True, "", PLAN, True, None),
        (True, "", replace(PLAN, state="failed"), False, None),
        (False, "", PLAN, False, None),
        (False, "not yours", replace(PLAN, state="denied", reasons=("That is Not Yours.",)), True, True),
        (False, "region", replace(PLAN, state="denied", reasons=("That is not yours.",)), False, False),
        (False, "", replace(PLAN, state="invalid", reasons=("No such action.",)), True, None),
    ],
)
def test_a_policy_case_is_allowed_by_a_plan_and_a_denial_must_give_its_reason(
    allowed: bool, reason: str, came: Simulated, passed: bool, right_reason: bool | None
) -> None:
    case = PolicyCase(id="p", kind="k", why="t", viewer="nora", action="pin_shortcut", allowed=allowed, reason=reason)
    outcome = run_policy(case, Saying(simulated=came))
    assert (outcome.passed, outcome.measures["right_reason"]) == (passed, right_reason)


def test_a_policy_case_with_evidence_rests_on_what_its_reply_cites() -> None:
    target = Saying()
    case = PolicyCase(
        id="p", kind="k", why="t", viewer="nora", action="pin_shortcut", allowed=True, evidence="What does a seat cost?"
    )
    assert run_policy(case, target).passed
    assert target.simulations == [("nora", "pin_shortcut", {}, ("chk_1",))]
