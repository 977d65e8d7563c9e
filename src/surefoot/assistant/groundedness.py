"""Whether evidence supports a claim: words, numbers, units, dates, names, negation, modality, meaning; each with its reason."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from surefoot.assistant.evidence_weighing import is_vetoed
from surefoot.assistant.evidence_windows import evidence_windows
from surefoot.assistant.exchanged import Exchanged, exchanged
from surefoot.assistant.facts import Facts, Quantity, facts_of
from surefoot.assistant.scorecard import Scorecard, ScorecardFile
from surefoot.core.errors import MissingModel
from surefoot.domain.lexicon import terms
from surefoot.domain.sentences import plain, sentences
from surefoot.ports import Encoder, EvidenceModel

_ENCODED_SENTENCES = 3
_LONGEST_ENCODED_CHARACTERS = 600
_WEAK_COVERAGE = 0.6
# Of 261 claims held out that say a thing of the wrong one, one was true.
SAID_OF_ANOTHER = 0.05
_EXACT = 0.99
_NOT_SAID = "No sentence of the evidence says this."
# Extracted text often glues sentences together; two whole words around a full stop are two sentences.
_GLUED = re.compile(r"(?<= )([a-z]{3,})\.(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
# Stems of words that point in opposite directions; four letters and more also match longer words that begin like them.
_OPPOSITES = (
    (
        "increas rais higher more greater elev enhanc promot upregul gain grow improv stimul activ",
        "decreas reduc lower less fewer inhibit suppress downregul declin loss lose impair prevent block attenu",
    ),
    ("before earlier prior preced", "after later follow subsequ"),
    ("enabl allow permit on includ support accept", "disabl forbid deni prohibit off exclud unsupport reject"),
    ("maximum most upper above exceed", "minimum least below under"),
    ("alway all everi", "never none no"),
    ("first begin start", "last end stop"),
    ("privat", "public"),
    ("success", "fail"),
    ("benefici safe", "harm danger risk"),
)


class SupportModel(BaseModel):
    """The model file `models/support.json`. `about` tells its reader how it was made and how good it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: Mapping[str, object]
    threshold: float
    support: ScorecardFile


@dataclass(frozen=True, slots=True)
class SupportScore:
    """`score` is the calibrated probability, 0..1, that the evidence supports the claim; `reasons` are what speaks against
    it, in sentences for a person, gravest first; none when nothing does.
    """

    score: float
    reasons: tuple[str, ...]


@cache
def shipped_support_model() -> SupportModel:
    """The model in the package; MissingModel when the file is gone or not in its format."""
    source = files("surefoot") / "models" / "support.json"
    try:
        return SupportModel.model_validate_json(source.read_bytes())
    except (OSError, ValidationError) as error:
        raise MissingModel(f"{source} cannot be read ({error}); reinstall surefoot.") from error


class Support:
    """Scores claims against evidence. Safe from many threads.

    With an evidence model that has a rule for it, the model reads a claim that the features take to be supported beside the
    windows of the evidence that come nearest, and may veto it; without one the features speak alone.
    """

    def __init__(self, encoder: Encoder, *, model: SupportModel | None = None, evidence: EvidenceModel | None = None) -> None:
        self._encoder = encoder
        self._model = model or shipped_support_model()
        self._card = Scorecard(self._model.support.bias, self._model.support.terms)
        self._evidence = evidence
        self._rule = evidence.rules.support if evidence is not None else None

    @property
    def threshold(self) -> float:
        """The least score of a claim that may be shown."""
        return self._model.threshold

    @property
    def asks_the_model(self) -> bool:
        """Whether an evidence model has a say."""
        return self._rule is not None

    def by_features(self) -> "Support":
        """The same score without the evidence model."""
        return Support(self._encoder, model=self._model)

    def score(self, claim: str, evidence: Sequence[str], *, locale: str = "en") -> SupportScore:
        """How far the evidence, taken together, supports the claim. An exact quote scores 1; no evidence, or no claim, 0."""
        said = plain(claim)
        texts = [text for text in map(plain, evidence) if text]
        if not said or not texts:
            return SupportScore(0.0, ("There is no evidence." if said else "The claim says nothing.",))
        if any(_holds_exactly(text, said) for text in texts):
            return SupportScore(1.0, ())
        return self.weigh(claim, evidence, locale=locale)[0]

    def weigh(self, claim: str, evidence: Sequence[str], *, locale: str = "en") -> "tuple[SupportScore, Comparison]":
        """The score by what the claim and the evidence say, exact quote or not, and the comparison it rests on."""
        said = plain(claim)
        compared = compare(said, evidence, self._encoder, locale)
        score, reasons = min(_EXACT, self._card.probability(compared.features())), compared.reasons()
        if compared.exchanged:
            score = min(score, SAID_OF_ANOTHER)
        if self._evidence is not None and self._rule is not None and score >= self.threshold:
            windows = self._evidence.claims(said, evidence_windows(said, evidence))
            if is_vetoed(windows, self._rule):
                score, reasons = max(window.supported for window in windows), [*reasons, _NOT_SAID]
        return SupportScore(score, tuple(reasons)), compared


