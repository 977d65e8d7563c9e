"""Answers as server-sent events: only what is verified, in order, and nothing more is spent once the caller is gone."""

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from surefoot.api import streaming
from surefoot.core.errors import ModelUnavailable
from surefoot.domain.answers import Claim
from surefoot.domain.budgets import NOTHING_SPENT, Limit, MeterKey, Period, Spend
from surefoot.domain.documents import document_id
from surefoot.domain.identity import Principal
from tests.api.test_limits import JSON, Body, Message, call
from tests.api.world import ACME, World, world
from tests.asking import policy_of
from tests.writers import Hangs, Reply, Writer, claims, writer

SSE = {"accept": "text/event-stream"}
EASY = "How many business days until refunds reach the card?"
HARD = "Do refunds reach a Bitcoin wallet on the moon?"
SAID, ALSO_SAID = "Refunds reach the card within 5 business days.", "Bank transfers take ten days."
BOTH = claims(SAID, ALSO_SAID)
FALSE = claims(("Refunds reach the card within 9 business days.", SAID))

Events = list[tuple[str, Any]]


def parsed(body: bytes) -> Events:
    """The events of a whole stream, as a browser reads them (WHATWG HTML, section 9.2.6); their data is JSON."""
    found: Events = []
    name, data = "message", []
    for line in body.decode("utf-8").splitlines():
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                found.append((name, json.loads("\n".join(data))))
            name, data = "message", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
    assert (name, data) == ("message", []), "the last event is whole"
    return found


