"""What is shown must still be what the documents say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from surefoot.assistant.gate import no_longer_true
from surefoot.domain.answers import Claim, Passage, cite
from surefoot.retrieval.freshness import FreshnessRule
from tests.unit.assistant.passages import Text, chunk_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CHUNK = chunk_of(Text("Refunds arrive within 5 business days. More.", start=50))
CLAIM = Claim("Refunds arrive.", (cite(Passage(CHUNK, 1.0, None, None), 50, 88),), 0.9)
RULE = FreshnessRule()


def test_a_claim_holds_while_its_chunk_reads_as_quoted_and_is_fresh() -> None:
    assert no_longer_true([CLAIM, CLAIM], {CHUNK.chunk_id: CHUNK}, RULE, now=NOW) == ()


def test_a_chunk_that_is_gone_takes_its_claims_with_it() -> None:
    assert no_longer_true([CLAIM, CLAIM], {}, RULE, now=NOW) == ("A cited passage was changed or deleted meanwhile.",)


def test_a_chunk_that_reads_otherwise_is_seen() -> None:
    other = replace(CHUNK, text=CHUNK.text.replace("5", "6"))
    assert no_longer_true([CLAIM], {CHUNK.chunk_id: other}, RULE, now=NOW) == ("A cited passage does not read as it was quoted.",)


def test_a_chunk_that_aged_or_was_replaced_meanwhile_is_seen() -> None:
    for outdated in (replace(CHUNK, superseded=True), replace(CHUNK, valid_until=NOW - timedelta(seconds=1))):
        (reason,) = no_longer_true([CLAIM], {CHUNK.chunk_id: outdated}, RULE, now=NOW)
        assert "may not be answered from" in reason
    assert no_longer_true([CLAIM], {CHUNK.chunk_id: CHUNK}, FreshnessRule(max_age_days=30), now=NOW)
