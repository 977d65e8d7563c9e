"""`surefoot eval`: retrieval, answers, groundedness and the sample suite, measured on files; stdout is data alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypeVar

import typer

from surefoot.assistant.groundedness import Support
from surefoot.bootstrap import Surefoot
from surefoot.cli.context import EXIT_GATE_FAILED, JsonOption, plain_errors, print_json, print_line
from surefoot.cli.ingest import ingest_path
from surefoot.cli.models import ModelOption, policy_of_model
from surefoot.cli.scratch import TENANT, VIEWER, default_cache, evidence_facts, question_bar, scratch, trial
from surefoot.domain.answers import Passage
from surefoot.domain.documents import ChunkId
from surefoot.domain.identity import TenantId
from surefoot.domain.policies import DEFAULT_SURFACE, NO_MODELS
from surefoot.domain.replies import Reply
from surefoot.evals import answers_run, groundedness_run, report, retrieval_run
from surefoot.evals.absent import Lacking
from surefoot.evals.datasets import load_foreign_questions, load_groundedness_pairs, load_questions, load_sections
from surefoot.evals.intervals import SEED
from surefoot.evals.model_use import Asked, asked_from, citations, model_use
from surefoot.evals.tasks.ask import Judgement
from surefoot.llm.prompts import load_prompts
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
EvidenceOption = Annotated[
    str | None,
    typer.Option("--evidence-model", help="on (the shipped one), off, or a value of the setting; default: the setting."),
]
FloorOption = Annotated[
    float | None,
    typer.Option("--escalate-floor", min=0, max=1, help="With --model: least confidence at which it is asked."),
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
    evidence_model: EvidenceOption = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """nDCG@10, Recall@10 and MRR of the gold sections and pages, per question source."""
    overrides: dict[str, Any] = {
        "fusion": fusion,
        "dense_weight": dense_weight,
        "leg_depth": leg_depth,
        "lexical_backend": lexical_backend,
        "chunk_tokens": chunk_tokens,
        "evidence_model": evidence_setting(evidence_model),
    }
    with plain_errors():
        load_sections(sections)
        asked = _sample(load_questions(questions), limit)
        with (
            trial(sections, mask_faq_headings=mask_faq_headings, cache=cache, **overrides) as ready,
            question_bar("searching") as tell,
        ):

            def search(question: str) -> tuple[Passage, ...]:
                return _ranked(ready.surefoot, question)

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
    model: ModelOption = None,
    escalate_floor: FloorOption = None,
    evidence_model: EvidenceOption = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answers and refusals with the gold present, with the gold removed, and for foreign questions."""
    overrides: dict[str, Any] = {
        "fusion": fusion,
        "dense_weight": dense_weight,
        "lexical_backend": lexical_backend,
        "chunk_tokens": chunk_tokens,
        "evidence_model": evidence_setting(evidence_model),
    }
    with plain_errors():
        load_sections(sections)
        asked = _sample(load_questions(questions), limit)
        strangers = _sample(load_foreign_questions(foreign_questions), limit) if foreign_questions else []
        with (
            policy_of_model(model, escalate_floor=escalate_floor) as policy,
            trial(sections, mask_faq_headings=mask_faq_headings, cache=cache, policy=policy or NO_MODELS, **overrides) as ready,
            question_bar("asking") as tell,
        ):

            def ask(question: str, without: frozenset[ChunkId]) -> Asked:
                return _ask_without(ready.surefoot, question, without)

            trials, left_out = answers_run.ask_all(ask, asked, strangers, ready.chunks, progress=tell)
            models = _model_facts(ready.surefoot, model)
            found = answers_run.summarise(trials, left_out, escalate_floor=models.get("escalate_floor"))
            files = {"questions_file": str(questions), "foreign_questions_file": str(foreign_questions or "")}
            facts = {**files, **ready.facts, **models}
    if as_json:
        print_json(report.as_json(found, facts))
    else:
        _print_model_facts(models)
        print_line(report.answers_text(found))


@app.command()
def groundedness(
    pairs: PairsOption, limit: LimitOption = None, evidence_model: EvidenceOption = None, as_json: JsonOption = False
) -> None:
    """Balanced accuracy, F1 and AUROC of the support score that decides whether a claim may be shown."""
    with plain_errors():
        rows = _sample(load_groundedness_pairs(pairs), limit)
        chosen = evidence_setting(evidence_model)
        with scratch(default_cache(), evidence_model=chosen) as surefoot, question_bar("scoring") as tell:
            support = Support(surefoot.encoder, evidence=surefoot.evidence)

            def score(claim: str, evidence: Sequence[str]) -> float:
                return support.score(claim, evidence).score

            found = groundedness_run.run(score, rows, threshold=support.threshold, progress=tell)
            facts = {"pairs_file": str(pairs), "encoder": surefoot.encoder.fingerprint, **evidence_facts(surefoot)}
    if as_json:
        print_json(report.as_json(found, facts))
    else:
        print_line(report.groundedness_text(found))


