"""The evidence model's folder: what its records mean, and what happens when they or its files are not as they were built."""

import base64
import json
import math
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.test_evidence_contract import small_cross_encoder
from tests.evidence_folder import HEADS, TINY, USES, evidence_folder, tiny_network

from surefoot.adapters.chosen import chosen_evidence_model
from surefoot.adapters.cross_encoder import CrossEncoderModel
from surefoot.adapters.minilm import MODEL_FOLDER
from surefoot.adapters.onnx_evidence import EVIDENCE_FOLDER, OnnxEvidenceModel
from surefoot.core.errors import InvalidSettings, MissingDependency, MissingModel
from surefoot.core.settings import Settings
from surefoot.ports import AnswersPart, EvidenceRules, QuoteRule, RerankRule, SourcePart, SupportRule

TEXTS = ("An API key is valid for 90 days.", "Invoices are exported as CSV files.")
QUESTION = "How long is a key valid?"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return evidence_folder(tmp_path / "evidence")


def rewritten(folder: Path, **changes: Any) -> Path:
    """The same folder with these fields of its manifest changed."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    return folder


def test_the_network_of_the_tests_is_the_one_that_its_source_makes() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed (dependency group `model`)")
    assert zlib.decompress(base64.b64decode(TINY)) == tiny_network()


def test_the_rules_are_those_of_manifest_and_heads(folder: Path) -> None:
    rules = OnnxEvidenceModel(folder=folder).rules
    assert rules.rerank == RerankRule(weight=0.3, top=8, early_exit_margin=0.9)
    assert rules.answers is not None
    assert rules.answers.answerable == AnswersPart(bias=0.1, features=0.8, best=0.3, best_two=0.2)
    assert rules.answers.source == SourcePart(bias=0.0, features=1.0, relevance=0.5, answers=0.25)
    assert (rules.answers.answer_threshold, rules.answers.scope_threshold) == (0.45, 0.2)
    assert rules.support == SupportRule(least=0.3)
    assert rules.quotes == QuoteRule(weight=0.4, temperature=2.0, source_weight=0.5, top=6, margin=0.3, source_margin=1.0)


@pytest.mark.parametrize("head", USES)
def test_a_head_that_does_not_ship_is_not_used(tmp_path: Path, head: str) -> None:
    rules = OnnxEvidenceModel(folder=evidence_folder(tmp_path, ships=set(USES) - {head})).rules
    used = {
        "relevance": rules.rerank.weight > 0,
        "answers": rules.answers is not None,
        "support": rules.support is not None,
        "quotes": rules.quotes is not None,
    }
    assert used == {name: name != head for name in used}


def test_heads_that_do_not_ship_need_no_weights(tmp_path: Path) -> None:
    folder = evidence_folder(tmp_path, ships=("relevance",))
    (folder / "heads.json").unlink()
    assert OnnxEvidenceModel(folder=folder).rules == EvidenceRules(RerankRule(weight=0.3, top=8, early_exit_margin=0.9))


def test_a_folder_from_before_quotes_were_chosen_has_no_rule_for_them(folder: Path) -> None:
    rewritten(folder, heads={name: {"ships": True} for name in ("relevance", "answers", "support")})
    assert OnnxEvidenceModel(folder=folder).rules.quotes is None


@pytest.mark.parametrize("wrong", [{"weight": 1.5}, {"temperature": 0}, {"top": 1}, {"margin": -0.1}, {"source_weight": None}])
def test_a_rule_for_quotes_that_makes_no_sense_is_refused_by_its_key(tmp_path: Path, wrong: dict[str, Any]) -> None:
    folder = evidence_folder(tmp_path, heads=HEADS | {"quotes": HEADS["quotes"] | wrong})
    with pytest.raises(MissingModel, match=rf"quotes\.{next(iter(wrong))}"):
        _ = OnnxEvidenceModel(folder=folder).rules


def test_scores_are_divided_by_their_temperature(folder: Path) -> None:
    warm = OnnxEvidenceModel(folder=folder)
    passage, claim = warm.passages(QUESTION, TEXTS)[0], warm.claims(QUESTION, TEXTS)[0]
    rewritten(folder, temperature={"relevance": 40.0, "answers": 60.0, "support": 80.0})
    cool = OnnxEvidenceModel(folder=folder)
    cooler, told = cool.passages(QUESTION, TEXTS)[0], cool.claims(QUESTION, TEXTS)[0]
    assert cooler.relevance == pytest.approx(passage.relevance / 2)
    assert math.log(cooler.answers / (1 - cooler.answers)) == pytest.approx(math.log(passage.answers / (1 - passage.answers)) / 3)
    assert math.log(told.supported / told.contradicted) == pytest.approx(math.log(claim.supported / claim.contradicted) / 4)


def test_a_pair_is_read_with_its_separators_and_the_side_of_each_piece(folder: Path) -> None:
    # [CLS] how ? [SEP] invoices [SEP], by the vocabulary; the second text's pieces are of type 1, which the tiny network doubles.
    ids, types = (101, 2129, 1029, 102, 1999, 6767, 23522, 102), (0, 0, 0, 0, 1, 1, 1, 1)
    wave = sum(math.sin(number * (1 + side) * 0.011) for number, side in zip(ids, types, strict=True))
    judged = OnnxEvidenceModel(folder=folder).passages("How?", ["invoices"])[0]
    assert judged.relevance == pytest.approx(wave / 20.0, abs=1e-3)


def test_outputs_are_found_by_their_names(folder: Path) -> None:
    straight = OnnxEvidenceModel(folder=folder).claims(QUESTION, TEXTS)[0]
    rewritten(folder, outputs=["relevance", "answers", "not_stated", "contradicted", "supported"])
    turned = OnnxEvidenceModel(folder=folder).claims(QUESTION, TEXTS)[0]
    assert turned.supported == pytest.approx(straight.not_stated)
    assert turned.contradicted == pytest.approx(straight.contradicted)


def test_the_fingerprint_follows_whatever_could_change_a_judgement_or_its_weight(folder: Path, tmp_path: Path) -> None:
    seen = {OnnxEvidenceModel(folder=folder).fingerprint}
    files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    changes: list[dict[str, Any]] = [
        {"files": files | {"model.int8.onnx": "0" * 64}},
        {"max_tokens": 128},
        {"temperature": {"relevance": 1.0, "answers": 20.0, "support": 20.0}},
        {"rerank": {"weight": 0.4, "top": 8, "early_exit_margin": 0.9}},
        {"tokenizer": {"file": "tokenizer.json", "sha256": "1" * 64}},
        {"heads": {name: {"ships": name == "relevance"} for name in ("relevance", "answers", "support")}},
    ]
    for number, change in enumerate(changes):
        copy = Path(shutil.copytree(folder, tmp_path / str(number)))
        seen.add(OnnxEvidenceModel(folder=rewritten(copy, **change)).fingerprint)
    other = HEADS | {"support": HEADS["support"] | {"threshold": 0.6}}
    seen.add(OnnxEvidenceModel(folder=evidence_folder(tmp_path / "other", heads=other)).fingerprint)
    quoting = HEADS | {"quotes": HEADS["quotes"] | {"weight": 0.6}}
    seen.add(OnnxEvidenceModel(folder=evidence_folder(tmp_path / "quoting", heads=quoting)).fingerprint)
    assert len(seen) == len(changes) + 3
    told = rewritten(folder, figures={"n": 1}, build={"command": "make"})
    assert OnnxEvidenceModel(folder=told).fingerprint in seen


def test_rules_and_fingerprint_are_known_before_the_model_is_opened(folder: Path) -> None:
    (folder / "model.int8.onnx").unlink()
    model = OnnxEvidenceModel(folder=folder)
    assert model.fingerprint.startswith("onnx:tiny:")
    assert model.rules.is_useful


@pytest.mark.parametrize("name", ["model.int8.onnx", "heads.json"])
def test_a_changed_file_is_refused_with_the_remedy(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(MissingModel, match=f"{re.escape(name)} does not match its manifest; run `make evidence-model`"):
        OnnxEvidenceModel(folder=folder).passages(QUESTION, TEXTS)


@pytest.mark.parametrize("name", ["model.int8.onnx", "heads.json", "manifest.json"])
def test_a_missing_file_is_named_with_the_remedy(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(MissingModel, match=rf"{re.escape(name)} .*run `make evidence-model` or reinstall surefoot"):
        OnnxEvidenceModel(folder=folder).passages(QUESTION, TEXTS)


def test_weights_that_the_manifest_does_not_vouch_for_are_refused(folder: Path) -> None:
    files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    rewritten(folder, files={"model.int8.onnx": files["model.int8.onnx"]})
    with pytest.raises(MissingModel, match=r"heads\.json does not match its manifest"):
        _ = OnnxEvidenceModel(folder=folder).rules


def test_another_tokenizer_than_the_model_s_is_refused(folder: Path) -> None:
    (folder.parent / "all-minilm-l6-v2").mkdir()
    (folder.parent / "all-minilm-l6-v2" / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MissingModel, match=r"tokenizer\.json does not match its manifest"):
        OnnxEvidenceModel(folder=folder).passages(QUESTION, TEXTS)


def test_a_tokenizer_beside_the_model_is_taken_before_the_package_s(folder: Path) -> None:
    expected = OnnxEvidenceModel(folder=folder).passages(QUESTION, TEXTS)
    shutil.copy(MODEL_FOLDER / "tokenizer.json", folder / "tokenizer.json")
    named = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["tokenizer"]
    rewritten(folder, tokenizer=named | {"file": "tokenizer.json"})
    assert OnnxEvidenceModel(folder=folder).passages(QUESTION, TEXTS) == expected


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}'])
def test_a_manifest_of_another_form_is_refused(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(MissingModel, match="cannot be read"):
        _ = OnnxEvidenceModel(folder=folder).fingerprint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperature": {"relevance": 0.0, "answers": 1.0, "support": 1.0}}, r"temperature\.relevance"),
        ({"rerank": {"weight": 2.0, "top": 8, "early_exit_margin": 0.1}}, r"rerank\.weight"),
        ({"outputs": ["relevance", "answers"]}, "outputs must name relevance, answers, supported"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused_by_its_key(folder: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MissingModel, match=said):
        _ = OnnxEvidenceModel(folder=rewritten(folder, **changes)).rules


def test_a_head_that_ships_without_weights_is_refused(tmp_path: Path) -> None:
    folder = evidence_folder(tmp_path, heads={"format": 1, "answers": HEADS["answers"]})
    with pytest.raises(MissingModel, match="it has no 'support', which ships"):
        _ = OnnxEvidenceModel(folder=folder).rules
    quoting = evidence_folder(tmp_path / "quoting", ships=("quotes",), heads={"format": 1})
    with pytest.raises(MissingModel, match="it has no 'quotes', which ships"):
        _ = OnnxEvidenceModel(folder=quoting).rules


def test_the_setting_chooses_the_model(folder: Path) -> None:
    assert chosen_evidence_model(Settings(evidence_model="off")) is None
    chosen = chosen_evidence_model(Settings(evidence_model=f"onnx:{folder}"))
    assert chosen is not None
    assert chosen.fingerprint == OnnxEvidenceModel(folder=folder).fingerprint


def test_auto_takes_the_shipped_model_as_far_as_it_is_better(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def auto(folder: Path) -> object:
        monkeypatch.setattr("surefoot.adapters.chosen.EVIDENCE_FOLDER", folder)
        return chosen_evidence_model(Settings())

    assert auto(tmp_path / "none") is None
    assert auto(evidence_folder(tmp_path / "idle", ships=())) is None
    assert isinstance(auto(evidence_folder(tmp_path / "one", ships=("support",))), OnnxEvidenceModel)
    (tmp_path / "broken").mkdir()
    with pytest.raises(MissingModel, match=r"manifest\.json cannot be read"):
        auto(tmp_path / "broken")


@pytest.mark.parametrize("name", ["", "on", "auto:x", "off:x", "cross-encoder:", "torch"])
def test_a_name_that_is_none_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InvalidSettings, match="use auto, off, onnx, onnx:<folder> or cross-encoder:<model>"):
        chosen_evidence_model(Settings(evidence_model=name))


def test_without_sentence_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.adapters.cross_encoder.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"'cross-encoder:some/model'.*'surefoot\[sentence-transformers\]'"):
        chosen_evidence_model(Settings(evidence_model="cross-encoder:some/model"))


def test_offline_a_cross_encoder_that_is_not_here_is_refused_without_asking_the_hub() -> None:
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (extra)")
    model = chosen_evidence_model(Settings(evidence_model="cross-encoder:nobody/no-such-model", offline=True))
    assert isinstance(model, CrossEncoderModel)
    with pytest.raises(MissingModel, match=r"'nobody/no-such-model' cannot be opened.*without SUREFOOT_OFFLINE"):
        model.passages(QUESTION, TEXTS)


def test_a_classifier_of_several_outputs_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (extra)")
    several = small_cross_encoder(tmp_path / "several", outputs=3)
    with pytest.raises(MissingModel, match="has 3 outputs; a reranker with one is needed"):
        CrossEncoderModel(str(several), offline=True).passages(QUESTION, TEXTS)


def test_the_shipped_folder_is_whole() -> None:
    model = OnnxEvidenceModel()
    assert model.rules.is_useful
    assert len(model.passages(QUESTION, TEXTS)) == 2
    assert (EVIDENCE_FOLDER / "model.int8.onnx").stat().st_size <= 25_000_000
