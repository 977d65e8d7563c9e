"""Settings -> adapters -> use cases. The only module that names adapters."""

from dataclasses import dataclass
from pathlib import Path

from surefoot.assistant.answer import Answerer
from surefoot.assistant.ask import Ask
from surefoot.core.clock import Clock, SystemClock
from surefoot.core.errors import InvalidSettings, StoreUnavailable
from surefoot.core.settings import Settings
from surefoot.domain.identity import Principal, TenantId
from surefoot.domain.policies import NO_MODELS, ModelPolicy
from surefoot.governance.budgets import Budgets
from surefoot.ports import AccessSnapshot, ChunkIndex, Encoder, Fetcher, Store
from surefoot.retrieval.freshness import FreshnessRule
from surefoot.retrieval.ingest import Ingest, IngestOptions
from surefoot.retrieval.readers import ReadLimits
from surefoot.retrieval.search import Searcher, SearchOptions


@dataclass(frozen=True, slots=True)
class Surefoot:
    """The whole product, put together: what the faces call."""

    settings: Settings
    clock: Clock
    store: Store
    index: ChunkIndex
    encoder: Encoder
    fetcher: Fetcher
    searcher: Searcher
    answerer: Answerer
    ask: Ask
    ingest: Ingest
    policy: ModelPolicy
    budgets: Budgets

    def start(self) -> None:
        """The database has its newest schema. Raises StoreUnavailable."""
        self.store.migrate()

    def close(self) -> None:
        """Every file and connection is closed; ledger rows under way are written first."""
        self.index.close()
        self.store.close()


def build(
    settings: Settings,
    clock: Clock | None = None,
    *,
    store: Store | None = None,
    encoder: Encoder | None = None,
    policy: ModelPolicy = NO_MODELS,
) -> Surefoot:
    """The product on these settings. A store or encoder passed in is used as it is (tests and trials bring doubles).

    Opens no connection yet; raises InvalidSettings for what cannot be put together.
    """
    clock = clock or SystemClock()
    store = store or _store(settings)
    encoder = encoder or _encoder(settings)
    index = _index(settings, store, encoder)
    searcher = Searcher(store, index, encoder, clock, _search_options(settings))
    answerer = Answerer(encoder, answer_threshold=settings.answer_threshold, scope_threshold=settings.scope_threshold)
    return Surefoot(
        settings=settings,
        clock=clock,
        store=store,
        index=index,
        encoder=encoder,
        fetcher=_fetcher(settings),
        searcher=searcher,
        answerer=answerer,
        ask=Ask(searcher, store, answerer, clock),
        ingest=Ingest(store, index, encoder, clock, _ingest_options(settings)),
        policy=policy,
        budgets=Budgets(store, clock, policy),
    )


def read_limits(settings: Settings) -> ReadLimits:
    """What a single document may cost to read."""
    return ReadLimits(
        max_bytes=settings.max_document_bytes,
        max_pages=settings.max_document_pages,
        memory_mb=settings.reader_memory_mb,
        cpu_seconds=settings.reader_seconds,
    )


def _store(settings: Settings) -> Store:
    from surefoot.adapters.sql.store import SqlStore

    _make_data_dir(settings.data_dir)
    return SqlStore(settings.resolved_database_url)


def _encoder(settings: Settings) -> Encoder:
    threads, cache_size = settings.encoder_threads, settings.query_cache_size
    kind, _, model = settings.encoder.partition(":")
    if kind == "onnx" and not model:
        from surefoot.adapters.onnx_encoder import OnnxEncoder

        return OnnxEncoder(threads=threads, cache_size=cache_size)
    if kind == "openvino" and not model:
        from surefoot.adapters.openvino_encoder import OpenVinoEncoder

        return OpenVinoEncoder(threads=threads, cache_size=cache_size)
    if kind == "sentence-transformers" and model:
        from surefoot.adapters.sentence_transformers_encoder import SentenceTransformersEncoder

        return SentenceTransformersEncoder(model, threads=threads, cache_size=cache_size, offline=settings.offline)
    raise InvalidSettings(f"encoder {settings.encoder!r} is unknown; use onnx, openvino or sentence-transformers:<model>.")


def _index(settings: Settings, store: Store, encoder: Encoder) -> ChunkIndex:
    from surefoot.adapters.embedded_index.index import EmbeddedIndex

    def readable(tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        with store.begin() as work:
            return work.access.readable(tenant, principals)

    _make_data_dir(settings.data_dir)
    return EmbeddedIndex(
        settings.data_dir / "index",
        readable,
        dimensions=encoder.dimensions,
        lexical_backend=settings.lexical_backend,
        open_tenants=settings.open_tenants,
    )


def _fetcher(settings: Settings) -> Fetcher:
    from surefoot.adapters.outbound import GuardedFetcher

    return GuardedFetcher(offline=settings.offline)


def _search_options(settings: Settings) -> SearchOptions:
    return SearchOptions(
        fusion=settings.fusion,
        dense_weight=settings.dense_weight,
        leg_depth=settings.leg_depth,
        passages=settings.passages,
        freshness=FreshnessRule(
            max_age_days=settings.max_evidence_age_days,
            half_life_days=settings.freshness_half_life_days,
            weight=settings.freshness_weight,
        ),
    )


def _ingest_options(settings: Settings) -> IngestOptions:
    return IngestOptions(
        chunk_tokens=settings.chunk_tokens,
        chunk_overlap_tokens=settings.chunk_overlap_tokens,
        limits=read_limits(settings),
    )


def _make_data_dir(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"The data folder {str(folder)!r} cannot be made ({error.strerror}); set data_dir.") from error
