"""One sentence told again so that it still holds, or so that it no longer does: edits that share nearly all of its words.

Every kind of change that makes a sentence false has a counterpart that leaves it true: another number and the number in
words, a denial and a denial taken twice, a word for its opposite and a word for its synonym, a condition dropped and a
condition moved. Overlap, and the mere sight of a changed word, then say nothing.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from training.evidence_exchanges import exchanged
from training.sentence_edits import changed, retold, reworded

CONTRADICTED, NOT_STATED = "contradicted", "not_stated"
_OPPOSITE_WORDS = """
increase decrease/increases decreases/increased decreased/increasing decreasing/increased reduced/increases reduces/reduces raises
higher lower/high low/more less/more fewer/greater smaller/larger smaller/longer shorter/faster slower/before after/after before
enable disable/enables disables/enabled disabled/enabling disabling
allow prevent/allows prevents/allowed forbidden/allow block
add remove/added removed/adding removing/create delete/created deleted/open close/opens closes
start stop/starts stops/starting stopping
first last/minimum maximum/above below/inside outside/internal external/public private/automatically manually/always never
all none of the/all some/every no/both neither of the/with without/success failure/successful failed/succeeds fails/visible hidden
accept reject/accepts rejects/accepted rejected/include exclude/includes excludes/included excluded/true false/same different
local remote/synchronous asynchronous/temporary permanent/old new/older newer/best worst/most least
required optional/optional required/mandatory optional/online offline
read write/upload download/import export/encrypted unencrypted/safe unsafe
promotes inhibits/inhibits promotes/promote inhibit/activates suppresses/activation inhibition/induces prevents/induced prevented
upregulated downregulated/upregulation downregulation/improves worsens/improved worsened/positive negative/positively negatively
enhances impairs/enhanced impaired/associated unassociated/beneficial harmful/protective harmful/strong weak/early late/low high
sensitive resistant/essential dispensable/necessary unnecessary/possible impossible/common rare/lower higher/decreased increased
reduced increased/only also/once twice/one two/two three/three five/daily weekly/hourly daily/monthly yearly
""".replace("\n", "/")
OPPOSITES: tuple[tuple[str, str], ...] = tuple(
    (pair.split(" ", 1)[0], pair.split(" ", 1)[1]) for pair in _OPPOSITE_WORDS.strip("/").split("/") if " " in pair
)
_SAME_WORDS = (
    ("increases", "raises"), ("increased", "raised"), ("decreases", "lowers"), ("decreased", "lowered"), ("reduces", "lowers"),
    ("higher", "greater"), ("larger", "bigger"), ("faster", "quicker"), ("enable", "turn on"), ("enabled", "turned on"),
    ("disable", "turn off"), ("disabled", "turned off"), ("allows", "permits"), ("allowed", "permitted"), ("prevents", "stops"),
    ("remove", "delete"), ("removed", "deleted"), ("create", "make"), ("created", "made"), ("begins", "starts"),
    ("required", "mandatory"), ("mandatory", "required"), ("optional", "not required"), ("must", "has to"), ("cannot", "can not"),
    ("automatically", "on its own"), ("all", "every one of the"), ("always", "every time"),
    ("includes", "contains"), ("contains", "includes"), ("fails", "does not succeed"), ("private", "not public"),
    ("same", "identical"), ("different", "not the same"), ("without", "with no"), ("maximum", "upper limit"),
    ("minimum", "lower limit"), ("before", "prior to"), ("after", "once finished with"), ("via", "through"),
    ("inhibits", "suppresses"), ("promotes", "furthers"), ("induces", "brings about"), ("improves", "betters"),
    ("enhances", "strengthens"), ("impairs", "weakens"), ("associated with", "linked to"), ("because", "since"),
    ("provides", "offers"), ("specify", "state"), ("configure", "set up"), ("retrieve", "fetch"), ("multiple", "several"),
    ("patients", "people treated"), ("shows", "demonstrates"), ("suggests", "indicates"), ("however", "but"),
    ("several", "a number of"),
    ("currently", "at present"), ("modify", "change"), ("additional", "further"),
    ("example", "instance"), ("default", "standard"),
)  # fmt: skip
_DATE = re.compile(
    r"\b(January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b|\b(19|20)\d\d\b"
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "June", "July", "August", "September", "October", "November", "December")
_DECIMAL = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)?(?=\s?%|\b)(?![\w.]*\w)")
_WORD_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SMALL = re.compile(r"(?<![\w.,$-])(\d|1[0-2])(?![\w.,%:-])")
_IN_WORDS = re.compile(rf"\b({'|'.join(_WORD_NUMBERS[1:])})\b")
_DENIAL = re.compile(r"\b(is|are|was|were|does|do|did|can|should|will|must|has|have|could|would) not\b|\bcannot\b")
_VERB = re.compile(r"\b(is|are|was|were|can|should|will|must|has|have|could|would)\b(?! (?:not|no|never)\b)")
_CONTRACTIONS = {
    "is not": "isn't",
    "are not": "aren't",
    "does not": "doesn't",
    "do not": "don't",
    "cannot": "can't",
    "was not": "wasn't",
}
_ABLE = re.compile(r"\b([Yy]ou|[Ww]e|[Tt]hey|[Uu]sers|[Aa]dmins|[Cc]ustomers) can\b(?! not)")
_ROUGHLY = re.compile(r"\babout(?= \d)")
_CONDITION = re.compile(
    r"^(?P<condition>(?:If|When|Unless|Only if|For [A-Z]?[\w-]+ (?:plans|users|customers|accounts))[^,]{5,120}), "
    r"(?P<rest>.{25,})$"
)
_TRAILING = re.compile(
    r"^(?P<rest>.{25,}?),? (?P<condition>(?:if|unless|only if|only when|when|as long as|provided that|except) [^,]{8,120})\.$"
)
_ROLES = re.compile(
    r"(?P<before>\bfrom) (?P<one>[\w-]+(?: [\w-]+)?) (?P<between>to|into) (?P<two>(?:the )?[\w-]+)\b|"
    r"(?P<left>\b[\w-]{4,}) (?P<verb>before|after|instead of|rather than|replaces|inhibits|activates|induces|overrides) "
    r"(?P<right>[\w-]{4,})\b"
)
# What can be done, told from the side of the thing: `You can export invoices as files` and `Invoices can be exported as files`.
_DONE = {
    "add": "added", "change": "changed", "choose": "chosen", "configure": "configured", "create": "created", "define": "defined",
    "delete": "deleted", "disable": "disabled", "edit": "edited", "enable": "enabled", "export": "exported", "filter": "filtered",
    "find": "found",
    "import": "imported", "install": "installed", "manage": "managed", "modify": "modified", "override": "overridden",
    "pass": "passed",
    "remove": "removed", "restrict": "restricted", "run": "run", "see": "seen", "select": "selected", "send": "sent",
    "set": "set",
    "specify": "specified", "store": "stored", "test": "tested", "track": "tracked", "update": "updated", "use": "used",
    "view": "viewed", "customize": "customized", "deploy": "deployed", "access": "accessed", "retrieve": "retrieved",
}  # fmt: skip
_CAN_DO = re.compile(
    rf"(?:^You|(?<=, )you|(?<=[Tt]hen )you|(?<=But )you) can (?P<verb>{'|'.join(_DONE)}) "
    r"(?P<thing>(?!(?:it|them|this|that|up|which|what|how)\b)(?:[\w'-]+ ){0,4}?(?!(?:of|and|or|the|a|an|valid|your)\b)[\w'-]+)"
    r"(?= (?:as|from|in|on|to|with|by|for|using|at|via|when|if|through|per|after|before|without|inside|outside|directly|that"
    r"|which|where)\b|[.,;])"
)
_LETS = re.compile(
    r"^(?P<thing>[A-Z`](?:(?! that | which )[^,.;]){2,50}?) (?:allows|lets|enables) you (?:to )?(?P<rest>[a-z].{10,})$"
)
_TO_DO = re.compile(r"^To (?P<aim>[^,]{5,80}), (?P<act>[a-z][^,]{10,})\.$")
_BECAUSE = re.compile(r"^(?P<rest>[^,]{20,}?),? because (?P<reason>[^,]{10,120})\.$")
# Amounts that are the same in another unit or spelling.
_SAME_AMOUNTS = {
    "24 hours": "one day",
    "1 day": "24 hours",
    "one day": "24 hours",
    "7 days": "one week",
    "one week": "7 days",
    "14 days": "two weeks",
    "two weeks": "14 days",
    "60 minutes": "one hour",
    "one hour": "60 minutes",
    "1 hour": "60 minutes",
    "60 seconds": "one minute",
    "one minute": "60 seconds",
    "1 minute": "60 seconds",
    "12 months": "one year",
    "one year": "12 months",
    "1 year": "12 months",
    "two years": "24 months",
    "72 hours": "three days",
    "48 hours": "two days",
    "3 days": "72 hours",
    "2 days": "48 hours",
    "twice": "two times",
    "once a day": "daily",
    "once a month": "monthly",
    "once a week": "weekly",
    "half": "50%",
}
_AMOUNT = re.compile(rf"(?<![\w.,\u2013-])(?<!and )(?<!or )(?<!to )(?:{'|'.join(_SAME_AMOUNTS)})(?!\w|[.,]\d)")
_SPELLED = (
    (re.compile(r"(?<=\d) ?%"), " percent"),
    (re.compile(r"(?<=\d)percent\b"), "%"),
    (re.compile(r"(?<=\d) ?MB\b"), " megabytes"),
    (re.compile(r"(?<=\d) ?GB\b"), " gigabytes"),
    (re.compile(r"(?<=\d) ?KB\b"), " kilobytes"),
    (re.compile(r"(?<![\d,])(\d{1,3}),(?=000\b)"), r"\1"),
    (re.compile(r"(?<=\b\d) seconds\b"), " s"),
    (re.compile(r"(?<=\d\d) seconds\b"), " s"),
    (re.compile(r"(?<=\d) ms\b"), " milliseconds"),
    (re.compile(r"(?<=\d) milliseconds\b"), " ms"),
    (re.compile(r"(?<![\w-])(\d+)k\b"), r"\1,000"),
)
_CLIP = re.compile(r",? (?:which|such as|including|for example|e\.g\.|like|so that|thereby|in order to)\b[^.]{8,}(?=\.?$)")
_AND = re.compile(r"\b(?!the\b)([\w-]{3,}) and (?!the\b|then\b|are\b|can\b|has\b|was\b)([\w-]{3,})(?=[,.;)]|$)")


def falsified(
    sentence: str, names: Sequence[str], random: np.random.Generator, window: str = ""
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The sentence made untrue in every way that fits it: by kind, with the labels that are right for it. With the window it
    stands in also by what stands beside it there.
    """
    found: dict[str, tuple[str, tuple[str, ...]]] = {
        kind: (edit, (CONTRADICTED, NOT_STATED) if kind == "name" else (CONTRADICTED,))
        for kind, edit in changed(sentence, names, random)
    }
    for kind, edit in _more(sentence, random):
        labels = (CONTRADICTED, NOT_STATED) if kind in ("condition dropped", "roles") else (CONTRADICTED,)
        found.setdefault(kind, (edit, labels))
    if window:
        for kind, edit, is_sure in exchanged(sentence, window, random):
            found[kind] = (edit, (CONTRADICTED,) if is_sure else (CONTRADICTED, NOT_STATED))
    return {kind: made for kind, made in found.items() if made[0] != sentence}


