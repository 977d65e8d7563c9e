"""Fits what joins the evidence model with the features and says how good it is: `python -m training.evidence_figures --data DIR
--cache DIR --work DIR --model DIR [--float-model FILE] [--out FILE] [--table FILE]`.

Everything is fitted on the dev sites and dev abstracts, and judged on tenants, abstracts and questions that neither trained nor
chose. A head ships when, joined with the features, it beats them and loses more than .01 on no row.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from surefoot.assistant.answerability import shipped_model
from surefoot.assistant.groundedness import shipped_support_model
from training.answerability import ANSWERABLE, CLAPNQ
from training.encoder import MODEL
from training.evidence_heads import (
    NEVER,
    AnswerLines,
    Mixture,
    answer_table,
    fit_answers,
    fit_mixture,
    fit_veto,
    margins_without_loss,
    most_supported,
    ndcg_of,
    source_table,
    support_temperature,
    with_veto,
)
from training.evidence_judging import AskedList, Claim, Judging, gathered
from training.evidence_pairs import ClaimPair
from training.evidence_scores import RawScores
from training.evidence_set import DEV_SITES, built
from training.evidence_table import largest_difference, markdown
from training.fitting import Labels, Table, auroc, interval

TOP, MAX_TOKENS = 8, 192
_MOST_LOST = 0.01
_LOST_BY_EXIT = 0.005
_DEV_QUESTIONS = 160


@dataclass(frozen=True)
class Fitted:
    """All that was fitted for one model."""

    mixture: Mixture
    search: Mapping[str, Any]
    answers: AnswerLines
    support_temperature: float
    veto_below: float


def fitted(judging: Judging, dev_pairs: Sequence[ClaimPair], scores: RawScores) -> Fitted:
    """The joints, by dev sites and dev abstracts alone."""
    dev = {kind: lists for kind, lists in judging.lists.items() if _is_dev(kind)}
    mixture, search = fit_mixture(dev, scores, top=TOP)
    asked = [one for one in judging.asked if _chooses(one)]
    mixture, answers, leads = _with_exit(mixture, margins_without_loss(dev, scores, mixture), asked, scores)
    temperature = support_temperature(dev_pairs, scores)
    choosing = [one for one in judging.claims if one.use == "choosing"]
    veto_below = fit_veto(choosing, most_supported(choosing, scores, temperature), shipped_support_model().threshold)
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
    return _rounded(auroc(chance[present], chance[~present]))


def _chooses(one: AskedList) -> bool:
    """Whether the question is for fitting: those of the dev sites, and half of CLAPNQ's that did not train."""
    return one.site in DEV_SITES or (one.site == CLAPNQ and sum(one.question.encode()) % 2 == 0)


def _is_dev(kind: str) -> bool:
    return kind.startswith("dev ")


def _first_questions(asked: Sequence[AskedList]) -> list[AskedList]:
    """All, but of the dev sites the first questions of each condition: enough to fit three weights."""
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for one in asked:
        seen[one.site, one.condition] += 1
        if one.site not in DEV_SITES or seen[one.site, one.condition] <= _DEV_QUESTIONS:
            kept.append(one)
    return kept


def ranking_figures(judging: Judging, scores: RawScores, made: Fitted) -> dict[str, Any]:
    """nDCG@10 of each kind of list: by the fused score, by the model alone, by the mixture; and the paired difference."""
    alone = Mixture(made.mixture.temperature, 1.0, TOP, NEVER)
    found = {}
    for kind, lists in judging.lists.items():
        fused = np.array([one.ndcg() for one in lists])
        by_model, by_mixture = ndcg_of(lists, scores, alone), ndcg_of(lists, scores, made.mixture)
        gain = by_mixture - fused
        found[kind] = {
            "n": len(lists),
            "fused": _rounded(fused.mean()),
            "model": _rounded(by_model.mean()),
            "mixture": _rounded(by_mixture.mean()),
            "gain": _rounded(gain.mean()),
            "interval": interval(lambda rows, gain=gain: float(gain[rows].mean()), len(gain)),
            "without_exit": _rounded(ndcg_of(lists, scores, _without_exit(made.mixture)).mean()),
            "exits": _rounded(np.mean([one.fused[0] - one.fused[1] >= made.mixture.margin for one in lists])),
        }
    return found


