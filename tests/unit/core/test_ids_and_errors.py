"""Ids are safe to derive and to sort; errors say a code, a status and what to do."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core import errors
from surefoot.core.clock import parse_moment
from surefoot.core.ids import derived_id, digest, is_tenant_id, new_id, uuid7

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_uuid7_has_its_version_and_variant_and_sorts_by_time() -> None:
    earlier, later = uuid7(NOON), uuid7(NOON + timedelta(milliseconds=1))
    assert (earlier.version, earlier.variant) == (7, "specified in RFC 4122")
    assert earlier < later
    assert new_id("ans", NOON) != new_id("ans", NOON)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_different_parts_never_share_a_digest(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)
    assert derived_id("doc", *one) == derived_id("doc", *one)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "A", "-a", "a" * 64, "a\n", "ä", "a b", "a\\b", "_a"])
def test_a_tenant_id_is_always_safe_as_a_folder_name(name: str) -> None:
    assert not is_tenant_id(name)


@pytest.mark.parametrize("error", [getattr(errors, name) for name in errors.__all__], ids=lambda e: e.__name__)
def test_every_error_has_a_code_of_its_own_a_status_and_a_message_with_the_remedy(error: type[errors.SurefootError]) -> None:
    same_code = [name for name in errors.__all__ if getattr(errors, name).code == error.code]
    assert same_code == [error.__name__]
    assert 400 <= error.status < 600
    assert len(str(error())) > 20


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T12:00:00", NOON),
        ("2026-01-02T13:00:00+01:00", NOON),
        ("2026-01-02T12:00:00Z", NOON),
    ],
)
def test_moments_are_aware_and_in_utc(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment
    assert parse_moment(text).tzinfo is UTC
