"""What callers notice when a provider hangs, and when twice as many people ask as can be served; over real sockets.

    python -m benchmarks.model_outage [--part hung|overload] [--seconds 30] [--json]

hung: every question is offered to a model whose provider never answers. How long after its deadline the quoted answer comes,
until the circuits are open, and how fast answers are from then on.

overload: a provider that takes a fixed time. Capacity is what a closed loop gets through; then questions come at twice that
rate, whatever becomes of the earlier ones. Latency of those that were let in, against the deadline of the surface, and whether
everyone else was told when to come back. Load and server share the machine, so capacity is below that of a server alone.
"""

import argparse
import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import numpy as np

from benchmarks.measuring import table
from benchmarks.served import Served, policy_for, provided, served
from surefoot.domain.answers import Tier
from surefoot.domain.models import ModelCard
from surefoot.domain.policies import CatalogEntry, Endpoint, ModelPolicy, SurfacePolicy, TenantPolicy
from surefoot.sample.golden import golden_cases
from surefoot.sample.tenant import people

HUNG_DEADLINE_SECONDS = 0.5
# A circuit opens after five failures in a row, so as many surfaces, each with a model of its own, give eight times five.
SURFACES = 8
FAILURES_TO_OPEN = 5
OVERLOAD_DEADLINE_SECONDS = 2.0
PROVIDER_SECONDS = 0.2
CLOSED_CALLERS, CLOSED_SECONDS, WARM_UP_SECONDS = 48, 10.0, 4.0
SETTINGS = {"encoder_threads": 1, "answer_cache_size": 0, "events_seconds": 0}


@dataclass(slots=True)
class Answered:
    """What came of many questions."""

    admitted_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals_without_retry_after: int = 0


class Asking:
    """People who ask a served product; every question is likely to be new to it."""

    def __init__(self, site: Served, client: httpx.AsyncClient, seed: int = 1) -> None:
        self._site = site
        self._client = client
        self._dice = random.Random(seed)
        self._people = people()
        self._cases = [case for case in golden_cases() if case.expect == "answer" and not case.earlier]

    async def ask(self, into: Answered, *, surface: str = "help") -> None:
        """One question, timed from its sending to the last byte of its answer."""
        case = self._dice.choice(self._cases)
        body = {"question": case.question, "limit": self._dice.randint(5, 40), "surface": surface}
        headers = self._site.viewer(self._people[case.viewer])
        began = perf_counter()
        try:
            answer = await self._client.post("/v1/ask", json=body, headers=headers)
        except httpx.HTTPError as error:
            into.outcomes[f"connection: {type(error).__name__}"] += 1
            return
        took_ms = (perf_counter() - began) * 1000
        if answer.status_code == 200:
            reply = answer.json()
            into.admitted_ms.append(took_ms)
            into.outcomes[f"200 {reply['degraded'] or 'whole'}"] += 1
        else:
            into.refused_ms.append(took_ms)
            into.outcomes[f"{answer.status_code} {answer.json()['code']}"] += 1
            into.refusals_without_retry_after += "retry-after" not in answer.headers


def hung_policy(base_url: str) -> ModelPolicy:
    """Surfaces with a hung model each; every answer is offered to it."""
    names = [f"s{number}" for number in range(SURFACES)]
    catalog = {name: CatalogEntry(ModelCard(name, "loopback/honest+hung"), Endpoint("openai", base_url)) for name in names}
    surfaces = {
        name: SurfacePolicy({Tier.SMALL: (name,)}, HUNG_DEADLINE_SECONDS, escalate_floor=0.0, thin_margin=1.0) for name in names
    }
    # The first questions are asked where no model is, so that nothing cold is measured.
    return ModelPolicy(catalog, TenantPolicy({"help": SurfacePolicy(), **surfaces}))


def overload_policy(base_url: str) -> ModelPolicy:
    """One surface whose model takes a fixed time; every answer is offered to it."""
    made = policy_for(
        base_url,
        deadline_seconds=OVERLOAD_DEADLINE_SECONDS,
        model=f"honest+slow={PROVIDER_SECONDS}",
        thin_margin=1.0,
    )
    return ModelPolicy(made.catalog, TenantPolicy({**made.default.surfaces, "warm": SurfacePolicy()}))


def percentiles(milliseconds: list[float], *shares: int) -> list[float]:
    """Percentiles with one decimal; zeros when nothing was measured."""
    return [round(float(np.percentile(milliseconds or [0.0], share)), 1) for share in shares]


