"""A run as it lies in its folder, read back into a report; nothing is measured again."""

from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.core.errors import InvalidInput
from surefoot.domain.verdict_file import verdict_from_json
from surefoot.domain.verdicts import Verdict
from surefoot.evals.comparing import RunDiff, compare_runs
from surefoot.evals.figures import figures_of
from surefoot.evals.gates import RunNames, judge_run
from surefoot.evals.gates_file import GateFile
from surefoot.evals.pages.content import RunReport
from surefoot.evals.results import CaseResult
from surefoot.evals.run_store import StoredRun
from surefoot.evals.weighted import Resampler

VERDICT_FILE = "verdict.json"


@dataclass(frozen=True, slots=True)
class Against:
    """A run beside its baseline."""

    run: StoredRun
    results: tuple[CaseResult, ...]
    baseline: StoredRun
    diff: RunDiff


def stored_verdict(stored: StoredRun) -> Verdict | None:
    """The verdict that was made when it ran; None when it was judged by no gates. Raises InvalidInput for a damaged file."""
    path = stored.folder / VERDICT_FILE
    return verdict_from_json(path.read_bytes(), source=str(path)) if path.exists() else None


def against(stored: StoredRun, baseline: StoredRun, *, resampler: Resampler | None = None) -> Against:
    """What changed from the baseline to the run. Raises InvalidInput when they have no case in common."""
    before, after = tuple(baseline.results()), tuple(stored.results())
    shared = {result.key for result in before} & {result.key for result in after}
    if not shared:
        raise InvalidInput(
            f"{stored.manifest.run_id} and {baseline.manifest.run_id} have no case in common; compare runs of the same suites."
        )
    return Against(stored, after, baseline, compare_runs(before, after, resampler=resampler))


def stored_report(stored: StoredRun, *, baseline: StoredRun | None = None, gates: Sequence[GateFile] = ()) -> RunReport:
    """The report of the run. With `gates` it is judged anew by them, else the verdict of its own time stands.

    Raises InvalidInput when it has no results yet, or nothing in common with the baseline.
    """
    results = tuple(stored.results())
    if not results:
        raise InvalidInput(f"{str(stored.folder)!r} holds no result yet; go on with `surefoot eval run --resume`.")
    diff = None if baseline is None else against(stored, baseline).diff
    return RunReport(
        manifest=stored.manifest,
        results=results,
        figures=figures_of(results),
        verdict=_judged(stored, results, baseline, gates) if gates else stored_verdict(stored),
        diff=diff,
        baseline=None if baseline is None else baseline.manifest,
    )


def _judged(stored: StoredRun, results: Sequence[CaseResult], baseline: StoredRun | None, gates: Sequence[GateFile]) -> Verdict:
    manifest = stored.manifest
    before = None if baseline is None else tuple(baseline.results())
    names = RunNames(
        verdict_id=f"{manifest.run_id}-judged-again",
        run_id=manifest.run_id,
        decided_at=manifest.finished_at or manifest.started_at,
        baseline_run_id="" if baseline is None else baseline.manifest.run_id,
    )
    return judge_run(gates, results, names, baseline=before)
