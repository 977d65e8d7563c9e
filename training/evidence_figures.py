"""Fits what joins the evidence model with the features and says how good it is: `python -m training.evidence_figures --data DIR
--cache DIR --work DIR --model DIR --fold-model DIR --fold-model DIR [--float-model FILE] [--out FILE] [--table FILE]`.

Fold models come in the order of `evidence_folds.FOLDS`. For each model everything is fitted on the dev sites and dev abstracts.
A site is judged by the model that has seen nothing of it; what no model learned from, by the one that ships.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.answerability import CLAPNQ
from training.encoder import MODEL
from training.evidence_folds import FOLDS, JUDGED_SITES, TENANTS
from training.evidence_judged_lists import CLAIMS, FAQ_MASKED, FAQ_VISIBLE, LINK_ANCHORS, SCIFACT
from training.evidence_judges import Fitted, Judge, Judges, judge, learned_passages, pairs_of, refuse_what_was_learned
from training.evidence_judging import Judging, gathered
from training.evidence_measures import ALL_SITES, answer_figures, ranking_figures, rounded, support_figures
from training.evidence_pairs import ClaimPair
from training.evidence_pieces import READ_TOKENS
from training.evidence_scores import RawScores
from training.evidence_set import dev_built
from training.evidence_table import largest_difference, markdown

_MOST_LOST = 0.01
_KINDS_OF_EDITS = "kinds of edits"


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much a row is higher with the model. What people asked, what they labelled and what all sites say together `binds`:
    there a loss counts as it is; of a single site's made questions, which are few, one that chance does not explain.
    """

    row: str
    gain: float
    interval: Sequence[float]
    binds: bool

    @property
    def is_lower(self) -> bool:
        return self.gain < -_MOST_LOST

    @property
    def is_loss(self) -> bool:
        return self.is_lower and (self.binds or self.interval[1] < 0)


def figures_of(judging: Judging, judges: Judges) -> dict[str, Any]:
    return {
        "ranking": ranking_figures(judging.lists, judges),
        "answers": answer_figures(judging.asked, judges),
        "support": support_figures(judging.claims, judges),
    }


