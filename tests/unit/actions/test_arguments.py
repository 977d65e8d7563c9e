"""Arguments are checked in full, hostile ones quickly, and what means the same is the same."""

from dataclasses import replace
from typing import Any

import pytest

from surefoot.actions.arguments import (
    MAX_ARGUMENT_BYTES,
    arguments_hash,
    cap_keys,
    natural_key,
    resource_ids,
    validated,
)
from surefoot.core.errors import InvalidAction
from surefoot.domain.canonical import canonical
from tests.unit.actions.declared import ARGUMENTS, spec_of

SPEC = spec_of()
SECRET = "sk_live_" + "abcdef0123456789" * 4
FREE = spec_of(("properties/note", {"items": {}}), ("properties/count", {}))


def refusal(value: Any, spec: Any = SPEC) -> str:
    with pytest.raises(InvalidAction) as caught:
        validated(spec, value)
    return str(caught.value)


@pytest.mark.parametrize(
    "send_at",
    [
        "2026-11-25T09:00:00Z",
        "2026-11-25T10:00:00+01:00",
        "2026-11-25T09:00:59.999Z",
        "2026-11-25t09:00:30z",
        "2026-11-24T23:30:00-09:30",
    ],
)
def test_the_same_minute_is_the_same_intent_however_it_is_written(send_at: str) -> None:
    arguments = validated(SPEC, {**ARGUMENTS, "send_at": send_at})
    assert arguments == ARGUMENTS
    assert arguments_hash(arguments) == arguments_hash(ARGUMENTS)


def test_text_is_trimmed_lowered_and_composed_where_the_schema_asks_for_it_and_nowhere_else() -> None:
    arguments = validated(SPEC, {**ARGUMENTS, "note": "  CAFE\u0301 \n", "tags": [" A "]})
    assert arguments["note"] == "caf\u00e9"
    assert arguments["tags"] == [" A "]


def test_normalising_has_one_order_whatever_the_file_says() -> None:
    # There is no capital J with a caron in one piece, so composing has to come after lowering.
    for steps in (["nfc", "lower"], ["lower", "nfc"]):
        spec = spec_of(("properties/note", {"type": "string", "x-normalize": steps}))
        assert validated(spec, {**ARGUMENTS, "note": "J\u030c"})["note"] == "\u01f0"


def test_arguments_are_limited_in_all_even_where_each_of_them_is_small() -> None:
    spec = spec_of(("properties/tags", {"type": "array"}))
    assert "args are larger than 65536 bytes" in refusal({**ARGUMENTS, "tags": ["a" * 30_000] * 3}, spec)
    assert validated(spec, {**ARGUMENTS, "tags": ["a" * 30_000] * 2})


def test_what_is_valid_only_once_normalised_is_accepted_and_what_is_not_any_more_is_refused() -> None:
    spec = spec_of(("properties/note", {"type": "string", "pattern": "^[a-z]{2,4}$", "x-normalize": ["lower", "trim"]}))
    assert validated(spec, {**ARGUMENTS, "note": " ABC "})["note"] == "abc"
    assert "args.note must match" in refusal({**ARGUMENTS, "note": " A "}, spec)


def test_bytes_and_a_mapping_of_the_same_json_are_the_same_arguments() -> None:
    data = b'{"send_at": "2026-11-25T09:00:00Z", "user_id": "usr_abc123", "count": 2.0}'
    from_mapping = validated(SPEC, {**ARGUMENTS, "count": 2})
    assert arguments_hash(validated(SPEC, data)) == arguments_hash(from_mapping)


def test_arguments_that_were_given_are_not_changed() -> None:
    given = {**ARGUMENTS, "note": " X ", "tags": ["a"]}
    validated(SPEC, given)
    assert given == {**ARGUMENTS, "note": " X ", "tags": ["a"]}


