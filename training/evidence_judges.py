"""Who judges what: each site by the model, and the joints fitted for it, that have seen nothing of the site."""

import gzip
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.assistant.answerability import shipped_model
from surefoot.assistant.groundedness import shipped_support_model
from training.evidence_folds import FOLDS, JUDGED_SITES, fold_of_site
from training.evidence_heads import (
    AnswerLines,
    Mixture,
    answer_table,
    fit_answers,
    fit_mixture,
    margins_without_loss,
)
from training.evidence_judging import AskedList, Judging
from training.evidence_pairs import ClaimPair
from training.evidence_scores import RawScores
from training.evidence_veto import fit_veto, most_supported, support_temperature
from training.fitting import auroc

TOP = 8
_LOST_BY_EXIT = 0.005
_READ_AT_ONCE = 5000
# A passage is known by its end, which is the same with its headings and without; a site shares a few with others.
_END_CHARACTERS, _SHARED = 150, 0.02
Pair = tuple[str, str]


@dataclass(frozen=True)
class Fitted:
    """All that was fitted for one model."""

    mixture: Mixture
    search: Mapping[str, Any]
    answers: AnswerLines
    support_temperature: float
    veto_below: float


@dataclass(frozen=True)
class Judge:
    """What a model says of pairs, and what was fitted for it."""

    scores: RawScores
    made: Fitted


@dataclass(frozen=True)
class Judges:
    """The judges of the folds, in their order, and the model that ships."""

    folds: tuple[Judge, ...]
    shipped: Judge

    def of(self, site: str) -> Judge:
        """The judge from which the site was held out; what no model trained on is judged by the one that ships."""
        return self.folds[fold_of_site(site)] if site in JUDGED_SITES else self.shipped


def judge(judging: Judging, dev_pairs: Sequence[ClaimPair], scores: RawScores, fold: int | None) -> Judge:
    """The judge that this model makes, everything read that it will be asked; `fold` is None for the model that ships."""
    pairs = list(dict.fromkeys(pairs_for(judging, dev_pairs, fold)))
    for start in range(0, len(pairs), _READ_AT_ONCE):
        scores.read(pairs[start : start + _READ_AT_ONCE])
    return Judge(scores, fitted(judging, dev_pairs, scores))


def fitted(judging: Judging, dev_pairs: Sequence[ClaimPair], scores: RawScores) -> Fitted:
    """The joints, by dev sites and dev abstracts alone."""
    dev = {row.name: row.lists for row in judging.lists if row.chooses}
    mixture, search = fit_mixture(dev, scores, top=TOP)
    asked = [one for one in judging.asked if one.chooses]
    mixture, answers, leads = _with_exit(mixture, margins_without_loss(dev, scores, mixture), asked, scores)
    temperature = support_temperature(dev_pairs, scores)
    claims = [one for one in judging.claims if one.chooses]
    veto_below = fit_veto(claims, most_supported(claims, scores, temperature), shipped_support_model().threshold)
    return Fitted(mixture, {**search, "absent by lead": leads}, answers, temperature, veto_below)


def _with_exit(
    mixture: Mixture, margins: Sequence[float], asked: Sequence[AskedList], scores: RawScores
) -> tuple[Mixture, AnswerLines, dict[str, float]]:
    """The least lead of those given at which answers that are absent are noticed about as well as without an early exit."""
    leads: dict[str, float] = {}
    made = {}
    for margin in margins:
        made[margin] = fit_answers(asked, scores, replace(mixture, margin=margin), threshold=shipped_model().answer_threshold)
        leads[str(margin)] = _absent_noticed(asked, scores, made[margin], replace(mixture, margin=margin))
    margin = next(margin for margin in margins if leads[str(margin)] >= leads[str(margins[-1])] - _LOST_BY_EXIT)
    return replace(mixture, margin=margin), made[margin], leads


def _absent_noticed(asked: Sequence[AskedList], scores: RawScores, lines: AnswerLines, mixture: Mixture) -> float:
    """AUROC of questions with their answer against the same without it."""
    told = [one for one in asked if one.condition in ("present", "removed")]
    own = np.array([one.answerable for one in told])
    chance = lines.answerable.probability(answer_table(told, own, scores, lines.temperature, mixture))
    present = np.array([one.condition == "present" for one in told])
    return round(float(auroc(chance[present], chance[~present])), 4)


def judged_by(site: str, fold: int | None) -> bool:
    """Whether the model of this fold, or for None the one that ships, judges the site."""
    return fold == (fold_of_site(site) if site in JUDGED_SITES else None)


def pairs_for(judging: Judging, dev_pairs: Sequence[ClaimPair], fold: int | None) -> Iterator[Pair]:
    """Every pair that fitting with this model, or judging by it, reads."""
    part = Judging(
        tuple(row for row in judging.lists if row.chooses or judged_by(row.site, fold)),
        tuple(one for one in judging.asked if one.chooses or judged_by(one.site, fold)),
        tuple(one for one in judging.claims if one.chooses or judged_by(one.site, fold)),
    )
    yield from pairs_of(part)
    yield from ((pair.claim, pair.evidence) for pair in dev_pairs)


def pairs_of(judging: Judging) -> Iterator[Pair]:
    """Every pair that is read to judge all of it."""
    yield from (pair for row in judging.lists for one in row.lists for pair in one.pairs[:TOP])
    yield from ((one.question, text) for one in judging.asked for text in one.texts[:TOP])
    yield from ((one.claim, window) for one in judging.claims for window in one.windows)


def refuse_what_was_learned(judging: Judging, fold: int, learned: Iterable[str]) -> None:
    """Ends the run when passages of a site that the fold holds out are among those that its model learned from."""
    ends = {text[-_END_CHARACTERS:] for text in learned}
    for site in FOLDS[fold]:
        rows = [row for row in judging.lists if row.site == site]
        own = {
            text[-_END_CHARACTERS:] for row in rows for one in row.lists for text in one.texts if len(text) > 2 * _END_CHARACTERS
        }
        known = len(own & ends)
        if known > _SHARED * len(own):
            raise SystemExit(
                f"{known} of {len(own)} passages of {site} trained the model that is to judge it, that of fold {fold}."
            )


def learned_passages(model: Path) -> list[str] | None:
    """The passages that trained the model, by the training set beside its folder; None where there is none."""
    path = model.parent / "set.pickle.gz"
    if not path.exists():
        return None
    with gzip.open(path, "rb") as file:
        return [text for group in pickle.load(file).groups for text in group.passages]
