"""Callbacks over HTTP: a host's signature is its credential, its body is bounded, and nothing is parsed before it is verified."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest

from surefoot.actions.callbacks import MOST_CALLBACKS
from surefoot.actions.calling import delivery_id
from surefoot.actions.service import Actions
from surefoot.adapters.memory.host import HostFault, MemoryHost
from surefoot.domain.actions import Env
from surefoot.domain.host_wire import MAX_BODY_BYTES, callback_body
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import HostRejected, HostReply
from surefoot.domain.signatures import signature_headers
from tests.api.test_limits import Message, call, once
from tests.api.world import ACME, GLOBEX, World, world

SECRET, STRANGE = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"s", b"x"))
PIN = {"action": "pin_shortcut", "arguments": {"user_id": "usr_nora01", "page": "payouts"}}


class Calling:
    """A service whose host has taken one run on."""

    def __init__(self, made: World) -> None:
        parts = replace(made.surefoot.actions._parts, callback_secrets={"host_app": lambda: SECRET})
        made.client.app.state.face = replace(  # type: ignore[attr-defined]
            made.client.app.state.face,  # type: ignore[attr-defined]
            surefoot=replace(made.surefoot, actions=Actions(parts)),
        )
        self.made = made
        host = parts.hosts["host_app"]
        assert isinstance(host, MemoryHost)
        self.host = host
        self.host.fail_next(HostFault.ACCEPTED)
        headers = made.viewer() | {"Idempotency-Key": "key-1"}
        self.run_id = made.client.post("/v1/runs", json=PIN, headers=headers).json()["run"]["run_id"]
        self.applied = made.client.post(f"/v1/runs/{self.run_id}/apply", json={}, headers=made.viewer()).json()
        with made.surefoot.store.begin() as work:
            run = work.runs.get(ACME, self.run_id)
        assert run is not None
        self.delivery = delivery_id(ACME, run)

    def done(self) -> HostReply:
        self.host.let_late_effects_happen()
        return self.host.status(ACME, next(call for name, call in self.host.calls if name == "apply"))

    def post(self, body: bytes, *, host: str = "host_app", secret: str = SECRET, **headers: str) -> Any:
        signed = signature_headers(secret, self.delivery, self.made.clock.now(), body)
        sent = {"Content-Type": "application/json", **signed, **headers}
        return self.made.client.post(f"/v1/hosts/{host}/callbacks", content=body, headers=sent)

    def body(self, reply: HostReply, tenant: TenantId = ACME) -> bytes:
        return callback_body(tenant, Env.SANDBOX, self.run_id, self.delivery, reply)

    def state(self) -> str:
        return str(self.made.client.get(f"/v1/runs/{self.run_id}", headers=self.made.viewer()).json()["run"]["state"])


@pytest.fixture
def calling() -> Iterator[Calling]:
    with world() as made:
        yield Calling(made)


def test_a_host_that_answered_202_says_later_what_became_of_it(calling: Calling) -> None:
    assert (calling.applied["run"]["state"], calling.applied["attempts"][-1]["status"]) == ("applying", 202)
    body = calling.body(calling.done())
    said = calling.post(body)
    assert (said.status_code, said.json()) == (200, {"run_id": calling.run_id, "outcome": "applied"})
    assert "idempotent-replayed" not in said.headers and calling.state() == "applied"
    again = calling.post(body)
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (200, said.json(), "true")


def test_a_word_against_a_settled_run_is_a_conflict(calling: Calling) -> None:
    calling.post(calling.body(calling.done()))
    refused = calling.post(calling.body(HostRejected("No.", 422)))
    assert (refused.status_code, refused.json()["code"]) == (409, "callback_conflict")
    assert calling.state() == "applied"


def test_an_unknown_delivery_and_another_tenants_are_not_found(calling: Calling) -> None:
    for tenant, run_id in ((GLOBEX, calling.run_id), (ACME, "run_" + "0" * 32)):
        body = callback_body(tenant, Env.SANDBOX, run_id, calling.delivery, HostRejected("No.", 422))
        refused = calling.post(body)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), tenant
    assert calling.state() == "applying"


def test_a_wrong_secret_an_old_word_and_an_unknown_host_are_unauthenticated(calling: Calling) -> None:
    body = calling.body(HostRejected("No.", 422))
    answers = [calling.post(body, secret=STRANGE), calling.post(body, host="nobody"), calling.post(b"not json", secret=STRANGE)]
    calling.made.clock.advance(-timedelta(minutes=6))
    old = signature_headers(SECRET, calling.delivery, calling.made.clock.now(), body)
    calling.made.clock.advance(timedelta(minutes=6))
    answers.append(calling.post(body, **old))
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(401, "unauthenticated")] * 4
    assert calling.state() == "applying"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_without_each_of_the_three_headers_nothing_is_read(calling: Calling, name: str) -> None:
    body = b"x" * (MAX_BODY_BYTES + 1)
    headers = {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,a", "Content-Type": "application/json"}
    del headers[name]
    refused = calling.made.client.post("/v1/hosts/host_app/callbacks", content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


def test_a_body_that_is_too_large_is_refused_before_it_is_verified(calling: Calling) -> None:
    refused = calling.post(b" " * (MAX_BODY_BYTES + 1))
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"a": 1e999}', b"{" * 100])
def test_a_signed_body_that_is_no_callback_is_refused(calling: Calling, body: bytes) -> None:
    refused = calling.post(body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert calling.state() == "applying"


@pytest.mark.parametrize("env", [[], {}, 1, None, "staging"])
def test_a_signed_body_of_no_environment_is_refused(calling: Calling, env: object) -> None:
    body = json.loads(calling.body(HostRejected("No.", 422))) | {"env": env}
    refused = calling.post(json.dumps(body).encode())
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("member", ["run_id", "tenant", "delivery_id"])
def test_a_name_with_what_databases_take_for_an_end_is_refused(calling: Calling, member: str) -> None:
    body = json.loads(calling.body(HostRejected("No.", 422)))
    refused = calling.post(json.dumps({**body, member: body[member] + "\0"}).encode())
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


def test_callers_who_cannot_sign_and_never_finish_keep_no_administrator_out(calling: Calling) -> None:
    app, stalled = calling.made.client.app, 0
    headers = {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,a", "content-type": "application/json"}

    async def never() -> Message:
        nonlocal stalled
        stalled += 1
        await anyio.sleep_forever()
        raise AssertionError("it never wakes")

    async def crowd() -> tuple[int, int]:
        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(call, app, "/v1/hosts/host_app/callbacks", headers, never)
            while not stalled:
                await anyio.wait_all_tasks_blocked()
            status, _, _ = await call(app, "/v1/verdict", calling.made.admin_key(), once(b""), "GET")
            turned_away, sent, _ = await call(app, "/v1/hosts/host_app/callbacks", headers, never)
            assert turned_away != 503 or int(sent["retry-after"]) >= 1
            group.cancel_scope.cancel()
        return status, turned_away

    assert calling.made.client.run(crowd) == (200, 503)


def test_a_host_that_goes_on_contradicting_is_answered_and_fills_no_table(calling: Calling) -> None:
    calling.post(calling.body(calling.done()))
    for number in range(MOST_CALLBACKS + 10):
        assert calling.post(calling.body(HostRejected(f"No, {number}.", 422))).status_code == 409
    with calling.made.surefoot.store.begin() as work:
        noted = [each for each in work.runs.attempts(ACME, calling.run_id) if each.operation == "callback"]
        rows = [row for row in work.audit.about(ACME, [calling.run_id]) if row.what == "action.callback.contradiction"]
    assert (len(noted), len(rows)) == (MOST_CALLBACKS, MOST_CALLBACKS - 1)
