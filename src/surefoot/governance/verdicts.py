"""The evals' verdicts as the serving process obeys them: read every few seconds, changed with an audit row and an event."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.core.clock import Clock
from surefoot.core.errors import Conflict, InvalidInput
from surefoot.core.ids import new_id
from surefoot.domain.audit import AuditEntry
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.domain.verdicts import EVERY_SURFACE, Colour, GateResult, GateState, Verdict
from surefoot.governance.audit import AuditTrail
from surefoot.ports import Store, UnitOfWork

CHANGED = "surefoot.eval.verdict.changed"
# How an event says that no verdict stood, or stands.
NO_VERDICT = "none"
READ_EVERY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class FailedGate:
    """A gate that failed for so many tenants; it names none of them."""

    gate: str
    metric: str
    surfaces: tuple[str, ...]
    is_blocking: bool
    tenants: int


@dataclass(frozen=True, slots=True)
class Overview:
    """All tenants' verdicts together: how many stand by colour, how many of them are stale, and what failed."""

    colours: Mapping[Colour, int]
    stale: int
    failed: tuple[FailedGate, ...]

    @property
    def colour(self) -> Colour:
        """The worst of them; green when none stands."""
        return next((each for each in (Colour.RED, Colour.AMBER) if self.colours[each]), Colour.GREEN)


class Verdicts:
    """Which verdict stands. Safe from many threads.

    What was read is believed for `read_every_seconds`, so a verdict that another process put is obeyed within that time, and
    so is the one that ends it; no restart is needed. One that this process put is obeyed at once.
    """

    def __init__(self, store: Store, clock: Clock, trail: AuditTrail, *, read_every_seconds: float = READ_EVERY_SECONDS) -> None:
        self._store = store
        self._clock = clock
        self._trail = trail
        self._fresh_for = timedelta(seconds=read_every_seconds)
        self._read: dict[TenantId, tuple[datetime, Verdict | None]] = {}
        self._read_all: tuple[datetime, Mapping[TenantId, Verdict]] | None = None

    def current(self, tenant: TenantId) -> Verdict | None:
        """The verdict that stands, as it was at most `read_every_seconds` ago."""
        now = self._clock.now()
        known = self._read.get(tenant)
        if known is not None and self._is_fresh(known[0], now):
            return known[1]
        with self._store.begin() as work:
            verdict = work.verdicts.current(tenant)
        self._read[tenant] = (now, verdict)
        return verdict

    def red_gates(self, tenant: TenantId, surface: str) -> tuple[GateResult, ...]:
        """The blocking gates that fail for the tenant on this surface; empty when nothing keeps it from models."""
        verdict = self.current(tenant)
        return () if verdict is None else verdict.red_gates(surface)

    def red_gate_names(self, tenant: TenantId, surface: str) -> tuple[str, ...]:
        """What those gates are called, each once."""
        return tuple(dict.fromkeys(result.gate for result in self.red_gates(tenant, surface)))

    def colour(self, tenant: TenantId, surface: str = EVERY_SURFACE) -> Colour:
        """The colour of the verdict that stands; green without one, for nothing was ever shown to be wrong."""
        verdict = self.current(tenant)
        return Colour.GREEN if verdict is None else verdict.colour(surface)

    def reasons(self, tenant: TenantId, surface: str = EVERY_SURFACE) -> tuple[str, ...]:
        """A sentence for each blocking gate that fails."""
        return tuple(sentence(gate) for gate in self.red_gates(tenant, surface))

    def all(self) -> Mapping[TenantId, Verdict]:
        """The verdicts that stand, of every tenant that has one, as they were at most `read_every_seconds` ago. For operators
        alone.
        """
        now, known = self._clock.now(), self._read_all
        if known is not None and self._is_fresh(known[0], now):
            return known[1]
        with self._store.begin() as work:
            found = work.verdicts.all()
        self._read_all = (now, found)
        return found

    def overview(self) -> Overview:
        """All of them together, without the name of any tenant."""
        return overview(self.all(), self._clock.now())

    def history(self, tenant: TenantId, *, limit: int = 20) -> list[Verdict]:
        """The last verdicts, newest first, cleared ones included."""
        with self._store.begin() as work:
            return work.verdicts.history(tenant, limit=limit)

    def put(self, tenant: TenantId, verdict: Verdict, *, by: str) -> Verdict | None:
        """The verdict stands, in place of the one returned; the same again changes nothing. A change of colour on any surface
        is an event, every put a row of the audit chain, in one transaction.

        Raises InvalidInput for one that was decided before the one that stands: the older figures are not the truer ones.
        """
        now = self._clock.now()
        with self._store.begin() as work:
            standing = work.verdicts.current(tenant)
            if standing == verdict:
                return standing
            try:
                before = work.verdicts.put(tenant, verdict, now=now)
            except Conflict as error:
                raise InvalidInput(f"The verdict {verdict.verdict_id!r} was put before; run the suites again.") from error
            if before is not None and verdict.decided_at < before.decided_at:
                raise InvalidInput(
                    f"The verdict {verdict.verdict_id!r} is older than {before.verdict_id!r}, which stands; clear that one first."
                )
            self._tell(work, tenant, before, verdict, now, by, why="")
            work.commit()
        self._forget(tenant)
        return before

    def clear(self, tenant: TenantId, *, by: str, why: str) -> Verdict | None:
        """No verdict stands; returns the one that did. Who did it and why is in the audit chain."""
        if not why.strip():
            raise InvalidInput("Say why the verdict is cleared; the audit chain keeps it.")
        now = self._clock.now()
        with self._store.begin() as work:
            before = work.verdicts.clear(tenant, now=now)
            if before is None:
                return None
            self._tell(work, tenant, before, None, now, by, why=why)
            work.commit()
        self._forget(tenant)
        return before

    def _is_fresh(self, read_at: datetime, now: datetime) -> bool:
        return timedelta() <= now - read_at < self._fresh_for

    def _forget(self, tenant: TenantId) -> None:
        self._read.pop(tenant, None)
        self._read_all = None

    def _tell(
        self,
        work: UnitOfWork,
        tenant: TenantId,
        before: Verdict | None,
        after: Verdict | None,
        now: datetime,
        by: str,
        *,
        why: str,
    ) -> None:
        named = after or before
        assert named is not None, "One of them is always there."
        what = "eval.verdict.put" if after else "eval.verdict.cleared"
        changes = dict(_changes(before, after))
        details: dict[str, object] = {
            "run_id": named.run_id,
            "from": _colour(before, EVERY_SURFACE),
            "to": _colour(after, EVERY_SURFACE),
            "failed": [result.gate for result in _failed(after)],
        }
        told = details | {"why": why} if why else details
        self._trail.record(work, tenant, AuditEntry(now, by, what, named.verdict_id, told))
        if changes:
            data = details | {
                "tenant": tenant,
                "verdict_id": named.verdict_id,
                "suites": list(named.suites),
                "surfaces": changes,
                "failed": [_told(result) for result in _failed(after)],
            }
            work.events.add(tenant, OutgoingEvent(new_id("evt", now), CHANGED, named.verdict_id, now, data))


