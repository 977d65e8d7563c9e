"""How well the shipped encoder finds the action that is asked for, on the phrases of eval_sets/offers."""

import json
from functools import cache
from pathlib import Path

import pytest

from surefoot.actions.offers import Offers
from surefoot.actions.registry import load_registry
from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.sample.golden import golden_cases
from surefoot.sample.tenant import people

PHRASES = Path(__file__).parent.parent.parent / "eval_sets" / "offers" / "phrases.jsonl"


@cache
def offers() -> Offers:
    return Offers(load_registry(), OnnxEncoder(threads=1, cache_size=10))


def offered(phrase: str, locale: str) -> str | None:
    found = offers().offer(phrase, {}, locale, {spec.name for spec in load_registry().newest()})
    return found.action if found else None


@pytest.mark.parametrize(("name", "least_recall"), [("tuned", 0.80), ("held_out", 0.70)])
def test_what_is_offered_is_what_was_asked_for_nineteen_times_in_twenty(name: str, least_recall: float) -> None:
    rows = [row for row in map(json.loads, PHRASES.read_text(encoding="utf-8").splitlines()) if row["set"] == name]
    found = [(offered(row["phrase"], row["locale"]), row["action"]) for row in rows]
    made = [(action, asked) for action, asked in found if action is not None]
    right = sum(action == asked for action, asked in made)
    assert right / len(made) >= 0.95
    assert right / sum(asked is not None for _, asked in found) >= least_recall


def test_no_question_of_the_sample_suite_is_taken_for_a_request() -> None:
    known = people()
    assert [case.id for case in golden_cases() if offered(case.question, known[case.viewer].locale) is not None] == []
