"""Rows for the store's contracts, in one line each."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from surefoot.domain.actions import Env
from surefoot.domain.answers import Answer, Citation, Claim, Refusal, RefusalReason, Tier
from surefoot.domain.audit import AuditRow
from surefoot.domain.budgets import Account, BudgetLevel, MeterKey, Period, Reservation, Spend
from surefoot.domain.conversations import Conversation, ConversationId, Turn
from surefoot.domain.corpora import CorpusState
from surefoot.domain.documents import Chunk, ChunkId, Document, DocumentId, TrustTier
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.feedback import Feedback, LiveSample, Opinion
from surefoot.domain.identity import Principal, TenantId
from surefoot.domain.keys import Issuer, Scope, ServerKey
from surefoot.domain.replies import CacheUse, Reply
from surefoot.domain.routing import Degraded, EscalationReason, Step, StepOutcome
from surefoot.domain.runs import (
    Approval,
    Attempt,
    CapHold,
    Change,
    DecisionRecord,
    Plan,
    PolicyDecision,
    PolicyEffect,
    PolicyReason,
    Precondition,
    Receipt,
    Run,
    RunKind,
    RunState,
    Stage,
    Verdict,
)
from surefoot.domain.verdicts import GateResult, GateState
from surefoot.domain.verdicts import Verdict as EvalVerdict

NOW = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
ELSEWHERE = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=-7, minutes=-30)))
ACME, GLOBEX = TenantId("acme"), TenantId("globex")
ANN, EVERYONE = Principal("user:ann"), Principal("everyone")


def document(name: str, *, text: str = "One. Two. Three.", supersedes: tuple[str, ...] = (), source: str = "docs") -> Document:
    """A document with id and uri made from the name."""
    return Document(
        document_id=DocumentId(f"doc_{name}"),
        uri=f"{name}.md",
        source=source,
        title=f"Title of {name} — ünïcode 🦶",
        text=text,
        content_hash=f"hash of {text}",
        locale="en-GB",
        trust=TrustTier.REVIEWED,
        updated_at=ELSEWHERE,
        valid_until=None,
        supersedes=supersedes,
        meta={"owner": "docs team", "empty": ""},
        ingested_at=NOW,
    )


def chunks(parent: Document, count: int = 2) -> list[Chunk]:
    """Chunks that cut the document's text into pieces of four characters."""
    return [
        Chunk(
            chunk_id=ChunkId(f"chk_{parent.document_id}_{ordinal}"),
            document_id=parent.document_id,
            uri=parent.uri,
            ordinal=ordinal,
            start=ordinal * 4,
            end=ordinal * 4 + 4,
            text=parent.text[ordinal * 4 : ordinal * 4 + 4],
            title=parent.title,
            heading="Limits",
            path=("Guide", "Quotas > rates"),
            anchor="limits",
            page_number=ordinal or None,
            token_count=2,
            locale=parent.locale,
            trust=parent.trust,
            updated_at=parent.updated_at,
            valid_until=NOW if ordinal else None,
            heading_indexed=ordinal == 0,
        )
        for ordinal in range(count)
    ]


def corpus(generation: int, **fields: object) -> CorpusState:
    """A published state."""
    return replace(CorpusState(generation, 0, "encoder-a", "index-a", 3, 7, NOW), **fields)  # type: ignore[arg-type]


def server_key(tenant: TenantId, key_id: str, *, created_at: datetime = NOW) -> ServerKey:
    """A live key with both scopes."""
    return ServerKey(key_id, tenant, f"sha of {tenant}", frozenset(Scope), f"label of {tenant}", created_at)


def issuer(tenant: TenantId, name: str = "https://app.example", *, audience: str = "surefoot") -> Issuer:
    """An issuer with one public key."""
    return Issuer(tenant, name, "EdDSA", audience, {"kid-1": {"kty": "OKP", "crv": "Ed25519", "x": f"x of {tenant}"}})


def citation(quote: str = "Two") -> Citation:
    """A place in a document."""
    return Citation(
        ChunkId("chk_1"), DocumentId("doc_1"), "a.md", "A", "Limits", "limits", 3, quote, 5, 8, "en", TrustTier.OFFICIAL, NOW
    )


