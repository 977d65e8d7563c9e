"""`surefoot keys`: the server keys by which a tenant's backend ingests and administers."""

from typing import Annotated

import typer

from surefoot.cli.context import (
    DataDirOption,
    JsonOption,
    TenantOption,
    existing_tenant,
    plain_errors,
    print_json,
    print_line,
    product,
)
from surefoot.core.errors import InvalidInput, NotFound
from surefoot.domain.keys import Scope, ServerKey
from surefoot.governance.server_keys import create

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke server keys.")


@app.command("create")
def create_key(
    label: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str] | None, typer.Option("--scope", help="ingest or admin; repeatable. Default: ingest.")] = None,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """A new key; its secret is printed once and stored nowhere."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        try:
            scopes = [Scope(word) for word in scope or ["ingest"]]
        except ValueError as error:
            raise InvalidInput(f"{error}; scopes are {', '.join(Scope)}.") from error
        key, secret = create(name, scopes, label=label, now=surefoot.clock.now())
        with surefoot.store.begin() as work:
            work.tenants.add_key(name, key)
            work.commit()
        print_line(f"{key.key_id} {secret}")


@app.command("list")
def list_keys(tenant: TenantOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Every key of the tenant, revoked ones included; never a secret."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        with surefoot.store.begin() as work:
            keys = work.tenants.keys(name)
    if as_json:
        print_json([_row(key) for key in keys])
        return
    for key in keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "live"
        print_line(f"{key.key_id}  {state:<18}  {','.join(sorted(key.scopes)):<13}  {key.label}")


def _row(key: ServerKey) -> dict[str, object]:
    """The key without its hash."""
    times = {"created_at": key.created_at, "revoked_at": key.revoked_at}
    return {"key_id": key.key_id, "label": key.label, "scopes": sorted(key.scopes), **times}


@app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    tenant: TenantOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """The key stops working at once."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        if not yes:
            typer.confirm(f"Revoke {key_id} of {name}?", abort=True, err=True)
        with surefoot.store.begin() as work:
            revoked = work.tenants.revoke_key(name, key_id, now=surefoot.clock.now())
            work.commit()
        if not revoked:
            raise NotFound(f"There is no live key {key_id!r} in tenant {name!r}.")
        print_line(f"{key_id} revoked")
