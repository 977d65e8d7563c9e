"""The tables, one file per group; a new group is a new file named in this list."""

from surefoot.adapters.sql.schema import (
    access,
    audit,
    conversations,
    corpora,
    documents,
    events,
    meters,
    quality,
    replies,
    runs,
    tenants,
    vectors,
    verdicts,
)
from surefoot.adapters.sql.schema.columns import CACHE_METADATA, METADATA

__all__ = [
    "CACHE_METADATA",
    "METADATA",
    "access",
    "audit",
    "conversations",
    "corpora",
    "documents",
    "events",
    "meters",
    "quality",
    "replies",
    "runs",
    "tenants",
    "vectors",
    "verdicts",
]
