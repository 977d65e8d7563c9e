"""Whose rights a playbook goes by, and that nobody stands in the way of its being taken back."""

from dataclasses import replace

import pytest

from surefoot.actions.playbook_parts import Outcome
from surefoot.actions.service import Actions
from surefoot.adapters.memory.host import HostFault
from surefoot.core.errors import RunNotAllowed
from surefoot.domain.actions import Env
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.playbooks import Playbook, PlaybookStep
from surefoot.domain.runs import HostCall, HostReply, RunState
from tests.unit.actions.acting import ADMIN, ANN, TENANT, Acting, acting, person
from tests.unit.actions.declared import ARGUMENTS

PAIR = Playbook("pair", tuple(PlaybookStep("send_note", {**ARGUMENTS, "user_id": user}) for user in ("usr_aaa111", "usr_bbb222")))


def previewed(world: Acting, maker: Viewer) -> str:
    return world.actions.playbooks.preview(maker, PAIR, "k", Env.PRODUCTION).parent.run_id


def finished(world: Acting, run_id: str) -> Outcome:
    for _ in range(30):
        world.work()
        world.later(seconds=65)
    return world.actions.playbooks.show(ANN, run_id).outcome


def test_who_lost_a_role_since_the_preview_does_not_apply_with_it() -> None:
    world = acting()
    run_id = previewed(world, person("ann", "success"))
    with pytest.raises(RunNotAllowed, match="preview it again"):
        world.actions.playbooks.apply(person("ann"), run_id)
    assert finished(world, run_id) is Outcome.PREVIEWED and world.calls("apply") == 0


def test_who_lost_an_account_since_the_preview_does_not_apply_for_it() -> None:
    world = acting()
    run_id = previewed(world, Viewer(TENANT, "ann", context=(("account_id", "acc_1"),)))
    with pytest.raises(RunNotAllowed, match="preview it again"):
        world.actions.playbooks.apply(Viewer(TENANT, "ann", context=(("account_id", "acc_2"),)), run_id)
    assert world.calls("apply") == 0


def test_who_has_gained_a_role_since_the_preview_applies() -> None:
    world = acting()
    run_id = previewed(world, ANN)
    world.actions.playbooks.apply(person("ann", "success"), run_id)
    assert finished(world, run_id) is Outcome.APPLIED


def test_a_playbook_that_an_agent_previews_is_asked_about_as_its_own() -> None:
    world = acting()
    world.policy.suggests_to_agents = True
    parent = world.actions.playbooks.preview(person("ann", "agent"), PAIR, "k", Env.PRODUCTION).parent
    assert parent.state is RunState.DENIED and all(asked.is_agent for asked in world.policy.asked)


def test_a_playbook_that_an_agent_previewed_is_a_persons_wish_once_they_press() -> None:
    world = acting()
    run_id = previewed(world, person("ann", "agent"))
    world.policy.suggests_to_agents = True
    world.actions.playbooks.apply(ANN, run_id)
    assert finished(world, run_id) is Outcome.APPLIED


def test_a_key_of_the_makers_own_does_not_keep_a_step_from_being_taken_back() -> None:
    world = acting()
    run_id = previewed(world, ANN)
    first = world.actions.playbooks.show(ANN, run_id).steps[0].run.run_id
    world.propose(ANN, key=f"{run_id}:{first}")
    apply = world.host.apply

    def refuse_the_second(tenant: TenantId, call: HostCall) -> HostReply:
        if call.arguments["user_id"] == "usr_bbb222":
            world.host.fail_next(HostFault.REJECTED)
        return apply(tenant, call)

    world.host.apply = refuse_the_second  # type: ignore[method-assign]
    world.actions.playbooks.apply(ANN, run_id)
    assert finished(world, run_id) is Outcome.COMPENSATED


def test_an_action_that_is_gone_leaves_a_person_to_say_what_becomes_of_its_steps() -> None:
    world = acting()
    run_id = previewed(world, ANN)
    world.actions.playbooks.apply(ANN, run_id)
    with world.dying_at("playbook:step"):
        world.work()
    world.work()
    gone = world.files.specs.pop("send_note")
    assert finished(world, run_id) is Outcome.PARTIAL
    world.files.specs["send_note"] = gone
    assert world.calls("apply") == 1


def test_one_that_is_cancelled_while_it_is_being_previewed_leaves_no_step_behind() -> None:
    world = acting()
    parents: list[str] = []

    def cancels(point: str) -> None:
        if point == "playbook:previewed-step" and not parents:
            parents.extend(run.run_id for run in world.actions.page(ADMIN).runs if run.action == "playbook.pair")
            world.actions.playbooks.cancel(ADMIN, parents[0])

    view = Actions(replace(world.parts, at=cancels)).playbooks.preview(ANN, PAIR, "k", Env.PRODUCTION)
    assert view.parent.state is RunState.CANCELLED
    assert {each.run.state for each in view.steps} == {RunState.CANCELLED}
