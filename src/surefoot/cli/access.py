"""`surefoot access`: who may read one document; takes effect on the next question, nothing is re-indexed."""

from typing import Annotated

import typer

from surefoot.cli.context import (
    DataDirOption,
    JsonOption,
    TenantOption,
    existing_tenant,
    plain_errors,
    principals_option,
    print_json,
    print_line,
    product,
)
from surefoot.core.errors import NotFound
from surefoot.domain.documents import document_id


def access(
    uri: Annotated[str, typer.Argument(help="The document's uri, as `surefoot documents list` shows it.")],
    principals: Annotated[
        list[str] | None,
        typer.Argument(help="everyone, user:, group:, role:, plan:, or nobody. Without any, the rights are shown."),
    ] = None,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or replace the principals that may read a document."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        wanted = principals_option(principals)
        changed = wanted is not None and surefoot.ingest.set_rights(name, uri, wanted)
        document = document_id(name, uri)
        with surefoot.store.begin() as work:
            if work.documents.get(name, document) is None:
                raise NotFound(f"There is no document {uri!r} in tenant {name!r}; `surefoot documents list` shows what there is.")
            current = sorted(work.access.of(name, [document]).get(document, frozenset()))
    if as_json:
        print_json({"uri": uri, "principals": current, "changed": changed})
    else:
        print_line(f"{uri}: {', '.join(current) or 'nobody (private)'}{' (changed)' if changed else ''}")
