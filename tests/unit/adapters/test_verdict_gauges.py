"""The gauges of verdicts show what stands now, and 0 for what stood before."""

from datetime import UTC, datetime, timedelta

from surefoot.adapters.prometheus_observer import PrometheusObserver
from surefoot.domain.identity import TenantId
from surefoot.domain.verdicts import GateResult, GateState, Verdict

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ACME, GLOBEX = TenantId("acme"), TenantId("globex")


def verdict(*surfaces: str, age_hours: int = 1) -> Verdict:
    result = GateResult("leaks", "share.leaked", GateState.FAILED, True, 0.0, False, 200, surfaces=surfaces)
    return Verdict("vrd_1", "evr_1", ("sample",), NOW - timedelta(hours=age_hours), (result,))


def shown(observer: PrometheusObserver) -> set[str]:
    lines = observer.exposition().decode().splitlines()
    return {line.removeprefix("surefoot_") for line in lines if line.startswith(("surefoot_gate", "surefoot_verdict"))}


def test_without_tenants_the_gauges_count_them() -> None:
    observer = PrometheusObserver()
    observer.judged({ACME: verdict("help"), GLOBEX: verdict("help", "billing", age_hours=3)}, NOW)
    assert {
        'gate_red{surface="*"} 2.0',
        'gate_red{surface="help"} 2.0',
        'gate_red{surface="billing"} 1.0',
        'verdicts{colour="red"} 2.0',
        'verdicts{colour="green"} 0.0',
        "verdict_age_seconds 10800.0",
    } <= shown(observer)
    assert not any("acme" in line for line in shown(observer))


def test_what_stands_no_more_shows_nothing_red() -> None:
    observer = PrometheusObserver()
    observer.judged({ACME: verdict("help")}, NOW)
    observer.judged({}, NOW)
    assert {'gate_red{surface="*"} 0.0', 'gate_red{surface="help"} 0.0', 'verdicts{colour="red"} 0.0'} <= shown(observer)
    assert "verdict_age_seconds 0.0" in shown(observer)


def test_with_tenants_every_gauge_is_each_tenants_own() -> None:
    observer = PrometheusObserver(tenants=True)
    observer.judged({ACME: verdict("help"), GLOBEX: verdict("billing")}, NOW)
    assert {'gate_red{surface="help",tenant="acme"} 1.0', 'verdicts{colour="red",tenant="globex"} 1.0'} <= shown(observer)
    observer.judged({GLOBEX: verdict("billing")}, NOW)
    assert {'gate_red{surface="help",tenant="acme"} 0.0', 'verdicts{colour="red",tenant="globex"} 1.0'} <= shown(observer)
