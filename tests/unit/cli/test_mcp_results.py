"""What MCP tools say that they answer is what they answer."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from tests.api.world import World, world
from tests.unit.cli.mcp_world import desk, run_in, viewer


@pytest.fixture
def fresh() -> Iterator[World]:
    with world() as made:
        yield made


def test_every_tool_says_what_it_answers_and_every_answer_fits(fresh: World) -> None:
    async def told() -> tuple[Any, list[dict[str, Any]]]:
        async with desk(fresh, viewer("usr_fits01")) as at:
            tools = (await at.client.list_tools()).tools
            run = await at.call("pin_shortcut", user_id="usr_fits01", page="payouts")
            answers = [
                await at.call("search", query="rockets"),
                await at.call("ask", question="What fuel do rockets use?"),
                await at.call("ask", question="Who won the cup in 1923?"),
                run,
                await at.call("show_run", run_id=run["run_id"]),
            ]
            return tools, answers

    tools, answers = run_in(fresh, told)
    schemas = {tool.name: tool.output_schema for tool in tools}
    assert all(schemas.values())
    named = ("search", "ask", "ask", "pin_shortcut", "show_run")
    for name, answer in zip(named, answers, strict=True):
        check = jsonschema_rs.validator_for(schemas[name])
        assert list(check.iter_errors(answer)) == [], answer["kind"]
        assert not check.is_valid({**answer, "smuggled": 1})
        assert not check.is_valid({key: value for key, value in answer.items() if key != "kind"})
    assert {answer["kind"] for answer in answers} >= {"passages", "refusal", "run"}
