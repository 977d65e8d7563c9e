"""The pages of a run, written beside it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import orjson

from surefoot.core.errors import InvalidInput
from surefoot.evals.pages.content import RunReport
from surefoot.evals.pages.html_page import html_page
from surefoot.evals.pages.junit import junit_page
from surefoot.evals.pages.markdown_page import markdown_page


def json_page(report: RunReport) -> str:
    """Manifest, verdict, figures, difference and failing cases; the cases themselves are in cases.jsonl."""
    content = {
        "manifest": report.manifest.model_dump(mode="json"),
        "passed": report.passed,
        "cases": len(report.results),
        "verdict": None if report.verdict is None else {"colour": report.verdict.colour(), **asdict(report.verdict)},
        "figures": [asdict(figure) for figure in report.figures],
        "baseline": None if report.baseline is None else report.baseline.model_dump(mode="json"),
        "difference": None if report.diff is None else asdict(report.diff),
        "failures": [failure.model_dump(mode="json", exclude={"trace"}) for failure in report.failures()],
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n"


PAGES: Mapping[str, tuple[str, Callable[[RunReport], str]]] = {
    "html": ("report.html", html_page),
    "json": ("report.json", json_page),
    "junit": ("junit.xml", junit_page),
    "md": ("report.md", markdown_page),
}


def write_pages(report: RunReport, folder: Path) -> list[Path]:
    """Every page is in the folder; returns their paths. Raises InvalidInput when one cannot be written."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, page in PAGES.values():
            path = folder / name
            path.write_text(page(report), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise InvalidInput(f"The report cannot be written to {str(folder)!r} ({error.strerror}); give another folder.") from error
    return written
