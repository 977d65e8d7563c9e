"""Whether a question leans on what was asked before, by its words alone: openings, pronouns without a noun, half sentences."""

import re
from dataclasses import dataclass
from enum import StrEnum

from surefoot.domain.lexicon import primary_language, terms
from surefoot.domain.stop_words import STOP_WORDS

# With so many content terms of its own a question stands alone, whatever its pronouns point to.
_ENOUGH_TERMS = 6
_MOST_ELLIPTIC_TERMS = 3


class Kind(StrEnum):
    """What a question lacks: the noun of a pronoun, the act that "do it" means, or a sentence around its words."""

    PRONOUN = "pronoun"
    ACT = "act"
    MENTION = "mention"
    ELLIPSIS = "ellipsis"


@dataclass(frozen=True, slots=True)
class Leaning:
    """How a question leans. `rest` is it without its opening words; `start:end` are the words in `rest` that point back
    (empty for an ellipsis). `is_possessive` when they are such as "its". `because` says it to a person.
    """

    kind: Kind
    rest: str
    because: str
    start: int = 0
    end: int = 0
    is_possessive: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """One language's words. `act`, `pronoun` and `mention` capture in group 1 what points back; `empty` are uses of the same
    words that point to nothing; `clause` are words that make a sentence of it.
    """

    filler: re.Pattern[str]
    connective: re.Pattern[str]
    about: re.Pattern[str]
    act: re.Pattern[str]
    pronoun: re.Pattern[str]
    mention: re.Pattern[str]
    possessive: re.Pattern[str]
    empty: re.Pattern[str]
    clause: re.Pattern[str]
    preposition: re.Pattern[str]
    asked_of: re.Pattern[str]
    addition: re.Pattern[str]
    boundary: re.Pattern[str]


def _words(pattern: str, *, at_start: bool = False) -> re.Pattern[str]:
    return re.compile(rf"^\W*(?:{pattern})\b[\s,.!:;\u2026-]*" if at_start else rf"\b(?:{pattern})\b", re.IGNORECASE)


