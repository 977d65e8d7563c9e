"""Ranked lists as search gives them, with and without what answers: what the model is chosen and judged by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surefoot.evals.metrics import ndcg_at
from training.data import Asked, SiteIndex, pseudo_questions
from training.evidence_groups import by_sentence

TOP = 10
# Ten sections or pages are left of these after several passages of one were collapsed.
DEPTH = 50


@dataclass(frozen=True, slots=True)
class RankedList:
    """A question with the passages found for it. `texts` are what the model reads of the first TOP; `keys` name the section
    or page of every passage, `gold` those that answer.
    """

    kind: str
    question: str
    texts: tuple[str, ...]
    fused: tuple[float, ...]
    keys: tuple[str, ...]
    gold: frozenset[str]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(self.question, text) for text in self.texts]

    def ndcg(self, keys: NDArray[np.float64] | None = None) -> float:
        """nDCG@10 of the sections or pages, each where its best passage is; `keys` reorder the first TOP, highest first."""
        order = list(range(len(self.keys)))
        if keys is not None:
            order[: len(keys)] = [int(place) for place in np.argsort(-keys, kind="stable")]
        ranked = list(dict.fromkeys(self.keys[place] for place in order))
        return ndcg_at(ranked, self.gold, TOP)


def ranked_list(
    index: SiteIndex,
    asked: Asked,
    kind: str,
    *,
    masked: frozenset[int] = frozenset(),
    without: frozenset[int] = frozenset(),
    left_out_pages: Sequence[str] = (),
    by_page: bool = False,
) -> RankedList:
    """The list for one question; passages of `left_out_pages` are taken out of it before the model sees it."""
    found = index.search(asked.question, masked=masked, without=without, limit=DEPTH)
    passages = [passage for passage in found.passages if passage.chunk.uri not in left_out_pages]
    return RankedList(
        kind,
        asked.question,
        tuple(passage.chunk.encoder_text() for passage in passages[:TOP]),
        tuple(passage.score for passage in passages),
        tuple(p.chunk.uri if by_page else p.chunk.anchor or p.chunk.uri for p in passages),
        frozenset(asked.gold),
    )


def site_lists(index: SiteIndex, questions: Sequence[Asked], *, hide_page: bool) -> Iterator[RankedList]:
    """Each question's list with its gold there (`present`), and with it removed (`removed`)."""
    for asked in questions:
        gold = frozenset(index.site.rows_of(asked.gold))
        masked = index.page_of(gold) if hide_page else frozenset()
        yield ranked_list(index, asked, "present", masked=masked)
        yield ranked_list(index, asked, "removed", masked=masked, without=gold)


def heading_questions(index: SiteIndex, *, limit: int, seed: int) -> list[Asked]:
    return pseudo_questions(index.site, limit=limit, seed=seed)


def sentence_questions(index: SiteIndex, *, limit: int, seed: int) -> list[Asked]:
    """Questions made from sentences, each with the section of the sentence as its answer."""
    random = np.random.default_rng(seed)
    made = [Asked(w.question, (index.site.section_of[w.row],), is_pseudo=True) for w in by_sentence(index, random)]
    return [made[place] for place in sorted(random.permutation(len(made))[:limit])]