def answer(reply_id: str, question: str = "How many?") -> Reply:
    """A reply with two claims, three citations in all."""
    claims = (Claim("Two.", (citation(), citation("One")), 0.9), Claim("Three.", (citation("Three"),), 0.8))
    quoted = Step(Tier.EXTRACTIVE, "", "answer", StepOutcome.REFUSED, latency_ms=1.5)
    drafted = Step(
        Tier.SMALL,
        "cheap",
        "answer",
        StepOutcome.ACCEPTED,
        Spend(2_000_000, 120),
        input_tokens=100,
        output_tokens=20,
        cached_tokens=60,
        latency_ms=250.5,
        reasons=("The number 7 is not in the quotes.",),
        escalated_because=EscalationReason.INSUFFICIENT_EVIDENCE,
    )
    return Reply(
        reply_id,
        question,
        Answer(claims, 0.75, Tier.SMALL, note="Your question says two.", model="cheap"),
        "version-1",
        NOW,
        {"encode": 2.5},
        first_claim_ms=180.5,
        surface="billing",
        searched="How many of them?",
        conversation_id="cnv_1",
        steps=(quoted, drafted),
        cache=CacheUse.MISS,
        budget=BudgetLevel.WARN,
        degraded=Degraded.BUDGET_SMALL_ONLY,
        red_gates=("leaks",),
        prompt_fingerprint="prompts",
        trace_id="trace",
    )


def refusal(reply_id: str) -> Reply:
    """A reply that shows nothing."""
    outcome = Refusal(RefusalReason.STALE_EVIDENCE, "Outdated.", ("Update a.md.",), (citation(),), 0.2)
    return Reply(reply_id, "Still so?", outcome, "version-2", NOW)


AMOUNT = Spend(100, 10)
TODAY = datetime(2026, 6, 1, tzinfo=UTC)


def meter(surface: str = "", viewer_hash: str = "", period: Period = Period.DAY, *, start: datetime = TODAY) -> MeterKey:
    """The tenant's meter of the day, or a narrower one."""
    return MeterKey(surface, viewer_hash, period, start)


def reservation(
    name: str, amount: Spend = AMOUNT, *meters: MeterKey, expires_at: datetime = NOW + timedelta(minutes=5)
) -> Reservation:
    """A reservation on these meters, or on the tenant's meter of the day."""
    return Reservation(f"res_{name}", Account("help", "viewer-1"), amount, meters or (meter(),), expires_at)


def event(
    name: str, *, kind: str = "surefoot.budget.crossed", time: datetime = NOW, data: Mapping[str, object] | None = None
) -> OutgoingEvent:
    """An event whose id is made from the name."""
    return OutgoingEvent(f"evt_{name}", kind, "budget/help", time, {"level": "warn"} if data is None else data)


def conversation(name: str, viewer_hash: str = "viewer-1", *, updated_at: datetime = NOW) -> Conversation:
    """A conversation on the help surface."""
    return Conversation(ConversationId(f"cnv_{name}"), viewer_hash, "help", NOW - timedelta(hours=1), updated_at)


def turn(position: int, *, asked_at: datetime = NOW, question: str = "And for teams — ünïcode 🦶?") -> Turn:
    """A turn that was answered from two documents."""
    documents = (DocumentId("doc_b"), DocumentId("doc_a"))
    return Turn(
        position, f"ans_{position}", question, "How many seats have teams?", "answer", ("One.", "Two."), documents, asked_at
    )


# JSON that a careless store would not give back as it was: the order of keys, large and small numbers, whole fractions.
TRICKY = {"z": 2**70, "a": [0.1, 1.0, -0.0, 1e300, None, True], "ü🦶": {"\u0000": "\ud83d", "b": {}}, "": [[], ""]}


def run(name: str, state: RunState = RunState.PROPOSED, **fields: object) -> Run:
    """A nudge for ann, with an idempotency key of its own."""
    row = Run(
        run_id=f"run_{name}",
        env=Env.SANDBOX,
        kind=RunKind.APPLY,
        action="schedule_nudge",
        action_version="1.0.0",
        schema_hash="schema",
        maker="ann",
        arguments={"user_id": "usr_000001", "channel": "email"},
        arguments_hash="arguments",
        idem_scope="viewer:ann",
        idem_key=f"key of {name}",
        idem_fingerprint="fingerprint",
        natural_key="",
        state=state,
        created_at=NOW,
        deadline=NOW + timedelta(days=1),
    )
    return replace(row, **fields)  # type: ignore[arg-type]


def change(resource: str = "nudge/ndg_1") -> Change:
    """One resource is created, and deleted again backwards."""
    return Change(resource, ({"op": "add", "path": "", "value": {"at": TRICKY}},), ({"op": "remove", "path": ""},))


