"""The model judge: another model, asked of answers in a stored run whether they are correct. It changes no other measure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random
from threading import Lock
from typing import Annotated, Literal

import anyio
from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints, ValidationError

from surefoot.assistant.prompting import nonce_outside
from surefoot.core.deadline import Deadline
from surefoot.core.errors import InvalidInput
from surefoot.core.strict_json import parse_json
from surefoot.domain.answers import Tier
from surefoot.domain.budgets import NOTHING_SPENT, Account, Reservation, Spend
from surefoot.domain.identity import TenantId
from surefoot.domain.models import Message, ModelCard, ModelRequest, Role
from surefoot.evals.intervals import Estimate, wilson
from surefoot.evals.metrics import cohens_kappa
from surefoot.evals.results import CaseResult
from surefoot.evals.run_store import Key, RunWriter
from surefoot.llm.calls import upper_bound
from surefoot.llm.prompts import Prompt
from surefoot.llm.router import Router

MEASURE, TRACE = "judged_correct", "judged"
PATIENCE_SECONDS = 60.0
_COMPARED = "shows_facts"
_AT_ONCE = 4
_MAX_OUTPUT_TOKENS = 200
_MAX_REPLY_BYTES = 5_000
_TENANT, _ACCOUNT = TenantId("eval"), Account("help", "")
_INVALID = "Its reply is not in the form that was asked for."
_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {"correct": {"type": "boolean"}, "because": {"type": "string"}},
    "required": ["correct", "because"],
    "additionalProperties": False,
}


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    correct: bool
    because: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class _Claim(BaseModel):
    text: str


class _Shown(BaseModel):
    note: str = ""
    claims: tuple[_Claim, ...]


class _StoredReply(BaseModel):
    answer: _Shown


class _StoredCase(BaseModel):
    expect: Literal["answer"]
    question: str
    earlier: tuple[str, ...] = ()
    expected_facts: tuple[str, ...]


class _Trace(BaseModel):
    case: _StoredCase
    reply: _StoredReply


@dataclass(frozen=True, slots=True)
class Subject:
    """What a judgement is of: an answer as it was shown, to this question, and the facts that it had to state."""

    question: str
    earlier: tuple[str, ...]
    facts: tuple[str, ...]
    shown: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of asking. `correct` is None when there is no judgement; `because` then says why not."""

    correct: bool | None
    because: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the judge and `shows_facts` agree over the `n` lines that have both. `kappa` is None for no line, and where chance
    alone would always agree.
    """

    n: int
    share: Estimate | None
    kappa: float | None


class Till:
    """A purse without a limit that counts what was spent."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._spent = NOTHING_SPENT

    @property
    def spent(self) -> Spend:
        """Everything that was settled."""
        return self._spent

    def reserve(self, tenant: TenantId, account: Account, amount: Spend) -> Reservation:
        """There is always room."""
        return Reservation("judge", account, amount, (), datetime.max.replace(tzinfo=UTC))

    def settle(self, tenant: TenantId, reservation: Reservation, actual: Spend) -> None:
        """What was spent is counted."""
        with self._lock:
            self._spent += actual


class ModelJudge:
    """Asks one model through the router. Question, facts and answer are data, each between marks that none of them can write."""

    def __init__(self, router: Router, prompt: Prompt, card: ModelCard) -> None:
        self._router = router
        self._prompt = prompt
        self._card = card

    def most(self, subjects: Sequence[Subject]) -> Spend:
        """The most that asking of each of these once can cost by the model's card."""
        requests = [self._request(each) for each in subjects]
        return sum((self._card.price.spend(upper_bound(self._card, each)) for each in requests), NOTHING_SPENT)

    async def judge(self, subject: Subject) -> Judged:
        """The judgement; none for a model that cannot be heard in time, and for a reply of any other form."""
        deadline = Deadline.after(PATIENCE_SECONDS)
        request = self._request(subject)
        lane = (self._card.name,)
        attempted = await self._router.run(_TENANT, _ACCOUNT, Tier.SMALL, lane, request, deadline, purpose="judge")
        if attempted.text is None:
            reasons = [reason for step in attempted.steps for reason in step.reasons]
            return Judged(None, reasons[-1] if reasons else f"It could not be heard: {attempted.failure}.")
        return _read(attempted.text)

    def _request(self, subject: Subject) -> ModelRequest:
        return ModelRequest(
            messages=(Message(Role.SYSTEM, self._prompt.render()), Message(Role.USER, _told(subject))),
            timeout_seconds=PATIENCE_SECONDS,
            max_output_tokens=_MAX_OUTPUT_TOKENS,
            schema_name="judge",
            schema=_SCHEMA,
        )


