"""The one id that joins everything done for one request, and what else a log line says of whom it was written for."""

import re
from contextvars import ContextVar
from dataclasses import dataclass, replace

# What may name a trace: harmless in a log, a path and a header.
TRACE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?\Z")


@dataclass(frozen=True, slots=True)
class Traced:
    """For whom the work at hand is done. `span_id` is the caller's own span, when it named one; empty is unknown."""

    trace_id: str = ""
    tenant: str = ""
    surface: str = ""
    span_id: str = ""


_NOBODY = Traced()
_CURRENT: ContextVar[Traced] = ContextVar("surefoot_traced", default=_NOBODY)


def traced() -> Traced:
    """What is known of the work at hand; it follows the work into worker threads."""
    return _CURRENT.get()


def note_trace(*, trace_id: str | None = None, tenant: str | None = None, surface: str | None = None) -> None:
    """From here on the work at hand is done for these; None leaves what is known. A new trace id forgets everything else."""
    known = _NOBODY if trace_id is not None else _CURRENT.get()
    given = {"trace_id": trace_id, "tenant": tenant, "surface": surface}
    _CURRENT.set(replace(known, **{name: value for name, value in given.items() if value is not None}))


def note_caller(traceparent: str, request_id: str) -> str:
    """The trace id of a request: that of its W3C `traceparent`, else its request id. The work at hand is done for it."""
    parent = _TRACEPARENT.match(traceparent)
    # Version 00 has exactly four parts; only later ones may go on.
    if parent is None or (traceparent.startswith("00") and parent[3]):
        note_trace(trace_id=request_id)
        return request_id
    _CURRENT.set(Traced(parent[1], span_id=parent[2]))
    return parent[1]
