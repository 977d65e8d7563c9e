"""Spans for OpenTelemetry, of what the product did: never a question, an answer, an argument or a name of a person.

Spans are made when a reply or a call is done and durable. What is known of a reply's inside are the durations of its stages and
attempts, so these are true and stand one after another in the order in which they ran.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from surefoot.core.errors import InvalidSettings, MissingDependency
from surefoot.core.ids import digest
from surefoot.core.settings import Settings
from surefoot.core.tracing import traced
from surefoot.domain.answers import Answer
from surefoot.domain.feedback import Feedback
from surefoot.domain.identity import TenantId
from surefoot.domain.replies import Reply
from surefoot.domain.routing import Step
from surefoot.domain.runs import TRANSITIONS, Run

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

# The names of OpenTelemetry's semantic conventions for generative AI, which may still change: all that are used stand here.
GEN_AI = {
    "operation": "gen_ai.operation.name",
    "model": "gen_ai.request.model",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "conversation": "gen_ai.conversation.id",
    "tool": "gen_ai.tool.name",
}
CHAT, RETRIEVAL, EXECUTE_TOOL = "chat", "retrieval", "execute_tool"

_AFTER_MODELS = frozenset({"gate", "offer"})
# A model's attempts have spans of their own, and their sum is not a stage beside them.
_NOT_A_SPAN = frozenset({"model"})
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
_ENDED = frozenset(state for state, after in TRANSITIONS.items() if not after or state.value in ("applied", "needs_human"))
_wanted: ContextVar[tuple[int, int]] = ContextVar("surefoot_otel_ids", default=(0, 0))


def otel_observers(settings: Settings, environ: Mapping[str, str]) -> tuple["OtelObserver", ...]:
    """The observer that sends spans to the endpoint of the settings, else to that of the environment; none without one.

    Nothing connects yet. Raises MissingDependency without the packages, InvalidSettings when the product is offline.
    """
    if not settings.otel_endpoint and (settings.offline or not environ.get(ENDPOINT)):
        return ()
    if settings.offline:
        raise InvalidSettings("otel_endpoint is set, but the product is offline and calls nobody; clear one of the two.")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingDependency("Traces need OpenTelemetry; run `pip install 'surefoot[otel]'`.") from error
    # Without an endpoint of ours the exporter reads the standard variables itself, headers and timeouts as well.
    place = settings.otel_endpoint.rstrip("/")
    exporter = OTLPSpanExporter(endpoint=f"{place}/v1/traces") if place else OTLPSpanExporter()
    return (OtelObserver(exporter, batched=BatchSpanProcessor),)


class OtelObserver:
    """See ports.Observer. Every span is in the trace that the reply or run carries, so that one id finds it here too."""

    def __init__(self, exporter: "SpanExporter", *, batched: Any = None) -> None:
        """Spans go to the exporter at once, or through the processor class `batched`; what waits goes out as the process ends."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        class Ids(RandomIdGenerator):
            """The ids that are wanted, where any are; else random ones."""

            def generate_trace_id(self) -> int:
                return _wanted.get()[0] or super().generate_trace_id()

            def generate_span_id(self) -> int:
                return _wanted.get()[1] or super().generate_span_id()

        named = Resource.create({"service.name": "surefoot"})
        self._provider = TracerProvider(resource=named, id_generator=Ids())
        self._provider.add_span_processor((batched or SimpleSpanProcessor)(exporter))
        self._tracer: Tracer = self._provider.get_tracer("surefoot")

    def replied(self, tenant: TenantId, reply: Reply) -> None:
        """The reply is a span `ask`, with one for each stage and each attempt of a model."""
        begin = _nanoseconds(reply.asked_at.timestamp())
        with self._root(reply.trace_id, f"ask {reply.surface}", begin, _asked(tenant, reply)) as (root, context):
            at = begin
            stages = [(name, ms) for name, ms in reply.timings_ms.items() if name not in _NOT_A_SPAN]
            for name, milliseconds in (each for each in stages if each[0] not in _AFTER_MODELS):
                at = self._stage(name, context, at, milliseconds)
            for step in reply.steps:
                if step.model:
                    at = self._attempt(step, context, at)
            for name, milliseconds in (each for each in stages if each[0] in _AFTER_MODELS):
                at = self._stage(name, context, at, milliseconds)
            root.end(at)

    def metered(self, tenant: TenantId, surface: str, share: float) -> None:
        """A budget is no span."""

    def requested(self, tenant: TenantId, action: str, *, is_valid: bool) -> None:
        """A request is no span; what comes of a valid one is."""

    def ran(self, tenant: TenantId, run: Run) -> None:
        """A run that has come to an end, or is applied, is a span from its wish until now; calls to its host are inside."""
        if run.state not in _ENDED:
            return
        attributes = {**_of_run(tenant, run), "surefoot.run.state": run.state.value}
        with self._own(run.trace_id, _run_span(run)):
            begin = _nanoseconds(run.created_at.timestamp())
            span = self._tracer.start_span(f"run {run.action}", self._nobody(), start_time=begin, attributes=attributes)
        span.end(max(begin, time.time_ns()))

    def called(self, tenant: TenantId, run: Run, operation: str, outcome: str, seconds: float) -> None:
        """The call is a span of its run; of its outcome only the kind, for the rest are a host's own words."""
        from opentelemetry.trace import SpanKind

        end = time.time_ns()
        attributes = {
            **_of_run(tenant, run),
            GEN_AI["operation"]: EXECUTE_TOOL,
            GEN_AI["tool"]: run.action,
            "surefoot.host.operation": operation,
            "surefoot.host.outcome": outcome.partition(":")[0],
        }
        parent = self._within(_trace_number(run.trace_id or run.run_id), _run_span(run))
        name, begin = f"{operation} {run.action}", end - int(seconds * 1e9)
        span = self._tracer.start_span(name, parent, kind=SpanKind.CLIENT, start_time=begin, attributes=attributes)
        span.end(end)

    def heard(self, tenant: TenantId, surface: str, feedback: Feedback) -> None:
        """A word is no span."""

    def flush(self) -> None:
        """What waited has been sent."""
        self._provider.force_flush()

    @contextmanager
    def _root(
        self, trace_id: str, name: str, begin: int, attributes: "Mapping[str, AttributeValue]"
    ) -> Iterator[tuple["Span", Any]]:
        """A span of the trace, under the caller's own when it named one; and the context for spans inside."""
        from opentelemetry.trace import set_span_in_context

        known = traced()
        is_callers = bool(known.span_id) and known.trace_id == trace_id
        above = self._within(_trace_number(trace_id), int(known.span_id, 16)) if is_callers else self._nobody()
        with self._own(trace_id, 0):
            span = self._tracer.start_span(name, above, start_time=begin, attributes=attributes)
        yield span, set_span_in_context(span)

    @contextmanager
    def _own(self, trace_id: str, span: int) -> Iterator[None]:
        """Within the block a new span has these ids; 0 is a random one."""
        token = _wanted.set((_trace_number(trace_id), span))
        try:
            yield
        finally:
            _wanted.reset(token)

    def _nobody(self) -> Any:
        from opentelemetry.context import Context

        return Context()

    def _within(self, trace: int, span: int) -> Any:
        from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

        parent = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        return set_span_in_context(NonRecordingSpan(parent), self._nobody())

    def _stage(self, name: str, context: Any, at: int, milliseconds: float) -> int:
        end = at + int(milliseconds * 1e6)
        attributes = {GEN_AI["operation"]: RETRIEVAL} if name == "search" else {}
        self._tracer.start_span(name, context, start_time=at, attributes=attributes).end(end)
        return end

    def _attempt(self, step: Step, context: Any, at: int) -> int:
        from opentelemetry.trace import SpanKind

        end = at + int(step.latency_ms * 1e6)
        attributes: dict[str, AttributeValue] = {
            GEN_AI["operation"]: CHAT,
            GEN_AI["model"]: step.model,
            GEN_AI["input_tokens"]: step.input_tokens,
            GEN_AI["output_tokens"]: step.output_tokens,
            GEN_AI["cached_tokens"]: step.cached_tokens,
            "surefoot.tier": step.tier.value,
            "surefoot.purpose": step.purpose,
            "surefoot.step.outcome": step.outcome.value,
            "surefoot.cost_usd": step.spend.usd,
        }
        name = f"{CHAT} {step.model}"
        self._tracer.start_span(name, context, kind=SpanKind.CLIENT, start_time=at, attributes=attributes).end(end)
        return end


