import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.errors import InvalidInput
from surefoot.core.strict_json import parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_every_json_value_is_read_as_the_standard_library_reads_it(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse_json(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":1,"a":1}', "twice"),
        (b'[{"x":{"a":1,"b":2,"a":3}}]', "twice"),
        (b'{"a":1,"\\u0061":2}', "twice"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"1e400", "too large"),
        (b"1" * 5000, "too many digits"),
        (b'"\\ud83d"', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'"\xff"', "UTF-8"),
        (b"\xef\xbb\xbf{}", "valid JSON"),
        (b"", "valid JSON"),
        (b"{} {}", "valid JSON"),
        (b"{'a':1}", "valid JSON"),
        (b"[1,]", "valid JSON"),
        (b'"a\nb"', "valid JSON"),
        (b"[}", "valid JSON"),
        (b"[", "brackets"),
        (b'"unclosed [[[[', "valid JSON"),
        (b'"\\', "valid JSON"),
    ],
)
def test_text_that_parsers_could_read_differently_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_json(text)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 12))
def test_the_depth_limit_is_exact_for_arrays_and_objects_alike(kinds: list[bool], limit: int) -> None:
    text = b"1"
    for is_array in kinds:
        text = b"[" + text + b"]" if is_array else b'{"[":' + text + b"}"
    if len(kinds) <= limit:
        assert parse_json(text, max_depth=limit) == json.loads(text)
    else:
        with pytest.raises(InvalidInput, match="nested"):
            parse_json(text, max_depth=limit)


def test_the_number_of_values_has_a_limit_that_strings_do_not_count_towards() -> None:
    assert parse_json(b"[1,2,3]", max_values=3) == [1, 2, 3]
    assert parse_json(b'["[,{,[,{"]', max_values=1) == ["[,{,[,{"]
    for text in (b"[1,2,3,4]", b'{"a":{},"b":[]}', b"[[[[]]]]"):
        with pytest.raises(InvalidInput, match="more than 3 values"):
            parse_json(text, max_values=3)


BOMBS: dict[str, tuple[bytes, bytes, int, bytes]] = {
    "open brackets": (b"", b"[", 25_000_000, b""),
    "open objects": (b"", b'{"a":', 5_000_000, b""),
    "empty lists": (b"[", b"[],", 8_000_000, b"[]]"),
    "nested lists": (b"[", b"[" * 17 + b"]" * 17 + b",", 700_000, b"1]"),
    "escaped quotes": (b'"', b'\\"', 12_000_000, b""),
    "digits": (b"", b"1", 25_000_000, b""),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_as_large_as_a_body_may_be_is_refused_before_it_unfolds(name: str) -> None:
    before, repeated, times, after = BOMBS[name]
    with pytest.raises(InvalidInput):
        parse_json(before + repeated * times + after)
