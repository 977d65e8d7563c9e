"""What the models are fitted on is what the product measures: the same question finds the same passages and scores."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from training.data import SiteIndex, load_site, pseudo_questions
from training.fitting import fit_logistic

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.assistant.answerability import gather
from surefoot.assistant.questions import analyse_question
from surefoot.assistant.units import ChunkReader
from surefoot.retrieval.readers import RawFile
from surefoot.retrieval.search import Retrieved
from tests.world import disk_world, reader

ENCODER = HashingEncoder()
MORE = " Ask support by email when something on this page does not match what you see on yours."
SECTIONS = [
    {
        "id": f"/{page}#{number}",
        "page": f"/{page}",
        "title": page.title(),
        "path": [],
        "heading": heading,
        "text": f"{text} {MORE}",
    }
    for page, sections in {
        "refunds": (
            (
                "Start a refund",
                "Open the payment and press Refund. Refunds arrive within 5 business days, sometimes a day later.",
            ),
            ("Refund limits", "A refund may not be more than the payment. Refunds older than 180 days are refused by the bank."),
        ),
        "invoices": (
            (
                "Export invoices",
                "Invoices leave as CSV files from the Invoices page. The export holds every column of an invoice.",
            ),
            ("Send an invoice", "Press Send. The invoice goes to the main address of the customer and to up to four others."),
            ("Number invoices", "Invoices are numbered in one sequence, or in one sequence for each customer of the workspace."),
        ),
    }.items()
    for number, (heading, text) in enumerate(sections)
]


@pytest.fixture
def sections(tmp_path: Path) -> Path:
    path = tmp_path / "small.sections.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, SECTIONS)).encode()))
    return path


def scores_of(found: Retrieved) -> dict[str, float]:
    return {passage.chunk.text: passage.score for passage in found.passages}


@pytest.mark.parametrize("question", ["When do refunds arrive?", "How do I export invoices as CSV?", "customer addresses"])
def test_training_measures_what_the_product_measures(sections: Path, tmp_path: Path, question: str) -> None:
    world = disk_world(tmp_path / "tenant", ENCODER)
    world.put(RawFile("small.sections.jsonl", gzip.decompress(sections.read_bytes())))
    ours = world.searcher.search(reader(), question)
    theirs = SiteIndex(load_site(sections, mask_faq=False), ENCODER).search(question)
    assert scores_of(theirs) == pytest.approx(scores_of(ours), abs=0.02)
    assert theirs.lexical_scores == pytest.approx(ours.lexical_scores, rel=0.03)
    assert theirs.dense_scores == pytest.approx(ours.dense_scores, abs=1e-3)
    asked = analyse_question(question, "en")
    measured = [gather(asked, found, ChunkReader(), ENCODER).whole for found in (ours, theirs)]
    assert measured[0] == pytest.approx(measured[1], rel=0.05, abs=0.02)


def test_a_removed_section_is_found_no_more(sections: Path) -> None:
    index = SiteIndex(load_site(sections, mask_faq=False), ENCODER)
    gold = frozenset(index.site.rows_of(["/refunds#0"]))
    found = index.search("When do refunds arrive?", without=gold)
    assert gold
    assert "/refunds#0" not in {passage.chunk.anchor for passage in found.passages}


def test_pseudo_questions_ask_for_the_section_they_were_made_from(sections: Path) -> None:
    site = load_site(sections, mask_faq=False)
    made = {asked.gold: asked.question for asked in pseudo_questions(site, limit=10, seed=0)}
    assert len(made) == len(SECTIONS)
    assert "export" in made[("/invoices#0",)].lower()


def test_a_sign_that_was_forbidden_is_not_learned() -> None:
    random = np.random.default_rng(0)
    table = random.normal(size=(400, 2))
    labels = table[:, 0] - table[:, 1] > 0
    free = fit_logistic(table, labels, ["a", "b"], l2=1.0)
    held = fit_logistic(table, labels, ["a", "b"], l2=1.0, signs={"b": 1})
    assert free.weights[1] < 0
    assert held.weights[1] == 0.0
    assert held.weights[0] > 0
