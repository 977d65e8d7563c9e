"""Without the evidence model everything is as it was before there was one, to the figure."""

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.adapters.memory.evidence import WordOverlapEvidence
from surefoot.assistant.answer import Answerer
from surefoot.assistant.first_answer import Extractive
from surefoot.assistant.gate import Gate
from surefoot.assistant.groundedness import Support
from surefoot.bootstrap import Surefoot, build
from surefoot.core.clock import FixedClock
from surefoot.core.settings import Settings
from surefoot.domain.answers import Answer, Refusal
from surefoot.domain.identity import EVERYONE
from surefoot.domain.policies import NO_MODELS, ModelPolicy, SurfacePolicy, TenantPolicy
from surefoot.domain.replies import CacheUse
from tests.world import NOW, TENANT, markdown, memory_world, reader

DOCUMENTS = {
    "keys.md": """# API keys

An API key is valid for 90 days.

## Rotate a key

Open Settings, choose Developers and click Rotate. The old key works for 24 more hours.
""",
    "refunds.md": """# Refunds

Refunds arrive within 5 business days. Owners can start a refund under Payments; members cannot.
""",
    "seats.md": """# Seats

## Add a seat

Open Billing, choose Seats and click Add seat. The new seat is charged from the same day on.

## Remove a seat

Seats that nobody uses can be removed at the end of the billing period.
""",
    "old.md": """---
valid_until: 2025-01-01
---
# Export

Invoices are exported as XML files from the Archive page.
""",
}
# Outcome, confidence and the beginning of what is shown, as they were before there was an evidence model.
BEFORE = {
    "How long is an API key valid?": ("answer", 0.7468, "An API key is valid for 90 days."),
    "How do I rotate an API key?": ("insufficient_evidence", 0.5169, "Open Settings, choose Developers and click Rotate."),
    "When do refunds arrive?": ("answer", 0.7579, "Refunds arrive within 5 business days."),
    "Can members start a refund?": ("answer", 0.8363, "Owners can start a refund under Payments; members cannot."),
    "How do I add a seat?": ("answer", 0.7979, "Open Billing, choose Seats and click Add seat."),
    "How are invoices exported?": ("stale_evidence", 0.7574, "Invoices are exported as XML files from the Archive page."),
    "Who won the chess world championship in 1972?": ("out_of_scope", 0.0059, ""),
    "Which regions store backups?": ("out_of_scope", 0.0131, ""),
    "seat": ("answer", 0.592, "Open Billing, choose Seats and click Add seat."),
}
SUPPORT_BEFORE = {
    "Refunds come within 5 business days.": 0.7981,
    # Another number than that of the sentence that it repeats, so it is capped whatever its words score.
    "Refunds arrive within 9 days.": 0.05,
    "Members can start a refund.": 0.46,
    "The moon is made of cheese.": 0.0698,
}
EVIDENCE = ["Refunds arrive within 5 business days. Owners can start a refund under Payments; members cannot."]


def shown(outcome: Answer | Refusal) -> str:
    if isinstance(outcome, Answer):
        return outcome.claims[0].text
    return outcome.closest[0].quote if outcome.closest else ""


def product(folder: Path, *, policy: ModelPolicy = NO_MODELS, evidence: WordOverlapEvidence | None = None) -> Surefoot:
    """The whole product on files, with the documents in it; without a model passed in the setting is off."""
    settings = Settings(data_dir=folder, evidence_model="off")
    made = build(settings, FixedClock(NOW), encoder=HashingEncoder(), policy=policy, evidence=evidence)
    made.start()
    with made.store.begin() as work:
        work.tenants.create(TENANT, now=NOW)
        work.commit()
    files = [markdown(name, text) for name, text in DOCUMENTS.items()]
    made.ingest.put(TENANT, files, source="test", default_principals=frozenset({EVERYONE}), prune=False)
    return made


def outcomes(made: Surefoot) -> list[Answer | Refusal]:
    return [made.ask.ask(reader(), question).outcome for question in BEFORE]


def test_answers_and_refusals_have_the_figures_that_they_had() -> None:
    world = memory_world()
    world.put(*(markdown(name, text) for name, text in DOCUMENTS.items()))
    extractive = Extractive(world.searcher, Answerer(world.encoder), Gate(Support(world.encoder)))
    for question, (kind, confidence, beginning) in BEFORE.items():
        outcome = extractive.answer(reader(), question, SurfacePolicy()).outcome
        assert ("answer" if isinstance(outcome, Answer) else str(outcome.reason)) == kind, question
        assert outcome.confidence == pytest.approx(confidence, abs=1.5e-4), question
        assert shown(outcome).startswith(beginning), question


@pytest.mark.parametrize("claim", SUPPORT_BEFORE)
def test_the_support_score_has_the_figures_that_it_had(claim: str) -> None:
    assert Support(HashingEncoder()).score(claim, EVIDENCE).score == pytest.approx(SUPPORT_BEFORE[claim], abs=1e-4)


def test_off_builds_a_product_in_which_no_model_is_asked(tmp_path: Path) -> None:
    made = product(tmp_path)
    try:
        assert made.evidence is None
        assert made.reranker is None
        reply = made.ask.ask(reader(), "When do refunds arrive?")
        assert "evidence" not in reply.timings_ms
    finally:
        made.close()


def test_a_surface_without_evidence_answers_as_if_there_were_no_model(tmp_path: Path) -> None:
    quiet = ModelPolicy({}, TenantPolicy({"help": SurfacePolicy(evidence=False)}))
    without, switched_off = product(tmp_path / "a"), product(tmp_path / "b", policy=quiet, evidence=WordOverlapEvidence())
    with_model = product(tmp_path / "c", evidence=WordOverlapEvidence())
    try:
        expected = outcomes(without)
        assert outcomes(switched_off) == expected
        assert [each.confidence for each in outcomes(with_model)] != [each.confidence for each in expected]
    finally:
        for made in (without, switched_off, with_model):
            made.close()


def test_a_model_without_a_use_changes_nothing(tmp_path: Path) -> None:
    rules = WordOverlapEvidence().rules
    idle = WordOverlapEvidence(replace(rules, rerank=replace(rules.rerank, weight=0.0), answers=None, support=None))
    without, with_idle = product(tmp_path / "a"), product(tmp_path / "b", evidence=idle)
    try:
        assert with_idle.reranker is None
        assert outcomes(with_idle) == outcomes(without)
    finally:
        without.close()
        with_idle.close()


def test_an_answer_that_another_evidence_model_weighed_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    class Retrained(WordOverlapEvidence):
        fingerprint = "first"

    model = Retrained()
    made = product(tmp_path, evidence=model)
    try:
        used = [made.ask.ask(reader(), "When do refunds arrive?").cache for _ in range(2)]
        model.fingerprint = "second"
        used.append(made.ask.ask(reader(), "When do refunds arrive?").cache)
        assert used == [CacheUse.MISS, CacheUse.HIT, CacheUse.MISS]
    finally:
        made.close()
