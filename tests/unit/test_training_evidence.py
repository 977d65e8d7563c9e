"""What the evidence model learns from is right."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from training.data import SiteIndex, load_site
from training.evidence_edits import CONTRADICTED, falsified, kept
from training.evidence_groups import Group, Wanted, _group, clapnq_is_for_training, is_prose, shown, site_groups
from training.evidence_pairs import edit_pairs
from training.evidence_questions import heading_question, sentence_question
from training.scifact import CHOOSING, JUDGING, fold_of, is_for_training, sentences_of
from training.support import Pair

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.assistant.evidence_windows import evidence_windows
from tests.unit.test_training import SECTIONS

SENTENCES = (
    "If the payment fails, the invoice is not sent to the customer before 5 days have passed.",
    "You can export up to 500 invoices at once, which takes about two minutes on the Pro plan.",
    "The webhook must answer within 30 seconds, otherwise the delivery is tried again in January 2024.",
    "The queue always moves jobs from the backlog to the archive when they are finished.",
)


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def index(tmp_path: Path) -> SiteIndex:
    path = tmp_path / "small.sections.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, SECTIONS)).encode()))
    return SiteIndex(load_site(path, mask_faq=False), HashingEncoder())


def test_a_heading_that_is_a_question_keeps_its_words() -> None:
    asked = {heading_question("Why is my invoice empty?", "Invoices", seeded(seed)) for seed in range(20)}
    assert "Why is my invoice empty?" in asked
    assert all(question.lower().startswith("why") for question in asked)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("You can export invoices as CSV files from the page.", "export invoices as CSV files"),
        ("If the payment fails twice, the plan ends.", "the payment fails twice"),
        ("Webhooks allows you to react to payments.", "webhooks"),
    ],
)
def test_a_sentence_of_known_shape_is_asked_for_by_what_it_tells(sentence: str, expected: str) -> None:
    asked = [sentence_question(sentence, seeded(seed)) for seed in range(12)]
    assert any(expected.lower() in question.lower() for question in asked)
    assert all(question.strip() for question in asked)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_falsified_sentence_differs_in_one_place_and_says_how(sentence: str) -> None:
    made = falsified(sentence, ["London"], seeded())
    assert made
    for edit, labels in made.values():
        assert edit != sentence
        assert CONTRADICTED in labels


def test_every_kind_of_change_is_made_by_some_sentence() -> None:
    kinds = {kind for sentence in SENTENCES for seed in range(5) for kind in falsified(sentence, ["London"], seeded(seed))}
    assert kinds >= {"number", "unit", "date", "negation", "modality", "plan", "opposite", "roles", "condition dropped"}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_kept_sentence_keeps_its_long_numbers_and_names(sentence: str) -> None:
    for seed in range(20):
        told = kept(sentence, seeded(seed))
        for fact in re.findall(r"\d{3,}|January|Pro\b", sentence.split(", which")[0]):
            assert fact in told


def test_keeping_changes_words_as_falsifying_does() -> None:
    assert sum(kept(sentence, seeded(seed)) != sentence for sentence in SENTENCES for seed in range(5)) > 12


def test_code_and_tables_are_not_prose() -> None:
    assert is_prose("You can export every invoice of the workspace as a file.")
    assert not is_prose('{"code": 102, "message": "the page was not found in this workspace today"}')
    assert not is_prose("curl --request DELETE the address of the server and the path of the data set")


def test_a_groups_gold_is_a_passage_of_the_section_asked_for(index: SiteIndex) -> None:
    groups = list(site_groups(index, limit=40, seed=3))
    assert groups
    for group in groups:
        assert len(group.passages) == len(group.gold)
        assert sum(group.gold) == (0 if "removed" in group.kind else 1)


def test_a_hidden_heading_never_gives_the_gold_passage_away(index: SiteIndex) -> None:
    row = index.site.rows_of(["/invoices#0"])[0]
    for seed in range(30):
        group = _group(index, Wanted("heading masked", "export invoices", row, hide_page=True), seeded(seed))
        own_page = [text for text in group.passages if "Invoices" in text.split("\n")[0] or "invoice" in text.lower()]
        assert not any("> Export invoices" in text or "> Send an invoice" in text for text in own_page)


def test_a_passage_of_the_gold_section_is_never_a_wrong_one(index: SiteIndex) -> None:
    gold = {
        shown(piece, masked=masked) for piece in index.site.chunks if piece.anchor == "/refunds#0" for masked in (True, False)
    }
    row = index.site.rows_of(["/refunds#0"])[0]
    for seed in range(20):
        group = _group(index, Wanted("heading", "start a refund", row, hide_page=False), seeded(seed))
        wrong = {text for text, is_gold in zip(group.passages, group.gold, strict=True) if not is_gold}
        assert not wrong & gold


def test_edits_come_with_keeps_so_that_overlap_alone_cannot_win(tmp_path: Path) -> None:
    path = tmp_path / "small.sections.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, SECTIONS)).encode()))
    pairs = list(edit_pairs(path, limit=10, seed=0))
    of = {label: sum(pair.labels[0] == label for pair in pairs) for label in ("supported", "contradicted", "not_stated")}
    assert min(of.values()) > 0
    assert of["supported"] >= of["contradicted"] / 2


def test_no_abstract_both_trains_and_judges() -> None:
    for number in range(200):
        doc_id = str(10_000_000 + 7919 * number)
        held_out = Pair("scifact", doc_id, "claim", ("evidence",), supported=True).held_out
        assert held_out == (fold_of(doc_id) == JUDGING)
        assert is_for_training(doc_id) != (fold_of(doc_id) in (JUDGING, CHOOSING))


def test_each_half_of_clapnq_is_about_half() -> None:
    assert 0.4 < np.mean([clapnq_is_for_training(str(number)) for number in range(1000, 3000)]) < 0.6


def test_glued_abstracts_are_parted_where_they_were_joined() -> None:
    assert sentences_of("It grows.It falls again.   \nRESULTS All fell.") == ["It grows.", "It falls again.", "RESULTS All fell."]


def test_windows_show_the_nearest_sentences_between_their_neighbours() -> None:
    text = "Cats sleep. Dogs bark at night. Refunds take five days. Birds sing. Fish swim. Trees grow. Stones lie."
    windows = evidence_windows("Refunds take five days", (text,), limit=2)
    assert windows[0] == "Dogs bark at night. Refunds take five days. Birds sing."
    assert len(windows) == 2
    assert evidence_windows("Refunds", ()) == ()


def test_windows_part_sentences_that_extraction_glued_together() -> None:
    windows = evidence_windows("prices rise", ("They fell in the north.Prices rise here now. Nobody knew.",), limit=1)
    assert windows == ("They fell in the north. Prices rise here now. Nobody knew.",)


def test_a_step_never_leaves_a_group_out() -> None:
    pytest.importorskip("torch")
    from training.evidence_fit import steps_of
    from training.evidence_pairs import ClaimPair
    from training.evidence_set import TrainingSet

    groups = tuple(Group("heading", f"q{n}", ("p" * n, "x"), (True, False)) for n in range(37))
    pairs = tuple(ClaimPair("edits", "s", f"c{n}", "e" * n, ("supported",)) for n in range(50))
    steps = steps_of(TrainingSet(groups, pairs), seed=4)
    assert sorted(group.question for step in steps for group in step.groups) == sorted(group.question for group in groups)
    assert steps == steps_of(TrainingSet(groups, pairs), seed=4)
    twice = steps_of(TrainingSet(groups, pairs), seed=4, passes=2)
    assert twice[: len(steps)] == steps
    assert Counter(group.question for step in twice for group in step.groups) == dict.fromkeys((g.question for g in groups), 2)


def test_loss_falls_as_the_gold_passage_and_the_right_label_rise() -> None:
    torch = pytest.importorskip("torch")
    from training.evidence_fit import group_loss, pair_loss
    from training.evidence_pairs import ClaimPair

    group = Group("heading", "q", ("a", "b"), (True, False))
    either = ClaimPair("begin", "s", "c", "e", ("contradicted", "not_stated"))
    flat, good = torch.zeros(2, 5), torch.tensor([[3.0, 3.0, 0, 0, 0], [-3.0, -3.0, 0, 0, 0]])
    assert group_loss(good, [group]) < group_loss(flat, [group]) < group_loss(-good, [group])
    right, wrong = torch.tensor([[0, 0, -3.0, 3.0, 0]]), torch.tensor([[0, 0, 3.0, 0, 0]])
    assert pair_loss(right, [either]) < pair_loss(wrong, [either])
