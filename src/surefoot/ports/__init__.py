"""The seams of the house. A port exists where two real adapters exist; every method that touches data takes `tenant` first."""

from surefoot.ports.actions import AuditRepository, HostApp, PolicyEngine, RunRepository
from surefoot.ports.evidence import EvidenceModel, PassageJudgement, SupportJudgement
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
    "AuditRepository",
    "ChunkIndex",
    "ConversationRepository",
    "CorpusRepository",
    "DocumentRepository",
    "Encoder",
    "EventRepository",
    "EventSink",
    "EvidenceModel",
    "Fetched",
    "Fetcher",
    "Hit",
    "HostApp",
    "IndexCapabilities",
    "IndexChange",
    "LanguageModel",
    "MeterRepository",
    "PassageJudgement",
    "PolicyEngine",
    "ReadableDocuments",
    "ReplyLedger",
    "ReplyObserver",
    "RunRepository",
    "Store",
    "SupportJudgement",
    "TenantRepository",
    "UnitOfWork",
    "VectorCache",
    "Vectors",
]