def subject_of(result: CaseResult) -> Subject | None:
    """What there is to judge in the line: an answer that was shown where one with stated facts was expected."""
    if result.task != "ask" or result.error or result.measures.get("answered") is not True:
        return None
    try:
        trace = _Trace.model_validate(result.trace)
    except ValidationError:
        return None
    case, shown = trace.case, trace.reply.answer
    texts = [text for text in (shown.note, *(claim.text for claim in shown.claims)) if text]
    return Subject(case.question, case.earlier, case.expected_facts, "\n".join(texts)) if case.expected_facts else None


def chosen(results: Sequence[CaseResult], *, limit: int | None, seed: int) -> dict[Key, Subject]:
    """What there is to judge, by line; no more than `limit` of it, drawn by the seed."""
    found = {result.key: subject for result in results if (subject := subject_of(result)) is not None}
    if limit is None or limit >= len(found):
        return found
    drawn = set(Random(seed).sample(list(found), limit))  # noqa: S311
    return {key: subject for key, subject in found.items() if key in drawn}


async def write_judged(
    results: Sequence[CaseResult],
    subjects: Mapping[Key, Subject],
    judge: ModelJudge,
    writer: RunWriter,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[CaseResult]:
    """Every line is written in its order; those of `subjects` with what the judge says, or why it says nothing. What an earlier
    judge said is gone from all of them.
    """
    written: list[CaseResult] = []
    done = 0
    for some in _batches(results, subjects):
        keys = [result.key for result in some if result.key in subjects]
        came: dict[Key, Judged] = {}
        async with anyio.create_task_group() as group:
            for key in keys:
                group.start_soon(partial(_into, came, key, subjects[key], judge))
        for result in some:
            line = _with(result, came.get(result.key))
            writer.append(line)
            written.append(line)
        done += len(keys)
        progress(done, len(subjects))
    return written


def agreement(results: Sequence[CaseResult]) -> Agreement:
    """How far the judge and the exact match of expected facts agree."""
    pairs = [
        (bool(judged), bool(exact))
        for result in results
        if (judged := result.measures.get(MEASURE)) is not None and (exact := result.measures.get(_COMPARED)) is not None
    ]
    same = sum(judged == exact for judged, exact in pairs)
    return Agreement(len(pairs), wilson(same, len(pairs)), cohens_kappa([one for one, _ in pairs], [other for _, other in pairs]))


async def _into(came: dict[Key, Judged], key: Key, subject: Subject, judge: ModelJudge) -> None:
    came[key] = await judge.judge(subject)


def _batches(results: Sequence[CaseResult], subjects: Mapping[Key, Subject]) -> Iterator[list[CaseResult]]:
    """The lines in their order, cut so that no batch has more to judge than may be asked at once."""
    batch: list[CaseResult] = []
    waiting = 0
    for result in results:
        batch.append(result)
        waiting += result.key in subjects
        if waiting == _AT_ONCE:
            yield batch
            batch, waiting = [], 0
    if batch:
        yield batch


def _with(result: CaseResult, judged: Judged | None) -> CaseResult:
    measures = {name: value for name, value in result.measures.items() if name != MEASURE}
    trace: dict[str, JsonValue] = {name: value for name, value in result.trace.items() if name != TRACE}
    if judged is not None:
        trace[TRACE] = {"correct": judged.correct, "because": judged.because}
        if judged.correct is not None:
            measures[MEASURE] = judged.correct
    return result.model_copy(update={"measures": measures, "trace": trace})


def _read(text: str) -> Judged:
    if len(text.encode("utf-8", "surrogatepass")) > _MAX_REPLY_BYTES:
        return Judged(None, _INVALID)
    try:
        reply = _Reply.model_validate(parse_json(text.strip().encode("utf-8", "surrogatepass")))
    except (InvalidInput, ValidationError):
        return Judged(None, _INVALID)
    return Judged(reply.correct, reply.because)


def _told(subject: Subject) -> str:
    nonce = nonce_outside([subject.question, *subject.earlier, *subject.facts, subject.shown])
    parts = [("earlier", text) for text in subject.earlier]
    parts += [("question", subject.question), *(("fact", fact) for fact in subject.facts), ("answer", subject.shown)]
    return "\n".join(f"<{name}-{nonce}>\n{text}\n</{name}-{nonce}>" for name, text in parts)
