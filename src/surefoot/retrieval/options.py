"""The settings as retrieval takes them."""

from surefoot.core.settings import Settings
from surefoot.retrieval.freshness import FreshnessRule
from surefoot.retrieval.ingest import IngestOptions
from surefoot.retrieval.readers import ReadLimits
from surefoot.retrieval.search import SearchOptions


def freshness_rule(settings: Settings) -> FreshnessRule:
    """How much age counts."""
    return FreshnessRule(
        max_age_days=settings.max_evidence_age_days,
        half_life_days=settings.freshness_half_life_days,
        weight=settings.freshness_weight,
    )


def search_options(settings: Settings) -> SearchOptions:
    """How passages are looked for."""
    return SearchOptions(
        fusion=settings.fusion,
        dense_weight=settings.dense_weight,
        leg_depth=settings.leg_depth,
        passages=settings.passages,
        freshness=freshness_rule(settings),
    )


def ingest_options(settings: Settings) -> IngestOptions:
    """How documents are cut, and what reading one may cost."""
    return IngestOptions(
        chunk_tokens=settings.chunk_tokens,
        chunk_overlap_tokens=settings.chunk_overlap_tokens,
        limits=read_limits(settings),
    )


def read_limits(settings: Settings) -> ReadLimits:
    """What a single document may cost to read."""
    return ReadLimits(
        max_bytes=settings.max_document_bytes,
        max_pages=settings.max_document_pages,
        memory_mb=settings.reader_memory_mb,
        cpu_seconds=settings.reader_seconds,
    )