def _more(sentence: str, random: np.random.Generator) -> Iterator[tuple[str, str]]:
    present = [(word, other) for word, other in OPPOSITES if re.search(rf"\b{word}\b", sentence)]
    if present:
        word, other = present[int(random.integers(len(present)))]
        yield "opposite", re.sub(rf"\b{word}\b", other, sentence, count=1)
    date = _DATE.search(sentence)
    if date:
        yield "date", sentence[: date.start()] + _other_date(date[0], random) + sentence[date.end() :]
    number = _DECIMAL.search(sentence)
    if number:
        value = float(number[0].replace(",", "."))
        scaled = value * float(random.choice([0.5, 1.5, 2, 3, 10])) + (value == 0)
        yield (
            "number",
            sentence[: number.start()] + (f"{scaled:.1f}" if scaled % 1 else f"{scaled:.0f}") + sentence[number.end() :],
        )
    counted = _IN_WORDS.search(sentence)
    if counted:
        others = [word for word in _WORD_NUMBERS[1:] if word != counted[0]]
        yield "number in words", sentence[: counted.start()] + str(random.choice(others)) + sentence[counted.end() :]
    verb = _VERB.search(sentence)
    if verb and not _DENIAL.search(sentence):
        yield "negation", f"{sentence[: verb.end()]} {random.choice(['not', 'never', 'no longer'])}{sentence[verb.end() :]}"
    whole = _CONDITION.match(sentence) or _TRAILING.match(sentence)
    if whole:
        rest = whole["rest"].rstrip(".")
        yield "condition dropped", f"{rest[0].upper()}{rest[1:]}{random.choice(['.', ' in every case.', ' at any time.'])}"
        turned = re.sub(r"^(?i:if|when|only if|only when)\b", "unless", whole["condition"])
        if turned != whole["condition"]:
            yield "condition turned", f"{rest[0].upper()}{rest[1:]} {turned}."
    roles = _ROLES.search(sentence)
    if roles:
        one, two = (roles["one"], roles["two"]) if roles["one"] else (roles["left"], roles["right"])
        middle = f"{roles['before']} {two} {roles['between']} {one}" if roles["one"] else f"{two} {roles['verb']} {one}"
        yield "roles", sentence[: roles.start()] + middle + sentence[roles.end() :]


