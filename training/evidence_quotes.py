"""Says whether sentence scores choose better quotes than features, and by which rule: `python -m training.evidence_quotes --data
DIR --cache DIR --work DIR --model DIR --fold-model DIR --fold-model DIR [--record FILE] [--out FILE]`.

Fold models come in the order of `evidence_folds.FOLDS`. For each model a rule is fitted on the dev sites and a third of the
CLAPNQ questions that did not train; each site is judged by the model, and the rule, that have seen nothing of it. With
`--record`, what `training.evidence_figures` wrote, the part is joined to it.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.adapters.onnx_evidence import OnnxEvidenceModel
from surefoot.assistant.sentence_scores import SentenceReader, candidates
from surefoot.ports import QuoteRule
from surefoot.retrieval.judgements import KeptJudgements
from training.data import CachedEncoder
from training.encoder import MODEL
from training.evidence_folds import FOLDS
from training.evidence_pieces import READ_TOKENS
from training.evidence_quote_cases import CHOOSING, JUDGING, SEEN, QuoteCase, quote_cases
from training.evidence_quote_rule import MEASURES, at_temperature, by_source, fit_rule, pairs_of, table
from training.evidence_scores import RawScores
from training.fitting import Table, interval

POOLED, ALL_SITES = "all that judge", "all sites: sentences"
_MOST_LOST = 0.01
_TIMED = 200


@dataclass(frozen=True)
class Quoter:
    """A model's scores and the rule that was fitted for it."""

    scores: RawScores
    rule: QuoteRule
    tried: Mapping[str, Any]


def quoter(model: Path, work: Path, cases: Sequence[QuoteCase], fold: int | None) -> Quoter:
    """The model, read, with its rule; `fold` is None for the model that ships."""
    scores = RawScores(model / MODEL, work, max_tokens=READ_TOKENS)
    asked = [case for case in cases if case.use == CHOOSING or case.fold == fold]
    scores.read(pairs_of(asked))
    rule, tried = fit_rule([case for case in cases if case.use == CHOOSING], scores)
    return Quoter(scores, rule, tried)


def figures_of(cases: Sequence[QuoteCase], shipped: Quoter, folds: Sequence[Quoter]) -> dict[str, Any]:
    """The MEASURES of every source, by features and with sentence scores, and the paired gain in quality with its interval."""
    rows: dict[str, Any] = {}
    befores, afters, sites = [], [], []
    for source, own in by_source(cases).items():
        for use in dict.fromkeys(case.use for case in own):
            used = [case for case in own if case.use == use]
            by = shipped if used[0].fold is None or not folds else folds[used[0].fold]
            before, after = table(used), table(used, by.rule, by.scores)
            rows[f"{source}, {use}"] = _row(before, after, use)
            if use == JUDGING:
                befores.append(before)
                afters.append(after)
                sites.append(source.endswith(": sentences"))
    if befores:
        rows[POOLED] = _row(np.concatenate(befores), np.concatenate(afters), JUDGING)
    made = [place for place, is_site in enumerate(sites) if is_site]
    if made:
        both = (np.concatenate([found[place] for place in made]) for found in (befores, afters))
        rows[ALL_SITES] = _row(*both, JUDGING)
    return rows


def _row(before: Table, after: Table, use: str) -> dict[str, Any]:
    gain = (after - before)[:, 0]
    return {
        "n": len(before),
        "use": use,
        "features": _named(before),
        "together": _named(after),
        "gain": round(float(gain.mean()), 4),
        "interval": interval(lambda rows: float(gain[rows].mean()), len(gain)),
        "changed": round(float((after != before).any(axis=1).mean()), 4),
    }


def _named(found: Table) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(MEASURES, found.mean(axis=0), strict=True)}


def decided(rows: Mapping[str, Any], rule: QuoteRule) -> dict[str, Any]:
    """Whether sentence scores ship: all that judge are better together by more than chance, and no row is lower.

    What people asked or marked, and all sites together, count as they are; a loss on one site's made questions counts when chance
    does not explain it.
    """
    judged = {name: row for name, row in rows.items() if row["use"] == JUDGING}
    lower = [name for name, row in judged.items() if row["gain"] < -_MOST_LOST]
    losses = [name for name in lower if not _is_one_site(name) or judged[name]["interval"][1] < 0]
    pooled = judged.get(POOLED)
    is_better = pooled is not None and pooled["interval"][0] > 0
    worst = min(judged, key=lambda name: judged[name]["gain"], default="")
    return {
        "ships": bool(is_better and not losses and (rule.weight > 0 or rule.source_weight > 0)),
        "mean_gain": pooled["gain"] if pooled else 0.0,
        "interval": pooled["interval"] if pooled else [0.0, 0.0],
        "worst_row": worst,
        "worst_gain": judged[worst]["gain"] if worst else 0.0,
        "rows_lower": lower,
        "losses": losses,
    }


