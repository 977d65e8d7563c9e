"""How good the evidence model is, site by site and all sites together: each by the judge that has seen nothing of the site."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from surefoot.assistant.answerability import shipped_model
from surefoot.assistant.groundedness import shipped_support_model
from training.answerability import ANSWERABLE, CLAPNQ
from training.evidence_folds import DEV_SITES, JUDGED_SITES
from training.evidence_heads import NEVER, Mixture, answer_table, ndcg_of, source_table
from training.evidence_judged_claims import EDITS, KEPT, Claim
from training.evidence_judged_lists import ListRow
from training.evidence_judges import Judge, Judges
from training.evidence_judging import AskedList
from training.evidence_veto import most_supported, with_veto
from training.fitting import Labels, Table, auroc, interval

ALL_SITES = "all sites"
# With as few sites as this, questions are drawn again within each; with more, the sites are.
_FEW_SITES = 3
_ROUNDS = 1000
_AGAINST = ("removed", "foreign", "wikipedia")


def rounded(value: Any) -> float:
    return round(float(value), 4)


def pooled(of_site: Mapping[str, Mapping[str, Table]], names: Sequence[str], gain: tuple[str, str]) -> dict[str, Any]:
    """Means over sites of each site's mean, of the numbers of its questions by name; `gain` is the first less the second.

    The interval draws sites anew where there are more than three, else the questions of each.
    """
    means = {site: {name: float(np.mean(told[name])) for name in names} for site, told in of_site.items()}
    gains = {site: told[gain[0]] - told[gain[1]] for site, told in of_site.items()}
    drawn = "sites" if len(gains) > _FEW_SITES else "questions"
    by_site = np.array([each.mean() for each in gains.values()])
    return {
        "n": sum(len(each) for each in gains.values()),
        "sites": len(gains),
        **{name: rounded(np.mean([told[name] for told in means.values()])) for name in names},
        "gain": rounded(by_site.mean()),
        "interval": mean_interval(by_site) if drawn == "sites" else _within(list(gains.values())),
        "drawn again": drawn,
    }


def mean_interval(gains: Table) -> list[float]:
    """The 95 % bootstrap interval of the mean gain of questions or of sites."""
    return interval(lambda rows: float(gains[rows].mean()), len(gains), rounds=_ROUNDS)


def _within(gains: Sequence[Table]) -> list[float]:
    random = np.random.default_rng(0)
    values = [np.mean([each[random.integers(0, len(each), len(each))].mean() for each in gains]) for _ in range(_ROUNDS)]
    return [round(float(bound), 3) for bound in np.percentile(values, [2.5, 97.5])]


def ranking_figures(rows: Sequence[ListRow], judges: Judges) -> dict[str, Any]:
    """nDCG@10 of each row: by the fused score, by the model alone, by the mixture, and the paired difference; and of every kind
    that several sites have, their mean.
    """
    found: dict[str, Any] = {}
    kinds: dict[str, dict[str, dict[str, Table]]] = {}
    for row in rows:
        told = _ranked(row, judges.of(row.site))
        gain = told["mixture"] - told["fused"]
        found[row.name] = {
            "n": len(row.lists),
            "chooses": row.chooses,
            **{name: rounded(values.mean()) for name, values in told.items()},
            "gain": rounded(gain.mean()),
            "interval": mean_interval(gain),
        }
        if row.site in JUDGED_SITES:
            kinds.setdefault(row.kind, {})[row.site] = told
    names = ("fused", "model", "mixture", "without_exit", "exits")
    together = {
        f"{ALL_SITES}: {kind}": {"chooses": False, **pooled(of_site, names, ("mixture", "fused"))}
        for kind, of_site in kinds.items()
        if len(of_site) > 1
    }
    return found | together


def _ranked(row: ListRow, judge: Judge) -> dict[str, Table]:
    """Of each list, nDCG@10 by every order, and whether it is left as it is."""
    mixture = judge.made.mixture
    return {
        "fused": np.array([one.ndcg() for one in row.lists]),
        "model": ndcg_of(row.lists, judge.scores, Mixture(mixture.temperature, 1.0, mixture.top, NEVER)),
        "mixture": ndcg_of(row.lists, judge.scores, mixture),
        "without_exit": ndcg_of(row.lists, judge.scores, replace(mixture, margin=NEVER)),
        "exits": np.array([float(mixture.is_settled(one)) for one in row.lists]),
    }


def answer_figures(asked: Sequence[AskedList], judges: Judges) -> dict[str, Any]:
    """AUROC of each site's questions with their answer against those without, by features, by the model, by both; and the means
    over all sites that judge.
    """
    found: dict[str, Any] = {}
    for site in dict.fromkeys(one.site for one in asked):
        own = [one for one in asked if one.site == site and (site in DEV_SITES or not one.chooses)]
        judge = judges.of(site)
        says, thresholds = _answerability(own, judge)
        conditions = np.array([one.condition for one in own])
        rows: dict[str, Any] = {
            f"present vs {against}": _aurocs(says, conditions == "present", conditions == against)
            for against in _AGAINST
            if (conditions == against).any()
        }
        found[site] = {"chooses": site in DEV_SITES} | rows | _answered(says, conditions, thresholds) | _cited(own, judge)
    judged = {site: rows for site, rows in found.items() if site in JUDGED_SITES}
    if len(judged) > 1:
        found[ALL_SITES] = {"chooses": False} | _over_sites(judged)
    return found


def _answerability(asked: Sequence[AskedList], judge: Judge) -> tuple[dict[str, Table], dict[str, float]]:
    """The chance that the passages answer, by whom it is told; and from which on a question is answered."""
    lines, mixture, scores = judge.made.answers, judge.made.mixture, judge.scores
    own, scope = (np.array([getattr(one, name) for one in asked]) for name in ("answerable", "in_scope"))
    table = answer_table(asked, own, scores, lines.temperature, mixture)
    together = lines.answerable.probability(table)
    # A question of CLAPNQ comes with the one passage found for it: there is no scope to judge.
    if asked[0].site != CLAPNQ:
        together = together * lines.in_scope.probability(answer_table(asked, scope, scores, lines.temperature, mixture))
        own = own * scope
    thresholds = {"features": shipped_model().answer_threshold, "together": lines.answer_threshold}
    return {"features": own, "model": table[:, 1], "together": together}, thresholds


def _aurocs(says: Mapping[str, Table], present: Labels, absent: Labels) -> dict[str, Any]:
    figures = {name: rounded(auroc(said[present], said[absent])) for name, said in says.items()}
    both = np.flatnonzero(present | absent)
    is_present, told = present[both], [says[name][both] for name in ("together", "features")]

    def gain(rows: NDArray[np.intp]) -> float:
        drawn = is_present[rows]
        values = [area(each[rows][drawn], each[rows][~drawn]) for each in told]
        return values[0] - values[1]

    return {
        "n": [int(present.sum()), int(absent.sum())],
        **figures,
        "gain": rounded(figures["together"] - figures["features"]),
        "interval": interval(gain, len(both), rounds=300),
    }


def area(positive: Table, negative: Table) -> float:
    """AUROC by ranks (Mann & Whitney 1947), for the many draws of an interval; NaN when either side is empty."""
    if not len(positive) or not len(negative):
        return float("nan")
    order = np.sort(negative)
    below = np.searchsorted(order, positive, "left") + np.searchsorted(order, positive, "right")
    return float(below.mean() / 2 / len(negative))


def _answered(says: Mapping[str, Table], conditions: Any, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """The share answered under each condition, at the thresholds of features and of both."""
    return {
        "answered": {
            str(condition): {
                name: rounded((says[name] >= cut)[conditions == condition].mean()) for name, cut in thresholds.items()
            }
            for condition in dict.fromkeys(conditions)
        }
    }


def _cited(asked: Sequence[AskedList], judge: Judge) -> dict[str, Any]:
    """How often the likeliest source is gold, of questions with gold among their passages."""
    able = [one for one in asked if one.condition in ANSWERABLE and any(one.gold) and len(one.gold) > 1]
    if not able:
        return {}
    lines = judge.made.answers
    tables = [source_table(one, judge.scores, lines.temperature, judge.made.mixture) for one in able]
    by_features = np.array([float(one.gold[int(np.argmax(one.sources))]) for one in able])
    together = np.array(
        [float(one.gold[int(np.argmax(lines.source.logit(table)))]) for one, table in zip(able, tables, strict=True)]
    )
    gain = together - by_features
    return {
        "first source is gold": {
            "n": len(able),
            "features": rounded(by_features.mean()),
            "together": rounded(together.mean()),
            "gain": rounded(gain.mean()),
            "interval": mean_interval(gain),
        }
    }


def _over_sites(sites: Mapping[str, Any]) -> dict[str, Any]:
    """The mean over sites of each figure, sites drawn anew for its interval."""
    found = {}
    for name in (*(f"present vs {against}" for against in _AGAINST), "first source is gold"):
        rows = [row for told in sites.values() if (row := told.get(name))]
        said = [key for key in ("features", "model", "together") if all(key in row for row in rows)]
        gains = np.array([row["gain"] for row in rows])
        found[name] = {
            "n": np.sum([row["n"] for row in rows], axis=0).tolist(),
            "sites": len(rows),
            **{key: rounded(np.mean([row[key] for row in rows])) for key in said},
            "gain": rounded(gains.mean()),
            "interval": mean_interval(gains),
            "drawn again": "sites",
        }
    return found


@dataclass(frozen=True)
class _Told:
    """What is said of claims: whether each is supported, and the score and the least that says so, by whom."""

    labels: Labels
    scores: Mapping[str, tuple[Table, float]]

    def right(self, name: str) -> Labels:
        said, least = self.scores[name]
        return np.asarray((said >= least) == self.labels)


def support_figures(claims: Sequence[Claim], judges: Judges) -> dict[str, Any]:
    """Balanced accuracy and AUROC per source, and of each site's edits, by features, by the model, by both; and each kind of edit
    refused or kept.
    """
    judged = [one for one in claims if not one.chooses]
    found: dict[str, Any] = {}
    for source in dict.fromkeys(one.source for one in judged):
        found[source] = _accuracies(_told([one for one in judged if one.source == source], judges))
    edits = [one for one in judged if one.source == EDITS]
    for site in dict.fromkeys(one.site for one in edits):
        found[f"{EDITS}: {site}"] = _accuracies(_told([one for one in edits if one.site == site], judges))
    found["kinds of edits"] = _by_kind(edits, _told(edits, judges)) if edits else {}
    return found


def _told(claims: Sequence[Claim], judges: Judges) -> _Told:
    cut = shipped_support_model().threshold
    features = np.array([one.features for one in claims])
    most, together = np.zeros(len(claims)), np.zeros(len(claims))
    for site in dict.fromkeys(one.site for one in claims):
        rows = np.array([place for place, one in enumerate(claims) if one.site == site])
        judge = judges.of(site)
        most[rows] = most_supported([claims[row] for row in rows], judge.scores, judge.made.support_temperature)
        together[rows] = with_veto(features[rows], most[rows], judge.made.veto_below, cut)
    labels = np.array([one.supported for one in claims])
    return _Told(labels, {"features": (features, cut), "model": (most, 0.5), "together": (together, cut)})


def _accuracies(told: _Told) -> dict[str, Any]:
    labels = told.labels
    says = {
        name: {
            "balanced_accuracy": rounded(balanced_accuracy_score(labels, said >= least)),
            "auroc": rounded(auroc(said[labels], said[~labels])),
        }
        for name, (said, least) in told.scores.items()
    }
    return {
        "n": len(labels),
        "supported": int(labels.sum()),
        **says,
        "gain": rounded(says["together"]["balanced_accuracy"] - says["features"]["balanced_accuracy"]),
        "interval": interval(_gain_in_accuracy(told), len(labels), rounds=500),
    }


def _gain_in_accuracy(told: _Told) -> Callable[[NDArray[np.intp]], float]:
    right = {name: told.right(name).astype(float) for name in ("together", "features")}

    def gain(rows: NDArray[np.intp]) -> float:
        drawn = told.labels[rows]
        sides = [drawn / max(1, drawn.sum()), ~drawn / max(1, (~drawn).sum())]
        return float(sum(0.5 * (side * (right["together"][rows] - right["features"][rows])).sum() for side in sides))

    return gain


def _by_kind(claims: Sequence[Claim], told: _Told) -> dict[str, Any]:
    kinds = np.array([one.kind for one in claims])
    right = {name: told.right(name) for name in told.scores}
    parts = {str(kind): kinds == kind for kind in sorted(set(kinds))} | {"all that contradict": kinds != KEPT}
    return {
        kind: {"n": int(part.sum())} | {name: rounded(found[part].mean()) for name, found in right.items()}
        for kind, part in parts.items()
    }
