"""A playbook's run under the routes of single runs: seen there, and never done or ended by halves."""

from collections.abc import Iterator

import pytest

from tests.api.test_playbooks import approved, press, preview
from tests.api.world import World, world


@pytest.fixture
def made() -> Iterator[World]:
    with world() as fresh:
        yield fresh


def states(made: World, run_id: str) -> list[str]:
    shown = made.client.get(f"/v1/playbook-runs/{run_id}", headers=made.viewer()).json()
    return [shown["run"]["state"], *(step["run"]["state"] for step in shown["steps"])]


def test_cancelled_as_a_run_it_is_cancelled_with_its_steps(made: World) -> None:
    run_id = preview(made).json()["run"]["run_id"]
    done = made.client.post(f"/v1/runs/{run_id}/cancel", json={}, headers=made.viewer())
    assert (done.status_code, done.json()["run"]["state"]) == (200, "cancelled")
    assert set(states(made, run_id)) == {"cancelled"}


def test_applied_as_a_run_nothing_of_it_is_done(made: World) -> None:
    run_id = approved(made)
    before = states(made, run_id)
    refused = made.client.post(f"/v1/runs/{run_id}/apply", json={}, headers=made.viewer())
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_allowed")
    assert "apply the playbook" in refused.json()["detail"]
    assert states(made, run_id) == before


@pytest.mark.parametrize("step", ["undo", "redo"])
def test_an_applied_one_is_not_taken_back_as_a_run(made: World, step: str) -> None:
    run_id = approved(made)
    press(made, run_id, "apply")
    before = states(made, run_id)
    assert made.client.post(f"/v1/runs/{run_id}/{step}", json={}, headers=made.viewer()).status_code in (404, 409)
    assert states(made, run_id) == before and before[0] == "applied"
