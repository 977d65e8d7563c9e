"""What every command shares: settings from the working folder, a product for the length of a block, and how errors leave."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from surefoot.bootstrap import Surefoot, build
from surefoot.core.errors import InvalidInput, SurefootError, UnknownTenant
from surefoot.core.ids import is_tenant_id
from surefoot.core.settings import LoadedSettings, load_settings
from surefoot.core.visible import visible
from surefoot.domain.identity import Principal, TenantId, parse_principals
from surefoot.domain.policies import ModelPolicy

EXIT_OK, EXIT_GATE_FAILED, EXIT_USAGE, EXIT_ENVIRONMENT = 0, 1, 2, 3

progress_console = Console(stderr=True)

TenantOption = Annotated[str | None, typer.Option("--tenant", "-t", help="Tenant; default: `tenant` of the settings.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
ContextOption = Annotated[
    list[str] | None, typer.Option("--context", help="What the host states about the viewer, as name=value; repeatable.")
]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="Data folder; default: `data_dir` of the settings.")]


def loaded(**overrides: Any) -> LoadedSettings:
    """The settings of the working folder and environment, with these options of the command line on top."""
    return load_settings(folder=Path.cwd(), env=os.environ, overrides=overrides)


def stated(pairs: list[str] | None) -> dict[str, str]:
    """The pairs of `--context` by name. Raises InvalidInput for what is no pair, and for a name that comes twice."""
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, separator, value = pair.partition("=")
        if not separator or name in found:
            raise InvalidInput(f"--context {pair!r} is not name=value, or names something twice.")
        found[name] = value
    return found


@contextmanager
def product(*, policy: ModelPolicy | None = None, **overrides: Any) -> Iterator[Surefoot]:
    """A started product for the length of the block, closed afterwards whatever happens. Without a policy models.toml is in
    force.
    """
    surefoot = build(loaded(**overrides).settings, policy=policy)
    try:
        surefoot.start()
        yield surefoot
    finally:
        surefoot.close()


@contextmanager
def plain_errors() -> Iterator[None]:
    """A SurefootError becomes one line on stderr and the exit code of its kind: 2 for bad input, 3 for the environment."""
    try:
        yield
    except SurefootError as error:
        line = Text.assemble(("error", "bold red"), f" [{error.code}] {visible(str(error))}")
        progress_console.print(line, soft_wrap=True, highlight=False)
        usage = isinstance(error, InvalidInput) or error.status in (401, 403, 404)
        raise typer.Exit(EXIT_USAGE if usage else EXIT_ENVIRONMENT) from error


def tenant_of(surefoot: Surefoot, name: str | None) -> TenantId:
    """The tenant named, or the settings' own. Raises InvalidInput for what cannot name a tenant."""
    tenant = name or surefoot.settings.tenant
    if not is_tenant_id(tenant):
        raise InvalidInput(f"{tenant!r} cannot name a tenant; use 1-63 of a-z, 0-9, _ and -, beginning with a letter or digit.")
    return TenantId(tenant)


def existing_tenant(surefoot: Surefoot, name: str | None) -> TenantId:
    """The tenant named, or the settings' own; UnknownTenant when it was never created, so that a typo is not "no evidence"."""
    tenant = tenant_of(surefoot, name)
    with surefoot.store.begin() as work:
        if not work.tenants.exists(tenant):
            raise UnknownTenant(f"There is no tenant {tenant!r}; create it with `surefoot init --tenant {tenant}`.")
    return tenant


def principals_option(values: list[str] | None) -> frozenset[Principal] | None:
    """The principals given, `nobody` meaning none of them; None when the option was not given at all."""
    if not values:
        return None
    return parse_principals(value for value in values if value != "nobody")


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """One JSON document on stdout, indented, keys as given, moments in ISO 8601."""
    sys.stdout.write(visible(json.dumps(value, indent=2, ensure_ascii=False, default=str)) + "\n")


def print_line(text: str = "") -> None:
    """One line of data on stdout; what a terminal would act on is shown instead, whoever wrote it."""
    sys.stdout.write(visible(text) + "\n")
