"""`surefoot eval judge`: a model's word on the answers of a stored run, in a run of its own; nothing else asks one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from surefoot.bootstrap import catalog_models
from surefoot.cli.context import EXIT_GATE_FAILED, JsonOption, loaded, plain_errors, print_json, print_line, progress_console
from surefoot.cli.eval_reports import RunsOption
from surefoot.cli.models import policy_of_model
from surefoot.cli.scratch import question_bar
from surefoot.core.clock import SystemClock
from surefoot.core.errors import InvalidInput
from surefoot.core.ids import new_id
from surefoot.domain.budgets import Spend
from surefoot.evals.model_judge import MEASURE, TRACE, ModelJudge, Till, agreement, chosen, write_judged
from surefoot.evals.pages.files import write_pages
from surefoot.evals.results import CaseResult
from surefoot.evals.run_store import RunWriter, StoredRun, find_run
from surefoot.evals.stored_report import stored_report
from surefoot.llm.prompts import Prompt, load_prompts
from surefoot.llm.router import Router
from surefoot.ports import LanguageModel

_UNPRICED = "its price is not known here"


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A judged run: where it is, what came of each line, and what it cost."""

    stored: StoredRun
    source_run: str
    results: Sequence[CaseResult]
    asked: int
    spent: Spend
    is_priced: bool


def judge(
    run: Annotated[str, typer.Argument(help="The run whose answers are judged: its id, its folder, `latest` or `baseline`.")],
    model: Annotated[str, typer.Option("--model", help="The model that judges: provider/name, or loopback:/scripted: doubles.")],
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Judge a seeded sample of this many answers.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sample that --limit draws.")] = 0,
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a model whether the answers of a stored run are correct; exit code 1 when it gave no judgement at all."""
    with plain_errors():
        settings = loaded().settings
        place = runs or settings.resolved_eval_runs_dir
        source = find_run(place, run)
        if source.manifest.finished_at is None:
            raise InvalidInput(f"Run {source.manifest.run_id!r} is not finished; go on with `surefoot eval run --resume` first.")
        prompt = load_prompts(settings.prompts_dir).get("judge")
        with policy_of_model(model) as policy:
            if policy is None:
                raise InvalidInput("--model names no model; write provider/name.")
            made = judged_run(source, place, catalog_models(settings, policy), prompt, limit=limit, seed=seed)
        write_pages(stored_report(made.stored), made.stored.folder)
    told = summary(made)
    if as_json:
        print_json(told)
    else:
        for line in summary_lines(made):
            print_line(line)
    if made.asked and not told["judged"]:
        raise typer.Exit(EXIT_GATE_FAILED)


def judged_run(
    source: StoredRun, place: Path, models: Mapping[str, LanguageModel], prompt: Prompt, *, limit: int | None, seed: int
) -> JudgedRun:
    """The new run, whole and stored, judged by the one model there is. What it may cost is said before anything is asked.

    Raises InvalidInput, before a run is made, when there is nothing to judge.
    """
    results = tuple(source.results())
    subjects = chosen(results, limit=limit, seed=seed)
    if not subjects:
        raise InvalidInput(f"Run {source.manifest.run_id!r} holds no answer to judge: none was shown where facts were expected.")
    till, clock = Till(), SystemClock()
    (name,) = models
    card = models[name].card
    router = Router(models, till)
    asking = ModelJudge(router, prompt, card)
    most = asking.most(list(subjects.values()))
    price = f"at most ${most.usd:.4f}, retries aside" if most.nano_usd else _UNPRICED
    _say(f"{name} is asked about {len(subjects)} answers: at most {most.tokens} tokens, {price}.")
    now = clock.now()
    about = {
        "model": name,
        "prompt": prompt.fingerprint,
        "source_run": source.manifest.run_id,
        "limit": limit,
        "seed": seed,
        "asked": len(subjects),
    }
    update = {
        "run_id": new_id("evr", now),
        "started_at": now,
        "finished_at": None,
        "facts": {**source.manifest.facts, "model_judge": about},
    }
    manifest = source.manifest.model_copy(update=update)

    with RunWriter(place / manifest.run_id, manifest) as writer, question_bar("judging answers") as tell:

        async def all_of_it() -> list[CaseResult]:
            try:
                return await write_judged(results, subjects, asking, writer, progress=tell)
            finally:
                await router.aclose()

        written = anyio.run(all_of_it)
        stored = writer.finish(clock.now())
    return JudgedRun(stored, source.manifest.run_id, written, len(subjects), till.spent, is_priced=most.nano_usd > 0)


def summary(made: JudgedRun) -> dict[str, Any]:
    """What came of it, as JSON; the cost is None where no price is known."""
    correct = [value for result in made.results if (value := result.measures.get(MEASURE)) is not None]
    return {
        "run": made.stored.manifest.run_id,
        "source_run": made.source_run,
        "folder": str(made.stored.folder),
        "asked": made.asked,
        "judged": len(correct),
        "correct": sum(map(bool, correct)),
        "agreement": asdict(agreement(made.results)),
        "tokens": made.spent.tokens,
        "cost_usd": made.spent.usd if made.is_priced else None,
    }


def summary_lines(made: JudgedRun) -> list[str]:
    """The same as text, with the first reason of those that got no judgement."""
    told, agreed = summary(made), agreement(made.results)
    words = [result.trace.get(TRACE) for result in made.results]
    silent = [word["because"] for word in words if isinstance(word, dict) and word["correct"] is None]
    lines = [f"{told['correct']} of {told['judged']} judged answers are correct; {len(silent)} of {made.asked} got no judgement"]
    if silent:
        lines.append(f"the first of those: {silent[0]}")
    if agreed.share is not None:
        share = f"{agreed.share.value:.1%} [{agreed.share.low:.1%}, {agreed.share.high:.1%}]"
        kappa = "not defined" if agreed.kappa is None else f"{agreed.kappa:.2f}"
        lines.append(f"agreement with shows_facts: n {agreed.n}, {share}, Cohen's kappa {kappa}")
    cost = f"${made.spent.usd:.6f}" if made.is_priced else _UNPRICED
    return [*lines, f"{made.spent.tokens} tokens; cost: {cost}", f"the judged run is in {made.stored.folder}"]


def _say(text: str) -> None:
    progress_console.print(text, markup=False, highlight=False, soft_wrap=True)