def _asked(tenant: TenantId, reply: Reply) -> dict[str, "AttributeValue"]:
    outcome = reply.outcome
    found: dict[str, AttributeValue] = {
        "surefoot.tenant": tenant,
        "surefoot.surface": reply.surface,
        "surefoot.reply_id": reply.reply_id,
        "surefoot.trace_id": reply.trace_id,
        "surefoot.outcome": "answer" if isinstance(outcome, Answer) else "refusal",
        "surefoot.confidence": outcome.confidence,
        "surefoot.cache": reply.cache.value,
        "surefoot.budget": reply.budget.value,
        "surefoot.corpus_version": reply.corpus_version,
        "surefoot.cost_usd": reply.cost_usd,
    }
    if isinstance(outcome, Answer):
        found |= {"surefoot.tier": outcome.tier.value, "surefoot.claims": len(outcome.claims)}
    else:
        found["surefoot.reason"] = outcome.reason.value
    if reply.conversation_id:
        found[GEN_AI["conversation"]] = reply.conversation_id
    return found


def _of_run(tenant: TenantId, run: Run) -> dict[str, "AttributeValue"]:
    return {
        "surefoot.tenant": tenant,
        "surefoot.surface": run.surface,
        "surefoot.trace_id": run.trace_id,
        "surefoot.run_id": run.run_id,
        "surefoot.action": run.action,
        "surefoot.env": run.env.value,
        "surefoot.run.kind": run.kind.value,
    }


def _trace_number(trace_id: str) -> int:
    """The id as OpenTelemetry writes it: itself when it has that form, else one made from it, always the same."""
    if len(trace_id) == _TRACE_DIGITS and not set(trace_id) - set("0123456789abcdef"):
        return int(trace_id, 16)
    return int(digest("trace", trace_id)[:_TRACE_DIGITS], 16)


def _run_span(run: Run) -> int:
    """The id of the run's span, known before the span is there, so that calls can be inside it."""
    return int(digest("run", run.run_id)[:_SPAN_DIGITS], 16)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
