"""The report as one HTML file that needs nothing else: no script, no request, no foreign font."""

from collections.abc import Mapping, Sequence
from functools import cache

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import JsonValue, ValidationError

from surefoot.domain.verdicts import Colour
from surefoot.evals.pages import charts
from surefoot.evals.pages.content import (
    RunReport,
    difference_text,
    facts_of,
    figure_text,
    interval_text,
    slice_name,
    threshold_text,
)
from surefoot.evals.results import CaseResult
from surefoot.evals.target import ToldReply

# Failures beyond these are counted and left to cases.jsonl: nobody reads them, and every browser would have to.
MOST_SHOWN_FAILURES = 300
_MOST_TRACE_CHARACTERS = 3000


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("surefoot.evals.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        figure_text=figure_text,
        interval_text=interval_text,
        slice_name=slice_name,
        threshold_text=threshold_text,
        difference_text=difference_text,
        interval_bar=charts.interval_bar,
    )
    return environment


def html_page(report: RunReport) -> str:
    """The whole page. Everything that came from documents, questions or models is escaped."""
    failures = report.failures()
    points = charts.risk_points(report.figures)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            colour=str(report.verdict.colour()) if report.verdict else "none",
            is_red=report.verdict is not None and report.verdict.colour() is Colour.RED,
            failures=[(failure, shown_outcome(failure)) for failure in failures[:MOST_SHOWN_FAILURES]],
            left_out=max(0, len(failures) - MOST_SHOWN_FAILURES),
            risk_points=points,
            risk_curve=charts.risk_curve(points),
            facts=facts_of(report.manifest),
        )
    )


def shown_outcome(result: CaseResult) -> Sequence[tuple[str, str]]:
    """What came of the case, as label and text: the claims with their quotes, the refusal, or the trace as it is."""
    told = _told(result.trace)
    if told is not None and told.answer is not None:
        quotes = [(f"quoted from {citation.uri}", citation.quote) for claim in told.answer.claims for citation in claim.citations]
        claims = [("answered", claim.text) for claim in told.answer.claims if claim.text not in {text for _, text in quotes}]
        return [*claims, *quotes, ("confidence", f"{told.confidence:.2f}, {told.answer.tier}")]
    if told is not None and told.refusal is not None:
        closest = [("closest", f"{citation.uri}: {citation.quote}") for citation in told.refusal.closest]
        return [(f"refused ({told.refusal.reason})", told.refusal.message), *closest, ("confidence", f"{told.confidence:.2f}")]
    if not result.trace:
        return []
    text = orjson.dumps(dict(result.trace), option=orjson.OPT_INDENT_2).decode()
    return [("trace", text if len(text) <= _MOST_TRACE_CHARACTERS else f"{text[:_MOST_TRACE_CHARACTERS]} …")]


def _told(trace: Mapping[str, JsonValue]) -> ToldReply | None:
    try:
        return ToldReply.model_validate(trace.get("reply"))
    except ValidationError:
        return None
