"""Runs over HTTP: previewed, applied once, taken back, and seen by those they concern."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import anyio
import pytest

from tests.api.world import World, world

PAYOUTS = {"action": "pin_shortcut", "arguments": {"user_id": "usr_nora01", "page": "payouts"}}
FEATURE = {"action": "enable_feature", "arguments": {"account_id": "acc_fernhill1", "feature": "automatic_tax"}}


@pytest.fixture
def made() -> Iterator[World]:
    with world() as fresh:
        yield fresh


def propose(made: World, body: dict[str, Any] | None = None, key: str = "key-1", *principals: str, **more: Any) -> Any:
    headers = made.viewer(*principals) | {"Idempotency-Key": key}
    return made.client.post("/v1/runs", json={**(body or PAYOUTS), **more}, headers=headers)


def press(made: World, run_id: str, step: str, *principals: str, **body: Any) -> Any:
    return made.client.post(f"/v1/runs/{run_id}/{step}", json=body, headers=made.viewer(*principals))


def test_a_run_is_previewed_applied_and_undone(made: World) -> None:
    previewed = propose(made)
    assert (previewed.status_code, previewed.json()["run"]["state"]) == (201, "planned")
    assert set(previewed.json()["steps"]) == {"apply", "cancel"}
    run_id = previewed.json()["run"]["run_id"]
    applied = press(made, run_id, "apply").json()
    assert (applied["run"]["state"], applied["undo_until"] is not None) == ("applied", True)
    again = press(made, run_id, "apply").json()
    assert again["attempts"] == applied["attempts"], "a second press calls nobody"
    undone = press(made, run_id, "undo").json()
    assert (undone["run"]["kind"], undone["run"]["state"], undone["run"]["reverses"]) == ("undo", "applied", run_id)
    assert made.client.get(f"/v1/runs/{run_id}", headers=made.viewer()).json()["run"]["state"] == "undone"


def test_a_known_key_answers_with_the_stored_run_and_another_body_is_refused(made: World) -> None:
    first, replayed = propose(made), propose(made)
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (200, "true")
    assert replayed.json()["run"]["run_id"] == first.json()["run"]["run_id"]
    other = propose(made, {**PAYOUTS, "arguments": {"user_id": "usr_nora01", "page": "invoices"}})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


@pytest.mark.parametrize("key", [None, "", "x" * 201, "x" * 256, "tab\tkey"])
def test_a_press_without_a_usable_key_is_refused(made: World, key: str | None) -> None:
    headers = made.viewer() | ({} if key is None else {"Idempotency-Key": key})
    refused = made.client.post("/v1/runs", json=PAYOUTS, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**PAYOUTS, "action": "no_such_action"}, 404, "not_found"),
        ({**PAYOUTS, "arguments": {"user_id": "usr_nora01"}}, 422, "invalid_action"),
        ({**PAYOUTS, "arguments": {"user_id": "usr_nora01", "page": "payouts", "tenant": "globex"}}, 422, "invalid_action"),
        ({**PAYOUTS, "maker": "somebody"}, 422, "invalid_input"),
    ],
)
def test_what_is_not_valid_is_not_stored(made: World, body: dict[str, Any], status: int, code: str) -> None:
    refused = propose(made, body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert made.client.get("/v1/runs", headers=made.viewer()).json() == {"runs": [], "after": ""}


def test_evidence_that_the_viewer_may_not_read_supports_nothing(made: World) -> None:
    asked = made.ask("What is the payroll account number?", made.viewer("group:finance"))
    secret = asked["answer"]["claims"][0]["citations"][0]["chunk_id"]
    refused = propose(made, FEATURE, citations=[secret])
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert propose(made, FEATURE, "key-2", citations=["chk_" + "0" * 24]).status_code == 404
    assert propose(made, FEATURE, "key-3", "group:finance", citations=[secret]).status_code == 201


def test_a_step_without_enough_evidence_is_denied_with_what_would_help(made: World) -> None:
    denied = propose(made, FEATURE).json()
    assert (denied["run"]["state"], denied["steps"]) == ("denied", [])
    reasons = [reason for decision in denied["decisions"] for reason in decision["reasons"]]
    assert [reason["rule"] for reason in reasons] == ["too-few-citations"]
    assert all(reason["remedy"] for reason in reasons)


def test_the_etag_changes_with_every_step_and_an_unchanged_run_is_304(made: World) -> None:
    previewed = propose(made)
    path, etag = f"/v1/runs/{previewed.json()['run']['run_id']}", previewed.headers["etag"]
    unchanged = made.client.get(path, headers=made.viewer() | {"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    press(made, previewed.json()["run"]["run_id"], "apply")
    changed = made.client.get(path, headers=made.viewer() | {"If-None-Match": etag})
    assert changed.status_code == 200 and changed.headers["etag"] != etag


def test_whoever_waits_is_told_as_soon_as_something_changes(made: World) -> None:
    previewed = propose(made)
    run_id, headers = previewed.json()["run"]["run_id"], made.viewer()
    waiting = partial(
        made.client.get, f"/v1/runs/{run_id}?wait=10", headers=headers | {"If-None-Match": previewed.headers["etag"]}
    )

    async def scenario() -> list[str]:
        seen: list[str] = []
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                answered = await anyio.to_thread.run_sync(waiting)
                seen.append(answered.json()["run"]["state"])

            tasks.start_soon(wait)
            await anyio.to_thread.run_sync(partial(press, made, run_id, "cancel"))
        return seen

    assert anyio.run(scenario) == ["cancelled"]


def test_runs_of_others_do_not_exist(made: World) -> None:
    run_id = propose(made).json()["run"]["run_id"]
    stranger = made.viewer(user="bob")
    assert made.client.get(f"/v1/runs/{run_id}", headers=stranger).status_code == 404
    assert made.client.post(f"/v1/runs/{run_id}/apply", json={}, headers=stranger).status_code == 404
    assert made.client.get("/v1/runs", headers=stranger).json()["runs"] == []
    admin = made.viewer("role:admin", user="root")
    assert [run["run_id"] for run in made.client.get("/v1/runs", headers=admin).json()["runs"]] == [run_id]
