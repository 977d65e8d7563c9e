"""Runs: one order however many workers, errors that are results, and runs that go on from where they were stopped."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from surefoot.core.errors import InvalidEvalSet, InvalidInput, Overloaded
from surefoot.evals.cases import Case, RetrieveCase, SupportCase
from surefoot.evals.results import CaseResult, RunManifest
from surefoot.evals.run_store import CASES, RunWriter, find_run, open_run
from surefoot.evals.runner import Sitting, check_same_run, check_sittings, run_cases
from surefoot.evals.suites import Corpus, Suite
from surefoot.evals.target import Found, Simulated, Told, Weighed

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Table:
    """A target that knows how well each claim is supported; it counts what it was asked."""

    scores: Mapping[str, float]
    tasks: frozenset[str] = frozenset({"support"})
    name: str = "a table"
    asked: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def facts(self) -> Mapping[str, JsonValue]:
        return {"scores": len(self.scores)}

    def support(self, claim: str, evidence: Sequence[str], *, locale: str = "en") -> Weighed:
        with self.lock:
            self.asked.append(claim)
        if claim not in self.scores:
            raise Overloaded(f"nobody knows {claim!r} with password=hunter2hunter2")
        if self.scores[claim] < 0:
            raise ZeroDivisionError("a defect")
        return Weighed(self.scores[claim], 0.5)

    def ask(self, viewer: str, question: str, *, earlier: Sequence[str] = (), surface: str = "help") -> Told:
        raise NotImplementedError

    def retrieve(self, viewer: str, question: str, *, limit: int) -> Found:
        raise NotImplementedError

    def simulate(
        self, viewer: str, action: str, arguments: Mapping[str, JsonValue], *, citations: Sequence[str] = ()
    ) -> Simulated:
        raise NotImplementedError


def case(number: int, supported: bool = True) -> SupportCase:
    return SupportCase(id=f"c-{number}", kind="pair", why="a test", claim=f"claim {number}", evidence=("e",), supported=supported)


def suite(cases: Sequence[Case], name: str = "small") -> Suite:
    return Suite(name, "Small", "a test", "none", "this test", Path(), Corpus("none"), {}, tuple(cases), None, f"print of {name}")


def manifest(sittings: Sequence[Sitting], repeat: int = 1) -> RunManifest:
    facts = {each.suite.id: dict(each.target.facts()) for each in sittings}
    suites = tuple(each.suite.facts() for each in sittings)
    return RunManifest(run_id="evr_1", started_at=NOW, target="a table", seed=0, repeat=repeat, suites=suites, facts=facts)


def ran(folder: Path, sittings: Sequence[Sitting], *, workers: int = 1, repeat: int = 1) -> list[CaseResult]:
    finished = open_run(folder).finished() if (folder / "manifest.json").exists() else frozenset()
    with RunWriter(folder, manifest(sittings, repeat)) as writer:
        run_cases(sittings, writer, finished=finished, workers=workers, repeat=repeat)
        return list(writer.finish(NOW).results())


def timeless(results: Sequence[CaseResult]) -> list[CaseResult]:
    """The results without what the clock decides."""
    return [
        each.model_copy(update={"elapsed_ms": 0.0, "measures": {n: v for n, v in each.measures.items() if n != "latency_ms"}})
        for each in results
    ]


SCORES = {f"claim {number}": (number * 37 % 100) / 100 for number in range(60)}
SITTINGS = [Sitting(suite([case(n, n % 3 > 0) for n in range(60)]), Table(SCORES))]


@settings(max_examples=15, deadline=None)
@given(workers=st.integers(2, 8), repeat=st.integers(1, 3))
def test_results_are_the_same_in_the_same_order_for_any_number_of_workers(
    tmp_path_factory: pytest.TempPathFactory, workers: int, repeat: int
) -> None:
    alone = ran(tmp_path_factory.mktemp("alone"), SITTINGS, repeat=repeat)
    together = ran(tmp_path_factory.mktemp("together"), SITTINGS, repeat=repeat, workers=workers)
    assert timeless(together) == timeless(alone)
    assert [each.key for each in alone] == [("small", f"c-{n}", trial) for trial in range(1, repeat + 1) for n in range(60)]


def test_a_case_that_cannot_be_run_is_a_result_with_its_error_and_the_rest_goes_on(tmp_path: Path) -> None:
    sittings = [Sitting(suite([case(0), case(1), case(2)]), Table({"claim 1": -1.0, "claim 2": 0.9}))]
    first, second, third = ran(tmp_path, sittings, workers=2)
    assert (first.passed, first.measures, first.error) == (
        False,
        {},
        "[overloaded] nobody knows 'claim 0' with password=[redacted]",
    )
    assert (second.passed, second.error) == (False, "[ZeroDivisionError] a defect")
    assert (third.passed, third.error, third.measures["score"]) == (True, "", 0.9)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_interrupted_run_keeps_what_was_begun_and_goes_on_to_the_same_results(tmp_path: Path, workers: int) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 30:
            raise KeyboardInterrupt

    stopped = Table(SCORES)
    sittings = [replace(SITTINGS[0], target=stopped)]
    with RunWriter(tmp_path, manifest(sittings)) as writer, pytest.raises(KeyboardInterrupt):
        run_cases(sittings, writer, workers=workers, progress=interrupt)
    kept = open_run(tmp_path)
    assert kept.manifest.finished_at is None
    titles = [result.title for result in kept.results()]
    assert 30 <= len(titles) < 60
    assert sorted(titles) == sorted(stopped.asked)
    again = Table(SCORES)
    results = ran(tmp_path, [replace(SITTINGS[0], target=again)], workers=workers)
    assert not set(again.asked) & set(titles)
    assert timeless(results) == timeless(ran(tmp_path / "whole", SITTINGS))


def test_a_torn_last_line_is_dropped_and_its_case_run_again(tmp_path: Path) -> None:
    whole = ran(tmp_path, SITTINGS)
    path = tmp_path / CASES
    path.write_bytes(path.read_bytes()[:-40])
    assert len(list(open_run(tmp_path).results())) == 59
    table = Table(SCORES)
    again = ran(tmp_path, [replace(SITTINGS[0], target=table)])
    assert table.asked == ["claim 59"]
    assert timeless(again) == timeless(whole)


def test_a_line_that_was_written_twice_counts_once(tmp_path: Path) -> None:
    ran(tmp_path, SITTINGS)
    path = tmp_path / CASES
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])
    assert len(list(open_run(tmp_path).results())) == 60


def test_a_line_in_the_middle_that_is_no_result_is_named(tmp_path: Path) -> None:
    ran(tmp_path, SITTINGS)
    path = tmp_path / CASES
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b'{"suite": 1}\n', *lines[3:]]))
    with pytest.raises(InvalidEvalSet, match=r"cases\.jsonl, line 4: suite: "):
        list(open_run(tmp_path).results())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": "https://elsewhere"}, "target was 'a table' and is 'https://elsewhere' now"),
        ({"seed": 7}, "seed was 0 and is 7"),
        ({"repeat": 2}, "repeat was 1 and is 2"),
        ({"facts": {"small": {"scores": 9}}}, "small.scores was 60 and is 9"),
    ],
)
def test_a_run_does_not_go_on_with_something_else(change: Mapping[str, object], said: str) -> None:
    stored = manifest(SITTINGS)
    with pytest.raises(InvalidEvalSet, match=said):
        check_same_run(stored, stored.model_copy(update=change))


def test_a_run_does_not_go_on_with_changed_cases_or_other_suites() -> None:
    stored = manifest(SITTINGS)
    changed = replace(SITTINGS[0].suite, fingerprint="another")
    with pytest.raises(InvalidEvalSet, match="the cases or files of suite 'small'"):
        check_same_run(stored, manifest([Sitting(changed, SITTINGS[0].target)]))
    with pytest.raises(InvalidEvalSet, match="suites was"):
        check_same_run(stored, manifest([*SITTINGS, Sitting(suite([case(1)], "more"), SITTINGS[0].target)]))


def test_a_suite_is_run_once_and_only_on_what_can_be_given_its_tasks() -> None:
    with pytest.raises(InvalidInput, match="'small' is given twice"):
        check_sittings([*SITTINGS, *SITTINGS])
    retrieve = RetrieveCase(id="r", kind="k", why="a test", question="?", level="page", gold=("/p",))
    with pytest.raises(InvalidInput, match="the task 'retrieve', which a table cannot be given"):
        check_sittings([Sitting(suite([retrieve]), Table({}))])


def test_a_run_is_found_by_id_by_folder_and_as_the_newest(tmp_path: Path) -> None:
    ran(tmp_path / "evr_1", SITTINGS)
    ran(tmp_path / "evr_2", SITTINGS)
    assert find_run(tmp_path, "evr_1").folder == tmp_path / "evr_1"
    assert find_run(tmp_path, str(tmp_path / "evr_1")).folder == tmp_path / "evr_1"
    assert find_run(tmp_path, "latest").folder == tmp_path / "evr_2"
    with pytest.raises(InvalidInput, match="holds no eval run"):
        find_run(tmp_path, "evr_3")
    with pytest.raises(InvalidInput, match="holds no eval run yet"):
        find_run(tmp_path / "empty", "latest")


def test_a_run_of_another_format_is_not_read(tmp_path: Path) -> None:
    ran(tmp_path, SITTINGS)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(InvalidEvalSet, match="format 2 is not 1"):
        open_run(tmp_path)
