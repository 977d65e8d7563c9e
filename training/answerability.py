"""Fits the answerability model: `python -m training.answerability --data DIR --cache DIR --out FILE`.

Every documentation site is a tenant. Its questions (FAQ headings of the two tenants with real questions; elsewhere questions
made from headings) are asked with the answering section there and with it removed, and so are questions of other sites and of
Wikipedia. Headings that are the question are kept out of the index, together with all other headings of their page, in both
conditions: else a missing heading would give the answer away. The evidence is measured by the package's own code.

Three scorecards are fitted: which passage is the source (a choice among the passages of one question), whether the question
is about these documents at all, and whether the passages answer it. Figures are by leave-one-site-out: each site is judged by
cards that were fitted without its documents and questions. The shipped cards are fitted on all sites.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.assistant.answerability import Evidence, answer_features, gather
from surefoot.assistant.extract import SECOND_SOURCE_SHARE
from surefoot.assistant.questions import analyse_question
from surefoot.assistant.units import ChunkReader
from surefoot.retrieval.search import Retrieved
from training.data import Asked, CachedEncoder, Corpus, clapnq_evidence, clapnq_questions, load_corpus
from training.fitting import Card, Labels, Table, auroc, auroc_figure, fit_choice, fit_logistic, interval, table_of

PSEUDO_PER_SITE = 300
FOREIGN_PER_SITE = 300
WIKIPEDIA_PER_SITE = 60
CLAPNQ = "clapnq"
CLAPNQ_FOLDS = 10
CHOICE_L2, ANSWER_L2, SCOPE_L2 = 5.0, 10.0, 10.0
# A source's words may only speak for it.
CHOICE_SIGNS = {
    "score": 1, "dense": 1, "lexical_share_of_best": 1, "dense_rank_inverse": 1, "lexical_rank_inverse": 1, "unit_similarity": 1,
    "coverage": 1, "unit_coverage": 1, "neighbours_coverage": 1, "pair_share": 1, "hard_facts_found": 1, "form_and_coverage": 1,
    "dense_below_best": -1,
}  # fmt: skip
# Evidence may only speak for an answer, and what no passage has only against it.
ANSWER_SIGNS = {f"best_{name}": sign for name, sign in CHOICE_SIGNS.items()} | {
    "source_logit": 1, "source_gap": 1, "source_spread": 1, "source_any": 1, "covered_by_all": 1, "covered_by_top_three": 1,
    "dense_top": 1, "legs_overlap_5": 1, "legs_overlap_10": 1, "tops_agree": 1, "best_heaviest_term_covered": 1,
    "terms_nowhere": -1, "names_nowhere": -1,
}  # fmt: skip
# `plain` questions keep the heading they were made from, as an index does in real life.
WEIGHTS = {"present": 1.0, "removed": 1.0, "plain": 0.5, "plain removed": 0.5, "foreign": 1.0, "wikipedia": 0.5}
REAL_QUESTION_WEIGHT = 2.0
ANSWERABLE, IN_SCOPE = ("present", "plain"), ("present", "plain", "removed", "plain removed")
# The operating point: the least confidence at which answered real questions, out of site, cite a gold section this often.
CITATION_TARGET = 0.75
LEAST_ANSWERED = 50
IN_SCOPE_KEPT = 0.98


@dataclass
class Row:
    """One question under one condition; `gold` says which of its passages are of a gold section."""

    site: str
    question: str
    condition: str
    is_pseudo: bool
    evidence: Evidence
    gold: Labels

    @property
    def weight(self) -> float:
        return WEIGHTS[self.condition] * (1.0 if self.is_pseudo else REAL_QUESTION_WEIGHT)


class Gathering:
    """Evidence for one question after another, with the readers and encoders kept warm."""

    def __init__(self, encoder: CachedEncoder) -> None:
        self._encoder = encoder
        self._reader = ChunkReader(200_000)

    def row(self, site: str, asked: Asked, condition: str, retrieved: Retrieved) -> Row:
        evidence = gather(analyse_question(asked.question, "en"), retrieved, self._reader, self._encoder)
        gold = np.array([(p.chunk.anchor or p.chunk.uri) in asked.gold for p in retrieved.passages], dtype=bool)
        return Row(site, asked.question, condition, asked.is_pseudo, evidence, gold)


def documentation_rows(corpus: Corpus, wikipedia: Sequence[Asked], gathering: Gathering) -> Iterator[Row]:
    """Every site's questions under every condition."""
    random = np.random.default_rng(0)
    for name, index in corpus.indexes.items():
        for asked in corpus.questions[name]:
            gold = frozenset(index.site.rows_of(asked.gold))
            hidden = index.page_of(gold) if asked.is_pseudo else frozenset()
            yield gathering.row(name, asked, "present", index.search(asked.question, masked=hidden))
            yield gathering.row(name, asked, "removed", index.search(asked.question, without=gold, masked=hidden))
            if asked.is_pseudo:
                yield gathering.row(name, asked, "plain", index.search(asked.question))
                yield gathering.row(name, asked, "plain removed", index.search(asked.question, without=gold))
        others = [asked for other, questions in corpus.questions.items() if other != name for asked in questions]
        for place in random.permutation(len(others))[: min(FOREIGN_PER_SITE, len(corpus.questions[name]))]:
            foreign = Asked(others[place].question, (), is_pseudo=True)
            yield gathering.row(name, foreign, "foreign", index.search(foreign.question))
        for place in random.permutation(len(wikipedia))[:WIKIPEDIA_PER_SITE]:
            yield gathering.row(name, wikipedia[place], "wikipedia", index.search(wikipedia[place].question))