def overview(standing: Mapping[TenantId, Verdict], now: datetime) -> Overview:
    """What the verdicts say together, without the name of any tenant and without their sentences, which may hold content."""
    colours = dict.fromkeys(Colour, 0)
    failed: dict[tuple[str, str, tuple[str, ...], bool], int] = {}
    for verdict in standing.values():
        colours[verdict.colour()] += 1
        for key in {(each.gate, each.metric, each.surfaces, each.is_blocking) for each in _failed(verdict)}:
            failed[key] = failed.get(key, 0) + 1
    gates = sorted((FailedGate(*key, tenants=count) for key, count in failed.items()), key=_urgency)
    return Overview(colours, sum(verdict.is_stale(now) for verdict in standing.values()), tuple(gates))


def sentence(result: GateResult) -> str:
    """Why the gate is as it is, in its own words or in the plainest there are."""
    return result.because or f"The gate {result.gate!r} on {result.metric} {result.state.value.replace('_', ' ')}."


def _changes(before: Verdict | None, after: Verdict | None) -> Iterator[tuple[str, dict[str, str]]]:
    """Where the colour is another one, by surface."""
    surfaces = frozenset[str]().union(*(verdict.surfaces() for verdict in (before, after) if verdict))
    for surface in sorted(surfaces):
        was, now = _colour(before, surface), _colour(after, surface)
        if was != now:
            yield surface, {"from": was, "to": now}


def _colour(verdict: Verdict | None, surface: str) -> str:
    return NO_VERDICT if verdict is None else verdict.colour(surface).value


def _failed(verdict: Verdict | None) -> list[GateResult]:
    return [] if verdict is None else [result for result in verdict.results if result.state is GateState.FAILED]


def _told(result: GateResult) -> dict[str, object]:
    return {
        "gate": result.gate,
        "metric": result.metric,
        "surfaces": list(result.surfaces),
        "is_blocking": result.is_blocking,
        "value": result.value,
        "threshold": result.threshold,
        "n": result.n,
        "because": sentence(result),
    }


def _urgency(gate: FailedGate) -> tuple[bool, int, str, tuple[str, ...]]:
    return not gate.is_blocking, -gate.tenants, gate.gate, gate.surfaces
