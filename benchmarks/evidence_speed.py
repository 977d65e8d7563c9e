"""What the evidence model costs a question, on one core: a pair, the whole step at top 8, and the early exit.

`python -m benchmarks.evidence_speed --data ../shared/data [--model onnx:FOLDER]`
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.answer_speed import TENANT, VIEWER, ingest
from benchmarks.documentation import read_lines
from benchmarks.measuring import Stopwatch, one_core, table
from surefoot.adapters.memory.evidence import EVERY_USE
from surefoot.bootstrap import build
from surefoot.core.settings import Settings
from surefoot.ports import EvidenceModel, EvidenceRules, PassageJudgement, RerankRule, SupportJudgement
from surefoot.retrieval.rerank import Reranker
from surefoot.retrieval.search import Retrieved

TOP = 8
# Words that are one piece each; with the question beside them about 200 pieces.
WORDS = "Open the settings of the workspace and choose the key that you want to turn before it ends "
PAIR_TIMES = 10
WARM_UP = 10
# Nothing is clear, everything is clear: what the step costs at most, and what it costs where the early exit holds.
NEVER, ALWAYS = float("inf"), float("-inf")


class JudgingAnswers:
    """The model as if it had a say in refusals, so that the early exit reads its one passage whether or not that head ships."""

    def __init__(self, model: EvidenceModel) -> None:
        self._model = model

    @property
    def fingerprint(self) -> str:
        """The model's."""
        return self._model.fingerprint

    @property
    def rules(self) -> EvidenceRules:
        """The model's, and a use of its word on answers."""
        return replace(self._model.rules, answers=EVERY_USE.answers)

    def passages(self, question: str, passages: Sequence[str]) -> Sequence[PassageJudgement]:
        """The model's."""
        return self._model.passages(question, passages)

    def claims(self, claim: str, evidence: Sequence[str]) -> Sequence[SupportJudgement]:
        """The model's."""
        return self._model.claims(claim, evidence)


def pairs(model: EvidenceModel, question: str, *, times: int) -> dict[str, float]:
    """One question beside one passage of about 200 word pieces, again and again."""
    passage = WORDS * PAIR_TIMES
    watch = Stopwatch()
    for number in range(times + WARM_UP):
        if number == WARM_UP:
            watch = Stopwatch()
        watch.time(lambda: model.passages(question, [passage]))
    return watch.summary()


def step(model: EvidenceModel, found: list[tuple[str, Retrieved]], *, margin: float) -> dict[str, float]:
    """The whole step for questions that were searched before: reading, mixing, order. Nothing is kept from one to the next."""
    rule = RerankRule(weight=0.5, top=TOP, early_exit_margin=margin)
    reranker = Reranker(model, rule=rule, cache_size=0)
    watch = Stopwatch()
    for number, (question, retrieved) in enumerate(found):
        if number == WARM_UP:
            watch = Stopwatch()
        watch.time(lambda q=question, r=retrieved: reranker.rerank(q, r))
    return watch.summary()


def run(data: Path, folder: Path, *, model: str, questions: int) -> dict[str, Any] | None:
    """Every figure, in one run on one core; None where the setting means no model."""
    one_core()
    product = build(Settings(data_dir=folder, encoder_threads=1, evidence_model=model))
    if product.evidence is None:
        product.close()
        return None
    product.start()
    with product.store.begin() as work:
        work.tenants.create(TENANT, now=product.clock.now())
        work.commit()
    report = ingest(product, data / "flagsmith_docs.sections.jsonl.gz")
    asked = [row["question"] for row in read_lines(data / "flagsmith_docs.questions.jsonl.gz")[: questions + WARM_UP]]
    found = [(question, product.searcher.search(VIEWER, question)) for question in asked]
    # Stale passages are read too, which no clear first place prevents; these documents have none.
    assert not any(retrieved.stale for _, retrieved in found)
    evidence = product.evidence
    rule = evidence.rules.rerank
    margins = [r.passages[0].score - r.passages[1].score for _, r in found if len(r.passages) > 1]
    figures = {
        "model": evidence.fingerprint,
        "rule": {"weight": rule.weight, "top": rule.top, "early_exit_margin": rule.early_exit_margin},
        "chunks": report.chunks,
        "questions": len(found) - WARM_UP,
        "early_exit_share": float(np.mean(np.asarray(margins) >= rule.early_exit_margin)),
        "pair": pairs(evidence, asked[0], times=200),
        "step_top_8": step(evidence, found, margin=NEVER),
        "step_early_exit": step(JudgingAnswers(evidence), found, margin=ALWAYS),
        "step_by_its_own_rule": step(evidence, found, margin=rule.early_exit_margin),
    }
    product.close()
    return figures


def report(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    measured = {
        "one pair of about 200 word pieces": "pair",
        f"evidence step, top {TOP}, every passage read": "step_top_8",
        "evidence step where the early exit holds, first passage read": "step_early_exit",
        "evidence step by the model's own rule": "step_by_its_own_rule",
    }
    rows = [
        [what, *(f"{figures[key][name]:.1f}" for name in ("wall_ms_p50", "wall_ms_p95", "cpu_ms_p50"))]
        for what, key in measured.items()
    ]
    return "\n\n".join(
        (
            f"{figures['model']}, rule {figures['rule']}; {figures['questions']} questions over {figures['chunks']:,} chunks, "
            f"one core; the first passage leads by that margin for {figures['early_exit_share']:.0%} of them.",
            table(["what", "p50 ms", "p95 ms", "CPU p50 ms"], rows),
        )
    )


def main() -> None:
    """Prints the figures; --json writes them as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the documentation corpora")
    parser.add_argument("--model", default="auto", help="value of the setting evidence_model")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(arguments.data, Path(folder), model=arguments.model, questions=arguments.questions)
    if figures is None:
        print(f"evidence_model {arguments.model!r} has no model here; name one with --model onnx:FOLDER.")
        return
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(report(figures))


if __name__ == "__main__":
    main()