def _holds_exactly(text: str, said: str) -> bool:
    """Whether the claim stands in the text as whole words."""
    place = text.find(said)
    end = place + len(said)
    return place >= 0 and not text[place - 1 : place].isalnum() and not text[end : end + 1].isalnum()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A claim beside its evidence. `nearest` are the facts of the sentences that come closest, `evidence` those of all."""

    claim: Facts
    evidence: Facts
    nearest: Facts
    missing_numbers: tuple[str, ...]
    other_units: tuple[Quantity, ...]
    missing_dates: tuple[str, ...]
    missing_names: tuple[str, ...]
    missing_words: tuple[str, ...]
    opposites: tuple[tuple[str, str], ...]
    coverage: float
    nearest_coverage: float
    pair_share: float
    order_share: float
    similarity_together: float
    words: int
    exchanged: Exchanged

    @property
    def negation_differs(self) -> bool:
        """Whether one of claim and nearest sentence denies and the other does not."""
        return self.claim.negations % 2 != self.nearest.negations % 2

    @property
    def modality_differs(self) -> bool:
        """Whether the claim obliges where the evidence only permits, or the other way round."""
        claim, nearest = self.claim, self.nearest
        return (claim.obliges and not nearest.obliges and nearest.permits) or (
            claim.permits and not nearest.permits and nearest.obliges
        )

    def features(self) -> dict[str, float]:
        """The measures that the support model weighs."""
        numbers = max(1, len(self.claim.numbers))
        names = max(1, len(self.claim.names | self.claim.identifiers))
        return {
            "coverage": self.coverage,
            "nearest_coverage": self.nearest_coverage,
            "pair_share": self.pair_share,
            "order_share": self.order_share,
            "similarity_together": self.similarity_together,
            "has_missing_number": float(bool(self.missing_numbers)),
            "missing_number_share": len(self.missing_numbers) / numbers,
            "missing_number_in_same_words": float(bool(self.missing_numbers)) * self.nearest_coverage,
            "missing_name_in_same_words": float(bool(self.missing_names)) * self.nearest_coverage,
            "has_other_unit": float(bool(self.other_units)),
            "has_missing_date": float(bool(self.missing_dates)),
            "has_missing_name": float(bool(self.missing_names)),
            "missing_name_share": len(self.missing_names) / names,
            "negation_differs": float(self.negation_differs),
            "negation_differs_in_same_words": float(self.negation_differs) * self.nearest_coverage,
            "modality_differs": float(self.modality_differs),
            "says_opposite": float(bool(self.opposites)),
            "missing_words": min(1.0, len(self.missing_words) / 5),
            "fully_covered": float(not self.missing_words),
            "log_words": float(np.log1p(self.words)),
        }

    def reasons(self) -> list[str]:
        """What speaks against the claim, gravest first."""
        found = [f"The number {value} is not in the evidence." for value in self.missing_numbers]
        found += [f"The evidence has {q.value} with another unit than {q.unit}." for q in self.other_units]
        found += [f"The date {date.removeprefix('month ')} is not in the evidence." for date in self.missing_dates]
        found += [f"The name “{name}” is not in the evidence." for name in self.missing_names]
        if self.negation_differs and self.nearest_coverage >= _WEAK_COVERAGE:
            found.append("One of claim and evidence says “not”, the other does not.")
        found += [f"The claim says “{claimed}” where the evidence says “{stated}”." for claimed, stated in self.opposites]
        found += self.exchanged.reasons()
        if self.modality_differs:
            found.append("The claim and the evidence differ in whether it must be or may be.")
        if self.coverage < _WEAK_COVERAGE:
            named = ", ".join(f"“{word}”" for word in self.missing_words[:3])
            found.append(f"Much of the claim is not in the evidence: {named}.")
        return found


def compare(claim: str, evidence: Sequence[str], encoder: Encoder, locale: str) -> Comparison:
    """The claim, already plain, beside the evidence and beside the sentences of it that come closest."""
    texts = [_GLUED.sub(r"\1. ", text) for text in evidence]
    units = [words for text in texts for start, end in sentences(text) if (words := plain(text[start:end]))]
    asked = terms(claim, locale) or terms(claim, locale, keep_stop_words=True)
    wanted = list(dict.fromkeys(asked))
    by_unit = [terms(unit, locale) for unit in units]
    everything = frozenset(term for found in by_unit for term in found)
    order = sorted(range(len(units)), key=lambda row: (-_share(wanted, frozenset(by_unit[row])), row))
    near_terms, near_text = (by_unit[order[0]], units[order[0]]) if order else ([], "")
    whole = plain("\n".join(evidence))
    claim_facts, facts, nearest = facts_of(claim), facts_of(" ".join(units)), facts_of(near_text)
    pairs = {(a, b) for a, b in pairwise(asked) if a != b}
    near_pairs = {(a, b) for found in by_unit for a, b in pairwise(found)}
    lowered = whole.lower()
    return Comparison(
        claim=claim_facts,
        evidence=facts,
        nearest=nearest,
        missing_numbers=tuple(sorted(claim_facts.numbers - facts.numbers)),
        other_units=_other_units(claim_facts, facts),
        missing_dates=tuple(sorted(claim_facts.dates - facts.dates)),
        missing_names=tuple(sorted(name for name in claim_facts.names | claim_facts.identifiers if name not in lowered)),
        missing_words=tuple(term for term in wanted if term not in everything),
        opposites=_opposites(wanted, frozenset(near_terms)),
        coverage=_share(wanted, everything),
        nearest_coverage=_share(wanted, frozenset(near_terms)),
        pair_share=len(pairs & near_pairs) / len(pairs) if pairs else _share(wanted, everything),
        order_share=_longest_common(wanted, near_terms) / max(1, len(wanted)),
        similarity_together=_similarity(claim, [units[row] for row in order[:_ENCODED_SENTENCES]], encoder),
        words=len(_WORD.findall(claim)),
        exchanged=exchanged(claim, units, near_text, locale),
    )


def _share(wanted: Sequence[str], found: frozenset[str]) -> float:
    return sum(term in found for term in wanted) / len(wanted) if wanted else 0.0


def _other_units(claim: Facts, evidence: Facts) -> tuple[Quantity, ...]:
    """The claim's quantities whose value the evidence has, but never with that unit and always with one."""
    found = []
    for quantity in sorted(claim.quantities, key=lambda q: (q.value, q.unit)):
        units = {other.unit for other in evidence.quantities if other.value == quantity.value}
        if quantity.unit and units and quantity.unit not in units and "" not in units:
            found.append(quantity)
    return tuple(found)


