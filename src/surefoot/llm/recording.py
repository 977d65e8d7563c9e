"""What models said, kept in a file: a run that cost money is paid for once, and can be had again without any model."""

import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from pydantic import BaseModel, ConfigDict, ValidationError

from surefoot.core.errors import InvalidInput, ModelRejected, ModelTimedOut, ModelUnavailable
from surefoot.core.ids import digest
from surefoot.core.redaction import redact
from surefoot.domain.canonical import canonical_hash
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, ModelCard, ModelRequest, Piece, Usage
from surefoot.ports import LanguageModel

_case: ContextVar[str] = ContextVar("case", default="")
_Failure = ModelUnavailable | ModelRejected


@contextmanager
def calls_of(case: str) -> Iterator[None]:
    """Calls made in the block, also by threads and tasks that it begins, are calls of this case."""
    token = _case.set(case)
    try:
        yield
    finally:
        _case.reset(token)


@dataclass(frozen=True, slots=True)
class CallKey:
    """Names a call: the case it was made for, the model, the request by its sha256, and how often that was asked before."""

    case: str
    model: str
    request: str
    nth: int


class _Usage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    is_estimate: bool


class _Failed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    message: str
    retry_after_seconds: int | None
    may_have_charged: bool


class RecordedCall(BaseModel):
    """One line of a recording. `is_cut` when whoever listened went away before the end. The request is there as a hash alone:
    no prompt, no document and no key is written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: str
    model: str
    request: str
    nth: int
    pieces: tuple[str, ...]
    finish: FinishReason | None = None
    usage: _Usage | None = None
    error: _Failed | None = None
    is_cut: bool = False

    @property
    def key(self) -> CallKey:
        return CallKey(self.case, self.model, self.request, self.nth)


class Recording:
    """A file of calls, JSON Lines, mode 0600. Safe from many threads; one process at a time writes it."""

    def __init__(self, path: Path, *, must_exist: bool) -> None:
        """The calls that the file holds are known; a torn last line is not among them. Raises InvalidInput for a file that is
        no recording, and, when it `must_exist`, for one that is not there.
        """
        self.path = path
        self._lock = Lock()
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._calls: dict[CallKey, RecordedCall] = {}
        if must_exist and not path.is_file():
            raise InvalidInput(f"There is no recording {str(path)!r}; make one with --record.")
        self._whole_bytes = 0
        if path.is_file():
            self._read(path.read_bytes())

    def __len__(self) -> int:
        return len(self._calls)

    def next(self, model: str, request: ModelRequest) -> CallKey:
        """The key of the call that is about to be made for the case at hand."""
        case, fingerprint = _case.get(), request_fingerprint(request)
        with self._lock:
            nth = self._asked[case, model, fingerprint]
            self._asked[case, model, fingerprint] += 1
        return CallKey(case, model, fingerprint, nth)

    def find(self, key: CallKey) -> RecordedCall | None:
        """The call. One more than were recorded, after one that failed, fails again: the recorded run had no time left for it."""
        with self._lock:
            found = self._calls.get(key)
            before = self._calls.get(CallKey(key.case, key.model, key.request, key.nth - 1))
        return before if found is None and before is not None and (before.error or before.is_cut) else found

    def add(self, call: RecordedCall) -> None:
        """The call is in the file."""
        line = call.model_dump_json().encode() + b"\n"
        with self._lock:
            self._calls[call.key] = call
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b") as stream:
                stream.truncate(self._whole_bytes)
                stream.seek(self._whole_bytes)
                stream.write(line)
            self._whole_bytes += len(line)

    def _read(self, data: bytes) -> None:
        self._whole_bytes = data.rfind(b"\n") + 1
        for number, line in enumerate(data[: self._whole_bytes].splitlines(), start=1):
            try:
                call = RecordedCall.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(map(str, first["loc"])) or "the line"
                raise InvalidInput(f"{self.path}, line {number}: {field}: {first['msg']}; it is no recording.") from error
            self._calls[call.key] = call


class RecordedModel:
    """The LanguageModel port over a recording. What it holds is said again, at once and for nothing; what it does not hold is
    asked of the model underneath and added, or refused where there is none.
    """

    def __init__(self, recording: Recording, card: ModelCard, model: LanguageModel | None = None) -> None:
        self._recording = recording
        self._card = card
        self._model = model

    @property
    def card(self) -> ModelCard:
        """What the model is called and costs."""
        return self._card

    async def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """The reply as it arrived. Raises InvalidInput, naming the case, when it was never recorded and may not be asked."""
        key = self._recording.next(self._card.name, request)
        known = self._recording.find(key)
        if known is not None:
            for piece in _pieces(known):
                yield piece
            if known.error is not None or known.is_cut:
                raise _failure(known)
            return
        if self._model is None:
            raise InvalidInput(
                f"The recording {str(self._recording.path)!r} does not hold what case {key.case!r} asks of {key.model!r}; "
                "the case, a prompt, a document or the model changed since. Record it again with --record."
            )
        said: list[Piece] = []
        error: _Failure | None = None
        is_whole = False
        try:
            async for piece in self._model.stream(tenant, request):
                said.append(piece)
                yield piece
            is_whole = True
        except (ModelUnavailable, ModelRejected) as failed:
            error = failed
            raise
        finally:
            self._recording.add(_recorded(key, said, error, is_cut=not is_whole and error is None))

    async def aclose(self) -> None:
        if self._model is not None:
            await self._model.aclose()


def recorded_models(
    recording: Recording, cards: Mapping[str, ModelCard], models: Mapping[str, LanguageModel] | None
) -> dict[str, LanguageModel]:
    """Every model of the catalog over the recording; without `models` none of them can be asked."""
    return {name: RecordedModel(recording, card, models[name] if models is not None else None) for name, card in cards.items()}


def request_fingerprint(request: ModelRequest) -> str:
    """The sha256 of everything that a reply depends on; how long the caller waits is not among it."""
    schema = canonical_hash(request.schema) if request.schema is not None else ""
    spoken = [part for message in request.messages for part in (message.role.value, message.content)]
    return digest(schema, request.schema_name, str(request.max_output_tokens), repr(request.temperature), *spoken)


def _recorded(key: CallKey, said: list[Piece], error: _Failure | None, *, is_cut: bool) -> RecordedCall:
    last = said[-1] if said else None
    usage = last.usage if last is not None else None
    return RecordedCall(
        case=key.case,
        model=key.model,
        request=key.request,
        nth=key.nth,
        pieces=tuple(piece.text for piece in said),
        finish=last.finish if last is not None else None,
        usage=None
        if usage is None
        else _Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            is_estimate=usage.is_estimate,
        ),
        error=None
        if error is None
        else _Failed(
            code=error.code,
            message=redact(str(error)),
            retry_after_seconds=error.retry_after_seconds,
            may_have_charged=not isinstance(error, ModelUnavailable) or error.may_have_charged,
        ),
        is_cut=is_cut,
    )


def _pieces(call: RecordedCall) -> Iterator[Piece]:
    usage = call.usage
    for number, text in enumerate(call.pieces, start=1):
        is_last = number == len(call.pieces)
        counted = Usage(**usage.model_dump()) if is_last and usage is not None else None
        yield Piece(text, call.finish if is_last else None, counted)


def _failure(call: RecordedCall) -> _Failure:
    """The error as it was; whoever stopped listening had no time left."""
    failed = call.error
    if failed is None:
        return ModelTimedOut()
    if failed.code == ModelRejected.code:
        return ModelRejected(failed.message)
    kind = ModelTimedOut if failed.code == ModelTimedOut.code else ModelUnavailable
    return kind(failed.message, retry_after_seconds=failed.retry_after_seconds, may_have_charged=failed.may_have_charged)
