"""Playbooks over HTTP: previewed as one, agreed to by somebody else, applied once, and taken back as one."""

from collections.abc import Iterator
from typing import Any

import pytest

from surefoot.domain.identity import Viewer
from surefoot.domain.verdicts import ACTIONS_SURFACE, GateResult, GateState, Verdict
from tests.api.world import ACME, World, world

ARGUMENTS = {"user_id": "usr_nora01", "account_id": "acc_fernhill1", "data_region": "eu"}
BODY = {"playbook": "set_up_accounting", "arguments": ARGUMENTS}


@pytest.fixture
def made() -> Iterator[World]:
    with world() as fresh:
        yield fresh


def evidence(made: World) -> list[str]:
    """A passage that everybody may read, for the step that has to rest on one."""
    made.put("sync.md", "---\nupdated_at: 2026-02-20\n---\n# Sync\n\nThe accounting system is connected by an administrator.\n")
    found = made.surefoot.searcher.search(Viewer(ACME, "ada"), "Who connects the accounting system?", limit=1)
    return [passage.chunk.chunk_id for passage in found.passages]


def preview(made: World, key: str | None = "key-1", **more: Any) -> Any:
    headers = made.viewer() | ({} if key is None else {"Idempotency-Key": key})
    return made.client.post("/v1/playbook-runs", json={**BODY, "citations": evidence(made), **more}, headers=headers)


def press(made: World, run_id: str, step: str, *principals: str, user: str = "ada", **body: Any) -> Any:
    headers = made.viewer(*principals, user=user)
    return made.client.post(f"/v1/playbook-runs/{run_id}/{step}", json=body, headers=headers)


def approved(made: World) -> str:
    shown = preview(made).json()
    word = press(made, shown["run"]["run_id"], "approve", "role:approver", user="boss", plan_digest=shown["plan_digest"])
    assert (word.status_code, word.json()["run"]["state"]) == (200, "approved"), word.text
    return str(shown["run"]["run_id"])


def test_the_playbooks_are_listed_with_what_they_do(made: World) -> None:
    (shown,) = made.client.get("/v1/playbooks", headers=made.viewer()).json()["playbooks"]
    assert (shown["name"], shown["actions"]) == (
        "set_up_accounting",
        ["connect_integration", "pin_shortcut", "show_checklist"],
    )


def test_it_is_previewed_approved_applied_and_undone_as_one(made: World) -> None:
    shown = preview(made)
    assert (shown.status_code, shown.json()["outcome"], shown.json()["run"]["state"]) == (201, "previewed", "awaiting_approval")
    assert len(shown.json()["steps"]) == 3 and shown.json()["open_steps"] == ["cancel"]
    run_id = shown.json()["run"]["run_id"]
    own = press(made, run_id, "approve", "role:approver", plan_digest=shown.json()["plan_digest"])
    assert (own.status_code, own.json()["code"]) == (409, "run_not_allowed")
    early = press(made, run_id, "apply")
    assert (early.status_code, early.json()["code"]) == (409, "run_not_allowed")
    press(made, run_id, "approve", "role:approver", user="boss", plan_digest=shown.json()["plan_digest"])
    applied = press(made, run_id, "apply").json()
    assert (applied["outcome"], [step["run"]["state"] for step in applied["steps"]]) == ("applied", ["applied"] * 3)
    assert applied["stands"] == [step["run"]["run_id"] for step in applied["steps"]]
    undone = press(made, run_id, "undo").json()
    assert (undone["outcome"], undone["run"]["kind"], undone["run"]["reverses"]) == ("applied", "undo", run_id)
    after = made.client.get(f"/v1/playbook-runs/{run_id}", headers=made.viewer()).json()
    assert (after["outcome"], after["stands"]) == ("undone", [])


