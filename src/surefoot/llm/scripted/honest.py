"""The honest model: quotes the sentences of its passages that speak of the question, or says that none does."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log

from surefoot.domain.lexicon import terms
from surefoot.domain.sentences import plain, sentences
from surefoot.domain.stop_words import STOP_WORDS
from surefoot.llm.scripted.dice import Dice
from surefoot.llm.scripted.prompt import FencedPassage, ReadPrompt
from surefoot.llm.scripted.script import Script, draft_json, question_json

MOST_CLAIMS = 3
# The share of the question's weight that a sentence's passage must hold to be answered from, and that it must hold itself.
_ENOUGH_IN_PASSAGE = 0.45
_ENOUGH_IN_SENTENCE = 0.15
# How a sentence is scored: by what it says, what its passage says, and how early the search gave that passage.
_OWN_WEIGHT, _PASSAGE_WEIGHT, _RANK_WEIGHT = 0.5, 0.3, 0.4
# A heading says what a sentence is about, which is less than saying it.
_HEADING_SHARE = 0.6
_VALUE_BONUS = 0.2
# A further sentence must come this near to the best one.
_NEAR_SHARE = 0.75
_LONGEST_CLAIM_CHARACTERS = 420
_SHORTEST_CLAIM_TERMS = 2
_NOT_PROSE = re.compile(r"#{1,6}[ \t]|```|~~~|:::|!!!|\[!|<[A-Za-z/!]|[-*_=]{3,}\s*\Z|\|[\s:|-]+\Z")
_ASKS_FOR_VALUE = re.compile(
    r"\b(?:how (?:much|many|long|often|soon|big|large|fast|old|far)|when|price|costs?|limit|deadline"
    r"|wie ?viel|wann|wie lange|cu[aá]nto)\b",
    re.IGNORECASE,
)
_VALUE = re.compile(r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|zero|never|always|daily|weekly|monthly)\b")
# Who spoke, and the words of a question that are about the answer and not about its subject.
_ASKING = re.compile(r"^(?:[^:?\n]{1,20}:\s)?(?:how (?:much|many|long|often|soon|far|big|large))?", re.IGNORECASE)
_NUMBER = re.compile(r"\d[\d.,]*")
# Words at the beginning of a sentence that tie it to the one before and add nothing to what it says.
_LEAD = re.compile(
    r"(?:(?:however|also|in addition|additionally|moreover|furthermore|for example|please note|note|tip|important)[,:]\s+"
    r"|(?:please )?note that\s+)(?=\S)",
    re.IGNORECASE,
)
_LEANS_ON_HISTORY = re.compile(
    r"\b(?:it|its|that|this|they|them|their|those|these|there|one|ones|he|she|so|instead|das|es|sie|eso|ello)\b"
    r"|^(?:and|or|but|und|aber|y)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence that may be quoted. `own` are its terms, `around` those of its headings, `passage_terms` all of its passage."""

    passage: FencedPassage
    rank: int
    place: int
    quote: str
    words: str
    own: frozenset[str]
    around: frozenset[str]
    passage_terms: frozenset[str]


def honest(prompt: ReadPrompt, dice: Dice, room: int) -> Script:
    """A draft of exact quotes; asked to repair one, every claim is its quote without Markdown and nothing else."""
    if prompt.wants_question:
        return Script(question_json(standalone(prompt)))
    chosen = best_sentences(prompt.question, prompt.passages)
    if not chosen:
        missing = ", ".join(_words_asked_for(prompt.question)[:8])
        return Script(draft_json([], cannot_answer={"reason": "not_in_passages", "missing": missing}))
    if any(_contradict(one, other) for one, other in combinations((quote for _, quote in chosen), 2)):
        return Script(draft_json([], cannot_answer={"reason": "conflicting", "missing": "Which of the passages holds."}))
    return Script(draft_json((_claim(quote, prompt), [(chunk_id, quote)]) for chunk_id, quote in chosen))


def best_sentences(question: str, passages: Sequence[FencedPassage]) -> list[tuple[str, str]]:
    """Chunk id and exact text of one to three sentences that answer, in reading order; none when no passage does."""
    language = _language(question)
    asked = tuple(dict.fromkeys(terms(question, language)))
    found = list(_sentences(passages, language))
    if not asked or not found:
        return []
    weights = _weights(asked, found)
    wants_value = _ASKS_FOR_VALUE.search(question) is not None
    ranked = sorted(
        ((_score(one, weights, wants_value=wants_value), one) for one in found if _may_answer(one, weights)),
        key=lambda pair: (-pair[0], pair[1].place),
    )
    kept: list[_Sentence] = []
    for score, one in ranked:
        if len(kept) < MOST_CLAIMS and score >= ranked[0][0] * _NEAR_SHARE and all(one.words != other.words for other in kept):
            kept.append(one)
    return [(one.passage.chunk_id, one.quote) for one in sorted(kept, key=lambda one: one.place)]


