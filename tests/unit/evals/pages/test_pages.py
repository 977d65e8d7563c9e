"""A report says what failed before anything else, and whatever a document or model wrote stays text on every page."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.errors import InvalidInput
from surefoot.domain.verdicts import GateResult, GateState, Verdict
from surefoot.evals.comparing import CaseChange, Change, Comparison, RunDiff
from surefoot.evals.figures import figures_of
from surefoot.evals.pages.content import RunReport, difference_text, figure_text
from surefoot.evals.pages.files import PAGES, json_page, write_pages
from surefoot.evals.pages.html_page import MOST_SHOWN_FAILURES, html_page
from surefoot.evals.pages.junit import junit_page
from surefoot.evals.pages.markdown_page import markdown_page
from surefoot.evals.results import CaseResult, RunManifest, SuiteFacts

START = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script>\x0b | `a` ]]> & <img src=http://evil.example/x onerror=y>'


def result(case_id: str, *, passed: bool, title: str = "what does it cost?", error: str = "") -> CaseResult:
    reply = {
        "kind": "answer",
        "answer": {
            "claims": [
                {
                    "text": title,
                    "support": 0.9,
                    "citations": [
                        {"chunk_id": "c", "uri": title, "anchor": "", "quote": title, "start": 0, "end": 3, "locale": "en"}
                    ],
                }
            ],
            "tier": "extractive",
            "note": "",
        },
        "refusal": None,
        "actions": [],
        "confidence": 0.7,
        "cost_usd": 0.0,
        "tokens": 0,
        "cache": "miss",
        "degraded": None,
        "first_claim_ms": None,
        "steps": [],
    }
    return CaseResult(
        suite="sample",
        case_id=case_id,
        task="ask",
        kind="answer",
        trial=0,
        passed=passed,
        measures={} if error else {"answered": True, "latency_ms": 12.0},
        slices={},
        title=title,
        why=title,
        failures=() if passed else (title,),
        error=error,
        elapsed_ms=12.0,
        trace={} if error else {"case": {"id": case_id}, "reply": reply},
    )


def gate(name: str, state: GateState, *, is_blocking: bool = True, because: str = "So it is.") -> GateResult:
    return GateResult(name, "share.passed", state, is_blocking, 0.9, True, 40, 0.5, 0.4, 0.6, because=because)


def report_of(*results: CaseResult, verdict: Verdict | None = None) -> RunReport:
    manifest = RunManifest(
        run_id="run_1",
        started_at=START,
        finished_at=START + timedelta(minutes=1),
        target="in process",
        seed=1,
        repeat=1,
        suites=(SuiteFacts(id="sample", title="The sample", fingerprint="f" * 64, cases=len(results)),),
    )
    return RunReport(manifest, results, figures_of(results), verdict)


def verdict_of(*gates: GateResult) -> Verdict:
    return Verdict("ver_1", "run_1", ("sample",), START, gates)


def hostile_report() -> RunReport:
    results = (result("a", passed=False, title=HOSTILE), result("b", passed=False, title=HOSTILE, error=HOSTILE))
    report = report_of(*results, verdict=verdict_of(gate("g", GateState.FAILED, because=HOSTILE)))
    change = CaseChange("sample", "a", "answer", HOSTILE, 1.0, 0.0, (HOSTILE,))
    moved = Comparison("share.passed", {"kind": HOSTILE}, 2, 1.0, 0.0, -1.0, -1.0, -0.5, 0.01, 0.02, "mcnemar", Change.REGRESSED)
    return replace(report, diff=RunDiff((moved,), (change,), (), 0, (), ()), baseline=report.manifest)


def test_no_page_lets_the_text_of_a_document_become_markup() -> None:
    page = html_page(hostile_report())
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_the_html_page_asks_for_nothing_outside_of_itself() -> None:
    page = html_page(report_of(result("a", passed=False)))
    assert not re.search(r"(?:src|href)=.?https?:|@import|url\(", page)
    assert "default-src 'none'" in page


def test_junit_is_xml_whatever_the_text_and_counts_what_failed() -> None:
    root = fromstring(junit_page(hostile_report()))
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    assert {key: suites["sample"].get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "2",
        "failures": "1",
        "errors": "1",
    }
    assert suites["gates"].get("failures") == "1"


@given(text=st.text(max_size=60))
def test_junit_parses_for_every_text(text: str) -> None:
    assert fromstring(junit_page(report_of(result("a", passed=False, title=text)))) is not None


def test_a_failed_warning_does_not_fail_the_build() -> None:
    verdict = verdict_of(gate("slow", GateState.FAILED, is_blocking=False), gate("few", GateState.TOO_FEW))
    root = fromstring(junit_page(report_of(result("a", passed=True), verdict=verdict)))
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    assert (suites["gates"].get("failures"), suites["gates"].get("skipped")) == ("0", "2")


def test_a_markdown_cell_cannot_end_itself() -> None:
    lines = markdown_page(hostile_report()).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    columns = [len(re.findall(r"(?<!\\)\|", line)) for line in tables]
    header_columns = {before for before, line in zip(columns, tables, strict=True) if "---" in line}
    assert set(columns) == header_columns


def test_failed_gates_come_before_warnings_and_these_before_passed_ones() -> None:
    verdict = verdict_of(
        gate("fine", GateState.PASSED), gate("warn", GateState.FAILED, is_blocking=False), gate("red", GateState.FAILED)
    )
    report = report_of(result("a", passed=True), verdict=verdict)
    assert [found.gate for found in report.gates()] == ["red", "warn", "fine"]
    for page in (html_page(report), markdown_page(report)):
        assert page.index("red") < page.index("warn") < page.index("fine")


def test_failures_stand_before_figures_and_those_that_could_not_run_first() -> None:
    report = report_of(
        result("good", passed=True), result("bad", passed=False), result("broken", passed=False, error="No model.")
    )
    assert [failure.case_id for failure in report.failures()] == ["broken", "bad"]
    page = html_page(report)
    assert page.index("sample/broken") < page.index("sample/bad") < page.index('id="figures"')


def test_a_failed_answer_is_shown_with_its_words_and_quotes_and_not_as_json() -> None:
    page = html_page(report_of(result("bad", passed=False, title="A seat costs $9.")))
    assert "<dt>quoted from A seat costs $9.</dt><dd>A seat costs $9.</dd>" in page
    assert "<dt>confidence</dt><dd>0.70, extractive</dd>" in page
    assert "citations" not in page


def test_a_page_shows_so_many_failures_and_counts_the_rest() -> None:
    report = report_of(*(result(f"c{number}", passed=False) for number in range(MOST_SHOWN_FAILURES + 7)))
    page = html_page(report)
    assert page.count("<details") == MOST_SHOWN_FAILURES + 1
    assert "7 more failures" in page


def test_json_holds_every_figure_and_failure_but_no_trace() -> None:
    report = hostile_report()
    content = json.loads(json_page(report))
    assert content["verdict"]["colour"] == "red"
    assert [failure["case_id"] for failure in content["failures"]] == [failure.case_id for failure in report.failures()]
    assert len(content["figures"]) == len(report.figures)
    assert "trace" not in content["failures"][0]


def test_equal_runs_give_equal_pages() -> None:
    for _, page in PAGES.values():
        assert page(hostile_report()) == page(hostile_report())


def test_the_headline_counts_what_failed_and_says_whether_it_blocks() -> None:
    bad, warns = gate("bad", GateState.FAILED), gate("warns", GateState.FAILED, is_blocking=False)
    said = {
        "no gate failed": (gate("fine", GateState.PASSED),),
        "a warning failed, nothing is blocked": (warns,),
        "2 warnings failed, nothing is blocked": (warns, warns),
        "a blocking gate failed": (bad, warns),
        "2 blocking gates failed": (bad, bad),
    }
    for words, gates in said.items():
        assert f"; {words}." in report_of(result("a", passed=True), verdict=verdict_of(*gates)).headline()


def test_a_gate_says_beside_its_figure_what_it_is_there_for() -> None:
    failing = replace(gate("g", GateState.FAILED), why=f"people rely on it {HOSTILE}")
    page = html_page(report_of(result("a", passed=True), verdict=verdict_of(failing)))
    assert "It is there for this: people rely on it &lt;script&gt;" in page and "<script" not in page


def test_an_unfinished_run_says_so() -> None:
    report = report_of(result("a", passed=True))
    cut = replace(report, manifest=report.manifest.model_copy(update={"finished_at": None}))
    assert "interrupted" in cut.headline()
    assert "interrupted" not in report.headline()


def test_figures_carry_the_unit_of_their_metric() -> None:
    texts = [figure_text(n, v) for n, v in (("p95.latency_ms", 1234.56), ("share.passed", 0.5), ("sum.cost_usd", 0.25))]
    assert texts == ["1,234.6 ms", "50.0 %", "$0.25"]
    worse = Comparison("share.passed", {}, 4, 0.5, 0.25, -0.25, None, None, None, None, "", Change.REGRESSED)
    assert difference_text(worse) == "-25.0 %"


def test_every_page_lies_beside_the_run(tmp_path: Path) -> None:
    paths = write_pages(report_of(result("a", passed=True)), tmp_path)
    assert {path.name for path in paths} == {name for name, _ in PAGES.values()}


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.write_text("x")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_pages(report_of(result("a", passed=True)), file)
