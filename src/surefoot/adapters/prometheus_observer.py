"""Counts replies for Prometheus, in a registry of its own."""

import threading
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from surefoot.domain.answers import Refusal
from surefoot.domain.identity import TenantId
from surefoot.domain.replies import Reply
from surefoot.domain.routing import Step

# Surfaces and models are few, because files declare them. Should a label ever take more values, the rest count together.
MAX_LABEL_VALUES = 64
OTHER = "other"

_STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MODEL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


class PrometheusObserver:
    """See ports.ReplyObserver. No label names a viewer, and none a tenant unless `tenants`: each value of a label is kept in
    memory and read at every scrape for as long as the process lives.
    """

    def __init__(self, *, tenants: bool = False) -> None:
        self._registry = CollectorRegistry()
        self._tenants = tenants
        self._values = {name: _Values() for name in ("surface", "model", "stage", "purpose")}
        ProcessCollector(registry=self._registry)
        self._replies = self._counter(
            "replies", "Replies given. reason is of refusals, tier of answers.", "surface", "outcome", "reason", "tier"
        )
        self._cache = self._counter("reply_cache", "Replies by what the answer cache did for them.", "surface", "use")
        self._levels = self._counter("replies_at_budget_level", "Replies by what the budget then allowed.", "surface", "level")
        self._degraded = self._counter("replies_degraded", "Replies for which fewer tiers were asked than allowed.", "reason")
        self._steps = self._counter(
            "steps", "Attempts at an answer, by how each ended; what the gate dropped is unsupported or invalid.",
            *("tier", "model", "purpose", "outcome"),
        )  # fmt: skip
        self._escalations = self._counter("escalations", "Attempts that led to the next tier, by the evidence.", "tier", "reason")
        self._tokens = self._counter("tokens", "Tokens of models; cached ones are part of the input.", "model", "kind")
        self._cost = self._counter("cost_usd", "US dollars spent on models.", "tier", "model", "surface")
        self._step_seconds = self._histogram("step_seconds", "Time of one attempt.", _MODEL_SECONDS, "tier", "model")
        self._stage_seconds = self._histogram("stage_seconds", "Time of each stage of a reply.", _STAGE_SECONDS, "stage")
        self._first_claim = self._histogram(
            "first_claim_seconds", "Time until the first verified claim of a streamed reply.", _MODEL_SECONDS
        )
        self._budget_level: Gauge | None = None
        if tenants:
            self._budget_level = Gauge(
                "surefoot_budget_level",
                "Of the latest reply: 0 normal, 1 warn, 2 small only, 3 exhausted.",
                ("surface", "tenant"),
                registry=self._registry,
            )

    def replied(self, tenant: TenantId, reply: Reply) -> None:
        """The reply is counted in every series that it belongs to."""
        of_tenant = (str(tenant),) if self._tenants else ()
        surface = self._values["surface"].kept(reply.surface)
        if isinstance(reply.outcome, Refusal):
            outcome = ("refusal", reply.outcome.reason.value, "")
        else:
            outcome = ("answer", "", reply.outcome.tier.value)
        self._replies.labels(surface, *outcome, *of_tenant).inc()
        self._cache.labels(surface, reply.cache.value, *of_tenant).inc()
        self._levels.labels(surface, reply.budget.value, *of_tenant).inc()
        if self._budget_level is not None:
            self._budget_level.labels(surface, *of_tenant).set(reply.budget.rank)
        if reply.degraded is not None:
            self._degraded.labels(reply.degraded.value, *of_tenant).inc()
        for step in reply.steps:
            self._stepped(step, surface, of_tenant)
        for stage, milliseconds in reply.timings_ms.items():
            self._stage_seconds.labels(self._values["stage"].kept(stage), *of_tenant).observe(milliseconds / 1000)
        if reply.first_claim_ms is not None:
            # A metric without any label has no `labels`.
            first_claim = self._first_claim.labels(*of_tenant) if of_tenant else self._first_claim
            first_claim.observe(reply.first_claim_ms / 1000)

    def exposition(self) -> bytes:
        """Every series of this process, in Prometheus's text format."""
        return generate_latest(self._registry)

    def _stepped(self, step: Step, surface: str, of_tenant: tuple[str, ...]) -> None:
        tier, model = step.tier.value, self._values["model"].kept(step.model)
        purpose = self._values["purpose"].kept(step.purpose)
        self._steps.labels(tier, model, purpose, step.outcome.value, *of_tenant).inc()
        self._step_seconds.labels(tier, model, *of_tenant).observe(step.latency_ms / 1000)
        if step.escalated_because is not None:
            self._escalations.labels(tier, step.escalated_because.value, *of_tenant).inc()
        if not step.model:
            return
        for kind, count in (("input", step.input_tokens), ("output", step.output_tokens), ("cached", step.cached_tokens)):
            self._tokens.labels(model, kind, *of_tenant).inc(count)
        self._cost.labels(tier, model, surface, *of_tenant).inc(step.spend.usd)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"surefoot_{name}", meaning, self._all(labels), registry=self._registry)

    def _histogram(self, name: str, meaning: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"surefoot_{name}", meaning, self._all(labels), registry=self._registry, buckets=buckets)

    def _all(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        return (*labels, "tenant") if self._tenants else labels


class _Values:
    """The values that one label has taken."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def kept(self, value: str) -> str:
        """The value itself, or OTHER when the label has all the values it may have."""
        if value in self._known:
            return value
        with self._lock:
            if len(self._known) >= MAX_LABEL_VALUES:
                return OTHER
            self._known.add(value)
            return value