def standalone(prompt: ReadPrompt) -> str:
    """The question with the subject of the one before it, when it leans on that; else as it is."""
    question = prompt.question
    if _LEANS_ON_HISTORY.search(question) is None and len(terms(question, _language(question))) >= _SHORTEST_CLAIM_TERMS:
        return question
    earlier = [line for line in prompt.history.splitlines() if line.rstrip().endswith("?")]
    if not earlier:
        return question
    about = _ASKING.sub("", earlier[-1])
    subject = [word for word in re.findall(r"[\w'-]+", about) if terms(word, _language(about))]
    return f"{question.rstrip('?. ')} ({' '.join(subject)})?"


def _contradict(one: str, other: str) -> bool:
    """Whether two sentences say the same of different numbers."""
    first, second = plain(one), plain(other)
    return _NUMBER.sub("0", first) == _NUMBER.sub("0", second) and _NUMBER.findall(first) != _NUMBER.findall(second)


def _claim(quote: str, prompt: ReadPrompt) -> str:
    words = plain(quote)
    if prompt.is_repair:
        return words
    lead = _LEAD.match(words)
    rest = words[lead.end() :] if lead else words
    return rest[0].upper() + rest[1:]


def _sentences(passages: Iterable[FencedPassage], language: str) -> Iterable[_Sentence]:
    place = 0
    for rank, passage in enumerate(passages):
        around = frozenset(terms(f"{passage.title} {passage.heading}", language))
        everything = around | frozenset(terms(plain(passage.text), language))
        for start, end in sentences(passage.text):
            quote = passage.text[start:end]
            words = plain(quote)
            own = frozenset(terms(words, language))
            is_prose = _NOT_PROSE.match(quote) is None and not words.endswith(("?", ":"))
            if is_prose and len(own) >= _SHORTEST_CLAIM_TERMS and len(words) <= _LONGEST_CLAIM_CHARACTERS:
                yield _Sentence(passage, rank, place, quote, words, own, around, everything)
                place += 1


def _weights(asked: Sequence[str], found: Sequence[_Sentence]) -> dict[str, float]:
    """The share of each asked word in the question, rare words more; one that stands nowhere weighs like the rarest."""
    raw = {term: log(1.0 + len(found) / (0.5 + max(1, sum(term in one.own for one in found)))) for term in asked}
    total = sum(raw.values())
    return {term: weight / total for term, weight in raw.items()}


def _may_answer(one: _Sentence, weights: dict[str, float]) -> bool:
    in_passage = sum(weight for term, weight in weights.items() if term in one.passage_terms)
    return in_passage >= _ENOUGH_IN_PASSAGE and _share(one, weights) >= _ENOUGH_IN_SENTENCE


def _score(one: _Sentence, weights: dict[str, float], *, wants_value: bool) -> float:
    in_passage = sum(weight for term, weight in weights.items() if term in one.passage_terms)
    score = _OWN_WEIGHT * _share(one, weights) + _PASSAGE_WEIGHT * in_passage + _RANK_WEIGHT / (1 + one.rank)
    return score + (_VALUE_BONUS if wants_value and _VALUE.search(one.words) else 0.0)


def _share(one: _Sentence, weights: dict[str, float]) -> float:
    """The part of the question's weight that the sentence holds; what only its headings hold counts less."""
    return sum(
        weight * (1.0 if term in one.own else _HEADING_SHARE if term in one.around else 0.0) for term, weight in weights.items()
    )


def _words_asked_for(question: str) -> list[str]:
    language = _language(question)
    return [word for word in re.findall(r"[\w'-]+", question) if terms(word, language)]


def _language(text: str) -> str:
    """The language with most of its function words in the text; English when none stands out."""
    words = re.findall(r"\w+", text.lower())
    counts = {language: sum(word in known for word in words) for language, known in STOP_WORDS.items()}
    best = max(counts, key=lambda language: (counts[language], language == "en"))
    return best if counts[best] > counts.get("en", 0) else "en"
