"""What a host says later is believed when it is signed, settled as a direct answer is, and never changes what is settled."""

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.actions.autonomy import Autonomy
from surefoot.actions.callbacks import CallbackAnswer, CallbackOutcome, Callbacks
from surefoot.actions.calling import delivery_id
from surefoot.adapters.memory.host import HostFault
from surefoot.core.errors import CallbackConflict, InvalidInput, NotFound, Unauthenticated, UndoConflict
from surefoot.domain.actions import Env
from surefoot.domain.audit import AuditRow
from surefoot.domain.host_wire import Operation, callback_body, request_body
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import HostDone, HostRejected, HostReply, HostStale, HostUnknown, RunKind, RunState
from surefoot.domain.signatures import signature_headers
from tests.unit.actions.acting import ANN, RESOURCE, TENANT, Acting, acting

OLD, NEW, STRANGE = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"o", b"n", b"x"))
GLOBEX = TenantId("globex")
NOT_WANTED = HostRejected("The product does not want to.", 422)


class Talking:
    """A world whose host takes a run on and calls back."""

    def __init__(self) -> None:
        self.world: Acting = acting(callback_secrets={"host_app": lambda: f"{OLD} {NEW}", "other": lambda: STRANGE})
        self.callbacks = Callbacks(self.world.parts, Autonomy(self.world.parts))
        self.run_id = self.world.actions.apply(ANN, self.world.propose().run.run_id).run.run_id

    def taken_on(self) -> "Talking":
        self.world.host.fail_next(HostFault.ACCEPTED)
        self.world.work()
        return self

    def delivery(self, run_id: str = "") -> str:
        return delivery_id(TENANT, self.world.actions.show(ANN, run_id or self.run_id).run)

    def done(self) -> HostDone:
        """What the host really did, by its own word."""
        self.world.host.let_late_effects_happen()
        call = next(call for name, call in reversed(self.world.host.calls) if name == "apply")
        reply = self.world.host.status(TENANT, call)
        assert isinstance(reply, HostDone)
        return reply

    def say(
        self,
        reply: HostReply,
        *,
        host: str = "host_app",
        secrets: str = OLD,
        tenant: TenantId = TENANT,
        run_id: str = "",
        delivery: str = "",
        age: timedelta = timedelta(),
        body: bytes = b"",
        signed_as: str = "",
    ) -> CallbackAnswer:
        run_id, delivery = run_id or self.run_id, delivery or self.delivery()
        body = body or callback_body(tenant, Env.PRODUCTION, run_id, delivery, reply)
        headers = signature_headers(secrets, signed_as or delivery, self.world.clock.now() - age, body)
        return self.callbacks.receive(host, headers, body)

    @property
    def state(self) -> RunState:
        return self.world.state(self.run_id)

    def audit(self, what: str) -> list[AuditRow]:
        with self.world.store.begin() as work:
            return [row for row in work.audit.page(TENANT, after=0, limit=1000) if row.what == what]


@pytest.fixture
def talking() -> Talking:
    return Talking()


@pytest.mark.parametrize("secrets", [OLD, NEW, f"{STRANGE} {NEW}"])
def test_a_signed_word_that_it_is_done_applies_the_run(talking: Talking, secrets: str) -> None:
    done = talking.taken_on().done()
    answer = talking.say(done, secrets=secrets)
    assert answer == CallbackAnswer(talking.run_id, CallbackOutcome.APPLIED, replayed=False)
    view = talking.world.actions.show(ANN, talking.run_id)
    assert view.run.state is RunState.APPLIED and view.receipt is not None and view.receipt.after_etags == done.after
    assert talking.world.cap_used() == 1 and "surefoot.action.run.applied" in talking.world.events()
    assert [row.actor for row in talking.audit("action.run.applied")] == ["host:host_app"]
    assert talking.world.work() == 0 and talking.world.host.effects(talking.run_id) == 1


def test_what_a_callback_applied_is_undone_exactly(talking: Talking) -> None:
    before = talking.world.host.state_hash(TENANT)
    talking.say(talking.taken_on().done())
    talking.world.actions.undo(ANN, talking.run_id, wait=True)
    assert talking.world.host.state_hash(TENANT) == before


@pytest.mark.parametrize(("reply", "state"), [(NOT_WANTED, RunState.FAILED), (HostStale(), RunState.STALE)])
def test_a_signed_word_that_nothing_happened_frees_the_caps(talking: Talking, reply: HostReply, state: RunState) -> None:
    talking.taken_on().say(reply)
    assert talking.state is state and talking.world.cap_used() == 0


