"""Every reply is counted by what it was and cost, and by nobody's name."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from surefoot.adapters.prometheus_observer import MAX_LABEL_VALUES, PrometheusObserver
from surefoot.domain.answers import Answer, Refusal, RefusalReason, Tier
from surefoot.domain.budgets import BudgetLevel, Spend
from surefoot.domain.identity import TenantId
from surefoot.domain.replies import CacheUse, Reply
from surefoot.domain.routing import Degraded, EscalationReason, Step, StepOutcome

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
SMALL = Step(
    Tier.SMALL, "quick", "answer", StepOutcome.UNSUPPORTED, Spend(2_000_000, 900), 800, 100, 512, 700.0,
    ("a claim says 5 where its quote says 10",), EscalationReason.UNSUPPORTED_CLAIM,
)  # fmt: skip
LARGE = Step(Tier.LARGE, "deep", "answer", StepOutcome.ACCEPTED, Spend(40_000_000, 1_000), 850, 150, 0, 1_900.0)
EXTRACTIVE = Step(
    Tier.EXTRACTIVE, "", "answer", StepOutcome.REFUSED, latency_ms=3.0, escalated_because=EscalationReason.INSUFFICIENT_EVIDENCE
)
ANSWER = Reply(
    reply_id="ans_1",
    question="How long do refunds take?",
    outcome=Answer((), 0.9, Tier.LARGE),
    corpus_version="1",
    asked_at=datetime(2026, 6, 1, tzinfo=UTC),
    timings_ms={"search": 3.0, "total": 2_700.0},
    first_claim_ms=2_500.0,
    steps=(EXTRACTIVE, SMALL, LARGE),
    budget=BudgetLevel.WARN,
)
REFUSAL = replace(
    ANSWER,
    reply_id="ans_2",
    outcome=Refusal(RefusalReason.OUT_OF_SCOPE, "Not in these documents."),
    timings_ms={"search": 2.0},
    first_claim_ms=None,
    steps=(EXTRACTIVE,),
    cache=CacheUse.HIT,
    budget=BudgetLevel.EXHAUSTED,
    degraded=Degraded.BUDGET_EXHAUSTED,
)


def samples(observer: PrometheusObserver) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every series of ours but the moments of creation, by name and labels."""
    families = text_string_to_metric_families(observer.exposition().decode())
    return {
        (sample.name.removeprefix("surefoot_"), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("surefoot_") and not sample.name.endswith("_created")
    }


def value(observer: PrometheusObserver, name: str, **labels: str) -> float:
    return samples(observer)[name, frozenset(labels.items())]


@pytest.fixture
def observer() -> PrometheusObserver:
    made = PrometheusObserver()
    made.replied(ACME, ANSWER)
    made.replied(GLOBEX, ANSWER)
    made.replied(ACME, REFUSAL)
    return made


def test_replies_are_counted_by_surface_outcome_reason_and_tier(observer: PrometheusObserver) -> None:
    assert value(observer, "replies_total", surface="help", outcome="answer", reason="", tier="large") == 2
    assert value(observer, "replies_total", surface="help", outcome="refusal", reason="out_of_scope", tier="") == 1
    assert value(observer, "reply_cache_total", surface="help", use="miss") == 2
    assert value(observer, "reply_cache_total", surface="help", use="hit") == 1
    assert value(observer, "replies_degraded_total", surface="help", reason="budget_exhausted") == 1
    assert value(observer, "replies_at_budget_level_total", surface="help", level="warn") == 2


def test_steps_are_counted_with_their_escalations_tokens_and_money(observer: PrometheusObserver) -> None:
    assert value(observer, "steps_total", tier="small", model="quick", purpose="answer", outcome="unsupported") == 2
    assert value(observer, "steps_total", tier="extractive", model="", purpose="answer", outcome="refused") == 3
    assert value(observer, "escalations_total", tier="small", reason="unsupported_claim") == 2
    assert value(observer, "escalations_total", tier="extractive", reason="insufficient_evidence") == 3
    tokens = {kind: value(observer, "tokens_total", model="quick", kind=kind) for kind in ("input", "output", "cached")}
    assert tokens == {"input": 1_600, "output": 200, "cached": 1_024}
    assert value(observer, "cost_usd_total", tier="large", model="deep", surface="help") == pytest.approx(0.08)
    assert value(observer, "step_seconds_sum", tier="large", model="deep") == pytest.approx(3.8)


def test_time_is_observed_by_stage_and_until_the_first_claim(observer: PrometheusObserver) -> None:
    assert value(observer, "stage_seconds_sum", surface="help", stage="search") == pytest.approx(0.008)
    assert value(observer, "stage_seconds_count", surface="help", stage="search") == 3
    assert value(observer, "first_claim_seconds_count", surface="help") == 2
    assert value(observer, "first_claim_seconds_bucket", surface="help", le="2.0") == 0
    assert value(observer, "first_claim_seconds_bucket", surface="help", le="4.0") == 2


def test_no_series_names_a_tenant_a_viewer_or_a_question_unless_tenants_are_asked_for(observer: PrometheusObserver) -> None:
    text = observer.exposition().decode()
    assert not [word for word in ("acme", "globex", "ans_1", "refunds", "tenant=") if word in text]
    assert "surefoot_budget_level" not in text


def test_with_tenants_every_series_is_each_tenants_own() -> None:
    observer = PrometheusObserver(tenants=True)
    observer.replied(ACME, REFUSAL)
    observer.replied(GLOBEX, ANSWER)
    owners = [dict(labels).get("tenant") for _, labels in samples(observer)]
    assert set(owners) == {"acme", "globex"}
    assert value(observer, "budget_level", surface="help", tenant="acme") == BudgetLevel.EXHAUSTED.rank
    assert value(observer, "budget_level", surface="help", tenant="globex") == BudgetLevel.WARN.rank
    assert value(observer, "first_claim_seconds_count", surface="help", tenant="globex") == 1


def test_labels_never_take_more_values_than_they_may() -> None:
    observer = PrometheusObserver()
    for number in range(500):
        step = replace(SMALL, model=f"model-{number}", purpose=f"purpose-{number}")
        observer.replied(ACME, replace(ANSWER, surface=f"surface-{number}", steps=(step,), timings_ms={f"stage-{number}": 1.0}))
    found = samples(observer)
    for label in ("surface", "model", "purpose", "stage"):
        taken = {dict(labels)[label] for _, labels in found if label in dict(labels)}
        assert len(taken) == MAX_LABEL_VALUES + 1 and "other" in taken
    assert sum(count for (name, _), count in found.items() if name == "replies_total") == 500


def test_two_observers_count_for_themselves_and_nothing_is_global(observer: PrometheusObserver) -> None:
    assert samples(PrometheusObserver()) != samples(observer)
    assert PrometheusObserver().exposition().count(b"\nsurefoot_replies_total{") == 0
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("surefoot")]
