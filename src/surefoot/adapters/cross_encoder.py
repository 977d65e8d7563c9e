"""Any sentence-transformers CrossEncoder as evidence model; needs the extra `sentence-transformers`, which brings torch."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surefoot.adapters.hub_models import opened
from surefoot.adapters.model_folder import readable
from surefoot.adapters.sentence_transformers_encoder import weights_hash
from surefoot.core.errors import MissingDependency, MissingModel
from surefoot.ports import EvidenceRules, PassageJudgement, QuoteRule, RerankRule, SupportJudgement

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

# Far beyond the token limit of these models; it bounds the time a hostile text can spend in the tokenizer.
LONGEST_TEXT_CHARACTERS = 100_000
# Relevance here is a probability like the fused score, so that the two count alike until somebody measures it.
RERANK = RerankRule(weight=0.5, top=10, early_exit_margin=1.0)
# A sentence is a short passage to it: its word counts as much as the features', over about the same range.
QUOTES = QuoteRule(weight=0.5, temperature=0.25, source_weight=1.0, top=6, margin=0.5, source_margin=1.0)


class CrossEncoderModel:
    """An EvidenceModel on torch, opened at first use. `model` is a folder or a name on the Hugging Face hub.

    It orders passages and sentences and no more: nobody has measured how its word on answers and claims would join the feature
    scores. A model of other than one output cannot even do that and is refused with MissingModel. Raises MissingDependency when
    the package is not installed. With `offline` nothing is fetched: a model that is neither a folder nor in the local cache
    raises MissingModel at first use. `threads` above 0 sets torch's threads for the process.
    """

    def __init__(self, model: str, *, threads: int = 0, offline: bool = False) -> None:
        if find_spec("sentence_transformers") is None:
            raise MissingDependency(
                f"The evidence model 'cross-encoder:{model}' needs a package: pip install 'surefoot[sentence-transformers]'."
            )
        self._name = model
        self._threads = threads
        self._offline = offline
        self._lock = Lock()
        self._model: CrossEncoder | None = None
        self._fingerprint = ""

    @property
    def fingerprint(self) -> str:
        """Changes with the weights and the length at which pairs are cut; opens the model."""
        with self._lock:
            self._load()
            return self._fingerprint

    @property
    def rules(self) -> EvidenceRules:
        """The order of passages, and of the sentences to quote."""
        return EvidenceRules(rerank=RERANK, quotes=QUOTES)

    def passages(self, question: str, passages: Sequence[str]) -> list[PassageJudgement]:
        """One judgement a passage: the logistic of the model's score, as relevance and as answer."""
        scores = self._scores(question, passages)
        return [PassageJudgement(float(score), float(score)) for score in scores]

    def claims(self, claim: str, evidence: Sequence[str]) -> list[SupportJudgement]:
        """One judgement for each piece of evidence. The model tells near from far, not yes from no: what does not speak for
        the claim is never said to contradict it.
        """
        scores = self._scores(claim, evidence)
        return [SupportJudgement(float(score), 0.0, 1.0 - float(score)) for score in scores]

    def _scores(self, first: str, seconds: Sequence[str]) -> NDArray[np.float64]:
        """`(len(seconds),)`, each in 0..1; each pair by itself, because padding beside a longer one changes the last digits."""
        import torch

        asked = readable(first, LONGEST_TEXT_CHARACTERS)
        found = np.empty(len(seconds), dtype=np.float64)
        with self._lock:
            model = self._load()
            for row, second in enumerate(seconds):
                pair: Any = [(asked, readable(second, LONGEST_TEXT_CHARACTERS))]
                found[row] = model.predict(pair, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False)[0]
        return found

    def _load(self) -> "CrossEncoder":
        """The opened model. The caller holds the lock: its tokenizer may not be used by two threads at once."""
        if self._model is None:
            model = opened("cross-encoder", self._name, self._from_hub, threads=self._threads, offline=self._offline)
            if model.num_labels != 1:
                raise MissingModel(
                    f"The cross-encoder {self._name!r} has {model.num_labels} outputs; a reranker with one is needed."
                )
            self._fingerprint = (
                f"cross-encoder:{Path(self._name).name}:{weights_hash(model, (model.tokenizer.model_max_length,))}"
            )
            self._model = model
        return self._model

    def _from_hub(self) -> "CrossEncoder":
        from sentence_transformers import CrossEncoder

        model: CrossEncoder = CrossEncoder(self._name, device="cpu", local_files_only=self._offline)
        return model
