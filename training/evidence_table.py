"""The figures of the evidence model as Markdown tables."""

from collections.abc import Iterable, Mapping
from typing import Any

from training.evidence_folds import FOLDS
from training.evidence_judged_lists import FAQ_MASKED

_KINDS = "kinds of edits"
_RANKED = ("n", "fused", "model alone", "mixture", "gain", "95 % interval", "early exits")


def markdown(record: Mapping[str, Any]) -> str:
    """The tables of ranking, answerability, support and edits, of what chose, and what ships."""
    manifest = record["manifest"]
    figures = manifest["figures"]
    ranking, answers = figures["ranking"], figures["answers"]
    masked = {name: row for name, row in ranking.items() if name.endswith(FAQ_MASKED) and not row["chooses"]}
    others = {name: row for name, row in ranking.items() if name not in masked and not row["chooses"]}
    judged = {site: rows for site, rows in answers.items() if not rows["chooses"]}
    chose = {site: rows for site, rows in answers.items() if rows["chooses"]}
    parts = [
        _about(manifest),
        _table((f"nDCG@10 of {FAQ_MASKED}", "fold", *_RANKED), ((*_site(name), *_ranked(row)) for name, row in masked.items())),
        _table(("nDCG@10 of", *_RANKED), ((name, *_ranked(row)) for name, row in others.items())),
        _answers("AUROC of", judged),
        _sources("First source is gold", judged),
        _support(figures["support"]),
        _kinds(figures["support"][_KINDS]),
        "These rows chose the joints of the model that ships, and judge nothing:",
        _table(("nDCG@10 of", *_RANKED), ((name, *_ranked(row)) for name, row in ranking.items() if row["chooses"])),
        _answers("AUROC of", chose),
        _sources("First source is gold", chose),
        _decided(figures["decided"]),
        *_lower(figures["decided"]),
        *_quantised(figures),
    ]
    return "\n\n".join(parts) + "\n"


def largest_difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[float, str]:
    """The largest difference of a figure by features and model together, and the row where it is."""
    found = [(abs(row["mixture"] - theirs["ranking"][name]["mixture"]), name) for name, row in ours["ranking"].items()]
    for site, rows in ours["answers"].items():
        for name, row in rows.items():
            if name.startswith("present vs"):
                found.append((abs(row["together"] - theirs["answers"][site][name]["together"]), f"{site}: {name}"))
    for source, row in ours["support"].items():
        if source != _KINDS:
            for name, value in row["together"].items():
                found.append((abs(value - theirs["support"][source]["together"][name]), f"{source}: {name}"))
    return max(found)


def _about(manifest: Mapping[str, Any]) -> str:
    rule, joints = manifest["rerank"], manifest["figures"]["joints"]
    folds = "; ".join(
        f"{run}: weight {made['weight']:.3g}, lead {made['early_exit_margin']}, veto below {made['veto_below']:.3g}"
        for run, made in joints.items()
    )
    return (
        f"Mixed: {1 - rule['weight']:.3g} of the fused score and {rule['weight']:.3g} of relevance over the first {rule['top']}; "
        f"the order stays at a lead of {rule['early_exit_margin']} or more. Pairs are cut at {manifest['max_tokens']} tokens. "
        f"Each model has its own joints, chosen alike on the dev sites ({folds})."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(_shown(cell) for cell in row) + " |" for row in rows])


def _shown(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:.3f}"
    if isinstance(cell, list) and len(cell) == 2 and all(isinstance(bound, float) for bound in cell):
        return f"{cell[0]:+.3f} … {cell[1]:+.3f}"
    return " / ".join(map(str, cell)) if isinstance(cell, list) else str(cell)


def _site(name: str) -> tuple[str, str]:
    """The site of a row, and the fold that held it out."""
    site = name.split(": ")[0]
    return site, next((str(fold) for fold, sites in enumerate(FOLDS) if site in sites), "each its own")


def _ranked(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["n"], row["fused"], row["model"], row["mixture"], f"{row['gain']:+.3f}", _bounds(row), row["exits"]


def _bounds(row: Mapping[str, Any]) -> str:
    """The interval; of several sites together, with what was drawn anew."""
    over = f" (over {row['sites']} sites; {row['drawn again']} drawn)" if "sites" in row else ""
    return _shown(row["interval"]) + over


def _answers(title: str, sites: Mapping[str, Any]) -> str:
    return _table(
        (title, "n", "features", "model", "together", "gain", "95 % interval"),
        (
            (f"{site}: {name}", row["n"], row["features"], row["model"], row["together"], f"{row['gain']:+.3f}", _bounds(row))
            for site, rows in sites.items()
            for name, row in rows.items()
            if name.startswith("present vs")
        ),
    )


def _sources(title: str, sites: Mapping[str, Any]) -> str:
    return _table(
        (title, "n", "features", "together", "gain", "95 % interval"),
        (
            (site, row["n"], row["features"], row["together"], f"{row['gain']:+.3f}", _bounds(row))
            for site, rows in sites.items()
            if (row := rows.get("first source is gold"))
        ),
    )


def _support(sources: Mapping[str, Any]) -> str:
    return _table(
        ("Balanced accuracy (AUROC)", "n", "features", "model", "together", "gain", "95 % interval"),
        (
            (
                source,
                row["n"],
                *(_both(row[name]) for name in ("features", "model", "together")),
                f"{row['gain']:+.3f}",
                _bounds(row),
            )
            for source, row in sources.items()
            if source != _KINDS
        ),
    )


def _both(row: Mapping[str, float]) -> str:
    return f"{row['balanced_accuracy']:.3f} ({row['auroc']:.3f})"


def _kinds(kinds: Mapping[str, Any]) -> str:
    return _table(
        ("Edits of unseen sites, judged rightly", "n", "features", "model", "together"),
        ((kind, row["n"], row["features"], row["model"], row["together"]) for kind, row in kinds.items()),
    )


def _decided(heads: Mapping[str, Any]) -> str:
    return _table(
        ("Head", "ships", "mean gain", "worst row", "its gain"),
        (
            (head, "yes" if row["ships"] else "no", f"{row['mean_gain']:+.3f}", row["worst_row"], f"{row['worst_gain']:+.3f}")
            for head, row in heads.items()
        ),
    )


def _lower(heads: Mapping[str, Any]) -> Iterable[str]:
    """Every row that is lower by more than is allowed, lost or within chance."""
    for head, verdict in heads.items():
        for why in ("lost", "lower within chance"):
            if verdict[why]:
                told = ", ".join(f"{name} {gain:+.3f}" for name, gain in verdict[why].items())
                yield f"{head}, {why}: {told}."


def _quantised(figures: Mapping[str, Any]) -> Iterable[str]:
    if "int8 against fp32" in figures:
        found = figures["int8 against fp32"]
        yield (
            f"Largest difference between int8 and fp32, of Flagsmith FAQ, SciFact, CLAPNQ, BEGIN and edits: "
            f"{found['largest_difference']:.4f} ({found['row']})."
        )
