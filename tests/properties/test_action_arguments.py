"""Whatever arguments arrive: they come out valid, normal and hashed alike, or are refused with one error."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.actions.arguments import arguments_hash, cap_keys, natural_key, resource_ids, validated
from surefoot.actions.json_schema import compiled
from surefoot.actions.registry import load_registry
from surefoot.actions.strict_schema import lift, lowered, project
from surefoot.core.errors import InvalidAction
from surefoot.domain.actions import ActionSpec

SPECS = load_registry().all()
NAMES = sorted({name for spec in SPECS for name in spec.schema["properties"]})  # type: ignore[attr-defined]
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["usr_nora01", "2026-11-25T09:00:30+01:00"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[ActionSpec, dict[str, Any]]:
    """An example of some action with a few arguments replaced, added or taken out."""
    spec = draw(st.sampled_from(SPECS))
    arguments = dict(draw(st.sampled_from([example.arguments for example in spec.examples])))
    arguments |= draw(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=2))
    for name in draw(st.sets(st.sampled_from(NAMES), max_size=1)):
        arguments.pop(name, None)
    return spec, arguments


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_arguments_come_out_valid_and_stable_or_are_refused(case: tuple[ActionSpec, dict[str, Any]]) -> None:
    spec, given_arguments = case
    try:
        arguments = validated(spec, given_arguments)
    except InvalidAction as error:
        assert len(str(error)) < 1500
        return
    assert compiled(spec.schema).is_valid(arguments)
    assert validated(spec, arguments) == arguments
    as_bytes = json.dumps(given_arguments, ensure_ascii=False).encode()
    assert arguments_hash(validated(spec, as_bytes)) == arguments_hash(arguments)
    reordered = dict(reversed(list(arguments.items())))
    assert arguments_hash(reordered) == arguments_hash(arguments)
    assert natural_key(spec, reordered) == natural_key(spec, arguments)
    for cap in cap_keys(spec, arguments, tenant="acme", account="acc_fernhill1", user="nora"):
        assert cap.key
    resource_ids(spec, arguments)
    written = lowered(spec, arguments)
    assert compiled(project(spec)).is_valid(written)
    assert lift(spec, written) == arguments


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SPECS), st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_arguments_or_one_error(spec: ActionSpec, data: bytes) -> None:
    try:
        arguments = validated(spec, data)
    except InvalidAction:
        return
    assert compiled(spec.schema).is_valid(arguments)


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_normalising_text_twice_changes_nothing(text: str) -> None:
    spec = next(spec for spec in SPECS if spec.name == "pin_shortcut")
    try:
        once = validated(spec, {"user_id": "usr_nora01", "page": "payouts", "label": text})
    except InvalidAction:
        return
    assert validated(spec, once) == once


@settings(max_examples=200, deadline=None)
@given(st.datetimes(timezones=st.timezones()))
def test_a_moment_is_the_same_in_every_zone(moment: Any) -> None:
    spec = next(spec for spec in SPECS if spec.name == "schedule_nudge")
    example = next(example for example in spec.examples if example.is_valid)
    offset = moment.isoformat(timespec="seconds")
    if len(offset) != len("2026-11-25T09:00:00+01:00"):
        # A zone of long ago with seconds in its offset, which RFC 3339 cannot write.
        return
    try:
        arguments = validated(spec, {**example.arguments, "send_at": offset})
    except InvalidAction:
        # The first and last hours of the calendar may have no year in UTC.
        assert not 2 < moment.year < 9998
        return
    again = validated(spec, {**example.arguments, "send_at": arguments["send_at"]})
    assert arguments_hash(again) == arguments_hash(arguments)
    assert str(arguments["send_at"]).endswith(":00Z")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_reply_of_a_model_in_strict_mode_gets_around_the_full_schema(spec: ActionSpec, data: st.DataObject) -> None:
    base = lowered(spec, next(example.arguments for example in spec.examples if example.is_valid))
    name = data.draw(st.sampled_from(sorted(base)))
    reply = {**base, name: data.draw(JSON)}
    try:
        arguments = lift(spec, reply)
    except InvalidAction:
        return
    assert compiled(spec.schema).is_valid(arguments)
    assert None not in arguments.values()
