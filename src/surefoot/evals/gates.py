"""A run's figures held against the gates: a result with a sentence for each, and the verdict they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.core.errors import InvalidEvalSet
from surefoot.domain.verdicts import GateResult, GateState, Verdict
from surefoot.evals.columns import Columns
from surefoot.evals.comparing import ALPHA, PairedRuns
from surefoot.evals.figures import METRICS, Figure, figure_of
from surefoot.evals.gates_file import Bound, Gate, GateFile
from surefoot.evals.measures import Unit
from surefoot.evals.paired import Paired, holm
from surefoot.evals.results import CaseResult
from surefoot.evals.weighted import Resampler

# Figures that should be equal may differ in their last digits.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class RunNames:
    """What the verdict says of itself: its own id, the run's, the baseline's (empty: none), and when it was made."""

    verdict_id: str
    run_id: str
    decided_at: datetime
    baseline_run_id: str = ""


def judge_run(
    files: Sequence[GateFile],
    results: Sequence[CaseResult],
    names: RunNames,
    *,
    baseline: Sequence[CaseResult] | None = None,
    resampler: Resampler | None = None,
) -> Verdict:
    """The verdict of these gates on these results, a GateResult for every gate in the order of the files.

    A gate with fewer cases than its `min_n`, or against a baseline when there is none, is TOO_FEW. A figure that is not defined
    on enough cases fails its gate. Gates against the baseline fail only for a change that chance does not explain: all of them
    together go red in at most 5 % of runs in which nothing changed. The exception is one whose `bound` asks for proof, `low`
    of a max_drop and `high` of a max_rise: it fails until the whole interval keeps within the allowance.

    Raises InvalidEvalSet when two gates have the same id, and for a run without a result, which would else be green.
    """
    if not results:
        raise InvalidEvalSet(f"Run {names.run_id!r} has no result to judge; run its suites to the end first.")
    gates = [gate for file in files for gate in file.gates]
    ids = [gate.gate_id for gate in gates]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise InvalidEvalSet(f"Two gates are called {twice!r}; rename one of them.")
    resampler = resampler or Resampler()
    columns = Columns(results)
    against = _against_baseline([gate for gate in gates if gate.limit.is_relative_to_baseline], results, baseline, resampler)
    judged = tuple(against.get(gate.gate_id) or _absolute(gate, columns, resampler) for gate in gates)
    days = [file.valid_days for file in files if file.valid_days is not None]
    return Verdict(
        verdict_id=names.verdict_id,
        run_id=names.run_id,
        suites=tuple(sorted({result.suite for result in results})),
        decided_at=names.decided_at,
        results=judged,
        baseline_run_id=names.baseline_run_id,
        valid_until=names.decided_at + timedelta(days=min(days)) if days else None,
    )


def _absolute(gate: Gate, columns: Columns, resampler: Resampler) -> GateResult:
    figure = figure_of(columns, gate.metric, gate.where, resampler=resampler)
    if figure.n < gate.min_n:
        return _result(gate, GateState.TOO_FEW, gate.amount, figure, _too_few(gate, figure.n))
    limit = f"at {'least' if gate.limit.is_floor else 'most'} {shown(gate.metric, gate.amount)} is wanted"
    end = {Bound.VALUE: figure.value, Bound.LOW: figure.low, Bound.HIGH: figure.high}[gate.bound]
    if end is None:
        because = f"Failed: {_what(gate)} is not defined on its {_cases(figure.n)}, and {limit}."
        return _result(gate, GateState.FAILED, gate.amount, figure, because)
    state = GateState.PASSED if _keeps(gate, end, gate.amount) else GateState.FAILED
    of_what = "" if gate.bound is Bound.VALUE else f" of the {gate.bound} end of the interval"
    because = f"{state.capitalize()}: {_what(gate)} is {_measured(figure)}; {limit}{of_what}."
    return _result(gate, state, gate.amount, figure, because)


def _against_baseline(
    gates: Sequence[Gate], results: Sequence[CaseResult], baseline: Sequence[CaseResult] | None, resampler: Resampler
) -> dict[str, GateResult]:
    """The results of the gates that need a baseline, by gate."""
    if baseline is None:
        return {
            gate.gate_id: _result(
                gate,
                GateState.TOO_FEW,
                gate.amount,
                Figure(gate.metric, None, None, None, 0),
                f"Not judged: {_what(gate)} is held against a baseline, and there is none; name one with --against.",
            )
            for gate in gates
        }
    pairs = PairedRuns(baseline, results, resampler=resampler)
    compared = {gate.gate_id: pairs.compare(gate.metric, gate.where) for gate in gates}
    tested = [
        (gate.gate_id, paired.p_drop if gate.limit.is_floor else paired.p_rise)
        for gate in gates
        if compared[gate.gate_id][0] >= gate.min_n
        and (paired := compared[gate.gate_id][1]) is not None
        and not _asks_for_proof(gate)
    ]
    adjusted = dict(zip((name for name, _ in tested), holm([p for _, p in tested]), strict=True))
    return {gate.gate_id: _compared(gate, *compared[gate.gate_id], adjusted.get(gate.gate_id)) for gate in gates}


def _compared(gate: Gate, n: int, paired: Paired | None, p_value: float | None) -> GateResult:
    if n < gate.min_n or paired is None:
        figure = Figure(gate.metric, None, None, None, n)
        if n < gate.min_n:
            return _result(gate, GateState.TOO_FEW, gate.amount, figure, _too_few(gate, n, " in both runs"))
        because = f"Failed: {_what(gate)} is not defined on the {_cases(n)} of both runs."
        return _result(gate, GateState.FAILED, gate.amount, figure, because)
    allowed = gate.amount * abs(paired.before) if gate.is_share_of_baseline else gate.amount
    threshold = paired.before + (-allowed if gate.limit.is_floor else allowed)
    low, high = paired.before + paired.low, paired.before + paired.high
    end = {Bound.VALUE: paired.after, Bound.LOW: low, Bound.HIGH: high}[gate.bound]
    keeps = _keeps(gate, end, threshold)
    is_chance = p_value is not None and p_value > ALPHA
    state = GateState.PASSED if keeps or is_chance else GateState.FAILED
    figure = Figure(gate.metric, paired.after, low, high, n)
    because = (
        f"{state.capitalize()}: {_what(gate)} went from {shown(gate.metric, paired.before)} to "
        f"{shown(gate.metric, paired.after)} over {_cases(n)} (95 % {shown(gate.metric, low)} to {shown(gate.metric, high)}); "
        f"{'no less' if gate.limit.is_floor else 'no more'} than {shown(gate.metric, threshold)} is wanted"
        f"{_tested(paired, p_value, keeps=keeps, is_chance=is_chance)}."
    )
    return _result(gate, state, threshold, figure, because, baseline=paired.before, p_value=p_value)


def _tested(paired: Paired, p_value: float | None, *, keeps: bool, is_chance: bool) -> str:
    if p_value is None:
        return ", of the whole interval"
    if keeps:
        return ""
    return f", but chance alone may do that (p {p_value:.3f})" if is_chance else f" ({paired.test}, p {p_value:.3g})"


def _asks_for_proof(gate: Gate) -> bool:
    return gate.bound is (Bound.LOW if gate.limit.is_floor else Bound.HIGH)


def _keeps(gate: Gate, value: float, threshold: float) -> bool:
    slack = _SLACK * max(1.0, abs(threshold))
    return value >= threshold - slack if gate.limit.is_floor else value <= threshold + slack


def _result(
    gate: Gate,
    state: GateState,
    threshold: float,
    figure: Figure,
    because: str,
    *,
    baseline: float | None = None,
    p_value: float | None = None,
) -> GateResult:
    return GateResult(
        gate=gate.gate_id,
        metric=gate.metric,
        state=state,
        is_blocking=gate.is_blocking,
        threshold=threshold,
        is_floor=gate.limit.is_floor,
        n=figure.n,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        surfaces=gate.surfaces,
        because=because,
        baseline=baseline,
        p_value=p_value,
        action=gate.action,
        why=gate.why,
    )


def shown(metric: str, value: float) -> str:
    """The value in the metric's unit, for a person: 50.6 %, .664, 12.3 ms, $0.0012."""
    found = METRICS[metric]
    if found.family in ("share", "risk_at"):
        return f"{value:.1%}".replace("%", " %")
    formats = {Unit.SCORE: f"{value:.3f}", Unit.MILLISECONDS: f"{value:.1f} ms", Unit.DOLLARS: f"${value:.6f}"}
    return formats.get(found.unit, f"{value:g}")


def _measured(figure: Figure) -> str:
    assert figure.value is not None, "Only figures with a value are told."
    interval = ""
    if figure.low is not None and figure.high is not None:
        interval = f" (95 % {shown(figure.name, figure.low)} to {shown(figure.name, figure.high)})"
    repeated = f", run {figure.trials} times" if figure.trials > figure.n else ""
    return f"{shown(figure.name, figure.value)} over {_cases(figure.n)}{repeated}{interval}"


def _too_few(gate: Gate, n: int, where: str = "") -> str:
    return f"Too few: {_what(gate)} is of {_cases(n)}{where}, and the gate speaks from {gate.min_n} on."


def _cases(n: int) -> str:
    return "1 case" if n == 1 else f"{n} cases"


def _what(gate: Gate) -> str:
    return f"{gate.metric}{_said_where(gate.where)}"


def _said_where(where: Mapping[str, str]) -> str:
    return "".join(f"{', ' if place else ' of '}{name} {value}" for place, (name, value) in enumerate(where.items()))
