"""From a lane of models to one text: reserved before, settled after, and given up as soon as nobody waits for it."""

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from surefoot.core.deadline import Deadline, Monotonic
from surefoot.core.errors import InvalidSettings
from surefoot.domain.answers import Tier
from surefoot.domain.budgets import NOTHING_SPENT, Account, NoRoom, Reservation, Spend
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, ModelRequest
from surefoot.domain.routing import Step, StepOutcome
from surefoot.llm.calls import Ended, Heard, Listener, estimate, fitted, hear, upper_bound, used
from surefoot.llm.circuit import Circuit, CircuitHealth, CircuitState, Permit
from surefoot.llm.retries import Pause, RetryBudget
from surefoot.ports import LanguageModel

__all__ = ["Attempted", "Listener", "Purse", "Router", "RouterOptions"]

_Result = TypeVar("_Result")


class Purse(Protocol):
    """Whoever holds money for calls; its methods run in worker threads."""

    def reserve(self, tenant: TenantId, account: Account, amount: Spend) -> Reservation | NoRoom:
        """The amount is held on every meter of the account, or the meter that has no room for it."""
        ...

    def settle(self, tenant: TenantId, reservation: Reservation, actual: Spend) -> None:
        """The reservation is gone and `actual` counts as spent. It is above the reservation only when the provider says so:
        what was spent is never denied, and a meter that it fills lets nothing more through.
        """
        ...


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """How patient the router is. `max_concurrent` calls of one model run at once in one event loop, more wait within their
    deadline. No attempt begins with less than `least_seconds` left, because it would be paid for and cut off. A timeout after
    less than `fair_chance_seconds` does not count against the model.
    """

    max_concurrent: int = 16
    failures_to_open: int = 5
    open_seconds: float = 30.0
    max_retries: int = 2
    retry_percent: int = 10
    retry_reserve: int = 3
    pause: Pause = field(default_factory=Pause)
    least_seconds: float = 0.05
    fair_chance_seconds: float = 0.25
    purse_threads: int = 8


@dataclass(frozen=True, slots=True)
class Attempted:
    """What came of a lane. `text` is the whole text of the call that ended well, with its `finish`; else `failure` says how
    the last attempt ended. `steps` are all attempts in order; that of the good call is ACCEPTED until the gate says otherwise.
    """

    text: str | None
    steps: tuple[Step, ...]
    failure: StepOutcome | None = None
    finish: FinishReason | None = None


