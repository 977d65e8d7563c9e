"""How much the ledger gains by sharing durable commits: appends a second, alone and in company, in one run on one disk.

    python -m benchmarks.ledger [--threads 1 8 32 128] [--seconds 3] [--folder FOLDER] [--json]

`single` is the floor: one thread that commits each row by itself with SQLite's synchronous=FULL. `group N` are N threads
that call `ReplyLedger.append`. The ratio is what holds between machines, the rates are not.
"""

import argparse
import json
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from surefoot.adapters.sql.store import SqlStore
from surefoot.domain.answers import Refusal, RefusalReason
from surefoot.domain.identity import TenantId
from surefoot.domain.replies import Reply

TENANT = TenantId("bench")
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def reply(name: str) -> Reply:
    """A refusal of ordinary length."""
    outcome = Refusal(RefusalReason.INSUFFICIENT_EVIDENCE, "The documents do not say.", ("Add a page about it.",))
    return Reply(
        name, "How do I rotate the signing key of a workspace?", outcome, "version", MOMENT, {"encode": 2.5, "search": 1.0}
    )


def single(store: SqlStore, seconds: float) -> float:
    """Rows a second when each is a unit of work of its own: the tenants table stands in for the ledger's row."""
    rows, end, begin = 0, time.perf_counter() + seconds, time.perf_counter()
    while time.perf_counter() < end:
        with store.begin() as work:
            work.tenants.create(TenantId(f"t{rows}"), now=MOMENT)
            work.commit()
        rows += 1
    return rows / (time.perf_counter() - begin)


def grouped(store: SqlStore, threads: int, seconds: float) -> tuple[float, float]:
    """Rows a second of all threads together, and the 95th percentile of one append in milliseconds."""
    start = threading.Barrier(threads + 1)
    waits: list[float] = []

    def run(number: int) -> None:
        mine = []
        start.wait()
        end = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < end:
            store.replies.append(TENANT, "viewer", reply(f"ans_{threads}_{number}_{len(mine)}"))
            mine.append(time.perf_counter() - begin)
        waits.extend(mine)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    begin = time.perf_counter()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - begin
    return len(waits) / took, sorted(waits)[int(len(waits) * 0.95)] * 1000


def main() -> None:
    """Prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--folder", type=Path, default=None, help="where to write; the disk that is measured")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = SqlStore(f"sqlite:///{folder}/surefoot.db")
        store.migrate()
        floor = single(store, options.seconds)
        rows = [{"name": "single", "rows_per_second": round(floor), "ratio": 1.0, "p95_ms": None}]
        for threads in options.threads:
            rate, p95 = grouped(store, threads, options.seconds)
            rows.append(
                {
                    "name": f"group {threads}",
                    "rows_per_second": round(rate),
                    "ratio": round(rate / floor, 2),
                    "p95_ms": round(p95, 2),
                }
            )
        store.close()
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(f"{row['name']:>10} {row['rows_per_second']:>8}/s  x{row['ratio']}  p95 {row['p95_ms']} ms")


if __name__ == "__main__":
    main()
