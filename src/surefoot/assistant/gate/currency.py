"""Whether what is about to be shown is still what the documents say, by the chunks as they are now."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from surefoot.domain.answers import Citation, Claim
from surefoot.domain.documents import Chunk, ChunkId
from surefoot.retrieval.freshness import FreshnessRule, stale_reason


def no_longer_true(
    claims: Iterable[Claim], chunks: Mapping[ChunkId, Chunk], rule: FreshnessRule, *, now: datetime
) -> tuple[str, ...]:
    """Why the claims may not be shown any more, in sentences, each once; none while every citation holds.

    `chunks` are those of the cited ids that exist now; one that is missing was changed or deleted.
    """
    reasons = (_outdated(citation, chunks, rule, now) for claim in claims for citation in claim.citations)
    return tuple(dict.fromkeys(reason for reason in reasons if reason))


def _outdated(citation: Citation, chunks: Mapping[ChunkId, Chunk], rule: FreshnessRule, now: datetime) -> str:
    chunk = chunks.get(citation.chunk_id)
    if chunk is None:
        return "A cited passage was changed or deleted meanwhile."
    if chunk.text[max(0, citation.start - chunk.start) : citation.end - chunk.start] != citation.quote:
        return "A cited passage does not read as it was quoted."
    reason = stale_reason(chunk, rule, now=now)
    return f"A cited passage may not be answered from: {reason}." if reason else ""