def _without_exit(mixture: Mixture) -> Mixture:
    return Mixture(mixture.temperature, mixture.weight, mixture.top, NEVER)


def answer_figures(judging: Judging, scores: RawScores, made: Fitted) -> dict[str, Any]:
    """AUROC of each site's questions with their answer against those without, by features, by the model, by both."""
    found: dict[str, Any] = {}
    for site in dict.fromkeys(one.site for one in judging.asked):
        asked = [one for one in judging.asked if one.site == site and (site in DEV_SITES or not _chooses(one))]
        own, scope = (np.array([getattr(one, name) for one in asked]) for name in ("answerable", "in_scope"))
        table = answer_table(asked, own, scores, made.answers.temperature, made.mixture)
        scopes = answer_table(asked, scope, scores, made.answers.temperature, made.mixture)
        answerable, in_scope = made.answers.answerable.probability(table), made.answers.in_scope.probability(scopes)
        says = {"features": own, "model": table[:, 1], "together": answerable}
        if site != CLAPNQ:
            says = {"features": own * scope, "model": table[:, 1], "together": answerable * in_scope}
        conditions = np.array([one.condition for one in asked])
        present = conditions == "present"
        rows: dict[str, Any] = {}
        for against in ("removed", "foreign", "wikipedia"):
            if (conditions == against).any():
                rows[f"present vs {against}"] = _aurocs(says, present, conditions == against)
        found[site] = rows | _answered(says, conditions, made) | _cited(asked, scores, made)
    return found


def _aurocs(says: Mapping[str, Table], present: Labels, absent: Labels) -> dict[str, Any]:
    figures: dict[str, Any] = {name: _rounded(auroc(said[present], said[absent])) for name, said in says.items()}
    both = np.flatnonzero(present | absent)
    is_present = present[both]

    def gain(rows: Any) -> float:
        drawn = is_present[rows]
        values = [auroc(says[name][both][rows][drawn], says[name][both][rows][~drawn]) for name in ("together", "features")]
        return values[0] - values[1]

    return {"n": [int(present.sum()), int(absent.sum())], **figures, "gain": interval(gain, len(both), rounds=300)}


def _answered(says: Mapping[str, Table], conditions: Any, made: Fitted) -> dict[str, Any]:
    """The share answered under each condition, at the thresholds of features and of both."""
    cuts = {"features": shipped_model().answer_threshold, "together": made.answers.answer_threshold}
    return {
        "answered": {
            str(condition): {name: _rounded((says[name] >= cut)[conditions == condition].mean()) for name, cut in cuts.items()}
            for condition in dict.fromkeys(conditions)
        }
    }


def _cited(asked: Sequence[AskedList], scores: RawScores, made: Fitted) -> dict[str, Any]:
    """How often the likeliest source is gold, of questions with gold among their passages."""
    able = [one for one in asked if one.condition in ANSWERABLE and any(one.gold) and len(one.gold) > 1]
    if not able:
        return {}
    by_features = np.array([one.gold[int(np.argmax(one.sources))] for one in able])
    tables = [source_table(one, scores, made.answers.temperature, made.mixture) for one in able]
    together = np.array(
        [one.gold[int(np.argmax(made.answers.source.logit(table)))] for one, table in zip(able, tables, strict=True)]
    )
    gain = together.astype(float) - by_features
    return {
        "first source is gold": {
            "n": len(able),
            "features": _rounded(by_features.mean()),
            "together": _rounded(together.mean()),
            "gain": interval(lambda rows: float(gain[rows].mean()), len(gain), rounds=300),
        }
    }


