"""Proposals without a language model: what somebody asks for is compared with how people ask for each action."""

import math
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from surefoot.actions.arguments import validated
from surefoot.actions.json_schema import context_path, resolved
from surefoot.actions.registry import Registry
from surefoot.actions.requests import is_opposite, is_request
from surefoot.core.errors import InvalidAction
from surefoot.domain.actions import ActionSpec, Json
from surefoot.domain.lexicon import terms
from surefoot.ports.retrieval import Encoder, Vectors

# Measured in eval_sets/offers/README.md.
THRESHOLD = 0.62
_MEANING, _PHRASE, _WORDS = 0.4, 0.2, 0.4
# How much is taken off when the word for the deed is none that this action is asked for with.
_OTHER_DEED = 0.12
_FEWEST_TERMS = 2
_MOST_QUOTED = 120
# Languages that phrases may be in; a phrase has no locale of its own, so it is read in the asker's and in English.
_DEFAULT_LOCALE = "en"


@dataclass(frozen=True, slots=True)
class MissingArgument:
    """A required argument that only the person can give: its name, how a form calls it, and its schema."""

    name: str
    title: str
    schema: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Offer:
    """An action worth offering. `arguments` are those that the viewer context holds, each valid by itself; `missing` are left
    for the person. `reason` says why it is offered and travels with the run; `score` is 0..1.
    """

    action: str
    version: str
    schema_hash: str
    title: str
    arguments: Mapping[str, Json]
    missing: tuple[MissingArgument, ...]
    reason: str
    matched: str
    score: float


@dataclass(frozen=True, slots=True)
class _Phrases:
    """How one action is asked for: rows `first` to `last` of the matrix, and its words."""

    spec: ActionSpec
    texts: tuple[str, ...]
    words: str
    first: int

    @property
    def last(self) -> int:
        return self.first + len(self.texts)


class Offers:
    """Finds the action that somebody asks for. Phrases are encoded once, at the first question. Safe from many threads."""

    def __init__(self, registry: Registry, encoder: Encoder, *, threshold: float = THRESHOLD) -> None:
        self._encoder, self._threshold = encoder, threshold
        self._actions = tuple(_phrases(registry))
        self._lock = threading.Lock()
        self._vectors: Vectors | None = None

    def offer(self, question: str, viewer_context: Mapping[str, Json], locale: str, allowed: Collection[str]) -> Offer | None:
        """The action of those allowed that the question asks for; None when it asks for knowledge, for the opposite, for
        something else, or not clearly enough.

        Arguments come from `viewer_context` by `x-context` alone. A value there that is not valid is left out, never mended.
        """
        actions = [action for action in self._actions if action.spec.name in allowed]
        if not actions or not is_request(question, locale) or len(terms(question, locale)) < _FEWEST_TERMS:
            return None
        score, action, matched = max(self._scores(question, locale, actions), key=lambda found: found[0])
        if score < self._threshold or is_opposite(question, locale) is not is_opposite(matched, locale):
            return None
        spec = action.spec
        arguments = from_context(spec, viewer_context)
        return Offer(
            action=spec.name,
            version=spec.version,
            schema_hash=spec.schema_hash,
            title=spec.title,
            arguments=arguments,
            missing=tuple(_missing(spec, arguments)),
            reason=f"You asked to: {_shortened(question)}",
            matched=matched,
            score=round(score, 4),
        )

    def _scores(self, question: str, locale: str, actions: list[_Phrases]) -> Iterator[tuple[float, _Phrases, str]]:
        """Each action's score with the phrase that is nearest: cosine to that phrase, shared words with it, and how much of the
        question is made of the action's words, rarer words counting more.
        """
        similarities = self._matrix() @ self._encoder.encode_query(question)
        asked = list(dict.fromkeys(terms(question, locale)))
        words = {action.spec.name: _terms(action.words, locale) for action in self._actions}
        weight = {term: _rarity(sum(term in known for known in words.values()), len(words)) for term in asked}
        total = sum(weight.values())
        for action in actions:
            nearest = int(np.argmax(similarities[action.first : action.last]))
            phrase = action.texts[nearest]
            covered = sum(weight[term] for term in asked if term in words[action.spec.name]) / total
            shared = _dice(set(asked), _terms(phrase, locale))
            score = _MEANING * float(similarities[action.first + nearest]) + _PHRASE * shared + _WORDS * covered
            if asked[0] not in _terms(" ".join(action.texts), locale):
                score -= _OTHER_DEED
            yield score, action, phrase

    def _matrix(self) -> Vectors:
        with self._lock:
            if self._vectors is None:
                self._vectors = self._encoder.encode([text for action in self._actions for text in action.texts])
            return self._vectors


