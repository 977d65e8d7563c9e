"""The reference pages name what exists, all of it."""

import re
from pathlib import Path

import pytest

from surefoot.api.errors import error_classes
from surefoot.governance import tokens
from surefoot.governance.issuers import ALGORITHMS
from tests.api.world import World

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_the_errors_page_has_a_true_row_for_every_code(code: str) -> None:
    kind = error_classes()[code]
    meaning = " ".join((kind.__doc__ or "").split())
    row = f"| `{code}` | {kind.status} | {'yes' if kind.retryable else 'no'} | {meaning} |"
    assert row in (REFERENCE / "errors.md").read_text(encoding="utf-8"), f"put this row into docs/reference/errors.md:\n{row}"


def test_the_errors_page_has_no_code_that_is_gone() -> None:
    named = re.findall(r"^\| `(\w+)` \|", (REFERENCE / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert named == sorted(error_classes())


def test_the_api_page_names_every_call_and_no_other(shared: World) -> None:
    page = (REFERENCE / "http-api.md").read_text(encoding="utf-8")
    table = page.partition("## Calls")[2].partition("### Asking")[0]
    named = set(re.findall(r"`(GET|PUT|POST|DELETE) (/[^`]*)`", table))
    document = shared.client.get("/openapi.json").json()
    assert named == {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


def test_the_api_page_names_the_algorithms_and_refused_headers() -> None:
    page = (REFERENCE / "http-api.md").read_text(encoding="utf-8")
    for name in (*ALGORITHMS, *(tokens.REFUSED_HEADERS - {"enc", "epk"})):
        assert f"`{name}`" in page
    assert f"at most {tokens.MAX_LIFETIME_SECONDS} after" in page and f"{tokens.MAX_TOKEN_BYTES:,} bytes" in page
