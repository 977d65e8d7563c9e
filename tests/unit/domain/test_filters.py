"""The filter algebra, rule by rule, on single rows."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.domain.documents import DocumentId, TrustTier
from surefoot.domain.filters import (
    AllOf,
    AnyOf,
    Everything,
    Filter,
    InDocuments,
    LocaleIn,
    Not,
    ReadAccess,
    TrustAtLeast,
    UpdatedSince,
    ValidAt,
    matches,
    readable,
)
from surefoot.domain.identity import EVERYONE, Principal

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DOC = DocumentId("doc")
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Row:
    """A row with everything a filter looks at."""

    document_id: DocumentId = DOC
    locale: str = "en"
    trust: TrustTier = TrustTier.REVIEWED
    updated_at: datetime | None = None
    valid_until: datetime | None = None
    superseded: bool = False


YES, NO = AllOf(()), AnyOf(())


@pytest.mark.parametrize(
    ("where", "row", "expected"),
    [
        (Everything(), Row(), True),
        (InDocuments(frozenset({DocumentId("doc")})), Row(), True),
        (InDocuments(frozenset({DocumentId("do")})), Row(), False),
        (InDocuments(frozenset()), Row(), False),
        (LocaleIn(frozenset({"en"})), Row(), True),
        (LocaleIn(frozenset({"en"})), Row(locale="en-GB"), False),
        (LocaleIn(frozenset()), Row(locale=""), False),
        (TrustAtLeast(TrustTier.REVIEWED), Row(), True),
        (TrustAtLeast(TrustTier.OFFICIAL), Row(), False),
        (TrustAtLeast(TrustTier.COMMUNITY), Row(), True),
        (UpdatedSince(NOON), Row(updated_at=NOON), True),
        (UpdatedSince(NOON), Row(updated_at=NOON - SECOND), False),
        (UpdatedSince(NOON), Row(), False),
        (ValidAt(NOON), Row(), True),
        (ValidAt(NOON), Row(valid_until=NOON + SECOND), True),
        (ValidAt(NOON), Row(valid_until=NOON), False),
        (ValidAt(NOON), Row(superseded=True), False),
        (AllOf((YES, YES)), Row(), True),
        (AllOf((YES, NO)), Row(), False),
        (AnyOf((NO, YES)), Row(), True),
        (AnyOf((NO, NO)), Row(), False),
        (YES, Row(), True),
        (NO, Row(), False),
        (Not(NO), Row(), True),
        (Not(YES), Row(), False),
    ],
)
def test_a_row_passes_by_the_stated_rule(where: Filter, row: Row, expected: bool) -> None:
    assert matches(row, where) is expected


SIMPLE: st.SearchStrategy[Filter] = st.one_of(
    st.just(Everything()),
    st.builds(InDocuments, st.frozensets(st.sampled_from([DocumentId("doc"), DocumentId("other")]))),
    st.builds(LocaleIn, st.frozensets(st.sampled_from(["en", "de"]))),
    st.builds(TrustAtLeast, st.sampled_from(TrustTier)),
    st.builds(UpdatedSince, st.sampled_from([NOON - SECOND, NOON, NOON + SECOND])),
    st.builds(ValidAt, st.sampled_from([NOON - SECOND, NOON, NOON + SECOND])),
)
ROWS = st.builds(
    Row,
    document_id=st.sampled_from([DocumentId("doc"), DocumentId("third")]),
    locale=st.sampled_from(["en", "fr"]),
    trust=st.sampled_from(TrustTier),
    updated_at=st.sampled_from([None, NOON]),
    valid_until=st.sampled_from([None, NOON]),
    superseded=st.booleans(),
)


@given(ROWS, st.lists(SIMPLE, max_size=3))
def test_negation_turns_all_of_into_any_of(row: Row, parts: list[Filter]) -> None:
    negated = AnyOf(tuple(Not(part) for part in parts))
    assert matches(row, Not(AllOf(tuple(parts)))) == matches(row, negated)


@given(ROWS, SIMPLE)
def test_a_filter_and_its_negation_split_the_rows(row: Row, where: Filter) -> None:
    assert matches(row, where) != matches(row, Not(where))


@pytest.mark.parametrize(
    ("acl", "principals", "expected"),
    [
        ([EVERYONE], [EVERYONE], True),
        (["group:staff", "user:ann"], [EVERYONE, "user:ann"], True),
        (["group:staff"], [EVERYONE], False),
        ([], [EVERYONE, "group:staff"], False),
        ([EVERYONE], [], False),
        ([], [], False),
    ],
)
def test_a_document_is_read_by_those_its_acl_names(acl: list[str], principals: list[str], expected: bool) -> None:
    access = ReadAccess(frozenset(Principal(name) for name in principals), epoch=1)
    assert readable([Principal(name) for name in acl], access) is expected
