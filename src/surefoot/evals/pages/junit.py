"""The report as JUnit XML, which every build server shows; a case is a test, a suite of cases a test suite."""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from surefoot.domain.verdicts import GateState
from surefoot.evals.pages.content import RunReport, figure_text, threshold_text
from surefoot.evals.results import CaseResult

# XML 1.0 has no way to write these, not even escaped.
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_page(report: RunReport) -> str:
    """One `testsuite` a suite, and one named `gates` when the run was judged; a failed warning counts as skipped, not failed."""
    root = Element("testsuites", name=f"surefoot eval {report.manifest.run_id}")
    for suite in report.manifest.suites:
        _suite(root, suite.id, [result for result in report.results if result.suite == suite.id])
    if report.verdict is not None:
        _gates(root, report)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, name: str, results: Sequence[CaseResult]) -> None:
    errors = sum(bool(result.error) for result in results)
    failures = sum(not result.passed for result in results) - errors
    seconds = sum(result.elapsed_ms for result in results) / 1000
    suite = _counted(root, name, tests=len(results), failures=failures, errors=errors, skipped=0)
    suite.set("time", f"{seconds:.3f}")
    for result in results:
        trial = f" trial {result.trial}" if result.trial else ""
        case = SubElement(suite, "testcase", classname=_clean(f"{name}.{result.kind}"), name=_clean(f"{result.case_id}{trial}"))
        case.set("time", f"{result.elapsed_ms / 1000:.3f}")
        if result.error:
            SubElement(case, "error", message=_clean(result.error))
        elif not result.passed:
            failure = SubElement(case, "failure", message=_clean("; ".join(result.failures) or "did not pass"))
            failure.text = _clean(f"{result.title}\n{result.why}")


def _gates(root: Element, report: RunReport) -> None:
    gates = report.gates()
    failed = [gate for gate in gates if gate.state is GateState.FAILED and gate.is_blocking]
    skipped = [gate for gate in gates if gate.state is not GateState.PASSED and gate not in failed]
    suite = _counted(root, "gates", tests=len(gates), failures=len(failed), errors=0, skipped=len(skipped))
    for gate in gates:
        case = SubElement(suite, "testcase", classname="gates", name=_clean(gate.gate))
        said = f"{figure_text(gate.metric, gate.value)} over {gate.n} cases, has to be {threshold_text(gate)}. {gate.because}"
        if gate in failed:
            SubElement(case, "failure", message=_clean(said))
        elif gate in skipped:
            SubElement(case, "skipped", message=_clean(said))


def _counted(root: Element, name: str, **counts: int) -> Element:
    return SubElement(root, "testsuite", {"name": _clean(name), **{key: str(count) for key, count in counts.items()}})


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