@dataclass(frozen=True)
class Cards:
    """The three fitted cards."""

    passage: Card
    answer: Card
    scope: Card

    def table(self, rows: Sequence[Row]) -> Table:
        """The answer features of each row, with the passage card's say in them."""
        made = [
            answer_features(row.evidence, self.passage.logit(passage_table(row, self.passage.names)).tolist()) for row in rows
        ]
        return table_of(made, self.answer.names)

    def judged(self, rows: Sequence[Row]) -> "Judged":
        table = self.table(rows)
        answerable, in_scope = (1 / (1 + np.exp(-card.logit(table))) for card in (self.answer, self.scope))
        hits, firsts = zip(*(self._cited(row) for row in rows), strict=True)
        return Judged(answerable, in_scope, np.array(hits), np.array(firsts))

    def _cited(self, row: Row) -> tuple[bool, bool]:
        """Whether any, and whether the first, of the passages that would be cited is gold."""
        logits = self.passage.logit(passage_table(row, self.passage.names))
        chances = 1 / (1 + np.exp(-logits))
        first, *rest = np.argsort(-logits, kind="stable")
        cited = [first, *(place for place in rest[:1] if chances[place] >= SECOND_SOURCE_SHARE * chances[first])]
        return bool(row.gold[cited].any()), bool(row.gold[first])


@dataclass(frozen=True)
class Judged:
    """What cards say of rows; `cites_gold` and `first_is_gold` are what an answer would cite."""

    answerable: Table
    in_scope: Table
    cites_gold: Labels
    first_is_gold: Labels

    @property
    def confidence(self) -> Table:
        return self.answerable * self.in_scope


def passage_table(row: Row, names: Sequence[str]) -> Table:
    return table_of(row.evidence.passages, names)


