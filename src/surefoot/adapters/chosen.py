"""The encoder and the evidence model that the settings name."""

from pathlib import Path

from surefoot.adapters.onnx_evidence import EVIDENCE_FOLDER, OnnxEvidenceModel
from surefoot.core.errors import InvalidSettings
from surefoot.core.settings import Settings
from surefoot.ports import Encoder, EvidenceModel


def chosen_encoder(settings: Settings) -> Encoder:
    """The encoder. Raises InvalidSettings for a name that is none, MissingDependency for an extra that is not installed."""
    threads, cache_size = settings.encoder_threads, settings.query_cache_size
    kind, _, model = settings.encoder.partition(":")
    if kind == "onnx" and not model:
        from surefoot.adapters.onnx_encoder import OnnxEncoder

        return OnnxEncoder(threads=threads, cache_size=cache_size)
    if kind == "openvino" and not model:
        from surefoot.adapters.openvino_encoder import OpenVinoEncoder

        return OpenVinoEncoder(threads=threads, cache_size=cache_size)
    if kind == "sentence-transformers" and model:
        from surefoot.adapters.sentence_transformers_encoder import SentenceTransformersEncoder

        return SentenceTransformersEncoder(model, threads=threads, cache_size=cache_size, offline=settings.offline)
    raise InvalidSettings(f"encoder {settings.encoder!r} is unknown; use onnx, openvino or sentence-transformers:<model>.")


def chosen_evidence_model(settings: Settings) -> EvidenceModel | None:
    """The evidence model, or None where features alone are to judge: `off`, and `auto` where none ships that is better at
    anything. Raises InvalidSettings for a name that is none, MissingModel for a shipped model whose records are damaged.
    """
    kind, _, model = settings.evidence_model.partition(":")
    if kind == "off" and not model:
        return None
    if kind == "auto" and not model:
        # The folder being there is what says that this build ships a model; damage inside it must not pass for its absence.
        if not EVIDENCE_FOLDER.exists():
            return None
        shipped = OnnxEvidenceModel(threads=settings.encoder_threads, folder=EVIDENCE_FOLDER)
        return shipped if shipped.rules.is_useful else None
    if kind == "onnx":
        return OnnxEvidenceModel(threads=settings.encoder_threads, folder=Path(model) if model else EVIDENCE_FOLDER)
    if kind == "cross-encoder" and model:
        from surefoot.adapters.cross_encoder import CrossEncoderModel

        return CrossEncoderModel(model, threads=settings.encoder_threads, offline=settings.offline)
    raise InvalidSettings(
        f"evidence_model {settings.evidence_model!r} is unknown; use auto, off, onnx, onnx:<folder> or cross-encoder:<model>."
    )
