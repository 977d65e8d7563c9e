"""One question of one viewer, end to end: search, answer, rights checked again, the reply written down."""

import unicodedata
from collections.abc import Mapping
from time import perf_counter
from typing import Protocol

from surefoot.assistant.answer import Answerer, cited_documents
from surefoot.assistant.refusals import no_evidence
from surefoot.core.clock import Clock
from surefoot.core.errors import InvalidInput
from surefoot.core.ids import new_id
from surefoot.domain.answers import Answer, Refusal
from surefoot.domain.filters import Everything, Filter
from surefoot.domain.identity import Viewer, viewer_hash
from surefoot.domain.replies import Reply
from surefoot.ports import Store
from surefoot.retrieval.access import still_readable
from surefoot.retrieval.search import Retrieved

LONGEST_QUESTION_CHARACTERS = 2_000
# Rights may change while a question is answered: it is then asked once more, and after that nothing is shown.
_SEARCHES = 2


class Search(Protocol):
    """What Ask needs of retrieval."""

    def search(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Retrieved: ...


class Ask:
    """Answers questions of viewers, from what they may read at the moment the reply leaves. Safe from many threads."""

    def __init__(self, searcher: Search, store: Store, answerer: Answerer, clock: Clock) -> None:
        self._searcher = searcher
        self._store = store
        self._answerer = answerer
        self._clock = clock

    def ask(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Reply:
        """The reply, after it is durable in the ledger. Raises InvalidInput for a question that is none.

        `where` narrows the documents that are asked, never the rights; `limit` is how many passages to answer from.
        """
        question = valid_question(question)
        asked_at = self._clock.now()
        timings: dict[str, float] = {}
        outcome: Answer | Refusal = no_evidence()
        version = ""
        for _ in range(_SEARCHES):
            retrieved = self._searcher.search(viewer, question, where=where, limit=limit)
            _add(timings, retrieved.timings_ms)
            version = retrieved.state.version
            outcome = self._answered(viewer, question, retrieved, timings)
            if self._may_be_seen(viewer, outcome, timings):
                break
        else:
            outcome = no_evidence()
        reply = Reply(new_id("ans", asked_at), question, outcome, version, asked_at, timings)
        self._store.replies.append(viewer.tenant, viewer_hash(viewer), reply)
        return reply

    def _answered(self, viewer: Viewer, question: str, retrieved: Retrieved, timings: dict[str, float]) -> Answer | Refusal:
        started = perf_counter()
        outcome = self._answerer.answer(question, viewer.locale, retrieved)
        _add(timings, {"extract": _ms_since(started)})
        return outcome

    def _may_be_seen(self, viewer: Viewer, outcome: Answer | Refusal, timings: dict[str, float]) -> bool:
        """Whether the viewer may read, at this moment, every document that the outcome shows anything of."""
        started = perf_counter()
        shown = cited_documents(outcome)
        allowed = not shown or still_readable(self._store, viewer, shown) == shown
        _add(timings, {"gate": _ms_since(started)})
        return allowed


def valid_question(question: str) -> str:
    """The question without white space around it. Raises InvalidInput when it is empty, too long or has control characters."""
    stripped = question.strip()
    if not stripped:
        raise InvalidInput("The question is empty; ask something.")
    if len(stripped) > LONGEST_QUESTION_CHARACTERS:
        raise InvalidInput(f"The question has {len(stripped)} characters; at most {LONGEST_QUESTION_CHARACTERS} are taken.")
    for place, character in enumerate(stripped):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\r\t":
            raise InvalidInput(f"The question has the control character {character!r} at position {place}; remove it.")
    return stripped


def _add(timings: dict[str, float], more: Mapping[str, float]) -> None:
    """Each stage's milliseconds are the sum over all its runs."""
    for stage, milliseconds in more.items():
        timings[stage] = round(timings.get(stage, 0.0) + milliseconds, 3)


def _ms_since(started: float) -> float:
    return (perf_counter() - started) * 1000
