"""An hour of questions to one serving process: does anything grow, leak or break?

    python -m benchmarks.soak --minutes 60 [--rate 4] [--seed 1] [--json]

The product serves the sample tenant from SQLite over real sockets; its one model is behind a provider on loopback, of whose
calls 5 % answer 429, 5 % 500, 2 % never, 3 % break off, and of the rest most are honest, some nonsense, some obedient to what
they read. People ask alone, in conversations and with streams; some hang up half way. Now and then a document changes, and one
is hidden and shown again. Caches are kept small, so that they are full early and growth after that is none of theirs.

It fails when a call met a 5xx other than 503 with Retry-After, an answer had an uncited claim, a hidden document was cited, or
a reservation is open, overdue or written off after the last call ended.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.measuring import table
from benchmarks.served import Served, policy_for, provided, served
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.clock import SystemClock
from surefoot.domain.documents import document_id
from surefoot.domain.policies import ModelPolicy
from surefoot.evals.cases import AskCase
from surefoot.governance.budgets import WRITTEN_OFF, Budgets
from surefoot.sample.golden import golden_cases
from surefoot.sample.tenant import TENANT, documents_folder, people

SHARES = {
    "honest+429=1": 5,
    "honest+500": 5,
    "honest+hung": 2,
    "honest+truncated": 3,
    "honest": 65,
    "chaos": 10,
    "obey": 10,
}
DEADLINE_SECONDS = 4.0
# What people do, and how often of a hundred times; a conversation is three questions.
DEEDS = {"ask": 52, "stream": 18, "hang_up_stream": 6, "hang_up": 6, "converse": 14, "publish": 2, "hide": 2}
CHANGING = documents_folder() / "payments" / "refunds.md"
FOLLOW_UPS = ("And for bank transfers?", "What does that cost?", "Who may change it?")
SETTINGS = {"encoder_threads": 1, "answer_cache_size": 256, "query_cache_size": 256, "events_seconds": 30}
SAMPLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The process and its database at one moment."""

    minute: float
    rss_mb: float
    files: int
    threads: int
    tasks: int
    calls: int
    ledger_rows: int
    spent_usd: float
    spent_tokens: int
    reserved_tokens: int
    open_reservations: int
    overdue_reservations: int
    written_off: int
    database_mb: float


@dataclass(slots=True)
class Seen:
    """What the callers met. `broken` are the rules that did not hold, in words."""

    outcomes: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)
    checked_while_hidden: int = 0

    def status(self, answer: httpx.Response, body: bytes = b"") -> bool:
        """Whether it is a success; the status is counted, and what must never be is noted."""
        code = str(answer.status_code)
        if answer.status_code >= 400:
            try:
                code += f" {json.loads(body or answer.content)['code']}"
            except (ValueError, KeyError, httpx.ResponseNotRead):
                code += " (no problem document)"
        self.outcomes[code] += 1
        if answer.status_code >= 500 and (answer.status_code != 503 or "retry-after" not in answer.headers):
            self.broken.append(f"{answer.request.method} {answer.request.url.path}: {code}")
        return answer.status_code < 400

    def reply(self, reply: dict[str, Any], hidden: str | None) -> None:
        """The reply is counted and held against the rules; `hidden` is a document that nobody could read all the while."""
        self.tiers[reply["answer"]["tier"] if reply["kind"] == "answer" else f"refused: {reply['refusal']['reason']}"] += 1
        self.checked_while_hidden += hidden is not None
        if reply["degraded"]:
            self.degraded[reply["degraded"]] += 1
        claims = reply["answer"]["claims"] if reply["kind"] == "answer" else []
        for claim in claims:
            if not claim["citations"] or not all(cited["quote"].strip() for cited in claim["citations"]):
                self.broken.append(f"uncited claim in {reply['reply_id']}")
            if hidden is not None and hidden in {cited["document_id"] for cited in claim["citations"]}:
                self.broken.append(f"a hidden document is cited in {reply['reply_id']}")