async def hung(site: Served) -> dict[str, Any]:
    """Lateness while circuits are closed, latency once they are open."""
    warm, late, quick = Answered(), Answered(), Answered()
    async with _client(site) as client:
        asking = Asking(site, client)
        for _ in range(40):
            await asking.ask(warm)
        for number in range(SURFACES * FAILURES_TO_OPEN):
            await asking.ask(late, surface=f"s{number % SURFACES}")
        for number in range(200):
            await asking.ask(quick, surface=f"s{number % SURFACES}")
    lateness = [took - HUNG_DEADLINE_SECONDS * 1000 for took in late.admitted_ms]
    p50, p95, most = percentiles(lateness, 50, 95, 100)
    return {
        "deadline_ms": HUNG_DEADLINE_SECONDS * 1000,
        "asked_while_hung": dict(late.outcomes),
        "beyond_deadline_ms": {"p50": p50, "p95": p95, "most": most},
        "asked_while_open": dict(quick.outcomes),
        "open_ms": dict(zip(("p50", "p95"), percentiles(quick.admitted_ms, 50, 95), strict=True)),
        "without_models_ms": dict(zip(("p50", "p95"), percentiles(warm.admitted_ms[10:], 50, 95), strict=True)),
    }


async def overload(site: Served, seconds: float) -> dict[str, Any]:
    """Capacity, then twice of it."""
    async with _client(site) as client:
        asking = Asking(site, client)
        for _ in range(40):
            await asking.ask(Answered(), surface="warm")
        await _closed_loop(asking, WARM_UP_SECONDS)
        closed = await _closed_loop(asking, CLOSED_SECONDS)
        capacity = len(closed.admitted_ms) / CLOSED_SECONDS
        opened = Answered()
        began = perf_counter()
        await _open_loop(lambda: asking.ask(opened), rate=2 * capacity, seconds=seconds)
        took = perf_counter() - began
    asked = opened.outcomes.total()
    return {
        "deadline_ms": OVERLOAD_DEADLINE_SECONDS * 1000,
        "provider_ms": PROVIDER_SECONDS * 1000,
        "capacity_per_second": round(capacity, 1),
        "closed_loop_ms": dict(zip(("p50", "p99"), percentiles(closed.admitted_ms, 50, 99), strict=True)),
        "offered_per_second": round(asked / seconds, 1),
        "seconds": round(took, 1),
        "asked": asked,
        "admitted_ms": dict(zip(("p50", "p95", "p99", "most"), percentiles(opened.admitted_ms, 50, 95, 99, 100), strict=True)),
        "admitted_beyond_deadline": sum(each > OVERLOAD_DEADLINE_SECONDS * 1000 for each in opened.admitted_ms),
        "share_refused": round(len(opened.refused_ms) / asked, 3),
        "refused_ms": dict(zip(("p50", "p99"), percentiles(opened.refused_ms, 50, 99), strict=True)),
        "refusals_without_retry_after": opened.refusals_without_retry_after,
        "outcomes": dict(opened.outcomes.most_common()),
    }


def _client(site: Served) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=2.0)
    return httpx.AsyncClient(base_url=site.url, timeout=60.0, limits=limits, trust_env=False)


async def _closed_loop(asking: Asking, seconds: float) -> Answered:
    """Each of so many callers asks again as soon as it has its answer."""
    into, end = Answered(), perf_counter() + seconds

    async def caller() -> None:
        while perf_counter() < end:
            await asking.ask(into)

    async with asyncio.TaskGroup() as callers:
        for _ in range(CLOSED_CALLERS):
            callers.create_task(caller())
    return into


async def _open_loop(call: Callable[[], Awaitable[None]], *, rate: float, seconds: float) -> None:
    """Calls begin at random moments at this rate, however many are still under way; returns when all have ended."""
    dice = random.Random(2)
    end = (moment := perf_counter()) + seconds
    async with asyncio.TaskGroup() as calls:
        while moment < end:
            calls.create_task(_made(call))
            moment += dice.expovariate(rate)
            await asyncio.sleep(max(0.0, moment - perf_counter()))


async def _made(call: Callable[[], Awaitable[None]]) -> None:
    await call()


def run(part: str, seconds: float) -> dict[str, Any]:
    """One part on a fresh tenant."""
    shares = {"honest": 1.0}
    with tempfile.TemporaryDirectory(prefix="surefoot-outage-") as folder, provided(shares) as provider:
        policy = hung_policy(provider.base_url) if part == "hung" else overload_policy(provider.base_url)
        with served(Path(folder), policy, **SETTINGS) as site:
            found = asyncio.run(hung(site) if part == "hung" else overload(site, seconds))
            return found | {"provider_calls": provider.requests()}


def main() -> None:
    """Prints a table for each part, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["hung", "overload"], nargs="+", default=["hung", "overload"])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the overload")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {part: run(part, options.seconds) for part in options.part}
    if options.json:
        print(json.dumps(found))
        return
    for part, figures in found.items():
        print(f"\n### {part}\n\n" + table(["what", "figure"], [[name, str(value)] for name, value in figures.items()]))


if __name__ == "__main__":
    main()
