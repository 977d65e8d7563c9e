"""The claims that choose and judge: of labelled sources the parts that did not train, and edits of every site's sentences and
tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surefoot.assistant.evidence_windows import evidence_windows
from surefoot.assistant.groundedness import Support
from surefoot.domain.sentences import plain, sentences
from surefoot.ports import Encoder
from training.data import read_rows
from training.evidence_edits import falsified, kept
from training.evidence_folds import DEV_SITES, JUDGED_SITES, TENANTS, site_path
from training.evidence_groups import is_prose
from training.evidence_tables import Told, table_claims
from training.scifact import CHOOSING, JUDGING, fold_of
from training.sentence_edits import NAME
from training.support import FOLDS, Pair, begin, halueval, scifact

EDITS, KEPT, TABLES = "edits", "kept", "tables"
_SENTENCES, _TENANT_SENTENCES, _DEV_SENTENCES = 40, 120, 120


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim beside evidence, whether that supports it, and what features alone say. `site` is empty where it has none."""

    source: str
    site: str
    kind: str
    chooses: bool
    claim: str
    windows: tuple[str, ...]
    supported: bool
    features: float


def judged_claims(data: Path, encoder: Encoder) -> Iterator[Claim]:
    """All claims, with the score that the shipped features give each."""
    support = Support(encoder)

    def claim(source: str, site: str, kind: str, chooses: bool, said: str, evidence: Sequence[str], supported: bool) -> Claim:
        score, _ = support.weigh(said, evidence)
        return Claim(source, site, kind, chooses, plain(said), evidence_windows(plain(said), evidence), supported, score.score)

    pairs: list[Pair] = [*scifact(data), *begin(data), *halueval(data)]
    for pair in pairs:
        use = claim_use(pair)
        if use != "training":
            yield claim(pair.source, "", pair.source, use == "choosing", pair.claim, pair.evidence, pair.supported)
    for site in (*JUDGED_SITES, *DEV_SITES):
        limit = _TENANT_SENTENCES if site in TENANTS else _DEV_SENTENCES if site in DEV_SITES else _SENTENCES
        for kind, said, text, supported in edited(site_path(data, site), limit=limit, seed=31):
            yield claim(EDITS, site, kind, site in DEV_SITES, said, (text,), supported)
        for told in of_tables(site_path(data, site), limit=limit, seed=32):
            yield claim(TABLES, site, told.kind, site in DEV_SITES, told.claim, (told.window,), told.kind == "supported")


def claim_use(pair: Pair) -> str:
    """`training`, `choosing` or `judging`: of what is held out, SciFact judges by one fold and chooses by another; of the
    other sources, half of the groups held out choose.
    """
    if pair.source == "scifact":
        return {JUDGING: "judging", CHOOSING: "choosing"}.get(fold_of(pair.group), "training")
    if not pair.held_out:
        return "training"
    return "choosing" if sum(pair.group.encode()) // FOLDS % 2 else "judging"


def edited(path: Path, *, limit: int, seed: int) -> Iterator[tuple[str, str, str, bool]]:
    """Sentences of a site against their whole section: kind of edit, claim, section, whether it still holds. What is exchanged
    stands beside the sentence.
    """
    random = np.random.default_rng(seed)
    texts = [row["text"] for row in read_rows(path)]
    names = [name for text in texts for name in NAME.findall(text)[:3]]
    made = 0
    for at in random.permutation(len(texts)):
        told = [said for start, end in sentences(texts[at]) if is_prose(said := plain(texts[at][start:end]))]
        if not told or made >= limit:
            continue
        sentence = told[int(random.integers(len(told)))]
        place = told.index(sentence)
        wrong = falsified(sentence, names, random, " ".join(told[max(0, place - 1) : place + 2]))
        if not wrong:
            continue
        made += 1
        yield KEPT, kept(sentence, random), texts[at], True
        kinds = list(wrong)
        for kind in [kinds[place] for place in random.permutation(len(kinds))[:2]]:
            yield kind, wrong[kind][0], texts[at], False


def of_tables(path: Path, *, limit: int, seed: int) -> list[Told]:
    """Claims about cells of a site's tables, one fact of a table, each beside its rows."""
    random = np.random.default_rng(seed)
    texts = [row["text"] for row in read_rows(path)]
    made: list[Told] = []
    for at in random.permutation(len(texts)):
        if len(made) < limit and "|" in texts[at]:
            made += table_claims(texts[at], random, most=1)
    return made[:limit]
