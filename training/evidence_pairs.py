"""Claims beside a window of evidence, each with the labels that are right for it: what support learns from."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surefoot.assistant.evidence_windows import evidence_windows
from surefoot.domain.sentences import plain, sentences
from training.data import CLAPNQ_FILE, read_rows
from training.evidence_edits import CONTRADICTED, NOT_STATED, falsified, kept
from training.evidence_groups import clapnq_is_for_training, is_prose
from training.evidence_tables import Told, table_claims
from training.evidence_worlds import world_claims
from training.lexical_neighbours import LexicalNeighbours
from training.scifact import Abstracts, is_for_training
from training.sentence_edits import NAME
from training.support import begin, halueval

SUPPORTED = "supported"
LABELS = (SUPPORTED, CONTRADICTED, NOT_STATED)
_LABELS_OF = {
    "supported": (SUPPORTED,),
    "contradicted": (CONTRADICTED,),
    "not stated": (NOT_STATED,),
    "untrue": (CONTRADICTED, NOT_STATED),
}
_EDITS_OF_A_SENTENCE = 2
# A name is nearly always on the page already when a model puts it in the wrong place.
_NAMES_OF_THE_PAGE = 0.7
# What is written small as well on a site is only the first word of something, no name.
_COMMON = re.compile(r"(?<![\w./-])[a-z]+\b")
_LEAST_COMMON = 3
_NEIGHBOURS_TOLD = 0.3
_TABLE_PAIRS_A_SENTENCE = 0.8
_CELLS_OF_A_TABLE = 3
_WORLDS_A_SENTENCE = 0.12
_WEIGHT_OF_WORLDS = 0.7
# Kinds that are in few sentences are tried first, so that they are seen often enough.
_COMMON_KINDS = ("exchanged name", "exchanged identifier", "negation", "name", "exchanged role")
# Telling these again could turn them back.
_NOT_RETOLD = ("roles", "exchanged role")
# Titles that state a finding: they have a verb.
_FINDING = re.compile(
    r"\b(?:is|are|increases?|decreases?|reduces?|promotes?|inhibits?|induces?|regulates?|mediates?|predicts?|prevents?|improves?|"
    r"enhances?|impairs?|requires?|controls?|drives?|causes?|protects?|activates?|suppresses|reveals?|contributes?|links?|affects?|"
    r"modulates?|triggers?|limits?|confers?|determines?|facilitates?|associated)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ClaimPair:
    """A claim, one window of evidence, and the labels that are right; more than one when the data does not tell them apart.

    `group` is what must not be split: an abstract, a site.
    """

    source: str
    group: str
    claim: str
    evidence: str
    labels: tuple[str, ...]
    weight: float = 1.0


def edit_pairs(path: Path, *, limit: int, seed: int) -> Iterator[ClaimPair]:
    """Sentences of a documentation site told again or made untrue, beside the lines they come from; and beside others; what its
    tables state and do not; and claims about made-up worlds, in which only what belongs to what decides.
    """
    site = path.name.split(".")[0]
    random = np.random.default_rng(seed)
    rows = read_rows(path)
    texts = [[plain(row["text"][a:b]) for a, b in sentences(row["text"])] for row in rows]
    names = [[name for said in told for name in NAME.findall(said)[:2]] for told in texts]
    common = Counter(word for told in texts for said in told for word in _COMMON.findall(said))
    names = [[name for name in own if common[name.lower()] < _LEAST_COMMON] for own in names]
    every = [name for own in names for name in own]
    places = [(row, place) for row, told in enumerate(texts) for place, said in enumerate(told) if is_prose(said)]
    for at in random.permutation(len(places))[:limit]:
        row, place = places[at]
        told = texts[row]
        window = " ".join(told[max(0, place - 1) : place + 2])
        own = names[row] if len(set(names[row])) > 2 and random.random() < _NAMES_OF_THE_PAGE else every
        yield from _of_sentence("edits", site, told[place], window, own, random)
        if place and is_prose(told[place - 1]) and random.random() < _NEIGHBOURS_TOLD:
            yield ClaimPair("edits", site, kept(told[place - 1], random), window, (SUPPORTED,))
        apart = [other for other in range(len(told)) if abs(other - place) > 2 and len(told[other]) > 40]
        other_row = (row + 1) % len(texts) if random.random() < 0.4 else int(random.integers(len(texts)))
        elsewhere = " ".join(told[apart[0] : apart[0] + 3]) if apart else " ".join(texts[other_row][:3])
        if elsewhere and told[place] not in elsewhere:
            yield ClaimPair("edits", site, kept(told[place], random), elsewhere, (NOT_STATED,))
    fillers = [texts[row][place] for row, place in places[:: max(1, len(places) // 200)]]
    yield from _of_tables(site, [row["text"] for row in rows if "|" in row["text"]], limit, random)
    for _ in range(int(limit * _WORLDS_A_SENTENCE)):
        for told_one in world_claims(every, fillers, random):
            yield ClaimPair("worlds", site, told_one.claim, told_one.window, _LABELS_OF[told_one.kind], _WEIGHT_OF_WORLDS)


def _of_tables(site: str, texts: Sequence[str], limit: int, random: np.random.Generator) -> Iterator[ClaimPair]:
    """Claims about cells of the tables of a site, at most half as many pairs as `limit`."""
    made: list[Told] = []
    for place in random.permutation(len(texts)):
        if len(made) >= limit * _TABLE_PAIRS_A_SENTENCE:
            break
        made += table_claims(texts[place], random, most=_CELLS_OF_A_TABLE)
    for one in made:
        yield ClaimPair("tables", site, one.claim, one.window, _LABELS_OF[one.kind])


def _of_sentence(
    source: str, group: str, sentence: str, window: str, names: Sequence[str], random: np.random.Generator
) -> Iterator[ClaimPair]:
    """The sentence kept twice and made untrue twice, told differently each time."""
    wrong = falsified(sentence, names, random, window)
    yield ClaimPair(source, group, kept(sentence, random), window, (SUPPORTED,))
    if not wrong:
        return
    yield ClaimPair(source, group, kept(sentence, random) if random.random() < 0.8 else sentence, window, (SUPPORTED,))
    kinds = sorted(wrong, key=lambda kind: random.random() + 0.4 * (kind in _COMMON_KINDS))
    for kind in kinds[:_EDITS_OF_A_SENTENCE]:
        edit, labels = wrong[kind]
        yield ClaimPair(
            source,
            group,
            kept(edit, random, whole=True) if random.random() < 0.5 and kind not in _NOT_RETOLD else edit,
            window,
            labels,
        )


def scifact_pairs(data: Path, abstracts: Abstracts, *, repeats: int = 1) -> Iterator[ClaimPair]:
    """SciFact's claims of all folds beside the nearest windows of the abstract they cite, and beside their evidence."""
    for row in read_rows(data / "scifact.claims_train.jsonl.gz"):
        found = {one["doc_id"]: one for one in row["evidence"]}
        for doc_id in row["cited_doc_ids"]:
            told = abstracts.sentences[doc_id]
            one = found.get(doc_id)
            label = NOT_STATED if one is None else SUPPORTED if one["label"] == "SUPPORT" else CONTRADICTED
            proofs = [] if one is None else [int(place) for place in one["sentences"] if int(place) < len(told)]
            for place in proofs[:2]:
                for reach in (0, 1):
                    window = " ".join(told[max(0, place - reach) : place + reach + 1])
                    yield from _repeated(ClaimPair("scifact", doc_id, row["claim"], window, (label,)), repeats)
            for window in evidence_windows(row["claim"], told):
                shows = any(told[place].strip() in window for place in proofs)
                # A window beside the proof often says as much; only one with it, or of an abstract without any, is sure.
                if shows or one is None:
                    yield from _repeated(ClaimPair("scifact", doc_id, row["claim"], window, (label,)), repeats)
                elif all(abs(place - proof) > 2 for proof in proofs for place, said in enumerate(told) if said.strip() in window):
                    yield ClaimPair("scifact", doc_id, row["claim"], window, (NOT_STATED,), weight=0.5)


