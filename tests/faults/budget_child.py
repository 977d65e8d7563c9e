"""Run as a process of its own by the tests of budgets across processes: many threads reserve and settle, and say so."""

import os
import random
import sys
import threading
from datetime import UTC, datetime

from surefoot.adapters.sql.store import SqlStore
from surefoot.core.clock import FixedClock
from surefoot.domain.budgets import Account, Limit, Period, Reservation, Spend
from surefoot.domain.identity import TenantId
from surefoot.domain.policies import BudgetRule, ModelPolicy, SurfacePolicy, TenantPolicy
from surefoot.governance.budgets import Budgets

NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
ACME = TenantId("acme")
MOST_RESERVED = 1_000


def budgets_on(store: SqlStore, limit: int, now: datetime = NOW) -> Budgets:
    """So many billionths of a dollar a month for all of acme, half of it for each viewer."""
    rules = (BudgetRule(Limit(limit), Period.MONTH), BudgetRule(Limit(limit // 2), Period.MONTH, per_viewer=True))
    return Budgets(store, FixedClock(now), ModelPolicy({}, TenantPolicy({"help": SurfacePolicy()}, rules)))


def say(line: str) -> None:
    """The line is with the parent, whatever happens to this process next."""
    os.write(1, f"{line}\n".encode())


def spend(budgets: Budgets, seed: int, times: int | None) -> None:
    """Reserves and settles so often, or for ever; a token is spent each time, and what was settled is said."""
    chance, done = random.Random(seed), 0
    account = Account("help", f"viewer{seed % 4}")
    while times is None or done < times:
        done += 1
        amount = Spend(chance.randint(1, MOST_RESERVED), 1)
        held = budgets.reserve(ACME, account, amount)
        if isinstance(held, Reservation):
            actual = Spend(chance.randint(0, amount.nano_usd), 1)
            budgets.settle(ACME, held, actual)
            say(f"settled {actual.nano_usd}")
        else:
            say("refused 0")


def main() -> None:
    """`budget_child URL LIMIT FIRST_SEED THREADS TIMES`; TIMES 0 is for ever. Begins when a line comes in."""
    url, *numbers = sys.argv[1:]
    limit, first, threads, times = map(int, numbers)
    store = SqlStore(url)
    budgets = budgets_on(store, limit)
    say("ready")
    sys.stdin.readline()
    running = [
        threading.Thread(target=spend, args=(budgets, seed, times or None), daemon=True) for seed in range(first, first + threads)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    store.close()


if __name__ == "__main__":
    main()
