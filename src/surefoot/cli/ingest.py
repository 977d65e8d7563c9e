"""`surefoot ingest`: a folder, a file or a URL into a tenant's corpus."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from surefoot.bootstrap import Surefoot
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
    progress_console,
)
from surefoot.core.errors import InvalidInput, WriterBusy
from surefoot.domain.corpora import IngestReport, SkippedFile
from surefoot.domain.identity import Principal, TenantId
from surefoot.retrieval import ingest as use_case
from surefoot.retrieval.lease import LEASE_SECONDS
from surefoot.retrieval.options import read_limits
from surefoot.retrieval.readers import RawFile
from surefoot.retrieval.sources import walk

_SHOWN_LINES = 20


def ingest(
    path: Annotated[str | None, typer.Argument(help="Folder, file or http(s) URL. May be left out with --reindex.")] = None,
    tenant: TenantOption = None,
    access: Annotated[
        list[str] | None,
        typer.Option(
            "--access", help="Principal for documents that state no rights, e.g. everyone; repeatable. Default: private."
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Name of this feed; default: the folder's or file's name.")
    ] = None,
    keep_deleted: Annotated[bool, typer.Option("--keep-deleted", help="Keep documents that the feed no longer has.")] = False,
    mask_faq_headings: Annotated[
        bool, typer.Option("--mask-faq-headings", help="Leave the headings of FAQ sections out of the index (for evals).")
    ] = False,
    reindex: Annotated[bool, typer.Option("--reindex", help="Encode and index everything afresh first.")] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish documents. Unchanged ones cost nothing; changed and deleted ones are replaced all at once."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        if path is None and not reindex:
            raise InvalidInput("Give a folder, a file or a URL to ingest, or --reindex.")
        report = None
        if reindex:
            with progress_bar() as tell:
                report = _waiting_for_the_lease(lambda: surefoot.ingest.reindex(name, progress=tell))
        if path is not None:
            report = ingest_path(
                surefoot,
                name,
                path,
                source=source,
                access=principals_option(access),
                keep_deleted=keep_deleted,
                mask=mask_faq_headings,
            )
        assert report is not None
        if as_json:
            print_json(asdict(report))
        else:
            print_report(name, report)


def ingest_path(
    surefoot: Surefoot,
    tenant: TenantId,
    path: str,
    *,
    source: str | None = None,
    access: frozenset[Principal] | None = None,
    keep_deleted: bool = False,
    mask: bool = False,
) -> IngestReport:
    """The folder, file or URL is published, with a progress bar on stderr. Raises InvalidInput when there is no such path."""

    def put() -> IngestReport:
        files, feed, may_prune = _files(surefoot, tenant, path)
        with progress_bar() as tell:
            return surefoot.ingest.put(
                tenant,
                files,
                source=source or feed,
                default_principals=access,
                prune=may_prune and not keep_deleted,
                mask_faq_headings=mask,
                progress=tell,
            )

    return _waiting_for_the_lease(put)


def _waiting_for_the_lease(write: Callable[[], IngestReport]) -> IngestReport:
    """The report of the write. While another writer holds the tenant it is tried again each second, for as long as a
    writer that was killed would go on holding it; then WriterBusy is raised.
    """
    for second in range(LEASE_SECONDS + 1):
        try:
            return write()
        except WriterBusy as error:
            if second == LEASE_SECONDS:
                raise
            if second == 0:
                progress_console.print(
                    f"[{error.code}] another writer holds this tenant; waiting up to {LEASE_SECONDS} s.", markup=False
                )
            Event().wait(1.0)
    raise AssertionError("The loop above returns or raises.")


def _files(surefoot: Surefoot, tenant: TenantId, path: str) -> tuple[Iterator[RawFile | SkippedFile], str, bool]:
    """The raw files, the feed's default name, and whether the feed is whole, so that what it lacks may be deleted."""
    if path.startswith(("http://", "https://")):
        fetched = surefoot.fetcher.fetch(tenant, path, max_bytes=surefoot.settings.max_document_bytes, timeout_seconds=30.0)
        raw = RawFile(fetched.url, fetched.body, fetched.media_type, fetched.last_modified, None)
        return iter([raw]), path, False
    place = Path(path)
    if not place.exists():
        raise InvalidInput(f"There is no file or folder {path!r}.")
    return walk(place, limits=read_limits(surefoot.settings)), place.resolve().name, True


@contextmanager
def progress_bar() -> Iterator[use_case.Progress]:
    """A bar on stderr that follows an ingest through its stages; nothing is drawn when stderr is not a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    words = {"read": "reading files", "encode": "encoding chunks", "index": "building the index"}
    with Progress(*columns, console=progress_console, disable=not progress_console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(words[stage], total=total or None)
            bar.update(tasks[stage], completed=done, total=total or None)

        yield tell
        for task in tasks.values():
            bar.update(task, total=bar.tasks[task].completed)


def print_report(tenant: TenantId, report: IngestReport) -> None:
    """The summary, then every warning and skipped file with its reason; long lists say how many more there are."""
    print_line(
        f"{tenant}: {report.added} added, {report.changed} changed, {report.deleted} deleted, {report.unchanged} unchanged, "
        f"{report.rights_changed} with new rights; {report.chunks} chunks in all, {report.encoded_chunks} encoded, "
        f"generation {report.generation}, {report.seconds:.1f} s"
    )
    lines = [f"warning: {warning}" for warning in report.warnings]
    lines += [f"skipped: {file.uri}: {file.reason}" for file in report.skipped]
    for line in lines[:_SHOWN_LINES]:
        print_line(line)
    if len(lines) > _SHOWN_LINES:
        print_line(f"... and {len(lines) - _SHOWN_LINES} more; --json lists them all")