class Callers:
    """Everybody who calls, from one event loop."""

    def __init__(self, site: Served, client: httpx.AsyncClient, seed: int) -> None:
        self.seen = Seen()
        self._site = site
        self._client = client
        self._dice = random.Random(seed)
        self._cases = [case for case in golden_cases() if not case.earlier]
        self._people = people()
        self._target = document_id(TENANT, CHANGING.relative_to(documents_folder()).as_posix())
        self._versions = 0
        self._changing = asyncio.Lock()
        # The document is hidden from everybody; a number of its own for every time.
        self._hidden = 0
        self._is_hidden = False

    async def once(self) -> None:
        """Somebody does something. A caller whose connection breaks notes it."""
        deed = self._dice.choices(list(DEEDS), list(DEEDS.values()))[0]
        self.seen.deeds[deed] += 1
        try:
            await getattr(self, f"_{deed}")(self._dice.choice(self._cases))
        except httpx.HTTPError as error:
            self.seen.outcomes[f"connection: {type(error).__name__}"] += 1
            self.seen.broken.append(f"{deed}: {type(error).__name__}")

    def _question(self, case: AskCase, **more: object) -> dict[str, Any]:
        # A limit of its own makes most questions new to the cache of answers.
        return {"question": case.question, "limit": self._dice.randint(5, 20), **more}

    @contextmanager
    def _hidden_all_the_while(self) -> Iterator[list[str | None]]:
        """The document that is hidden, in a list that is read after the block: None when it was shown at any moment of it."""
        before, told = (self._hidden, self._is_hidden), list[str | None]()
        yield told
        told.append(self._target if before == (self._hidden, True) == (self._hidden, self._is_hidden) else None)

    async def _ask(self, case: AskCase, **more: object) -> None:
        person = self._people[case.viewer]
        began = time.perf_counter()
        with self._hidden_all_the_while() as hidden:
            answer = await self._client.post("/v1/ask", json=self._question(case, **more), headers=self._site.viewer(person))
        if self.seen.status(answer):
            self.seen.latencies_ms.append((time.perf_counter() - began) * 1000)
            self.seen.reply(answer.json(), hidden[0])

    async def _stream(self, case: AskCase, *, events: int | None = None) -> None:
        headers = self._site.viewer(self._people[case.viewer]) | {"Accept": "text/event-stream"}
        with self._hidden_all_the_while() as hidden:
            last, name = "", ""
            async with self._client.stream("POST", "/v1/ask", json=self._question(case), headers=headers) as answer:
                if not self.seen.status(answer, await answer.aread() if answer.status_code >= 400 else b""):
                    return
                async for line in answer.aiter_lines():
                    field_name, _, value = line.partition(": ")
                    name = value if field_name == "event" else name
                    last = value if field_name == "data" else last
                    if not line and events is not None and (events := events - 1) <= 0:
                        self.seen.outcomes["hung up on a stream"] += 1
                        return
        if name == "error":
            self.seen.outcomes[f"event {json.loads(last)['code']}"] += 1
        elif name != "reply":
            self.seen.broken.append(f"a stream ended with {name!r}")
        else:
            self.seen.reply(json.loads(last), hidden[0])

    async def _hang_up_stream(self, case: AskCase) -> None:
        await self._stream(case, events=1)

    async def _hang_up(self, case: AskCase) -> None:
        try:
            async with asyncio.timeout(self._dice.uniform(0.005, 0.3)):
                await self._ask(case)
        except TimeoutError:
            self.seen.outcomes["hung up"] += 1

    async def _converse(self, case: AskCase) -> None:
        headers = self._site.viewer(self._people[case.viewer])
        started = await self._client.post("/v1/conversations", json={}, headers=headers)
        if not self.seen.status(started):
            return
        conversation = started.json()["conversation_id"]
        await self._ask(case, conversation_id=conversation)
        for words in self._dice.sample(FOLLOW_UPS, 2):
            await self._ask(case.model_copy(update={"question": words}), conversation_id=conversation)

    async def _publish(self, case: AskCase) -> None:
        async with self._changing:
            self._versions += 1
            text = f"{CHANGING.read_text(encoding='utf-8')}\n\nThis page was last looked over in round {self._versions % 7}.\n"
            readers = [] if self._is_hidden else ["everyone"]
            body = {"uri": "payments/refunds.md", "content": text, "media_type": "text/markdown", "principals": readers}
            self.seen.status(await self._client.put("/v1/documents", json=body, headers=self._site.ingest_key))

    async def _hide(self, case: AskCase) -> None:
        async with self._changing:
            showing = self._is_hidden
            self._is_hidden = False
            body = {"principals": ["everyone"] if showing else []}
            path = f"/v1/documents/{self._target}/access"
            answer = await self._client.put(path, json=body, headers=self._site.ingest_key)
            if self.seen.status(answer) and not showing:
                self._hidden, self._is_hidden = self._hidden + 1, True


