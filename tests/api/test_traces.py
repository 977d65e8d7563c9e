"""One id finds what was asked, what it was answered from, who wrote it, what was done and what came of it."""

from dataclasses import replace
from typing import Any

import pytest

from surefoot.core.tracing import note_trace
from surefoot.domain.identity import EVERYONE, Viewer
from surefoot.domain.playbooks import Playbook, PlaybookStep
from surefoot.governance.traces import MOST_RUNS
from tests.api.world import ACME, GLOBEX, World

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
PIN = {"action": "pin_shortcut", "arguments": {"user_id": "usr_nora01", "page": "payouts"}}
QUESTION = "How many business days until refunds reach the card?"


def proposed(made: World, key: str, headers: dict[str, str], **more: Any) -> Any:
    return made.client.post("/v1/runs", json={**PIN, **more}, headers=headers | {"Idempotency-Key": key})


def trace(made: World, trace_id: str = TRACE) -> dict[str, Any]:
    answered = made.client.get(f"/v1/traces/{trace_id}", headers=made.admin_key())
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


def test_one_id_finds_input_features_model_action_and_outcome(fresh: World) -> None:
    reply = fresh.ask(QUESTION, fresh.viewer() | PARENT)
    assert reply["trace_id"] == TRACE
    run = proposed(fresh, "one", fresh.viewer(), reply_id=reply["reply_id"]).json()["run"]
    assert (run["trace_id"], run["surface"]) == (TRACE, "help")
    for step in ("apply", "undo"):
        assert fresh.client.post(f"/v1/runs/{run['run_id']}/{step}", json={}, headers=fresh.viewer()).status_code == 200
    fresh.client.post(f"/v1/replies/{reply['reply_id']}/feedback", json={"opinion": "wrong"}, headers=fresh.viewer())
    found = trace(fresh)
    assert [each["question"] for each in found["input"]] == [QUESTION]
    assert found["features"][0]["citations"][0]["quote"] in reply["answer"]["claims"][0]["citations"][0]["quote"]
    assert [step["outcome"] for step in found["model"][0]["steps"]] == ["accepted"]
    # In a world whose clock stands still ids have no order.
    done = sorted((each["kind"], each["action"]) for each in found["action"])
    assert done == [("apply", "pin_shortcut"), ("undo", "pin_shortcut")]
    assert all(each["decisions"] for each in found["action"])
    outcome = found["outcome"]
    assert outcome["replies"][0]["outcome"] == "answer"
    ended = sorted((each["state"], each["attempts"][0]["outcome"]) for each in outcome["runs"])
    assert ended == [("applied", "done"), ("undone", "done")]
    assert outcome["feedback"][0]["opinion"] == "wrong"
    assert {"action.run.applying", "action.run.applied", "action.run.undone"} <= {row["what"] for row in outcome["audit"]}
    assert {row["subject"] for row in outcome["audit"]} == {each["run_id"] for each in outcome["runs"]}
    assert {event["type"] for event in outcome["events"]} >= {"surefoot.action.run.applied", "surefoot.action.run.undone"}
    with fresh.surefoot.store.begin() as work:
        rows = work.audit.about(ACME, [run["run_id"]])
    assert {row.details["trace_id"] for row in rows if row.details} == {TRACE}, "the audit rows themselves carry it"


def test_a_run_that_names_no_reply_carries_the_trace_of_its_own_call(fresh: World) -> None:
    run = proposed(fresh, "one", fresh.viewer() | PARENT).json()["run"]
    assert (run["trace_id"], run["surface"]) == (TRACE, "")
    assert [each["run_id"] for each in trace(fresh)["action"]] == [run["run_id"]]


def test_a_run_beside_somebody_elses_reply_is_not_made(fresh: World) -> None:
    reply = fresh.ask(QUESTION, fresh.viewer())
    for headers in (fresh.viewer(user="eve"), fresh.viewer(tenant=GLOBEX)):
        assert proposed(fresh, "one", headers, reply_id=reply["reply_id"]).status_code == 404
    assert proposed(fresh, "one", fresh.viewer(), reply_id="ans_" + "0" * 32).status_code == 404
    assert proposed(fresh, "one", fresh.viewer(), reply_id="nonsense").status_code == 422


@pytest.mark.parametrize(
    "parent",
    [
        "",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{TRACE}-00f067aa0ba902b7",
    ],
)
def test_a_parent_that_is_not_valid_is_ignored_and_the_request_id_is_the_trace(shared: World, parent: str) -> None:
    reply = shared.ask(QUESTION, shared.viewer() | {"traceparent": parent, "X-Request-Id": "call-7"})
    assert reply["trace_id"] == "call-7"


def test_a_parent_of_a_later_version_may_go_on(shared: World) -> None:
    reply = shared.ask(QUESTION, shared.viewer() | {"traceparent": f"01-{TRACE}-00f067aa0ba902b7-01-more"})
    assert reply["trace_id"] == TRACE


def test_another_tenants_trace_and_one_that_never_was_are_the_same(fresh: World) -> None:
    fresh.ask(QUESTION, fresh.viewer() | PARENT)
    answers = [
        fresh.client.get(path, headers=fresh.admin_key(GLOBEX) | {"X-Request-Id": "same"})
        for path in (f"/v1/traces/{TRACE}", f"/v1/traces/{'0' * 32}")
    ]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].content == answers[1].content


def test_a_playbook_its_steps_and_its_undo_are_in_the_trace_of_its_call(fresh: World) -> None:
    viewer = Viewer(ACME, "usr_nora01", frozenset({EVERYONE}))
    step = PlaybookStep("pin_shortcut", {"user_id": "usr_nora01", "page": "payouts"})
    note_trace(trace_id=TRACE)
    playbooks = fresh.surefoot.actions.playbooks
    parent = playbooks.preview(viewer, Playbook("pins", (step,)), "key-1").parent
    note_trace(trace_id="another-call")
    playbooks.apply(viewer, parent.run_id, deliver=fresh.surefoot.actions.worker.deliver)
    playbooks.undo(viewer, parent.run_id, key="key-2", deliver=fresh.surefoot.actions.worker.deliver)
    kinds = sorted((each["kind"], each["action"]) for each in trace(fresh)["action"])
    assert kinds == [(kind, name) for kind in ("apply", "undo") for name in ("pin_shortcut", "playbook.pins")]


def test_a_trace_that_a_caller_gave_to_everything_they_did_stays_small(fresh: World) -> None:
    run_id = proposed(fresh, "one", fresh.viewer() | PARENT).json()["run"]["run_id"]
    with fresh.surefoot.store.begin() as work:
        first = work.runs.get(ACME, run_id)
        assert first is not None
        for number in range(MOST_RUNS + 20):
            named = f"run_{number:032x}"
            assert work.runs.create(ACME, replace(first, run_id=named, idem_key=named, natural_key="", version=1)) is None
        work.commit()
    found = trace(fresh)
    assert len(found["action"]) == len(found["outcome"]["runs"]) == MOST_RUNS
