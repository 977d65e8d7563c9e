"""The evidence model that ships: question and passage, or claim and evidence, read together on onnxruntime."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tokenizers import Tokenizer

from surefoot.adapters.minilm import LONGEST_TEXT_CHARACTERS, MODEL_FOLDER
from surefoot.adapters.model_folder import (
    MANIFEST_FILE,
    MODEL_FILE,
    MODELS,
    TOKENIZER_FILE,
    available_cpus,
    read_record,
    readable,
    side_by_side,
    unreadable,
    verified,
)
from surefoot.adapters.onnx_session import open_session
from surefoot.core.ids import digest
from surefoot.ports import (
    AnswersPart,
    AnswersRule,
    EvidenceRules,
    PassageJudgement,
    QuoteRule,
    RerankRule,
    SourcePart,
    SupportJudgement,
    SupportRule,
)

EVIDENCE_FOLDER = MODELS / "evidence"
HEADS_FILE = "heads.json"
OUTPUTS = ("relevance", "answers", "supported", "contradicted", "not_stated")
_MAKE = "evidence-model"

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Scores = NDArray[np.float32]
Network = Callable[[NDArray[np.int64], NDArray[np.int64]], Scores]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Temperature(_Table):
    relevance: _Above
    answers: _Above
    support: _Above


class _Rerank(_Table):
    weight: _Share
    top: int = Field(ge=1, le=100)
    early_exit_margin: _Number


class _Head(_Table):
    ships: bool


class _HeadsThatShip(_Table):
    relevance: _Head
    answers: _Head
    support: _Head
    # Models from before sentences were chosen by their scores do not name it.
    quotes: _Head = _Head(ships=False)


class _TokenizerFile(_Table):
    file: str
    sha256: _Sha256


class _Manifest(_Table):
    """What the build recorded and the run time needs; its figures and the story of the build are for people."""

    format: Literal[1]
    name: str
    max_tokens: int = Field(ge=8, le=512)
    outputs: tuple[str, ...]
    files: dict[str, _Sha256]
    tokenizer: _TokenizerFile
    temperature: _Temperature
    rerank: _Rerank
    heads: _HeadsThatShip


class _AnswersPart(_Table):
    bias: _Number
    features: _Number
    best: _Number
    best_two: _Number


class _SourcePart(_Table):
    bias: _Number
    features: _Number
    relevance: _Number
    answers: _Number


class _Answers(_Table):
    answerable: _AnswersPart
    in_scope: _AnswersPart
    answer_threshold: _Share
    scope_threshold: _Share
    source: _SourcePart | None = None


class _Support(_Table):
    # A vetoed claim scores less than this, and so less than any claim that may be shown.
    least: float = Field(gt=0, le=0.5)


class _Quotes(_Table):
    weight: _Share
    temperature: _Above
    source_weight: float = Field(ge=0, allow_inf_nan=False)
    top: int = Field(ge=2, le=100)
    margin: float = Field(ge=0, allow_inf_nan=False)
    source_margin: float = Field(ge=0, allow_inf_nan=False)


class _Weights(_Table):
    """`heads.json`: how judgements join the feature scores."""

    format: Literal[1]
    answers: _Answers | None = None
    support: _Support | None = None
    quotes: _Quotes | None = None


@dataclass(frozen=True, slots=True)
class _Opened:
    tokenizer: Tokenizer
    network: Network


class OnnxEvidenceModel:
    """An EvidenceModel over a folder as `training.evidence_export` writes it, opened at first use.

    Every pair goes through the network alone: what is judged beside it changes nothing, to the last bit. Several threads share
    one opened model; `threads` 0 takes every CPU of this process for the pairs of one call. A file that is missing, or is not
    the one of the manifest, raises MissingModel.
    """

    def __init__(self, *, threads: int = 0, folder: Path = EVIDENCE_FOLDER) -> None:
        self._threads = threads or available_cpus()
        self._folder = folder
        self._lock = Lock()
        self._read: tuple[_Manifest, EvidenceRules] | None = None
        self._opened: _Opened | None = None

    @property
    def fingerprint(self) -> str:
        """Changes with the bytes of model and tokenizer, the cut, the calibration and the weights of every use."""
        manifest, rules = self._records()
        parts = (sorted(manifest.files.items()), manifest.tokenizer.sha256, manifest.temperature, manifest.outputs)
        cut = (manifest.max_tokens, LONGEST_TEXT_CHARACTERS)
        return f"onnx:{manifest.name}:{digest(repr(parts), repr(cut), repr(rules))[:16]}"

    @property
    def rules(self) -> EvidenceRules:
        """What the manifest says was better than the features alone; the rest is None."""
        return self._records()[1]

    def passages(self, question: str, passages: Sequence[str]) -> list[PassageJudgement]:
        """One judgement a passage: relevance is its score over the temperature, `answers` the logistic of its own."""
        heat = self._records()[0].temperature
        return [
            PassageJudgement(float(relevance) / heat.relevance, _logistic(float(answers) / heat.answers))
            for relevance, answers, *_ in self._scores(question, passages)
        ]

    def claims(self, claim: str, evidence: Sequence[str]) -> list[SupportJudgement]:
        """One judgement for each piece of evidence: the softmax of its three scores over the temperature."""
        heat = self._records()[0].temperature
        return [SupportJudgement(*_softmax(row[2:] / heat.support)) for row in self._scores(claim, evidence)]

    def _scores(self, first: str, seconds: Sequence[str]) -> list[Scores]:
        """The five scores of each pair, in the order of OUTPUTS."""
        opened = self._open()
        order = [self._records()[0].outputs.index(name) for name in OUTPUTS]
        asked = readable(first, LONGEST_TEXT_CHARACTERS)

        def score(second: str) -> Scores:
            pair = opened.tokenizer.encode(asked, readable(second, LONGEST_TEXT_CHARACTERS))
            return opened.network(np.array([pair.ids], dtype=np.int64), np.array([pair.type_ids], dtype=np.int64))[order]

        return side_by_side(score, seconds, threads=self._threads)

    def _records(self) -> tuple[_Manifest, EvidenceRules]:
        if self._read is None:
            path = self._folder / MANIFEST_FILE
            try:
                manifest = _Manifest.model_validate(read_record(path, _MAKE))
            except ValidationError as error:
                raise unreadable(path, _said(error), _MAKE) from error
            if not set(OUTPUTS) <= set(manifest.outputs):
                raise unreadable(path, f"outputs must name {', '.join(OUTPUTS)}", _MAKE)
            self._read = manifest, self._rules(manifest)
        return self._read

    def _rules(self, manifest: _Manifest) -> EvidenceRules:
        ships, rerank = manifest.heads, manifest.rerank
        rule = RerankRule(rerank.weight if ships.relevance.ships else 0.0, rerank.top, rerank.early_exit_margin)
        if not (ships.answers.ships or ships.support.ships or ships.quotes.ships):
            return EvidenceRules(rule)
        path = self._folder / HEADS_FILE
        try:
            weights = _Weights.model_validate_json(verified(path, manifest.files.get(HEADS_FILE), _MAKE))
        except ValidationError as error:
            raise unreadable(path, _said(error), _MAKE) from error
        for name, head, part in (
            ("answers", ships.answers, weights.answers),
            ("support", ships.support, weights.support),
            ("quotes", ships.quotes, weights.quotes),
        ):
            if head.ships and part is None:
                raise unreadable(path, f"it has no {name!r}, which ships", _MAKE)
        return EvidenceRules(
            rule,
            _answers_rule(weights.answers) if weights.answers and ships.answers.ships else None,
            SupportRule(**weights.support.model_dump()) if weights.support and ships.support.ships else None,
            QuoteRule(**weights.quotes.model_dump()) if weights.quotes and ships.quotes.ships else None,
        )

    def _open(self) -> _Opened:
        if self._opened is None:
            with self._lock:
                if self._opened is None:
                    manifest, _ = self._records()
                    tokenizer = Tokenizer.from_str(self._tokenizer_text(manifest.tokenizer))
                    tokenizer.enable_truncation(manifest.max_tokens)
                    tokenizer.no_padding()
                    model = verified(self._folder / MODEL_FILE, manifest.files.get(MODEL_FILE), _MAKE)
                    self._opened = _Opened(tokenizer, _network(model))
        return self._opened

    def _tokenizer_text(self, named: _TokenizerFile) -> str:
        """The tokenizer that the manifest names, beside this model or, for one that lies elsewhere, the encoder's own."""
        beside = self._folder / named.file
        path = beside if beside.exists() else MODEL_FOLDER / TOKENIZER_FILE
        return verified(path, named.sha256, _MAKE).decode()


def _network(model: bytes) -> Network:
    session = open_session(model)

    def run(ids: NDArray[np.int64], types: NDArray[np.int64]) -> Scores:
        return np.asarray(session.run(["scores"], {"input_ids": ids, "token_type_ids": types})[0][0], dtype=np.float32)

    return run


def _answers_rule(part: _Answers) -> AnswersRule:
    return AnswersRule(
        AnswersPart(**part.answerable.model_dump()),
        AnswersPart(**part.in_scope.model_dump()),
        part.answer_threshold,
        part.scope_threshold,
        SourcePart(**part.source.model_dump()) if part.source else None,
    )


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def _softmax(scores: Scores) -> tuple[float, float, float]:
    first, second, third = (math.exp(float(score) - float(scores.max())) for score in scores)
    total = first + second + third
    return first / total, second / total, third / total


def _said(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
