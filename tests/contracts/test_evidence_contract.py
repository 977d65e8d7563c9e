"""The EvidenceModel port, on every adapter that is installed here."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from surefoot.adapters.cross_encoder import CrossEncoderModel
from surefoot.adapters.memory.evidence import WordOverlapEvidence
from surefoot.adapters.minilm import MODEL_FOLDER
from surefoot.adapters.onnx_evidence import OnnxEvidenceModel
from surefoot.assistant.answerability import Judgement, gather
from surefoot.assistant.questions import analyse_question
from surefoot.assistant.sentence_scores import SentenceReader, sentence_reader_of
from surefoot.assistant.units import ChunkReader
from surefoot.ports import EvidenceModel, QuoteRule
from surefoot.retrieval.judgements import KeptJudgements
from tests.evidence_folder import evidence_folder
from tests.unit.assistant.passages import ENCODER, Text, retrieved

QUESTION = "How long is an API key valid?"
PASSAGES = (
    "API keys > Validity\nAn API key is valid for 90 days. " + "It can be rotated at any time. " * 20,
    "Invoices",
    "A key is valid for 90 days.",
    "日本語のテキスト 🙂 é",
    "Seats are charged from the same day on.",
)
CLAIM = "A key is valid for 90 days."


def tiny(folder: Path) -> EvidenceModel:
    return OnnxEvidenceModel(threads=2, folder=evidence_folder(folder / "evidence"))


def shipped(folder: Path) -> EvidenceModel:
    return OnnxEvidenceModel(threads=2)


def cross_encoder(folder: Path) -> EvidenceModel:
    if find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed (extra `sentence-transformers`)")
    return CrossEncoderModel(str(small_cross_encoder(folder / "cross-encoder")), threads=1, offline=True)


def small_cross_encoder(folder: Path, *, outputs: int = 1) -> Path:
    """An untrained cross-encoder of two thin layers, as transformers keeps one."""
    if folder.exists():
        return folder
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(0)
    layers = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    network = BertForSequenceClassification(BertConfig(vocab_size=30_522, num_labels=outputs, initializer_range=0.5, **layers))
    network.save_pretrained(folder)
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    PreTrainedTokenizerFast(tokenizer_file=str(MODEL_FOLDER / "tokenizer.json"), model_max_length=256, **named).save_pretrained(
        folder
    )
    return folder


ADAPTERS: dict[str, Callable[[Path], EvidenceModel]] = {
    "word-overlap": lambda folder: WordOverlapEvidence(),
    "onnx": tiny,
    "onnx-shipped": shipped,
    "cross-encoder": cross_encoder,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=ADAPTERS)
def model(request: pytest.FixtureRequest, folder: Path) -> EvidenceModel:
    return ADAPTERS[request.param](folder)


def test_every_passage_gets_one_judgement_with_a_probability(model: EvidenceModel) -> None:
    judged = model.passages(QUESTION, PASSAGES)
    assert len(judged) == len(PASSAGES)
    assert all(0 <= each.answers <= 1 for each in judged)
    assert len({each.relevance for each in judged}) > 1


def test_every_piece_of_evidence_gets_three_probabilities_that_sum_to_one(model: EvidenceModel) -> None:
    judged = model.claims(CLAIM, PASSAGES)
    assert len(judged) == len(PASSAGES)
    for each in judged:
        parts = (each.supported, each.contradicted, each.not_stated)
        assert all(0 <= part <= 1 for part in parts)
        assert sum(parts) == pytest.approx(1.0, abs=1e-6)


def test_nothing_to_read_gives_no_judgements(model: EvidenceModel) -> None:
    assert list(model.passages(QUESTION, [])) == []
    assert list(model.claims(CLAIM, [])) == []


def test_judgements_come_in_the_order_of_the_texts(model: EvidenceModel) -> None:
    assert list(model.passages(QUESTION, PASSAGES[::-1])) == list(model.passages(QUESTION, PASSAGES))[::-1]
    assert list(model.claims(CLAIM, PASSAGES[::-1])) == list(model.claims(CLAIM, PASSAGES))[::-1]


def test_a_judgement_does_not_depend_on_the_texts_beside_it_to_the_last_bit(model: EvidenceModel) -> None:
    assert list(model.passages(QUESTION, PASSAGES)) == [model.passages(QUESTION, [text])[0] for text in PASSAGES]
    assert list(model.claims(CLAIM, PASSAGES)) == [model.claims(CLAIM, [text])[0] for text in PASSAGES]


def test_equal_pairs_get_equal_judgements(model: EvidenceModel) -> None:
    assert model.passages(QUESTION, PASSAGES) == model.passages(QUESTION, PASSAGES)
    assert model.claims(CLAIM, PASSAGES) == model.claims(CLAIM, PASSAGES)


def test_a_text_beyond_the_limit_is_cut(model: EvidenceModel) -> None:
    long = "word " * 5_000
    kept, longer = model.passages(QUESTION, [long, long + "and now something else entirely"])
    assert kept == longer


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\0", "\ud800 half a pair", "🙂" * 2_000, "a" * 100_000, "\u0301" * 500, "[SEP] [CLS]"]
)
def test_strange_texts_get_a_judgement(model: EvidenceModel, text: str) -> None:
    for question, passage in ((QUESTION, text), (text, PASSAGES[2]), (text, text)):
        assert 0 <= model.passages(question, [passage])[0].answers <= 1
        assert 0 <= model.claims(question, [passage])[0].supported <= 1


def test_many_threads_get_the_judgements_that_one_thread_gets(model: EvidenceModel) -> None:
    questions = [f"{QUESTION} ({number % 8})" for number in range(48)]
    expected = [list(model.passages(question, PASSAGES[1:4])) for question in questions]
    with ThreadPoolExecutor(max_workers=16) as pool:
        assert list(pool.map(lambda question: list(model.passages(question, PASSAGES[1:4])), questions)) == expected


@pytest.mark.parametrize("name", ADAPTERS)
def test_two_models_of_one_kind_share_fingerprint_and_judgements(name: str, folder: Path) -> None:
    first, second = ADAPTERS[name](folder), ADAPTERS[name](folder)
    assert first.fingerprint == second.fingerprint
    assert first.rules == second.rules
    assert list(first.passages(QUESTION, PASSAGES)) == list(second.passages(QUESTION, PASSAGES))


def test_models_of_different_kinds_have_different_fingerprints(folder: Path) -> None:
    models = []
    for made in ADAPTERS.values():
        try:
            models.append(made(folder))
        except pytest.skip.Exception:
            continue
    assert len({model.fingerprint for model in models}) == len(models) >= 2


def test_sentences_can_be_chosen_by_any_model_s_scores(model: EvidenceModel) -> None:
    own = model.rules.quotes
    rule = own or QuoteRule(weight=0.5)
    assert 0 <= rule.weight <= 1
    assert rule.top >= 2
    assert min(rule.temperature, rule.source_weight, rule.margin, rule.source_margin) >= 0
    assert (sentence_reader_of(KeptJudgements(model, size=10)) is None) is (own is None)
    texts = (Text("A key opens every route. A key is valid for 90 days."), Text("An API key is made by owners.", document="b"))
    evidence = gather(analyse_question(QUESTION, "en"), retrieved(QUESTION, texts), ChunkReader(), ENCODER)
    wide = replace(rule, margin=9.0, source_margin=99.0)
    judgement = Judgement(0.9, 0.9, (0, 1), (0.6, 0.5))
    found = SentenceReader(KeptJudgements(model, size=10), wide).choose(evidence, judgement)
    assert found is not None
    assert found == SentenceReader(KeptJudgements(model, size=0), wide).choose(evidence, judgement)
    assert all(math.isfinite(worth) for worth in found.worths.values())
    assert sorted(found.judgement.order) == [0, 1]
