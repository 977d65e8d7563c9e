"""What viewers said, and what the product was not sure of, become candidates; only what a person accepts becomes a case."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.api.world import ACME, NOW, World, world

from surefoot.core.errors import InvalidEvalSet
from surefoot.domain.feedback import Opinion
from surefoot.domain.identity import EVERYONE, Viewer
from surefoot.evals.cases import AskCase
from surefoot.evals.harvest import Because, Candidate, Reviewed, Verdict, candidates, review

QUESTION = "How many business days until refunds reach the card?"
AGREES = Viewer(ACME, "ada", frozenset({EVERYONE}), context=(("consent", "quality_improvement"),))


@pytest.fixture
def keeping() -> Iterator[World]:
    with world(keep_live_samples=("acme",)) as made:
        yield made


def asked(made: World, question: str, opinion: Opinion | None = None, comment: str = "") -> str:
    reply = made.surefoot.ask.ask(AGREES, question)
    if opinion is not None:
        made.surefoot.feedback.give(AGREES, reply.reply_id, opinion, comment)
    made.clock.advance(timedelta(seconds=1))
    return reply.reply_id


def found(made: World) -> list[Candidate]:
    read = made.surefoot.samples.read(ACME, NOW - timedelta(days=1))
    return list(candidates(made.surefoot.store, ACME, read, viewer="nora"))


def test_a_wrong_answer_becomes_a_case_that_the_same_answer_would_fail(keeping: World) -> None:
    reply_id = asked(keeping, QUESTION, Opinion.WRONG, "It took nine, write to me@example.com.")
    (candidate,) = found(keeping)
    assert (candidate.review.because, candidate.review.reply_id) == (Because.WRONG, reply_id)
    assert candidate.review.comment == "It took nine, write to [e-mail]."
    assert candidate.forbidden == candidate.review.shown != ()
    assert (candidate.question, candidate.viewer, candidate.gold_uris) == (QUESTION, "nora", ())


def test_a_helpful_answer_becomes_a_case_that_it_must_go_on_citing_the_same_document(keeping: World) -> None:
    asked(keeping, QUESTION, Opinion.HELPFUL)
    (candidate,) = found(keeping)
    assert (candidate.expect, candidate.gold_uris, candidate.forbidden) == ("answer", ("refunds.md",), ())


def test_refusals_are_candidates_and_sure_answers_that_nobody_spoke_of_are_not(keeping: World) -> None:
    asked(keeping, "zyxw vutsr?")
    asked(keeping, QUESTION)
    assert [each.review.because for each in found(keeping)] == [Because.REFUSED]


def test_each_question_comes_once_and_what_viewers_said_comes_first(keeping: World) -> None:
    asked(keeping, "zyxw vutsr?")
    asked(keeping, QUESTION, Opinion.HELPFUL)
    asked(keeping, f"  {QUESTION.upper()} ", Opinion.NOT_RELEVANT)
    assert [each.review.because for each in found(keeping)] == [Because.NOT_RELEVANT, Because.REFUSED]


def test_a_viewers_withdrawal_takes_their_candidates_away(keeping: World) -> None:
    asked(keeping, QUESTION, Opinion.WRONG)
    keeping.surefoot.ask.ask(Viewer(ACME, "ada", frozenset({EVERYONE})), QUESTION)
    assert found(keeping) == []


def words(*said: Verdict) -> Callable[[Candidate, str], Verdict]:
    left = iter(said)
    return lambda candidate, problem: next(left)


def test_only_accepted_candidates_go_into_the_suite_and_each_once(keeping: World, tmp_path: Path) -> None:
    for question in (QUESTION, "How long do bank transfers take?", "zyxw vutsr?"):
        asked(keeping, question, Opinion.WRONG)
    rows, file = found(keeping), tmp_path / "golden.jsonl"
    file.write_text(AskCase(id="old", kind="k", why="w", viewer="nora", question="Q?", expect="answer").model_dump_json())
    done = review(rows, file, judge=words(Verdict.ACCEPT, Verdict.SKIP, Verdict.ACCEPT), edit=lambda text: None)
    assert done == Reviewed(accepted=2, skipped=1)
    cases = [AskCase.model_validate_json(line) for line in file.read_text().splitlines()]
    assert [case.id for case in cases] == ["old", rows[0].id, rows[2].id]
    again = review(rows, file, judge=words(Verdict.QUIT), edit=lambda text: None)
    assert again == Reviewed(known=1), "what is in the suite is not asked about again, and quitting leaves the rest"


def test_an_edit_that_is_no_case_is_said_and_can_be_mended(keeping: World, tmp_path: Path) -> None:
    asked(keeping, QUESTION, Opinion.WRONG)
    problems: list[str] = []
    edits = iter(
        ['{"id": "x"}', json.dumps({"id": "x", "kind": "k", "why": "w", "viewer": "v", "question": "Q?", "expect": "answer"})]
    )
    said = iter([Verdict.EDIT, Verdict.EDIT, Verdict.ACCEPT])

    def judge(candidate: Candidate, problem: str) -> Verdict:
        problems.append(problem)
        return next(said)

    review(found(keeping), tmp_path / "golden.jsonl", judge=judge, edit=lambda text: next(edits))
    assert [bool(problem) for problem in problems] == [False, True, False]
    assert json.loads((tmp_path / "golden.jsonl").read_text())["id"] == "x"


def test_a_suite_file_that_is_broken_is_left_as_it_is(keeping: World, tmp_path: Path) -> None:
    asked(keeping, QUESTION, Opinion.WRONG)
    (tmp_path / "golden.jsonl").write_text("no json\n")
    with pytest.raises(InvalidEvalSet, match="line 1"):
        review(found(keeping), tmp_path / "golden.jsonl", judge=words(Verdict.ACCEPT), edit=lambda text: None)
    assert (tmp_path / "golden.jsonl").read_text() == "no json\n"


def test_a_question_that_ends_lines_in_other_programs_stays_one_line_and_one_case(keeping: World, tmp_path: Path) -> None:
    asked(keeping, "zyxw\u2028vutsr\u2029ponm\u202e?")
    suite = tmp_path / "cases.jsonl"
    (candidate,) = found(keeping)
    assert review([candidate], suite, judge=lambda *_: Verdict.ACCEPT, edit=lambda _: None).accepted == 1
    assert len(suite.read_text(encoding="utf-8").splitlines()) == 1 and "\u202e" not in suite.read_text(encoding="utf-8")
    assert review([candidate], suite, judge=lambda *_: Verdict.ACCEPT, edit=lambda _: None).known == 1
    assert AskCase.model_validate_json(suite.read_text(encoding="utf-8")).question == candidate.question


def test_a_suite_that_somebody_wrote_with_other_line_ends_inside_is_read(keeping: World, tmp_path: Path) -> None:
    asked(keeping, "zyxw vutsr?")
    suite = tmp_path / "cases.jsonl"
    suite.write_text('{"id": "mine", "question": "one\u2028two\x85three"}\n', encoding="utf-8")
    assert review(found(keeping), suite, judge=lambda *_: Verdict.ACCEPT, edit=lambda _: None).accepted == 1