_EN = Wording(
    filler=_words(
        r"ok(?:ay)?|so|well|hm+|thanks?(?: you)?|great|good|fine|right|yes|no|alright|sure|now|cool|i see", at_start=True
    ),
    connective=_words(r"and|or|but|then|also|plus", at_start=True),
    about=_words(
        r"(?:what|how) about|what of|(?:is (?:it|that) |does )?the same (?:(?:apply |true )?(?:for|to|with|on|in))|"
        r"same (?:for|with|on)",
        at_start=True,
    ),
    act=re.compile(r"\b(do (?:it|that|this|so|these|those))\b", re.IGNORECASE),
    pronoun=re.compile(
        r"\b(it|its|they|them|their|theirs|he|she|him)\b(?!['\u2019]s\b)|\b(this|these)\b(?=\s*[?,.!;]|\s*$|\s+(?:is|are|was|can|"
        r"could|will|would|may|must|does|do|apply|applies|mean|means|cost|costs|take|takes|work|works|happen|happens|be|"
        r"count|counts|for|on|in|with|also|too|per|by|again|instead)\b)"
        r"|\b(?:is|was|does|do|did|can|could|will|would|should|has|may|must|about|of|for|with|after|before|to|by|like|than|from|"
        r"without|change|undo|cancel|stop|avoid|see|find|need|use|switch|turn)\s+(that|those)\b(?=\s*[?,.!;]|\s*$|\s+(?:apply|"
        r"applies|mean|cost|take|work|happen|be|count|include|for|on|in|with|also|too|per|by|again|instead|affect|change|off|"
        r"need|require|expire|end|start|free|possible|allowed|still|really|last|automatic|automatically)\b)"
        r"|^\W*(that|those)\b(?=\s+(?:is|are|was)\b)|\b(that|those)\b(?=\s*[?.!]*\s*$)",
        re.IGNORECASE,
    ),
    mention=re.compile(
        r"\b((?:an?|the|this|that|another|which) (?:\w+ )?ones?)\b|^\W*(how many)(?= (?:does|do|did|can|may|are)\b| times\W*$)"
        r"|\b((?:this|these|those) (?!(?:is|are|was|can|may|will|who|already|we|you|i|they|it|the|a|have|has|had|does|do|needs?|"
        r"must|failed|went)\b)[a-z-]+)\b"
        r"|\b(?:is|was|on|in|of|for|with|after|before|to|by|than|from|about|at|during|does|can|will|until) (that [a-z-]+)\b"
        r"|(?<!is )(?<!are )(?<!was )(?<!if )\b(there)\b(?=\s*[?,.!]|\s*$)"
        r"|\b(?:until|till|by|since|happens?|after|what) (then)\b|\b(then)\b(?=\s*[?.!]*\s*$)"
        r"|\b(the same|the others?|the latter|the former|the rest)\b(?=\s*[?.!]*\s*$)",
        re.IGNORECASE,
    ),
    possessive=_words(r"its|their|theirs|his"),
    empty=re.compile(
        r"\b(?:is|was|would|will|be|isn't)\s+it\s+(?:\w+\s+)?(?:possible|allowed|ok|okay|necessary|required|true|mandatory|safe|"
        r"correct|normal|legal|better|best|worth|enough|easy|hard)\s+(?:\w+\s+){0,3}?(?:to|that|if)\s+\w+"
        r"|\b(?:how|what)(?:\s+\w+)?\s+(?:does|did|will|would)\s+it\s+(?:take|cost|need|require|mean)\s+"
        r"(?:\w+\s+)?(?:to|when|if|until|before)\s+\w+"
        r"|\bdoes it matter\b|\bit (?:says|seems|looks)\b|\b(?:this|that) (?:month|year|week|quarter|morning|time|day|moment|"
        r"page|product|workspace|account|service|site|website|app)\b|\b(?:these|those) (?:days|who)\b"
        r"|\b(?:so|now|given|except|provided|such|true|sure|know|say|says|told|think|fact|see|hope|ensure|check|way|case) that\b",
        re.IGNORECASE,
    ),
    clause=_words(
        r"what|what's|when|where|why|how|who|whom|whose|which|is|are|am|was|were|do|does|did|can|could|will|would|should|may|must|"
        r"have|has|had|show|tell|explain|list|give|need|want"
    ),
    preposition=_words(
        r"(?:only )?(?:by|on|for|with|in|from|to|at|without|during|after|before|per|via|through|under|if)", at_start=True
    ),
    asked_of=re.compile(
        r"^\W*(?:in|on|for|with|at|from|by|to|until) (?:which|what|how many|how much) \w+(?: \w+)?\W*$", re.IGNORECASE
    ),
    addition=re.compile(r"\b(?:too|as well|instead|either|also)\s*[?.!]*\s*$", re.IGNORECASE),
    boundary=re.compile(
        r"[,;:.!?\u2013\u2014]|\b(?:and|but|or|if|when|after|before|once|because|until|while|that|which|who)\b", re.I
    ),
)

_DE = Wording(
    filler=_words(r"ok(?:ay)?|also|gut|danke|ja|nein|aha|schön|alles klar", at_start=True),
    connective=_words(r"und|oder|aber|dann|sowie", at_start=True),
    about=_words(
        r"was ist mit|wie (?:ist|sieht|steht) es (?:mit|bei|um|für)|wie sieht es aus (?:mit|bei)|wie wäre es mit|"
        r"gilt (?:das|dasselbe|das gleiche) auch (?:für|bei|mit)|was gilt (?:für|bei)",
        at_start=True,
    ),
    act=re.compile(r"(?!)"),
    pronoun=re.compile(
        r"\b((?i:dafür|damit|davon|dazu|dabei|dagegen|daran|darauf|danach|dort|dahin|dadurch))\b|\b(es|er|ihn|ihm|sie|deren|dessen)\b"
        r"|\b([Dd]as)\b(?!\s+(?:[\wäöü]+e[rsnm]?\s+)?[A-ZÄÖÜ])",
    ),
    mention=re.compile(
        r"\b(dann)\b(?=\W*$)|\b(dies(?:e[rsmn]?)?|jene[rsmn]?|denselben|dieselben?|dasselbe|derselben?)\b", re.IGNORECASE
    ),
    possessive=re.compile(r"\b(?:deren|dessen)\b", re.IGNORECASE),
    empty=re.compile(
        r"\b(?:gibt|geht|ist|wäre|wird|braucht|heißt|dauert) es\b(?=.*\b(?:zu|dass|eine?n?|keine?n?|für|wenn|bis|möglich)\b)"
        r"|\bes (?:gibt|ist|geht)\b|\bgibt es\b"
        r"|\bdiese[rsmn]? (?:Monat|Jahr|Woche|Tag|Seite|Quartal)\w*",
        re.IGNORECASE,
    ),
    clause=_words(
        r"wer|wen|wem|was|wann|wo|woher|wohin|warum|weshalb|wieso|wie|wieviel|welche[rsmn]?|womit|wofür|ist|sind|war|kann|kannst|können|"
        r"darf|dürfen|muss|müssen|soll|sollen|will|wollen|wird|werden|hat|haben|habe|gibt|geht|kostet|kosten|gilt|gelten|dauert|"
        r"funktioniert|bekomme|bekommt|zeig|erklär|brauche|braucht"
    ),
    preposition=_words(
        r"(?:nur )?(?:bei|beim|mit|für|per|auf|im|in|ohne|nach|an|zu|zum|zur|vom|von|als|unter|während|vor)", at_start=True
    ),
    asked_of=re.compile(
        r"^\W*(?:in|auf|für|mit|bei|von|ab|bis zu) (?:welche[rsmn]?|was|wie viele[rsmn]?) \w+\W*$", re.IGNORECASE
    ),
    addition=re.compile(r"\b(?:auch|stattdessen|ebenfalls)\s*[?.!]*\s*$", re.IGNORECASE),
    boundary=re.compile(
        r"[,;:.!?\u2013\u2014]|\b(?:und|aber|oder|wenn|nachdem|bevor|sobald|weil|bis|während|dass)\b", re.IGNORECASE
    ),
)

