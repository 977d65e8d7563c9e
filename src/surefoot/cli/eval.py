"""`surefoot eval`: retrieval, answers, groundedness and the sample suite, measured on files; stdout is data alone."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated, Any, TypeVar

import typer

from surefoot.assistant.groundedness import Support, shipped_support_model
from surefoot.bootstrap import Surefoot
from surefoot.cli.context import EXIT_GATE_FAILED, JsonOption, plain_errors, print_json, print_line
from surefoot.cli.ingest import ingest_path
from surefoot.cli.scratch import VIEWER, default_cache, question_bar, scratch, trial
from surefoot.domain.answers import Passage
from surefoot.domain.documents import ChunkId
from surefoot.evals import answers_run, groundedness_run, report, retrieval_run
from surefoot.evals.datasets import load_foreign_questions, load_groundedness_pairs, load_questions, load_sections
from surefoot.evals.intervals import SEED
from surefoot.sample import golden
from surefoot.sample.tenant import TENANT as SAMPLE_TENANT
from surefoot.sample.tenant import documents_folder, people

app = typer.Typer(no_args_is_help=True, help="Measure retrieval, answers and groundedness on your own files.")
Item = TypeVar("Item")


class Fusion(StrEnum):
    """How the two legs are merged."""

    CONVEX = "convex"
    RRF = "rrf"


class LexicalBackend(StrEnum):
    """The engine of the lexical leg."""

    TANTIVY = "tantivy"
    RANK_BM25 = "rank-bm25"


def _file(flag: str, text: str) -> Any:
    return typer.Option(flag, exists=True, dir_okay=False, readable=True, help=text)


SectionsOption = Annotated[Path, _file("--sections", "Sections of one tenant, JSON Lines (.gz).")]
QuestionsOption = Annotated[Path, _file("--questions", "Questions with gold sections and pages, JSON Lines (.gz).")]
ForeignOption = Annotated[Path | None, _file("--foreign-questions", "Questions about something else, JSON Lines (.gz).")]
PairsOption = Annotated[Path, _file("--pairs", "Lines of {claim, evidence: [..], supported: bool}.")]
MaskOption = Annotated[
    bool, typer.Option("--mask-faq-headings", help="Index FAQ sections without their own heading, which is the question.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Ask a seeded sample of this many questions a file.")]
FusionOption = Annotated[Fusion | None, typer.Option("--fusion", help="Default: the setting `fusion`.")]
WeightOption = Annotated[float | None, typer.Option("--dense-weight", min=0, max=1, help="Default: the setting `dense_weight`.")]
DepthOption = Annotated[int | None, typer.Option("--leg-depth", min=1, max=1000, help="Default: the setting `leg_depth`.")]
BackendOption = Annotated[
    LexicalBackend | None, typer.Option("--lexical-backend", help="Default: the setting `lexical_backend`.")
]
TokensOption = Annotated[
    int | None, typer.Option("--chunk-tokens", min=32, max=2000, help="Default: the setting `chunk_tokens`.")
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", file_okay=False, help="Folder of remembered chunk vectors; default: the user's cache folder."),
]


@app.command()
def retrieval(
    sections: SectionsOption,
    questions: QuestionsOption,
    mask_faq_headings: MaskOption = False,
    limit: LimitOption = None,
    fusion: FusionOption = None,
    dense_weight: WeightOption = None,
    leg_depth: DepthOption = None,
    lexical_backend: BackendOption = None,
    chunk_tokens: TokensOption = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """nDCG@10, Recall@10 and MRR of the gold sections and pages, per question source."""
    overrides = {
        "fusion": fusion,
        "dense_weight": dense_weight,
        "leg_depth": leg_depth,
        "lexical_backend": lexical_backend,
        "chunk_tokens": chunk_tokens,
    }
    with plain_errors():
        load_sections(sections)
        asked = _sample(load_questions(questions), limit)
        with (
            trial(sections, mask_faq_headings=mask_faq_headings, cache=cache, **overrides) as ready,
            question_bar("searching") as tell,
        ):

            def search(question: str) -> tuple[Passage, ...]:
                return ready.surefoot.searcher.search(VIEWER, question, limit=retrieval_run.DEPTH).passages

            rankings, left_out = retrieval_run.rank_all(search, asked, ready.chunks, progress=tell)
            found = retrieval_run.summarise(rankings, left_out)
            facts = {"questions_file": str(questions), **ready.facts}
    if as_json:
        print_json(report.as_json(found, facts))
    else:
        print_line(report.retrieval_text(found))


@app.command()
def answers(
    sections: SectionsOption,
    questions: QuestionsOption,
    foreign_questions: ForeignOption = None,
    mask_faq_headings: MaskOption = False,
    limit: LimitOption = None,
    fusion: FusionOption = None,
    dense_weight: WeightOption = None,
    lexical_backend: BackendOption = None,
    chunk_tokens: TokensOption = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answers and refusals with the gold present, with the gold removed, and for foreign questions."""
    overrides = {
        "fusion": fusion,
        "dense_weight": dense_weight,
        "lexical_backend": lexical_backend,
        "chunk_tokens": chunk_tokens,
    }
    with plain_errors():
        load_sections(sections)
        asked = _sample(load_questions(questions), limit)
        strangers = _sample(load_foreign_questions(foreign_questions), limit) if foreign_questions else []
        with (
            trial(sections, mask_faq_headings=mask_faq_headings, cache=cache, **overrides) as ready,
            question_bar("asking") as tell,
        ):

            def ask(question: str, without: frozenset[ChunkId]) -> answers_run.Asked:
                return _ask_without(ready.surefoot, question, without)

            trials, left_out = answers_run.ask_all(ask, asked, strangers, ready.chunks, progress=tell)
            found = answers_run.summarise(trials, left_out)
            files = {"questions_file": str(questions), "foreign_questions_file": str(foreign_questions or "")}
            facts = {**files, **ready.facts}
    if as_json:
        print_json(report.as_json(found, facts))
    else:
        print_line(report.answers_text(found))


