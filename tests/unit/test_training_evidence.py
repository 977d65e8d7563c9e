"""What the evidence model learns from is right, what judges it never trained it, and it is judged by the product's formulas."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from training.data import SiteIndex, load_site
from training.evidence_edits import CONTRADICTED, falsified, kept
from training.evidence_groups import Group, Wanted, _group, clapnq_is_for_training, is_prose, shown, site_groups
from training.evidence_heads import (
    AnswerLines,
    Line,
    Mixture,
    answer_table,
    fit_line_of,
    fit_veto,
    most_supported,
    source_table,
    with_veto,
)
from training.evidence_judging import AskedList, Claim, claim_use
from training.evidence_lists import RankedList, ranked_list
from training.evidence_pairs import edit_pairs
from training.evidence_questions import heading_question, sentence_question
from training.scifact import CHOOSING, JUDGING, fold_of, is_for_training, sentences_of
from training.support import Pair

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.assistant.answerability import Judgement
from surefoot.assistant.evidence_weighing import is_vetoed, with_judgements
from surefoot.assistant.evidence_windows import evidence_windows
from surefoot.ports import AnswersPart, AnswersRule, PassageJudgement, SourcePart, SupportJudgement, SupportRule
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


def ranking(index: SiteIndex) -> RankedList:
    from training.data import Asked

    return ranked_list(index, Asked("export invoices as csv", ("/invoices#0",)), "present")


def test_a_mixture_without_weight_or_with_a_clear_lead_keeps_the_order(index: SiteIndex) -> None:
    one = ranking(index)
    against = -np.arange(len(one.texts), dtype=float)[::-1]
    assert Mixture(1.0, 0.0, 8, 9.0).ndcg(one, against) == one.ndcg()
    assert Mixture(1.0, 1.0, 8, 0.0).ndcg(one, against) == one.ndcg()
    assert Mixture(1.0, 1.0, 8, 9.0).ndcg(one, -against[::-1] * 0 + np.arange(len(one.texts))) < one.ndcg()


class Said:
    """Scores that are told, for pairs that are asked for."""

    def __init__(self, told: dict[str, tuple[float, ...]]) -> None:
        self._told = told

    def of(self, pairs: object) -> np.ndarray:
        return np.array([self._told[second] for _, second in pairs], dtype=float).reshape(-1, 5)  # type: ignore[attr-defined]


def test_answers_are_joined_here_as_the_product_joins_them() -> None:
    told = {"a": (2.0, 1.5, 0, 0, 0), "b": (-1.0, -2.0, 0, 0, 0), "c": (0.5, 0.2, 0, 0, 0)}
    mixture, temperature = Mixture(2.0, 0.1, 2, 0.5), 1.5
    one = AskedList("s", "present", "q", ("a", "b", "c"), (0.9, 0.8, 0.1), (0.4, -0.3, 0.2), (True, False, False), 0.7, 0.8)
    line = Line(("features", "best", "best_two"), -0.2, (0.9, 0.3, 0.1))
    source = Line(("features", "relevance", "answers"), -0.1, (0.8, 0.5, 0.2))
    lines = AnswerLines(temperature, line, line, source, 0.4, 0.3)
    part = AnswersPart(**line.record())
    rule = AnswersRule(part, part, 0.4, 0.3, SourcePart(**source.record()))
    judged = [
        PassageJudgement(told[text][0] / mixture.temperature, 1 / (1 + np.exp(-told[text][1] / temperature))) for text in "ab"
    ]
    sources = tuple(1 / (1 + np.exp(-np.array(one.sources))))
    theirs = with_judgements(Judgement(0.7, 0.8, (0, 2, 1), sources), [*judged, None], rule)
    table = answer_table([one], np.array([0.7]), Said(told), temperature, mixture)  # type: ignore[arg-type]
    assert lines.answerable.probability(table)[0] == pytest.approx(theirs.answerable, abs=1e-4)
    ours = source_table(one, Said(told), temperature, mixture)  # type: ignore[arg-type]
    assert source.probability(ours) == pytest.approx(theirs.sources, abs=1e-4)


@pytest.mark.parametrize("least", [0.1, 0.4, 0.9])
def test_a_claim_is_vetoed_here_as_the_product_vetoes_it(least: float) -> None:
    told = {"w1": (0, 0, 1.0, 0.4, 0.2), "w2": (0, 0, -2.0, 2.0, 0.0)}
    temperature = 1.3
    claim = Claim("edits", "kept", "judging", "said", ("w1", "w2"), True, 0.6)
    most = most_supported([claim], Said(told), temperature)  # type: ignore[arg-type]
    windows = []
    for name in ("w1", "w2"):
        chance = np.exp(np.array(told[name][2:]) / temperature)
        windows.append(SupportJudgement(*(float(part) for part in chance / chance.sum())))
    assert most[0] == pytest.approx(max(window.supported for window in windows))
    ours = with_veto(np.array([0.6]), most, least, 0.5)[0] < 0.5
    assert ours == is_vetoed(windows, SupportRule(least=least))


def test_a_veto_is_fitted_that_costs_no_source_anything() -> None:
    def claims(source: str, supported: bool, n: int) -> list[Claim]:
        return [Claim(source, "k", "choosing", f"{source}{supported}{number}", ("w",), supported, 0.8) for number in range(n)]

    every = [*claims("a", True, 10), *claims("a", False, 10), *claims("b", True, 10), *claims("b", False, 10)]
    most = np.array([0.9] * 10 + [0.12] * 10 + [0.23] * 10 + [0.33] * 10)
    assert fit_veto(every, most, 0.5) in (0.15, 0.2), "from .25 on, source b loses what is supported"
    assert fit_veto(every[20:], np.array([0.01] * 10 + [0.9] * 10), 0.5) == 0.0, "a model that knows nothing has no veto"


def test_a_line_never_learns_a_forbidden_sign() -> None:
    table = seeded().normal(size=(300, 2))
    labels = table[:, 0] - table[:, 1] > 0
    line = fit_line_of(table, labels, ("a", "b"), (1, 1), np.ones(300))
    assert line.weights[0] > 0
    assert line.weights[1] == 0.0


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


def test_what_chooses_and_what_judges_never_trained() -> None:
    pairs = [
        Pair(source, f"{source}-{number}", "claim", ("evidence",), supported=True)
        for source in ("scifact", "begin", "halueval")
        for number in range(200)
    ]
    uses = {use: [pair for pair in pairs if claim_use(pair) == use] for use in ("training", "choosing", "judging")}
    assert all(uses.values())
    assert not any(pair.held_out for pair in uses["training"])
    assert all(pair.held_out for pair in uses["judging"])
    assert all(is_for_training(pair.group) == (claim_use(pair) == "training") for pair in pairs if pair.source == "scifact")