def fit(rows: Sequence[Row]) -> Cards:
    """The cards fitted on these rows; those without any passage teach nothing."""
    rows = [row for row in rows if row.evidence.passages]
    names = sorted(rows[0].evidence.passages[0])
    choices = [row for row in rows if row.condition in ANSWERABLE and row.gold.any() and len(row.gold) > 1]
    passage = fit_choice(
        [passage_table(row, names) for row in choices],
        [row.gold for row in choices],
        names,
        l2=CHOICE_L2,
        weights=[row.weight for row in choices],
        signs=CHOICE_SIGNS,
    )
    features = [answer_features(row.evidence, passage.logit(passage_table(row, names)).tolist()) for row in rows]
    wanted = sorted(features[0])
    table = table_of(features, wanted)
    weights = np.array([row.weight for row in rows])
    answerable = np.array([row.condition in ANSWERABLE for row in rows])
    in_scope = np.array([row.condition in IN_SCOPE for row in rows])
    docs = np.array([row.site != CLAPNQ for row in rows])
    answer = fit_logistic(
        table[in_scope], answerable[in_scope], wanted, l2=ANSWER_L2, weights=weights[in_scope], signs=ANSWER_SIGNS
    )
    # A CLAPNQ question comes with one passage, found for it: there is no scope to judge.
    scope = fit_logistic(table[docs], in_scope[docs], wanted, l2=SCOPE_L2, weights=weights[docs], signs=ANSWER_SIGNS)
    return Cards(passage, answer, scope)


def out_of_site(rows: Sequence[Row]) -> dict[str, tuple[list[Row], Judged]]:
    """Each site's rows, judged by cards fitted without that site."""
    found = {}
    for site in dict.fromkeys(row.site for row in rows if row.site != CLAPNQ):
        cards = fit([row for row in rows if row.site != site])
        own = [row for row in rows if row.site == site and row.evidence.passages]
        found[site] = (own, cards.judged(own))
        print(f"  {site}: judged without it", flush=True)
    return found


def site_figures(rows: Sequence[Row], judged: Judged, threshold: float) -> dict[str, Any]:
    """AUROCs, and what is answered and cited at the threshold."""
    condition = np.array([row.condition for row in rows])
    sure = judged.confidence
    present = condition == "present"
    answered = present & (sure >= threshold)
    figures: dict[str, Any] = {
        "questions": int(present.sum()),
        "present_vs_removed": auroc_figure(sure[present], sure[condition == "removed"]),
        "present_vs_foreign_documentation": auroc_figure(sure[present], sure[condition == "foreign"]),
        "present_vs_wikipedia": auroc_figure(sure[present], sure[condition == "wikipedia"]),
        "answered_present": round(float(answered.sum() / present.sum()), 3),
        "answered_removed": round(float((sure[condition == "removed"] >= threshold).mean()), 3),
        "answered_foreign": round(float((sure[condition == "foreign"] >= threshold).mean()), 3),
        "answered_wikipedia": round(float((sure[condition == "wikipedia"] >= threshold).mean()), 3),
    }
    figures["risk_coverage"] = risk_coverage(sure[present], judged.cites_gold[present])
    if answered.any():
        hits, first = judged.cites_gold[answered], judged.first_is_gold[answered]
        figures["citation_in_gold_section"] = {
            "share": round(float(hits.mean()), 3),
            "n": int(answered.sum()),
            "interval": interval(lambda drawn: float(hits[drawn].mean()), len(hits)),
            "first": round(float(first.mean()), 3),
        }
    return figures