def test_a_stale_callback_has_the_run_planned_anew(talking: Talking) -> None:
    talking.taken_on().say(HostStale())
    talking.world.work()
    assert talking.world.actions.show(ANN, talking.run_id).successor


def test_a_callback_settles_an_unknown_run_and_one_that_needs_a_human(talking: Talking) -> None:
    world = talking.world
    world.host.fail_next(HostFault.REPLY_LOST)
    world.work()
    assert talking.state is RunState.UNKNOWN
    talking.say(talking.done())
    assert talking.state is RunState.APPLIED

    late = Talking()
    late.world.parts.hosts["host_app"].status = lambda *_: HostUnknown("no answer")  # type: ignore[attr-defined]
    late.world.host.fail_next(HostFault.HANG, times=50)
    for _ in range(20):
        late.world.work()
        late.world.later(minutes=5)
    assert late.state is RunState.NEEDS_HUMAN
    late.say(HostStale())
    assert late.state is RunState.FAILED and late.world.cap_used() == 0


def test_the_same_callback_again_has_the_same_answer_and_no_second_effect(talking: Talking) -> None:
    done = talking.taken_on().done()
    first = talking.say(done)
    version = talking.world.actions.show(ANN, talking.run_id).run.version
    assert talking.say(done, secrets=NEW) == replace(first, replayed=True)
    assert talking.world.actions.show(ANN, talking.run_id).run.version == version
    talking.world.actions.undo(ANN, talking.run_id, wait=True)
    assert talking.say(done) == replace(first, replayed=True)
    assert talking.state is RunState.UNDONE


def test_what_was_known_already_is_confirmed(talking: Talking) -> None:
    talking.taken_on()
    done = talking.done()
    talking.world.later(seconds=2)
    talking.world.work()
    assert talking.state is RunState.APPLIED, "the host was asked before it called back"
    assert talking.say(done).replayed


@pytest.mark.parametrize("again", [NOT_WANTED, HostStale(), HostDone({}, (), (), ())])
def test_what_contradicts_a_settled_run_is_a_conflict_audited_once_and_changes_nothing(
    talking: Talking, again: HostReply
) -> None:
    talking.say(talking.taken_on().done())
    before = talking.world.actions.show(ANN, talking.run_id)
    for _ in range(2):
        with pytest.raises(CallbackConflict, match="which is not what this callback says"):
            talking.say(again)
    after = talking.world.actions.show(ANN, talking.run_id)
    assert (after.run, after.receipt) == (before.run, before.receipt)
    rows = talking.audit("action.callback.contradiction")
    assert [(row.subject, row.details and row.details["state"]) for row in rows] == [(talking.run_id, "applied")]


def test_a_run_that_failed_is_never_applied_by_a_late_word(talking: Talking) -> None:
    done = talking.taken_on().done()
    talking.say(NOT_WANTED)
    with pytest.raises(CallbackConflict):
        talking.say(done)
    assert talking.state is RunState.FAILED and talking.world.cap_used() == 0


def test_a_run_that_was_never_sent_cannot_be_called_done() -> None:
    talking = Talking()
    arguments = talking.world.actions.show(ANN, talking.run_id).run.arguments
    other = talking.world.propose(arguments={**arguments, "user_id": "usr_def456"})
    with pytest.raises(CallbackConflict):
        talking.say(HostDone({}, (), (), ()), run_id=other.run.run_id, delivery=talking.delivery(other.run.run_id))
    assert talking.world.state(other.run.run_id) is RunState.PLANNED


def test_a_callback_that_overtakes_the_202_is_not_undone_by_it(talking: Talking) -> None:
    world, host = talking.world, talking.world.host
    host.fail_next(HostFault.ACCEPTED)
    accept = host.apply

    def overtaken(tenant: TenantId, call: object) -> HostReply:
        reply = accept(tenant, call)  # type: ignore[arg-type]
        talking.say(talking.done())
        return reply

    host.apply = overtaken  # type: ignore[method-assign]
    world.work()
    view = world.actions.show(ANN, talking.run_id)
    assert view.run.state is RunState.APPLIED and world.cap_used() == 1 and host.effects(talking.run_id) == 1
    assert [(each.operation, each.outcome) for each in view.attempts] == [("apply", "accepted"), ("callback", "done")]
    world.later(minutes=5)
    assert world.work() == 0


@pytest.mark.parametrize("point", ["called", "settled:before-commit"])
def test_a_callback_settles_a_run_whose_worker_died_before_it_wrote_the_202(talking: Talking, point: str) -> None:
    talking.world.host.fail_next(HostFault.ACCEPTED)
    with talking.world.dying_at(point):
        talking.world.work()
    talking.say(talking.done())
    talking.world.later(minutes=2)
    assert talking.world.work() == 0
    assert talking.state is RunState.APPLIED and talking.world.host.effects(talking.run_id) == 1


