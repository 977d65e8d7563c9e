"""What an MCP server says that it has; nothing of it is called."""

from collections.abc import Sequence
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.server import Server
from mcp.shared.exceptions import MCPError

from surefoot.actions.mcp_import import MAX_TOOLS, ForeignTool
from surefoot.core.errors import InvalidInput

_SECONDS = 60.0


async def tools_of_url(url: str) -> list[ForeignTool]:
    """The tools of the server at this URL. Raises InvalidInput when it does not answer as one."""
    return await tools_of(url)


async def tools_of_command(words: Sequence[str]) -> list[ForeignTool]:
    """The tools of the server that this command starts, which is ended afterwards. Raises InvalidInput."""
    return await tools_of(StdioServerParameters(command=words[0], args=list(words[1:])))


async def tools_of(server: str | StdioServerParameters | Server[Any]) -> list[ForeignTool]:
    """Every tool that the server lists, page by page."""
    try:
        with anyio.fail_after(_SECONDS):
            async with Client(server) as client:
                return await _listed(client)
    except* InvalidInput as group:
        raise _first(group) from None
    except* (MCPError, OSError, TimeoutError, RuntimeError, ValueError) as group:
        raise InvalidInput(
            f"The MCP server did not list its tools ({type(_first(group)).__name__}); try it by itself."
        ) from group
    raise AssertionError("The block above returns or raises.")


async def _listed(client: Client) -> list[ForeignTool]:
    tools: list[ForeignTool] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += [ForeignTool(each.name, each.title or "", each.description or "", each.input_schema) for each in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return tools
        if len(tools) > MAX_TOOLS or not page.tools:
            raise InvalidInput(f"The server lists more than {MAX_TOOLS} tools, or pages without any.")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