def risk_coverage(sure: Table, cited: Labels) -> dict[str, float]:
    """The share of wrong citations among the surest 10 %, 20 %, ... of questions whose answer is there."""
    order = np.argsort(-sure, kind="stable")
    return {
        f"{part / 10:.1f}": round(1 - float(cited[order[: max(1, len(order) * part // 10)]].mean()), 3) for part in range(1, 11)
    }


def answer_threshold(judged: Mapping[str, tuple[list[Row], Judged]]) -> float:
    """The least confidence at which answered real questions cite gold CITATION_TARGET of the time, by out-of-site judgement."""
    sure, hits = [], []
    for rows, found in judged.values():
        real = np.array([row.condition == "present" and not row.is_pseudo for row in rows])
        sure.append(found.confidence[real])
        hits.append(found.cites_gold[real])
    confidence, cited = np.concatenate(sure), np.concatenate(hits)
    for threshold in np.arange(0.3, 0.9, 0.01):
        answered = cited[confidence >= threshold]
        if len(answered) >= LEAST_ANSWERED and answered.mean() >= CITATION_TARGET:
            return round(float(threshold), 2)
    return 0.9


def scope_threshold(judged: Mapping[str, tuple[list[Row], Judged]]) -> float:
    """The scope score that IN_SCOPE_KEPT of the questions with gold present reach, by out-of-site judgement."""
    scores = np.concatenate([f.in_scope[np.array([row.condition == "present" for row in rows])] for rows, f in judged.values()])
    return round(float(np.quantile(scores, 1 - IN_SCOPE_KEPT)), 3)


def clapnq_figures(rows: Sequence[Row]) -> dict[str, Any]:
    """AUROC of the answer card on CLAPNQ: never having seen it, and with the other folds of it among its training rows."""
    docs, own = [row for row in rows if row.site != CLAPNQ], [row for row in rows if row.site == CLAPNQ]
    labels = np.array([row.condition == "present" for row in own])
    unseen = fit(docs).judged(own).answerable
    fold = np.random.default_rng(0).permutation(len(own)) % CLAPNQ_FOLDS
    crossed = np.zeros(len(own))
    for number in range(CLAPNQ_FOLDS):
        rest = [row for row, part in zip(own, fold, strict=True) if part != number]
        held = [row for row, part in zip(own, fold, strict=True) if part == number]
        crossed[fold == number] = fit([*docs, *rest]).judged(held).answerable
    return {
        "never_seen": auroc_figure(unseen[labels], unseen[~labels]),
        "cross_validated": auroc_figure(crossed[labels], crossed[~labels]),
        "lexical_floor": 0.763,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data files")
    parser.add_argument("--cache", type=Path, required=True, help="folder of remembered vectors")
    parser.add_argument("--out", type=Path, required=True, help="model file to write")
    parser.add_argument("--without", action="append", default=[], metavar="SITE", help="leave this site out of the shipped cards")
    options = parser.parse_args()
    encoder = CachedEncoder(OnnxEncoder(), options.cache)
    corpus = load_corpus(options.data, encoder, pseudo_per_site=PSEUDO_PER_SITE)
    encoder.save()
    gathering = Gathering(encoder)
    wikipedia = clapnq_questions(options.data)
    rows = [*documentation_rows(corpus, wikipedia, gathering)]
    rows += [gathering.row(CLAPNQ, asked, condition, found) for asked, condition, found in clapnq_evidence(options.data, encoder)]
    encoder.save()
    print(f"{len(rows)} rows of evidence", flush=True)
    rows = [row for row in rows if row.site not in options.without]
    judged = out_of_site(rows)
    answer_at, scope_at = answer_threshold(judged), scope_threshold(judged)
    figures = {site: site_figures(own, found, answer_at) for site, (own, found) in judged.items()}
    cards = fit(rows)
    record = {
        "about": {
            "what": "Which passage is the source, whether a question is in scope, and whether the passages answer it: three "
            "scorecards over the named features of surefoot/assistant/evidence.py. Confidence is answer times scope.",
            "command": "python -m training.answerability --data DIR --cache DIR --out src/surefoot/models/answerability.json",
            "fitted_on": {site: len(corpus.questions[site]) for site in judged} | {CLAPNQ: 600},
            "encoder": encoder.fingerprint,
            "thresholds": f"answer: least confidence at which real questions, when answered, cite gold "
            f"{CITATION_TARGET:.0%} of the time; scope: {IN_SCOPE_KEPT:.0%} of questions with an answer stay above it; both by "
            "leave-one-site-out",
            "figures_leave_one_site_out": figures,
            "figures_clapnq": clapnq_figures(rows),
            "mean_present_vs_removed": round(
                float(np.mean([_auroc_of(own, found, "removed") for own, found in judged.values()])), 3
            ),
        },
        "answer_threshold": answer_at,
        "scope_threshold": scope_at,
        "passage": cards.passage.record(),
        "answer": cards.answer.record(),
        "scope": cards.scope.record(),
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record["about"], indent=1))


def _auroc_of(rows: Sequence[Row], judged: Judged, against: str) -> float:
    condition = np.array([row.condition for row in rows])
    return auroc(judged.confidence[condition == "present"], judged.confidence[condition == against])


if __name__ == "__main__":
    main()