def support_figures(judging: Judging, scores: RawScores, made: Fitted) -> dict[str, Any]:
    """Balanced accuracy and AUROC per source, by features, by the model, by both; and each kind of edit refused or kept."""
    found: dict[str, Any] = {}
    cut = shipped_support_model().threshold
    judged = [one for one in judging.claims if one.use == "judging"]
    for source in dict.fromkeys(one.source for one in judged):
        claims = [one for one in judged if one.source == source]
        labels = np.array([one.supported for one in claims])
        most = most_supported(claims, scores, made.support_temperature)
        features = np.array([one.features for one in claims])
        says = {
            "features": (features, cut),
            "model": (most, 0.5),
            "together": (with_veto(features, most, made.veto_below, cut), cut),
        }
        found[source] = {"n": len(claims), "supported": int(labels.sum())} | {
            name: {
                "balanced_accuracy": _rounded(balanced_accuracy_score(labels, said >= least)),
                "auroc": _rounded(auroc(said[labels], said[~labels])),
            }
            for name, (said, least) in says.items()
        }
        found[source]["gain"] = interval(_gain_in_accuracy(labels, says), len(labels), rounds=500)
        if source == "edits":
            found["kinds of edits"] = _by_kind(claims, says)
    return found


def _gain_in_accuracy(labels: Labels, says: Mapping[str, tuple[Table, float]]) -> Any:
    def gain(rows: Any) -> float:
        drawn = labels[rows]
        sides = [
            np.where(drawn, 0.5 * (says[name][0][rows] >= says[name][1]) / max(1, drawn.sum()), 0).sum()
            + np.where(~drawn, 0.5 * (says[name][0][rows] < says[name][1]) / max(1, (~drawn).sum()), 0).sum()
            for name in ("together", "features")
        ]
        return float(sides[0] - sides[1])

    return gain


def _by_kind(claims: Sequence[Claim], says: Mapping[str, tuple[Table, float]]) -> dict[str, Any]:
    kinds = np.array([one.kind for one in claims])
    right = {name: (said >= least) == np.array([one.supported for one in claims]) for name, (said, least) in says.items()}
    shares = {
        str(kind): {"n": int((kinds == kind).sum())}
        | {name: _rounded(found[kinds == kind].mean()) for name, found in right.items()}
        for kind in sorted(set(kinds))
    }
    refused = kinds != "kept"
    shares["all that contradict"] = {"n": int(refused.sum())} | {n: _rounded(found[refused].mean()) for n, found in right.items()}
    return shares


def decided(ranking: Mapping[str, Any], answers: Mapping[str, Any], support: Mapping[str, Any]) -> dict[str, Any]:
    """Which heads ship, each with the rows by which it was decided."""
    gains = {kind: row["gain"] for kind, row in ranking.items() if not _is_dev(kind)}
    faq = [gain for kind, gain in gains.items() if "FAQ, headings masked" in kind]
    aurocs = {
        f"{site}: {row}": found["together"] - found["features"]
        for site, rows in answers.items()
        if site not in DEV_SITES
        for row, found in rows.items()
        if row.startswith("present vs")
    }
    accuracies = {
        source: found["together"]["balanced_accuracy"] - found["features"]["balanced_accuracy"]
        for source, found in support.items()
        if source != "kinds of edits"
    }
    return {
        "relevance": _verdict(gains, float(np.mean(faq))),
        "answers": _verdict(aurocs, float(np.mean([gain for name, gain in aurocs.items() if "removed" in name]))),
        "support": _verdict(accuracies, float(np.mean([accuracies["scifact"], accuracies["edits"]]))),
    }


def _verdict(gains: Mapping[str, float], mean: float) -> dict[str, Any]:
    worst = min(gains, key=lambda name: gains[name])
    return {
        "ships": bool(mean > 0 and gains[worst] >= -_MOST_LOST),
        "mean_gain": _rounded(mean),
        "worst_row": worst,
        "worst_gain": _rounded(gains[worst]),
    }


def _rounded(value: Any) -> float:
    return round(float(value), 4)