def decided(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Which heads ship, each with the rows by which it was decided; none of them chose anything."""
    ranking, answers, support = figures["ranking"], figures["answers"], figures["support"]
    masked = [row["gain"] for name, row in _judged(ranking) if name in {f"{site}: {FAQ_MASKED}" for site in JUDGED_SITES}]
    removed = [rows["present vs removed"]["gain"] for site, rows in _judged(answers) if site in JUDGED_SITES]
    return {
        "relevance": _verdict(list(_ranking_gains(ranking)), float(np.mean(masked))),
        "answers": _verdict(list(_answer_gains(answers)), float(np.mean(removed))),
        "support": _verdict(
            list(_support_gains(support)), float(np.mean([support[name]["gain"] for name in ("scifact", "edits")]))
        ),
    }


def _judged(rows: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, row) for name, row in rows.items() if not row["chooses"]]


def _ranking_gains(ranking: Mapping[str, Any]) -> Iterator[Gain]:
    asked = {f"{site}: {kind}" for site in TENANTS for kind in (FAQ_MASKED, FAQ_VISIBLE, LINK_ANCHORS)} | {f"{SCIFACT}: {CLAIMS}"}
    for name, row in _judged(ranking):
        yield Gain(name, row["gain"], row["interval"], name in asked or name.startswith(ALL_SITES))


def _answer_gains(answers: Mapping[str, Any]) -> Iterator[Gain]:
    for site, rows in _judged(answers):
        for name, row in rows.items():
            if name.startswith("present vs"):
                yield Gain(f"{site}: {name}", row["gain"], row["interval"], site in (*TENANTS, CLAPNQ, ALL_SITES))


def _support_gains(support: Mapping[str, Any]) -> Iterator[Gain]:
    for name, row in support.items():
        if name != _KINDS_OF_EDITS:
            yield Gain(name, row["gain"], row["interval"], ":" not in name)


def _verdict(gains: Sequence[Gain], mean: float) -> dict[str, Any]:
    worst = min(gains, key=lambda one: one.gain)
    lost = [one for one in gains if one.is_loss]
    return {
        "ships": mean > 0 and not lost,
        "mean_gain": rounded(mean),
        "worst_row": worst.row,
        "worst_gain": rounded(worst.gain),
        "lost": {one.row: rounded(one.gain) for one in lost},
        "lower within chance": {one.row: rounded(one.gain) for one in gains if one.is_lower and not one.is_loss},
    }


def record_of(judges: Judges, figures: dict[str, Any]) -> dict[str, Any]:
    """What the manifest and heads.json hold besides the files."""
    made, ships = judges.shipped.made, decided(figures)
    runs = {f"fold {number}": each.made for number, each in enumerate(judges.folds)} | {"ships": made}
    return {
        "manifest": {
            "temperature": _temperatures(made),
            "rerank": _rerank(made),
            "heads": {name: {"ships": verdict["ships"]} for name, verdict in ships.items()},
            "figures": figures
            | {
                "decided": ships,
                "joints": {run: _joints(each) for run, each in runs.items()},
                "mixtures tried on dev lists": made.search,
            },
            "max_tokens": READ_TOKENS,
        },
        "heads": {
            "format": 1,
            "answers": made.answers.record(),
            # Without a veto that costs nothing there is no rule.
            "support": {"least": made.veto_below} if made.veto_below else None,
        },
    }


def _temperatures(made: Fitted) -> dict[str, float]:
    temperatures = (made.mixture.temperature, made.answers.temperature, made.support_temperature)
    return {name: round(each, 4) for name, each in zip(("relevance", "answers", "support"), temperatures, strict=True)}


def _rerank(made: Fitted) -> dict[str, float]:
    return {"weight": made.mixture.weight, "top": made.mixture.top, "early_exit_margin": made.mixture.margin}


def _joints(made: Fitted) -> dict[str, Any]:
    return {**_rerank(made), "temperature": _temperatures(made), "veto_below": made.veto_below}


def _compared(judging: Judging) -> Judging:
    """The part on which int8 and fp32 are compared, small enough to be read by both: a tenant, abstracts, CLAPNQ, claims."""
    kinds = [(TENANTS[0], FAQ_MASKED), (TENANTS[0], FAQ_VISIBLE), (SCIFACT, CLAIMS)]
    return Judging(
        tuple(row for row in judging.lists if (row.site, row.kind) in kinds),
        tuple(one for one in judging.asked if one.site == TENANTS[0] or (one.site == CLAPNQ and not one.chooses)),
        tuple(one for one in judging.claims if not one.chooses and one.source != "halueval" and one.site in ("", *TENANTS)),
    )


def _difference_to_float(judging: Judging, shipped: Judge, exact: RawScores) -> dict[str, Any]:
    """What quantisation changes: the same rows by the same joints, from the scores of both files of the model that ships."""
    part = _compared(judging)
    for scores in (shipped.scores, exact):
        scores.read(pairs_of(part))
    by = [Judge(scores, shipped.made) for scores in (shipped.scores, exact)]
    ours, theirs = (figures_of(part, Judges(tuple(each for _ in FOLDS), each)) for each in by)
    worst, row = largest_difference(ours, theirs)
    return {"largest_difference": rounded(worst), "row": row}


def _judges(judging: Judging, dev_pairs: Sequence[ClaimPair], work: Path, model: Path, fold_models: Sequence[Path]) -> Judges:
    """The judges that these models make; a fold's must not have learned from what it judges."""
    folds = []
    for fold, folder in enumerate(fold_models):
        learned = learned_passages(folder)
        if learned is None:
            print(f"No training set is beside {folder}: that fold {fold} was held out from it is taken on trust.", flush=True)
        else:
            refuse_what_was_learned(judging, fold, learned)
        folds.append(judge(judging, dev_pairs, _scores(folder / MODEL, work), fold))
    return Judges(tuple(folds), judge(judging, dev_pairs, _scores(model / MODEL, work), None))


def _scores(model: Path, work: Path) -> RawScores:
    return RawScores(model, work, max_tokens=READ_TOKENS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data files")
    parser.add_argument("--cache", type=Path, required=True, help="folder of remembered vectors")
    parser.add_argument("--work", type=Path, required=True, help="folder of the dev set, of what was gathered and of scores")
    parser.add_argument("--model", type=Path, required=True, help="folder of the exported model that ships")
    parser.add_argument("--fold-model", type=Path, action="append", required=True, help="folder of each fold's, in their order")
    parser.add_argument("--float-model", type=Path, help="the fp32 graph, to say what quantisation changed")
    parser.add_argument("--out", type=Path, help="file of temperatures, mixture, heads and figures to write")
    parser.add_argument("--table", type=Path, help="Markdown tables to write")
    options = parser.parse_args()
    if len(options.fold_model) != len(FOLDS):
        parser.error(f"--fold-model must be given {len(FOLDS)} times, once for each fold, in their order")
    judging = gathered(options.data, options.cache, options.work)
    dev_pairs = dev_built(options.data, options.cache, options.work).pairs
    judges = _judges(judging, dev_pairs, options.work, options.model, options.fold_model)
    figures = figures_of(judging, judges)
    if options.float_model:
        exact = _scores(options.float_model, options.work)
        figures["int8 against fp32"] = _difference_to_float(judging, judges.shipped, exact)
    record = record_of(judges, figures)
    print(json.dumps(record["manifest"]["figures"]["decided"], indent=1))
    table = markdown(record)
    print(table)
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if options.table:
        options.table.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
