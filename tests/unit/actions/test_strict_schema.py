"""Schemas for models with a strict mode, and the way back to arguments."""

from typing import Any

import pytest

from surefoot.actions.strict_schema import lift, lowered, project
from surefoot.core.errors import InvalidAction
from tests.unit.actions.declared import ARGUMENTS, spec_of

FULL = {"user_id": "usr_abc123", "send_at": "2026-11-25T09:00:00Z", "note": None, "count": None, "tags": None}


def property_of(node: Any, *changes: tuple[str, Any]) -> dict[str, Any]:
    projected: dict[str, Any] = project(spec_of(("properties/extra", node), *changes))["properties"]["extra"]
    return projected


def test_an_optional_argument_may_be_null_and_a_required_one_may_not() -> None:
    properties = project(spec_of())["properties"]
    assert properties["user_id"]["type"] == "string"
    assert properties["count"]["type"] == ["integer", "null"]


def test_limits_that_a_strict_mode_cannot_be_given_are_told_in_words() -> None:
    properties = project(spec_of())["properties"]
    assert properties["user_id"]["description"] == "matches ^usr_[a-z0-9]{6,32}$"
    assert properties["send_at"]["description"] == "is a date-time"
    assert properties["tags"]["description"] == "at most 4 entries"


@pytest.mark.parametrize(
    ("node", "projected"),
    [
        ({"enum": ["a", "b"]}, {"enum": ["a", "b", None]}),
        ({"enum": ["a", None]}, {"enum": ["a", None]}),
        ({"const": 3}, {"enum": [3, None]}),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
        ),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "array", "items": {"enum": [1]}}, {"type": ["array", "null"], "items": {"enum": [1]}}),
        (True, {"type": ["string", "number", "boolean", "null"]}),
        (
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["a"],
                "properties": {"a": {"type": "string"}, "b": {"enum": [1]}},
            },
            {
                "type": ["object", "null"],
                "properties": {"a": {"type": "string"}, "b": {"enum": [1, None]}},
                "required": ["a", "b"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_each_kind_of_argument_has_its_projection(node: Any, projected: Any) -> None:
    assert property_of(node) == projected


def test_a_reference_is_written_out() -> None:
    node = property_of(
        {"$ref": "#/$defs/one", "title": "Extra"}, ("$defs", {"one": {"$ref": "#/$defs/two"}, "two": {"type": "string"}})
    )
    assert node == {"type": ["string", "null"], "description": "Extra"}


def test_nulls_of_optional_arguments_are_dropped_at_every_depth() -> None:
    inner = {"type": "object", "additionalProperties": False, "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    spec = spec_of(("properties/extra", {"type": "array", "items": inner}))
    assert lift(spec, FULL) == ARGUMENTS
    assert lift(spec, {**FULL, "extra": [{"a": "x", "b": None}]}) == {**ARGUMENTS, "extra": [{"a": "x"}]}
    assert lowered(spec, {**ARGUMENTS, "extra": [{"a": "x"}]}) == {**FULL, "extra": [{"a": "x", "b": None}]}


def test_a_null_that_is_a_value_of_its_own_is_kept() -> None:
    spec = spec_of(("properties/extra", {"type": ["string", "null"]}))
    assert lift(spec, {**FULL, "extra": None}) == {**ARGUMENTS, "extra": None}


def test_a_null_for_a_required_argument_is_refused() -> None:
    with pytest.raises(InvalidAction, match=r"args\.user_id must be of type string"):
        lift(spec_of(), {**FULL, "user_id": None})


def test_what_the_projection_lets_through_is_still_held_to_the_full_schema() -> None:
    for wrong in (
        {"user_id": "*"},
        {"send_at": "tomorrow"},
        {"tags": ["a"] * 5},
        {"note": "x" * 41},
        {"more": None},
        {"more": 1},
    ):
        with pytest.raises(InvalidAction):
            lift(spec_of(), {**FULL, **wrong})


def test_what_comes_back_is_normalised() -> None:
    assert lift(spec_of(), {**FULL, "note": " HELLO ", "send_at": "2026-11-25T10:00:59+01:00"}) == {**ARGUMENTS, "note": "hello"}
