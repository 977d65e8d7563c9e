"""The same ids under two tenants never mix: a matrix over every method of every port of the store."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import get_type_hints

import numpy as np
import pytest

from surefoot import ports
from surefoot.core.errors import WriterBusy
from surefoot.domain.actions import AutonomyLevel, Env
from surefoot.domain.budgets import Limit, Spend
from surefoot.domain.conversations import ConversationId
from surefoot.domain.documents import ChunkId, DocumentId
from surefoot.domain.identity import Principal, TenantId
from surefoot.domain.runs import RunState
from surefoot.ports import Store, UnitOfWork
from tests.contracts.store_rows import (
    ACME,
    GLOBEX,
    NOW,
    TODAY,
    answer,
    approval,
    attempt,
    audit_row,
    chunks,
    conversation,
    corpus,
    decision,
    document,
    event,
    hold,
    issuer,
    meter,
    plan,
    receipt,
    reservation,
    run,
    sample,
    server_key,
    turn,
    verdict,
    word,
)

# Read off the unit of work, so that a new repository cannot be left out of the matrix.
REPOSITORIES = [
    get_type_hints(each.fget)["return"] for _, each in inspect.getmembers(UnitOfWork) if isinstance(each, property) and each.fget
]
PORTS = (*REPOSITORIES, ports.VectorCache, ports.ReplyLedger)
A, B, C = DocumentId("doc_a"), DocumentId("doc_b"), DocumentId("doc_c")
CHUNKS = [ChunkId(f"chk_doc_{name}_{ordinal}") for name in "ab" for ordinal in range(2)]
BOTH = frozenset({Principal("user:acme"), Principal("user:globex")})
METERS = {meter(surface): Limit(1000, None) for surface in ("", "acme", "globex")}
LONG_AGO = replace(meter(), period_start=TODAY - timedelta(days=99))
TALK = ConversationId("cnv_a")
TOMORROW = NOW + timedelta(days=1)
SANDBOX = Env.SANDBOX
LEVELS = {ACME: AutonomyLevel.ONE_CLICK, GLOBEX: AutonomyLevel.UNATTENDED}


@dataclass(frozen=True, slots=True)
class Scene:
    """A store and a unit of work on it."""

    store: Store
    work: UnitOfWork


Probe = Callable[[Scene, TenantId], object]

READS: dict[str, Probe] = {
    "DocumentRepository.get": lambda s, t: s.work.documents.get(t, A),
    "DocumentRepository.hashes": lambda s, t: s.work.documents.hashes(t),
    "DocumentRepository.page": lambda s, t: s.work.documents.page(t, after=None, limit=10),
    "DocumentRepository.supersessions": lambda s, t: s.work.documents.supersessions(t),
    "DocumentRepository.chunks": lambda s, t: s.work.documents.chunks(t, CHUNKS),
    "DocumentRepository.chunks_of": lambda s, t: s.work.documents.chunks_of(t, [A, B]),
    "AccessRepository.of": lambda s, t: s.work.access.of(t, [A, B]),
    "AccessRepository.in_use": lambda s, t: s.work.access.in_use(t),
    "AccessRepository.readable": lambda s, t: s.work.access.readable(t, BOTH),
    "CorpusRepository.state": lambda s, t: s.work.corpora.state(t),
    "TenantRepository.keys": lambda s, t: s.work.tenants.keys(t),
    "TenantRepository.issuers": lambda s, t: s.work.tenants.issuers(t),
    "TenantRepository.exists": lambda s, t: s.work.tenants.exists(t),
    "MeterRepository.states": lambda s, t: s.work.meters.states(t, METERS),
    "MeterRepository.known": lambda s, t: s.work.meters.known(t, since=TODAY),
    "MeterRepository.open_reservations": lambda s, t: s.work.meters.open_reservations(t),
    "EventRepository.due": lambda s, t: s.work.events.due(t, now=NOW, limit=10),
    "EventRepository.about": lambda s, t: s.work.events.about(t, ["budget/help"]),
    "EventRepository.recent": lambda s, t: s.work.events.recent(t, limit=10),
    "ConversationRepository.get": lambda s, t: s.work.conversations.get(t, TALK, "viewer-1"),
    "ConversationRepository.of": lambda s, t: s.work.conversations.of(t, "viewer-1", limit=10),
    "ConversationRepository.turns": lambda s, t: s.work.conversations.turns(t, TALK, last=10),
    "RunRepository.get": lambda s, t: s.work.runs.get(t, "run_a"),
    "RunRepository.by_key": lambda s, t: s.work.runs.by_key(t, SANDBOX, "viewer:ann", "key of a"),
    "RunRepository.by_trace": lambda s, t: s.work.runs.by_trace(t, "trace"),
    "RunRepository.page": lambda s, t: _page(s, t),
    "RunRepository.plan": lambda s, t: s.work.runs.plan(t, "run_a"),
    "RunRepository.approvals": lambda s, t: s.work.runs.approvals(t, "run_a"),
    "RunRepository.decisions": lambda s, t: s.work.runs.decisions(t, "run_a"),
    "RunRepository.attempts": lambda s, t: [s.work.runs.attempts(t, f"run_{name}") for name in ("a", "b", "ended")],
    "RunRepository.receipt": lambda s, t: s.work.runs.receipt(t, "run_a"),
    "RunRepository.cap_used": lambda s, t: s.work.runs.cap_used(t, SANDBOX, "nudges", "usr_1", since=TODAY),
    "RunRepository.switched_off": lambda s, t: s.work.runs.switched_off(t, SANDBOX, "schedule_nudge"),
    "RunRepository.autonomy": lambda s, t: s.work.runs.autonomy(t, "schedule_nudge"),
    "AuditRepository.about": lambda s, t: s.work.audit.about(t, ["run_1 — ünïcode 🦶"]),
    "AuditRepository.head": lambda s, t: s.work.audit.head(t),
    "AuditRepository.page": lambda s, t: s.work.audit.page(t, after=0, limit=10),
    "VerdictRepository.current": lambda s, t: s.work.verdicts.current(t),
    "VerdictRepository.history": lambda s, t: s.work.verdicts.history(t, limit=10),
    "VectorCache.get": lambda s, t: {k: v.tobytes() for k, v in s.store.vectors.get(t, "encoder", ["h", t]).items()},
    "FeedbackRepository.of": lambda s, t: s.work.feedback.of(t, ["ans_0", "ans_7"]),
    "SampleRepository.page": lambda s, t: s.work.samples.page(t, since=TODAY, now=NOW, after="", limit=10),
    "ReplyLedger.by_trace": lambda s, t: s.store.replies.by_trace(t, "trace", limit=10),
    "ReplyLedger.get": lambda s, t: s.store.replies.get(t, "ans_1"),
    "ReplyLedger.count": lambda s, t: s.store.replies.count(t),
}


def _page(scene: Scene, tenant: TenantId) -> object:
    return scene.work.runs.page(tenant, env=None, states=frozenset(), maker="", after="", limit=10)


def _lease_is_free(scene: Scene, tenant: TenantId) -> bool:
    try:
        scene.work.corpora.lease(tenant, "probe", now=NOW, ttl_seconds=60)
    except WriterBusy:
        return False
    return True


def _replace(scene: Scene, tenant: TenantId) -> None:
    row = document("a", text="Overwritten text.", supersedes=("b.md",))
    scene.work.documents.replace(tenant, row, chunks(row, 1))


WRITES: dict[str, Probe] = {
    "DocumentRepository.replace": _replace,
    "DocumentRepository.delete": lambda s, t: s.work.documents.delete(t, [A]),
    "AccessRepository.put": lambda s, t: s.work.access.put(t, A, frozenset({Principal("everyone")})),
    "CorpusRepository.publish": lambda s, t: s.work.corpora.publish(t, expected_generation=_generation(t), state=corpus(77)),
    "CorpusRepository.lease": lambda s, t: s.work.corpora.lease(t, "intruder", now=NOW, ttl_seconds=60),
    "CorpusRepository.release": lambda s, t: s.work.corpora.release(t, "intruder"),
    "TenantRepository.create": lambda s, t: s.work.tenants.create(t, now=NOW),
    "TenantRepository.add_key": lambda s, t: s.work.tenants.add_key(t, server_key(t, "key_new")),
    "TenantRepository.revoke_key": lambda s, t: s.work.tenants.revoke_key(t, "key_1", now=NOW),
    "TenantRepository.put_issuer": lambda s, t: s.work.tenants.put_issuer(t, issuer(t, audience="changed")),
    "MeterRepository.reserve": lambda s, t: s.work.meters.reserve(t, reservation("new"), {meter(): Limit(1000, None)}),
    "MeterRepository.settle": lambda s, t: s.work.meters.settle(t, "res_a", Spend(5, 5)),
    "MeterRepository.write_off": lambda s, t: s.work.meters.write_off(t, now=TOMORROW),
    "MeterRepository.mark_crossed": lambda s, t: s.work.meters.mark_crossed(t, meter(), "warn"),
    "EventRepository.add": lambda s, t: s.work.events.add(t, event("new")),
    "EventRepository.claim": lambda s, t: s.work.events.claim(t, "evt_a", now=NOW, until=TOMORROW),
    "EventRepository.delivered": lambda s, t: s.work.events.delivered(t, "evt_a", now=NOW),
    "EventRepository.postpone": lambda s, t: s.work.events.postpone(t, "evt_a", until=TOMORROW, reason="No answer."),
    "EventRepository.prune": lambda s, t: s.work.events.prune(t, before=TOMORROW, limit=9),
    "MeterRepository.prune": lambda s, t: s.work.meters.prune(t, before=NOW, limit=9),
    "RunRepository.prune_attempts": lambda s, t: s.work.runs.prune_attempts(t, before=TOMORROW, limit=9),
    "VerdictRepository.prune": lambda s, t: s.work.verdicts.prune(t, before=TOMORROW, limit=9),
    "ConversationRepository.create": lambda s, t: s.work.conversations.create(t, conversation("new")),
    "ConversationRepository.add_turn": lambda s, t: s.work.conversations.add_turn(t, TALK, turn(7, asked_at=TOMORROW)),
    "ConversationRepository.hand_over": lambda s, t: s.work.conversations.hand_over(t, TALK, now=NOW),
    "ConversationRepository.delete": lambda s, t: s.work.conversations.delete(t, TALK),
    "RunRepository.create": lambda s, t: s.work.runs.create(t, run("new")),
    "RunRepository.swap": lambda s, t: s.work.runs.swap(t, run("a", RunState.CANCELLED)),
    "RunRepository.put_plan": lambda s, t: s.work.runs.put_plan(t, plan("a", summary="Overwritten.")),
    "RunRepository.consume_plan": lambda s, t: s.work.runs.consume_plan(t, "run_a", now=NOW),
    "RunRepository.add_approval": lambda s, t: s.work.runs.add_approval(t, approval("a", "intruder")),
    "RunRepository.add_decision": lambda s, t: s.work.runs.add_decision(t, decision("a")),
    "RunRepository.add_attempt": lambda s, t: s.work.runs.add_attempt(t, attempt("a", 7)),
    "RunRepository.begin_attempt": lambda s, t: s.work.runs.begin_attempt(t, attempt("b", 7), "worker", until=TOMORROW),
    "RunRepository.end_attempt": lambda s, t: s.work.runs.end_attempt(t, attempt("a", 1, outcome="done")),
    "RunRepository.put_receipt": lambda s, t: s.work.runs.put_receipt(t, receipt("a", undo_handle="overwritten")),
    "RunRepository.hold_caps": lambda s, t: s.work.runs.hold_caps(t, SANDBOX, "run_c", [hold(most=9)], now=NOW),
    "RunRepository.settle_caps": lambda s, t: s.work.runs.settle_caps(t, "run_a", committed=False),
    "RunRepository.refund_caps": lambda s, t: s.work.runs.refund_caps(t, "run_b"),
    "RunRepository.enqueue": lambda s, t: s.work.runs.enqueue(t, "run_c", due_at=TODAY),
    "RunRepository.lease_due": lambda s, t: s.work.runs.lease_due(t, "intruder", now=NOW, until=TOMORROW),
    "RunRepository.lease": lambda s, t: s.work.runs.lease(t, "run_a", "intruder", now=NOW, until=TOMORROW),
    "RunRepository.lease_review": lambda s, t: s.work.runs.lease_review(t, "intruder", now=NOW, until=TOMORROW),
    "RunRepository.end_review": lambda s, t: s.work.runs.end_review(t, "intruder", due_at=TOMORROW),
    "RunRepository.postpone": lambda s, t: s.work.runs.postpone(t, "run_b", "worker", due_at=TOMORROW),
    "RunRepository.dequeue": lambda s, t: s.work.runs.dequeue(t, "run_a"),
    "RunRepository.set_switch": lambda s, t: s.work.runs.set_switch(
        t, SANDBOX, "schedule_nudge", off=False, by="ann", reason="", now=NOW
    ),
    "RunRepository.set_autonomy": lambda s, t: s.work.runs.set_autonomy(
        t, "schedule_nudge", AutonomyLevel.SUGGEST, reason="Reversed often.", now=NOW
    ),
    "FeedbackRepository.put": lambda s, t: s.work.feedback.put(t, word(0, comment="Overwritten.")),
    "SampleRepository.add": lambda s, t: s.work.samples.add(t, sample(7)),
    "SampleRepository.forget": lambda s, t: s.work.samples.forget(t, "viewer-1"),
    "SampleRepository.sweep": lambda s, t: s.work.samples.sweep(t, now=NOW + timedelta(days=31), limit=9),
    "AuditRepository.append": lambda s, t: s.work.audit.append(t, audit_row(2)),
    "AuditRepository.erase_details": lambda s, t: s.work.audit.erase_details(t, 1),
    "VerdictRepository.put": lambda s, t: s.work.verdicts.put(t, verdict("new"), now=NOW),
    "VerdictRepository.clear": lambda s, t: s.work.verdicts.clear(t, now=NOW),
    "VectorCache.put": lambda s, t: s.store.vectors.put(t, "encoder", {"h": np.zeros(2, dtype=np.float32)}),
    "VectorCache.forget": lambda s, t: s.store.vectors.forget(t, ["h"]),
    "VectorCache.keep_only": lambda s, t: s.store.vectors.keep_only(t, "another encoder", frozenset()),
    "ReplyLedger.append": lambda s, t: s.store.replies.append(t, "v", answer("ans_new")),
}
# These need a world in which the write is a change.
NEW_TENANTS = {"TenantRepository.create"}
HELD_LEASES = {"CorpusRepository.release", "RunRepository.end_review"}


def _generation(tenant: TenantId) -> int:
    return {ACME: 3, GLOBEX: 4}[tenant]


def _fill(store: Store, tenant: TenantId, *, exists: bool = True, leased: bool = False) -> None:
    """The tenant has a row of every kind, under the same ids as any other tenant but with words of its own."""
    first = replace(document("a", text=f"Text of {tenant}."), title=f"Title of {tenant}")
    second = document(
        "b", text=f"More of {tenant}.", supersedes=(f"{tenant}.md", "a.md") if tenant == ACME else (f"{tenant}.md",)
    )
    with store.begin() as work:
        if exists:
            work.tenants.create(tenant, now=NOW)
        for row in (first, second):
            work.documents.replace(tenant, row, chunks(row))
        work.access.put(tenant, A, frozenset({Principal(f"user:{tenant}")}))
        work.access.put(tenant, A if tenant == ACME else B, BOTH)
        work.access.put(tenant, C, frozenset({Principal(f"group:{tenant}")}))
        work.corpora.publish(tenant, expected_generation=0, state=corpus(_generation(tenant)))
        work.tenants.add_key(tenant, server_key(tenant, "key_1"))
        work.tenants.put_issuer(tenant, issuer(tenant))
        amount = Spend(_generation(tenant) * 10, _generation(tenant))
        work.meters.reserve(tenant, reservation("a", amount, meter(), meter(tenant)), METERS)
        work.meters.mark_crossed(tenant, LONG_AGO, "warn")
        work.events.add(tenant, event("a", data={"of": tenant}))
        work.events.add(tenant, event("done", data={"of": tenant}))
        work.events.delivered(tenant, "evt_done", now=NOW)
        work.conversations.create(tenant, replace(conversation("a"), surface=f"surface of {tenant}"))
        work.conversations.add_turn(tenant, TALK, turn(0, question=f"Question of {tenant}?"))
        _fill_runs(work, tenant)
        work.audit.append(tenant, audit_row(1, details={"of": tenant}))
        work.feedback.put(tenant, word(0, comment=f"Comment of {tenant}."))
        work.samples.add(tenant, sample(0, record={"of": tenant}))
        work.verdicts.put(tenant, verdict("before", run_id=f"evr_{tenant}"), now=NOW)
        work.verdicts.put(tenant, verdict("a", run_id=f"evr_{tenant}"), now=NOW)
        if leased:
            work.corpora.lease(tenant, "intruder", now=NOW, ttl_seconds=60)
            work.runs.lease_review(tenant, "intruder", now=TODAY, until=NOW)
        work.commit()
    store.vectors.put(tenant, "encoder", {"h": np.full(2, _generation(tenant), dtype=np.float32)})
    for number in range(_generation(tenant)):
        store.replies.append(tenant, f"viewer of {tenant}", answer(f"ans_{number}", f"Question of {tenant}?"))


def _fill_runs(work: UnitOfWork, tenant: TenantId) -> None:
    """Run a has everything that a run can have and waits, a worker has run b, and run c has nothing; one has ended."""
    for name in "abcd"[: _generation(tenant)]:
        work.runs.create(tenant, run(name, maker=f"maker of {tenant}", trace_id="trace"))
    work.runs.put_plan(tenant, plan("a", summary=f"Plan of {tenant}"))
    work.runs.add_approval(tenant, approval("a", f"approver of {tenant}"))
    work.runs.add_decision(tenant, decision("a", facts={"of": tenant}))
    work.runs.add_attempt(tenant, attempt("a", 1, outcome=f"outcome of {tenant}"))
    work.runs.create(tenant, run("ended", RunState.FAILED, maker=f"maker of {tenant}"))
    work.runs.add_attempt(tenant, attempt("ended", 1, outcome=f"outcome of {tenant}"))
    work.runs.put_receipt(tenant, receipt("a", undo_handle=f"handle of {tenant}"))
    for name in "abd"[: _generation(tenant) - 1]:
        work.runs.hold_caps(tenant, SANDBOX, f"run_{name}", [hold(most=9)], now=NOW)
    work.runs.settle_caps(tenant, "run_b", committed=True)
    work.runs.enqueue(tenant, "run_b", due_at=TODAY)
    work.runs.lease_due(tenant, "worker", now=TODAY, until=TOMORROW)
    work.runs.enqueue(tenant, "run_a", due_at=NOW)
    work.runs.set_switch(tenant, SANDBOX, "schedule_nudge", off=True, by="ann", reason=f"Reason of {tenant}", now=NOW)
    work.runs.set_autonomy(tenant, "schedule_nudge", LEVELS[tenant], reason="Six good weeks.", now=NOW)


@contextmanager
def _scene(store: Store) -> Iterator[Scene]:
    with store.begin() as work:
        yield Scene(store, work)


def _observe(store: Store, tenant: TenantId) -> dict[str, object]:
    """Everything any method says about the tenant."""
    with _scene(store) as scene:
        seen = {name: read(scene, tenant) for name, read in READS.items()}
        # What no method says is found out by trying; the scene ends without commit.
        seen["the lease is free"] = _lease_is_free(scene, tenant)
        seen["the crossing is new"] = scene.work.meters.mark_crossed(tenant, meter(), "warn")
        seen["the old crossing is new"] = scene.work.meters.mark_crossed(tenant, LONG_AGO, "warn")
        seen["the run that is due"] = scene.work.runs.lease_due(tenant, "probe", now=NOW, until=TOMORROW)
        seen["the review is due"] = scene.work.runs.lease_review(tenant, "probe", now=NOW, until=TOMORROW)
        seen["the worker has its run"] = scene.work.runs.postpone(tenant, "run_b", "worker", due_at=TOMORROW)
        return seen


def test_the_matrix_covers_every_method_that_takes_a_tenant() -> None:
    methods = {
        f"{port.__name__}.{name}"
        for port in PORTS
        for name, method in inspect.getmembers(port, inspect.isfunction)
        if "tenant" in inspect.signature(method).parameters
    }
    assert methods == READS.keys() | WRITES.keys()


@pytest.mark.parametrize("name", sorted(READS.keys() - {"TenantRepository.exists"}))
def test_each_tenant_reads_its_own_rows_under_the_shared_ids(store: Store, name: str) -> None:
    _fill(store, ACME)
    alone = _observe(store, ACME)[name]
    _fill(store, GLOBEX)
    ours, theirs = _observe(store, ACME)[name], _observe(store, GLOBEX)[name]
    assert ours == alone
    assert ours != theirs
    assert _observe(store, TenantId("nobody"))[name] not in (ours, theirs)


@pytest.mark.parametrize("name", sorted(WRITES))
def test_a_write_of_one_tenant_changes_nothing_for_the_other(store: Store, name: str) -> None:
    for tenant in (ACME, GLOBEX):
        _fill(store, tenant, exists=name not in NEW_TENANTS, leased=name in HELD_LEASES)
    before = {tenant: _observe(store, tenant) for tenant in (ACME, GLOBEX)}
    with _scene(store) as scene:
        WRITES[name](scene, ACME)
        scene.work.commit()
    assert _observe(store, ACME) != before[ACME], "the probe changes nothing, so it proves nothing"
    assert _observe(store, GLOBEX) == before[GLOBEX]


def test_one_tenants_supersession_does_not_mark_anothers_chunks(store: Store) -> None:
    for tenant in (ACME, GLOBEX):
        _fill(store, tenant)
    with store.begin() as work:
        marks = {tenant: [c.superseded for c in work.documents.chunks_of(tenant, [A])] for tenant in (ACME, GLOBEX)}
    assert marks == {ACME: [True, True], GLOBEX: [False, False]}