@app.command()
def groundedness(pairs: PairsOption, limit: LimitOption = None, as_json: JsonOption = False) -> None:
    """Balanced accuracy, F1 and AUROC of the support score that decides whether a claim may be shown."""
    with plain_errors():
        rows = _sample(load_groundedness_pairs(pairs), limit)
        with scratch(default_cache()) as surefoot, question_bar("scoring") as tell:
            model = shipped_support_model()
            support = Support(surefoot.encoder, model=model)

            def score(claim: str, evidence: Sequence[str]) -> float:
                return support.score(claim, evidence).score

            found = groundedness_run.run(score, rows, threshold=model.threshold, progress=tell)
            facts = {"pairs_file": str(pairs), "encoder": surefoot.encoder.fingerprint}
    if as_json:
        print_json(report.as_json(found, facts))
    else:
        print_line(report.groundedness_text(found))


@app.command()
def sample(
    floor: Annotated[float, typer.Option("--floor", min=0, max=1, help="Least share of cases that must pass.")] = 0.5,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """The golden suite of the bundled sample tenant; exit code 1 below the floor, or when anything leaks."""
    with plain_errors(), scratch(cache or default_cache(), tenant=SAMPLE_TENANT) as surefoot:
        ingest_path(surefoot, SAMPLE_TENANT, str(documents_folder()))
        viewers = {name: person.viewer() for name, person in people().items()}
        cases = golden.golden_cases()
        with question_bar("asking") as tell:
            judgements = []
            for done, case in enumerate(cases, start=1):
                judgements.append(golden.judge(case, surefoot.ask.ask(viewers[case.viewer], case.question)))
                tell(done, len(cases))
    passed = sum(judgement.passed for judgement in judgements)
    leaked = sum(bool(judgement.leaked) for judgement in judgements)
    ok = holds(judgements, floor)
    if as_json:
        print_json(
            {
                "n": len(cases),
                "passed": passed,
                "leaked": leaked,
                "floor": floor,
                "ok": ok,
                "kinds": [asdict(row) for row in golden.totals(judgements)],
                "cases": [{"id": judgement.case.id, **_judged(judgement)} for judgement in judgements],
            }
        )
    else:
        header = ("kind", "cases", "passed", "answered", "same reason", "leaked")
        rows = [tuple(str(value) for value in asdict(row).values()) for row in golden.totals(judgements)]
        for line in report.table(header, rows):
            print_line(line)
        for judgement in judgements:
            if not judgement.passed:
                print_line(f"failed: {judgement.case.id}: {judgement.case.question} ({judgement.case.why})")
        print_line(f"{passed} of {len(cases)} passed, {leaked} leaked; floor {floor:.0%}: {'passed' if ok else 'FAILED'}")
    if not ok:
        raise typer.Exit(EXIT_GATE_FAILED)


def holds(judgements: Sequence[golden.Judgement], floor: float) -> bool:
    """Whether at least the share `floor` of the cases passed and nothing leaked."""
    passed = sum(judgement.passed for judgement in judgements)
    return passed >= floor * len(judgements) and not any(judgement.leaked for judgement in judgements)


def _judged(judgement: golden.Judgement) -> dict[str, object]:
    return {
        "kind": judgement.case.kind,
        "question": judgement.case.question,
        "expect": str(judgement.case.expect),
        "passed": judgement.passed,
        "answered": judgement.answered,
        "cites_gold": judgement.cites_gold,
        "shows_facts": judgement.shows_facts,
        "same_reason": judgement.same_reason,
        "leaked": list(judgement.leaked),
    }


def _ask_without(surefoot: Surefoot, question: str, without: frozenset[ChunkId]) -> answers_run.Asked:
    """What the product answers when these chunks are not there; every stage timed, the ledger left out."""
    retrieved = surefoot.searcher.search(VIEWER, question, without=without)
    started = perf_counter()
    outcome = surefoot.answerer.answer(question, VIEWER.locale, retrieved)
    extract_ms = (perf_counter() - started) * 1000
    return answers_run.Asked(outcome, {**retrieved.timings_ms, "extract": extract_ms})


def _sample(items: list[Item], limit: int | None) -> list[Item]:
    """At most `limit` of the items, drawn with a fixed seed, in their order."""
    if limit is None or limit >= len(items):
        return items
    return [items[place] for place in sorted(Random(SEED).sample(range(len(items)), limit))]  # noqa: S311