def _opposites(claim: Sequence[str], evidence: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of words, one of the claim and one of the evidence, that mean opposite directions, where the claim's own word
    is not in the evidence.
    """
    found = []
    for sides in _OPPOSITES:
        for mine, theirs in (sides, sides[::-1]):
            claimed = [word for word in claim if word not in evidence and _starts_with_any(word, mine)]
            stated = [word for word in sorted(evidence) if word not in claim and _starts_with_any(word, theirs)]
            if claimed and stated:
                found.append((claimed[0], stated[0]))
    return tuple(found)


def _starts_with_any(word: str, stems: str) -> bool:
    return any(word == stem or (len(stem) >= 4 and word.startswith(stem)) for stem in stems.split())


def _longest_common(claim: Sequence[str], evidence: Sequence[str]) -> int:
    """The length of the longest common subsequence: words in the same order, gaps allowed."""
    row = [0] * (len(evidence) + 1)
    for word in claim:
        before = 0
        for place, other in enumerate(evidence, start=1):
            above = row[place]
            row[place] = before + 1 if word == other else max(above, row[place - 1])
            before = above
    return row[-1]


def _similarity(claim: str, units: Sequence[str], encoder: Encoder) -> float:
    """The cosine of the claim with the units read together."""
    if not units:
        return 0.0
    one, other = encoder.encode([text[:_LONGEST_ENCODED_CHARACTERS] for text in (claim, " ".join(units))])
    return float(one @ other)
