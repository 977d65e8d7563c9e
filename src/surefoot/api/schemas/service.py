"""The service's own state, keys, issuers, replies and the corpus."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from surefoot.api.schemas.offers import ShownOffer
from surefoot.api.schemas.texts import Line, Sent, Shown
from surefoot.api.schemas.verdicts import ShownOverview
from surefoot.domain.answers import RefusalReason, Tier
from surefoot.domain.budgets import BudgetLevel
from surefoot.domain.corpora import CorpusState
from surefoot.domain.identity import TenantId
from surefoot.domain.keys import Issuer, Scope, ServerKey
from surefoot.domain.replies import CacheUse
from surefoot.domain.routing import Degraded, EscalationReason, StepOutcome
from surefoot.governance.issuers import MAX_KEYS

_KEY: dict[str, JsonValue] = {
    "key_id": "key_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "label": "nightly ingest",
    "scopes": ["ingest"],
    "created_at": "2026-03-01T12:00:00Z",
    "revoked_at": None,
}
_ISSUER: dict[str, JsonValue] = {
    "issuer": "https://app.example.com",
    "algorithm": "EdDSA",
    "audience": "surefoot",
    "keys": {"2026-03": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}},
}


_RECORD: dict[str, JsonValue] = {
    "reply_id": "rep_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "viewer_hash": "5f2c6e0d9b8a7f61",
    "asked_at": "2026-03-01T12:00:00Z",
    "corpus_version": "9c1f0a2b3d4e5f60",
    "question": "How long does a refund take?",
    "outcome": "answer",
    "reason": None,
    "tier": "extractive",
    "confidence": 0.86,
    "claims": [{"text": "Refunds reach the card within 5 business days.", "support": 1.0}],
    "citations": [
        {
            "claim": 0,
            "chunk_id": "chk_3f6c1d2e4b5a69788796a5b4",
            "document_id": "doc_0a1b2c3d4e5f60718293a4b5",
            "start": 412,
            "end": 458,
            "quote": "Refunds reach the card within 5 business days.",
        }
    ],
    "closest": [],
    "timings_ms": {"encode": 2.4, "search": 1.6, "answer": 3.1},
    "first_claim_ms": None,
    "cost_usd": 0.0,
    "tokens": 0,
    "surface": "help",
    "searched": "How long does a refund take?",
    "conversation_id": "",
    "model": "",
    "cache": "miss",
    "budget": "normal",
    "degraded": None,
    "red_gates": [],
    "prompt_fingerprint": "",
    "note": "",
    "choices": [],
    "trace_id": "0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "steps": [
        {
            "tier": "extractive",
            "model": "",
            "purpose": "answer",
            "outcome": "accepted",
            "escalated_because": None,
            "reasons": [],
            "cost_usd": 0.0,
            "input_tokens": 0,
            "output_tokens": 0,
            "cached_tokens": 0,
            "latency_ms": 3.1,
        }
    ],
    "actions": [],
}


_READY: dict[str, JsonValue] = {
    "status": "ready",
    "checks": {"store": "ok", "encoder": "ok"},
    "verdicts": {
        "colour": "red",
        "tenants": {"green": 11, "amber": 0, "red": 1},
        "stale": 0,
        "failed": [{"gate": "leaks", "metric": "share.leaked", "surfaces": ["*"], "is_blocking": True, "tenants": 1}],
    },
}


class NewKey(Sent):
    """A server key to create."""

    label: Annotated[Line, StringConstraints(max_length=128)] = Field(description="What the key is for.")
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))

    model_config = ConfigDict(json_schema_extra={"examples": [{"label": "nightly ingest", "scopes": ["ingest"]}]})


class ShownKey(Shown):
    """A server key without its secret."""

    key_id: str
    label: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None

    model_config = ConfigDict(json_schema_extra={"examples": [_KEY]})

    @classmethod
    def of(cls, key: ServerKey) -> "ShownKey":
        return cls(
            key_id=key.key_id,
            label=key.label,
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            revoked_at=key.revoked_at,
        )


class CreatedKey(Shown):
    """A new server key and its secret, which is shown here and never again."""

    key: ShownKey
    secret: str

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key": _KEY, "secret": "sk_acme_J5m0nYb4nQb7Jx2Zp1tG3c8RkV6wLhUeSd9fAqXoTiM"}]}
    )


class ShownKeys(Shown):
    """All keys, oldest first, revoked ones included."""

    keys: list[ShownKey]

    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": [_KEY]}]})


class SentIssuer(Sent):
    """Who may sign viewer tokens for this tenant, and with which keys. An entry of the same name is replaced."""

    issuer: Annotated[Line, StringConstraints(max_length=256)] = Field(description="The iss claim of its tokens.")
    algorithm: Literal["EdDSA", "ES256", "RS256", "PS256", "HS256"] = Field(description="The one algorithm it signs with.")
    audience: Annotated[Line, StringConstraints(max_length=256)] = Field(description="The aud claim of its tokens.")
    keys: dict[str, dict[str, str | list[str]]] = Field(
        max_length=MAX_KEYS,
        description="JWKs by kid: public keys, or for HS256 the shared secret. None at all switches the issuer off.",
    )

    model_config = ConfigDict(json_schema_extra={"examples": [_ISSUER]})

    def of(self, tenant: TenantId) -> Issuer:
        return Issuer(tenant, self.issuer, self.algorithm, self.audience, self.keys)


class ShownIssuer(Shown):
    """An issuer as stored; a shared secret is never shown."""

    issuer: str
    algorithm: str
    audience: str
    keys: dict[str, dict[str, Any]]

    model_config = ConfigDict(json_schema_extra={"examples": [_ISSUER]})

    @classmethod
    def of(cls, issuer: Issuer) -> "ShownIssuer":
        keys = {kid: _public(jwk) for kid, jwk in issuer.keys.items()}
        return cls(issuer=issuer.issuer, algorithm=issuer.algorithm, audience=issuer.audience, keys=keys)


class ShownIssuers(Shown):
    """All issuers of the tenant."""

    issuers: list[ShownIssuer]

    model_config = ConfigDict(json_schema_extra={"examples": [{"issuers": [_ISSUER]}]})


class ShownCorpus(Shown):
    """What is published now."""

    version: str = Field(description="Differs whenever an answer could.")
    generation: int
    documents: int
    chunks: int
    published_at: datetime | None
    encoder_fingerprint: str
    index_fingerprint: str

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "9c1f0a2b3d4e5f60",
                    "generation": 7,
                    "documents": 61,
                    "chunks": 248,
                    "published_at": "2026-03-01T11:58:00Z",
                    "encoder_fingerprint": "minilm-int8-2f0c",
                    "index_fingerprint": "embedded-1",
                }
            ]
        }
    )

    @classmethod
    def of(cls, state: CorpusState) -> "ShownCorpus":
        return cls(**{name: getattr(state, name) for name in cls.model_fields})


class RecordedSpan(Shown):
    """A place in a document that a recorded reply named."""

    claim: int | None = Field(None, description="Which of `claims` it stands under; null for closest places.")
    chunk_id: str
    document_id: str
    start: int
    end: int
    quote: str


class RecordedClaim(Shown):
    """A sentence that was shown."""

    text: str
    support: float


class RecordedStep(Shown):
    """One attempt at the answer. `reasons` are the gate's and the transport's sentences; they may repeat a model's words."""

    tier: Tier
    model: str
    purpose: str
    outcome: StepOutcome
    escalated_because: EscalationReason | None
    reasons: list[str]
    cost_usd: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    latency_ms: float


