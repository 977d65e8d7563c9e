"""What is sent to OpenTelemetry: whole trees in the trace that everything else carries, and no word of anybody's."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from tests.contracts.store_rows import answer, run

from surefoot.adapters.otel_observer import CHAT, EXECUTE_TOOL, GEN_AI, RETRIEVAL, OtelObserver, otel_observers
from surefoot.core.errors import InvalidSettings
from surefoot.core.settings import Settings
from surefoot.core.tracing import note_caller, note_trace
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import RunState

ACME = TenantId("acme")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
REPLY = replace(
    answer("ans_1", "Where is the CANARY?"),
    trace_id=TRACE,
    timings_ms={"encode": 2.0, "search": 3.0, "model": 250.5, "gate": 1.0},
)


@pytest.fixture
def sent() -> tuple[OtelObserver, InMemorySpanExporter]:
    note_trace(trace_id="")
    exporter = InMemorySpanExporter()
    return OtelObserver(exporter), exporter


def by_name(exporter: InMemorySpanExporter) -> Mapping[str, Any]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_reply_is_one_tree_in_its_own_trace_with_a_span_for_each_stage_and_attempt(
    sent: tuple[OtelObserver, InMemorySpanExporter],
) -> None:
    observer, exporter = sent
    observer.replied(ACME, REPLY)
    spans = by_name(exporter)
    assert set(spans) == {"ask billing", "encode", "search", "chat cheap", "gate"}
    root = spans["ask billing"]
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {TRACE}
    assert root.parent is None and {s.parent.span_id for n, s in spans.items() if s is not root} == {root.context.span_id}
    chat = spans["chat cheap"]
    assert (chat.attributes["gen_ai.request.model"], chat.attributes["gen_ai.usage.input_tokens"]) == ("cheap", 100)
    assert chat.end_time - chat.start_time == 250_500_000
    assert spans["encode"].end_time == spans["search"].start_time and spans["gate"].end_time == root.end_time


def test_the_callers_own_span_is_above(sent: tuple[OtelObserver, InMemorySpanExporter]) -> None:
    observer, exporter = sent
    note_caller(f"00-{TRACE}-{PARENT}-01", "req-1")
    observer.replied(ACME, REPLY)
    assert f"{by_name(exporter)['ask billing'].parent.span_id:016x}" == PARENT


def test_a_trace_id_of_another_form_gives_always_the_same_one(sent: tuple[OtelObserver, InMemorySpanExporter]) -> None:
    observer, exporter = sent
    for _ in range(2):
        observer.replied(ACME, replace(REPLY, trace_id="call-7"))
    roots = [span for span in exporter.get_finished_spans() if span.name == "ask billing"]
    assert len({span.context.trace_id for span in roots}) == 1 and roots[0].attributes["surefoot.trace_id"] == "call-7"


def test_a_runs_calls_are_inside_its_span_and_in_the_questions_trace(
    sent: tuple[OtelObserver, InMemorySpanExporter],
) -> None:
    observer, exporter = sent
    row = run("a", RunState.APPLYING, trace_id=TRACE)
    observer.ran(ACME, row)
    observer.called(ACME, row, "apply", "rejected: CANARY is the host's word", 0.25)
    observer.ran(ACME, replace(row, state=RunState.APPLIED))
    spans = by_name(exporter)
    assert set(spans) == {"apply schedule_nudge", "run schedule_nudge"}
    call, whole = spans["apply schedule_nudge"], spans["run schedule_nudge"]
    assert call.parent.span_id == whole.context.span_id and f"{call.context.trace_id:032x}" == TRACE
    assert f"{whole.context.trace_id:032x}" == TRACE
    assert call.attributes["surefoot.host.outcome"] == "rejected"


def test_no_attribute_holds_a_question_an_answer_an_argument_or_a_person(
    sent: tuple[OtelObserver, InMemorySpanExporter],
) -> None:
    observer, exporter = sent
    observer.replied(ACME, REPLY)
    row = run("a", RunState.APPLIED, maker="CANARY", arguments={"user_id": "CANARY"}, reason="CANARY")
    observer.called(ACME, row, "apply", "unknown: CANARY", 0.1)
    observer.ran(ACME, row)
    told = " ".join(str((span.name, dict(span.attributes or {}), span.events)) for span in exporter.get_finished_spans())
    assert not [word for word in ("CANARY", "Two", "Three", "How many", "viewer") if word in told]


def test_every_name_is_one_of_the_conventions_in_force() -> None:
    known = {value for name, value in vars(gen_ai_attributes).items() if name.isupper()}
    assert set(GEN_AI.values()) <= known
    assert {CHAT, RETRIEVAL, EXECUTE_TOOL} <= {each.value for each in gen_ai_attributes.GenAiOperationNameValues}


def test_nothing_is_sent_or_imported_unless_an_endpoint_is_set(tmp_path: Path) -> None:
    assert otel_observers(Settings(), {}) == ()
    assert otel_observers(Settings(offline=True), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}) == ()
    script = (
        "import sys; from surefoot.bootstrap import build; from surefoot.core.settings import Settings\n"
        "from pathlib import Path\n"
        "build(Settings(data_dir=Path(sys.argv[1]), offline=True))\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_an_endpoint_makes_one_observer_and_being_offline_refuses_it() -> None:
    observers = otel_observers(Settings(otel_endpoint="http://127.0.0.1:4318/"), {})
    assert len(observers) == 1
    assert len(otel_observers(Settings(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})) == 1
    with pytest.raises(InvalidSettings, match="offline"):
        otel_observers(Settings(otel_endpoint="http://127.0.0.1:4318", offline=True), {})


def test_without_the_packages_the_message_says_how_to_install_them() -> None:
    script = (
        "import sys; sys.modules['opentelemetry.exporter.otlp.proto.http.trace_exporter'] = None\n"
        "from surefoot.adapters.otel_observer import otel_observers\n"
        "from surefoot.core.settings import Settings\n"
        "from surefoot.core.errors import MissingDependency\n"
        "try: otel_observers(Settings(otel_endpoint='http://127.0.0.1:4318'), {})\n"
        "except MissingDependency as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'surefoot[otel]'" in ended.stdout