@app.command()
def sample(
    floor: Annotated[float, typer.Option("--floor", min=0, max=1, help="Least share of cases that must pass.")] = 0.5,
    model: ModelOption = None,
    escalate_floor: FloorOption = None,
    evidence_model: EvidenceOption = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """The golden suite of the bundled sample tenant; exit code 1 below the floor, or when anything leaks."""
    chosen: dict[str, Any] = {"evidence_model": evidence_setting(evidence_model)}
    with (
        plain_errors(),
        policy_of_model(model, escalate_floor=escalate_floor) as policy,
        scratch(cache or default_cache(), tenant=SAMPLE_TENANT, policy=policy or NO_MODELS, **chosen) as surefoot,
    ):
        ingest_path(surefoot, SAMPLE_TENANT, str(documents_folder()))
        judged = _golden_replies(surefoot)
        facts = {**_model_facts(surefoot, model), **evidence_facts(surefoot)}
    judgements = [judgement for judgement, _ in judged]
    use = model_use([asked for _, asked in judged])
    passed = sum(judgement.passed for judgement in judgements)
    leaked = sum(bool(judgement.leaked) for judgement in judgements)
    ok = holds(judgements, floor) and not use.answers_without_citation and not use.altered_quotes
    if as_json:
        counts = {"n": len(judged), "passed": passed, "leaked": leaked, "floor": floor, "ok": ok}
        kinds = [asdict(row) for row in golden.totals(judgements)]
        cases = [{"id": judgement.case.id, **_judged(judgement, asked)} for judgement, asked in judged]
        print_json({**facts, **counts, "models": asdict(use), "kinds": kinds, "cases": cases})
    else:
        _print_model_facts(facts)
        _print_sample(judgements)
        for line in report.model_lines(use):
            print_line(line)
        print_line(f"{passed} of {len(judged)} passed, {leaked} leaked; floor {floor:.0%}: {'passed' if ok else 'FAILED'}")
    if not ok:
        raise typer.Exit(EXIT_GATE_FAILED)


def _golden_replies(surefoot: Surefoot) -> list[tuple[Judgement, Asked]]:
    """Every golden case, asked and judged. No outcome is kept from one case for another: each has its own price."""
    viewers = {name: person.viewer() for name, person in people().items()}
    cases = golden.golden_cases()
    ask = surefoot.ask.over(surefoot.searcher)
    judged = []
    with question_bar("asking") as tell:
        for done, case in enumerate(cases, start=1):
            reply = golden.ask_case(ask, surefoot.conversations, viewers[case.viewer], case)
            judged.append((golden.judge(case, reply), _checked(surefoot, SAMPLE_TENANT, reply)))
            tell(done, len(cases))
    return judged


def _print_sample(judgements: Sequence[Judgement]) -> None:
    header = ("kind", "cases", "passed", "answered", "same reason", "leaked")
    rows = [tuple(str(value) for value in asdict(row).values()) for row in golden.totals(judgements)]
    for line in report.table(header, rows):
        print_line(line)
    for judgement in judgements:
        if not judgement.passed:
            print_line(f"failed: {judgement.case.id}: {judgement.case.question} ({judgement.case.why})")


def holds(judgements: Sequence[Judgement], floor: float) -> bool:
    """Whether at least the share `floor` of the cases passed and nothing leaked."""
    passed = sum(judgement.passed for judgement in judgements)
    return passed >= floor * len(judgements) and not any(judgement.leaked for judgement in judgements)


def _judged(judgement: Judgement, asked: Asked) -> dict[str, object]:
    return {
        "kind": judgement.case.kind,
        "question": judgement.case.question,
        "expect": str(judgement.case.expect),
        "passed": judgement.passed,
        "answered": judgement.answered,
        "cites_gold": judgement.cites_gold,
        "shows_facts": judgement.shows_facts,
        "same_reason": judgement.same_reason,
        "corrects": judgement.corrects,
        "offers_gold": judgement.offers_gold,
        "confidence": asked.outcome.confidence,
        "drafts": [str(step.outcome) for step in asked.drafts],
        "leaked": list(judgement.leaked),
    }


def evidence_setting(choice: str | None) -> str | None:
    """The value of the setting `evidence_model` that the option means; None leaves the setting as it is."""
    return "onnx" if choice == "on" else choice


def _ranked(surefoot: Surefoot, question: str) -> tuple[Passage, ...]:
    """The passages in the order in which the product hands them on: with the evidence model's word, where it has one."""
    found = surefoot.searcher.search(VIEWER, question, limit=retrieval_run.DEPTH)
    return (surefoot.reranker.rerank(question, found) if surefoot.reranker else found).passages


def _ask_without(surefoot: Surefoot, question: str, without: frozenset[ChunkId]) -> Asked:
    """What the product answers when these chunks are not there, by its whole way from search to ledger."""
    return _checked(surefoot, TENANT, surefoot.ask.over(Lacking(surefoot.searcher, without)).ask(VIEWER, question))


def _checked(surefoot: Surefoot, tenant: TenantId, reply: Reply) -> Asked:
    """The reply, with its quotes compared to the chunks as they are stored."""
    cited = sorted({citation.chunk_id for citation in citations(reply.outcome)})
    with surefoot.store.begin() as work:
        return asked_from(reply, work.documents.chunks(tenant, cited))


def _model_facts(surefoot: Surefoot, model: str | None) -> dict[str, Any]:
    """What was asked and how, so that two runs can be told apart: a changed prompt is another fingerprint."""
    if model is None:
        return {"model": None}
    return {
        "model": model,
        "prompt_fingerprint": load_prompts(surefoot.settings.prompts_dir).fingerprint,
        "escalate_floor": surefoot.policy.default.surface(DEFAULT_SURFACE).escalate_floor,
    }


def _print_model_facts(facts: Mapping[str, Any]) -> None:
    if facts["model"] is None:
        print_line("no model was asked; --model names one")
    else:
        print_line(
            f"model {facts['model']}, prompts {facts['prompt_fingerprint']}, asked at a confidence of "
            f"{facts['escalate_floor']:g} and above"
        )


def _sample(items: list[Item], limit: int | None) -> list[Item]:
    """At most `limit` of the items, drawn with a fixed seed, in their order."""
    if limit is None or limit >= len(items):
        return items
    return [items[place] for place in sorted(Random(SEED).sample(range(len(items)), limit))]  # noqa: S311