_ES = Wording(
    filler=_words(r"ok|bien|gracias|vale|sí|no|bueno|perfecto", at_start=True),
    connective=_words(r"y|e|o|pero|entonces|también|además", at_start=True),
    about=_words(
        r"qué pasa con|qué hay (?:de|con)|qué tal|lo mismo (?:para|con)|es (?:igual|lo mismo) (?:para|con)", at_start=True
    ),
    act=re.compile(r"(?!)"),
    pronoun=re.compile(
        r"\b(eso|esto|ello|él|ella|ellos|ellas)\b|\b(lo|la|los|las)\s+(?:puedo|puede|pueden|podemos|hago|hace|tengo|debo|necesito|"
        r"quiero|cambio|cancelo|anulo)\b|\b\w+[aei]r(lo|la|los|las)\b",
        re.IGNORECASE,
    ),
    mention=re.compile(
        r"\b(es[ae]s?|esos|est[ae]s?|estos|aquel(?:l[ao]s?)?)\b(?=\s+\w)|\b(allí|ahí|allá)\b|"
        r"\b(?:el|la|los|las) (mism[ao]s?|otr[ao]s?)\b",
        re.IGNORECASE,
    ),
    possessive=re.compile(r"(?!)"),
    empty=re.compile(
        r"\best[ea]s? (?:mes|año|semana|día|momento|página|cuenta)\w*|\blo que\b|\besta(?:mos|ba|n)\b", re.IGNORECASE
    ),
    clause=_words(
        r"qué|quién|quiénes|cuál|cuáles|cuándo|dónde|cómo|cuánt[oa]s?|es|son|está|están|hay|puedo|puede|pueden|podemos|debo|debe|tengo|"
        r"tiene|tienen|hago|hace|cuesta|cuestan|dura|duran|funciona|necesito|quiero|se"
    ),
    preposition=_words(r"(?:solo )?(?:con|para|por|en|sin|desde|de|a|al|del|durante|según|hasta|tras)", at_start=True),
    asked_of=re.compile(r"^\W*(?:en|con|para|por|de|a|desde) (?:qué|cuáles?|cuánt[oa]s) \w+\W*$", re.IGNORECASE),
    addition=re.compile(r"\b(?:también|tampoco)\s*[?.!]*\s*$", re.IGNORECASE),
    boundary=re.compile(r"[,;:.!?\u2013\u2014]|\b(?:y|pero|o|si|cuando|porque|hasta|mientras|que|después)\b", re.IGNORECASE),
)

_NAMES_NOTHING = frozenset(
    terms("long soon far late early quick fast happen mean work take cost change start begin occur possible")
) | {"passiert", "pasa", "ocurr"}
_DETERMINED = re.compile(r"\b(?:an?|the|my|our|each|every|any|ein|eine|el|la|un|una)\s+\w", re.IGNORECASE)
_WORDINGS = {"en": _EN, "de": _DE, "es": _ES}
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")


