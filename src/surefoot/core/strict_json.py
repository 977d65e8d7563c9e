"""JSON read so that two parsers cannot understand it differently."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from surefoot.core.errors import InvalidInput

_NOT_A_BRACKET = bytes(sorted(set(range(256)) - set(b"[]{}")))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(data: bytes, *, max_depth: int = 32, max_values: int = 200_000) -> Any:
    """The value that the JSON text stands for (RFC 8259), as the standard library's types.

    Refused with InvalidInput: anything but UTF-8, a byte order mark, duplicate keys, NaN and infinities (as words or by
    overflow), lone surrogates, more than `max_depth` nested arrays and objects, and more than `max_values` values in all.
    Depth and number are found before parsing, in linear time: a small body can stand for values a hundred times its size.
    """
    skeleton = _skeleton(data, max_values)
    if skeleton.count(b",") + skeleton.count(b"[") + skeleton.count(b"{") > max_values:
        raise _too_many(max_values)
    if _is_deeper_than(skeleton, max_depth):
        raise InvalidInput(f"The JSON is nested more than {max_depth} levels deep, or its brackets do not match.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The JSON is not UTF-8: byte {error.start} does not fit.") from None
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"The text is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except ValueError:
        # The one other refusal of the parser: an integer with thousands of digits.
        raise InvalidInput("The JSON holds a number with too many digits.") from None
    if _SURROGATE_ESCAPE.search(text) is not None:
        _refuse_lone_surrogates(value)
    return value


def _skeleton(data: bytes, max_values: int) -> bytes:
    """What stands outside strings. Raises InvalidInput when there are more strings than that many values can have."""
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # A value and its key are two strings at most, so four quotation marks.
    if unescaped.count(b'"') > 4 * max_values:
        raise _too_many(max_values)
    return b"".join(unescaped.split(b'"')[::2])


def _too_many(max_values: int) -> InvalidInput:
    return InvalidInput(f"The JSON holds more than {max_values} values; send it in parts.")


def _is_deeper_than(skeleton: bytes, max_depth: int) -> bool:
    """Whether brackets are left after the innermost pairs are taken away `max_depth` times."""
    brackets = skeleton.translate(_ONE_KIND, _NOT_A_BRACKET)
    for _ in range(max_depth):
        outer = brackets.replace(b"[]", b"")
        if len(outer) == len(brackets):
            break
        brackets = outer
    return bool(brackets)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in value if keys.count(key) > 1)
        raise InvalidInput(f"The JSON names the key {twice[:64]!r} twice in one object.")
    return value


def _no_constant(word: str) -> NoReturn:
    raise InvalidInput(f"The JSON holds {word}, which is not a JSON number.")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise InvalidInput("The JSON holds a number that is too large.")
    return value


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("The JSON holds half of a surrogate pair, which is no character.") from None
