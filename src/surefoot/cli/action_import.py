"""`surefoot actions import`: draft action files from what another service says of itself, for a person to finish."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import anyio
import typer

from surefoot.actions.drafts import Draft, write_drafts
from surefoot.actions.openapi_import import MAX_BYTES, openapi_drafts
from surefoot.cli.context import loaded, plain_errors, print_line
from surefoot.cli.mcp import require_mcp
from surefoot.core.errors import InvalidInput, OutboundRefused

OutOption = Annotated[Path, typer.Option("--out", help="Folder for the drafts; nothing in it is ever overwritten.")]

app = typer.Typer(help="Drafts of actions from other services, for a person to finish.", no_args_is_help=True)


@app.command("openapi")
def openapi(file: Annotated[Path, typer.Argument(help="An OpenAPI 3 document, JSON or YAML.")], out: OutOption) -> None:
    """Write a draft for each operation that may change something. References out of the document are refused."""
    with plain_errors():
        try:
            with file.open("rb") as opened:
                data = opened.read(MAX_BYTES + 1)
        except OSError as error:
            raise InvalidInput(f"{str(file)!r} cannot be read ({error.strerror}).") from error
        _write(openapi_drafts(data), out)


@app.command("mcp")
def mcp(
    server: Annotated[str, typer.Argument(help="The command that starts the server, in quotes, or its URL.")], out: OutOption
) -> None:
    """Write a draft for each tool of an MCP server. The server is only asked what it has; no tool is called."""
    with plain_errors():
        require_mcp()
        from surefoot.actions.mcp_import import mcp_drafts
        from surefoot.cli.mcp_listing import tools_of_command, tools_of_url

        if server.startswith(("http://", "https://")):
            if loaded().settings.offline:
                raise OutboundRefused("SUREFOOT_OFFLINE=1 is set, so no server is called.")
            parts = urlsplit(server)
            if parts.username or parts.password:
                raise InvalidInput("The URL holds credentials, which would end up in histories; leave them out.")
            tools = anyio.run(tools_of_url, server)
        else:
            tools = anyio.run(tools_of_command, _words(server))
        _write(mcp_drafts(tools), out)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InvalidInput(f"The command cannot be read: {error}.") from error
    if not words:
        raise InvalidInput("Give the command that starts the server, in quotes, or its URL.")
    return words


def _write(drafts: Sequence[Draft], out: Path) -> None:
    for path in write_drafts(drafts, out):
        print_line(str(path))
    print_line(f"{len(drafts)} drafts, none in use. What each misses: surefoot actions check {out}")
