"""Candidates for golden cases, from what viewers said and from what the product was not sure of. A person decides on each."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from surefoot.core.errors import InvalidEvalSet, InvalidInput
from surefoot.core.visible import visible
from surefoot.domain.feedback import Feedback, LiveSample, Opinion
from surefoot.domain.identity import TenantId
from surefoot.evals.cases import AskCase
from surefoot.ports import Store

# Answers below this confidence are worth a look even when nobody said anything.
LOW_CONFIDENCE = 0.6
EVERYBODY = "everyone"


class Because(StrEnum):
    """Why a reply is worth a case."""

    WRONG = "wrong"
    NOT_RELEVANT = "not_relevant"
    HELPFUL = "helpful"
    REFUSED = "refused"
    UNSURE = "unsure"


_WHY = {
    Because.WRONG: "A viewer said that the answer to this was wrong.",
    Because.NOT_RELEVANT: "A viewer said that the answer to this was not about what they asked.",
    Because.HELPFUL: "A viewer said that the answer to this helped, so it must stay.",
    Because.REFUSED: "It was asked and not answered; whether that is right is for a person to say.",
    Because.UNSURE: "It was answered with little confidence.",
}


class Review(BaseModel):
    """What a reviewer needs to know of a candidate, and no golden case has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    because: Because
    reply_id: str
    trace_id: str
    outcome: str
    confidence: float
    shown: tuple[str, ...] = ()
    comment: str = ""


class Candidate(AskCase):
    """A golden case as it might be, with its review fields."""

    review: Review

    def case(self) -> AskCase:
        """The case without its review fields, as a suite keeps it."""
        return AskCase.model_validate(self.model_dump(exclude={"review"}))


def candidates(store: Store, tenant: TenantId, samples: Iterable[LiveSample], *, viewer: str = EVERYBODY) -> Iterator[Candidate]:
    """A candidate for each sample that somebody spoke about, that was refused, or that was answered with little confidence;
    each question once, what viewers said first. `viewer` is who asks in the suite: who it was is not known here.
    """
    found: dict[str, Candidate] = {}
    for sample in samples:
        with store.begin() as work:
            word = next(iter(work.feedback.of(tenant, [sample.reply_id])), None)
        candidate = _candidate(sample, word, viewer)
        if candidate is None:
            continue
        question = " ".join(candidate.question.lower().split())
        known = found.get(question)
        if known is None or _rank(candidate) < _rank(known):
            found[question] = candidate
    yield from sorted(found.values(), key=lambda each: (_rank(each), each.id))


def _rank(candidate: Candidate) -> int:
    return list(Because).index(candidate.review.because)


def _candidate(sample: LiveSample, word: Feedback | None, viewer: str) -> Candidate | None:
    record: Mapping[str, Any] = sample.record
    because = _because(record, word)
    if because is None:
        return None
    claims = tuple(str(claim["text"]) for claim in record["claims"])
    cited = tuple(dict.fromkeys(str(place["uri"]) for claim in record["claims"] for place in claim["citations"]))
    is_held = because in (Because.HELPFUL, Because.UNSURE) and bool(claims)
    return Candidate(
        id=f"live-{sample.reply_id.removeprefix('ans_')[-16:]}",
        kind=f"live-{because.value.replace('_', '-')}",
        why=_WHY[because],
        slices={"locale": str(record["locale"])},
        viewer=viewer,
        question=str(record["question"]),
        expect="answer" if record["outcome"] == "answer" else record["reason"],
        gold_uris=cited if is_held else (),
        # What was called wrong must not be shown again; whether every sentence of it was is for the reviewer to say.
        forbidden=claims if because is Because.WRONG else (),
        surface=str(record["surface"]),
        review=Review(
            because=because,
            reply_id=sample.reply_id,
            trace_id=str(record["trace_id"]),
            outcome=str(record["reason"] or record["outcome"]),
            confidence=float(record["confidence"]),
            shown=claims,
            comment=word.comment if word else "",
        ),
    )


def _because(record: Mapping[str, Any], word: Feedback | None) -> Because | None:
    if word is not None:
        return {o: Because(o.value) for o in Opinion}[word.opinion]
    if record["outcome"] != "answer":
        return Because.REFUSED
    return Because.UNSURE if record["confidence"] < LOW_CONFIDENCE else None


@dataclass(frozen=True, slots=True)
class Reviewed:
    """How many candidates a review took into the suite and how many it left out; `known` were there already."""

    accepted: int = 0
    skipped: int = 0
    known: int = 0


class Verdict(StrEnum):
    """A reviewer's word on one candidate; `quit` leaves the rest for another day."""

    ACCEPT = "accept"
    EDIT = "edit"
    SKIP = "skip"
    QUIT = "quit"


def review(
    found: Sequence[Candidate],
    suite_file: Path,
    *,
    judge: Callable[[Candidate, str], Verdict],
    edit: Callable[[str], str | None],
) -> Reviewed:
    """The candidates that a person accepts, as they are or as edited, stand at the end of the suite's file; no other does.

    `judge` is asked about each with what was wrong with the last edit, `edit` gives back the case as JSON or None.
    Raises InvalidInput for a file that cannot be read or written.
    """
    known = _known_ids(suite_file)
    accepted = skipped = repeated = 0
    for candidate in found:
        if candidate.id in known:
            repeated += 1
            continue
        case, word = _judged(candidate, judge, edit)
        if word is Verdict.QUIT:
            break
        if case is None:
            skipped += 1
            continue
        _append(suite_file, case)
        known.add(case.id)
        accepted += 1
    return Reviewed(accepted, skipped, repeated)


def _judged(
    candidate: Candidate, judge: Callable[[Candidate, str], Verdict], edit: Callable[[str], str | None]
) -> tuple[AskCase | None, Verdict]:
    case, problem = candidate.case(), ""
    while True:
        word = judge(Candidate(**case.model_dump(), review=candidate.review), problem)
        if word is not Verdict.EDIT:
            return (case if word is Verdict.ACCEPT else None), word
        text = edit(case.model_dump_json(indent=2))
        try:
            case, problem = (case if text is None else AskCase.model_validate_json(text)), ""
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{'.'.join(map(str, first['loc'])) or 'the JSON'}: {first['msg']}"


def _known_ids(path: Path) -> set[str]:
    if not path.exists():
        return set()
    try:
        # Not splitlines: other characters than a line feed end no row.
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} cannot be read ({error.strerror}); name a suite's case file.") from error
    ids = set()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                ids.add(_Named.model_validate_json(line).id)
            except ValidationError as error:
                raise InvalidEvalSet(f"{path}, line {number}: it is no case; repair it before more are added.") from error
    return ids


class _Named(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str


def _append(path: Path, case: AskCase) -> None:
    try:
        held = path.read_bytes() if path.exists() else b""
        with path.open("ab") as stream:
            stream.write((b"" if not held or held.endswith(b"\n") else b"\n") + visible(case.model_dump_json()).encode() + b"\n")
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} cannot be written ({error.strerror}); name a suite's case file.") from error