def _other_date(date: str, random: np.random.Generator) -> str:
    if date.isdigit():
        return str(int(date) + int(random.choice([-3, -1, 1, 2, 5])))
    return str(random.choice([other for other in (_DAYS if date in _DAYS else _MONTHS) if other != date]))


def kept(sentence: str, random: np.random.Generator, *, whole: bool = False) -> str:
    """The sentence told another way that says the same: two or three changes out of those that fit. A `whole` one loses no
    part, so that what has been made untrue in it stays.
    """
    retell = reworded if whole else retold
    told = retell(sentence, random) if random.random() < 0.6 else sentence
    fitting = {name: edit for name, edit in _same(told, random).items() if not (whole and name == "clip")}
    for _, edit in sorted(fitting.items(), key=lambda _: random.random())[: int(random.integers(1, 4))]:
        told = edit(told)
    return told[0].upper() + told[1:] if told else sentence


def _same(sentence: str, random: np.random.Generator) -> dict[str, "_Edit"]:
    """The changes that fit the sentence and leave it true."""
    fitting: dict[str, _Edit] = {}
    present = [(word, other) for word, other in _SAME_WORDS if re.search(rf"\b{word}\b", sentence)]
    for word, other in [present[place] for place in random.permutation(len(present))[:2]]:
        fitting[word] = _Edit(re.compile(rf"\b{word}\b"), other)
    if _SMALL.search(sentence):
        fitting["number"] = _Edit(_SMALL, lambda found: _WORD_NUMBERS[int(found[0])])
    elif _IN_WORDS.search(sentence):
        fitting["number"] = _Edit(_IN_WORDS, lambda found: str(_WORD_NUMBERS.index(found[0])))
    if _ABLE.search(sentence):
        fitting["able"] = _Edit(_ABLE, r"\1 are able to")
    if _ROUGHLY.search(sentence):
        fitting["roughly"] = _Edit(_ROUGHLY, "roughly")
    if _DENIAL.search(sentence):
        fitting["denial"] = _Edit(_DENIAL, lambda found: _CONTRACTIONS.get(found[0], found[0]))
    if _CLIP.search(sentence):
        fitting["clip"] = _Edit(_CLIP, "")
    if _AND.search(sentence):
        fitting["and"] = _Edit(_AND, r"\2 and \1")
    fitting |= _same_amounts(sentence) | _same_order(sentence, random)
    whole = _TRAILING.match(sentence)
    if whole and random.random() < 0.7:
        condition, rest = whole["condition"], whole["rest"]
        told = f"{_upper(condition)}, {_lower(rest)}."
        fitting["moved"] = _Edit(re.compile(r"^.*$", re.DOTALL), lambda _: told)
    return fitting


