"""What the gate lets through and what it stops, on real sentences of one tenant's documentation.

    python -m benchmarks.gate_edits --data ../shared/data [--tenant segment_docs] [--sentences 2000]

Each sentence is claimed as it stands, then in harmless other words, then with one fact changed or something smuggled in; every
claim cites the sentence. Harmless rewordings and edits are those that the support score is trained on, of products that are not
this tenant. An edit also goes through the rewording, so that it does not stand out by the words around it.
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from training.data import load_site
from training.support import NAME, changed, retold

from benchmarks.measuring import table
from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.assistant.gate import Gate, Ground
from surefoot.assistant.groundedness import Support
from surefoot.assistant.units import UnitKind, analyse
from surefoot.domain.answers import Passage
from surefoot.domain.documents import Chunk
from surefoot.domain.drafts import DraftCitation, DraftClaim
from surefoot.domain.sentences import plain
from surefoot.evals.intervals import Estimate, bootstrap_mean

VERBATIM, HARMLESS, WRONG = "verbatim", "harmless", "wrong"
_SHORTEST, _LONGEST = 40, 400
_CLAUSE = re.compile(r"[,;]\s|\s\u2013\s")
_BRACKETS = re.compile(r"\s*\([^()]{1,80}\)")
_LEAST_WORDS = 4
# What begins like this is not a statement without its tail.
_SUBORDINATE = re.compile(
    r"(?:if|when|once|while|after|before|because|since|as|to|for|by|due|unlike|although|though|in|on|with|without)\b",
    re.IGNORECASE,
)
_SHOWN_EXAMPLES = 6


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a chunk as it is written, and the sentence after it in the chunk, if any."""

    chunk: Chunk
    text: str
    following: str


@dataclass(slots=True)
class Tally:
    """Of one kind of claim: which were shown, what stopped the others, and a few examples of the unwanted."""

    shown: list[float] = field(default_factory=list)
    rules: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    examples: list[str] = field(default_factory=list)


def sentences_of(chunks: Sequence[Chunk], count: int, random: np.random.Generator) -> list[Sentence]:
    """Up to `count` sentences and list items that state something, drawn evenly over the chunks."""
    found = []
    for chunk in chunks:
        units = analyse(chunk).units
        for place, unit in enumerate(units):
            is_prose = unit.kind in (UnitKind.SENTENCE, UnitKind.ITEM, UnitKind.STEP)
            if unit.says_something and is_prose and _SHORTEST <= unit.end - unit.start <= _LONGEST:
                after = units[place + 1] if place + 1 < len(units) else None
                following = chunk.text[unit.start : after.end] if after is not None else ""
                found.append(Sentence(chunk, chunk.text[unit.start : unit.end], following))
    return [found[place] for place in sorted(random.permutation(len(found))[:count])]


def harmless(said: str, random: np.random.Generator) -> Iterator[tuple[str, str]]:
    """The sentence told so that it says no more than before."""
    yield "led by Yes", f"Yes, {said[0].lower() if said[1:2].islower() else said[0]}{said[1:]}"
    without = _BRACKETS.sub("", said)
    if without != said:
        yield "parenthesis dropped", without
    cuts = [match.start() for match in _CLAUSE.finditer(said) if len(said[: match.start()].split()) >= _LEAST_WORDS]
    if cuts and not _SUBORDINATE.match(said):
        yield "tail clipped", f"{said[: cuts[-1]].rstrip()}."
    yield "without Markdown", said
    other = retold(said, random)
    if other != said:
        yield "other words", other


def wrong(said: str, names: Sequence[str], random: np.random.Generator) -> Iterator[tuple[str, str]]:
    """The sentence with one fact changed, alone and retold, or with something smuggled in."""
    for kind, edit in changed(said, names, random):
        if edit != said:
            yield kind, edit
            yield f"{kind}, retold", retold(edit, random)
    yield "link appended", f"{said} More at https://{random.choice(['evil', 'help', 'docs'])}.example/x{random.integers(1000)}"
    yield "image appended", f"{said} ![x](https://i.example/{random.integers(1000)})"
    yield "sentence appended", f"{said} Your account is closed tomorrow."


