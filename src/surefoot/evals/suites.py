"""Suites: folders of golden cases, read strictly. What does not fit stops the run and is named by file and line."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

from pydantic import TypeAdapter

from surefoot.core.errors import InvalidInput
from surefoot.domain.answers import RefusalReason
from surefoot.domain.identity import TenantId
from surefoot.evals.cases import AskCase, Case, RetrieveCase, SupportCase
from surefoot.evals.datasets import (
    case_rows,
    load_foreign_questions,
    load_groundedness_pairs,
    load_questions,
)
from surefoot.evals.people import EVERYONE_ALIKE, NOBODY_IN_PARTICULAR, Person, load_people
from surefoot.evals.results import SuiteFacts
from surefoot.evals.suite_file import (
    SUITE_FILE,
    Adapted,
    DocumentsCorpus,
    NoCorpus,
    Place,
    SampleCorpus,
    SectionsCorpus,
    SuiteFile,
    SuiteText,
)

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_SLUG = 80
_ANY_TENANT = TenantId("suite")


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the cases are asked of. `path` is None for the sample tenant and for none at all."""

    kind: str
    path: Path | None = None
    mask_faq_headings: bool = False


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite, whole and checked. `people` are by the name that cases use; `fingerprint` changes with any of its cases and
    files.
    """

    id: str
    title: str
    purpose: str
    licence: str
    source: str
    folder: Path
    corpus: Corpus
    people: Mapping[str, Person]
    cases: tuple[Case, ...]
    gates: Path | None
    fingerprint: str
    as_of: date | None = None

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks that its cases set."""
        return frozenset(case.task for case in self.cases)

    def facts(self) -> SuiteFacts:
        """What a run keeps of it."""
        return SuiteFacts(
            id=self.id,
            title=self.title,
            fingerprint=self.fingerprint,
            cases=len(self.cases),
            licence=self.licence,
            source=self.source,
        )

    def sampled(self, most: int, *, seed: int) -> "Suite":
        """The suite with at most this many of its cases, drawn with the seed, in their order."""
        if most >= len(self.cases):
            return self
        places = sorted(Random(seed).sample(range(len(self.cases)), most))  # noqa: S311
        chosen = tuple(self.cases[place] for place in places)
        fingerprint = hashlib.sha256(f"{self.fingerprint} {places}".encode()).hexdigest()
        return replace(self, cases=chosen, fingerprint=fingerprint)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A case and where it stands, for whoever has to mend it."""

    case: Case
    where: str


def load_suite(folder: Path, environ: Mapping[str, str]) -> Suite:
    """The suite in this folder. `environ` holds the variables that its paths may name.

    Raises InvalidEvalSet, with file and line and what to do: an unknown key or task, an id that is used twice, a file that is
    not there, a variable that is not set, a viewer whom the people file does not have.
    """
    text = SuiteText(folder / SUITE_FILE)
    file = text.file
    people, corpus = _people(text, environ), _corpus(text, environ)
    placed = [each for number, entry in enumerate(file.cases) for each in _cases(text, entry, ("cases", number), environ)]
    _refuse_doubles(text, placed)
    for each in placed:
        _refuse_unknown_viewer(text, each, people)
    gates = None if file.gates is None else text.resolved(file.gates, ("gates",), environ)
    cases = tuple(each.case for each in placed)
    return Suite(
        id=file.id,
        title=file.title,
        purpose=file.purpose,
        licence=file.licence,
        source=file.source,
        folder=folder,
        corpus=corpus,
        people=people,
        cases=cases,
        gates=gates,
        as_of=file.as_of,
        fingerprint=_fingerprint(text, cases, people, corpus),
    )


def suite_schema() -> dict[str, Any]:
    """The JSON Schema of suite.yaml."""
    return SuiteFile.model_json_schema(by_alias=True)


def case_schema() -> dict[str, Any]:
    """The JSON Schema of one line of a file of cases."""
    return TypeAdapter[Any](Case).json_schema()


def _people(text: SuiteText, environ: Mapping[str, str]) -> dict[str, Person]:
    corpus = text.file.corpus
    if not isinstance(corpus, SampleCorpus | DocumentsCorpus) or corpus.people is None:
        return {NOBODY_IN_PARTICULAR: EVERYONE_ALIKE}
    place: Place = ("corpus", "people")
    people = load_people(text.resolved(corpus.people, place, environ))
    for person in people.values():
        try:
            person.viewer_of(_ANY_TENANT)
        except InvalidInput as error:
            raise text.wrong(place, f"{person.name!r} cannot be a viewer: {error}") from None
    return people


def _corpus(text: SuiteText, environ: Mapping[str, str]) -> Corpus:
    match text.file.corpus:
        case SampleCorpus() | NoCorpus() as named:
            return Corpus(named.kind)
        case DocumentsCorpus(path=path):
            return Corpus("documents", text.resolved(path, ("corpus", "path"), environ))
        case SectionsCorpus(path=path, mask_faq_headings=mask):
            return Corpus("sections", text.resolved(path, ("corpus", "path"), environ), mask)


def _cases(text: SuiteText, entry: str | Adapted, place: Place, environ: Mapping[str, str]) -> Iterator[_Placed]:
    if isinstance(entry, str):
        path = text.resolved(entry, place, environ)
        for line, case in case_rows(path):
            yield _Placed(case, f"{path}, line {line}")
        return
    path = text.resolved(entry.file, (*place, "file"), environ)
    for case in _ADAPTERS[entry.as_](path):
        yield _Placed(case, str(path))


def _refuse_doubles(text: SuiteText, placed: list[_Placed]) -> None:
    seen: dict[str, str] = {}
    for each in placed:
        if each.case.id in seen:
            raise text.wrong(
                ("cases",), f"the id {each.case.id!r} is used in {seen[each.case.id]} and in {each.where}; make it unique."
            )
        seen[each.case.id] = each.where


def _refuse_unknown_viewer(text: SuiteText, placed: _Placed, people: Mapping[str, Person]) -> None:
    case = placed.case
    if not isinstance(case, SupportCase) and case.viewer not in people:
        known = ", ".join(people)
        raise text.wrong(
            ("corpus",), f"{placed.where}: nobody is called {case.viewer!r}; use one of {known}, or add them to the people file."
        )


def _fingerprint(text: SuiteText, cases: tuple[Case, ...], people: Mapping[str, Person], corpus: Corpus) -> str:
    """The sha256 over suite.yaml, every case and person, and every file of the corpus."""
    sha = hashlib.sha256()

    def add(data: bytes) -> None:
        sha.update(len(data).to_bytes(8, "big"))
        sha.update(data)

    add(text.data)
    for each in (*people.values(), *cases):
        add(each.model_dump_json().encode())
    if corpus.path is not None:
        root = corpus.path
        for path in sorted(each for each in root.rglob("*") if each.is_file()) if root.is_dir() else [root]:
            add(path.relative_to(root).as_posix().encode())
            add(path.read_bytes())
    return sha.hexdigest()


def _ranked(path: Path) -> Iterator[Case]:
    """A case for the gold sections of each question, where it has any, and one for its gold pages."""
    for question in load_questions(path):
        levels = {"section": question.gold_sections} if question.gold_sections else {}
        for level, gold in (levels | {"page": question.gold_pages}).items():
            yield RetrieveCase(
                id=f"{_slug(question.qid)}.{level}",
                kind=question.source,
                why=_WHY[question.source],
                slices={"level": level},
                question=question.question,
                level="section" if level == "section" else "page",
                gold=tuple(gold),
                exclude=tuple(question.linked_from),
            )


def _answered(path: Path) -> Iterator[Case]:
    """Each question that stands in no page but its gold: one whose very words link to the answer elsewhere is passed over."""
    for question in load_questions(path):
        if not question.linked_from:
            yield AskCase(
                id=f"{_slug(question.qid)}.answer",
                kind=question.source,
                why=_WHY[question.source],
                viewer=NOBODY_IN_PARTICULAR,
                question=question.question,
                expect="answer",
                gold_uris=tuple(question.gold_pages),
            )


def _refused(path: Path) -> Iterator[Case]:
    for number, question in enumerate(load_foreign_questions(path), start=1):
        yield AskCase(
            id=f"foreign-{number:04d}",
            kind="foreign",
            why="a question about another product; no answer can be right",
            viewer=NOBODY_IN_PARTICULAR,
            question=question.question,
            expect=RefusalReason.OUT_OF_SCOPE,
        )


def _weighed(path: Path) -> Iterator[Case]:
    for number, pair in enumerate(load_groundedness_pairs(path), start=1):
        yield SupportCase(
            id=f"pair-{number:05d}",
            kind="supported" if pair.supported else "unsupported",
            why="a labelled pair of claim and evidence",
            claim=pair.claim,
            evidence=tuple(pair.evidence),
            supported=pair.supported,
        )


_ADAPTERS = {"questions": _ranked, "answers": _answered, "foreign": _refused, "pairs": _weighed}
_WHY = {"faq_heading": "a question that an FAQ section answers", "link_anchor": "the words of a link to the page"}


def _slug(qid: str) -> str:
    """The qid as part of an id; one that holds anything else than plain characters is told apart by its hash."""
    plain = _NOT_IN_AN_ID.sub("-", qid).strip("-.")[:_LONGEST_SLUG] or "q"
    return plain if plain == qid else f"{plain}-{hashlib.sha256(qid.encode()).hexdigest()[:8]}"