def record_of(made: Fitted, figures: dict[str, Any]) -> dict[str, Any]:
    """What the manifest and heads.json hold besides the files."""
    ships = decided(figures["ranking"], figures["answers"], figures["support"])
    return {
        "manifest": {
            "temperature": {
                "relevance": round(made.mixture.temperature, 4),
                "answers": round(made.answers.temperature, 4),
                "support": round(made.support_temperature, 4),
            },
            "rerank": {"weight": made.mixture.weight, "top": made.mixture.top, "early_exit_margin": made.mixture.margin},
            "heads": {name: {"ships": verdict["ships"]} for name, verdict in ships.items()},
            "figures": figures | {"decided": ships, "mixtures tried on dev lists": made.search},
            "max_tokens": MAX_TOKENS,
        },
        "heads": {
            "format": 1,
            "answers": made.answers.record(),
            "support": {"least": made.veto_below},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data files")
    parser.add_argument("--cache", type=Path, required=True, help="folder of remembered vectors")
    parser.add_argument("--work", type=Path, required=True, help="folder of the training set and of what was gathered")
    parser.add_argument("--model", type=Path, required=True, help="folder of the exported model")
    parser.add_argument("--float-model", type=Path, help="the fp32 graph, to say what quantisation changed")
    parser.add_argument("--out", type=Path, help="file of temperatures, mixture, heads and figures to write")
    parser.add_argument("--table", type=Path, help="Markdown tables to write")
    options = parser.parse_args()
    judging = gathered(options.data, options.cache, options.work)
    judging = replace(judging, asked=tuple(_first_questions(judging.asked)))
    dev_pairs = built(options.data, options.cache, options.work).dev_pairs
    scores = RawScores(options.model / MODEL, options.work, max_tokens=MAX_TOKENS)
    scores.read(all_pairs(judging, dev_pairs))
    made = fitted(judging, dev_pairs, scores)
    figures = figures_of(judging, scores, made)
    if options.float_model:
        exact = RawScores(options.float_model, options.work, max_tokens=MAX_TOKENS)
        part = _compared(judging)
        exact.read(all_pairs(part, ()))
        worst, row = largest_difference(figures_of(part, scores, made), figures_of(part, exact, made))
        figures["int8 against fp32"] = {"largest_difference": _rounded(worst), "row": row}
    record = record_of(made, figures)
    print(json.dumps(record["manifest"]["figures"]["decided"], indent=1))
    table = markdown(record)
    print(table)
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if options.table:
        options.table.write_text(table, encoding="utf-8")


def _compared(judging: Judging) -> Judging:
    """The part on which int8 and fp32 are compared, small enough to be read by both: a tenant, abstracts, CLAPNQ, claims."""
    kinds = ("flagsmith: FAQ, headings masked", "flagsmith: FAQ, headings visible", "SciFact claims")
    return Judging(
        {kind: judging.lists[kind] for kind in kinds},
        tuple(one for one in judging.asked if one.site == "flagsmith" or (one.site == CLAPNQ and not _chooses(one))),
        tuple(one for one in judging.claims if one.use == "judging" and one.source != "halueval"),
    )


def figures_of(judging: Judging, scores: RawScores, made: Fitted) -> dict[str, Any]:
    return {
        "ranking": ranking_figures(judging, scores, made),
        "answers": answer_figures(judging, scores, made),
        "support": support_figures(judging, scores, made),
    }


def all_pairs(judging: Judging, dev_pairs: Sequence[ClaimPair]) -> list[tuple[str, str]]:
    """Every pair that fitting or judging reads, so that they are read at once and on every core."""
    return [
        *(pair for lists in judging.lists.values() for one in lists for pair in one.pairs[:TOP]),
        *((one.question, text) for one in judging.asked for text in one.texts[:TOP]),
        *((one.claim, window) for one in judging.claims for window in one.windows),
        *((pair.claim, pair.evidence) for pair in dev_pairs),
    ]


if __name__ == "__main__":
    main()
