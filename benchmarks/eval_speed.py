"""How long `surefoot eval run` takes for 10,000 retrieval cases and for 1,000 questions that no model is asked.

`python -m benchmarks.eval_speed --data ../shared/data`
"""

import argparse
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks.documentation import read_lines
from benchmarks.measuring import table
from surefoot.cli.eval_targets import Wanted, in_process
from surefoot.core.clock import SystemClock
from surefoot.evals.figures import figures_of
from surefoot.evals.results import RunManifest
from surefoot.evals.run_store import RunWriter
from surefoot.evals.runner import run_cases
from surefoot.evals.suites import Suite, load_suite

_SENTENCE = re.compile(r"[A-Z][^.!?\n|]{40,160}[.!?]")
_WORDS_ASKED = 12
SUITE = """format: 1
id: {name}
title: Speed of {name}
purpose: To be timed
licence: CC BY 4.0
source: segmentio/segment-docs
corpus: {{kind: sections, path: "{path}", mask_faq_headings: true}}
cases: [cases.jsonl]
"""


def sentences(path: Path) -> Iterator[tuple[str, str]]:
    """The beginning of each sentence, and the section that it stands in: questions enough, each with its gold."""
    for row in read_lines(path):
        for found in _SENTENCE.findall(row["text"]):
            yield " ".join(found.split()[:_WORDS_ASKED]), row["id"]


def suite(folder: Path, name: str, sections: Path, cases: list[dict[str, Any]]) -> Suite:
    """A suite of these cases over the sections."""
    folder.mkdir()
    (folder / "suite.yaml").write_text(SUITE.format(name=name, path=sections.resolve()), encoding="utf-8")
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)), encoding="utf-8")
    return load_suite(folder, os.environ)


def timed(read: Suite, folder: Path, *, workers: int, cache: Path | None) -> tuple[str, ...]:
    """One run, from the first case to the last line, and its figures; the corpus is ingested before."""
    with in_process([read], Wanted(cache=cache)) as sittings:
        manifest = RunManifest(
            run_id=read.id,
            started_at=SystemClock().now(),
            target="in process",
            seed=0,
            repeat=1,
            suites=(read.facts(),),
        )
        began, cpu = perf_counter(), process_time()
        with RunWriter(folder, manifest) as writer:
            run_cases(sittings, writer, workers=workers)
            stored = writer.finish(SystemClock().now())
        seconds, cpu_seconds = perf_counter() - began, process_time() - cpu
    results = tuple(stored.results())
    began = perf_counter()
    figures_of(results)
    figure_seconds = perf_counter() - began
    passed = sum(result.passed for result in results)
    return (
        read.id,
        str(len(results)),
        str(workers),
        f"{seconds:.1f}",
        f"{cpu_seconds:.1f}",
        f"{seconds / len(results) * 1000:.1f}",
        f"{figure_seconds:.1f}",
        f"{passed / len(results):.3f}",
        str(sum(bool(result.error) for result in results)),
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the documentation corpora")
    parser.add_argument("--retrieve", type=int, default=10_000, help="retrieval cases")
    parser.add_argument("--ask", type=int, default=1_000, help="questions")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="folder of remembered chunk vectors; default: the user's")
    options = parser.parse_args()
    sections = options.data / "segment_docs.sections.jsonl.gz"
    about = {"kind": "sentence", "why": "to be timed"}
    every = list(sentences(sections))
    ranked = [
        {"id": f"r-{place}", "task": "retrieve", **about, "question": text, "level": "section", "gold": [gold]}
        for place, (text, gold) in enumerate(every[: options.retrieve])
    ]
    questions = read_lines(options.data / "segment_docs.questions.jsonl.gz")
    texts = [*(row["question"] for row in questions), *(text for text, _ in every)][: options.ask]
    asked = [
        {"id": f"a-{place}", "task": "ask", **about, "viewer": "everyone", "question": text, "expect": "answer"}
        for place, text in enumerate(texts)
    ]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, cases in (("retrieve", ranked), ("ask", asked)):
            read = suite(Path(folder) / name, name, sections, cases)
            rows.append(timed(read, Path(folder) / f"{name}-run", workers=options.workers, cache=options.cache))
    print(table(("suite", "cases", "workers", "seconds", "CPU seconds", "ms a case", "figures (s)", "passed", "errors"), rows))


if __name__ == "__main__":
    main()
