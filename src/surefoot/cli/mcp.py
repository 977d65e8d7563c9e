"""`surefoot mcp`: search, ask and the exported actions for MCP clients, over the standard streams or HTTP."""

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
import uvicorn

from surefoot.bootstrap import Surefoot
from surefoot.cli.context import (
    ContextOption,
    DataDirOption,
    TenantOption,
    existing_tenant,
    plain_errors,
    product,
    progress_console,
    stated,
)
from surefoot.core.errors import InvalidInput, MissingDependency
from surefoot.core.redaction import log_config
from surefoot.domain.actions import Env
from surefoot.domain.identity import Viewer, parse_context, parse_principals

if TYPE_CHECKING:
    from surefoot.cli.mcp_server import Choices


def mcp(
    user: Annotated[str | None, typer.Option("--as", help="User id of the viewer; needed without --http.")] = None,
    principal: Annotated[
        list[str] | None, typer.Option("--principal", "-p", help="group:<id> or role:<id> the viewer acts as; repeatable.")
    ] = None,
    plan: Annotated[str | None, typer.Option("--plan", help="The viewer's plan.")] = None,
    locale: Annotated[str, typer.Option("--locale", help="The viewer's language.")] = "en",
    context: ContextOption = None,
    http: Annotated[bool, typer.Option("--http", help="Serve streamable HTTP, each request with its own viewer token.")] = False,
    host: Annotated[str, typer.Option("--host", help="Address to listen on, with --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on, with --http.")] = 8788,
    env: Annotated[Env, typer.Option("--env", help="Where actions would have their effect.")] = Env.SANDBOX,
    propose_only: Annotated[bool, typer.Option("--propose-only", help="Apply nothing; actions are only previewed.")] = False,
    strict_schemas: Annotated[
        bool, typer.Option("--strict-schemas", help="Offer schemas as strict modes take them: optional arguments may be null.")
    ] = False,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Serve MCP until the client leaves, or with --http until interrupted. An action is previewed; a person has to agree."""
    with plain_errors():
        require_mcp()
        if http is (user is not None):
            raise InvalidInput("Give --as USER for the standard streams, or --http, where every request brings a viewer token.")
        if http and (principal or plan or tenant or context):
            raise InvalidInput("With --http tenant and rights come from each request's viewer token; leave those options out.")
        from surefoot.cli.mcp_server import Choices

        choices = Choices(env, proposes_only=propose_only, strict_schemas=strict_schemas)
        with product(data_dir=data_dir) as surefoot:
            if http:
                _serve_http(surefoot, choices, host, port)
                return
            from surefoot.cli.mcp_serving import serve_streams

            principals = parse_principals(principal or ())
            about = parse_context(stated(context))
            name = existing_tenant(surefoot, tenant)
            viewer = Viewer(name, user or "", principals, plan=plan, locale=locale, context=about)
            anyio.run(partial(serve_streams, surefoot, viewer, choices))


def require_mcp() -> None:
    """Nothing, when the optional package is there; else MissingDependency."""
    if find_spec("mcp") is None:
        raise MissingDependency("The optional package mcp is not installed; run `pip install 'surefoot[mcp]'`.")


def _serve_http(surefoot: Surefoot, choices: "Choices", host: str, port: int) -> None:
    from surefoot.cli.mcp_serving import PATH, http_app

    app = http_app(surefoot, choices, host=host)
    progress_console.print(f"surefoot mcp: http://{host}:{port}{PATH}", highlight=False)
    uvicorn.run(app, host=host, port=port, log_level="warning", log_config=log_config(), server_header=False)
