"""What of an action survives when processes that act are killed, over and over, with real SIGKILLs on a real store.

    python -m benchmarks.action_kills [--kills 2000] [--seconds 0] [--url sqlite] [--seed 1] [--json]

Each life is proposed, approved, applied and undone against the sample's backend, over HTTP or in the same process, and is killed
once: two of three at a named point, the others at a random moment. Fresh processes go on. After each kill is counted what was
lost (acknowledged or begun, and not there), what was doubled (more effects at the host than runs) and what else was wrong: caps,
consumed plans, approvals, the host's state hash after the undo, the audit chain.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

from tests.faults.action_proof import WAYS, House, Tally, house

from surefoot.adapters.sql.store import SqlStore

# So many lives share a database; a new one keeps what is checked after each life small.
LIVES_A_HOUSE = 200


def _house_full(home: House, random: Random, tally: Tally, kills: int, ends_at: float) -> None:
    """So many more kills in this house, or as many as there is time for."""
    wanted, lives = tally.kills.total() + kills, 0
    with ExitStack() as held:
        lengths = {}
        for way in WAYS:
            # A life that nobody kills says how many points this way has.
            lengths[way] = len(home.survive(home.begin(way, lives, held), tally).points)
            lives += 1
        while tally.kills.total() < wanted and time.monotonic() < ends_at:
            way = random.choice(WAYS)
            life = home.begin(way, random.randrange(100), held)
            if random.random() < 2 / 3:
                home.survive(life, tally, dies_at=random.randint(1, lengths[way]))
            else:
                home.survive(life, tally, lives_seconds=0.003 * 2 ** (7 * random.random()))


def main() -> int:
    """Prints the figures; 1 when anything was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after so long, however many there were")
    parser.add_argument("--url", default="sqlite", help="sqlite, or the URL of an empty PostgreSQL database")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    random, tally, begin = Random(options.seed), Tally(), time.monotonic()
    ends_at = begin + options.seconds if options.seconds else float("inf")
    while tally.kills.total() < options.kills and time.monotonic() < ends_at:
        left = options.kills - tally.kills.total()
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/surefoot.db" if options.url == "sqlite" else options.url
            store = SqlStore(url)
            store.migrate()
            store.close()
            with house(url, Path(folder)) as home:
                _house_full(home, random, tally, min(left, LIVES_A_HOUSE) if options.url == "sqlite" else left, ends_at)
    at_points = {point: count for point, count in tally.kills.items() if not point.startswith("after ")}
    told = {
        "kills": tally.kills.total(),
        "at_named_points": sum(at_points.values()),
        "at_random_moments": tally.kills.total() - sum(at_points.values()),
        "lives_that_ended_first": tally.survived,
        "points": dict(sorted(at_points.items())),
        "lost": tally.lost,
        "doubled": tally.doubled,
        "wrong": tally.wrong,
        "seconds": round(time.monotonic() - begin),
    }
    if options.json:
        print(json.dumps(told))
    else:
        for name, value in told.items():
            print(f"{name}: {value}")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
