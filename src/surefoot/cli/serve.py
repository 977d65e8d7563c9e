"""`surefoot serve`: the HTTP API, one or several worker processes on the same data."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import uvicorn

from surefoot.cli.context import DataDirOption, loaded, plain_errors, product, progress_console
from surefoot.core.redaction import log_config
from surefoot.core.settings import ENV_PREFIX

_COUNTS = "PROMETHEUS_MULTIPROC_DIR"


def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Processes; one a core is a good number.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Serve the HTTP API until interrupted."""
    with plain_errors():
        settings = loaded(host=host, port=port, workers=workers, data_dir=data_dir).settings
        # Migrating and checking once here gives one clear error instead of one per worker.
        with product(data_dir=data_dir) as surefoot:
            surefoot.store.check()
    # Workers are fresh processes: they read the same settings, and find what came from the command line in the environment.
    given = {"host": host, "port": port, "workers": workers, "data_dir": data_dir and data_dir.resolve()}
    os.environ |= {f"{ENV_PREFIX}{key.upper()}": str(value) for key, value in given.items() if value is not None}
    progress_console.print(f"surefoot: http://{settings.host}:{settings.port}  data in {settings.data_dir}", highlight=False)
    with shared_counts(settings.workers):
        uvicorn.run(
            "surefoot.api.server:create",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            log_level="warning",
            log_config=log_config(form=settings.log_format),
            server_header=False,
        )


@contextmanager
def shared_counts(workers: int) -> Iterator[None]:
    """Within the block several workers count into one folder of their own, so that whichever of them is scraped tells the sum
    of all; the folder is gone afterwards. A single worker counts in memory.
    """
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="surefoot-metrics-") as folder:
        # Read by the workers when they import the client; this process has imported it already and counts nothing.
        os.environ[_COUNTS] = folder
        try:
            yield
        finally:
            del os.environ[_COUNTS]
