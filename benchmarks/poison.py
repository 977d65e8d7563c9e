"""Poisoned contexts through the whole product: `python -m benchmarks.poison [--data FOLDER] [--runs N]`.

Each run puts one injected text into a document or a question, asks a hostile scripted model, and judges the reply by the
documents and rights as they are. Half of the runs are about the generator's own topics, half about sections of a real
product's documentation when their folder is given. Ends with 1 when any reply broke a rule.
"""

import argparse
import gzip
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from time import perf_counter

import orjson
from tests.faults.poison import FAMILIES, TOPICS, Topic
from tests.faults.poison_house import MODELS, House, Run

from benchmarks.measuring import table
from surefoot.domain.answers import Answer
from surefoot.domain.sentences import plain, sentences

SECTIONS = "flagsmith_docs.sections.jsonl.gz"
_TOPICS = 200
_LEAST_CHARACTERS, _MOST_CHARACTERS = 200, 900


def main() -> int:
    """Prints the tables and returns 1 when a reply broke a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the documentation corpora")
    parser.add_argument("--runs", type=int, default=10_000)
    options = parser.parse_args()
    parts = [TOPICS, tuple(topics_from(options.data / SECTIONS))] if options.data else [TOPICS]
    started = perf_counter()
    each = -(-options.runs // len(parts))
    runs = chain.from_iterable(House(topics=topics).runs(each, first=number * each) for number, topics in enumerate(parts))
    tally = Tally(runs)
    print(f"{tally.runs} runs, {len(FAMILIES)} families, {perf_counter() - started:.0f} s\n")
    print(tally.by_model())
    print("\n" + tally.by_place())
    for run in tally.broken[:20]:
        print(
            f"\nBROKEN: {run.poison.family} in {run.poison.place}, {run.model}, {run.viewer.user}: {'; '.join(run.broken)[:500]}"
        )
    return 1 if tally.broken else 0


class Tally:
    """The runs, counted as they come; only those that broke a rule are kept."""

    def __init__(self, runs: Iterator[Run]) -> None:
        self.runs = 0
        self.broken: list[Run] = []
        self._models: Counter[tuple[str, str]] = Counter()
        self._places: Counter[tuple[str, str]] = Counter()
        for run in runs:
            self._add(run)

    def _add(self, run: Run) -> None:
        self.runs += 1
        counted = ["runs"]
        if run.reply is None:
            counted.append("no question")
        else:
            answered = isinstance(run.reply.outcome, Answer)
            counted.append("answers" if answered else "refusals")
            counted += ["drafts" for step in run.reply.steps if step.model]
            if isinstance(run.reply.outcome, Answer):
                counted += ["claims" for _ in run.reply.outcome.claims]
        if run.broken:
            self.broken.append(run)
            counted.append("broken")
        for what in counted:
            self._models[run.model, what] += 1
            self._places[run.poison.place.value, what] += 1

    def by_model(self) -> str:
        """A Markdown table, one row a model."""
        return _table("model", MODELS, self._models)

    def by_place(self) -> str:
        """A Markdown table, one row a place of the injected text."""
        return _table("place", sorted({place for place, _ in self._places}), self._places)


def topics_from(path: Path) -> Iterator[Topic]:
    """Sections of real documentation as topics: the heading is asked, the first sentence is the fact."""
    found = 0
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for section in map(orjson.loads, lines):
            text = " ".join(plain(section["text"]).split())[:_MOST_CHARACTERS]
            spans = sentences(text)
            if len(text) < _LEAST_CHARACTERS or len(spans) < 2 or not section["heading"]:
                continue
            first_end = spans[0][1]
            question = f"{section['heading'].rstrip('?')}?"
            yield Topic(section["id"], section["title"] or "Page", text[:first_end], text[spans[1][0] :], question)
            found += 1
            if found == _TOPICS:
                return


def _table(what: str, names: Sequence[str], counts: Counter[tuple[str, str]]) -> str:
    columns = ("runs", "drafts", "answers", "claims", "refusals", "no question", "broken")
    rows = [[name, *(f"{counts[name, column]:,}" for column in columns)] for name in names]
    return table((what, *columns), rows)


if __name__ == "__main__":
    sys.exit(main())
