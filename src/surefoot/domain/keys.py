"""Server keys and token issuers: how a caller proves who they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from surefoot.domain.identity import TenantId


class Scope(StrEnum):
    """What a server key allows. Asking is not among them: questions come with a viewer token."""

    INGEST = "ingest"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ServerKey:
    """A server-to-server key as stored: never the secret, only its sha256."""

    key_id: str
    tenant: TenantId
    secret_sha256: str
    scopes: frozenset[Scope]
    label: str
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who may sign viewer tokens for a tenant: exactly one algorithm, one audience, and a local set of public keys by kid."""

    tenant: TenantId
    issuer: str
    algorithm: str
    audience: str
    keys: Mapping[str, Mapping[str, Any]]
