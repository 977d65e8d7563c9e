"""What the evidence model says joins what the features say, and takes no hard rule's place."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from surefoot.adapters.memory.evidence import EVERY_USE, WordOverlapEvidence
from surefoot.assistant.answer import Answerer
from surefoot.assistant.answerability import Judgement
from surefoot.assistant.evidence_weighing import is_vetoed, with_judgements
from surefoot.assistant.first_answer import Extractive
from surefoot.assistant.gate import Gate, Ground, Rule
from surefoot.assistant.groundedness import Support
from surefoot.assistant.scorecard import log_odds, logistic
from surefoot.domain.answers import Answer, Passage, Tier
from surefoot.domain.drafts import DraftCitation, DraftClaim
from surefoot.domain.identity import Viewer
from surefoot.domain.policies import SurfacePolicy
from surefoot.domain.routing import EscalationReason, StepOutcome
from surefoot.ports import (
    AnswersPart,
    AnswersRule,
    EvidenceRules,
    PassageJudgement,
    SourcePart,
    SupportJudgement,
    SupportRule,
)
from surefoot.retrieval.rerank import Reranker
from surefoot.retrieval.search import Retrieved
from tests.asking import asking_in, policy_of
from tests.unit.assistant.passages import ENCODER, SIMPLE_MODEL, Text, chunk_of, retrieved
from tests.world import markdown, memory_world, reader
from tests.writers import claims, writer

RULE = AnswersRule(
    answerable=AnswersPart(bias=0.25, features=0.5, best=0.75, best_two=-0.5),
    in_scope=AnswersPart(bias=-0.5, features=1.0, best=0.125, best_two=0.0),
    answer_threshold=0.5,
    scope_threshold=0.5,
)
BY_FEATURES = Judgement(answerable=0.6, in_scope=0.8, order=(1, 0, 2), sources=(0.5, 0.7, 0.2))


def read(relevance: float, answers: float) -> PassageJudgement:
    return PassageJudgement(relevance, answers)


def test_the_log_odds_add_up_with_the_weights_of_the_rule() -> None:
    judged = with_judgements(BY_FEATURES, [read(0, 0.2), read(0, 0.9), read(0, 0.4)], RULE)
    best, second = math.log(9), math.log(0.4 / 0.6)
    answerable = 0.25 + 0.5 * math.log(0.6 / 0.4) + 0.75 * best - 0.5 * (best + second) / 2
    assert judged.answerable == pytest.approx(logistic(answerable))
    assert judged.in_scope == pytest.approx(logistic(-0.5 + math.log(4) + 0.125 * best))
    assert judged.confidence == pytest.approx(judged.answerable * judged.in_scope)
    assert (judged.order, judged.sources) == (BY_FEATURES.order, BY_FEATURES.sources)


def test_one_passage_that_was_read_is_best_and_best_two_alike() -> None:
    judged = with_judgements(BY_FEATURES, [read(0, 0.9), None, None], RULE)
    assert judged.answerable == pytest.approx(logistic(0.25 + 0.5 * math.log(1.5) + 0.25 * math.log(9)))


def test_where_nothing_was_read_the_features_speak_alone() -> None:
    assert with_judgements(BY_FEATURES, [None, None, None], RULE) is BY_FEATURES


def test_sources_are_ordered_by_both_and_an_unread_passage_counts_as_the_least_read_one() -> None:
    rule = replace(RULE, source=SourcePart(bias=1.0, features=0.5, relevance=2.0, answers=0.25))
    judged = with_judgements(BY_FEATURES, [read(1.5, 0.9), read(0.5, 0.4), None], rule)
    first = 1 + 0 + 3 + 0.25 * math.log(9)
    least = 1 + 0.5 * math.log(0.2 / 0.8) + 1 + 0.25 * math.log(0.4 / 0.6)
    assert judged.order == (0, 1, 2)
    assert judged.sources[0] == pytest.approx(logistic(first))
    assert judged.sources[2] == pytest.approx(logistic(least))


def test_certainty_counts_as_one_in_ten_thousand_at_most() -> None:
    assert (log_odds(1.0), log_odds(0.0)) == pytest.approx((math.log(9_999), -math.log(9_999)))


def test_a_claim_is_vetoed_when_no_window_says_it() -> None:
    against, unsure, for_it = (SupportJudgement(share, 0.5, 0.5 - share) for share in (0.05, 0.2, 0.4))
    rule = SupportRule(least=0.2)
    assert is_vetoed([against], rule)
    assert not is_vetoed([against, unsure], rule)
    assert not is_vetoed([for_it, against], rule)
    assert not is_vetoed([], rule)


TEXTS = (
    Text("An API key is valid for 90 days.", heading="Keys", document="a"),
    Text("Keys are made under Settings by owners.", heading="Making keys", document="b"),
    Text("Refunds arrive within 5 business days.", heading="Refunds", document="c"),
)


class Fixed:
    """A search that has found these passages already."""

    def __init__(self, found: Retrieved) -> None:
        self.found = found

    def search(self, viewer: Viewer, question: str, **_: object) -> Retrieved:
        return self.found


class Opinion:
    """An evidence model of fixed opinions, by a word of the passage or evidence; it remembers what it was asked."""

    fingerprint = "opinion"

    def __init__(self, answers: dict[str, float], rules: EvidenceRules, support: SupportJudgement | None = None) -> None:
        self.answers = answers
        self.rules = rules
        self.support = support
        self.asked: list[str] = []

    def passages(self, question: str, passages: Sequence[str]) -> list[PassageJudgement]:
        self.asked += passages
        found = [max((p for word, p in self.answers.items() if word in text), default=0.01) for text in passages]
        return [PassageJudgement(log_odds(each), each) for each in found]

    def claims(self, claim: str, evidence: Sequence[str]) -> list[SupportJudgement]:
        assert self.support is not None, f"Nobody was to ask about {claim!r}."
        self.asked += evidence
        return [self.support for _ in evidence]


def extractive(model: Opinion, question: str) -> Extractive:
    answerer = Answerer(ENCODER, model=SIMPLE_MODEL, judged=model.rules.answers)
    gate = Gate(Support(ENCODER, evidence=model))
    return Extractive(Fixed(retrieved(question, TEXTS)), answerer, gate, Reranker(model, rule=model.rules.rerank))


SURE = replace(
    EVERY_USE,
    answers=AnswersRule(AnswersPart(0, 0, 1, 0), AnswersPart(0, 1, 0, 0), 0.5, 0.2, SourcePart(0, 0, 1, 0)),
    support=None,
)


def test_a_question_whose_passages_hold_no_answer_by_the_model_s_word_is_refused() -> None:
    question = "How long is an API key valid?"
    nothing, here = Opinion({}, SURE), Opinion({"90 days": 0.9}, SURE)
    assert not isinstance(extractive(nothing, question).answer(reader(), question, SurfacePolicy()).outcome, Answer)
    answered = extractive(here, question).answer(reader(), question, SurfacePolicy()).outcome
    assert isinstance(answered, Answer)
    assert answered.claims[0].text == "An API key is valid for 90 days."


def test_the_quoted_source_is_the_one_that_both_speak_for() -> None:
    question = "How long is an API key valid?"
    answered = extractive(Opinion({"made under": 0.99}, SURE), question).answer(reader(), question, SurfacePolicy()).outcome
    assert isinstance(answered, Answer)
    assert answered.claims[0].text.startswith("Keys are made under Settings")


def test_the_thin_margin_is_measured_from_the_threshold_of_what_judged() -> None:
    question = "How long is an API key valid?"
    rule = replace(SURE, answers=replace(SURE.answers, answer_threshold=0.8))
    surface = SurfacePolicy(lanes={Tier.SMALL: ("m",)}, thin_margin=0.2)
    first = extractive(Opinion({"90 days": 0.9}, rule), question).answer(reader(), question, surface)
    assert isinstance(first.outcome, Answer)
    assert first.escalate is EscalationReason.THIN_MARGIN


def test_a_surface_without_evidence_never_asks_the_model() -> None:
    question = "How long is an API key valid?"
    model = Opinion({}, SURE)
    outcome = extractive(model, question).answer(reader(), question, SurfacePolicy(evidence=False)).outcome
    assert isinstance(outcome, Answer)
    assert model.asked == []


EVIDENCE = ("Refunds arrive within 5 business days. Owners can start a refund under Payments; members cannot.",)
FOR, AGAINST = SupportJudgement(0.98, 0.01, 0.01), SupportJudgement(0.01, 0.98, 0.01)
WEIGHED = replace(EVERY_USE, support=SupportRule(least=0.2))


def test_an_exact_quote_is_wholly_supported_without_asking_the_model() -> None:
    model = Opinion({}, WEIGHED)
    assert Support(ENCODER, evidence=model).score("Refunds arrive within 5 business days.", EVIDENCE).score == 1.0
    assert model.asked == []


def test_the_model_may_veto_a_claim_and_never_lifts_one() -> None:
    claim = "Refunds come within 5 business days."
    plain = Support(ENCODER)
    features = plain.score(claim, EVIDENCE)
    assert features.score >= plain.threshold
    assert Support(ENCODER, evidence=Opinion({}, WEIGHED, FOR)).score(claim, EVIDENCE) == features
    vetoed = Support(ENCODER, evidence=Opinion({}, WEIGHED, AGAINST)).score(claim, EVIDENCE)
    assert vetoed.score < plain.threshold
    assert vetoed.reasons[-1] == "No sentence of the evidence says this."


def test_a_claim_that_the_features_refuse_is_not_read_at_all() -> None:
    model = Opinion({}, WEIGHED, FOR)
    claim = "Bananas are yellow in Finland."
    assert Support(ENCODER, evidence=model).score(claim, EVIDENCE) == Support(ENCODER).score(claim, EVIDENCE)
    assert model.asked == []


def test_the_model_reads_the_claim_beside_windows_of_sentences() -> None:
    model = Opinion({}, WEIGHED, FOR)
    long = " ".join(f"Sentence number {number} is about something else." for number in range(40))
    Support(ENCODER, evidence=model).score("Refunds come within 5 days.", [f"{long} {EVIDENCE[0]}"])
    assert 1 <= len(model.asked) <= 3
    assert all(len(window) < 300 for window in model.asked)
    assert "Refunds arrive within 5 business days." in model.asked[0]


@pytest.mark.parametrize(
    ("claim", "rule"),
    [
        ("Refunds arrive within 9 business days.", Rule.NUMBER),
        ("Refunds never arrive within 5 business days.", Rule.NEGATION),
    ],
)
def test_no_word_of_the_model_lifts_a_claim_over_a_hard_rule(claim: str, rule: Rule) -> None:
    passage = Passage(chunk_of(Text(EVIDENCE[0])), 1.0, 1.0, 1.0)
    ground = Ground.of("How long do refunds take?", "en", [passage])
    quote = DraftCitation(passage.chunk.chunk_id, "Refunds arrive within 5 business days.")
    verdict = Gate(Support(ENCODER, evidence=Opinion({}, WEIGHED, FOR))).judge(DraftClaim(claim, (quote,)), ground)
    assert verdict.claim is None
    assert rule in verdict.rules


SAID, PARAPHRASE = "Refunds arrive within 5 business days.", "Refunds arrive in 5 business days."


def test_the_gate_of_a_surface_without_evidence_scores_by_features() -> None:
    passage = Passage(chunk_of(Text(EVIDENCE[0])), 1.0, 1.0, 1.0)
    ground = Ground.of("How long do refunds take?", "en", [passage])
    claim = DraftClaim(PARAPHRASE, (DraftCitation(passage.chunk.chunk_id, SAID),))
    gate = Gate(Support(ENCODER, evidence=Opinion({}, WEIGHED, AGAINST)))
    assert gate.judge(claim, ground).rules == (Rule.UNSUPPORTED,)
    by_features = gate.of(SurfacePolicy(evidence=False)).judge(claim, ground)
    assert by_features == Gate(Support(ENCODER)).judge(claim, ground)
    assert by_features.claim is not None


@pytest.mark.parametrize(("evidence", "shown"), [(True, False), (False, True)])
def test_a_draft_is_judged_as_its_surface_says(evidence: bool, shown: bool) -> None:
    world = memory_world()
    world.put(markdown("refunds.md", f"# Refunds\n\n{EVIDENCE[0]}\n"))
    models = {"small": writer("small", claims((PARAPHRASE, SAID)))}
    gate = Gate(Support(world.encoder, evidence=Opinion({}, WEIGHED, AGAINST)))
    policy = policy_of(models, evidence=evidence)
    reply = asking_in(world, gate=gate, models=models, policy=policy).ask.ask(reader(), "Do refunds arrive in Bitcoin?")
    assert isinstance(reply.outcome, Answer) is shown
    assert StepOutcome.UNSUPPORTED in {step.outcome for step in reply.steps} or shown


def test_the_features_are_weighed_in_the_fused_order_whatever_order_the_model_gave() -> None:
    question = "How long is an API key valid?"
    found = retrieved(question, TEXTS)
    read_all = {passage.chunk.chunk_id: PassageJudgement(0.0, 0.5) for passage in found.passages}
    straight = replace(found, judged=read_all)
    turned = replace(straight, passages=found.passages[::-1])
    answerer = Answerer(ENCODER, judged=replace(RULE, answer_threshold=0.0, scope_threshold=0.0))
    assert answerer.answer(question, "en", turned) == answerer.answer(question, "en", straight)


def test_a_model_that_has_no_say_in_support_is_not_asked_for_it() -> None:
    claim = "Refunds come within 5 business days."
    silent = WordOverlapEvidence(replace(EVERY_USE, support=None))
    assert Support(ENCODER, evidence=silent).score(claim, EVIDENCE) == Support(ENCODER).score(claim, EVIDENCE)


def test_passages_are_read_for_a_model_and_not_for_a_quote() -> None:
    question = "How long is an API key valid?"
    order_only = replace(EVERY_USE, answers=None, support=None, rerank=replace(EVERY_USE.rerank, early_exit_margin=9.0))
    quoting, escalating = Opinion({"Keys are made": 0.99}, order_only), Opinion({"Keys are made": 0.99}, order_only)
    quoted = extractive(quoting, question).answer(reader(), question, SurfacePolicy())
    assert quoting.asked == []
    surface = SurfacePolicy(lanes={Tier.SMALL: ("m",)}, thin_margin=1.0)
    asked = extractive(escalating, question).answer(reader(), question, surface)
    assert asked.outcome == quoted.outcome
    assert asked.escalate is EscalationReason.THIN_MARGIN
    assert escalating.asked != []
    assert asked.retrieved.passages[0].chunk.text.startswith("Keys are made")
