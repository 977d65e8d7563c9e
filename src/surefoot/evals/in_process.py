"""The product in this process, measured through its use cases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from time import perf_counter

from pydantic import JsonValue

from surefoot.actions.parts import Request
from surefoot.actions.service import Actions
from surefoot.assistant.ask import Ask
from surefoot.assistant.conversation import Conversations
from surefoot.assistant.course import Asking
from surefoot.core.clock import Clock
from surefoot.core.errors import InvalidInput, NotFound
from surefoot.core.ids import digest, new_id
from surefoot.domain.answers import Answer, Citation, Refusal
from surefoot.domain.identity import TenantId, Viewer
from surefoot.evals.corpora import section_of
from surefoot.evals.model_use import altered_quotes, citations
from surefoot.evals.people import Person
from surefoot.evals.replies import reply_json, run_json, simulated_from
from surefoot.evals.target import Found, Simulated, Told, ToldReply, Weighed
from surefoot.ports import Store
from surefoot.retrieval.search import Searcher

EVERY_TASK = frozenset({"ask", "retrieve", "support", "act", "policy"})
Weigh = Callable[[str, Sequence[str], str], Weighed]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is measured: a tenant's corpus and the use cases over it. `weigh` says how well evidence supports a claim, `about`
    what tells this product from another.
    """

    tenant: TenantId
    people: Mapping[str, Person]
    ask: Ask
    searcher: Searcher
    conversations: Conversations
    actions: Actions
    store: Store
    clock: Clock
    weigh: Weigh
    about: Mapping[str, JsonValue]


class InProcess:
    """The Target over the use cases. No outcome is kept from one case for another: each has its own price."""

    name = "in process"
    tasks = EVERY_TASK

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._simulating = Lock()
        self._viewers = {name: person.viewer_of(parts.tenant) for name, person in parts.people.items()}

    def facts(self) -> Mapping[str, JsonValue]:
        """What was given, and what the corpus holds."""
        with self._parts.store.begin() as work:
            state = work.corpora.state(self._parts.tenant)
            hashes = work.documents.hashes(self._parts.tenant)
        corpus = digest(*(f"{document} {hashes[document]}" for document in sorted(hashes)))[:16]
        return {**self._parts.about, "corpus": corpus, "documents": state.documents, "chunks": state.chunks}

    def ask(self, viewer: str, question: str, *, earlier: Sequence[str] = (), surface: str = "help") -> Told:
        who = self._viewer(viewer)
        # Of its own for each case, so that equal questions that are asked at once are not answered together.
        ask = self._parts.ask.over(self._parts.searcher)
        conversation = self._parts.conversations.start(who, surface).conversation_id if earlier else None
        for before in earlier:
            ask.answer_here(Asking(who, before, surface=surface, conversation_id=conversation))
        started = perf_counter()
        reply = ask.answer_here(Asking(who, question, surface=surface, conversation_id=conversation))
        latency_ms = _ms_since(started)
        trace = reply_json(reply)
        return Told(ToldReply.model_validate(trace), trace, latency_ms, self._altered(reply.outcome))

    def retrieve(self, viewer: str, question: str, *, limit: int) -> Found:
        started = perf_counter()
        found = self._parts.searcher.search(self._viewer(viewer), question, limit=limit).passages
        latency_ms = _ms_since(started)
        return Found(tuple((section_of(passage.chunk), passage.chunk.uri) for passage in found), latency_ms)

    def support(self, claim: str, evidence: Sequence[str], *, locale: str = "en") -> Weighed:
        return self._parts.weigh(claim, evidence, locale)

    def simulate(
        self, viewer: str, action: str, arguments: Mapping[str, JsonValue], *, citations: Sequence[str] = ()
    ) -> Simulated:
        who = self._viewer(viewer)
        key = new_id("eval", self._parts.clock.now())
        request = Request(action, arguments, key=key, reason=key, citations=tuple(citations))
        # A run that is live stands in the way of another for the same thing, so cases come one after the other.
        with self._simulating:
            started = perf_counter()
            try:
                view = self._parts.actions.propose(who, request)
            except (InvalidInput, NotFound) as error:
                return Simulated("invalid", (str(error),), _ms_since(started), {"error": error.code, "message": str(error)})
            came = simulated_from(run_json(view), _ms_since(started), reason=key)
            if came.is_allowed:
                self._parts.actions.cancel(who, view.run.run_id, "It was simulated for an eval.")
            return came

    def _viewer(self, name: str) -> Viewer:
        return self._viewers[name]

    def _altered(self, outcome: Answer | Refusal) -> tuple[str, ...]:
        cited: Sequence[Citation] = citations(outcome)
        with self._parts.store.begin() as work:
            chunks = work.documents.chunks(self._parts.tenant, sorted({citation.chunk_id for citation in cited}))
        return altered_quotes(outcome, chunks)


def _ms_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 3)
