"""Reports as plain text tables and as JSON; both go to stdout, neither carries colour."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from surefoot.evals.answers_run import AnswersReport, Condition
from surefoot.evals.groundedness_run import GroundednessReport
from surefoot.evals.intervals import Estimate
from surefoot.evals.model_use import ModelUse
from surefoot.evals.retrieval_run import RetrievalReport

Json = dict[str, object]
Reports = RetrievalReport | AnswersReport | GroundednessReport


def as_json(report: Reports, facts: Mapping[str, object]) -> Json:
    """The facts of the run, then every field of the report under its own name; an estimate is value, low, high and n."""
    return {**facts, **asdict(report)}


def retrieval_text(report: RetrievalReport) -> str:
    """One line per question source and level."""
    header = ("source", "level", "n", "nDCG@10", "", "Recall@10", "", "MRR", "")
    rows = [
        (
            row.source,
            row.level,
            str(row.n),
            *_with_interval(row.ndcg_at_10),
            *_with_interval(row.recall_at_10),
            *_with_interval(row.mrr),
        )
        for row in report.rows
    ]
    return "\n".join([*table(header, rows), *_left_out(report.left_out)])


def answers_text(report: AnswersReport) -> str:
    """Outcomes, citations, what models did, separation, risk, calibration and times, a table each."""
    blocks = [
        _outcomes(report),
        _refusals(report),
        _models(report),
        _floors(report),
        _separations(report),
        _risks(report),
        _calibrations(report),
        _times(report),
    ]
    return "\n\n".join("\n".join(block) for block in [*blocks, _left_out(report.left_out)] if block)


def model_lines(use: ModelUse) -> list[str]:
    """What models were asked, how their drafts ended and what it cost; then the two counts that are always 0, or a bug."""
    promises = [f"answers without a citation: {use.answers_without_citation}, altered quotes: {use.altered_quotes}"]
    if use.asked_share is None or not use.asked + len(use.rewrites):
        return promises
    share, interval = _with_interval(use.asked_share)
    lines = [
        f"asked a model for {use.asked} of {use.n} questions ({share} {interval}), {use.repairs} repairs",
        f"drafts: {_counts(use.verdicts)}; answers by {_counts(use.answered_by)}",
        f"{use.input_tokens} input and {use.output_tokens} output tokens, ${use.cost_usd:.4f} in all, "
        f"${use.cost_usd_per_question:.6f} a question",
    ]
    if use.rewrites:
        lines.insert(1, f"follow-ups rewritten by a model: {_counts(use.rewrites)}")
    return [*lines, *promises]


def groundedness_text(report: GroundednessReport) -> str:
    """The figures, one a line."""
    figures = (("balanced accuracy", report.balanced_accuracy), ("F1 (supported)", report.f1), ("AUROC", report.auroc))
    counts = f"n {report.n} ({report.supported} supported)"
    lines = [f"{counts}, threshold {report.threshold:g}: {report.predicted_supported} said to be supported"]
    lines += table(("figure", "value", ""), [(name, *_with_interval(estimate)) for name, estimate in figures])
    if report.average_precision is not None:
        lines.append(f"average precision {report.average_precision:.3f}")
    return "\n".join(lines)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table: first column to the left, the others to the right, two spaces between."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _with_interval(estimate: Estimate | None) -> tuple[str, str]:
    return ("-", "") if estimate is None else (f"{estimate.value:.3f}", f"[{estimate.low:.3f}, {estimate.high:.3f}]")


def _outcomes(report: AnswersReport) -> list[str]:
    header = ("source", "gold", "n", "answered", "share", "", "cites gold section", "", "cites gold page", "", "first does")
    rows = [
        (
            row.source,
            str(row.condition),
            str(row.n),
            str(row.answered),
            *_with_interval(row.answered_share),
            *_with_interval(row.cites_gold_section),
            *_with_interval(row.cites_gold_page),
            _with_interval(row.first_cites_gold_page)[0],
        )
        for row in report.rows
    ]
    return [*table(header, rows), *model_lines(report.models)]


def _refusals(report: AnswersReport) -> list[str]:
    reasons = sorted({reason for row in report.rows for reason in row.refused})
    rows = [(row.source, str(row.condition), *(str(row.refused.get(reason, 0)) for reason in reasons)) for row in report.rows]
    return table(("refused", "gold", *reasons), rows) if reasons else []


def _models(report: AnswersReport) -> list[str]:
    """Who wrote the answers of each row, and how many of them cite gold; nothing when no model was asked."""
    if not report.models.asked:
        return []
    header = ("models", "gold", "asked", "share", "", "tier", "answered", "cites gold section", "", "cites gold page", "")
    return table(
        header,
        [
            (
                row.source,
                str(row.condition),
                str(row.models.asked),
                *_with_interval(row.models.asked_share),
                str(tier.tier),
                str(tier.answered),
                *_with_interval(tier.cites_gold_section),
                *_with_interval(tier.cites_gold_page),
            )
            for row in report.rows
            for tier in row.tiers
        ],
    )


def _floors(report: AnswersReport) -> list[str]:
    header = ("floor", "least", "asked", "", "answered", "", "right", "", "removed", "", "foreign", "", "$ a question")
    rows = [
        (
            row.source,
            f"{row.floor:.2f}",
            *_with_interval(row.asked_share),
            *_with_interval(row.answered),
            *_with_interval(row.right),
            *_with_interval(row.removed),
            *_with_interval(row.foreign),
            f"{row.cost_usd_per_question:.6f}",
        )
        for row in report.floors
    ]
    return table(header, rows) if rows else []


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()) or "none"


def _separations(report: AnswersReport) -> list[str]:
    rows = [(s.source, f"present vs {s.against}", str(s.auroc.n), *_with_interval(s.auroc)) for s in report.separations]
    return table(("confidence", "", "n", "AUROC", ""), rows)


def _risks(report: AnswersReport) -> list[str]:
    if not report.risk_coverage:
        return []
    lines = ["risk at coverage (wrong: gold not there, or its page not cited)"]
    for curve in report.risk_coverage:
        coverages = [f"{point.coverage:.0%}" for point in curve.points]
        risks = [f"{point.risk:.3f}" for point in curve.points]
        name = f"{curve.source}, {' + '.join(Condition(condition) for condition in curve.conditions)}"
        lines += table((name, *coverages), [("", *risks)])
    return lines


def _calibrations(report: AnswersReport) -> list[str]:
    rows = [(c.source, str(c.n), f"{c.brier:.3f}", f"{c.expected_calibration_error:.3f}") for c in report.calibration]
    return table(("calibration (present + removed)", "n", "Brier", "ECE"), rows)


def _times(report: AnswersReport) -> list[str]:
    rows = [(time.stage, f"{time.p50_ms:.2f}", f"{time.p95_ms:.2f}") for time in report.stage_times]
    return table(("stage", "p50 ms", "p95 ms"), rows)


def _left_out(qids: Sequence[str]) -> list[str]:
    if not qids:
        return []
    shown = ", ".join(qids[:5]) + (", ..." if len(qids) > 5 else "")
    return [f"left out, because their gold is not among the sections: {len(qids)} ({shown})"]
