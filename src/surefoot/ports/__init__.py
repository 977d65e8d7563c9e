"""The seams of the house. A port exists where two real adapters exist; every method that touches data takes `tenant` first."""

from surefoot.ports.outside import EventSink, Fetched, Fetcher, LanguageModel, ReplyObserver
from surefoot.ports.retrieval import (
    AccessSnapshot,
    ChunkIndex,
    Encoder,
    Hit,
    IndexCapabilities,
    IndexChange,
    ReadableDocuments,
    Vectors,
)
from surefoot.ports.storage import (
    AccessRepository,
    ConversationRepository,
    CorpusRepository,
    DocumentRepository,
    EventRepository,
    MeterRepository,
    ReplyLedger,
    Store,
    TenantRepository,
    UnitOfWork,
    VectorCache,
)

__all__ = [
    "AccessRepository",
    "AccessSnapshot",
    "ChunkIndex",
    "ConversationRepository",
    "CorpusRepository",
    "DocumentRepository",
    "Encoder",
    "EventRepository",
    "EventSink",
    "Fetched",
    "Fetcher",
    "Hit",
    "IndexCapabilities",
    "IndexChange",
    "LanguageModel",
    "MeterRepository",
    "ReadableDocuments",
    "ReplyLedger",
    "ReplyObserver",
    "Store",
    "TenantRepository",
    "UnitOfWork",
    "VectorCache",
    "Vectors",
]
