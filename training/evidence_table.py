"""The figures of the evidence model as Markdown tables."""

from collections.abc import Iterable, Mapping
from typing import Any


def markdown(record: Mapping[str, Any]) -> str:
    """The tables of ranking, answerability, support and edits, and what ships."""
    manifest = record["manifest"]
    figures = manifest["figures"]
    rule = manifest["rerank"]
    parts = [
        f"Mixed: {1 - rule['weight']:.3g} of the fused score and {rule['weight']:.3g} of relevance over the first {rule['top']}; "
        f"the order stays at a lead of {rule['early_exit_margin']} or more. Pairs are cut at {manifest['max_tokens']} tokens.",
        _ranking(figures["ranking"]),
        _answers(figures["answers"]),
        _sources(figures["answers"]),
        _support(figures["support"]),
        _edits(figures["support"]["kinds of edits"]),
        _decided(figures["decided"]),
    ]
    if "int8 against fp32" in figures:
        found = figures["int8 against fp32"]
        parts.append(
            "Largest difference between int8 and fp32, of Flagsmith FAQ, SciFact, CLAPNQ, BEGIN and edits: "
            f"{found['largest_difference']:.4f} ({found['row']})."
        )
    return "\n\n".join(parts) + "\n"


def largest_difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[float, str]:
    """The largest difference of a figure by features and model together, and the row where it is."""
    found = [(abs(row["mixture"] - theirs["ranking"][kind]["mixture"]), kind) for kind, row in ours["ranking"].items()]
    for site, rows in ours["answers"].items():
        for name, row in rows.items():
            if name.startswith("present vs"):
                found.append((abs(row["together"] - theirs["answers"][site][name]["together"]), f"{site}: {name}"))
    for source, row in ours["support"].items():
        if source != "kinds of edits":
            for name, value in row["together"].items():
                found.append((abs(value - theirs["support"][source]["together"][name]), f"{source}: {name}"))
    return max(found)


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(_shown(cell) for cell in row) + " |" for row in rows])


def _shown(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:.3f}"
    if isinstance(cell, list) and len(cell) == 2 and all(isinstance(bound, float) for bound in cell):
        return f"{cell[0]:+.3f} … {cell[1]:+.3f}"
    return " / ".join(map(str, cell)) if isinstance(cell, list) else str(cell)


def _ranking(rows: Mapping[str, Any]) -> str:
    return _table(
        ("nDCG@10 of", "n", "fused", "model alone", "mixture", "gain", "95 % interval of the gain", "early exits"),
        (
            (kind, row["n"], row["fused"], row["model"], row["mixture"], f"{row['gain']:+.3f}", row["interval"], row["exits"])
            for kind, row in rows.items()
        ),
    )


def _answers(sites: Mapping[str, Any]) -> str:
    return _table(
        ("AUROC of", "n", "features", "model", "together", "95 % interval of the gain"),
        (
            (f"{site}: {name}", row["n"], row["features"], row["model"], row["together"], row["gain"])
            for site, rows in sites.items()
            for name, row in rows.items()
            if name.startswith("present vs")
        ),
    )


def _sources(sites: Mapping[str, Any]) -> str:
    return _table(
        ("First source is gold", "n", "features", "together", "95 % interval of the gain"),
        (
            (site, row["n"], row["features"], row["together"], row["gain"])
            for site, rows in sites.items()
            if (row := rows.get("first source is gold"))
        ),
    )


def _support(sources: Mapping[str, Any]) -> str:
    return _table(
        ("Balanced accuracy (AUROC)", "n", "features", "model", "together", "95 % interval of the gain"),
        (
            (source, row["n"], *(_both(row[name]) for name in ("features", "model", "together")), row["gain"])
            for source, row in sources.items()
            if source != "kinds of edits"
        ),
    )


def _both(row: Mapping[str, float]) -> str:
    return f"{row['balanced_accuracy']:.3f} ({row['auroc']:.3f})"


def _edits(kinds: Mapping[str, Any]) -> str:
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
