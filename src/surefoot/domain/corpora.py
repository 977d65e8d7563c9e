"""A tenant's corpus: what is published now, and what one ingest did."""

from dataclasses import dataclass
from datetime import datetime

from surefoot.core.ids import digest


@dataclass(frozen=True, slots=True)
class CorpusState:
    """What readers see now. `generation` names the index generation (0: nothing published yet); `acl_epoch` moves with
    every change of rights; the two together are the corpus version that caches are keyed by.
    """

    generation: int
    acl_epoch: int
    encoder_fingerprint: str
    index_fingerprint: str
    documents: int
    chunks: int
    published_at: datetime | None

    @property
    def version(self) -> str:
        """A short hash that differs whenever an answer could."""
        return digest(str(self.generation), str(self.acl_epoch), self.encoder_fingerprint)[:16]


EMPTY_CORPUS = CorpusState(0, 0, "", "", 0, 0, None)


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that was not ingested, and why: an expected outcome, reported, never silent."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingest did. `encoded_chunks` counts calls to the encoder; unchanged documents add nothing to it."""

    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    rights_changed: int = 0
    chunks: int = 0
    encoded_chunks: int = 0
    skipped: tuple[SkippedFile, ...] = ()
    warnings: tuple[str, ...] = ()
    generation: int = 0
    seconds: float = 0.0