class Watch:
    """Reads the process and its database from outside; its own connection changes nothing in either."""

    def __init__(self, site: Served, policy: ModelPolicy, callers: Callers, client: httpx.AsyncClient) -> None:
        self._site = site
        self._callers = callers
        self._client = client
        self._store = SqlStore(f"sqlite:///{site.folder / 'surefoot.db'}")
        self._budgets = Budgets(self._store, SystemClock(), policy)
        self._began = time.monotonic()

    async def sample(self) -> Sample:
        """Everything as it is now."""
        tasks = (await self._client.get("/tasks")).json()
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self._site.pid}/status").read_text().splitlines() if ":" in line
        )
        with self._store.begin() as work:
            still_open = work.meters.open_reservations(TENANT)
            written_off = len(work.events.recent(TENANT, limit=100, type_prefix=WRITTEN_OFF))
        now = SystemClock().now()
        overdue = sum(reservation.expires_at < now for reservation in still_open)
        whole = [each.state for each in self._budgets.report(TENANT).meters if each.state.key.surface == ""]
        meter = max(whole, key=lambda state: state.spent.tokens, default=None)
        files = [path.stat().st_size for path in self._site.folder.glob("surefoot.db*")]
        return Sample(
            minute=round((time.monotonic() - self._began) / 60, 2),
            rss_mb=round(int(status["VmRSS"].split()[0]) / 1024, 1),
            files=len(list(Path(f"/proc/{self._site.pid}/fd").iterdir())),
            threads=int(status["Threads"]),
            tasks=tasks,
            calls=self._callers.seen.outcomes.total(),
            ledger_rows=self._store.replies.count(TENANT),
            spent_usd=round(meter.spent.usd, 6) if meter else 0.0,
            spent_tokens=meter.spent.tokens if meter else 0,
            reserved_tokens=meter.reserved.tokens if meter else 0,
            open_reservations=len(still_open),
            overdue_reservations=overdue,
            written_off=written_off,
            database_mb=round(sum(files) / 1e6, 2),
        )

    def close(self) -> None:
        """The database is left."""
        self._store.close()