def test_a_known_key_answers_with_the_stored_run_and_another_body_is_refused(made: World) -> None:
    first, replayed = preview(made), preview(made)
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (200, "true")
    assert replayed.json()["run"]["run_id"] == first.json()["run"]["run_id"]
    other = preview(made, arguments={**ARGUMENTS, "data_region": "us"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        (None, {}, 422, "invalid_input"),
        ("x" * 201, {}, 422, "invalid_input"),
        ("k", {"playbook": "no_such_playbook"}, 404, "not_found"),
        ("k", {"arguments": {"user_id": "usr_nora01"}}, 422, "invalid_action"),
        ("k", {"maker": "somebody"}, 422, "invalid_input"),
        ("k", {"citations": ["chk_" + "0" * 24]}, 404, "not_found"),
    ],
)
def test_what_is_not_valid_is_not_stored(made: World, key: str | None, body: dict[str, Any], status: int, code: str) -> None:
    refused = preview(made, key, **body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert made.client.get("/v1/runs", headers=made.viewer()).json()["runs"] == []


def test_it_is_refused_as_a_whole_for_somebody_else_s_account(made: World) -> None:
    shown = preview(made, arguments={**ARGUMENTS, "account_id": "acc_mossbank1"}).json()
    assert (shown["outcome"], shown["run"]["state"]) == ("refused", "denied")
    assert {step["run"]["state"] for step in shown["steps"]} <= {"denied", "cancelled"}


def test_a_step_is_applied_by_its_playbook_alone(made: World) -> None:
    step = preview(made).json()["steps"][1]["run"]["run_id"]
    refused = made.client.post(f"/v1/runs/{step}/apply", json={}, headers=made.viewer())
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_allowed")


def test_the_etag_changes_with_every_step_and_an_unchanged_one_is_304(made: World) -> None:
    run_id = approved(made)
    first = made.client.get(f"/v1/playbook-runs/{run_id}", headers=made.viewer())
    same = {**made.viewer(), "If-None-Match": first.headers["etag"]}
    assert made.client.get(f"/v1/playbook-runs/{run_id}", headers=same).status_code == 304
    press(made, run_id, "apply")
    assert made.client.get(f"/v1/playbook-runs/{run_id}", headers=same).status_code == 200


def test_playbooks_of_others_do_not_exist(made: World) -> None:
    run_id = preview(made).json()["run"]["run_id"]
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/apply"), ("POST", "/undo")):
        body = {} if method == "GET" else {"json": {}}
        answered = made.client.request(method, f"/v1/playbook-runs/{run_id}{path}", headers=made.viewer(user="eve"), **body)
        assert (answered.status_code, answered.json()["code"]) == (404, "not_found")


def test_a_cancelled_playbook_frees_its_steps(made: World) -> None:
    run_id = preview(made).json()["run"]["run_id"]
    assert press(made, run_id, "cancel").json()["outcome"] == "refused"
    assert preview(made, "key-2").json()["outcome"] == "previewed"


def red_gate(made: World, *, is_red: bool) -> None:
    """The evals say of actions that a blocking gate fails, or that all is well."""
    state = GateState.FAILED if is_red else GateState.PASSED
    result = GateResult("no-leaks", "leak", state, True, 0.0, False, 40, surfaces=(ACTIONS_SURFACE,))
    named = f"vrd_{is_red}"
    made.surefoot.verdicts.put(ACME, Verdict(named, "run_1", ("sample",), made.surefoot.clock.now(), (result,)), by="test")


def test_while_a_gate_is_red_nothing_of_it_begins_and_it_begins_when_the_gate_is_green_again(made: World) -> None:
    run_id = approved(made)
    red_gate(made, is_red=True)
    refused = press(made, run_id, "apply")
    assert (refused.status_code, refused.json()["code"]) == (409, "gate_red")
    shown = made.client.get(f"/v1/playbook-runs/{run_id}", headers=made.viewer()).json()
    assert shown["run"]["state"] == "approved" and {tuple(step["red_gates"]) for step in shown["steps"]} == {("no-leaks",)}
    red_gate(made, is_red=False)
    assert press(made, run_id, "apply").json()["outcome"] == "applied"


def test_whoever_approves_a_step_finds_its_playbook(made: World) -> None:
    run_id = preview(made).json()["run"]["run_id"]
    waiting = made.client.get("/v1/runs?state=awaiting_approval", headers=made.viewer("role:approver", user="boss")).json()[
        "runs"
    ]
    assert {run["playbook"] for run in waiting} == {run_id}
    own = made.client.get("/v1/runs", headers=made.viewer()).json()["runs"]
    assert [run["playbook"] for run in own if run["run_id"] == run_id] == [""]