def plan(name: str, **fields: object) -> Plan:
    """The plan of the run of this name, good for a quarter of an hour."""
    row = Plan(
        run_id=f"run_{name}",
        changes=(change(), change("user/usr_1")),
        preconditions=(Precondition("nudge/ndg_1", 'W/"0"'),),
        summary="One nudge — ünïcode 🦶",
        cost_usd=0.1 + 0.2,
        minutes_saved=2.5,
        digest="digest",
        policy_version="policy",
        connector_version="connector",
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=15),
    )
    return replace(row, **fields)  # type: ignore[arg-type]


def approval(name: str, approver: str = "bea", *, digest: str = "digest", at: datetime = NOW) -> Approval:
    """A person's yes to the plan of the run of this name."""
    return Approval(f"run_{name}", digest, approver, Verdict.APPROVE, at, "Fine — ünïcode 🦶")


def decision(name: str, stage: Stage = Stage.SIMULATE, *, facts: Mapping[str, object] | None = None) -> DecisionRecord:
    """The policy defers the run of this name."""
    reasons = (PolicyReason("window", "The change window is shut.", "Wait."), PolicyReason("quiet", "It is night."))
    said = PolicyDecision(PolicyEffect.DEFER, "policy", reasons, ("One rule failed.",), needs_approval=True)
    return DecisionRecord(f"run_{name}", stage, said, TRICKY if facts is None else facts, NOW)


def attempt(name: str, number: int, *, outcome: str = "unknown") -> Attempt:
    """A call that nobody answered."""
    return Attempt(f"run_{name}", number, f"dlv_{name}", "apply", outcome, 503, "body", NOW)


def receipt(name: str, **fields: object) -> Receipt:
    """What the host did for the run of this name."""
    after = (Precondition("nudge/ndg_1", 'W/"1"'), Precondition("user/usr_1", ""))
    row = Receipt(f"run_{name}", after, (change(),), "handle", NOW + timedelta(days=30), TRICKY, NOW)
    return replace(row, **fields)  # type: ignore[arg-type]


def hold(key: str = "usr_1", *, cap: str = "nudges", most: int = 1, since: datetime = NOW - timedelta(days=7)) -> CapHold:
    """One of the nudges that this user may get in a week."""
    return CapHold(cap, key, since, most)


def audit_row(seq: int, *, prev_hash: str = "", details: Mapping[str, object] | None = None) -> AuditRow:
    """The row at this place of a chain whose hashes are the places."""
    subject, kept = f"run_{seq} — ünïcode 🦶", TRICKY if details is None else details
    return AuditRow(
        seq, prev_hash or f"hash {seq - 1}", f"hash {seq}", NOW, "ann", "run.applied", subject, f"details {seq}", kept
    )


def word(number: int, opinion: Opinion = Opinion.WRONG, **fields: object) -> Feedback:
    """What the viewer of this reply says about it."""
    return replace(Feedback(f"ans_{number}", "viewer-1", opinion, NOW, "No — ünïcode 🦶"), **fields)  # type: ignore[arg-type]


def sample(number: int, **fields: object) -> LiveSample:
    """This reply, kept for a month."""
    row = LiveSample(f"ans_{number}", "viewer-1", NOW, NOW + timedelta(days=30), {"question": "How many?", "tricky": TRICKY})
    return replace(row, **fields)  # type: ignore[arg-type]


def verdict(name: str, **fields: object) -> EvalVerdict:
    """What a run of the evals said: one gate blocks, one only warns, one had too few cases."""
    row = EvalVerdict(
        verdict_id=f"vrd_{name}",
        run_id=f"evr_{name}",
        suites=("sample", "nightly"),
        decided_at=NOW,
        results=(
            GateResult(
                "leaks",
                "share.leaked",
                GateState.FAILED,
                True,
                0.0,
                False,
                200,
                0.005,
                0.001,
                0.028,
                ("help",),
                "It leaked — ünïcode 🦶.",
            ),
            GateResult("latency", "p95.latency_ms", GateState.FAILED, False, 400.0, False, 200, 0.1 + 0.2),
            GateResult("drafts", "share.valid_json", GateState.TOO_FEW, True, 1.0, True, 3),
        ),
        baseline_run_id="evr_before",
        valid_until=NOW + timedelta(days=2),
    )
    return replace(row, **fields)  # type: ignore[arg-type]