def test_a_moment_that_no_clock_can_read_is_refused() -> None:
    # The format allows a leap second, and the first hour of year 1 lies in no year once it is told in UTC.
    for send_at in ("2016-12-31T23:59:60Z", "0001-01-01T00:00:00+05:00"):
        assert "args.send_at is not a moment" in refusal({**ARGUMENTS, "send_at": send_at})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "args misses 'user_id'"),
        ({**ARGUMENTS, "tenant": "other"}, "args does not take 'tenant'"),
        ({**ARGUMENTS, "user_id": "*"}, "args.user_id must match"),
        ({**ARGUMENTS, "user_id": "usr_abc123\n"}, "args.user_id must match"),
        ({**ARGUMENTS, "user_id": ["usr_abc123"]}, "args.user_id must be of type string"),
        ({**ARGUMENTS, "send_at": "2026-02-30T00:00:00Z"}, "args.send_at must be written as date-time"),
        ({**ARGUMENTS, "send_at": "2026-11-25T09:00:00"}, "args.send_at must be written as date-time"),
        ({**ARGUMENTS, "count": True}, "args.count must be of type integer"),
        ({**ARGUMENTS, "count": 1.5}, "args.count must be of type integer"),
        ({**ARGUMENTS, "tags": ["a"] * 5}, "args.tags must have at most 4 entries"),
        ({**ARGUMENTS, "tags": ["a", 1]}, "args.tags[1] must be of type string"),
        ({**ARGUMENTS, "count": float("nan")}, "args.count is not a number that JSON has"),
        ({**ARGUMENTS, "count": float("inf")}, "args.count is not a number that JSON has"),
        ({**ARGUMENTS, "count": 2**53}, "args.count is a whole number beyond 2^53"),
        ({**ARGUMENTS, "count": 10**5000}, "args.count is a whole number beyond 2^53"),
        ({**ARGUMENTS, "count": 1e300}, "args.count is a whole number beyond 2^53"),
        ({**ARGUMENTS, "count": b"1"}, "args.count is not a value that JSON has"),
        ({**ARGUMENTS, "note": "\ud800"}, "half of a surrogate pair"),
        ({**ARGUMENTS, 7: "x"}, "a key that is not text"),
        (b'{"user_id": "usr_abc123", "user_id": "usr_abc124"}', "twice"),
        (b'{"count": NaN}', "NaN"),
        (b'{"count": -Infinity}', "Infinity"),
        (b'{"count": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"count": 9007199254740993}', "args.count is a whole number beyond 2^53"),
        (b"[]", "must be of type object"),
        (b"null", "must be of type object"),
        (b"", "not valid JSON"),
        (b"\xff", "UTF-8"),
    ],
)
def test_what_is_not_valid_is_refused_with_its_place(value: Any, said: str) -> None:
    assert said in refusal(value)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def endless() -> dict[str, Any]:
    value: dict[str, Any] = {**ARGUMENTS}
    value["note"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [
        b'{"note":' * 30000,
        b"[" * MAX_ARGUMENT_BYTES,
        b'{"note": "' + b"a" * MAX_ARGUMENT_BYTES + b'"}',
        b'{"tags": [' + b"0," * 30000 + b"0]}",
        {**ARGUMENTS, "note": nested(900)},
        {**ARGUMENTS, "note": "a" * 10_000_000},
        {**ARGUMENTS, "tags": ["a"] * 1_000_000},
        {**ARGUMENTS, "tags": ["a" * 60_000] * 3},
        {**ARGUMENTS, **{f"k{n}": n for n in range(100_000)}},
        endless(),
    ],
    ids=["deep", "brackets", "long", "many", "deep-mapping", "long-mapping", "many-mapping", "large-mapping", "keys", "endless"],
)
def test_a_bomb_is_refused_before_it_is_looked_at_closely(value: Any) -> None:
    for spec in (SPEC, FREE):
        refusal(value, spec)


def test_a_pattern_made_to_backtrack_does_not() -> None:
    spec = spec_of(("properties/note", {"type": "string", "pattern": "^(a+)+(a|aa)+$", "maxLength": 60_000}))
    # An engine that backtracks would not come back from this one.
    refusal({**ARGUMENTS, "note": "a" * 50_000 + "!"}, spec)


def test_a_schema_of_many_branches_does_not_multiply_with_many_values() -> None:
    # Every branch of every item has its own reason to refuse; all of them together would be a minute and gigabytes.
    branch = {"type": "object", "additionalProperties": False}
    branches = [{**branch, "properties": {f"p{n}": {"const": n}}} for n in range(900)]
    spec = spec_of(("properties/tags", {"type": "array", "items": {"anyOf": branches}}))
    assert "args.tags[0] does not satisfy anyOf" in refusal({**ARGUMENTS, "tags": [{"p899": 1}] * 1900}, spec)


def test_a_refusal_names_up_to_three_places() -> None:
    assert refusal({"tags": [1, 2, 3, 4], "count": "x"}).count("args") == 3


