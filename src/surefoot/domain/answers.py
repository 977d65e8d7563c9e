"""An Answer whose every claim is cited, or a Refusal that says why and what would help."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from surefoot.domain.documents import Chunk, ChunkId, DocumentId, TrustTier


class Tier(StrEnum):
    """Who wrote the answer."""

    EXTRACTIVE = "extractive"
    SMALL = "small"
    LARGE = "large"

    @property
    def rank(self) -> int:
        """Higher costs more; extractive is 0."""
        return list(Tier).index(self)


class RefusalReason(StrEnum):
    """Why nothing is shown."""

    NO_EVIDENCE = "no_evidence"
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"
    STALE_EVIDENCE = "stale_evidence"
    CONFLICTING_EVIDENCE = "conflicting_evidence"
    OUT_OF_SCOPE = "out_of_scope"
    NEEDS_CLARIFICATION = "needs_clarification"


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved chunk. `score` is the fused score after freshness, 0..1 within one question; `lexical` is the BM25 score
    and `dense` the cosine similarity, each None when that leg was not asked about this chunk. `stale` says why it may not
    be answered from (empty: it is fresh).
    """

    chunk: Chunk
    score: float
    lexical: float | None
    dense: float | None
    stale: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """Names its source to the character: `quote` is the document's text from `start` to `end`, exactly."""

    chunk_id: ChunkId
    document_id: DocumentId
    uri: str
    title: str
    heading: str
    anchor: str
    page_number: int | None
    quote: str
    start: int
    end: int
    locale: str
    trust: TrustTier
    updated_at: datetime | None
    stale: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer and the citations it stands on; never without one. `support` is in 0..1."""

    text: str
    citations: tuple[Citation, ...]
    support: float

    def __post_init__(self) -> None:
        if not self.citations:
            raise ValueError("A claim without a citation must not exist.")


@dataclass(frozen=True, slots=True)
class Answer:
    """Claims in reading order. `confidence` is calibrated: of answers at 0.8, about four in five are answerable. `note` is a
    sentence of ours that is shown before the claims, such as the correction of a false premise; empty for none. `model` is
    the one whose draft it is, by its name in the catalog; empty when no model wrote it.
    """

    claims: tuple[Claim, ...]
    confidence: float
    tier: Tier = Tier.EXTRACTIVE
    note: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A result, not an error: nothing shown, and why. `would_help` are sentences for a person; `closest` are places the
    viewer may read that come nearest, or the two sides of a conflict; never answers. `choices` are questions to pick from
    when the question could mean several things.
    """

    reason: RefusalReason
    message: str
    would_help: tuple[str, ...] = ()
    closest: tuple[Citation, ...] = ()
    confidence: float = 0.0
    choices: tuple[str, ...] = ()


def cite(passage: Passage, start: int, end: int) -> Citation:
    """The citation of `start:end` of the document's text, which must lie within the passage's chunk; else ValueError."""
    chunk = passage.chunk
    if not chunk.start <= start < end <= chunk.end:
        raise ValueError(f"Span {start}:{end} is not within chunk {chunk.start}:{chunk.end}.")
    return Citation(
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        uri=chunk.uri,
        title=chunk.title,
        heading=chunk.heading,
        anchor=chunk.anchor,
        page_number=chunk.page_number,
        quote=chunk.text[start - chunk.start : end - chunk.start],
        start=start,
        end=end,
        locale=chunk.locale,
        trust=chunk.trust,
        updated_at=chunk.updated_at,
        stale=passage.stale,
    )
