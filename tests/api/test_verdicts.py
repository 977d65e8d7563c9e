"""A red gate degrades a running server, says so everywhere, and its end restores it without a restart."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from surefoot.core.ids import uuid7
from surefoot.domain.identity import TenantId
from surefoot.domain.verdicts import GateResult, GateState, Verdict
from surefoot.governance.verdicts import READ_EVERY_SECONDS, Verdicts
from tests.api.world import ACME, GLOBEX, NOW, World, world
from tests.asking import policy_of
from tests.writers import Writer, claims, writer

SAID = "Refunds reach the card within 5 business days."
HARD = "Do refunds reach a Bitcoin wallet on the moon?"
RED = GateResult(
    "leaks", "share.leaked", GateState.FAILED, True, 0.0, False, 200, 0.005, because="1 of 200 showed acme's payroll."
)
PASSED = replace(RED, state=GateState.PASSED)
TOKEN = {"Authorization": "Bearer metrics-secret"}
PIN = {"action": "pin_shortcut", "arguments": {"user_id": "usr_nora01", "page": "payouts"}, "env": "sandbox"}


class Served:
    """A running server with a small model, and what another process would do to its verdicts."""

    def __init__(self, made: World, model: Writer) -> None:
        self.world, self.model = made, model
        product = made.surefoot
        self.elsewhere = Verdicts(product.store, product.clock, product.audit)

    def judge(self, *results: GateResult, tenant: TenantId = ACME, **fields: Any) -> None:
        """The nightly run puts a verdict, and the seconds go by in which nobody need have seen it."""
        name = uuid7(NOW).hex
        verdict = Verdict(f"vrd_{name}", f"evr_{name}", ("sample",), self.world.clock.now(), results)
        self.elsewhere.put(tenant, replace(verdict, **fields), by="nightly")
        self.world.clock.advance(timedelta(seconds=READ_EVERY_SECONDS))

    def ask(self, question: str = HARD, **more: Any) -> dict[str, Any]:
        return self.world.ask(question, self.world.viewer(), **more)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Any:
        answered = self.world.client.get(path, headers=headers or {})
        assert answered.status_code == 200, answered.text
        return answered.json()

    def metrics(self) -> list[str]:
        answered = self.world.client.get("/metrics", headers=TOKEN)
        assert answered.status_code == 200
        return [line for line in answered.text.splitlines() if line.startswith(("surefoot_gate", "surefoot_verdict"))]


@pytest.fixture
def served() -> Iterator[Served]:
    model = writer("small", claims(SAID))
    with world(policy=policy_of({"small": model}), models={"small": model}, metrics_token="metrics-secret") as made:
        yield Served(made, model)


def test_a_red_gate_degrades_a_running_server_and_a_green_one_restores_it(served: Served) -> None:
    before = served.ask()
    assert (before["model"], before["degraded"], before["red_gates"]) == ("small", None, [])
    served.judge(RED)
    red = served.ask()
    assert (red["model"], red["degraded"], red["red_gates"], red["cost_usd"]) == ("", "gate_red", ["leaks"], 0.0)
    assert red["kind"] == "refusal" and served.model.calls == 1
    served.judge(PASSED)
    after = served.ask(f"{HARD} Or in gold?")
    assert (after["model"], after["degraded"], after["red_gates"]) == ("small", None, [])
    assert served.model.calls == 2


def test_a_streamed_reply_says_that_a_gate_is_red(served: Served) -> None:
    served.judge(RED)
    headers = served.world.viewer() | {"Accept": "text/event-stream"}
    told = served.world.client.post("/v1/ask", json={"question": HARD}, headers=headers).text
    assert '"degraded":"gate_red"' in told and '"red_gates":["leaks"]' in told and served.model.calls == 0


def test_the_ledger_keeps_which_gates_were_red(served: Served) -> None:
    served.judge(RED)
    reply = served.ask()
    row = served.get(f"/v1/replies/{reply['reply_id']}", served.world.admin_key())
    assert (row["degraded"], row["red_gates"]) == ("gate_red", ["leaks"])


def test_another_tenant_is_answered_as_ever(served: Served) -> None:
    served.judge(RED, tenant=GLOBEX)
    assert served.ask()["model"] == "small"


def test_a_press_is_refused_while_a_gate_is_red_and_undo_is_not(served: Served) -> None:
    client, nora = served.world.client, served.world.viewer(user="usr_nora01")

    def preview(key: str, page: str) -> dict[str, Any]:
        body = {**PIN, "arguments": {"user_id": "usr_nora01", "page": page}}
        answered = client.post("/v1/runs", json=body, headers=nora | {"Idempotency-Key": key})
        assert answered.status_code == 201, answered.text
        found: dict[str, Any] = answered.json()["run"]
        return found

    first = preview("a", "payouts")
    done = client.post(f"/v1/runs/{first['run_id']}/apply", json={}, headers=nora)
    assert done.status_code == 200 and done.json()["run"]["state"] == "applied", done.text
    served.judge(RED)
    second = preview("b", "invoices")
    refused = client.post(f"/v1/runs/{second['run_id']}/apply", json={}, headers=nora)
    assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (409, "gate_red", True)
    assert "'leaks'" in refused.json()["detail"] and "payroll" not in refused.json()["detail"]
    undone = client.post(f"/v1/runs/{first['run_id']}/undo", json={}, headers=nora)
    assert undone.status_code == 200 and undone.json()["run"]["state"] == "applied", undone.text
    served.judge(PASSED)
    third = preview("c", "payouts")
    assert client.post(f"/v1/runs/{third['run_id']}/apply", json={}, headers=nora).json()["run"]["state"] == "applied"


def test_readyz_counts_tenants_by_colour_and_names_none(served: Served) -> None:
    assert served.get("/readyz")["verdicts"] == {
        "colour": "green",
        "tenants": {"green": 0, "amber": 0, "red": 0},
        "stale": 0,
        "failed": [],
    }
    served.judge(RED)
    served.judge(PASSED, tenant=GLOBEX, valid_until=NOW)
    answered = served.world.client.get("/readyz")
    assert answered.status_code == 200 and answered.json()["status"] == "ready", "what is degraded is useful still"
    assert answered.json()["verdicts"] == {
        "colour": "red",
        "tenants": {"green": 1, "amber": 0, "red": 1},
        "stale": 1,
        "failed": [{"gate": "leaks", "metric": "share.leaked", "surfaces": ["*"], "is_blocking": True, "tenants": 1}],
    }
    assert "acme" not in answered.text and "payroll" not in answered.text


def test_a_tenants_verdict_is_shown_in_full_to_its_own_server_key_alone(served: Served) -> None:
    served.judge(PASSED)
    served.judge(RED)
    shown = served.get("/v1/verdict", served.world.admin_key())
    assert (shown["colour"], shown["standing"]["colour"], shown["standing"]["surfaces"]) == ("red", "red", {"*": "red"})
    (gate,) = shown["standing"]["gates"]
    assert (gate["gate"], gate["because"], gate["value"], gate["n"]) == ("leaks", RED.because, 0.005, 200)
    assert [each["colour"] for each in shown["recent"]] == ["red", "green"]
    other = served.get("/v1/verdict", served.world.admin_key(GLOBEX))
    assert other == {"colour": "green", "standing": None, "recent": []}
    for headers in ({}, served.world.viewer(), served.world.ingest_key()):
        assert served.world.client.get("/v1/verdict", headers=headers).status_code in (401, 403)


def test_metrics_show_what_is_red_now(served: Served) -> None:
    assert 'surefoot_gate_red{surface="*"} 0.0' in served.metrics()
    served.judge(replace(RED, surfaces=("help",)), valid_until=NOW)
    assert {
        'surefoot_gate_red{surface="help"} 1.0',
        'surefoot_gate_red{surface="*"} 1.0',
        'surefoot_verdicts{colour="red"} 1.0',
        "surefoot_verdicts_stale 1.0",
        f"surefoot_verdict_age_seconds {READ_EVERY_SECONDS}.0",
    } <= set(served.metrics())
    served.judge(replace(PASSED, surfaces=("help",)))
    told = served.metrics()
    assert 'surefoot_gate_red{surface="help"} 0.0' in told and "surefoot_verdicts_stale 0.0" in told
    assert 'surefoot_verdicts{colour="red"} 0.0' in told and 'surefoot_verdicts{colour="green"} 1.0' in told


def test_metrics_answer_while_the_database_does_not(served: Served) -> None:
    served.judge(RED)
    assert 'surefoot_gate_red{surface="*"} 1.0' in served.metrics()
    served.world.surefoot.store.close()
    served.world.clock.advance(timedelta(seconds=READ_EVERY_SECONDS))
    assert 'surefoot_gate_red{surface="*"} 1.0' in served.metrics()
    assert served.world.client.get("/readyz").json()["verdicts"] is None


def test_a_change_of_colour_is_delivered_to_the_tenants_webhook(served: Served) -> None:
    sink: Any = served.world.surefoot.courier._sink
    served.judge(RED)
    served.judge(RED)
    served.world.surefoot.courier.deliver_due()
    ((tenant, event),) = sink.accepted
    assert (tenant, event.type, event.data["to"]) == (ACME, "surefoot.eval.verdict.changed", "red")
