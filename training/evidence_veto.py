"""Fits what is made of the evidence model's word on claims, on the claims that choose: its temperature, and when it vetoes."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.metrics import balanced_accuracy_score

from training.evidence_heads import surprise
from training.evidence_judged_claims import EDITS, Claim
from training.evidence_pairs import LABELS, ClaimPair
from training.evidence_scores import RawScores
from training.fitting import Table

VETOES = tuple(step / 100 for step in range(4, 51))
# Of paraphrases as many stay, or as many as the features alone keep where that is less.
_LEAST_KEPT = 0.9


def support_temperature(pairs: Sequence[ClaimPair], scores: RawScores) -> float:
    """The temperature at which the three labels' chances are truest on dev pairs."""
    logit = scores.of([(pair.claim, pair.evidence) for pair in pairs])[:, 2:]
    right = np.array([[label in pair.labels for label in LABELS] for pair in pairs])

    def loss(temperature: float) -> float:
        return float(np.mean([surprise(row / temperature, gold) for row, gold in zip(logit, right, strict=True)]))

    return float(minimize_scalar(loss, bounds=(0.2, 10.0), method="bounded").x)


def most_supported(claims: Sequence[Claim], scores: RawScores, temperature: float) -> Table:
    """`(claims,)`: the chance that the window which speaks most for the claim supports it."""
    found = []
    for one in claims:
        logit = scores.of([(one.claim, window) for window in one.windows])[:, 2:] / temperature
        found.append(float(np.exp(logit - np.logaddexp.reduce(logit, axis=1, keepdims=True))[:, 0].max()))
    return np.array(found, dtype=float)


def with_veto(features: Table, most: Table, least: float, cut: float) -> Table:
    """The features' score, and the model's where that vetoes a claim that the features take to be supported."""
    return np.where((features >= cut) & (most < least), most, features)


def fit_veto(claims: Sequence[Claim], most: Table, cut: float) -> float:
    """The `least` of best mean balanced accuracy over the sources, among those at which no source loses and paraphrases stay;
    0 when there is none.
    """
    sources = np.array([one.source for one in claims])
    labels = np.array([one.supported for one in claims])
    features = np.array([one.features for one in claims])
    kept = labels & (sources == EDITS)

    def accuracies(least: float) -> dict[str, float]:
        told = with_veto(features, most, least, cut) >= cut
        return {str(name): balanced_accuracy_score(labels[sources == name], told[sources == name]) for name in set(sources)}

    def share_kept(least: float) -> float:
        return float((with_veto(features, most, least, cut) >= cut)[kept].mean()) if kept.any() else 1.0

    alone, least_kept = accuracies(0.0), min(_LEAST_KEPT, share_kept(0.0))
    tried = {least: accuracies(least) for least in VETOES if share_kept(least) >= least_kept}
    without_loss = [least for least, found in tried.items() if all(found[name] >= alone[name] - 1e-9 for name in alone)]
    return max(without_loss, key=lambda least: sum(tried[least].values()), default=0.0)
