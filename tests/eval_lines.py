"""Stored lines of eval runs, spelled out as little as a test needs."""

from pydantic import JsonValue

from surefoot.evals.results import CaseResult, Measure


def line(number: int = 0, said: str = "Within 14 days.", **measures: Measure) -> CaseResult:
    """The line of an answer where "14 days" was expected, with these measures on top."""
    question = "How long can I get a refund?"
    case: JsonValue = {"expect": "answer", "question": question, "earlier": [], "expected_facts": ["14 days"]}
    return CaseResult(
        suite="sample",
        case_id=f"c{number}",
        task="ask",
        kind="answer",
        trial=1,
        passed=True,
        measures={"answered": True, "shows_facts": "14 days" in said, **measures},
        slices={},
        title=question,
        why="a test",
        trace={"case": case, "reply": {"answer": {"claims": [{"text": said, "citations": []}], "note": ""}}},
    )
