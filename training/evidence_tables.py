"""What the rows of a document's tables state, as sentences; and what they do not, with a cell of another row or column."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.assistant.evidence_windows import evidence_windows
from surefoot.domain.sentences import plain

_RULE = re.compile(r"\|?[\s:|-]{3,}\|[\s:|-]*\|?|\|[\s:-]+\|")
_SPLIT = re.compile(r"(?<!\\)\|")
_LONGEST_CELL = 90
_LONGEST_TABLE = 60
_YES, _NO = frozenset(("yes", "true", "✓", "✅", "✔", "x", "✔️", "☑")), frozenset(("no", "false", "✗", "❌", "✘", "✖", "-"))
_EMPTY = frozenset(("", "-", "\u2013", "\u2014", "n/a", "none", "...", "…", "?"))
_QUALITY = re.compile(
    r"(?:required|optional|deprecated|supported|mandatory|available|enabled|editable|nullable|unique|read-?only)"
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)?(?![\w.]*\w)")
# A statement about a row: its first cell, the column's heading, and what stands there.
_FORMS = (
    "The {column} of {row} is {cell}.",
    "{row}: {column} {cell}.",
    "For {row}, the {column} is {cell}.",
    "{row} has the {column} {cell}.",
    "{cell} is the {column} of {row}.",
    "The {column} for {row} is {cell}.",
    "{row} has {cell} as its {column}.",
    "With {row}, {column} is {cell}.",
    "{row}'s {column} is {cell}.",
    "{column} of {row}: {cell}.",
    "As {column}, {row} has {cell}.",
)
_LONG_FORMS = (
    "{row}: {cell}",
    "{row}, {cell}",
    "{row} ({column}): {cell}",
    "{cell} This is {row}.",
    "About {row} it says: {cell}",
)
_IS = ("{row} is {quality}.", "The {row} is {quality}.", "{row}: {quality}.")
_IS_NOT = ("{row} is not {quality}.", "{row} isn't {quality}.", "The {row} is not {quality}.")
_HAS = ("{row} has {column}.", "{column} comes with {row}.", "{row} includes {column}.", "There is {column} for {row}.")
_HAS_NOT = (
    "{row} has no {column}.",
    "{column} does not come with {row}.",
    "{row} does not include {column}.",
    "{row} is without {column}.",
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table's headings and its rows, plain; `lines` are the rows as a window of evidence shows them."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """Each row as one line, as `plain` leaves it."""
        return tuple(" ".join(" ".join(row).split()) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Told:
    """A claim beside a window, and whether it is `supported`, `contradicted`, or `not stated` there."""

    kind: str
    claim: str
    window: str


def tables(text: str) -> Iterator[Table]:
    """The pipe tables of a section that have headings and at least two rows of that width."""
    block: list[str] = []
    for line in [*text.split("\n"), ""]:
        stripped = line.strip()
        if stripped.startswith("|") and stripped.count("|") >= 3:
            block.append(stripped)
            continue
        if len(block) >= 4 and _RULE.fullmatch(block[1]):
            columns, *rows = ([plain(cell) for cell in _SPLIT.split(row.strip("|"))] for row in (block[0], *block[2:]))
            whole = [tuple(row) for row in rows if len(row) == len(columns)]
            if len(whole) >= 2 and len(columns) >= 2 and len(whole) <= _LONGEST_TABLE:
                yield Table(tuple(columns), tuple(whole))
        block = []


def table_claims(text: str, random: np.random.Generator, *, most: int = 3) -> Iterator[Told]:
    """For up to `most` cells of each table of the section: the row's fact and another row's told as it stands, both with a cell
    exchanged or a number changed, and the fact beside rows that do not hold it.
    """
    for table in tables(text):
        heads = [row[0].lower() for row in table.rows]
        cells = [
            (row, column)
            for row in range(len(table.rows))
            for column in range(1, len(table.columns))
            if _may_be_told(table, row, column) and heads.count(heads[row]) == 1
        ]
        for row, column in [cells[place] for place in random.permutation(len(cells))[:most]]:
            yield from _of_cell(text, table, row, column, random)


def _may_be_told(table: Table, row: int, column: int) -> bool:
    key, cell, heading = table.rows[row][0], table.rows[row][column], table.columns[column]
    return (
        1 < len(key) <= _LONGEST_CELL
        and len(cell) <= 2 * _LONGEST_CELL
        and cell.lower() not in _EMPTY - _NO
        and key.lower() not in _EMPTY
        and 1 < len(heading) <= 40
        and not (cell == "-" and not _is_marks(table, column))
        and key.lower() != cell.lower()
    )


def _is_marks(table: Table, column: int) -> bool:
    """Whether the column says only yes and no."""
    told = {row[column].lower() for row in table.rows}
    return bool(told & _YES) and bool(told & _NO) and told <= _YES | _NO | {""}


def _of_cell(text: str, table: Table, row: int, column: int, random: np.random.Generator) -> Iterator[Told]:
    key, cell = table.rows[row][0], table.rows[row][column]
    others = [
        place
        for place, other in enumerate(table.rows)
        if place != row
        and other[0].lower() != key.lower()
        and _may_be_told(table, place, column)
        and _differ(other[column], cell)
    ]
    near = sorted(others, key=lambda place: (abs(place - row), random.random()))[:3]
    yield from _beside(text, table, row, "supported", stated(table, row, column, cell, random), random)
    if not near:
        return
    other = int(random.choice(near))
    yield from _beside(text, table, other, "supported", stated(table, other, column, table.rows[other][column], random), random)
    wrong = [stated(table, row, column, table.rows[other][column], random)]
    number = _NUMBER.search(cell)
    same = {each for each in table.rows[row] if _NUMBER.fullmatch(each)} - {cell}
    if number:
        if _NUMBER.fullmatch(cell) and same:
            wrong.append(stated(table, row, column, str(random.choice(sorted(same))), random))
        value = int(float(number[0].replace(",", ".")))
        told = cell[: number.start()] + str(value + int(random.choice([1, 2, 5, max(10, value)]))) + cell[number.end() :]
        wrong.append(stated(table, row, column, told, random))
    for place in random.permutation(len(wrong))[:2]:
        yield from _beside(text, table, row, "contradicted", wrong[place], random)
    far = [place for place in range(len(table.rows)) if abs(place - row) > 2 and key.lower() not in table.lines[place].lower()]
    if far:
        start = int(random.choice(far))
        window = " ".join(table.lines[place] for place in far if start <= place < start + 3)
        yield Told("not stated", stated(table, row, column, cell, random), window)


def _differ(one: str, other: str) -> bool:
    """Whether neither cell holds the other, so that one in the other's place says something else."""
    short, long = sorted((one.lower().strip(". "), other.lower().strip(". ")), key=len)
    return bool(short) and not re.search(rf"(?<!\w){re.escape(short)}(?!\w)", long) and set(short.split()) != set(long.split())


