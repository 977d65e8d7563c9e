"""A cap by account counts by the account that the maker's token states, which no argument and no second person changes."""

from surefoot.adapters.memory.host import HostFault
from surefoot.domain.identity import Viewer
from surefoot.domain.runs import RunState
from tests.unit.actions.acting import TENANT, Acting, acting
from tests.unit.actions.declared import ARGUMENTS

BY_ACCOUNT = ("x-action/caps", [{"id": "notes_account_week", "key": ["account"], "window": "P7D", "max": 2}])
LONG = ("x-action/undo", {"mode": "inverse", "window": "P90D", "conflict": "refuse"})


def member(user: str, account: str = "") -> Viewer:
    return Viewer(TENANT, user, context=(("account_id", account),) if account else ())


def applied(world: Acting, viewer: Viewer, name: str) -> RunState:
    arguments = {**ARGUMENTS, "user_id": f"usr_{name}"}
    run_id = world.propose(viewer, arguments=arguments).run.run_id
    return world.actions.apply(viewer, run_id, wait=True).run.state


def test_people_of_one_account_share_its_cap_and_another_account_has_its_own() -> None:
    world = acting(BY_ACCOUNT)
    states = [applied(world, member(user, "acc_one"), f"one{user}00") for user in ("ann", "bob", "eve")]
    assert states == [RunState.APPLIED, RunState.APPLIED, RunState.DENIED]
    assert applied(world, member("zoe", "acc_two"), "two0001") is RunState.APPLIED


def test_what_a_viewer_sees_left_is_their_accounts() -> None:
    world = acting(BY_ACCOUNT)
    applied(world, member("ann", "acc_one"), "one0001")
    arguments = {**ARGUMENTS, "user_id": "usr_one0002"}
    assert [cap.left for cap in world.propose(member("bob", "acc_one"), arguments=arguments).caps] == [1]
    arguments = {**ARGUMENTS, "user_id": "usr_two0001"}
    assert [cap.left for cap in world.propose(member("zoe", "acc_two"), arguments=arguments).caps] == [2]


def test_people_whose_token_states_no_account_count_for_the_tenant() -> None:
    world = acting(BY_ACCOUNT)
    states = [applied(world, member(user), f"none{user}0") for user in ("ann", "bob", "eve")]
    assert states == [RunState.APPLIED, RunState.APPLIED, RunState.DENIED]


def test_a_run_keeps_the_account_of_its_proposal_whatever_a_later_token_states() -> None:
    world = acting(BY_ACCOUNT)
    first = world.propose(member("ann", "acc_one"))
    done = world.actions.apply(member("ann", "acc_two"), first.run.run_id, wait=True)
    assert (done.run.account, [cap.used for cap in done.caps]) == ("acc_one", [1])


def test_a_run_planned_anew_and_one_done_again_count_for_the_same_account() -> None:
    world = acting(BY_ACCOUNT, LONG)
    ann = member("ann", "acc_one")
    world.host.fail_next(HostFault.STALE)
    stale = world.actions.apply(ann, world.propose(ann).run.run_id, wait=True)
    world.work()
    successor = world.actions.show(ann, stale.successor)
    assert (successor.run.state, successor.run.account) == (RunState.APPLIED, "acc_one")
    undo = world.actions.undo(ann, successor.run.run_id, wait=True)
    assert undo.run.account == "acc_one"
    assert world.actions.redo(ann, successor.run.run_id).run.account == "acc_one"