def _same_amounts(sentence: str) -> dict[str, "_Edit"]:
    """The changes of how an amount is written that leave it the same."""
    fitting: dict[str, _Edit] = {}
    if _AMOUNT.search(sentence):
        fitting["amount"] = _Edit(_AMOUNT, lambda found: _SAME_AMOUNTS[found[0]])
    spelled = [(pattern, other) for pattern, other in _SPELLED if pattern.search(sentence)]
    if spelled:
        fitting["spelled"] = _Edit(*spelled[0])
    return fitting


def _same_order(sentence: str, random: np.random.Generator) -> dict[str, "_Edit"]:
    """The changes of voice and order of clauses that leave the sentence true."""
    fitting: dict[str, _Edit] = {}
    if _CAN_DO.search(sentence):
        fitting["voice"] = _Edit(_CAN_DO, lambda found: f"{found['thing']} can be {_DONE[found['verb']]}")
    if _LETS.match(sentence) and random.random() < 0.7:
        fitting["lets"] = _Edit(_LETS, lambda found: f"With {_lower(found['thing'] + ' ').rstrip()}, you can {found['rest']}")
    if _TO_DO.match(sentence):
        fitting["aim"] = _Edit(_TO_DO, lambda found: f"{_upper(found['act'])} to {found['aim']}.")
    if _BECAUSE.match(sentence):
        fitting["because"] = _Edit(_BECAUSE, lambda found: f"Because {found['reason']}, {_lower(found['rest'])}.")
    return fitting


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _lower(text: str) -> str:
    return text[0].lower() + text[1:] if text[1:2].islower() and text.split()[0] in _SENTENCE_OPENERS else text


_SENTENCE_OPENERS = frozenset(
    ("The", "This", "These", "That", "Those", "It", "You", "We", "They", "A", "An", "If", "When", "There", "Your", "All", "Each")
)


class _Edit:
    """A pattern exchanged at its first place."""

    def __init__(self, pattern: re.Pattern[str], other: str | Callable[[re.Match[str]], str]) -> None:
        self._pattern = pattern
        self._other = other

    def __call__(self, text: str) -> str:
        return self._pattern.sub(self._other, text, count=1)
