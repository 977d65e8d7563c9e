"""What the encoders of the extras say when something they need is absent."""

import importlib.util
from pathlib import Path

import pytest

from surefoot.adapters.openvino_encoder import OpenVinoEncoder
from surefoot.adapters.sentence_transformers_encoder import SentenceTransformersEncoder
from surefoot.core.errors import MissingDependency, MissingModel


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """From here on the package looks as if it were not installed."""
    found = importlib.util.find_spec
    for module in ("openvino_encoder", "sentence_transformers_encoder"):
        monkeypatch.setattr(
            f"surefoot.adapters.{module}.find_spec", lambda name, *rest: None if name == package else found(name, *rest)
        )


def test_without_openvino_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "openvino")
    with pytest.raises(MissingDependency, match=r"pip install 'surefoot\[openvino\]'"):
        OpenVinoEncoder()


def test_without_sentence_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "sentence_transformers")
    with pytest.raises(MissingDependency, match=r"'sentence-transformers:some/model'.*'surefoot\[sentence-transformers\]'"):
        SentenceTransformersEncoder("some/model")


def test_offline_a_model_that_is_not_here_is_refused_without_asking_the_hub(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (extra)")
    encoder = SentenceTransformersEncoder("nobody/no-such-model", offline=True)
    with pytest.raises(MissingModel, match=r"'nobody/no-such-model' cannot be opened.*without SUREFOOT_OFFLINE"):
        encoder.encode_query("Anything")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (extra)")
    with pytest.raises(MissingModel, match="name a folder or a model of the hub"):
        _ = SentenceTransformersEncoder(str(tmp_path), offline=True).fingerprint
