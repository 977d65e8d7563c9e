"""Answers are judged under three conditions; what is taken away leaves nothing behind."""

import pytest
from tests.unit.evals.builders import answer, draft, passage, refusal

from surefoot.domain.answers import Answer, Refusal, Tier
from surefoot.domain.documents import ChunkId
from surefoot.evals.answers_run import AskWithout, Condition, ask_all, summarise
from surefoot.evals.corpora import chunk_map
from surefoot.evals.datasets import ForeignQuestion, Question
from surefoot.evals.model_use import Asked

GOLD = passage("g", page="/a", anchor="/a#gold")
TWIN = passage("g2", page="/a", anchor="/a#gold")
NEIGHBOUR = passage("n", page="/a", anchor="/a#near")
OTHER = passage("o", page="/o", anchor="/o#x")
LINKING = passage("l", page="/l")
MAP = chunk_map(p.chunk for p in (GOLD, TWIN, NEIGHBOUR, OTHER, LINKING))

FAQ = Question(qid="f", question="How?", gold_sections=["/a#gold"], gold_pages=["/a"], source="faq_heading")
LINK = Question(qid="k", question="the gold", gold_sections=[], gold_pages=["/a"], source="link_anchor", linked_from=["/l"])


def asking(present: Answer | Refusal, removed: Answer | Refusal) -> AskWithout:
    """One outcome while the gold chunk is there, another when it is not."""

    def ask(_: str, without: frozenset[ChunkId]) -> Asked:
        return Asked(removed if GOLD.chunk.chunk_id in without else present, {"search": 2.0, "answer": 1.0})

    return ask


def test_removing_gold_removes_every_chunk_of_it_and_nothing_else() -> None:
    seen: list[tuple[str, frozenset[str]]] = []

    def ask(question: str, without: frozenset[ChunkId]) -> Asked:
        seen.append((question, without))
        return Asked(refusal(0.0), {})

    ask_all(ask, [FAQ, LINK], [ForeignQuestion(question="Who won?")], MAP)
    assert seen == [
        ("How?", frozenset()),
        ("How?", {"g", "g2"}),
        ("the gold", {"l"}),
        ("the gold", {"l", "g", "g2", "n"}),
        ("Who won?", frozenset()),
    ]


def test_an_answer_hits_when_any_of_its_citations_is_in_gold() -> None:
    trials, _ = ask_all(asking(answer(0.9, NEIGHBOUR, GOLD), refusal(0.1)), [FAQ], [], MAP)
    present = trials[0]
    assert (present.cites_gold_section, present.cites_gold_page, present.first_cites_gold_page) == (True, True, True)
    trials, _ = ask_all(asking(answer(0.9, OTHER, NEIGHBOUR), refusal(0.1)), [FAQ], [], MAP)
    present = trials[0]
    assert (present.cites_gold_section, present.cites_gold_page, present.first_cites_gold_page) == (False, True, False)


def test_a_page_level_question_has_no_section_to_hit_and_a_question_without_gold_nothing() -> None:
    trials, _ = ask_all(asking(answer(0.9, GOLD), answer(0.5, OTHER)), [LINK], [ForeignQuestion(question="Who?")], MAP)
    present, removed, foreign = trials
    assert (present.cites_gold_section, present.cites_gold_page) == (None, True)
    assert (removed.cites_gold_section, removed.cites_gold_page) == (None, None)
    assert (foreign.condition, foreign.source, foreign.cites_gold_page) == (Condition.FOREIGN, "unstated", None)


def test_rows_count_answers_refusals_by_reason_and_hits_among_the_answered() -> None:
    questions = [FAQ.model_copy(update={"qid": f"f{number}", "question": f"How {number}?"}) for number in range(4)]

    def ask(question: str, without: frozenset[ChunkId]) -> Asked:
        if without:
            return Asked(refusal(0.2, [OTHER], "no_evidence"), {"answer": 5.0})
        outcome = {
            "How 0?": answer(0.9, GOLD),
            "How 1?": answer(0.8, OTHER),
            "How 2?": refusal(0.3, [GOLD]),
            "How 3?": refusal(0.1, [OTHER], "out_of_scope"),
        }[question]
        return Asked(outcome, {"answer": 1.0})

    report = summarise(ask_all(ask, questions, [], MAP)[0])
    present, removed = report.rows
    assert (present.n, present.answered, present.answered_share.value) == (4, 2, 0.5)
    assert present.refused == {"insufficient_evidence": 1, "out_of_scope": 1}
    assert present.cites_gold_section is not None
    assert (present.cites_gold_section.value, present.cites_gold_section.n) == (0.5, 2)
    assert (removed.condition, removed.answered, removed.refused) == (Condition.REMOVED, 0, {"no_evidence": 4})
    assert removed.cites_gold_page is None
    assert (present.answers_without_citation, removed.answers_without_citation) == (0, 0)
    # 0.9, 0.8, 0.3 lie above every 0.2; 0.1 below.
    (separation,) = report.separations
    assert (separation.against, separation.auroc.value, separation.auroc.n) == (Condition.REMOVED, 0.75, 8)