def _phrases(registry: Registry) -> Iterator[_Phrases]:
    first = 0
    for spec in registry.newest():
        texts = (spec.title, *dict.fromkeys(example.says for example in spec.examples if example.is_valid and example.says))
        values = " ".join(_choices(spec.schema, spec.schema))
        yield _Phrases(spec, texts, " ".join((*texts, spec.description, values)), first)
        first += len(texts)


def _choices(root: Mapping[str, Json], node: Json) -> Iterator[str]:
    """The values that arguments may be chosen from, as words: they name what the action can be about."""
    node = resolved(root, node) if isinstance(node, Mapping) else {}
    options = node.get("enum")
    for option in options if isinstance(options, list) else ():
        if isinstance(option, str):
            yield option.replace("_", " ")
    properties = node.get("properties")
    for inner in properties.values() if isinstance(properties, Mapping) else ():
        yield from _choices(root, inner)
    if "items" in node:
        yield from _choices(root, node["items"])


def _terms(text: str, locale: str) -> frozenset[str]:
    return frozenset((*terms(text, locale), *terms(text, _DEFAULT_LOCALE)))


def _rarity(actions_with_it: int, actions: int) -> float:
    """Larger for a word that fewer actions use; a word that none uses counts like the rarest."""
    return math.log(1 + actions / max(actions_with_it, 1))


def _dice(one: Collection[str], other: Collection[str]) -> float:
    return 2 * len(set(one) & set(other)) / (len(one) + len(other)) if one or other else 0.0


def from_context(spec: ActionSpec, viewer_context: Mapping[str, Json]) -> dict[str, Json]:
    """The arguments that `x-context` finds and the schema takes, normalised."""
    found: dict[str, Json] = {}
    for name, node in _properties(spec).items():
        path = context_path(node.get("x-context")) if isinstance(node, Mapping) else None
        value: Json = viewer_context
        for step in path or ():
            value = value.get(step) if isinstance(value, Mapping) else None
        if path is not None and value is not None:
            found |= _valid_alone(spec, name, value)
    return found


def _valid_alone(spec: ActionSpec, name: str, value: Json) -> dict[str, Json]:
    """The one argument as the schema takes it, nothing where it does not."""
    alone = {key: spec.schema[key] for key in ("$schema", "$defs") if key in spec.schema}
    schema = {**alone, "type": "object", "properties": {name: _properties(spec)[name]}, "additionalProperties": False}
    try:
        return dict(validated(replace(spec, schema=schema, schema_hash=f"{spec.schema_hash}/{name}"), {name: value}))
    except InvalidAction:
        return {}


def _missing(spec: ActionSpec, given: Mapping[str, Json]) -> Iterator[MissingArgument]:
    required = spec.schema.get("required", [])
    for name, node in _properties(spec).items():
        if isinstance(required, list) and name in required and name not in given:
            schema = resolved(spec.schema, node) if isinstance(node, Mapping) else {}
            yield MissingArgument(name, str(schema.get("title") or name.replace("_", " ")), schema)


def _properties(spec: ActionSpec) -> Mapping[str, Json]:
    properties = spec.schema["properties"]
    return properties if isinstance(properties, Mapping) else {}


def _shortened(question: str) -> str:
    text = " ".join(question.split())
    return text if len(text) <= _MOST_QUOTED else text[: _MOST_QUOTED - 1] + "\u2026"