async def soak(site: Served, policy: ModelPolicy, *, minutes: float, rate: float, seed: int) -> tuple[list[Sample], Seen]:
    """Everything that was seen; the last sample is taken after the last call has ended."""
    # The server closes a connection that was idle for five seconds; a call that is on its way then would be lost.
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=20, keepalive_expiry=2.0)
    # Nobody waits longer than a question may take, however long it queued, with room for a busy machine.
    async with httpx.AsyncClient(base_url=site.url, timeout=60.0, limits=limits, trust_env=False) as client:
        callers = Callers(site, client, seed)
        watch, samples, dice = Watch(site, policy, callers, client), list[Sample](), random.Random(seed)
        every = min(SAMPLE_SECONDS, minutes * 60 / 20)
        now = time.monotonic()
        end, next_sample, next_call = now + minutes * 60, now, now
        async with asyncio.TaskGroup() as calls:
            while (now := time.monotonic()) < end:
                if now >= next_sample:
                    samples.append(await watch.sample())
                    print(json.dumps(asdict(samples[-1])), flush=True)
                    next_sample += every
                if now >= next_call:
                    calls.create_task(callers.once())
                    next_call += dice.expovariate(rate)
                await asyncio.sleep(max(0.0, min(next_call, next_sample) - time.monotonic()))
        # Calls whose callers hung up are still ending.
        await asyncio.sleep(DEADLINE_SECONDS + 1)
        samples.append(await watch.sample())
        watch.close()
    return samples, callers.seen


def verdict(samples: list[Sample], seen: Seen) -> list[str]:
    """The rules that did not hold."""
    last = samples[-1]
    found = [f"{count} times: {what}" for what, count in Counter(seen.broken).most_common()]
    if last.open_reservations or last.reserved_tokens:
        found.append(f"{last.open_reservations} reservations ({last.reserved_tokens} tokens) are open after the last call")
    overdue = max(sample.overdue_reservations for sample in samples)
    if overdue:
        found.append(f"{overdue} reservations were open beyond their time")
    if last.written_off:
        found.append(f"{last.written_off} times reservations were written off")
    return found


def summary(samples: list[Sample], seen: Seen) -> dict[str, Any]:
    """The run in figures; the slope is of a straight line through everything after the first tenth."""

    def at(share: float) -> Sample:
        return samples[min(len(samples) - 1, round(share * (len(samples) - 1)))]

    settled = [sample for sample in samples if sample.minute >= samples[-1].minute * 0.1]
    hours, rss = [sample.minute / 60 for sample in settled], [sample.rss_mb for sample in settled]
    slope = float(np.polyfit(hours, rss, 1)[0]) if len(settled) > 1 else 0.0
    return {
        "minutes": samples[-1].minute,
        "calls": samples[-1].calls,
        "points": [asdict(at(share)) for share in (0.1, 0.5, 1.0)],
        "rss_mb_per_hour": round(slope, 2),
        "latency_ms": [round(float(np.percentile(seen.latencies_ms or [0], share)), 1) for share in (50, 95, 99)],
        "deeds": dict(seen.deeds.most_common()),
        "replies_while_a_document_was_hidden": seen.checked_while_hidden,
        "outcomes": dict(seen.outcomes.most_common()),
        "replies": dict(seen.tiers.most_common()),
        "degraded": dict(seen.degraded.most_common()),
        "broken": verdict(samples, seen),
    }


def main() -> int:
    """Prints every sample as it is taken, then the summary; 1 when a rule did not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--rate", type=float, default=4.0, help="calls a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="surefoot-soak-") as folder, provided(SHARES, seed=options.seed) as provider:
        policy = policy_for(provider.base_url, deadline_seconds=DEADLINE_SECONDS)
        with served(Path(folder), policy, **SETTINGS) as site:
            samples, seen = asyncio.run(soak(site, policy, minutes=options.minutes, rate=options.rate, seed=options.seed))
            requests = provider.requests()
    result = summary(samples, seen) | {"provider_calls": requests}
    if options.json:
        print(json.dumps(result))
        return 1 if result["broken"] else 0
    head = ("at", *asdict(samples[0]))
    names = ("10 %", "50 %", "100 %")
    rows = [[name, *map(str, point.values())] for name, point in zip(names, result["points"], strict=True)]
    print("\n" + table(head, rows))
    for name in (name for name in result if name not in ("points", "broken")):
        print(f"{name}: {result[name]}")
    print("\nEvery rule held." if not result["broken"] else "BROKEN:\n" + "\n".join(result["broken"]))
    return 1 if result["broken"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