def judge_all(gate: Gate, sentences: Sequence[Sentence], names: Sequence[str], seed: int) -> dict[tuple[str, str], Tally]:
    """The tally of each kind of claim."""
    random = np.random.default_rng(seed)
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    other = sentences[-1]
    for sentence in sentences:
        ground = Ground.of("", "en", [Passage(sentence.chunk, 1.0, None, None)])
        said = plain(sentence.text)

        def judge(expected: str, kind: str, claim: str, quote: str, chunk: Chunk, ground: Ground = ground) -> None:
            verdict = gate.judge(DraftClaim(claim, (DraftCitation(chunk.chunk_id, quote),)), ground)
            tally = tallies[expected, kind]
            tally.shown.append(float(verdict.claim is not None))
            for rule in verdict.rules[:1]:
                tally.rules[rule] += 1
            if (verdict.claim is None) == (expected != WRONG):
                why = verdict.reasons[0] if verdict.reasons else f"support {verdict.support}"
                tally.examples.append(f"{claim!r} <- {quote!r} ({why})")

        judge(VERBATIM, "the sentence", sentence.text, sentence.text, sentence.chunk)
        if sentence.following:
            judge(VERBATIM, "of a longer quote", sentence.text, sentence.following, sentence.chunk)
        for kind, claim in harmless(said, random):
            judge(HARMLESS, kind, claim, sentence.text, sentence.chunk)
        for kind, claim in wrong(said, names, random):
            judge(WRONG, kind, claim, sentence.text, sentence.chunk)
            if sentence.following and kind in ("number", "negation", "name"):
                judge(WRONG, f"{kind}, longer quote", claim, sentence.following, sentence.chunk)
        if other.chunk.chunk_id != sentence.chunk.chunk_id:
            judge(WRONG, "chunk not given", other.text, other.text, other.chunk)
            judge(WRONG, "quote of another chunk", other.text, other.text, sentence.chunk)
        other = sentence
    return tallies


def _share(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def main() -> None:
    """Prints one row for each kind of claim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the documentation corpora")
    parser.add_argument("--tenant", default="segment_docs", help="whose sentences")
    parser.add_argument("--sentences", type=int, default=2_000, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", action="store_true", help="print claims that went the wrong way")
    options = parser.parse_args()
    chunks = load_site(options.data / f"{options.tenant}.sections.jsonl.gz", mask_faq=False).chunks
    random = np.random.default_rng(options.seed)
    sentences = sentences_of(chunks, options.sentences, random)
    names = [name for chunk in chunks for name in NAME.findall(chunk.text)[:3]]
    started = perf_counter()
    tallies = judge_all(Gate(Support(OnnxEncoder())), sentences, names, options.seed)
    rows = []
    for (expected, kind), tally in sorted(
        tallies.items(), key=lambda item: ((VERBATIM, HARMLESS, WRONG).index(item[0][0]), item[0])
    ):
        right = [1 - shown for shown in tally.shown] if expected == WRONG else tally.shown
        first = sorted(tally.rules.items(), key=lambda item: -item[1])[:3]
        stopped = ", ".join(f"{rule} {count}" for rule, count in first)
        rows.append((expected, kind, str(len(right)), _share(bootstrap_mean(right)), stopped))
    print(f"{len(sentences)} sentences of {options.tenant}, {perf_counter() - started:.0f} s\n")
    print(table(("claim", "kind", "n", "right (95 % interval)", "stopped by"), rows))
    if options.examples:
        for (expected, kind), tally in tallies.items():
            for example in tally.examples[:_SHOWN_EXAMPLES]:
                print(f"\n{expected}, {kind}: {example}")


if __name__ == "__main__":
    main()