def _beside(text: str, table: Table, row: int, kind: str, claim: str, random: np.random.Generator) -> Iterator[Told]:
    """The claim beside the window that the product would read first, or beside the headings and its row among a few."""
    line = table.lines[row]
    first = next(iter(evidence_windows(claim, (text,), limit=1)), "") if random.random() < 0.5 else ""
    if line in first and len(first) < 900:
        yield Told(kind, claim, first)
        return
    start = max(0, row - int(random.integers(0, 3)))
    rows = table.lines[start : row + 1 + int(random.integers(0, 3))]
    headings = [" ".join(table.columns)] if random.random() < 0.7 else []
    window = " ".join([*headings, *rows])
    if len(window) < 1200:
        yield Told(kind, claim, window)


def stated(table: Table, row: int, column: int, cell: str, random: np.random.Generator) -> str:
    """The cell of the row under that heading as a sentence, in one of many forms."""
    key, heading = table.rows[row][0], _spoken(table.columns[column])
    if cell.lower() in _YES | _NO and (_is_marks(table, column) or cell.lower() in ("yes", "no")):
        quality = _QUALITY.search(heading.lower())
        positive = cell.lower() in _YES
        if quality:
            return _one(_IS if positive else _IS_NOT, random).format(row=key, quality=quality[0])
        if _is_marks(table, column):
            return _one(_HAS if positive else _HAS_NOT, random).format(row=key, column=heading)
    forms = _LONG_FORMS if len(cell.split()) > 7 else _FORMS
    if cell.endswith((".", "!", "?")) and forms is _FORMS:
        cell = cell.rstrip(".!?")
    told = _one(forms, random).format(row=key, column=heading, cell=cell)
    return (
        told[0].upper() + told[1:] if told[0].isalpha() and " " in told.split(":")[0] and not _is_code(told.split()[0]) else told
    )


def _spoken(heading: str) -> str:
    """The heading as it stands inside a sentence."""
    return (
        heading if heading[1:2].isupper() or any(letter.isupper() for letter in heading[1:]) else heading[0].lower() + heading[1:]
    )


def _is_code(word: str) -> bool:
    return bool(re.search(r"[_.()$/<>=]|[a-z][A-Z]", word.rstrip(".,:")))


def _one(forms: Sequence[str], random: np.random.Generator) -> str:
    return forms[int(random.integers(len(forms)))]
