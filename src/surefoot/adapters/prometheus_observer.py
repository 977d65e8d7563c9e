"""Counts for Prometheus what the product does, in a registry of its own; with several processes a scrape is their sum."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from surefoot.domain.answers import Answer, Refusal
from surefoot.domain.feedback import Feedback
from surefoot.domain.identity import TenantId
from surefoot.domain.replies import Reply
from surefoot.domain.routing import Step, StepOutcome
from surefoot.domain.runs import Run
from surefoot.domain.verdicts import EVERY_SURFACE, Colour, Verdict

# Surfaces, models and actions are few, because files declare them. Should a label ever take more values, the rest count together.
MAX_LABEL_VALUES = 64
OTHER = "other"

_STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MODEL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_DRAFTED = frozenset(
    {
        *(StepOutcome.ACCEPTED, StepOutcome.INVALID, StepOutcome.UNSUPPORTED),
        *(StepOutcome.RISKY_ACTION, StepOutcome.CANNOT_ANSWER),
    }
)


class PrometheusObserver:
    """See ports.Observer. No label names a viewer, and none a tenant unless `tenants`: each value of a label is kept in
    memory and read at every scrape for as long as the process lives.

    Where PROMETHEUS_MULTIPROC_DIR was set before this module was imported, every process counts into files of that folder, and
    the exposition of any of them is the sum of all.
    """

    def __init__(self, *, tenants: bool = False) -> None:
        self._registry = CollectorRegistry()
        self._tenants = tenants
        self._values = {name: _Values() for name in ("surface", "model", "stage", "purpose", "action")}
        self._is_shared = values.ValueClass is not values.MutexValue
        if not self._is_shared:
            ProcessCollector(registry=self._registry)
        self._make_reply_series()
        self._make_quality_series()
        self._make_action_series()
        self._make_verdict_series()
        self._budget_level: Gauge | None = None
        self._budget_burn: Gauge | None = None
        if tenants:
            levels = "Of the latest reply: 0 normal, 1 warn, 2 small only, 3 exhausted."
            self._budget_level = self._gauge("budget_level", levels, "surface")
            self._budget_burn = self._gauge(
                "budget_burn", "Share of the tenant's tighter limit spent, as of the latest question.", "surface"
            )

    def _make_reply_series(self) -> None:
        self._replies = self._counter(
            "replies", "Replies given. reason is of refusals, tier of answers.", "surface", "outcome", "reason", "tier"
        )
        self._reply_seconds = self._histogram(
            "reply_seconds", "Time worked on a reply, all stages together.", _STAGE_SECONDS, "surface", "outcome"
        )
        self._cache = self._counter("reply_cache", "Replies by what the answer cache did for them.", "surface", "use")
        self._levels = self._counter("replies_at_budget_level", "Replies by what the budget then allowed.", "surface", "level")
        self._degraded = self._counter(
            "replies_degraded", "Replies for which fewer tiers were asked than allowed.", "surface", "reason"
        )
        self._steps = self._counter(
            "steps", "Attempts at an answer, by how each ended; what the gate dropped is unsupported or invalid.",
            *("tier", "model", "purpose", "outcome"),
        )  # fmt: skip
        self._escalations = self._counter("escalations", "Attempts that led to the next tier, by the evidence.", "tier", "reason")
        self._tokens = self._counter("tokens", "Tokens of models; cached ones are part of the input.", "model", "kind")
        self._cost = self._counter("cost_usd", "US dollars spent on models.", "tier", "model", "surface")
        self._step_seconds = self._histogram("step_seconds", "Time of one attempt.", _MODEL_SECONDS, "tier", "model")
        self._stage_seconds = self._histogram(
            "stage_seconds", "Time of each stage of a reply.", _STAGE_SECONDS, "surface", "stage"
        )
        self._first_claim = self._histogram(
            "first_claim_seconds", "Time until the first verified claim of a streamed reply.", _MODEL_SECONDS, "surface"
        )
        self._budget_share = self._histogram(
            "budget_share", "Share of the tenant's tighter limit that was spent when a question came.", _SHARES, "surface"
        )

    def _make_quality_series(self) -> None:
        self._claims = self._counter("claims", "Claims shown, with a citation or without.", "surface", "cited")
        self._claim_support = self._histogram("claim_support", "Support score of claims shown.", _SHARES, "surface")
        self._drafts = self._counter(
            "drafts", "Drafts of models, by whether their JSON had the form asked for.", "surface", "validity"
        )
        self._offers = self._counter("offers", "Actions offered beside replies.", "surface", "action")
        self._feedback = self._counter("feedback", "What viewers said about replies.", "surface", "opinion")

    def _make_action_series(self) -> None:
        self._requests = self._counter(
            "action_requests", "Actions asked for, by whether the arguments were valid.", "action", "validity"
        )
        self._runs = self._counter("runs", "Runs by each state they came to.", "surface", "action", "env", "kind", "state")
        self._calls = self._counter("host_calls", "Calls to hosts by what was answered.", "action", "operation", "outcome")
        self._call_seconds = self._histogram(
            "host_call_seconds", "Time of one call to a host.", _STAGE_SECONDS, "action", "operation"
        )

    def replied(self, tenant: TenantId, reply: Reply) -> None:
        """The reply is counted in every series that it belongs to."""
        of_tenant = self._of(tenant)
        surface = self._values["surface"].kept(reply.surface)
        if isinstance(reply.outcome, Refusal):
            outcome = ("refusal", reply.outcome.reason.value, "")
        else:
            outcome = ("answer", "", reply.outcome.tier.value)
            self._answered(reply.outcome, surface, of_tenant)
        self._replies.labels(surface, *outcome, *of_tenant).inc()
        self._reply_seconds.labels(surface, outcome[0], *of_tenant).observe(sum(reply.timings_ms.values()) / 1000)
        self._cache.labels(surface, reply.cache.value, *of_tenant).inc()
        self._levels.labels(surface, reply.budget.value, *of_tenant).inc()
        if self._budget_level is not None:
            self._budget_level.labels(surface, *of_tenant).set(reply.budget.rank)
        if reply.degraded is not None:
            self._degraded.labels(surface, reply.degraded.value, *of_tenant).inc()
        for step in reply.steps:
            self._stepped(step, surface, of_tenant)
        for stage, milliseconds in reply.timings_ms.items():
            self._stage_seconds.labels(surface, self._values["stage"].kept(stage), *of_tenant).observe(milliseconds / 1000)
        if reply.first_claim_ms is not None:
            self._first_claim.labels(surface, *of_tenant).observe(reply.first_claim_ms / 1000)
        for offered in reply.actions:
            self._offers.labels(surface, self._values["action"].kept(offered.action), *of_tenant).inc()

    def metered(self, tenant: TenantId, surface: str, share: float) -> None:
        """The share is counted."""
        kept = self._values["surface"].kept(surface)
        self._budget_share.labels(kept, *self._of(tenant)).observe(share)
        if self._budget_burn is not None:
            self._budget_burn.labels(kept, *self._of(tenant)).set(share)

    def requested(self, tenant: TenantId, action: str, *, is_valid: bool) -> None:
        """The request is counted."""
        kept = self._values["action"].kept(action)
        self._requests.labels(kept, "valid" if is_valid else "invalid", *self._of(tenant)).inc()

    def ran(self, tenant: TenantId, run: Run) -> None:
        """The run is counted at its state."""
        surface, action = self._values["surface"].kept(run.surface), self._values["action"].kept(run.action)
        self._runs.labels(surface, action, run.env.value, run.kind.value, run.state.value, *self._of(tenant)).inc()

    def called(self, tenant: TenantId, run: Run, operation: str, outcome: str, seconds: float) -> None:
        """The call is counted; of its outcome only the kind, for the rest are a host's own words."""
        action, kind = self._values["action"].kept(run.action), outcome.partition(":")[0].replace(" ", "_")
        self._calls.labels(action, operation, kind, *self._of(tenant)).inc()
        self._call_seconds.labels(action, operation, *self._of(tenant)).observe(seconds)

    def heard(self, tenant: TenantId, surface: str, feedback: Feedback) -> None:
        """The word is counted."""
        self._feedback.labels(self._values["surface"].kept(surface), feedback.opinion.value, *self._of(tenant)).inc()

    def judged(self, standing: Mapping[TenantId, Verdict], now: datetime) -> None:
        """The gauges of verdicts show these; what they showed before and is no more, shows 0."""
        shown: dict[tuple[Gauge, tuple[str, ...]], float] = {}
        for of_tenant, verdicts in self._by_label(standing):
            for surface in {EVERY_SURFACE}.union(*(verdict.surfaces() for verdict in verdicts)):
                red = sum(bool(verdict.red_gates(surface)) for verdict in verdicts)
                shown[self._gate_red, (self._values["surface"].kept(surface), *of_tenant)] = red
            for colour in Colour:
                shown[self._verdicts, (colour.value, *of_tenant)] = sum(verdict.colour() is colour for verdict in verdicts)
            shown[self._verdicts_stale, of_tenant] = sum(verdict.is_stale(now) for verdict in verdicts)
            ages = [(now - verdict.decided_at).total_seconds() for verdict in verdicts]
            shown[self._verdict_age, of_tenant] = max(ages, default=0.0)
        with self._judging:
            # Set to 0 and not taken away: what several processes share cannot be taken away by one of them.
            for (gauge, labels), value in {**dict.fromkeys(self._judged, 0.0), **shown}.items():
                (gauge.labels(*labels) if labels else gauge).set(value)
            self._judged.update(shown)

    def _by_label(self, standing: Mapping[TenantId, Verdict]) -> Iterator[tuple[tuple[str, ...], list[Verdict]]]:
        """The verdicts of each value of the label tenant; without that label all of them."""
        if not self._tenants:
            yield (), list(standing.values())
            return
        for tenant, verdict in standing.items():
            yield (str(tenant),), [verdict]

    def _make_verdict_series(self) -> None:
        self._judging = threading.Lock()
        self._judged: dict[tuple[Gauge, tuple[str, ...]], float] = {}
        self._gate_red = self._gauge(
            "gate_red", "Tenants for which a blocking gate of the evals fails on this surface.", "surface"
        )
        self._verdicts = self._gauge("verdicts", "Tenants with a standing verdict of this colour.", "colour")
        self._verdicts_stale = self._gauge("verdicts_stale", "Standing verdicts that a newer one should have replaced by now.")
        self._verdict_age = self._gauge("verdict_age_seconds", "Age of the oldest standing verdict.")

    def exposition(self) -> bytes:
        """Every series in Prometheus's text format: of all processes that count into the same folder, else of this one."""
        if not self._is_shared:
            return generate_latest(self._registry)
        everyones = CollectorRegistry()
        MultiProcessCollector(everyones)  # type: ignore[no-untyped-call]
        return generate_latest(everyones)

    def _of(self, tenant: TenantId) -> tuple[str, ...]:
        return (str(tenant),) if self._tenants else ()

    def _answered(self, answer: Answer, surface: str, of_tenant: tuple[str, ...]) -> None:
        for claim in answer.claims:
            self._claims.labels(surface, "yes" if claim.citations else "no", *of_tenant).inc()
            self._claim_support.labels(surface, *of_tenant).observe(claim.support)

    def _stepped(self, step: Step, surface: str, of_tenant: tuple[str, ...]) -> None:
        tier, model = step.tier.value, self._values["model"].kept(step.model)
        purpose = self._values["purpose"].kept(step.purpose)
        self._steps.labels(tier, model, purpose, step.outcome.value, *of_tenant).inc()
        self._step_seconds.labels(tier, model, *of_tenant).observe(step.latency_ms / 1000)
        if step.escalated_because is not None:
            self._escalations.labels(tier, step.escalated_because.value, *of_tenant).inc()
        if not step.model:
            return
        if step.outcome in _DRAFTED:
            self._drafts.labels(surface, "invalid" if step.outcome is StepOutcome.INVALID else "valid", *of_tenant).inc()
        for kind, count in (("input", step.input_tokens), ("output", step.output_tokens), ("cached", step.cached_tokens)):
            self._tokens.labels(model, kind, *of_tenant).inc(count)
        self._cost.labels(tier, model, surface, *of_tenant).inc(step.spend.usd)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"surefoot_{name}", meaning, self._all(labels), registry=self._registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        labelled = self._all(labels)
        return Gauge(f"surefoot_{name}", meaning, labelled, registry=self._registry, multiprocess_mode="mostrecent")

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
