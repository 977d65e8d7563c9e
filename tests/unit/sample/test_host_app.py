"""The sample product's backend: eight actions on real state, each taken back exactly."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import jsonschema_rs
import pytest

from surefoot.adapters.python_host import PythonHost
from surefoot.adapters.webhook_host import WebhookHost
from surefoot.core.clock import FixedClock, SystemClock
from surefoot.domain.actions import Env
from surefoot.domain.json_patch import inverted
from surefoot.domain.runs import HostCall, HostDone, HostRejected, HostReply, HostStale
from surefoot.ports.actions import HostApp
from surefoot.sample.host_app import SampleHostApp, serve_host_app
from surefoot.sample.tenant import TENANT

NOW = datetime(2026, 11, 20, 23, 50, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"p" * 32).decode()
COMPENSATED = "suggest_upgrade_within_policy"


def schemas() -> dict[str, dict[str, Any]]:
    folder = files("surefoot") / "action_schemas"
    found = [json.loads(file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".v1.json")]
    return {schema["x-action"]["name"]: schema for schema in found}


SCHEMAS = schemas()
EXAMPLES = [
    pytest.param(name, example["arguments"], id=f"{name}-{number}")
    for name, schema in sorted(SCHEMAS.items())
    for number, example in enumerate(schema["x-action"]["examples"])
    if example["valid"]
]
ONE_OF_EACH = [pytest.param(*next(one for one in EXAMPLES if one.values[0] == name).values, id=name) for name in sorted(SCHEMAS)]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def sample(tmp_path: Path, clock: FixedClock) -> Iterator[SampleHostApp]:
    made = SampleHostApp(tmp_path / "pennyfern.db", clock)
    yield made
    made.close()


@pytest.fixture
def host(sample: SampleHostApp, clock: FixedClock) -> HostApp:
    return PythonHost(sample.handlers, sample.ledger, clock)


def call(action: str, arguments: Mapping[str, Any], run: str = "run_1", **more: Any) -> HostCall:
    return HostCall(
        delivery_id=f"dlv_{run}",
        run_id=run,
        env=more.pop("env", Env.PRODUCTION),
        action=action,
        action_version="1.0.0",
        path=SCHEMAS[action]["x-action"]["connector"]["path"],
        arguments=arguments,
        preconditions=more.pop("preconditions", ()),
        timeout_seconds=5.0,
        maker="nora",
        **more,
    )


def done(reply: HostReply) -> HostDone:
    assert isinstance(reply, HostDone), reply
    return reply


def applied(host: HostApp, action: str, arguments: Mapping[str, Any]) -> HostDone:
    plan = done(host.simulate(TENANT, call(action, arguments)))
    return done(host.apply(TENANT, call(action, arguments, preconditions=plan.before, changes=plan.changes)))


def undo(host: HostApp, action: str, arguments: Mapping[str, Any], receipt: HostDone, run: str = "run_2") -> HostReply:
    changes = () if action == COMPENSATED else inverted(receipt.changes)
    taken = call(action, arguments, run, preconditions=receipt.after, changes=changes, undo_handle=receipt.undo_handle)
    return host.undo(TENANT, taken)


def test_every_declared_action_is_there(sample: SampleHostApp) -> None:
    assert set(sample.handlers) == set(SCHEMAS) and len(SCHEMAS) == 8


@pytest.mark.parametrize(("action", "arguments"), EXAMPLES)
def test_every_valid_example_is_applied_as_previewed_and_undone_exactly(
    sample: SampleHostApp, host: HostApp, action: str, arguments: Mapping[str, Any]
) -> None:
    before = sample.state_hash()
    plan = done(host.simulate(TENANT, call(action, arguments)))
    assert sample.state_hash() == before
    receipt = applied(host, action, arguments)
    assert receipt.changes == plan.changes
    assert sample.state_hash() != before
    back = done(undo(host, action, arguments, receipt))
    if action == COMPENSATED:
        (offer,) = [document for name, document in sample.state().items() if name.startswith("upgrade_offer/")]
        assert offer["state"] == "withdrawn"
    else:
        assert sample.state_hash() == before
    assert back.summary


@pytest.mark.parametrize(("action", "arguments"), ONE_OF_EACH)
def test_an_action_keeps_to_the_effects_and_the_result_that_its_file_declares(
    host: HostApp, action: str, arguments: Mapping[str, Any]
) -> None:
    declared = SCHEMAS[action]["x-action"]
    receipt = applied(host, action, arguments)
    (effect,) = declared["effects"]
    assert [change.resource.partition("/")[0] for change in receipt.changes] == [effect["resource"]] * effect["max"]
    assert (receipt.changes[0].forward[0]["op"] == "add" and receipt.changes[0].forward[0]["path"] == "") == (
        effect["op"] == "create"
    )
    jsonschema_rs.validate(declared["result_schema"], receipt.result)
    assert set(receipt.result or {}) == set(declared["result_schema"]["properties"])
    assert receipt.minutes_saved > 0 and receipt.summary.endswith(".")


@pytest.mark.parametrize(("action", "arguments"), ONE_OF_EACH)
def test_a_later_outside_write_is_never_overwritten_by_an_undo(
    sample: SampleHostApp, host: HostApp, action: str, arguments: Mapping[str, Any]
) -> None:
    receipt = applied(host, action, arguments)
    resource = receipt.changes[0].resource
    theirs = {**sample.state()[resource], "note": "changed by somebody else"}
    sample.write_outside(resource, theirs)
    state = sample.state_hash()
    reply = undo(host, action, arguments, receipt)
    assert isinstance(reply, HostStale) and (reply.documents or {})[resource] == theirs
    assert sample.state_hash() == state


@pytest.mark.parametrize(("action", "arguments"), ONE_OF_EACH)
def test_the_two_environments_have_state_of_their_own(
    sample: SampleHostApp, host: HostApp, action: str, arguments: Mapping[str, Any]
) -> None:
    before = sample.state_hash()
    done(host.apply(TENANT, call(action, arguments, env=Env.SANDBOX)))
    assert sample.state_hash() == before != sample.state_hash(Env.SANDBOX)


@pytest.mark.parametrize(
    ("action", "changed"),
    [
        ("show_checklist", {"user_id": "usr_nobody"}),
        ("enable_feature", {"account_id": "acc_nobody1"}),
        ("enable_feature", {"feature": "free_money"}),
        ("suggest_upgrade_within_policy", {"account_id": "acc_mossbank1", "to_plan": "growth"}),
        ("unlock_trial_within_caps", {"account_id": "acc_adaworks1"}),
        ("prefill_form", {"fields": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}),
    ],
)
def test_what_the_product_does_not_want_is_refused_with_a_reason(host: HostApp, action: str, changed: Mapping[str, Any]) -> None:
    arguments = next(one.values[1] for one in EXAMPLES if one.values[0] == action)
    reply = host.simulate(TENANT, call(action, {**arguments, **changed}))  # type: ignore[dict-item]
    assert isinstance(reply, HostRejected) and reply.status == 422 and reply.reason.endswith(".")


def test_an_accepted_offer_is_not_withdrawn(sample: SampleHostApp, host: HostApp) -> None:
    arguments = next(one.values[1] for one in EXAMPLES if one.values[0] == COMPENSATED)
    applied(host, COMPENSATED, arguments)  # type: ignore[arg-type]
    resource = "upgrade_offer/run_1"
    sample.write_outside(resource, {**sample.state()[resource], "state": "accepted"})
    preview = host.simulate(TENANT, call(COMPENSATED, arguments, "run_2", undo_handle="run_1"))  # type: ignore[arg-type]
    assert isinstance(preview, HostRejected) and "accepted" in preview.reason


def test_a_trial_that_was_previewed_before_midnight_is_stale_after_it(host: HostApp, clock: FixedClock) -> None:
    arguments = next(one.values[1] for one in EXAMPLES if one.values[0] == "unlock_trial_within_caps")
    plan = done(host.simulate(TENANT, call("unlock_trial_within_caps", arguments)))  # type: ignore[arg-type]
    clock.advance(timedelta(minutes=11))
    planned = call("unlock_trial_within_caps", arguments, preconditions=plan.before, changes=plan.changes)  # type: ignore[arg-type]
    assert isinstance(host.apply(TENANT, planned), HostStale)


def test_the_state_outlives_the_process_and_is_filled_once(tmp_path: Path, sample: SampleHostApp, host: HostApp) -> None:
    arguments = next(one.values[1] for one in EXAMPLES if one.values[0] == "enable_feature")
    applied(host, "enable_feature", arguments)  # type: ignore[arg-type]
    state = sample.state_hash()
    again = SampleHostApp(tmp_path / "pennyfern.db")
    assert again.state_hash() == state
    again.close()


def test_it_is_served_on_loopback_and_shows_its_state(tmp_path: Path) -> None:
    sample = SampleHostApp(tmp_path / "served.db")
    arguments = next(one.values[1] for one in EXAMPLES if one.values[0] == "enable_feature")
    with serve_host_app(sample, SECRET) as url:
        host = WebhookHost(url, "PENNYFERN", SystemClock(), offline=False, environ={"PENNYFERN": SECRET})
        applied(host, "enable_feature", arguments)  # type: ignore[arg-type]
        with urlopen(f"{url}/state") as response:
            told = json.loads(response.read())
    assert told["hash"] == sample.state_hash()
    assert told["documents"] == sample.state()
    sample.close()
