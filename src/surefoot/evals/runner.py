"""Runs every case of some suites against their targets: in parallel, in a fixed order, and on from where it was stopped."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from pydantic import JsonValue

from surefoot.core.errors import InvalidEvalSet, InvalidInput, SurefootError
from surefoot.core.redaction import redact
from surefoot.evals.cases import ActCase, AskCase, Case, PolicyCase, RetrieveCase, SupportCase
from surefoot.evals.results import CaseResult, RunManifest
from surefoot.evals.run_store import Key, RunWriter
from surefoot.evals.suites import Suite
from surefoot.evals.target import Target
from surefoot.evals.tasks.act import run_act
from surefoot.evals.tasks.ask import run_ask
from surefoot.evals.tasks.outcome import CaseOutcome
from surefoot.evals.tasks.policy import run_policy
from surefoot.evals.tasks.retrieve import run_retrieve
from surefoot.evals.tasks.support import run_support
from surefoot.llm.recording import calls_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Sitting:
    """A suite and what it is asked of."""

    suite: Suite
    target: Target


@dataclass(frozen=True, slots=True)
class _Turn:
    sitting: Sitting
    case: Case
    trial: int

    @property
    def key(self) -> Key:
        return self.sitting.suite.id, self.case.id, self.trial


def check_sittings(sittings: Sequence[Sitting]) -> None:
    """Every case can be run. Raises InvalidInput for a suite that is named twice and for a task that the target does not have."""
    seen: set[str] = set()
    for sitting in sittings:
        suite, target = sitting.suite, sitting.target
        if suite.id in seen:
            raise InvalidInput(f"The suite {suite.id!r} is given twice; a run has each suite once.")
        seen.add(suite.id)
        beyond = sorted(suite.tasks - target.tasks)
        if beyond:
            raise InvalidInput(
                f"Suite {suite.id!r} has cases of the task {beyond[0]!r}, which {target.name} cannot be given; run it in process."
            )


def check_same_run(stored: RunManifest, now: RunManifest) -> None:
    """The stored run can go on with what is there now. Raises InvalidEvalSet that names the first thing that differs."""
    pairs: list[tuple[str, object, object]] = [
        ("target", stored.target, now.target),
        ("seed", stored.seed, now.seed),
        ("repeat", stored.repeat, now.repeat),
        ("suites", [suite.id for suite in stored.suites], [suite.id for suite in now.suites]),
    ]
    pairs += [
        (f"the cases or files of suite {before.id!r}", before.fingerprint, after.fingerprint)
        for before, after in zip(stored.suites, now.suites, strict=False)
    ]
    pairs += list(_facts_beside(stored.facts, now.facts, ""))
    for what, before, after in pairs:
        if before != after:
            raise InvalidEvalSet(
                f"Run {stored.run_id!r} cannot go on: {what} was {before!r} and is {after!r} now; "
                "begin a new run, or put it back as it was."
            )


def run_cases(
    sittings: Sequence[Sitting],
    writer: RunWriter,
    *,
    finished: frozenset[Key] = frozenset(),
    repeat: int = 1,
    workers: int = 1,
    progress: Progress | None = None,
) -> None:
    """Every case that is not finished is run and written, suite by suite, within it trial by trial, each in the suite's order,
    however many workers there are. A case that cannot be run is a result with its error.

    Interrupted, what is under way is finished and written; the rest is left to the next time.
    """
    every = [
        _Turn(sitting, case, trial) for sitting in sittings for trial in range(1, repeat + 1) for case in sitting.suite.cases
    ]
    turns = deque(turn for turn in every if turn.key not in finished)
    done = len(every) - len(turns)
    waiting: deque[Future[CaseResult]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="case") as pool:
        try:
            while turns or waiting:
                # No more than a few are begun ahead of the one that is waited for.
                while turns and len(waiting) <= 2 * workers:
                    waiting.append(pool.submit(_run, turns.popleft()))
                writer.append(waiting[0].result())
                waiting.popleft()
                done += 1
                if progress is not None:
                    progress(done, len(every))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            # Those that were begun are the first of the queue: they are paid for, so they are kept.
            for each in waiting:
                if not each.cancelled() and each.exception() is None:
                    writer.append(each.result())
            raise


def _run(turn: _Turn) -> CaseResult:
    """The case's result, whatever happens in it."""
    suite, case_id, trial = turn.key
    started = perf_counter()
    outcome, error = None, ""
    try:
        with calls_of(f"{suite}/{case_id}/{trial}"):
            outcome = _outcome(turn.case, turn.sitting.target)
    except SurefootError as failed:
        error = f"[{failed.code}] {failed}"
    except Exception as failed:  # noqa: BLE001
        # A defect that one case meets must not take the other cases' results with it; it is seen as an error in every figure.
        error = f"[{type(failed).__name__}] {failed}"
    return CaseResult(
        suite=suite,
        case_id=case_id,
        task=turn.case.task,
        kind=turn.case.kind,
        trial=trial,
        passed=outcome is not None and outcome.passed,
        measures={} if outcome is None else dict(outcome.measures),
        slices=_slices(turn.case),
        title=_title(turn.case) if outcome is None else outcome.title,
        why=turn.case.why,
        failures=() if outcome is None else outcome.failures,
        error=redact(error),
        elapsed_ms=round((perf_counter() - started) * 1000, 3),
        trace={"case": turn.case.model_dump(mode="json")} | ({} if outcome is None else dict(outcome.trace)),
    )


def _slices(case: Case) -> dict[str, str]:
    """The case's own slices, and the action that it is about, so that gates and figures can be of one action."""
    action = case.action if isinstance(case, ActCase | PolicyCase) else None
    return ({"action": action} if action else {}) | dict(case.slices)


def _outcome(case: Case, target: Target) -> CaseOutcome:
    match case:
        case AskCase():
            return run_ask(case, target)
        case RetrieveCase():
            return run_retrieve(case, target)
        case SupportCase():
            return run_support(case, target)
        case ActCase():
            return run_act(case, target)
        case PolicyCase():
            return run_policy(case, target)


def _title(case: Case) -> str:
    """What stands above a case that could not be run."""
    match case:
        case AskCase() | RetrieveCase():
            return case.question
        case SupportCase():
            return case.claim
        case ActCase():
            return case.intent
        case PolicyCase():
            return f"{case.action} by {case.viewer}"


def _facts_beside(
    stored: Mapping[str, JsonValue], now: Mapping[str, JsonValue], above: str
) -> Iterator[tuple[str, object, object]]:
    for name in sorted({*stored, *now}):
        before, after = stored.get(name), now.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _facts_beside(before, after, f"{above}{name}.")
        else:
            yield f"{above}{name}", before, after
