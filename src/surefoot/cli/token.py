"""`surefoot token`: a short-lived viewer token for trying things, signed with the development key."""

from typing import Annotated

import typer

from surefoot.cli.context import (
    ContextOption,
    DataDirOption,
    TenantOption,
    existing_tenant,
    plain_errors,
    print_line,
    product,
    stated,
)
from surefoot.cli.signing import signing_key
from surefoot.domain.identity import Viewer, parse_context, parse_principals
from surefoot.governance.tokens import mint


def token(
    user: Annotated[str, typer.Option("--user", "-u", help="User id of the viewer.")],
    tenant: TenantOption = None,
    principal: Annotated[
        list[str] | None, typer.Option("--principal", "-p", help="group:<id> or role:<id> the viewer acts as; repeatable.")
    ] = None,
    plan: Annotated[str | None, typer.Option("--plan", help="The viewer's plan.")] = None,
    locale: Annotated[str, typer.Option("--locale", help="The viewer's language.")] = "en",
    context: ContextOption = None,
    ttl_seconds: Annotated[int, typer.Option("--ttl", help="Seconds until it expires, 1 to 900.")] = 600,
    data_dir: DataDirOption = None,
) -> None:
    """Print a viewer token. In production your own backend signs them with its own key (docs/howto/embed-asking.md)."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        private, issuer = signing_key(surefoot, name)
        about = parse_context(stated(context))
        viewer = Viewer(name, user, parse_principals(principal or ()), plan=plan, locale=locale, context=about)
        print_line(mint(private, issuer, viewer, now=surefoot.clock.now(), ttl_seconds=ttl_seconds))
