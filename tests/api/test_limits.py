"""What a request may cost: limits hold before anything is parsed, and before anyone unknown is listened to."""

import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, Request

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.api.limits import Admission, _Places, read_json
from surefoot.core.deadline import Deadline
from surefoot.core.errors import BodyTimeout, Overloaded
from surefoot.domain.policies import DEFAULT_SURFACE, ModelPolicy, SurfacePolicy, TenantPolicy
from surefoot.ports import Vectors
from tests.api.world import World, world

Message = MutableMapping[str, Any]


async def call(
    app: FastAPI, path: str, headers: dict[str, str], receive: Callable[[], Awaitable[Message]], method: str = "POST"
) -> tuple[int, dict[str, str], bytes]:
    """One request straight into the app, its body coming from `receive`."""
    status, sent, body = 0, {}, b""

    async def send(message: Message) -> None:
        nonlocal status, sent, body
        if message["type"] == "http.response.start":
            status = message["status"]
            sent = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 1),
        "server": ("surefoot.test", 80),
        "state": {},
    }
    await app(scope, receive, send)
    return status, sent, body


class Body:
    """A body that comes in parts and counts how many were taken."""

    def __init__(self, parts: int, size: int = 1_000) -> None:
        self.taken = 0
        self._parts = parts
        self._part = b"x" * size

    async def __call__(self) -> Message:
        self.taken += 1
        return {"type": "http.request", "body": self._part, "more_body": self.taken < self._parts}


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("path", ["/v1/ask", "/v1/documents:batch", "/v1/keys"])
def test_nothing_is_read_of_a_body_whose_sender_is_unknown(shared: World, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer sk_acme_" + "A" * 43}, {"authorization": "Bearer a.b.c"}):
        body = Body(10)
        status, _, _ = anyio.run(call, shared.client.app, path, JSON | headers, body)
        assert (status, body.taken) == (401, 0)


def test_a_declared_length_beyond_the_limit_is_refused_before_the_first_byte(shared: World) -> None:
    for declared in ("65537", "99999999999999999999", "1e3", "-1", "0x10", "", "٣"):
        body = Body(10)
        headers = JSON | shared.viewer() | {"content-length": declared}
        encoded = {name: value.encode("utf-8").decode("latin-1") for name, value in headers.items()}
        status, _, text = anyio.run(call, shared.client.app, "/v1/ask", encoded, body)
        assert (status, body.taken) == (413, 0), declared
        assert b"payload_too_large" in text


def test_a_body_without_a_length_is_counted_and_left_at_the_limit(shared: World) -> None:
    body = Body(10_000)
    status, _, _ = anyio.run(call, shared.client.app, "/v1/ask", JSON | shared.viewer(), body)
    assert (status, body.taken) == (413, 66), "65,536 bytes are 65 parts and a bit; the 66th goes over"


def test_a_body_that_lies_about_its_length_is_counted_all_the_same(shared: World) -> None:
    body = Body(10_000)
    headers = JSON | shared.viewer() | {"content-length": "10"}
    status, _, _ = anyio.run(call, shared.client.app, "/v1/ask", headers, body)
    assert (status, body.taken) == (413, 66)


def test_documents_may_be_as_large_as_the_settings_say_and_no_larger() -> None:
    with world(max_body_bytes=200_000) as small:
        fits, too_large = "word " * 30_000, "word " * 60_000
        for content, status in ((fits, 200), (too_large, 413)):
            body = {"uri": "large.txt", "content": content, "principals": ["everyone"]}
            assert small.client.put("/v1/documents", json=body, headers=small.ingest_key()).status_code == status


def test_a_client_that_leaves_before_its_body_is_complete_is_answered_by_no_failure(shared: World) -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    status, _, text = anyio.run(call, shared.client.app, "/v1/ask", JSON | shared.viewer(), gone)
    assert status == 422 and b"closed" in text


@pytest.mark.parametrize(
    "body",
    [
        b'{"question":"why?","question":"who?"}',
        b'{"question":"why?","where":{"locales":["en"],"locales":["de"]}}',
        b'{"question":NaN}',
        b'{"question":"why?","limit":Infinity}',
        b'{"question":"why?","limit":1e999}',
        b'{"question":"why?","limit":' + b"9" * 5_000 + b"}",
        b'{"question":"\\ud800"}',
        b'{"question":"why?\xff"}',
        b'\xef\xbb\xbf{"question":"why?"}',
        '{"question":"why?"}'.encode("utf-16"),
        b"",
        b"{",
        b"null",
        b"[]",
        b'"why?"',
        b"[" * 60_000,
        b'{"question":' * 4_000,
        b'{"question":"why?","where":' + b"[" * 17 + b"]" * 17 + b"}",
        b'"' + b'\\"' * 30_000,
    ],
)
def test_json_that_is_not_strict_or_too_deep_is_refused(shared: World, body: bytes) -> None:
    answered = shared.client.post("/v1/ask", content=body, headers=JSON | shared.viewer())
    assert (answered.status_code, answered.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
    ],
)
def test_only_json_is_read(shared: World, media_type: str | None) -> None:
    headers = shared.viewer() | ({"content-type": media_type} if media_type is not None else {})
    answered = shared.client.post("/v1/ask", content=b'{"question":"why?"}', headers=headers)
    assert (answered.status_code, answered.json()["code"]) == (415, "unsupported_media_type")