def test_times_are_of_questions_asked_for_the_first_time_and_end_with_their_total() -> None:
    report = summarise(ask_all(asking(answer(0.9, GOLD), refusal(0.1)), [FAQ], [ForeignQuestion(question="Who?")], MAP)[0])
    assert [(time.stage, time.p50_ms, time.p95_ms) for time in report.stage_times] == [
        ("search", 2.0, 2.0),
        ("answer", 1.0, 1.0),
        ("total", 3.0, 3.0),
    ]


def test_risk_counts_absent_gold_and_missed_pages_as_wrong() -> None:
    hit, miss = (
        FAQ.model_copy(update={"qid": "hit", "question": "hit"}),
        FAQ.model_copy(update={"qid": "miss", "question": "miss"}),
    )

    def ask(question: str, without: frozenset[ChunkId]) -> Asked:
        if without:
            return Asked(answer(0.5 if question == "hit" else 0.4, OTHER), {})
        return Asked(answer(0.9, GOLD) if question == "hit" else refusal(0.6, [OTHER]), {})

    alone, mixed = summarise(ask_all(ask, [hit, miss], [], MAP)[0]).risk_coverage
    assert alone.conditions == (Condition.PRESENT,)
    assert [point.risk for point in alone.points if point.coverage in (0.5, 1.0)][-1] == 0.5
    assert (mixed.points[-1].coverage, mixed.points[-1].risk) == (1.0, 0.75)
    assert mixed.points[0].risk == 0.0


def test_foreign_questions_are_compared_within_their_own_source_when_it_is_stated() -> None:
    strangers = [
        ForeignQuestion(question="faq", source="faq_heading"),
        ForeignQuestion(question="link", source="link_anchor"),
    ]

    def ask(question: str, without: frozenset[ChunkId]) -> Asked:
        return Asked(refusal({"How?": 0.5, "faq": 0.1, "link": 0.9}[question]), {})

    separations = summarise(ask_all(ask, [FAQ], strangers, MAP)[0]).separations
    assert [(s.against, s.auroc.value) for s in separations] == [(Condition.REMOVED, 0.5), (Condition.FOREIGN, 1.0)]


def test_calibration_is_over_present_and_removed_gold() -> None:
    report = summarise(ask_all(asking(answer(0.8, GOLD), refusal(0.3)), [FAQ], [], MAP)[0])
    (calibration,) = report.calibration
    assert calibration.n == 2
    assert calibration.brier == pytest.approx((0.2**2 + 0.3**2) / 2)
    assert calibration.expected_calibration_error == pytest.approx((0.2 + 0.3) / 2)


def test_a_question_whose_gold_was_not_indexed_is_left_out_and_named() -> None:
    gone = FAQ.model_copy(update={"qid": "gone", "gold_sections": ["/gone#x"]})
    trials, left_out = ask_all(asking(answer(0.9, GOLD), refusal(0.1)), [gone], [], MAP)
    assert trials == []
    assert left_out == ["gone"]
    assert summarise(trials, left_out).rows == ()


def test_answers_are_counted_by_the_tier_that_wrote_them() -> None:
    questions = [FAQ.model_copy(update={"qid": f"f{number}", "question": f"How {number}?"}) for number in range(3)]

    def ask(question: str, without: frozenset[ChunkId]) -> Asked:
        if without:
            return Asked(refusal(0.2), {})
        return {
            "How 0?": Asked(answer(0.9, GOLD), {}),
            "How 1?": Asked(answer(0.4, GOLD, tier=Tier.SMALL), {}, (draft(),)),
            "How 2?": Asked(answer(0.4, OTHER, tier=Tier.SMALL), {}, (draft(),)),
        }[question]

    present, removed = summarise(ask_all(ask, questions, [], MAP)[0]).rows
    shares = [(row.tier, row.answered, row.cites_gold_section and row.cites_gold_section.value) for row in present.tiers]
    assert shares == [(Tier.EXTRACTIVE, 1, 1.0), (Tier.SMALL, 2, 0.5)]
    assert (present.models.asked, removed.models.asked, removed.tiers) == (2, 0, ())


def test_floors_are_reported_only_when_models_were_asked_and_count_present_against_removed() -> None:
    def ask(_: str, without: frozenset[ChunkId]) -> Asked:
        return Asked(answer(0.3 if without else 0.45, OTHER if without else GOLD, tier=Tier.SMALL), {}, (draft(nano_usd=1000),))

    trials, _ = ask_all(ask, [FAQ], [ForeignQuestion(question="Who?")], MAP)
    assert summarise(trials).floors == ()
    floors = {row.floor: row for row in summarise(trials, escalate_floor=0.2).floors}
    assert min(floors) == 0.2
    shares = {
        floor: [share and share.value for share in (row.asked_share, row.right, row.removed, row.foreign)]
        for floor, row in floors.items()
    }
    assert (shares[0.3], shares[0.35]) == ([1.0, 1.0, 1.0, 1.0], [0.5, 1.0, 0.0, 1.0])
    assert (shares[0.45], shares[0.5]) == ([0.5, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0])
    assert (floors[0.3].cost_usd_per_question, floors[0.35].cost_usd_per_question) == (1e-6, 5e-7)
