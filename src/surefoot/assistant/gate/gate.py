"""The one check between what was written and what is shown: every claim, whoever wrote it, against the passages it cites."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from surefoot.assistant.facts import facts_of
from surefoot.assistant.gate.agreement import departures, without_lead
from surefoot.assistant.gate.foreign import foreign, unseen_characters
from surefoot.assistant.gate.quotes import Found, find
from surefoot.assistant.gate.rules import Broken, Rule, departed, in_order, smuggled
from surefoot.assistant.gate.selection import CoreFell, Selection
from surefoot.assistant.gate.tokens import names_in
from surefoot.assistant.groundedness import Comparison, Support
from surefoot.domain.answers import Answer, Citation, Claim, Passage, cite
from surefoot.domain.drafts import DraftCitation, DraftClaim, Judged
from surefoot.domain.languages import language_of
from surefoot.domain.lexicon import primary_language, terms
from surefoot.domain.policies import SurfacePolicy
from surefoot.domain.sentences import plain, sentences

_SHOWN_WORD_CHARACTERS = 40
# So many content words in a row that no quote has are a statement of their own.
_INVENTED_RUN = 3
# German writes every noun with a capital; there a capital alone makes no name.
_CAPITAL_NOUNS = "de"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a claim may stand on: the passages retrieved for this viewer and question, by chunk id, and how much may be said."""

    question: str
    locale: str
    passages: Mapping[str, Passage]
    longest_claim_characters: int = 600
    longest_answer_characters: int = 2_400
    most_claims: int = 8
    languages: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        asked = {primary_language(self.locale), language_of(self.question)} - {""}
        object.__setattr__(self, "languages", frozenset(asked))

    @classmethod
    def of(cls, question: str, locale: str, passages: Iterable[Passage]) -> "Ground":
        """The ground that these passages give."""
        return cls(question, locale, {passage.chunk.chunk_id: passage for passage in passages})


class Gate:
    """Judges claims; knows nothing but the ground it is given. Safe from many threads.

    `threshold` is the least support, 0..1, of a claim that is not its quote word for word; that of the support score unless
    another is given.
    """

    def __init__(self, support: Support, *, threshold: float | None = None) -> None:
        self._support = support
        self._given = threshold
        self._threshold = support.threshold if threshold is None else threshold

    def of(self, surface: SurfacePolicy) -> "Gate":
        """The gate of the surface: one that is not to ask the evidence model scores support by features alone."""
        if surface.evidence or not self._support.asks_the_model:
            return self
        return Gate(self._support.by_features(), threshold=self._given)

    def judge(self, claim: DraftClaim, ground: Ground) -> Judged:
        """The verdict on one claim of a model. The encoder is asked only about claims that break no rule that costs less."""
        return self._judge(claim, ground, longest=ground.longest_claim_characters)

    def check_answer(self, answer: Answer, ground: Ground) -> tuple[Judged, ...]:
        """The verdicts on an answer that is already cited, by the same rules; claims that are their quotes cost no encoder."""
        return tuple(
            self._judge(
                DraftClaim(claim.text, tuple(DraftCitation(cited.chunk_id, cited.quote) for cited in claim.citations)),
                ground,
                longest=ground.longest_answer_characters,
            )
            for claim in answer.claims
        )

    def settle(self, judged: Sequence[Judged], ground: Ground) -> tuple[Claim, ...] | CoreFell:
        """The claims to show, in order: what passed, each once, within the ground's limits. The first claim is the core;
        when it fell, all fell.
        """
        selection = Selection(ground.most_claims, ground.longest_answer_characters)
        shown = tuple(claim for claim in map(selection.admit, judged) if claim is not None)
        return shown if shown and selection.fell is None else selection.fell or CoreFell.without_claims()

    def _judge(self, claim: DraftClaim, ground: Ground, *, longest: int) -> Judged:
        broken, found = _cited(claim, ground)
        quotes = [place.text for place in found]
        broken += _written(claim.text, quotes, longest)
        support = 0.0
        if found and not broken:
            broken, support = self._weighed(claim.text, found, ground)
        shown = None if broken else Claim(claim.text.strip(), _citations(found), support)
        ordered = in_order(broken)
        rules = tuple(dict.fromkeys(each.rule.value for each in ordered))
        return Judged(claim.text, shown, round(support, 4), rules, tuple(each.reason for each in ordered))

    def _weighed(self, text: str, found: Sequence[Found], ground: Ground) -> tuple[list[Broken], float]:
        """What the claim says against what its quotes say, and how far they support it."""
        quotes = [place.text for place in found]
        verbatim = _is_a_quote(text, found)
        if verbatim and any(_is_whole(text, place) for place in found):
            return [], 1.0
        known_names = frozenset[str]().union(*(names_in(place.passage.chunk.text) for place in found))
        around = [place.sentence for place in found]
        nouns_are_capitals = _CAPITAL_NOUNS in {primary_language(found[0].passage.chunk.locale), language_of(plain(text))}
        found_departures = departures(text, quotes, around, known_names, nouns_are_capitals=nouns_are_capitals)
        broken = [departed(departure) for departure in found_departures]
        if _has_stray_denial(text):
            broken.append(Broken(Rule.NEGATION, "The claim denies something that it does not name."))
        if verbatim or broken:
            return broken, 0.0 if broken else 1.0
        broken = _foreign_to(text, found, ground)
        if broken:
            return broken, 0.0
        locale = found[0].passage.chunk.locale
        return self._supported(without_lead(text), quotes, locale)

    def _supported(self, text: str, quotes: Sequence[str], locale: str) -> tuple[list[Broken], float]:
        """Each sentence of the claim has to be supported: a false one is not carried by the true ones around it."""
        least = 1.0
        broken: list[Broken] = []
        for start, end in sentences(text):
            sentence = text[start:end]
            if not terms(plain(sentence), locale, keep_stop_words=True):
                continue
            score, compared = self._support.weigh(sentence, quotes, locale=locale)
            least = min(least, score.score)
            broken += _compared(compared)
            if score.score < self._threshold:
                reason = score.reasons[0] if score.reasons else "The quotes do not say this."
                broken.append(Broken(Rule.UNSUPPORTED, f"The quotes do not support this enough. {reason}"))
        return broken, least