def _repeated(pair: ClaimPair, repeats: int) -> Iterator[ClaimPair]:
    for _ in range(repeats):
        yield pair


def abstract_pairs(abstracts: Abstracts, *, limit: int, seed: int) -> Iterator[ClaimPair]:
    """Findings of abstracts: a title against its own abstract's windows, turned round, and against a neighbour's; the
    conclusion against the lines before it. Nobody labelled them: a title says what its abstract shows.
    """
    random = np.random.default_rng(seed)
    ids = [doc_id for doc_id in abstracts.ids if is_for_training(doc_id) and len(abstracts.sentences[doc_id]) >= 4]
    neighbours = LexicalNeighbours([" ".join(abstracts.sentences[doc_id]) for doc_id in ids])
    chosen = [ids[place] for place in random.permutation(len(ids))[:limit]]
    names = [name for doc_id in chosen for name in NAME.findall(abstracts.titles[doc_id])[:1]]
    for doc_id in chosen:
        told, title = abstracts.sentences[doc_id], abstracts.titles[doc_id].strip().rstrip(".")
        if _FINDING.search(title) and ":" not in title and not title.endswith("?"):
            windows = evidence_windows(title, told)[:2]
            yield ClaimPair("titles", doc_id, f"{kept(title, random)}.", windows[0], (SUPPORTED,))
            wrong = falsified(title, names, random)
            for kind in [list(wrong)[place] for place in random.permutation(len(wrong))[:1]]:
                yield ClaimPair("titles", doc_id, f"{wrong[kind][0]}.", windows[0], wrong[kind][1])
            other = next((ids[place] for place in neighbours.of(title, 4) if ids[place] != doc_id), None)
            if other is not None:
                near = evidence_windows(title, abstracts.sentences[other])[0]
                yield ClaimPair("titles", doc_id, f"{title}.", near, (NOT_STATED,))
        place = int(random.integers(1, len(told)))
        if is_prose(told[place].strip()):
            window = " ".join(told[max(0, place - 1) : place + 2])
            yield from _of_sentence("abstracts", doc_id, told[place].strip(), window, names, random)


def other_pairs(data: Path) -> Iterator[ClaimPair]:
    """BEGIN, HaluEval and CLAPNQ's own answers, the training part of each."""
    for pair in (*begin(data), *halueval(data)):
        if pair.held_out:
            continue
        labels = (SUPPORTED,) if pair.supported else (CONTRADICTED, NOT_STATED)
        weight = 0.3 if pair.source == "halueval" else 1.0
        yield ClaimPair(pair.source, pair.group, pair.claim, pair.evidence[0], labels, weight)
    random = np.random.default_rng(5)
    for row in read_rows(data / CLAPNQ_FILE):
        if row["answerable"] and clapnq_is_for_training(row["id"]):
            answer, window = row["answers"][0], " ".join(row["selected_sentences"][0])
            if answer and window:
                yield from _of_sentence("clapnq", row["id"], answer, window, ["London", "Paris", "Smith", "Texas"], random)