def test_a_death_before_a_callback_is_committed_leaves_it_to_be_sent_again(talking: Talking) -> None:
    done = talking.taken_on().done()
    with talking.world.dying_at("callback:before-commit"):
        talking.say(done)
    assert talking.state is RunState.APPLYING and talking.world.cap_used() == 1
    assert not talking.say(done).replayed
    assert talking.state is RunState.APPLIED


@pytest.mark.parametrize(
    "wrong",
    [
        {"secrets": STRANGE},
        {"age": timedelta(minutes=5, seconds=1)},
        {"age": -timedelta(minutes=5, seconds=1)},
        {"host": "nowhere"},
        {"host": "other"},
    ],
    ids=["secret", "old", "future", "unknown host", "another host's secret"],
)
def test_what_is_not_signed_by_this_host_just_now_is_refused(talking: Talking, wrong: dict[str, object]) -> None:
    with pytest.raises(Unauthenticated):
        talking.taken_on().say(NOT_WANTED, **wrong)  # type: ignore[arg-type]
    assert talking.state is RunState.APPLYING


def test_a_host_without_a_usable_secret_cannot_call_back(talking: Talking) -> None:
    talking.taken_on()
    for secret in ("", "nonsense"):
        parts = replace(talking.world.parts, callback_secrets={"host_app": lambda secret=secret: secret})  # type: ignore[dict-item]
        talking.callbacks = Callbacks(parts, Autonomy(parts))
        with pytest.raises(Unauthenticated):
            talking.say(NOT_WANTED)


def test_an_unknown_delivery_another_tenants_and_another_hosts_are_not_found(talking: Talking) -> None:
    talking.taken_on()
    with talking.world.store.begin() as work:
        work.tenants.create(GLOBEX, now=talking.world.clock.now())
        run = work.runs.get(TENANT, talking.run_id)
        assert run is not None
        assert work.runs.create(GLOBEX, replace(run, kind=RunKind.APPLY)) is None, "the same run id, of another tenant"
        work.commit()
    foreign = delivery_id(GLOBEX, run)
    for wrong in (
        {"delivery": "dlv_unknown"},
        {"run_id": "run_unknown"},
        {"tenant": GLOBEX},
        {"delivery": foreign},
        {"tenant": TenantId("../../etc")},
        {"host": "other", "secrets": STRANGE},
    ):
        with pytest.raises(NotFound, match="There is no delivery"):
            talking.say(NOT_WANTED, **wrong)  # type: ignore[arg-type]
    with talking.world.store.begin() as work:
        theirs = work.runs.get(GLOBEX, talking.run_id)
    assert theirs is not None and theirs.state is RunState.APPLYING
    assert talking.state is RunState.APPLYING


def test_a_body_signed_for_another_delivery_is_refused(talking: Talking) -> None:
    with pytest.raises(InvalidInput, match="another delivery"):
        talking.taken_on().say(NOT_WANTED, signed_as="dlv_other")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"protocol": "1"}',
        b"{" * 10_000,
        b'{"protocol": "1", "operation": "outcome", "operation": "apply"}',
    ],
)
def test_a_malformed_callback_is_refused(talking: Talking, body: bytes) -> None:
    talking.taken_on()
    headers = signature_headers(OLD, talking.delivery(), talking.world.clock.now(), body)
    with pytest.raises(InvalidInput):
        talking.callbacks.receive("host_app", headers, body)
    assert talking.state is RunState.APPLYING


@pytest.mark.parametrize("reply", [HostUnknown("at work", 409), HostUnknown("broken", 500)])
def test_a_callback_that_says_nothing_certain_is_refused(talking: Talking, reply: HostReply) -> None:
    with pytest.raises(InvalidInput, match="nothing certain"):
        talking.taken_on().say(reply)
    assert talking.state is RunState.APPLYING


def test_our_own_call_sent_back_to_us_is_no_callback(talking: Talking) -> None:
    talking.taken_on()
    call = next(call for name, call in talking.world.host.calls if name == "apply")
    with pytest.raises(InvalidInput, match="not those of a callback"):
        talking.say(NOT_WANTED, body=request_body(TENANT, Operation.APPLY, call))


def test_a_late_write_of_somebody_else_is_still_seen_by_the_undo(talking: Talking) -> None:
    talking.say(talking.taken_on().done())
    talking.world.host.write_outside(TENANT, RESOURCE, {"written": "later"})
    with pytest.raises(UndoConflict):
        talking.world.actions.undo(ANN, talking.run_id, wait=True)
