"""`surefoot documents`: what a tenant's corpus holds, and taking documents out of it."""

from typing import Annotated, Any

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
from surefoot.cli.ingest import print_report
from surefoot.domain.documents import Document, DocumentId
from surefoot.domain.identity import Principal

app = typer.Typer(no_args_is_help=True, help="List and delete published documents.")
_PAGE = 200


@app.command("list")
def list_documents(tenant: TenantOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Every published document with its date, trust and readers, one a line."""
    rows: list[dict[str, Any]] = []
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        after: DocumentId | None = None
        while True:
            with surefoot.store.begin() as work:
                page = work.documents.page(name, after=after, limit=_PAGE)
                rights = work.access.of(name, [document.document_id for document in page])
            rows += [_row(document, rights.get(document.document_id, frozenset())) for document in page]
            if len(page) < _PAGE:
                break
            after = page[-1].document_id
    rows.sort(key=lambda row: str(row["uri"]))
    if as_json:
        print_json(rows)
        return
    for row in rows:
        moment = row["updated_at"]
        dated = f"{moment:%Y-%m-%d}" if moment else "undated   "
        print_line(f"{dated}  {row['trust']:<9}  {', '.join(row['principals']) or 'nobody':<24}  {row['uri']}")


def _row(document: Document, principals: frozenset[Principal]) -> dict[str, Any]:
    return {
        "uri": document.uri,
        "title": document.title,
        "updated_at": document.updated_at,
        "valid_until": document.valid_until,
        "trust": str(document.trust),
        "source": document.source,
        "principals": sorted(principals),
    }


@app.command("delete")
def delete_documents(
    uris: Annotated[list[str], typer.Argument(help="The documents' uris.")],
    tenant: TenantOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take documents out of the corpus, with their chunks, vectors and rights."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        if not yes:
            typer.confirm(f"Delete {len(uris)} documents of {name}?", abort=True, err=True)
        report = surefoot.ingest.delete(name, uris)
    if as_json:
        print_json({"deleted": report.deleted, "generation": report.generation})
    else:
        print_report(name, report)
