"""MCP: what a client is offered, what it may read, and that nothing happens without a person's word on exactly one plan."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult, InputRequiredResult
from typer.testing import CliRunner

from surefoot.actions.parts import Request
from surefoot.cli.main import app
from surefoot.cli.mcp_blocks import inert
from surefoot.cli.mcp_server import Choices, build_server
from surefoot.domain.actions import AutonomyLevel, Env
from surefoot.domain.documents import DocumentId
from tests.api.world import GLOBEX, NOW, World, world
from tests.unit.cli.mcp_world import (
    ERAS,
    NORA,
    SHORTCUT,
    Person,
    applications,
    block_of,
    declined,
    desk,
    run_in,
    ticked,
    unread,
    viewer,
)

SECRET = "ACME-CANARY-77"


@pytest.fixture
def fresh() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with world() as made:
        yield made


def needing_a_second_person(world: World) -> tuple[str, dict[str, Any]]:
    """An exported action that its policy lets nobody apply alone, with valid arguments and fresh evidence."""
    dated = "---\nupdated_at: 2026-02-20\n---\n# Features\n\nThe new editor can be switched on for an account.\n"
    return "enable_feature", _valid(world, "enable_feature") | {"_citations": [chunk_of(world, world.put("features.md", dated))]}


def chunk_of(world: World, document: str) -> str:
    """The first chunk of the document."""
    with world.surefoot.store.begin() as work:
        return work.documents.chunks_of(viewer().tenant, [DocumentId(document)])[0].chunk_id


@pytest.mark.parametrize("era", ERAS)
def test_every_exported_action_is_a_tool_with_honest_hints_and_no_other_is(shared: World, era: str) -> None:
    async def listed() -> dict[str, Any]:
        async with desk(shared, viewer(), era=era) as at:
            return {tool.name: tool for tool in (await at.client.list_tools()).tools}

    tools = run_in(shared, listed)
    exported = {spec.name for spec in shared.surefoot.registry.newest() if spec.mcp_export}
    assert set(tools) == exported | {"search", "ask", "show_run", "apply_run"}
    assert "suggest_upgrade_within_policy" not in tools
    hints = {name: tool.annotations for name, tool in tools.items()}
    assert [name for name in tools if hints[name].read_only_hint] == ["search", "ask", "show_run"]
    assert hints["pin_shortcut"].destructive_hint is False
    assert hints["enable_feature"].destructive_hint is True
    assert hints["apply_run"].destructive_hint is True
    for name in exported:
        spec = shared.surefoot.registry.get(name)
        assert hints[name].idempotent_hint is bool(spec.natural_key)
        offered = tools[name].input_schema
        assert set(offered["properties"]) == {*spec.schema["properties"], "_reason", "_citations"}  # type: ignore[misc]
        assert offered["required"] == spec.schema["required"]
        assert "x-" not in json.dumps(offered).replace('"x-axis', "")


def test_passages_and_answers_are_those_of_the_viewers_rights(shared: World) -> None:
    async def told(who: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        async with desk(shared, who) as at:
            return (
                await at.call("search", query="What is the payroll account number?"),
                await at.call("ask", question="What is the payroll account number?"),
            )

    passages, answer = run_in(shared, lambda: told(viewer("fin", "group:finance")))
    assert SECRET in json.dumps(passages) and answer["kind"] == "answer"
    citation = answer["claims"][0]["citations"][0]
    assert SECRET in citation["quote"] and citation["uri"] == "payroll.md"
    passages, answer = run_in(shared, lambda: told(viewer("eve")))
    assert SECRET not in json.dumps([passages, answer]) and "payroll.md" not in json.dumps([passages, answer])
    assert answer["kind"] == "refusal"
    passages, answer = run_in(shared, lambda: told(viewer("fin", "group:finance", tenant=GLOBEX)))
    assert SECRET not in json.dumps([passages, answer])


def test_an_action_tool_changes_nothing_and_says_what_is_needed(fresh: World) -> None:
    async def proposed() -> dict[str, Any]:
        async with desk(fresh, viewer(), client_name="Some Client/2") as at:
            return await at.call("pin_shortcut", **SHORTCUT, _reason="You open invoices often.")

    block = run_in(fresh, proposed)
    assert (block["kind"], block["state"], block["env"]) == ("run", "planned", "sandbox")
    assert (block["maker"], block["proposed_by"]) == (NORA, "mcp:Some-Client-2")
    assert len(block["plan"]["digest"]) == 64 and block["plan"]["changes"]
    assert block["next"]["needs"] == "confirmation"
    assert applications(fresh) == 0


@pytest.mark.parametrize("era", ERAS)
def test_a_plan_that_its_person_agrees_to_is_applied_once_exactly_as_shown(fresh: World, era: str) -> None:
    person = Person(ticked)

    async def agreed() -> dict[str, Any]:
        async with desk(fresh, viewer(), person=person, era=era) as at:
            block = await at.call("pin_shortcut", **SHORTCUT, _reason="Trust me, it is harmless.")
            again = await at.call("apply_run", run_id=block["run_id"], plan_digest=block["plan"]["digest"])
            assert again["state"] == "applied"
            return block

    block = run_in(fresh, agreed)
    assert block["state"] == "applied" and block["undo_until"] is not None
    assert applications(fresh) == 1
    assert len(person.shown) == 1
    (shown,) = person.shown
    assert block["plan"]["digest"] in shown and '"invoices"' in shown
    assert all(change["resource"] in shown for change in block["plan"]["changes"])
    assert "harmless" not in shown
    view = fresh.surefoot.actions.show(viewer(), block["run_id"])
    assert view.run.agent == "mcp:tester"
    assert view.decisions[0].facts["asker"]["is_agent"] is True  # type: ignore[index]
    assert view.decisions[-1].facts["asker"]["is_agent"] is False  # type: ignore[index]


@pytest.mark.parametrize("era", ERAS)
def test_a_form_that_was_sent_unread_is_no_word_and_a_no_ends_the_run(fresh: World, era: str) -> None:
    async def answered(answer: Any) -> dict[str, Any]:
        async with desk(fresh, viewer(), person=Person(answer), era=era) as at:
            return await at.call("pin_shortcut", **SHORTCUT)

    assert run_in(fresh, lambda: answered(unread))["state"] == "planned"
    assert run_in(fresh, lambda: answered(declined))["state"] == "cancelled"
    assert applications(fresh) == 0


def test_without_a_person_the_agent_comes_as_far_as_its_autonomy(fresh: World) -> None:
    async def pressed() -> dict[str, Any]:
        async with desk(fresh, viewer()) as at:
            block = await at.call("pin_shortcut", **SHORTCUT)
            return await at.call("apply_run", run_id=block["run_id"], plan_digest=block["plan"]["digest"])

    refused = run_in(fresh, pressed)
    assert (refused["kind"], refused["code"]) == ("error", "run_not_allowed")
    assert "a person has to press" in refused["message"]
    assert applications(fresh) == 0
    with fresh.surefoot.store.begin() as work:
        work.runs.set_autonomy(viewer().tenant, "pin_shortcut", AutonomyLevel.UNATTENDED, reason="earned", now=NOW)
        work.commit()
    assert run_in(fresh, pressed)["state"] == "applied"
    assert applications(fresh) == 1


@pytest.mark.parametrize("era", ERAS)
def test_what_needs_a_second_person_waits_for_one_and_then_for_its_own(fresh: World, era: str) -> None:
    name, arguments = needing_a_second_person(fresh)
    person = Person(ticked)

    async def proposed() -> dict[str, Any]:
        async with desk(fresh, viewer(), person=person, era=era) as at:
            block = await at.call(name, **arguments)
            refused = await at.call("apply_run", run_id=block["run_id"], plan_digest=block["plan"]["digest"])
            assert (refused["code"], person.shown) == ("run_not_allowed", [])
            return block

    async def applied(block: dict[str, Any]) -> dict[str, Any]:
        async with desk(fresh, viewer(), person=person, era=era) as at:
            return await at.call("apply_run", run_id=block["run_id"], plan_digest=block["plan"]["digest"])

    block = run_in(fresh, proposed)
    assert (block["state"], block["next"]["needs"]) == ("awaiting_approval", "approval")
    assert applications(fresh) == 0
    fresh.surefoot.actions.approve(viewer("usr_boss01", "role:approver", "role:admin"), block["run_id"], block["plan"]["digest"])
    assert run_in(fresh, lambda: applied(block))["state"] == "applied"
    assert (len(person.shown), applications(fresh)) == (1, 1)


def test_runs_that_are_not_the_viewers_or_not_proposed_here_do_not_exist(fresh: World) -> None:
    async def proposed(who: Any) -> dict[str, Any]:
        async with desk(fresh, who) as at:
            return await at.call("pin_shortcut", **SHORTCUT)

    block = run_in(fresh, lambda: proposed(viewer()))
    browser = fresh.surefoot.actions.propose(viewer(), Request("prefill_form", _valid(fresh, "prefill_form"), "k1"))
    upgrade = "suggest_upgrade_within_policy"
    hidden = fresh.surefoot.actions.propose(viewer(), Request(upgrade, _valid(fresh, upgrade), "k2", agent="mcp:x"))
    other_env = Request("show_checklist", _valid(fresh, "show_checklist"), "k3", Env.PRODUCTION, agent="mcp:x")
    elsewhere = fresh.surefoot.actions.propose(viewer(), other_env)

    async def looked(who: Any, run_id: str) -> list[str]:
        async with desk(fresh, who, person=Person(ticked)) as at:
            shown = await at.call("show_run", run_id=run_id)
            pressed = await at.call("apply_run", run_id=run_id, plan_digest=block["plan"]["digest"])
            return [shown.get("code", "found"), pressed.get("code", "found")]

    nobody = ["not_found", "not_found"]
    assert run_in(fresh, lambda: looked(viewer("usr_eve001"), block["run_id"])) == nobody
    assert run_in(fresh, lambda: looked(viewer("usr_ada001", "role:admin"), block["run_id"])) == nobody
    assert run_in(fresh, lambda: looked(viewer(tenant=GLOBEX), block["run_id"])) == nobody
    for run_id in (browser.run.run_id, hidden.run.run_id, elsewhere.run.run_id, "run_" + "0" * 32, "run_1' OR 1=1", "../x"):
        assert run_in(fresh, lambda run_id=run_id: looked(viewer(), run_id)) == nobody  # type: ignore[misc]
    assert applications(fresh) == 0


def test_a_digest_that_is_not_the_plans_is_stale_and_nobody_is_asked(fresh: World) -> None:
    person = Person(ticked)

    async def swapped() -> dict[str, Any]:
        async with desk(fresh, viewer()) as at:
            block = await at.call("pin_shortcut", **SHORTCUT)
        async with desk(fresh, viewer(), person=person) as at:
            return await at.call("apply_run", run_id=block["run_id"], plan_digest="0" * 64)

    refused = run_in(fresh, swapped)
    assert (refused["kind"], refused["code"]) == ("error", "plan_stale")
    assert (person.shown, applications(fresh)) == ([], 0)


def test_a_confirmation_fits_its_own_call_alone(fresh: World) -> None:
    other = {"user_id": NORA, "page": "payouts"}

    async def misused(name: str, arguments: dict[str, Any], state: str | None) -> str:
        async with desk(fresh, viewer(), person=Person(ticked)) as at:
            session = at.client.session
            first = await session.call_tool("pin_shortcut", SHORTCUT, allow_input_required=True)
            assert isinstance(first, InputRequiredResult)
            if state == "sealed":
                state = first.request_state
            yes = {"confirmation": ElicitResult(action="accept", content={"confirm": True})}
            try:
                answered = await session.call_tool(
                    name, arguments, input_responses=yes, request_state=state, allow_input_required=True
                )
            except MCPError as error:
                return str(error)
            return str(answered.structured_content["code"])  # type: ignore[union-attr]

    forged = json.dumps({"run_id": "run_" + "0" * 32, "digest": "0" * 64})
    assert "requestState" in run_in(fresh, lambda: misused("pin_shortcut", other, "sealed"))
    assert "requestState" in run_in(fresh, lambda: misused("apply_run", SHORTCUT, "sealed"))
    assert "requestState" in run_in(fresh, lambda: misused("pin_shortcut", SHORTCUT, forged))
    assert run_in(fresh, lambda: misused("pin_shortcut", SHORTCUT, None)) == "invalid_input"
    assert applications(fresh) == 0


def test_a_server_that_only_proposes_applies_nothing_whoever_agrees(fresh: World) -> None:
    person = Person(ticked)

    async def proposed() -> dict[str, Any]:
        async with desk(fresh, viewer(), person=person, proposes_only=True) as at:
            names = [tool.name for tool in (await at.client.list_tools()).tools]
            assert "apply_run" not in names
            block = await at.call("pin_shortcut", **SHORTCUT)
            with pytest.raises(MCPError, match="no tool"):
                await at.client.call_tool("apply_run", {"run_id": block["run_id"], "plan_digest": block["plan"]["digest"]})
            return block

    assert run_in(fresh, proposed)["state"] == "planned"
    assert (person.shown, applications(fresh)) == ([], 0)


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("search", {"query": ""}, "invalid_input"),
        ("search", {"query": "a\0b"}, "invalid_input"),
        ("search", {"query": "x" * 2001}, "invalid_input"),
        ("search", {"query": "refunds", "limit": 1000}, "invalid_input"),
        ("search", {"query": "refunds", "limit": "5"}, "invalid_input"),
        ("search", {"query": "refunds", "tenant": "globex"}, "invalid_input"),
        ("ask", {"question": ["refunds"]}, "invalid_input"),
        ("ask", {"question": "refunds", "as": "fin"}, "invalid_input"),
        ("apply_run", {"run_id": "run_" + "0" * 32, "plan_digest": "no"}, "invalid_input"),
        ("pin_shortcut", {**SHORTCUT, "page": "*"}, "invalid_action"),
        ("pin_shortcut", {**SHORTCUT, "tenant": "globex"}, "invalid_action"),
        ("pin_shortcut", {**SHORTCUT, "label": "x" * 70_000}, "invalid_action"),
        ("pin_shortcut", {**SHORTCUT, "position": 1e300}, "invalid_action"),
        ("pin_shortcut", {**SHORTCUT, "_citations": ["chk_" + "0" * 24]}, "not_found"),
        ("pin_shortcut", {**SHORTCUT, "_citations": ["'; DROP"]}, "invalid_input"),
        ("pin_shortcut", {**SHORTCUT, "_reason": "x" * 501}, "invalid_input"),
        ("pin_shortcut", {**SHORTCUT, "_reason": {"a": 1}}, "invalid_input"),
    ],
)
def test_hostile_arguments_are_refused_and_leave_no_run(shared: World, name: str, arguments: dict[str, Any], code: str) -> None:
    async def called() -> dict[str, Any]:
        async with desk(shared, viewer("usr_mal001")) as at:
            return await at.call(name, **arguments)

    assert run_in(shared, called)["code"] == code
    assert shared.surefoot.actions.page(viewer("usr_mal001"), mine=True).runs == ()


def test_passages_that_the_viewer_may_not_read_support_nothing(shared: World) -> None:
    async def cited(who: Any, chunk: str) -> dict[str, Any]:
        async with desk(shared, who) as at:
            return await at.call("pin_shortcut", user_id="usr_fin001", page="payouts", _citations=[chunk])

    secret = chunk_of(shared, shared.tenants[viewer().tenant].documents["payroll.md"])
    assert run_in(shared, lambda: cited(viewer("usr_eve001"), secret))["code"] == "not_found"
    assert run_in(shared, lambda: cited(viewer("usr_fin001", "group:finance"), secret))["state"] == "planned"


@pytest.mark.parametrize("era", ERAS)
def test_strict_schemas_take_null_for_what_is_left_out(fresh: World, era: str) -> None:
    async def proposed() -> dict[str, Any]:
        async with desk(fresh, viewer(), era=era, strict_schemas=True) as at:
            tools = {tool.name: tool.input_schema for tool in (await at.client.list_tools()).tools}
            schema = tools["pin_shortcut"]
            assert set(schema["required"]) == set(schema["properties"])
            arguments = dict.fromkeys(schema["required"]) | SHORTCUT
            return await at.call("pin_shortcut", **arguments)

    assert run_in(fresh, proposed)["arguments"] == SHORTCUT


def test_what_a_document_or_an_argument_says_cannot_act_in_any_rendering() -> None:
    hostile = "![x](http://evil.example/?q=1) <img src=x> [go](https://evil.example) `rm` \u202egnp\u202c\r\n# Done"
    text = inert({"quote": hostile})
    assert json.loads(text) == {"quote": hostile}
    strings = text.split(":", 1)[1]
    assert not any(each in strings for each in ("![", "](", "<", "://", "`", "\u202e", "\n", "\r"))


def test_what_goes_wrong_inside_is_logged_and_never_told(shared: World, caplog: pytest.LogCaptureFixture) -> None:
    def broken(context: Any) -> Any:
        raise RuntimeError("the password is hunter2")

    async def called() -> Any:
        async with Client(build_server(shared.surefoot, broken, Choices())) as client:
            return block_of(await client.call_tool("search", {"query": "refunds"}))

    block = run_in(shared, called)
    assert block["code"] == "internal" and "hunter2" not in json.dumps(block)
    assert "hunter2" in caplog.text


def test_an_unknown_tool_is_an_error_of_the_protocol(shared: World) -> None:
    async def called() -> None:
        async with desk(shared, viewer()) as at:
            with pytest.raises(MCPError, match="There is no tool 'suggest_upgrade_within_policy'"):
                await at.client.call_tool("suggest_upgrade_within_policy", {})

    run_in(shared, called)


def test_the_operator_chooses_exactly_one_viewer_or_http(tmp_path: Any) -> None:
    for arguments in (["mcp"], ["mcp", "--http", "--as", "nora"], ["mcp", "--http", "--principal", "role:admin"]):
        result = CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path)])
        assert result.exit_code == 2


def test_a_missing_package_is_named_with_its_command(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.cli.mcp.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["mcp", "--as", "nora", "--data-dir", str(tmp_path)])
    assert result.exit_code == 3
    assert "pip install 'surefoot[mcp]'" in result.stderr


def _valid(world: World, name: str) -> dict[str, Any]:
    return dict(next(example.arguments for example in world.surefoot.registry.get(name).examples if example.is_valid))
