"""`surefoot init`: a tenant, its keys and its settings file, ready to ask."""

from pathlib import Path
from typing import Annotated

import typer

from surefoot.cli.context import DataDirOption, TenantOption, plain_errors, principals_option, print_line, product, tenant_of
from surefoot.cli.ingest import ingest_path, print_report
from surefoot.cli.signing import ensure_signing_key
from surefoot.core.settings import FILE_NAME
from surefoot.domain.keys import Scope
from surefoot.governance.server_keys import create


def init(
    docs: Annotated[str | None, typer.Argument(help="Folder, file or URL to ingest at once.")] = None,
    tenant: TenantOption = None,
    access: Annotated[
        list[str] | None,
        typer.Option("--access", help="Principal for documents that state no rights; repeatable. Default: private."),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Create a tenant with a server key and a development signing key; write surefoot.toml; ingest DOCS when given."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = tenant_of(surefoot, tenant)
        now = surefoot.clock.now()
        with surefoot.store.begin() as work:
            is_new = work.tenants.create(name, now=now)
            work.commit()
        ensure_signing_key(surefoot, name)
        print_line(f"tenant {name}: {'created' if is_new else 'exists already'}, data in {surefoot.settings.data_dir}")
        if is_new:
            key, secret = create(name, [Scope.INGEST, Scope.ADMIN], label="init", now=now)
            with surefoot.store.begin() as work:
                work.tenants.add_key(name, key)
                work.commit()
            print_line(f"server key (shown once, keep it secret): {secret}")
        if _write_settings(Path.cwd() / FILE_NAME, surefoot.settings.data_dir, name):
            print_line(f"wrote {FILE_NAME}")
        if docs is not None:
            print_report(name, ingest_path(surefoot, name, docs, access=principals_option(access)))
        else:
            print_line(f"next: surefoot ingest ./docs --tenant {name} --access everyone")
        print_line(f'then: surefoot ask "your question" --tenant {name}')
        print_line("and:  surefoot serve")


def _write_settings(path: Path, data_dir: Path, tenant: str) -> bool:
    """A new settings file that names data folder and tenant; an existing file is left alone and False returned."""
    if path.exists():
        return False
    shown = data_dir.as_posix().replace("\\", "\\\\").replace('"', '\\"')
    path.write_text(
        f'# Settings of surefoot; `surefoot doctor --settings` lists them all.\ntenant = "{tenant}"\ndata_dir = "{shown}"\n',
        encoding="utf-8",
    )
    return True