class Line:
    """A caller at the other end of the app: sends a question, reads what comes, and hangs up when told to."""

    def __init__(self, asked: World, question: str, *, streams: bool = True, on_read: Callable[[], None] = lambda: None) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_over = False
        self.gone = anyio.Event()
        self.may_read = anyio.Event()
        self.may_read.set()
        self._asked = asked
        self._request = [json.dumps({"question": question}).encode()]
        self._wants = JSON | asked.viewer() | (SSE if streams else {})
        self._on_read = on_read

    async def receive(self) -> Message:
        if self._request:
            return {"type": "http.request", "body": self._request.pop(), "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.may_read.wait()
        if message["type"] == "http.response.start":
            assert self.status == 0, "a response starts once"
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            assert self.status and not self.is_over
            self.body += message.get("body", b"")
            self.is_over = not message.get("more_body", False)
            self._on_read()

    async def talk(self) -> None:
        """The call, to its end."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/ask",
            "raw_path": b"/v1/ask",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in self._wants.items()],
            "client": ("192.0.2.1", 1),
            "server": ("surefoot.test", 80),
            "state": {},
        }
        await self._asked.client.app(scope, self.receive, self.send)

    @property
    def events(self) -> Events:
        return parsed(self.body)


def house(*replies: Reply, large: tuple[Reply, ...] = (), settings: dict[str, Any] | None = None, **surface: Any) -> "House":
    return House(replies, large, settings or {}, surface)


class House:
    """A world whose surface asks a small and a large writer."""

    def __init__(
        self, small: tuple[Reply, ...], large: tuple[Reply, ...], settings: dict[str, Any], surface: dict[str, Any]
    ) -> None:
        self.small = writer("small", *small)
        self.large = writer("large", *large)
        models: dict[str, Writer] = {"small": self.small} | ({"large": self.large} if large else {})
        policy = policy_of({"small": self.small}, {"large": self.large} if large else None, **surface)
        self._world: AbstractContextManager[World] = world(policy=policy, models=models, **settings)  # type: ignore[arg-type]

    def __enter__(self) -> "House":
        self.world = self._world.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._world.__exit__(*error)

    def stream(self, question: str = HARD, **more: Any) -> Line:
        line = Line(self.world, question, **more)
        self.world.client.run(line.talk)
        return line

    def metered(self) -> tuple[Spend, Spend]:
        now = self.world.clock.now()
        key = MeterKey("", "", Period.MONTH, datetime(now.year, now.month, 1, tzinfo=UTC))
        with self.world.surefoot.store.begin() as work:
            (state,) = work.meters.states(ACME, {key: Limit()})
        return state.spent, state.reserved

    @property
    def rooms_taken(self) -> int:
        return self.world.client.app.state.face.questions._inside  # type: ignore[no-any-return]

    def grant(self, *principals: str) -> None:
        with self.world.surefoot.store.begin() as work:
            work.access.put(ACME, document_id(ACME, "refunds.md"), frozenset(map(Principal, principals)))
            work.commit()


def names(line: Line) -> list[str]:
    return [name for name, _ in line.events]


def told(line: Line) -> list[str]:
    """The claims that stand on the caller's screen at the end."""
    shown: list[str] = []
    for name, data in line.events:
        if name == "claim":
            shown.append(data["text"])
        elif name == "restart":
            shown.clear()
    return shown


def lasting(reply: dict[str, Any]) -> dict[str, Any]:
    """What two equal questions have in common: all but ids and times."""
    steps = [{key: value for key, value in step.items() if key != "latency_ms"} for step in reply["steps"]]
    changing = {"reply_id", "trace_id", "timings_ms", "first_claim_ms", "asked_at", "steps"}
    return {key: value for key, value in reply.items() if key not in changing} | {"steps": steps}


# What comes.


def test_claims_come_in_order_each_verified_and_the_reply_last() -> None:
    with house(claims(SAID, ("Bank transfers take two days.", ALSO_SAID), ALSO_SAID)) as made:
        line = made.stream()
    assert (line.status, line.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert "content-length" not in line.headers and line.headers["cache-control"] == "no-store"
    assert names(line) == ["claim", "claim", "reply"] and line.is_over
    reply = line.events[-1][1]
    assert [data for name, data in line.events if name == "claim"] == reply["answer"]["claims"]
    assert told(line) == [SAID, ALSO_SAID]
    assert all(claim["citations"] for claim in reply["answer"]["claims"])
    assert reply["first_claim_ms"] > 0


def test_the_streamed_reply_is_what_the_json_call_gives() -> None:
    with house(BOTH, settings={"answer_cache_size": 0}) as made:
        streamed = made.stream().events[-1][1]
        plain = made.world.ask(HARD, made.world.viewer())
        again = made.stream(EASY).events[-1][1], made.world.ask(EASY, made.world.viewer())
        refused = made.stream("Zyxw qpon?").events, made.world.ask("Zyxw qpon?", made.world.viewer())
    assert lasting(streamed) == lasting(plain) and streamed["model"] == "small"
    assert lasting(again[0]) == lasting(again[1]) and again[0]["model"] == ""
    assert [name for name, _ in refused[0]] == ["reply"] and lasting(refused[0][0][1]) == lasting(refused[1])


def test_extractive_and_cached_answers_stream_too() -> None:
    with house(BOTH) as made:
        for question in (EASY, EASY, HARD, HARD):
            line = made.stream(question)
            reply = line.events[-1][1]
            assert names(line)[-1] == "reply" and set(names(line)[:-1]) == {"claim"}
            assert told(line) == [claim["text"] for claim in reply["answer"]["claims"]]
            assert reply["first_claim_ms"] is not None
        assert reply["cache"] == "hit" and made.small.calls == 1


def test_the_first_claim_arrives_while_the_model_still_writes() -> None:
    pieces: list[int] = []
    with house(BOTH) as made:
        line = Line(made.world, HARD, on_read=lambda: pieces.append(made.small.pieces))
        made.world.client.run(line.talk)
        assert pieces[0] < made.small.pieces


def test_a_restart_stands_between_the_claims_of_two_attempts() -> None:
    def breaks_off(prompt: Any) -> str:
        return BOTH(prompt).replace('"cannot_answer": null', '"cannot_answer": 7')

    with house(breaks_off, "not json", large=(claims(ALSO_SAID),)) as made:
        line = made.stream()
    assert names(line) == ["claim", "claim", "restart", "claim", "reply"]
    assert told(line) == [ALSO_SAID] == [claim["text"] for claim in line.events[-1][1]["answer"]["claims"]]


def test_claims_of_a_repair_come_after_a_restart_when_they_differ_from_those_before() -> None:
    def breaks_off(prompt: Any) -> str:
        return BOTH(prompt).replace('"cannot_answer": null', '"cannot_answer": 7')

    with house(breaks_off, claims(ALSO_SAID, SAID)) as made:
        line = made.stream()
    assert names(line) == ["claim", "claim", "restart", "claim", "claim", "reply"]
    assert told(line) == [ALSO_SAID, SAID]


def test_claims_that_are_withdrawn_do_not_stay_on_the_screen() -> None:
    with house(BOTH) as made:
        line = Line(made.world, HARD, on_read=lambda: made.grant("group:nobody"))
        made.world.client.run(line.talk)
    assert names(line)[0] == "claim" and line.events[-1][1]["kind"] == "refusal"
    assert told(line) == []
    assert SAID not in str(line.events[-1])


def test_a_draft_that_fell_shows_nothing_but_the_reply() -> None:
    with house(FALSE) as made:
        line = made.stream()
    assert names(line) == ["reply"]
    assert line.events[0][1]["kind"] == "refusal" and "9 business days" not in line.body.decode()


def test_a_browsers_accept_header_among_others_is_understood_and_json_is_the_default() -> None:
    with house(BOTH) as made:
        for accept, kind in (("application/json, text/event-stream;q=0.9", "text/event-stream"), ("*/*", "application/json")):
            answered = made.world.client.post(
                "/v1/ask", json={"question": EASY}, headers=made.world.viewer() | {"accept": accept}
            )
            assert answered.headers["content-type"].startswith(kind)


# What goes wrong.


def test_what_fails_before_the_first_event_keeps_its_status() -> None:
    with house(BOTH) as made:
        viewer = made.world.viewer()
        for headers, body, status in (
            ({}, {"question": HARD}, 401),
            (viewer, {"question": HARD, "conversation_id": "cnv_00000000000000000000000000000000"}, 404),
            (viewer, {"question": HARD, "surface": "elsewhere"}, 422),
            (viewer, {"question": ""}, 422),
            (viewer, {"question": "a\u0007"}, 422),
        ):
            answered = made.world.client.post("/v1/ask", json=body, headers=headers | SSE)
            assert answered.status_code == status, body
            assert answered.headers["content-type"] == "application/problem+json"
        assert made.small.calls == 0 and made.rooms_taken == 0


def test_an_outage_before_the_first_event_is_a_503_that_says_when_to_come_back() -> None:
    with house(BOTH) as made:
        viewer = made.world.viewer()
        made.world.surefoot.store.close()
        answered = made.world.client.post("/v1/ask", json={"question": HARD}, headers=viewer | SSE)
        assert answered.status_code == 503 and int(answered.headers["retry-after"]) >= 1


def test_what_fails_after_the_first_event_is_an_error_event_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with house(BOTH) as made:
        store = made.world.surefoot.store
        line = Line(made.world, HARD, on_read=store.replies.close)  # type: ignore[attr-defined]
        with caplog.at_level(logging.ERROR, logger="surefoot.api"):
            made.world.client.run(line.talk)
        assert line.status == 200 and line.is_over
        assert names(line)[0] == "claim" and names(line)[-1] == "error" and "reply" not in names(line)
        problem = line.events[-1][1]
        assert (problem["code"], problem["status"], problem["retryable"]) == ("store_unavailable", 503, True)
        assert "ledger is closed" not in line.body.decode(), "what went wrong inside is for the log"
        assert any("ledger is closed" in record.getMessage() for record in caplog.records)
        assert made.rooms_taken == 0
        assert made.metered()[1] == NOTHING_SPENT


def test_models_that_are_down_are_no_error_of_the_stream() -> None:
    with house(ModelUnavailable("Down.", may_have_charged=False, retry_after_seconds=60)) as made:
        line = made.stream()
    assert names(line) == ["reply"]
    assert line.events[0][1]["degraded"] == "models_unavailable"


# Hanging up.


@pytest.mark.parametrize("streams", [True, False])
def test_hanging_up_while_a_model_writes_ends_its_call_and_settles_it(streams: bool) -> None:
    with house(Hangs(BOTH), large=(BOTH,)) as made:
        line = Line(made.world, HARD, streams=streams)

        async def hang_up() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(line.talk)
                with anyio.fail_after(30):
                    while not (made.small.running and made.small.pieces):
                        await anyio.lowlevel.checkpoint()
                    while streams and not line.body:
                        await anyio.lowlevel.checkpoint()
                line.gone.set()

        made.world.client.run(hang_up)
        spent, reserved = made.metered()
        assert (made.small.running, made.small.closed, made.small.calls, made.large.calls) == (0, 1, 1, 0)
        assert reserved == NOTHING_SPENT and spent.tokens > 0
        assert made.rooms_taken == 0
        assert b"reply" not in line.body
        made.small.replies = (BOTH,)
        assert told(made.stream()) == [SAID, ALSO_SAID], "the next asker gets a right answer"
        assert made.small.calls == 2


def test_hanging_up_before_anything_was_asked_spends_nothing() -> None:
    with house(BOTH) as made:
        line = Line(made.world, HARD)

        async def gone_at_once() -> None:
            line.gone.set()
            await line.talk()

        made.world.client.run(gone_at_once)
        assert made.small.calls == 0 and made.metered() == (NOTHING_SPENT, NOTHING_SPENT)
        assert made.rooms_taken == 0


# Room.


def test_a_stream_holds_its_room_until_it_ends() -> None:
    with house(Hangs(BOTH), settings={"max_concurrent_requests": 1}) as made:
        lines = [Line(made.world, f"{HARD} {number}") for number in range(5)]
        late = Body(10)

        async def crowd() -> tuple[int, dict[str, str], bytes]:
            async with anyio.create_task_group() as group:
                for line in lines:
                    group.start_soon(line.talk)
                with anyio.fail_after(30):
                    while not all(line.body for line in lines):
                        await anyio.lowlevel.checkpoint()
                assert made.rooms_taken == 5
                headers = JSON | made.world.viewer() | SSE
                answered = await call(made.world.client.app, "/v1/ask", headers, late)
                for line in lines:
                    line.gone.set()
            return answered

        status, headers, _ = made.world.client.run(crowd)
        assert (status, late.taken) == (503, 0) and int(headers["retry-after"]) >= 1
        assert made.rooms_taken == 0
        made.small.replies = (BOTH,)
        assert made.stream(f"{HARD} at last").status == 200


@pytest.mark.parametrize("end", ["whole", "refusal", "not found", "error", "outage", "bug"])
def test_room_is_given_back_however_a_stream_ends(end: str) -> None:
    with house(FALSE if end == "refusal" else BOTH) as made:
        line = Line(made.world, EASY if end == "outage" else HARD)

        def bug() -> None:
            raise ZeroDivisionError

        if end in ("error", "outage"):
            made.world.surefoot.store.replies.close()  # type: ignore[attr-defined]
        elif end == "bug":
            made.small.on_call = bug
        elif end == "not found":
            line._request = [b'{"question": "why?", "conversation_id": "cnv_00000000000000000000000000000000"}']
        made.world.client.run(line.talk)
        assert line.status == {"whole": 200, "refusal": 200, "not found": 404, "error": 200, "outage": 503, "bug": 500}[end]
        assert made.rooms_taken == 0 and made.metered()[1] == NOTHING_SPENT


def test_a_reader_that_does_not_read_makes_the_model_wait_and_the_memory_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    sent = streaming._EventWatcher.claim

    async def counted(self: streaming._EventWatcher, claim: Claim) -> None:
        begun.append(claim.text)
        await sent(self, claim)

    monkeypatch.setattr(streaming, "_EVENTS_AHEAD", 1)
    monkeypatch.setattr(streaming._EventWatcher, "claim", counted)
    sentences = [f"Rule {number} of the refund office holds on every day of week {number}." for number in range(1, 9)]
    with house(claims(*sentences), max_claims=8, max_answer_characters=10_000, max_output_tokens=4_000) as made:
        made.world.put("office.md", "# Office\n\n" + " ".join(sentences) + "\n")
        line = Line(made.world, HARD)
        line.may_read = anyio.Event()

        async def read_late() -> tuple[int, int]:
            async with anyio.create_task_group() as group:
                group.start_soon(line.talk)
                with anyio.fail_after(30):
                    # One is being sent, one waits in line, and the third finds no room.
                    while len(begun) < 3:
                        await anyio.lowlevel.checkpoint()
                await anyio.wait_all_tasks_blocked()
                stuck = len(begun), made.small.pieces
                line.may_read.set()
            return stuck

        claims_stuck, pieces_stuck = made.world.client.run(read_late)
        assert claims_stuck == 3 and pieces_stuck < made.small.pieces
        assert told(line) == sentences