def _is_one_site(row: str) -> bool:
    return ": sentences" in row and row != ALL_SITES


def reading(cases: Sequence[QuoteCase], rule: QuoteRule, model: Path) -> dict[str, Any]:
    """What choosing costs a question, by the clock, on one thread with nothing kept: milliseconds and sentences read."""
    reader = SentenceReader(KeptJudgements(OnnxEvidenceModel(threads=1, folder=model), size=0), rule)
    told = [case for case in cases if case.use != SEEN]
    timed = [told[place] for place in np.random.default_rng(0).permutation(len(told))[:_TIMED]]
    spent, read = [], []
    for case in timed[:1] + timed:
        started = perf_counter()
        reader.choose(case.evidence, case.judgement)
        spent.append((perf_counter() - started) * 1000)
        read.append(len(candidates(case.evidence, case.judgement, case.worths, rule)))
    # The first opens the model.
    times, counts = np.array(spent[1:]), np.array(read[1:])
    return {
        "n": len(times),
        "p50_ms": round(float(np.percentile(times, 50)), 1),
        "p95_ms": round(float(np.percentile(times, 95)), 1),
        "sentences_read": round(float(counts.mean()), 2),
        "nothing_to_choose": round(float((counts == 0).mean()), 3),
    }


def joined(record: dict[str, Any], made: Quoter, rows: dict[str, Any], costs: dict[str, Any]) -> dict[str, Any]:
    """The record with the part on quotes: the rule at the record's temperature, whether it ships, and the figures."""
    verdict = decided(rows, made.rule)
    manifest = record.setdefault("manifest", {})
    heat = float(manifest.get("temperature", {}).get("relevance", 1.0))
    record.setdefault("heads", {"format": 1})["quotes"] = asdict(at_temperature(made.rule, heat))
    manifest.setdefault("heads", {})["quotes"] = {"ships": verdict["ships"]}
    figures = manifest.setdefault("figures", {})
    figures["quotes"] = rows
    figures["quotes: reading"] = costs
    figures["quotes: tried on what chooses"] = dict(made.tried)
    figures.setdefault("decided", {})["quotes"] = verdict
    return record


def markdown(rows: Mapping[str, Any]) -> str:
    """The rows as a table: each measure by features and with sentence scores."""
    lines = [
        "| quotes of | n | quality | precision | recall | first is right | right one quoted | gain in quality | 95 % interval |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        pairs = [f"{row['features'][each]:.3f} → {row['together'][each]:.3f}" for each in MEASURES]
        low, high = row["interval"]
        lines.append(f"| {name} | {row['n']} | {' | '.join(pairs)} | {row['gain']:+.3f} | {low:+.3f} … {high:+.3f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data files")
    parser.add_argument("--cache", type=Path, required=True, help="folder of remembered vectors")
    parser.add_argument("--work", type=Path, required=True, help="folder of remembered scores")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model that ships, exported")
    parser.add_argument("--fold-model", type=Path, action="append", default=[], help="folder of a fold's model, in their order")
    parser.add_argument("--record", type=Path, help="what the figures found, to join the part to")
    parser.add_argument("--out", type=Path, help="file of the record to write")
    options = parser.parse_args()
    if len(options.fold_model) != len(FOLDS):
        raise SystemExit(f"There are {len(FOLDS)} folds; name the model of each by --fold-model, in their order.")
    cases = list(quote_cases(options.data, CachedEncoder(OnnxEncoder(), options.cache)))
    shipped = quoter(options.model, options.work, cases, None)
    folds = [quoter(folder, options.work, cases, fold) for fold, folder in enumerate(options.fold_model)]
    rows = figures_of(cases, shipped, folds)
    costs = reading(cases, shipped.rule, options.model)
    record = json.loads(options.record.read_text(encoding="utf-8")) if options.record else {}
    record = joined(record, shipped, rows, costs)
    print(markdown(rows))
    print(json.dumps({"rule": record["heads"]["quotes"], **record["manifest"]["figures"]["decided"]["quotes"], "reading": costs}))
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
