"""Live replies are scored by what they cited and by the documents as they are now, on a share that a seed decides."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.api.world import ACME, NOW, World, world

from surefoot.assistant.groundedness import Support
from surefoot.domain.feedback import LiveSample, Opinion
from surefoot.domain.identity import EVERYONE, Viewer
from surefoot.evals.results import CaseResult
from surefoot.evals.sampling import Scorer, drawn
from surefoot.retrieval.freshness import FreshnessRule

QUESTION = "How many business days until refunds reach the card?"
AGREES = Viewer(ACME, "ada", frozenset({EVERYONE}), context=(("consent", "quality_improvement"),))


@pytest.fixture
def keeping() -> Iterator[World]:
    with world(keep_live_samples=("*",)) as made:
        yield made


def samples(made: World) -> list[LiveSample]:
    return list(made.surefoot.samples.read(ACME, NOW - timedelta(days=30)))


def score(made: World, sample: LiveSample, rule: FreshnessRule | None = None) -> CaseResult:
    support = Support(made.surefoot.encoder)
    return Scorer(made.surefoot.store, ACME, support, rule or FreshnessRule(), made.clock.now()).score(sample)


def test_a_quoted_answer_is_grounded_and_fresh_and_its_result_repeats_no_text(keeping: World) -> None:
    reply = keeping.surefoot.ask.ask(AGREES, QUESTION)
    result = score(keeping, samples(keeping)[0])
    assert (result.passed, result.case_id, result.measures["answered"]) == (True, reply.reply_id, True)
    names = ("groundedness", "citation_precision", "citation_recall", "citation_coverage", "citation_freshness")
    assert {name: result.measures[name] for name in names} == dict.fromkeys(names, 1.0)
    assert not [word for word in ("refund", "card", "ada") if word in result.model_dump_json().lower()]


def test_a_passage_that_has_changed_since_is_not_fresh(keeping: World) -> None:
    keeping.surefoot.ask.ask(AGREES, QUESTION)
    keeping.put("refunds.md", "# Refunds\n\nRefunds reach the card within 9 business days.\n")
    result = score(keeping, samples(keeping)[0])
    assert (result.passed, result.measures["citation_freshness"]) == (False, 0.0)


def test_a_quote_that_its_passage_does_not_hold_and_a_passage_that_is_too_old_are_not_fresh(keeping: World) -> None:
    keeping.surefoot.ask.ask(AGREES, QUESTION)
    (sample,) = samples(keeping)
    assert score(keeping, sample, FreshnessRule(max_age_days=1)).measures["citation_freshness"] == 0.0
    (claim,) = sample.record["claims"]  # type: ignore[misc]
    altered = {**claim, "citations": [{**place, "quote": "within 6 business days"} for place in claim["citations"]]}
    wrong = LiveSample(sample.reply_id, "", NOW, NOW, {**sample.record, "claims": [altered]})
    assert score(keeping, wrong).measures["citation_freshness"] == 0.0


def test_a_claim_that_its_quote_does_not_carry_fails(keeping: World) -> None:
    keeping.surefoot.ask.ask(AGREES, QUESTION)
    (sample,) = samples(keeping)
    claims = [{**claim, "text": "Rockets fly to the moon on Mondays."} for claim in sample.record["claims"]]  # type: ignore[attr-defined]
    wrong = LiveSample(sample.reply_id, "", NOW, NOW, {**sample.record, "claims": claims})
    result = score(keeping, wrong)
    assert not result.passed
    assert result.measures["citation_precision"] == 0.0
    assert isinstance(result.measures["groundedness"], float) and result.measures["groundedness"] < 0.5


def test_what_the_viewer_called_wrong_fails_whatever_the_scores_say(keeping: World) -> None:
    reply = keeping.surefoot.ask.ask(AGREES, QUESTION)
    keeping.surefoot.feedback.give(AGREES, reply.reply_id, Opinion.WRONG)
    result = score(keeping, samples(keeping)[0])
    assert (result.passed, result.kind, result.measures["groundedness"]) == (False, "answer, wrong", 1.0)


def test_a_refusal_has_no_measures_of_an_answer(keeping: World) -> None:
    keeping.surefoot.ask.ask(AGREES, "zyxw vutsr?")
    result = score(keeping, samples(keeping)[0])
    assert (result.measures["answered"], "groundedness" in result.measures) == (False, False)


def _many(count: int) -> list[LiveSample]:
    return [LiveSample(f"ans_{number:032x}", "v", NOW, NOW, {}) for number in range(count)]


def test_the_draw_is_the_seeds_alone_and_a_larger_share_holds_the_smaller() -> None:
    rows = _many(2_000)
    tenth, half = ({s.reply_id for s in drawn(rows, share=share, seed=1)} for share in (0.1, 0.5))
    assert {s.reply_id for s in drawn(reversed(rows), share=0.1, seed=1)} == tenth < half
    assert {s.reply_id for s in drawn(rows, share=0.1, seed=2)} != tenth
    assert 150 < len(tenth) < 250 and 900 < len(half) < 1_100
    assert list(drawn(rows, share=1, seed=1)) == rows and list(drawn(rows, share=0, seed=1)) == []