def test_json_with_its_character_set_named_is_read(shared: World) -> None:
    headers = shared.viewer() | {"content-type": 'Application/JSON; charset="UTF-8"'}
    assert shared.client.post("/v1/ask", content=b'{"question":"why?"}', headers=headers).status_code == 200


def test_a_body_that_stalls_is_given_up() -> None:
    async def scenario() -> None:
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}

        async def stalled() -> Message:
            await anyio.sleep_forever()
            raise AssertionError("it never wakes")

        with pytest.raises(BodyTimeout):
            await read_json(Request(scope, stalled), max_bytes=100, seconds=0)

    anyio.run(scenario)


def once(body: bytes) -> Callable[[], Awaitable[Message]]:
    """The body of a caller who then waits for the answer."""
    left = [body]

    async def receive() -> Message:
        if not left:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": left.pop(), "more_body": False}

    return receive


class GatedEncoder(HashingEncoder):
    """An encoder whose questions wait at a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()

    def encode_query(self, text: str) -> Vectors:
        self.entered.release()
        assert self.gate.wait(30)
        return super().encode_query(text)


def test_beyond_places_and_queue_a_question_is_told_to_come_back_unread() -> None:
    encoder = GatedEncoder()
    with world(encoder=encoder, max_concurrent_requests=2) as busy:
        headers = JSON | busy.viewer()
        answers: list[int] = []

        async def whole() -> Message:
            return {"type": "http.request", "body": b'{"question":"why?"}', "more_body": False}

        async def ask() -> None:
            status, _, _ = await call(busy.client.app, "/v1/ask", headers, once(b'{"question":"why?"}'))
            answers.append(status)

        async def overload() -> tuple[int, dict[str, str], bytes, int]:
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(ask)
                for _ in range(2):
                    await anyio.to_thread.run_sync(encoder.entered.acquire)
                await anyio.wait_all_tasks_blocked()
                body = Body(10)
                status, sent, text = await call(busy.client.app, "/v1/ask", headers, body)
                alive, _, _ = await call(busy.client.app, "/healthz", {}, whole, "GET")
                assert alive == 200, "health is answered while questions queue"
                encoder.gate.set()
            return status, sent, text, body.taken

        status, sent, text, taken = busy.client.run(overload)
        assert (status, taken) == (503, 0)
        assert int(sent["retry-after"]) >= 1 and b'"retryable":true' in text and b"overloaded" in text
        assert answers == [200] * 10, "those who had a place or waited for one are answered"


def test_waiting_for_a_place_ends_and_the_place_is_given_back() -> None:
    async def scenario() -> None:
        admission = Admission(concurrent=1, waiting=1, wait_seconds=0)
        assert await admission.run(lambda: 1) == 1
        gate = threading.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(admission.run, gate.wait)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(Overloaded):
                await admission.run(lambda: 2)
            gate.set()
        assert await admission.run(lambda: 3) == 3

    anyio.run(scenario)


def test_a_question_waits_for_a_place_until_its_deadline_and_no_longer() -> None:
    async def scenario() -> None:
        admission = Admission(concurrent=1, waiting=1, wait_seconds=3_600)
        gate = threading.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(admission.run, gate.wait)
            await anyio.wait_all_tasks_blocked()
            try:
                with pytest.raises(Overloaded) as refused:
                    await admission.turn(Deadline.after(0)).run(lambda: 1)
            finally:
                gate.set()
            assert refused.value.retry_after_seconds
        assert await admission.turn(Deadline.after(0)).run(lambda: 2) == 2, "a place that is free is not waited for"

    anyio.run(scenario)


def test_what_has_begun_is_finished_before_others_begin_and_after_its_deadline_too() -> None:
    async def scenario() -> None:
        admission = Admission(concurrent=1, waiting=3)
        gate, order = threading.Event(), list[str]()
        turn = admission.turn(Deadline(at=0.0, clock=lambda: 1.0))
        await turn.run(lambda: order.append("begun"))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(admission.run, gate.wait)
                await anyio.wait_all_tasks_blocked()
                group.start_soon(admission.run, lambda: order.append("another"))
                await anyio.wait_all_tasks_blocked()
                group.start_soon(turn.run, lambda: order.append("finished"))
                await anyio.wait_all_tasks_blocked()
                gate.set()
        finally:
            gate.set()
        assert order == ["begun", "finished", "another"]

    anyio.run(scenario)


def test_a_place_is_not_lost_with_a_caller_who_leaves_the_queue() -> None:
    async def scenario() -> None:
        admission = Admission(concurrent=1, waiting=9)
        for _ in range(3):
            gate = threading.Event()
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(admission.run, gate.wait)
                    await anyio.wait_all_tasks_blocked()
                    async with anyio.create_task_group() as leaving:
                        leaving.start_soon(admission.run, lambda: None)
                        leaving.start_soon(admission.go_on, lambda: None)
                        await anyio.wait_all_tasks_blocked()
                        leaving.cancel_scope.cancel()
                    gate.set()
            finally:
                gate.set()
            assert await admission.begin(lambda: "free", wait_seconds=0) == "free"

    anyio.run(scenario)


def test_a_place_given_to_a_caller_who_leaves_at_that_moment_goes_to_the_next() -> None:
    async def scenario() -> None:
        places = _Places(1)
        await places.take()
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(places.take)
            await anyio.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
            places.give_back()
        with anyio.fail_after(0):
            await places.take()

    anyio.run(scenario)


def test_a_queued_question_is_sent_away_at_the_deadline_of_its_surface_and_told_to_come_back() -> None:
    encoder = GatedEncoder()
    at_once = ModelPolicy({}, TenantPolicy({DEFAULT_SURFACE: SurfacePolicy(deadline_seconds=1e-6)}))
    with world(encoder=encoder, policy=at_once, max_concurrent_requests=1) as busy:
        headers = JSON | busy.viewer()
        answers: list[int] = []

        async def ask() -> None:
            status, _, _ = await call(busy.client.app, "/v1/ask", headers, once(b'{"question":"why?"}'))
            answers.append(status)

        async def queued() -> tuple[int, dict[str, str], bytes]:
            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await anyio.to_thread.run_sync(encoder.entered.acquire)
                try:
                    return await call(busy.client.app, "/v1/ask", headers, once(b'{"question":"who?"}'))
                finally:
                    encoder.gate.set()

        status, sent, text = busy.client.run(queued)
        assert (status, answers) == (503, [200])
        assert int(sent["retry-after"]) >= 1 and b"overloaded" in text


def test_room_is_given_back_when_the_work_fails() -> None:
    async def scenario() -> None:
        admission = Admission(concurrent=1, waiting=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with admission.admitted():
                    await admission.run(lambda: 1 // 0)
        async with admission.admitted():
            with pytest.raises(Overloaded):
                async with admission.admitted():
                    raise AssertionError("there is no second place")

    anyio.run(scenario)
