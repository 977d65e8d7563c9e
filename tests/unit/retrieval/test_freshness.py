"""Freshness: what is stale, why, and what age takes from a score."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.domain.documents import Chunk, ChunkId, DocumentId, TrustTier
from surefoot.retrieval.freshness import FreshnessRule, aged, stale_reason

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CHUNK = Chunk(
    chunk_id=ChunkId("c"),
    document_id=DocumentId("d"),
    uri="a.md",
    ordinal=0,
    start=0,
    end=4,
    text="text",
    title="",
    heading="",
    path=(),
    anchor="",
    page_number=None,
    token_count=1,
    locale="en",
    trust=TrustTier.REVIEWED,
    updated_at=NOW - timedelta(days=100),
    valid_until=None,
)


def test_evidence_is_fresh_until_a_rule_says_otherwise() -> None:
    assert stale_reason(CHUNK, FreshnessRule(), now=NOW) == ""
    assert stale_reason(replace(CHUNK, updated_at=None), FreshnessRule(), now=NOW) == ""


def test_evidence_goes_stale_at_the_very_moment_its_validity_ends() -> None:
    last = replace(CHUNK, valid_until=NOW)
    assert stale_reason(last, FreshnessRule(), now=NOW - timedelta(microseconds=1)) == ""
    assert "valid until 2026-06-01" in stale_reason(last, FreshnessRule(), now=NOW)


def test_superseded_evidence_is_stale_whatever_its_dates() -> None:
    assert "replaced" in stale_reason(replace(CHUNK, superseded=True, updated_at=NOW), FreshnessRule(), now=NOW)


def test_with_a_greatest_age_older_and_undated_evidence_is_stale() -> None:
    assert stale_reason(CHUNK, FreshnessRule(max_age_days=100), now=NOW) == ""
    assert "2026-02-21" in stale_reason(CHUNK, FreshnessRule(max_age_days=99), now=NOW)
    assert "without a date" in stale_reason(replace(CHUNK, updated_at=None), FreshnessRule(max_age_days=99), now=NOW)


def test_at_the_half_life_half_of_the_weight_is_taken() -> None:
    assert aged(0.8, CHUNK, FreshnessRule(half_life_days=100, weight=0.2), now=NOW) == pytest.approx(0.8 * 0.9)


@given(st.floats(0, 1), st.integers(0, 5000), st.integers(0, 5000), st.floats(0, 1))
def test_age_never_raises_a_score_and_never_takes_more_than_the_weight(score: float, one: int, other: int, weight: float) -> None:
    rule = FreshnessRule(half_life_days=90, weight=weight)
    younger, older = (replace(CHUNK, updated_at=NOW - timedelta(days=days)) for days in sorted((one, other)))
    assert score >= aged(score, younger, rule, now=NOW) >= aged(score, older, rule, now=NOW) >= score * (1 - weight) - 1e-12


def test_unknown_age_and_dates_in_the_future_are_not_discounted() -> None:
    rule = FreshnessRule(half_life_days=1, weight=0.5)
    assert aged(0.7, replace(CHUNK, updated_at=None), rule, now=NOW) == 0.7
    assert aged(0.7, replace(CHUNK, updated_at=NOW + timedelta(days=9)), rule, now=NOW) == 0.7