def test_a_refusal_never_repeats_a_value() -> None:
    for name in ("user_id", "send_at", "note", "count", "tags"):
        assert "abcdef0123456789" not in refusal({**ARGUMENTS, name: [SECRET] if name == "note" else SECRET * 2})
    said = refusal({**ARGUMENTS, SECRET: 1, "password=" + SECRET: 2, "k" * 5000: 3})
    assert "abcdef0123456789" not in said
    assert "k" * 61 not in said
    assert len(refusal({f"key{n}": SECRET for n in range(1000)})) < 1000


def test_a_spec_with_another_schema_under_the_same_hash_gets_its_own_validator() -> None:
    # Only a mistake can make two of these; it must not let one action's arguments through by another's schema.
    stricter = replace(SPEC, schema={**SPEC.schema, "required": ["note"]})
    validated(SPEC, ARGUMENTS)
    assert "args misses 'note'" in refusal(ARGUMENTS, stricter)
    validated(SPEC, ARGUMENTS)


def test_the_natural_key_joins_runs_of_one_week_and_parts_all_others() -> None:
    def key(**changes: Any) -> str:
        return natural_key(SPEC, validated(SPEC, {**ARGUMENTS, **changes}))

    # 2026-11-23 is a Monday; the ISO week is that of the moment in UTC.
    assert key() == key(send_at="2026-11-29T23:59:00Z", note="other") == key(send_at="2026-11-30T00:30:00+01:00")
    assert key() != key(send_at="2026-11-30T00:00:00Z")
    assert key() != key(user_id="usr_abc124")
    assert key(send_at="2027-01-01T00:00:00Z") == key(send_at="2026-12-28T00:00:00Z")


def test_an_action_without_a_natural_key_has_an_empty_one() -> None:
    assert natural_key(spec_of(("x-action/idempotency/natural_key", [])), ARGUMENTS) == ""


def test_values_that_only_look_alike_when_joined_have_different_natural_keys() -> None:
    spec = spec_of(("x-action/idempotency/natural_key", ["args.note", "args.tags"]))
    keys = {natural_key(spec, {"note": note, "tags": tags}) for note, tags in (("a,b", ["c"]), ("a", ["b,c"]), ("a", ["b", "c"]))}
    assert len(keys | {natural_key(spec, {"note": "a"}), natural_key(spec, {"note": "null"})}) == 5


def test_a_day_can_be_a_natural_key() -> None:
    spec = spec_of(("x-action/idempotency/natural_key", ["date(args.send_at)"]))
    keys = [natural_key(spec, {**ARGUMENTS, "send_at": f"2026-11-25T{hour}:00:00Z"}) for hour in ("00", "23")]
    assert keys[0] == keys[1]
    assert keys[0] != natural_key(spec, {**ARGUMENTS, "send_at": "2026-11-26T00:00:00Z"})


def test_caps_count_by_arguments_and_by_who_asks() -> None:
    spec = spec_of(("x-action/caps/0/key", ["tenant", "account", "user", "args.user_id"]))
    (cap,) = cap_keys(spec, ARGUMENTS, tenant="acme", account="acc_1", user="nora")
    assert cap.cap.id == "notes_user_week"
    assert cap.key == '["acme","acc_1","nora","usr_abc123"]'


def test_a_cap_whose_key_is_not_known_refuses_the_run() -> None:
    with pytest.raises(InvalidAction, match="account"):
        cap_keys(spec_of(("x-action/caps/0/key", ["account"])), ARGUMENTS, tenant="acme", account="", user="nora")
    with pytest.raises(InvalidAction, match=r"args\.note"):
        cap_keys(spec_of(("x-action/caps/0/key", ["args.note"])), ARGUMENTS, tenant="acme", account="a", user="nora")


def test_resources_are_named_once_and_in_order() -> None:
    arguments = validated(SPEC, {**ARGUMENTS, "tags": ["b", "a", "b"]})
    assert resource_ids(SPEC, arguments) == ("user:usr_abc123", "tag:b", "tag:a")


def test_the_canonical_form_is_that_of_the_standard() -> None:
    # RFC 8785, section 3.2.2, without the numbers that JSON readers of today agree on anyway.
    numbers = [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27]
    value = {"numbers": numbers, "string": '\u20ac$\u000f\nA\'B"\\\\"/', "literals": [None, True]}
    assert canonical(value) == (
        b'{"literals":[null,true],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