class _OfLoop(Generic[_Result]):
    """A lock for each event loop: one that waits in another loop than it is let go in is never woken."""

    def __init__(self, make: Callable[[], _Result]) -> None:
        self._make = make
        self._made: RunVar[_Result] = RunVar("lock")

    def here(self) -> _Result:
        """That of the running loop."""
        try:
            return self._made.get()
        except LookupError:
            self._made.set(made := self._make())
            return made


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A model with what guards it."""

    model: LanguageModel
    circuit: Circuit
    places: "_OfLoop[anyio.Semaphore]"


@dataclass(frozen=True, slots=True)
class _Errand:
    """What every attempt of one run has in common. Each is written to `steps` as it ends, behind those of earlier runs, of
    which there are `before`.
    """

    tenant: TenantId
    account: Account
    tier: Tier
    request: ModelRequest
    deadline: Deadline
    purpose: str
    listener: Listener | None
    steps: list[Step]
    before: int


class Router:
    """The one place from which language models are called."""

    def __init__(
        self,
        models: Mapping[str, LanguageModel],
        purse: Purse,
        *,
        monotonic: Monotonic = time.monotonic,
        options: RouterOptions = RouterOptions(),
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._purse = purse
        self._monotonic = monotonic
        self._options = options
        self._sleep = sleep
        self._chance = chance
        self._retries = RetryBudget(percent=options.retry_percent, reserve=options.retry_reserve)
        # Threads of its own: settling must not wait behind slow searches.
        self._threads = _OfLoop(lambda: anyio.CapacityLimiter(options.purse_threads))
        self._models = {name: self._guard(model) for name, model in models.items()}

    async def run(
        self,
        tenant: TenantId,
        account: Account,
        tier: Tier,
        lane: Sequence[str],
        request: ModelRequest,
        deadline: Deadline,
        *,
        purpose: str = "answer",
        region: str = "",
        listener: Listener | None = None,
        journal: list[Step] | None = None,
    ) -> Attempted:
        """The text of the first model of the lane that gives one, with every attempt on the way.

        Models of another region and those with an open circuit are passed over. What a call may cost at most is reserved
        before it, retries included; what it did cost is settled after it, also when this is cancelled, and the provider's
        stream is closed. `journal` is written while the run goes on, so its caller knows the spend of a cancelled run too.
        Raises StoreUnavailable when the purse cannot be asked, InvalidSettings for a lane that names an unknown model.
        """
        steps = [] if journal is None else journal
        before = len(steps)
        errand = _Errand(tenant, account, tier, request, deadline, purpose, listener, steps, before)
        waiting = [self._model(name) for name in lane]
        too_dear: Spend | None = None
        while waiting:
            guarded, *waiting = waiting
            if self._is_too_late(errand, guarded):
                break
            if not self._may_be_asked(errand, guarded, region) or not self._is_cheaper(errand, guarded, too_dear):
                continue
            others = [other for other in waiting if self._is_usable(other, region) and self._is_cheaper(errand, other, too_dear)]
            heard = await self._ask(errand, guarded, may_retry=not others)
            if heard is not None:
                return Attempted(heard.text, tuple(steps[before:]), finish=heard.finish)
            if steps[-1].outcome is StepOutcome.NO_BUDGET:
                too_dear = self._most(errand, guarded)
        mine = tuple(steps[before:])
        return Attempted(None, mine, failure=mine[-1].outcome if mine else StepOutcome.UNAVAILABLE)

    async def aclose(self) -> None:
        """No connection to a provider is open."""
        for guarded in self._models.values():
            await guarded.model.aclose()

    def health(self) -> Mapping[str, CircuitHealth]:
        """The circuit of every model, by name."""
        return {name: guarded.circuit.health() for name, guarded in self._models.items()}

    def _guard(self, model: LanguageModel) -> _Guarded:
        options = self._options
        circuit = Circuit(failures_to_open=options.failures_to_open, open_seconds=options.open_seconds, monotonic=self._monotonic)
        return _Guarded(model, circuit, _OfLoop(lambda: anyio.Semaphore(options.max_concurrent)))

    def _model(self, name: str) -> _Guarded:
        try:
            return self._models[name]
        except KeyError:
            raise InvalidSettings(f"A lane names the model {name!r}, which is not in the catalog of models.toml.") from None

    def _is_too_late(self, errand: _Errand, guarded: _Guarded) -> bool:
        if errand.deadline.left_seconds >= self._options.least_seconds:
            return False
        if len(errand.steps) == errand.before or errand.steps[-1].outcome is not StepOutcome.TIMED_OUT:
            _write(errand, guarded, StepOutcome.TIMED_OUT, "No time was left to ask it.")
        return True

    def _is_usable(self, guarded: _Guarded, region: str) -> bool:
        return _is_in(guarded, region) and guarded.circuit.allows()

    def _may_be_asked(self, errand: _Errand, guarded: _Guarded, region: str) -> bool:
        """Whether it may; when not, a step says why."""
        card = guarded.model.card
        needed = estimate(card, errand.request, "").input_tokens + min(errand.request.max_output_tokens, card.max_output_tokens)
        if not _is_in(guarded, region):
            where = f"runs in {card.region!r}" if card.region else "does not state where it runs"
            _write(errand, guarded, StepOutcome.UNAVAILABLE, f"It {where}, and this tenant is kept in {region!r}.")
        elif not guarded.circuit.allows():
            _write(errand, guarded, StepOutcome.CIRCUIT_OPEN, _open_reason(guarded.circuit.health()))
        elif needed > card.context_tokens:
            reason = f"The prompt and the reply need about {needed} tokens; it holds {card.context_tokens}."
            _write(errand, guarded, StepOutcome.UNAVAILABLE, reason)
        else:
            return True
        return False

    def _most(self, errand: _Errand, guarded: _Guarded) -> Spend:
        return guarded.model.card.price.spend(upper_bound(guarded.model.card, errand.request))

    def _is_cheaper(self, errand: _Errand, guarded: _Guarded, too_dear: Spend | None) -> bool:
        """Whether there may be room for it where there was none for `too_dear`."""
        if too_dear is None:
            return True
        most = self._most(errand, guarded)
        return most.nano_usd < too_dear.nano_usd or most.tokens < too_dear.tokens

    async def _ask(self, errand: _Errand, guarded: _Guarded, *, may_retry: bool) -> Heard | None:
        """What was heard of the model, None when every try failed; with other models left there is one try only."""
        self._retries.paid_in()
        retry = 0
        while True:
            heard = Heard()
            ended = await self._attempt(errand, guarded, heard)
            if ended.outcome is StepOutcome.ACCEPTED:
                return heard
            retry += 1
            if not may_retry or not ended.is_retryable or retry > self._options.max_retries or not guarded.circuit.allows():
                return None
            pause = self._options.pause.seconds(
                retry,
                retry_after_seconds=ended.retry_after_seconds,
                left_seconds=errand.deadline.left_seconds - self._options.least_seconds,
                chance=self._chance,
            )
            if pause is None or not self._retries.take():
                return None
            await self._sleep(pause)
            if self._is_too_late(errand, guarded):
                return None

    async def _attempt(self, errand: _Errand, guarded: _Guarded, heard: Heard) -> Ended:
        began = self._monotonic()
        places = guarded.places.here()
        with anyio.move_on_after(errand.deadline.left_seconds) as patience:
            await places.acquire()
        if patience.cancelled_caught:
            reason = f"All its {self._options.max_concurrent} places were taken until the deadline."
            _write(errand, guarded, StepOutcome.TIMED_OUT, reason, latency_ms=self._since_ms(began))
            return Ended(StepOutcome.TIMED_OUT)
        try:
            permit = guarded.circuit.enter()
            if permit is None:
                _write(errand, guarded, StepOutcome.CIRCUIT_OPEN, _open_reason(guarded.circuit.health()))
                return Ended(StepOutcome.CIRCUIT_OPEN)
            return await self._with_permit(errand, guarded, heard, permit, began)
        finally:
            places.release()

    async def _with_permit(self, errand: _Errand, guarded: _Guarded, heard: Heard, permit: Permit, began: float) -> Ended:
        """The call is made and metered; the circuit knows how it ended, or that it did not come to an end."""
        ended: Ended | None = None
        try:
            ended = await self._metered(errand, guarded, heard, began)
            return ended
        finally:
            if ended is None or ended.is_outage is None:
                guarded.circuit.abandoned(permit)
            elif ended.is_outage:
                guarded.circuit.failed(permit)
            else:
                guarded.circuit.succeeded(permit)

    async def _metered(self, errand: _Errand, guarded: _Guarded, heard: Heard, began: float) -> Ended:
        card = guarded.model.card
        held = await self._in_thread(partial(self._purse.reserve, errand.tenant, errand.account, self._most(errand, guarded)))
        if isinstance(held, NoRoom):
            _write(errand, guarded, StepOutcome.NO_BUDGET, _no_room_reason(held), latency_ms=self._since_ms(began))
            return Ended(StepOutcome.NO_BUDGET, is_outage=None)
        ended: Ended | None = None
        try:
            ended = await self._call(errand, guarded, heard)
        finally:
            # Shielded: whoever stops waiting has stopped the spending, not the accounting.
            with anyio.CancelScope(shield=True):
                usage = used(card, errand.request, heard, ended)
                spend = card.price.spend(usage)
                await self._in_thread(partial(self._purse.settle, errand.tenant, held, spend))
                step = Step(
                    errand.tier,
                    card.name,
                    errand.purpose,
                    StepOutcome.CANCELLED if ended is None else ended.outcome,
                    spend,
                    usage.input_tokens,
                    usage.output_tokens,
                    usage.cached_tokens,
                    self._since_ms(began),
                    _reasons(ended, spend, held.amount),
                )
                errand.steps.append(step)
        return ended

    async def _call(self, errand: _Errand, guarded: _Guarded, heard: Heard) -> Ended:
        card, left = guarded.model.card, errand.deadline.left_seconds
        if left < self._options.least_seconds:
            reason = "No time was left to ask it."
            return Ended(StepOutcome.TIMED_OUT, reason, may_have_charged=False, is_outage=None)
        return await hear(
            guarded.model,
            errand.tenant,
            fitted(card, errand.request, timeout_seconds=left),
            heard,
            errand.listener,
            fair_chance_seconds=self._options.fair_chance_seconds,
        )

    async def _in_thread(self, call: Callable[[], _Result]) -> _Result:
        return await anyio.to_thread.run_sync(call, limiter=self._threads.here())

    def _since_ms(self, began: float) -> float:
        return (self._monotonic() - began) * 1000


def _is_in(guarded: _Guarded, region: str) -> bool:
    return not region or guarded.model.card.region == region


def _write(errand: _Errand, guarded: _Guarded, outcome: StepOutcome, reason: str, *, latency_ms: float = 0.0) -> None:
    """A step that cost nothing is among the steps."""
    name = guarded.model.card.name
    errand.steps.append(Step(errand.tier, name, errand.purpose, outcome, NOTHING_SPENT, latency_ms=latency_ms, reasons=(reason,)))


def _reasons(ended: Ended | None, spend: Spend, held: Spend) -> tuple[str, ...]:
    how = "Nobody waited for it any more." if ended is None else ended.reason
    more = ""
    if spend.tokens > held.tokens or spend.nano_usd > held.nano_usd:
        more = f"Its provider states {spend.tokens} tokens where at most {held.tokens} were expected; all of them are counted."
    return tuple(reason for reason in (how, more) if reason)


def _open_reason(health: CircuitHealth) -> str:
    if health.state is CircuitState.OPEN:
        return (
            f"It failed {health.failures_in_a_row} times in a row and is not asked for another {health.retry_in_seconds:.0f} s."
        )
    return "It failed before and one other call is finding out whether it answers again."


def _no_room_reason(room: NoRoom) -> str:
    meter = room.meter
    whose = "a viewer's" if meter.key.viewer_hash else "the"
    where = f" of the surface {meter.key.surface!r}" if meter.key.surface else ""
    return f"Its most possible cost does not fit in {whose} budget{where} for this {meter.key.period}."
