"""A suite is asked on its own day, so that what it expects of dates does not change with the calendar."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.cli.main import app

SUITE = """
format: 1
id: dated
title: A price with an end
purpose: a test
licence: Apache-2.0
source: this test
corpus: {{kind: documents, path: docs}}
cases: [cases.jsonl]
as_of: {day}
"""
PAGE = """---
title: Prices
updated_at: 2025-01-05
valid_until: 2025-06-30
---
A seat costs $9 a month. A seat can be cancelled at any time.
"""
CASE = {
    "id": "price",
    "task": "ask",
    "kind": "answer",
    "why": "the price has an end",
    "viewer": "everyone",
    "question": "What does a seat cost a month?",
    "expect": "answer",
    "gold_uris": ["prices.md"],
    "expected_facts": ["$9"],
}


@pytest.mark.parametrize(("day", "passes"), [("2025-06-01", 1), ("2025-08-01", 0)])
def test_what_is_stale_is_judged_on_the_suites_day(tmp_path: Path, day: str, passes: int) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "prices.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "cases.jsonl").write_text(json.dumps(CASE) + "\n", encoding="utf-8")
    (tmp_path / "suite.yaml").write_text(SUITE.format(day=day), encoding="utf-8")
    places = ["--runs", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    done = CliRunner().invoke(app, ["eval", "run", str(tmp_path), *places, "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["passed"] == passes
