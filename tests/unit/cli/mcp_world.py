"""The API's small world with an MCP server in front, and clients that are connected to it in memory."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mcp import Client
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult, Implementation

from surefoot.adapters.memory.host import MemoryHost
from surefoot.cli.mcp_server import Choices, build_server
from surefoot.domain.identity import Principal, TenantId, Viewer
from tests.api.world import ACME, World

Result = TypeVar("Result")
Answered = Callable[[str], ElicitResult]
ERAS = ("legacy", "auto")
NORA = "usr_nora01"
SHORTCUT = {"user_id": NORA, "page": "invoices"}


def viewer(user: str = NORA, *principals: str, tenant: TenantId = ACME) -> Viewer:
    """A viewer of the world with these principals besides their own."""
    return Viewer(tenant, user, frozenset(map(Principal, principals)), context=(("account_id", "acc_fernhill1"),))


def ticked(words: str) -> ElicitResult:
    """The person agrees."""
    return ElicitResult(action="accept", content={"confirm": True})


def unread(words: str) -> ElicitResult:
    """A client that sends every form on as it came."""
    return ElicitResult(action="accept", content={"confirm": False})


def declined(words: str) -> ElicitResult:
    """The person says no."""
    return ElicitResult(action="decline")


@dataclass
class Person:
    """Sits before the client and answers each form; remembers what was shown."""

    answer: Answered
    shown: list[str] = field(default_factory=list)

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.shown.append(params.message)
        return self.answer(params.message)


@dataclass
class Desk:
    """One connected client."""

    client: Client

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The block that the tool answered, which its text repeats exactly."""
        return block_of(await self.client.call_tool(name, arguments))


def block_of(result: CallToolResult) -> dict[str, Any]:
    """The structured content; the text says the same to clients that read no structured content."""
    block: dict[str, Any] = result.structured_content
    assert json.loads(result.content[0].text) == block  # type: ignore[union-attr]
    assert result.is_error is (block["kind"] == "error")
    return block


@asynccontextmanager
async def desk(
    world: World,
    who: Viewer,
    *,
    person: Person | None = None,
    era: str = "auto",
    client_name: str = "tester",
    **choices: Any,
) -> AsyncIterator[Desk]:
    """A client of this viewer; with a person it can be asked, without one it cannot."""
    server = build_server(world.surefoot, lambda _: who, Choices(**choices))
    info = Implementation(name=client_name, version="1")
    async with Client(server, mode=era, elicitation_callback=person, client_info=info) as client:
        yield Desk(client)


def run_in(world: World, work: Callable[[], Awaitable[Result]]) -> Result:
    """What the coroutine returns, run in the app's own event loop."""
    return world.client.run(work)


def host_of(world: World) -> MemoryHost:
    """The product in which actions have their effect."""
    host = world.surefoot.actions._parts.hosts["host_app"]
    assert isinstance(host, MemoryHost)
    return host


def applications(world: World) -> int:
    """How often the host was asked to do something that has an effect."""
    return sum(operation == "apply" for operation, _ in host_of(world).calls)
