"""A product of its own for one eval: a fresh store and index that are gone afterwards, and vectors that are remembered."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from surefoot.bootstrap import Surefoot, build
from surefoot.cli.context import loaded, progress_console
from surefoot.cli.ingest import ingest_path
from surefoot.core.clock import Clock
from surefoot.core.errors import InvalidEvalSet
from surefoot.domain.action_rules import NO_RULES, ActionRules
from surefoot.domain.identity import EVERYONE, TenantId, Viewer
from surefoot.domain.policies import NO_MODELS, ModelPolicy
from surefoot.evals.corpora import ChunkMap, chunk_map_of
from surefoot.evals.remembered_encoder import RememberedEncoder
from surefoot.ports import HostApp, LanguageModel

TENANT = TenantId("eval")
VIEWER = Viewer(TENANT, "eval")


@dataclass(frozen=True, slots=True)
class Trial:
    """A product that holds one evaluation corpus, readable by everyone; `facts` say what was measured."""

    surefoot: Surefoot
    chunks: ChunkMap
    facts: Mapping[str, object]


def default_cache() -> Path:
    """Where chunk vectors are remembered unless told otherwise: `surefoot/evals` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "surefoot" / "evals"


@contextmanager
def trial(
    sections: Path, *, mask_faq_headings: bool, cache: Path | None, policy: ModelPolicy = NO_MODELS, **overrides: Any
) -> Iterator[Trial]:
    """The sections, ingested as the product ingests them, for the length of the block.

    Settings are those of the working folder and the environment with `overrides` on top, but data never goes to their
    store. Raises InvalidEvalSet when the file cannot be ingested whole.
    """
    folder = cache or default_cache()
    with scratch(folder, policy=policy, **overrides) as surefoot:
        report = ingest_path(surefoot, TENANT, str(sections), access=frozenset({EVERYONE}), mask=mask_faq_headings)
        if report.skipped:
            first = report.skipped[0]
            raise InvalidEvalSet(f"{first.uri} cannot be ingested: {first.reason}")
        open_to_everyone(surefoot)
        chunks = chunk_map_of(surefoot.store, TENANT)
        settings = surefoot.settings
        encoder = surefoot.encoder
        newly = encoder.encoded if isinstance(encoder, RememberedEncoder) else report.encoded_chunks
        facts = {
            "sections_file": str(sections),
            "mask_faq_headings": mask_faq_headings,
            "pages": len(chunks.pages),
            "sections": len(chunks.sections),
            "chunks": report.chunks,
            "newly_encoded_chunks": newly,
            "encoder": encoder.fingerprint,
            **evidence_facts(surefoot),
            "lexical_backend": settings.lexical_backend,
            "fusion": settings.fusion,
            "dense_weight": settings.dense_weight,
            "leg_depth": settings.leg_depth,
            "chunk_tokens": settings.chunk_tokens,
            "passages": settings.passages,
        }
        progress_console.print(
            f"{report.chunks} chunks of {len(chunks.sections)} sections, {newly} newly encoded, the rest from {folder}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        yield Trial(surefoot, chunks, facts)


def evidence_facts(surefoot: Surefoot) -> dict[str, object]:
    """Which evidence model has a say, and for what; None where the features are alone."""
    model, reranker = surefoot.evidence, surefoot.reranker
    if model is None:
        return {"evidence_model": None}
    return {
        "evidence_model": model.fingerprint,
        "rerank": asdict(reranker.rule) if reranker else None,
        "judges_answers": model.rules.answers is not None,
        "judges_support": model.rules.support is not None,
        "chooses_quotes": model.rules.quotes is not None,
    }


def open_to_everyone(surefoot: Surefoot) -> None:
    """Documents that state their own readers are open too: an eval measures finding, not rights."""
    with surefoot.store.begin() as work:
        for document in work.documents.hashes(TENANT):
            work.access.put(TENANT, document, frozenset({EVERYONE}))
        work.commit()


@contextmanager
def scratch(
    cache: Path,
    *,
    tenant: TenantId = TENANT,
    policy: ModelPolicy = NO_MODELS,
    models: Mapping[str, LanguageModel] | None = None,
    rules: ActionRules = NO_RULES,
    hosts: Mapping[str, HostApp] | None = None,
    clock: Clock | None = None,
    **overrides: Any,
) -> Iterator[Surefoot]:
    """A started product with an empty tenant in a temporary folder. It asks the models of `policy` alone: what models.toml
    names costs money, which no eval spends unless it is told to. Neither does it reach a host but those of `rules` and `hosts`.
    """
    with TemporaryDirectory(prefix="surefoot-eval-") as folder:
        settings = loaded(data_dir=Path(folder), database_url="", **overrides).settings
        plain = build(settings, clock, policy=NO_MODELS, rules=NO_RULES)
        surefoot = build(
            settings,
            clock,
            store=plain.store,
            encoder=RememberedEncoder(plain.encoder, cache),
            policy=policy,
            models=models,
            rules=rules,
            hosts=hosts,
        )
        try:
            surefoot.start()
            with surefoot.store.begin() as work:
                work.tenants.create(tenant, now=surefoot.clock.now())
                work.commit()
            yield surefoot
        finally:
            surefoot.close()


@contextmanager
def question_bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that counts questions; nothing is drawn when stderr is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console, disable=not progress_console.is_terminal) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