def _cited(claim: DraftClaim, ground: Ground) -> tuple[list[Broken], list[Found]]:
    """What is wrong with the citations, and the quotes where they stand."""
    broken: list[Broken] = []
    found: list[Found] = []
    if not claim.citations:
        broken.append(Broken(Rule.NOT_CITED, "The claim cites nothing."))
    for citation in claim.citations:
        passage = ground.passages.get(citation.chunk_id)
        if passage is None or passage.chunk.chunk_id != citation.chunk_id:
            broken.append(Broken(Rule.UNKNOWN_CHUNK, "The claim cites a passage that was not given."))
            continue
        if passage.stale:
            broken.append(Broken(Rule.STALE, f"The cited passage may not be answered from: {passage.stale}."))
        place = find(passage, citation.quote)
        if place is None:
            broken.append(Broken(Rule.QUOTE_NOT_FOUND, "A quote does not stand in the passage it is said to be from."))
        elif place not in found:
            found.append(place)
    return broken, found


def _written(text: str, quotes: Sequence[str], longest: int) -> list[Broken]:
    """What is wrong with how the claim is written, whatever it says."""
    if not any(map(str.isalnum, plain(text))):
        return [Broken(Rule.EMPTY, "The claim says nothing.")]
    if len(text) > longest:
        return [Broken(Rule.TOO_LONG, f"The claim has {len(text)} characters; at most {longest} are shown.")]
    broken = []
    unseen = unseen_characters(text, quotes)
    if unseen:
        broken.append(Broken(Rule.UNSEEN_CHARACTERS, f"The claim has characters that cannot be seen: {', '.join(unseen[:3])}."))
    if not any(_normal(text) in _normal(quote) for quote in quotes):
        broken += [smuggled(kind) for kind in dict.fromkeys(piece.kind for piece in foreign(text, quotes))]
    return broken


def _foreign_to(text: str, found: Sequence[Found], ground: Ground) -> list[Broken]:
    """Whether the claim is in a language that neither asker nor source has, or makes a statement that no quote begins."""
    broken = []
    language = language_of(plain(text))
    locales = {primary_language(place.passage.chunk.locale) for place in found}
    quoted = {language_of(plain(place.text)) for place in found}
    is_said = any(_normal(text) in _normal(place.text) for place in found)
    if language and not is_said and language not in ground.languages | locales | quoted:
        broken.append(Broken(Rule.OTHER_LANGUAGE, "The claim is in another language than the question and the quotes."))
    locale = found[0].passage.chunk.locale
    have = frozenset(term for place in found for term in terms(plain(place.text), locale))
    run: list[str] = []
    for term in terms(plain(text), locale):
        run = [] if term in have else [*run, term]
        if len(run) >= _INVENTED_RUN:
            words = " ".join(run)[:_SHOWN_WORD_CHARACTERS]
            broken.append(Broken(Rule.INVENTED, f"The quotes say nothing of \u201c{words}\u201d."))
            break
    return broken


def _has_stray_denial(text: str) -> bool:
    """Whether a sentence after the first is a mere "not" or "never": it takes back what the quotes say, in no words of theirs."""
    later = [plain(text[start:end]) for start, end in sentences(text)][1:]
    return any(facts_of(each).negations and not terms(each, "en") for each in later)


def _compared(compared: Comparison) -> list[Broken]:
    """The hard rules that the comparison of claim and quotes gives, whatever the score."""
    broken = [Broken(Rule.NUMBER, f"The number {value} is not in the quotes.") for value in compared.missing_numbers]
    broken += [Broken(Rule.UNIT, f"The quotes have {q.value} with another unit than {q.unit}.") for q in compared.other_units]
    broken += [
        Broken(Rule.DATE, f"The date {day.removeprefix('month ')} is not in the quotes.") for day in compared.missing_dates
    ]
    if compared.modality_differs:
        broken.append(Broken(Rule.MODALITY, "The claim and the quote differ in whether it must be or may be."))
    for claimed, stated in compared.opposites:
        broken.append(Broken(Rule.OPPOSITE, f"The claim says \u201c{claimed}\u201d where the quote says \u201c{stated}\u201d."))
    return broken


def _normal(text: str) -> str:
    return " ".join(text.split())


def _is_a_quote(text: str, found: Sequence[Found]) -> bool:
    """Whether the claim is one of its quotes word for word."""
    said = _normal(text)
    return any(_normal(place.text) == said for place in found)


def _is_whole(text: str, place: Found) -> bool:
    """Whether the claim is not only the quote but also all of the sentences that it is quoted from."""
    return _normal(place.sentence) == _normal(text)


def _citations(found: Sequence[Found]) -> tuple[Citation, ...]:
    """A citation for each place, in the order they were given."""
    return tuple(
        cite(place.passage, place.passage.chunk.start + place.start, place.passage.chunk.start + place.end) for place in found
    )