def language_of(question: str, locale: str) -> str:
    """The language the question is written in, of those we know the words of: the locale's own unless another fits better."""
    words = [word.lower() for word in _WORD.findall(question)]
    own = primary_language(locale)
    found = {name: sum(word in STOP_WORDS[name] for word in words) for name in _WORDINGS}
    return max(found, key=lambda name: (found[name], name == own, name == "en"))


def leaning(question: str, locale: str) -> Leaning | None:
    """How the question leans on earlier ones; None when it stands alone."""
    language = language_of(question, locale)
    wording = _WORDINGS[language]
    rest = _without(question.strip(), wording.filler)
    opening = wording.connective.match(rest)
    if opening:
        rest = _without(rest[opening.end() :], wording.filler)
    about = wording.about.match(rest)
    if about and rest[about.end() :].strip(" ?!."):
        return Leaning(Kind.ELLIPSIS, rest[about.end() :], f"it opens with “{about[0].strip()}”")
    count = len(set(terms(rest, language)))
    if count < _ENOUGH_TERMS:
        pointing = _pointing(rest, wording, language)
        if pointing is not None:
            return pointing
    return _elliptic(rest, wording, language, count, opening[0].strip(" ,") if opening else "")


def _without(text: str, opening: re.Pattern[str]) -> str:
    """The text without these opening words, unless nothing else would be left."""
    while (match := opening.match(text)) and text[match.end() :].strip(" ?!."):
        text = text[match.end() :]
    return text


def _pointing(rest: str, wording: Wording, language: str) -> Leaning | None:
    """The first words of the question that point to something it does not name."""
    empty = [match.span() for match in wording.empty.finditer(rest)]
    for kind, pattern in ((Kind.ACT, wording.act), (Kind.PRONOUN, wording.pronoun), (Kind.MENTION, wording.mention)):
        for match in pattern.finditer(rest):
            start, end = match.span(match.lastindex or 0)
            if any(a <= start and end <= b for a, b in empty):
                continue
            is_possessive = wording.possessive.fullmatch(rest[start:end]) is not None
            if not _named_before(rest[:start], wording, language, is_possessive=is_possessive):
                return Leaning(kind, rest, f"“{rest[start:end]}” points back", start, end, is_possessive)
    return None


def _named_before(before: str, wording: Wording, language: str, *, is_possessive: bool) -> bool:
    """Whether the question itself has named what a pronoun after `before` can stand for: in an earlier clause, that is.

    A possessive may also belong to a noun of its own clause ("Can a customer change their address?").
    """
    if is_possessive:
        return _DETERMINED.search(before) is not None or len(_nouns(before, language)) > 1
    return any(_nouns(before[: match.start()], language) for match in wording.boundary.finditer(before))


def _nouns(text: str, language: str) -> set[str]:
    """The content terms of a text that can name a thing: "what happens when it ..." has named nothing."""
    return set(terms(text, language)) - _NAMES_NOTHING


def _elliptic(rest: str, wording: Wording, language: str, count: int, opening: str) -> Leaning | None:
    """Half a sentence: too few words of its own, and none that make a clause of them."""
    has_clause = wording.clause.search(rest) is not None
    if wording.asked_of.match(rest):
        return Leaning(Kind.ELLIPSIS, rest, "it is half a sentence")
    if has_clause and not _nouns(rest, language):
        return Leaning(Kind.ELLIPSIS, rest, "it names nothing")
    if not has_clause and opening and count < _ENOUGH_TERMS:
        return Leaning(Kind.ELLIPSIS, rest, f"it opens with “{opening}” and has no verb")
    if not has_clause and count <= _MOST_ELLIPTIC_TERMS and wording.preposition.match(rest):
        return Leaning(Kind.ELLIPSIS, rest, "it is half a sentence")
    if count <= _MOST_ELLIPTIC_TERMS and wording.addition.search(rest) and (opening or not has_clause or count <= 1):
        return Leaning(Kind.ELLIPSIS, rest, f"“{rest.split()[-1].strip('?!. ')}” adds to an earlier question")
    if not has_clause and count <= 1:
        return Leaning(Kind.ELLIPSIS, rest, "it is one word")
    if has_clause and opening and count <= 1:
        return Leaning(Kind.MENTION, rest, f"it opens with “{opening}” and names little", len(rest), len(rest))
    return None
