"""Evaluation files, read strictly: JSON Lines, UTF-8, `.gz` or plain. A bad row stops the run and is named by file and line.

Rows may carry further fields; those that are read must have exactly the stated type.
"""

import gzip
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from surefoot.core.errors import InvalidEvalSet, InvalidInput
from surefoot.core.strict_json import parse_json
from surefoot.evals.cases import Case

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
Source = Literal["faq_heading", "link_anchor"]
_LONGEST_LINE_BYTES = 16 * 1_048_576


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class SectionRow(_Row):
    """One section of a documentation tenant; `id` is `page#anchor`, or the page itself for the text before any heading."""

    id: Text
    page: Text
    title: str
    heading: str
    text: str
    is_faq: bool = False


class Question(_Row):
    """A question and where its answer is. `faq_heading` questions are headings of their gold section; `link_anchor` ones
    are texts of links between pages: their gold is a page, and the pages in `linked_from` are no answers.
    """

    qid: Text
    question: Text
    gold_sections: list[Text]
    gold_pages: Annotated[list[Text], Field(min_length=1)]
    source: Source
    linked_from: list[Text] = []

    @model_validator(mode="after")
    def _faq_names_a_section(self) -> Self:
        if self.source == "faq_heading" and not self.gold_sections:
            raise ValueError("gold_sections is empty; a faq_heading question needs the id of its section")
        return self


class ForeignQuestion(_Row):
    """A question about something this tenant's documents are not about; no answer can be right."""

    question: Text
    source: Source | None = None


class GroundednessPair(_Row):
    """A claim, the passages it is said to stand on, and whether it does."""

    claim: Text
    evidence: Annotated[list[Text], Field(min_length=1)]
    supported: bool


AnyRow = TypeVar("AnyRow", bound=_Row)
AnyValue = TypeVar("AnyValue")
_CASES: TypeAdapter[Case] = TypeAdapter(Case)


def load_sections(path: Path) -> list[SectionRow]:
    """Every section of the file; ids are unique."""
    return _load(path, SectionRow, unique="id")


def load_questions(path: Path) -> list[Question]:
    """Every question of the file; qids are unique, and a faq_heading question names a gold section."""
    return _load(path, Question, unique="qid")


def load_foreign_questions(path: Path) -> list[ForeignQuestion]:
    """Every question of the file; another tenant's questions file serves as it is."""
    return _load(path, ForeignQuestion)


def load_groundedness_pairs(path: Path) -> list[GroundednessPair]:
    """Every pair of the file."""
    return _load(path, GroundednessPair)


def case_rows(path: Path) -> Iterator[tuple[int, Case]]:
    """Every golden case of the file and the line it stands in; a file without one is refused."""
    number = 0
    for line, data in _lines(path):
        number += 1
        yield line, _parse(path, line, data, _CASES)
    if not number:
        raise InvalidEvalSet(f"{path} holds no cases; expected one JSON object a line.")


def _load(path: Path, row_type: type[AnyRow], *, unique: str | None = None) -> list[AnyRow]:
    adapter = TypeAdapter(row_type)
    rows: list[AnyRow] = []
    first_use: dict[object, int] = {}
    for line, data in _lines(path):
        row = _parse(path, line, data, adapter)
        if unique is not None:
            key = getattr(row, unique)
            if key in first_use:
                raise InvalidEvalSet(f"{path}, line {line}: {unique} {key!r} was used in line {first_use[key]}; make it unique.")
            first_use[key] = line
        rows.append(row)
    if not rows:
        raise InvalidEvalSet(f"{path} holds no rows; expected one JSON object a line.")
    return rows


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, numbered from 1."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(iter(partial(stream.readline, _LONGEST_LINE_BYTES + 1), b""), start=1):
                if len(line) > _LONGEST_LINE_BYTES:
                    raise InvalidEvalSet(f"{path}, line {number}: it is longer than {_LONGEST_LINE_BYTES} bytes, as no row is.")
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidEvalSet(f"{path} cannot be read: {error}.") from error


def _parse(path: Path, line: int, data: bytes, adapter: TypeAdapter[AnyValue]) -> AnyValue:
    try:
        return adapter.validate_python(parse_json(data))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the row"
        raise InvalidEvalSet(f"{path}, line {line}: {field}: {first['msg']}; got {_short(first['input'])}.") from error
    except InvalidInput as error:
        raise InvalidEvalSet(f"{path}, line {line}: {error}") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
