"""JSON in one canonical form, so that equal values have equal bytes and equal hashes on every machine."""

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785

from surefoot.core.errors import InvalidInput


def canonical(value: object) -> bytes:
    """The JSON value as RFC 8785 (JCS) writes it: keys sorted, numbers in their shortest form, UTF-8. Tuples count as arrays
    and any Mapping as an object. 1 and 1.0 are the same number.

    Raises InvalidInput for what has no such form: NaN and infinities, integers beyond 2^53 - 1, keys that are no strings,
    lone surrogates, and values that are no JSON.
    """
    try:
        return rfc8785.dumps(_plain(value))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        # The library's own words may quote the value, which could be a secret.
        raise InvalidInput(
            f"The value has no canonical JSON form ({type(error).__name__}); use finite numbers within 2^53 and whole characters."
        ) from None
    except RecursionError:
        raise InvalidInput("The value is nested too deeply for a canonical JSON form.") from None


def canonical_hash(value: object) -> str:
    """The sha256 of the canonical form, hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
