"""A server, measured as its viewers meet it: over HTTP, with tokens of the suite's people."""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from time import perf_counter
from typing import Any, Protocol
from uuid import uuid4

from pydantic import JsonValue, ValidationError

from surefoot.core.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    Overloaded,
    SurefootError,
    Unauthenticated,
)
from surefoot.evals.in_process import Weigh
from surefoot.evals.replies import simulated_from
from surefoot.evals.target import Found, Simulated, Told, ToldCitation, ToldReply, Weighed

OVER_HTTP = frozenset({"ask", "act", "policy"})
_ERRORS: Mapping[int, type[SurefootError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    422: InvalidInput,
    429: Overloaded,
    503: Overloaded,
}


class Answer(Protocol):
    """What a server answered; `body` is None when it was no JSON."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> Any: ...


class Caller(Protocol):
    """Calls one server."""

    @property
    def base_url(self) -> str: ...

    def call(self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None) -> Answer:
        """The answer, whatever its status. Raises TargetUnavailable when there is none."""
        ...

    def close(self) -> None:
        """No connection is open."""
        ...


class Remote:
    """The Target behind a URL. `token_of` gives a viewer token for the person of that name; `weigh` is this machine's own, for
    what citations are worth.
    """

    tasks = OVER_HTTP

    def __init__(self, caller: Caller, token_of: Callable[[str], str], weigh: Weigh) -> None:
        self._caller = caller
        self._token_of = token_of
        self._weigh = weigh
        self._simulating = Lock()

    @property
    def name(self) -> str:
        """The server's URL."""
        return self._caller.base_url

    def facts(self) -> Mapping[str, JsonValue]:
        """The server as it describes itself. Raises as `ask` does when it does not answer."""
        described = self._read(self._caller.call("GET", "/openapi.json", {}, None))
        about = described.get("info") or {}
        return {"url": self.name, "version": about.get("version")}

    def ask(self, viewer: str, question: str, *, earlier: Sequence[str] = (), surface: str = "help") -> Told:
        body: dict[str, JsonValue] = {"question": question, "surface": surface}
        if earlier:
            body["conversation_id"] = self._post(viewer, "/v1/conversations", {"surface": surface})["conversation_id"]
        for before in earlier:
            self._post(viewer, "/v1/ask", {**body, "question": before})
        started = perf_counter()
        trace = self._post(viewer, "/v1/ask", body)
        latency_ms = _ms_since(started)
        try:
            reply = ToldReply.model_validate(trace)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise InvalidInput(f"{self.name} answered with what is no reply: {field}: {first['msg']}.") from None
        return Told(reply, trace, latency_ms, self._altered(viewer, reply))

    def retrieve(self, viewer: str, question: str, *, limit: int) -> Found:
        raise InvalidInput(f"{self.name} does not show what a search ranks; run the suite in process.")

    def support(self, claim: str, evidence: Sequence[str], *, locale: str = "en") -> Weighed:
        return self._weigh(claim, evidence, locale)

    def simulate(
        self, viewer: str, action: str, arguments: Mapping[str, JsonValue], *, citations: Sequence[str] = ()
    ) -> Simulated:
        key = f"eval-{uuid4().hex}"
        body: dict[str, JsonValue] = {"action": action, "arguments": dict(arguments), "reason": key, "citations": [*citations]}
        # A run that is live stands in the way of another for the same thing, so cases come one after the other.
        with self._simulating:
            started = perf_counter()
            answer = self._send("POST", viewer, "/v1/runs", body, {"Idempotency-Key": key})
            if answer.status in (404, 422):
                problem = answer.body if isinstance(answer.body, dict) else {}
                said = str(problem.get("detail") or "There is no such action.")
                return Simulated("invalid", (said,), _ms_since(started), problem)
            run = self._read(answer)
            came = simulated_from(run, _ms_since(started), reason=key)
            if came.is_allowed:
                self._post(viewer, f"/v1/runs/{run['run']['run_id']}/cancel", {"note": "It was simulated for an eval."})
            return came

    def _altered(self, viewer: str, reply: ToldReply) -> tuple[str, ...]:
        passages: dict[str, dict[str, Any] | None] = {}
        for citation in reply.citations:
            if citation.chunk_id not in passages:
                answer = self._send("GET", viewer, f"/v1/citations/{citation.chunk_id}", None)
                passages[citation.chunk_id] = self._read(answer) if answer.status != 404 else None
        return tuple(each.chunk_id for each in reply.citations if not _stands(each, passages[each.chunk_id]))

    def _post(self, viewer: str, path: str, body: Mapping[str, JsonValue]) -> dict[str, Any]:
        return self._read(self._send("POST", viewer, path, body))

    def _send(
        self, method: str, viewer: str, path: str, body: Mapping[str, JsonValue] | None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self._token_of(viewer)}", **(headers or {})}
        return self._caller.call(method, path, sent, body)

    def _read(self, answer: Answer) -> dict[str, Any]:
        """The object answered. Raises the error that the server's problem stands for."""
        body = answer.body if isinstance(answer.body, dict) else {}
        if 200 <= answer.status < 300 and isinstance(answer.body, dict):
            return body
        told = body.get("detail") or body.get("title") or "no JSON object"
        message = f"{self.name} answered {answer.status}: {told}"
        raise _ERRORS.get(answer.status, SurefootError)(message)


def _stands(citation: ToldCitation, passage: Mapping[str, Any] | None) -> bool:
    if passage is None or not passage["start"] <= citation.start < citation.end <= passage["end"]:
        return False
    text: str = passage["text"]
    return text[citation.start - passage["start"] : citation.end - passage["start"]] == citation.quote


def _ms_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 3)
