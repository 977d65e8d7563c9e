"""Whether somebody asks for a deed: not for knowledge, not for its opposite, and not telling what happened."""

import re

from surefoot.domain.lexicon import primary_language

# What may stand before the words that decide.
_POLITE = re.compile(r"^\W*(?:(?:please|hi|hello|hey|ok|okay|so|now|then|bitte|hallo|por favor|hola)\b\W*)+", re.IGNORECASE)
# How a question for knowledge, or a telling, begins. What begins with the asker's wish is neither.
_NO_REQUEST = {
    "en": r"how|what|when|where|why|which|who|whom|whose|is|are|am|was|were|do|does|did|has|have|had|should|shall|may|might|must"
    r"|(?:can|could|would|will)(?! (?:you|u)\b)"
    r"|(?:(?:can|could|would|will) (?:you|u) )?(?:please )?(?:explain|describe|summari[sz]e|clarify)"
    r"|(?:(?:can|could|would|will) (?:you|u) )?(?:please )?(?:tell|show) (?:me|us) "
    r"(?:how|what|when|where|why|which|who|about|if|whether|the doc\w*)"
    r"|(?:i|we)(?! (?:want|need|wish|would (?:like|love))\b|['\u2019]d (?:like|love)\b)"
    r"|(?:i|we)(?: (?:want|need|wish|would like|would love)|['\u2019]d (?:like|love))(?: to)? (?:know|understand|learn|ask)"
    r"|the|our|my|your|their|this|that|these|those|somebody|someone|they|he|she|it|there|yesterday|last|since|because|if|ignore",
    "de": r"wie|was|wann|wo|wohin|woher|warum|wieso|weshalb|welche\w*|wer|wem|wen|ist|sind|war|waren|hat|haben|hatte\w*|gibt"
    r"|kann|können(?! sie\b)|darf|dürfen|muss|müssen|soll|sollen|sollte\w*|erkläre?|beschreibe?"
    r"|(?:ich|wir)(?! (?:möchte\w*|will|wollen|brauche\w*|hätte\w*|würde\w*|wünsche\w*)\b)"
    r"|der|die|das|dieser?|unser\w*|mein\w*|wenn|weil|seit",
    "es": r"qué|que|cómo|como|cuándo|dónde|por qué|cuál\w*|quién\w*|cuánt\w*|es|son|está\w*|hay|tiene\w*|puedo|podemos|se puede"
    r"|debo|debemos|explica\w*|describe\w*|yo|nosotros|el|la|los|las|nuestr\w*|mi|mis|este|esta|si|porque|desde",
}
# What turns a wish around.
_OPPOSITE = {
    "en": r"not|never|cannot|\w{1,10}n['\u2019]t|dont|stop|stops|cancel|remove|delete|disable|deactivate|disconnect|unlink|unpin"
    r"|hide|discard|dismiss|undo|revoke|withdraw|revert|downgrade|without|detach|uninstall|block|forget|get rid"
    r"|end (?:the|my|our|this)|(?:turn|switch|shut|take)\b.{0,60}\boff",
    "de": r"nicht|kein\w*|nie|niemals|stoppe?|beende|entferne?|lösche?|trenne?|deaktiviere?|abschalten|ausschalten"
    r"|schalte?\b.{0,60}\baus|ohne",
    "es": r"no|nunca|jamás|detén|cancela\w*|elimina\w*|borra\w*|quita\w*|desactiva\w*|desconecta\w*|sin",
}
# A question is only a request when it asks whether somebody would do it.
_ASKS_YOU = re.compile(
    r"\W*(?:(?:can|could|would|will) (?:you|u)|(?:kannst|könntest|würdest) du|(?:können|könnten) sie|puede[ns]?|podrías?)\b",
    re.IGNORECASE,
)
# A question word after a word or two: "for how long", "bis wann", "hasta cuándo".
_ASKS_LATER = re.compile(
    r"\W*(?:\w+ ){1,2}(?:how|what|when|where|why|which|who|wann|wie|was|wo|welche\w*|wer|cuándo|cuánt\w+|qué|cuál\w*|dónde)\b",
    re.IGNORECASE,
)


def _compiled(rules: dict[str, str], template: str) -> dict[str, re.Pattern[str]]:
    """A pattern for each language, each with English beside its own words, and one of all of them for any other."""
    every = "|".join(rules.values())
    joined = {language: rules["en"] if language == "en" else f"{rules['en']}|{words}" for language, words in rules.items()}
    return {language: re.compile(template.format(words), re.IGNORECASE) for language, words in (*joined.items(), ("", every))}


_BEGINS = _compiled(_NO_REQUEST, r"\W*(?:{})\b")
_HOLDS = _compiled(_OPPOSITE, r"\b(?:{})\b")
_MOST_CHARACTERS = 300


def is_request(text: str, locale: str) -> bool:
    """Whether the text asks for something to be done, as far as its first words show: `connect our chat` and `can you connect
    our chat?` do, `how do I connect our chat?` and `we connected our chat yesterday` do not. In doubt it is not a request.
    """
    bare = _POLITE.sub("", text[:_MOST_CHARACTERS].strip())
    if not bare or len(text) > _MOST_CHARACTERS:
        return False
    if ("?" in bare or "\uff1f" in bare) and not _ASKS_YOU.match(bare):
        return False
    begins = _BEGINS.get(primary_language(locale), _BEGINS[""])
    return begins.match(bare) is None and _ASKS_LATER.match(bare) is None


def is_opposite(text: str, locale: str) -> bool:
    """Whether the text holds a word that turns what is wished for around: not, stop, remove, turn off."""
    return _HOLDS.get(primary_language(locale), _HOLDS[""]).search(text[:_MOST_CHARACTERS]) is not None
