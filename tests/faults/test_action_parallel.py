"""Fifty people press at once, in several processes: caps hold, a natural key has one effect, and a run is applied once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.actions.registry import load_registry
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import RunState
from surefoot.governance.audit import Verified
from tests.faults.action_child import MAKER, Job, seed
from tests.faults.action_proof import House, cap_used, house

THREADS, PROCESSES = 50, 5
TENANT = TenantId("crowd")
FORM = {"user_id": MAKER, "form": "new_invoice", "fields": [{"name": "note", "value": "Thank you"}]}
SHORTCUT = {"user_id": MAKER, "page": "invoices"}


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Iterator[House]:
    with house(database_url, tmp_path, tenant=TENANT) as made:
        seed(made.store, TENANT)
        yield made


def _job(home: House, what: str, action: str, arguments: dict[str, object]) -> Job:
    job = Job(what, home.url, home.address, str(home.host_file), TENANT, key="many", action=action, arguments=arguments)
    return replace(job, threads=THREADS)


def _crowd(home: House, job: Job) -> Counter[str]:
    """The crowd has pressed, and whatever it began has come to an end; returns what some of it were refused."""
    ended = home.do(replace(job, processes=PROCESSES))
    assert ended.status == 0, ended.lines
    assert home.do(replace(job, what="recover", worker="r")).status == 0
    return Counter(line.split()[0] for line in ended.said("refused"))


def _attempts(home: House, run_id: str) -> list[str]:
    with home.store.begin() as work:
        return [each.outcome for each in work.runs.attempts(TENANT, run_id) if each.operation == "apply"]


def test_of_fifty_runs_pressed_twice_at_once_as_many_are_applied_as_the_cap_lets_through(home: House) -> None:
    job = _job(home, "propose", "prefill_form", FORM)
    runs = home.do(job).said("proposed")
    assert len(set(runs)) == THREADS
    _crowd(home, replace(job, what="press", runs=tuple(runs)))
    used, most = cap_used(home.store, TENANT, load_registry().get("prefill_form"), FORM)
    states = {run.run_id: run.state for run in home.runs_of(TENANT)}
    assert states.keys() == set(runs)
    assert Counter(states.values()) == {RunState.APPLIED: most, RunState.DENIED: THREADS - most}
    assert used == most
    for run_id, state in states.items():
        is_applied = state is RunState.APPLIED
        assert home.effects(TENANT, f"form_draft/{run_id}") == is_applied
        assert _attempts(home, run_id).count("done") == is_applied
    assert isinstance(home.trail.verify(TENANT), Verified)


def test_fifty_wishes_for_the_same_are_one_run_with_one_effect(home: House) -> None:
    refused = _crowd(home, _job(home, "wish", "pin_shortcut", SHORTCUT))
    runs = home.runs_of(TENANT)
    assert [run.state for run in runs] == [RunState.APPLIED]
    assert home.effects(TENANT, f"shortcut/{MAKER}:invoices") == 1
    assert _attempts(home, runs[0].run_id) == ["done"]
    assert cap_used(home.store, TENANT, load_registry().get("pin_shortcut"), SHORTCUT)[0] == 1
    assert refused.keys() <= {"RunInProgress"}
    assert isinstance(home.trail.verify(TENANT), Verified)


def test_fifty_who_press_the_same_run_apply_it_once(home: House) -> None:
    job = _job(home, "propose", "prefill_form", FORM)
    [run_id] = home.do(replace(job, threads=1)).said("proposed")
    # Every place of the list is another thread's, and each names the same run.
    _crowd(home, replace(job, what="press", runs=(run_id,) * THREADS))
    assert [run.state for run in home.runs_of(TENANT)] == [RunState.APPLIED]
    assert home.effects(TENANT, f"form_draft/{run_id}") == 1
    assert _attempts(home, run_id) == ["done"]
    assert isinstance(home.trail.verify(TENANT), Verified)
