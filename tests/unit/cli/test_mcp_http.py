"""MCP over HTTP: every request is of the viewer whose token it brings."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette

from surefoot.cli.mcp_server import Choices
from surefoot.cli.mcp_serving import MAX_BODY_BYTES, http_app
from tests.api.world import GLOBEX, World, world
from tests.unit.cli.mcp_world import NORA, SHORTCUT, Desk, Person, applications, run_in, ticked

URL = "http://127.0.0.1:8788/mcp"
SECRET = "ACME-CANARY-77"
PAYROLL = "What is the payroll account number?"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
ACCEPTED = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@pytest.fixture
def fresh() -> Iterator[World]:
    with world() as made:
        yield made


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Starlette]:
    app = http_app(world.surefoot, Choices(), host="127.0.0.1")
    async with app.router.lifespan_context(app):
        yield app


def caller(app: Starlette, headers: dict[str, str]) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app)
    return httpx2.AsyncClient(transport=transport, headers=headers)


@asynccontextmanager
async def desk(app: Starlette, headers: dict[str, str], person: Person | None = None) -> AsyncIterator[Desk]:
    async with (
        caller(app, headers) as http,
        Client(streamable_http_client(URL, http_client=http), mode="2026-07-28", elicitation_callback=person) as client,
    ):
        yield Desk(client)


def test_each_caller_reads_with_the_rights_of_their_own_token(fresh: World) -> None:
    async def told() -> list[dict[str, Any]]:
        async with serving(fresh) as app:
            blocks = []
            for headers in (
                fresh.viewer("group:finance", user="fin"),
                fresh.viewer(user="eve"),
                fresh.viewer("group:finance", user="fin", tenant=GLOBEX),
            ):
                async with desk(app, headers) as at:
                    blocks.append(await at.call("search", query=PAYROLL))
            return blocks

    finance, eve, foreign = run_in(fresh, told)
    assert SECRET in str(finance)
    assert SECRET not in str(eve) + str(foreign)


def test_nobody_without_a_valid_token_reaches_the_server(fresh: World) -> None:
    expired = fresh.viewer(user="fin")
    fresh.clock.advance(timedelta(hours=1))
    good = fresh.viewer(user="fin")

    async def statuses() -> list[int]:
        found = []
        async with serving(fresh) as app:
            wrong: list[dict[str, str]] = [{}, expired, fresh.admin_key(), {"Authorization": "Basic Zm9v"}]
            for headers in (*wrong, good):
                async with caller(app, headers) as http:
                    answered = await http.post(URL, json=INITIALIZE, headers=ACCEPTED)
                    found.append(answered.status_code)
                    assert answered.status_code == 200 or answered.headers["www-authenticate"] == "Bearer"
            async with caller(app, good) as http:
                twice = [*good.items(), *fresh.viewer(user="eve").items(), *ACCEPTED.items()]
                found.append((await http.post(URL, json=INITIALIZE, headers=twice)).status_code)
        return found

    assert run_in(fresh, statuses) == [401, 401, 401, 401, 200, 401]


def test_a_session_does_not_exist_for_anybody_but_whoever_began_it(fresh: World) -> None:
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}

    async def statuses() -> list[int]:
        async with serving(fresh) as app, caller(app, {}) as http:

            async def listed(headers: dict[str, str], session: str) -> int:
                more = {**ACCEPTED, **headers, "mcp-session-id": session, "mcp-protocol-version": "2025-06-18"}
                return (await http.post(URL, json=call, headers=more)).status_code

            began = await http.post(URL, json=INITIALIZE, headers={**ACCEPTED, **fresh.viewer(user="fin")})
            session = began.headers["mcp-session-id"]
            return [
                await listed(fresh.viewer(user="eve"), session),
                await listed(fresh.viewer(user="fin", tenant=GLOBEX), session),
                await listed({}, session),
                await listed(fresh.viewer(user="fin"), session),
            ]

    assert run_in(fresh, statuses) == [404, 404, 401, 200]


def test_a_person_agrees_over_http_and_another_viewer_cannot_use_their_word(fresh: World) -> None:
    person = Person(ticked)

    async def agreed() -> dict[str, Any]:
        async with serving(fresh) as app:
            nora, eve = fresh.viewer(user=NORA), fresh.viewer(user="usr_eve001")
            async with desk(app, nora, person) as at:
                first: Any = await at.client.session.call_tool("pin_shortcut", SHORTCUT, allow_input_required=True)
            yes = {"confirmation": ticked("")}
            async with desk(app, eve, person) as at:
                with pytest.raises(Exception, match="requestState"):
                    await at.client.call_tool("pin_shortcut", SHORTCUT, input_responses=yes, request_state=first.request_state)
            assert applications(fresh) == 0
            async with desk(app, nora, person) as at:
                return await at.call("pin_shortcut", **SHORTCUT)

    assert run_in(fresh, agreed)["state"] == "applied"
    assert (applications(fresh), len(person.shown)) == (1, 1)


def test_a_page_that_points_a_name_at_loopback_and_a_huge_body_are_turned_away(fresh: World) -> None:
    async def statuses() -> list[int]:
        async with serving(fresh) as app, caller(app, {**fresh.viewer(user="fin"), **ACCEPTED}) as http:
            found = [(await http.post(URL, json=INITIALIZE, headers={"Host": "evil.example"})).status_code]
            found.append((await http.post(URL, json=INITIALIZE, headers={"Origin": "http://evil.example"})).status_code)
            found.append((await http.post(URL, content=b" " * (MAX_BODY_BYTES + 1))).status_code)
            return found

    assert run_in(fresh, statuses) == [421, 403, 413]