class RecordedReply(Shown):
    """A reply as the ledger keeps it. Who asked is kept as a hash alone."""

    reply_id: str
    viewer_hash: str
    asked_at: datetime
    corpus_version: str
    question: str
    outcome: Literal["answer", "refusal"]
    reason: RefusalReason | None
    tier: Tier | None
    confidence: float
    claims: list[RecordedClaim]
    citations: list[RecordedSpan]
    closest: list[RecordedSpan]
    timings_ms: dict[str, float]
    first_claim_ms: float | None = None
    cost_usd: float
    tokens: int
    surface: str = "help"
    searched: str = ""
    conversation_id: str = ""
    model: str = ""
    cache: CacheUse = CacheUse.MISS
    budget: BudgetLevel = BudgetLevel.NORMAL
    degraded: Degraded | None = None
    red_gates: list[str] = Field(default_factory=list)
    prompt_fingerprint: str = ""
    trace_id: str = ""
    note: str = ""
    choices: list[str] = Field(default_factory=list)
    steps: list[RecordedStep] = Field(default_factory=list)
    actions: list[ShownOffer] = Field(default_factory=list)

    model_config = ConfigDict(json_schema_extra={"examples": [_RECORD]})


class Health(Shown):
    """The process answers."""

    status: Literal["ok"] = "ok"

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})


class Readiness(Shown):
    """Whether questions can be answered now, and if not, why not."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str] = Field(description="Per part: ok, or what is wrong.")
    verdicts: ShownOverview | None = Field(None, description="What the evals said; null when that cannot be read.")

    model_config = ConfigDict(json_schema_extra={"examples": [_READY]})


def _public(jwk: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name != "k"}
