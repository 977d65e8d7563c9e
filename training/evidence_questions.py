"""Questions as people ask them, made from headings and from sentences; each is a guess at words the section may not use."""

import re
from collections.abc import Iterator

import numpy as np

from surefoot.domain.lexicon import terms
from training.data import as_question
from training.sentence_edits import reworded

_MARKS = re.compile(r"[`*_{}\[\]]|^\s*(?:step\s+)?\d+[.:)]\s*|\s*\(.{0,40}\)\s*$", re.IGNORECASE)
_FORMS = (
    "how do I {}?", "how does {} work?", "what is {}?", "what does {} do?", "why {}?", "why do I need {}?", "can I {}?",
    "can I use {}?", "where is {}?", "where do I find {}?", "when should I use {}?", "do you support {}?", "is there {}?",
    "help with {}", "{} not working", "explain {}", "tell me about {}", "what are the options for {}?", "example of {}",
)  # fmt: skip
_SHARES = {"as_is": 0.15, "lower": 0.15, "question": 0.3, "form": 0.15, "keywords": 0.2, "reworded": 0.05}
_TYPO_SHARE = 0.08
_LONGEST_QUESTION_WORDS = 24


def clean_heading(heading: str) -> str:
    """The heading without marks, numbering and a closing bracket."""
    return " ".join(_MARKS.sub(" ", heading).split()).rstrip(":.!")


def heading_question(heading: str, title: str, random: np.random.Generator) -> str:
    """One way to ask for what stands under the heading. Real questions stay as they are, but for case and slips."""
    clean = clean_heading(heading)
    if clean.endswith("?"):
        return slipped(clean if random.random() < 0.7 else clean.lower().rstrip("? "), random)
    kind = str(random.choice(list(_SHARES), p=list(_SHARES.values())))
    lowered = clean[0].lower() + clean[1:] if clean[1:2].islower() else clean
    asked = {
        "as_is": clean,
        "lower": clean.lower(),
        "question": as_question(clean, random),
        "form": str(random.choice(_FORMS)).format(lowered),
        "keywords": keywords(clean, title if random.random() < 0.4 else "", random),
        "reworded": reworded(as_question(clean, random), random),
    }[kind]
    return slipped(asked, random)


def keywords(text: str, title: str, random: np.random.Generator) -> str:
    """The text's words that carry meaning, as they are typed into a search box; sometimes in another order."""
    kept = [word for word in re.findall(r"[\w.'/-]+", text) if terms(word)]
    kept += [word for word in re.findall(r"\w+", title) if terms(word) and word.lower() not in text.lower()][:2]
    if len(kept) > 2 and random.random() < 0.3:
        kept = [kept[place] for place in random.permutation(len(kept))]
    return " ".join(kept).lower() or text.lower()


def slipped(question: str, random: np.random.Generator) -> str:
    """The question, now and then with a letter doubled, dropped or exchanged with its neighbour in one of its longer words."""
    words = question.split(" ")
    long = [place for place, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long or random.random() > _TYPO_SHARE:
        return question
    place = int(random.choice(long))
    word, at = words[place], int(random.integers(1, len(words[place]) - 2))
    slips = (word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    words[place] = slips[int(random.integers(len(slips)))]
    return " ".join(words)


_STOP = r"(?=[,.;:]|\s(?:by|using|via|through|with|from|in order|so that|because|when|if|where|which)\b|$)"
_CAN = r"(?P<rest>[a-z][^,.;:]{6,80}?)" + _STOP
_PATTERNS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern), forms)
    for pattern, forms in (
        (
            r"^(?:In order )?[Tt]o " + _CAN,
            ("How do I {rest}?", "How can I {rest}?", "how to {rest}", "Is there a way to {rest}?"),
        ),
        (r"^[Yy]ou can (?:also )?" + _CAN, ("Can I {rest}?", "How can I {rest}?", "Is it possible to {rest}?", "how to {rest}")),
        (r"\b[Yy]ou (?:must|need to|should|have to) " + _CAN, ("Do I have to {rest}?", "Should I {rest}?", "When do I {rest}?")),
        (
            r"^(?:If|When|Once) (?P<rest>[a-z][^,.;:]{8,80}),",
            ("What happens if {rest}?", "What should I do when {rest}?", "what if {rest}?"),
        ),
        (
            r"^(?P<rest>(?:The |An? )?[A-Z`]?[\w`' -]{3,40}?) (?:is|are) (?:an? |the )",
            ("What is {rest}?", "what does {rest} mean?", "{rest} meaning", "Can you explain {rest}?"),
        ),
        (
            r"^(?P<rest>(?:The |An? )?[A-Z`]?[\w`' -]{3,40}?) (?:allows|lets|enables|provides|helps|handles|manages)\b",
            ("What does {rest} do?", "What is {rest} for?", "Why would I use {rest}?"),
        ),
        (
            r"^(?P<who>(?:The |An? )?[A-Z`]?[\w`' -]{3,40}?) supports (?P<rest>[^,.;:]{4,60})",
            ("Does {who} support {rest}?", "Which {rest} does {who} support?", "Can I use {rest} with {who}?"),
        ),
        (
            r"^(?P<who>(?:The |An? )?[A-Z`]?[\w`' -]{3,40}?) (?P<how>can|must|will|should)(?: ?not)? "
            r"(?P<rest>[a-z][^,.;:]{5,60})",
            ("{how} {who} {rest}?", "When {how} {who} {rest}?", "Why {how} {who} {rest}?"),
        ),
        (r"^By default,? (?P<rest>[^,.;:]{6,70})", ("What is the default for {rest}?", "Is it the default that {rest}?")),
        (r"^(?P<rest>[^,.;:]{10,70}),? because\b", ("Why is it that {rest}?", "Why {rest}?", "What is the reason that {rest}?")),
        (
            r"\bup to \d[\d,]* (?P<rest>[a-z]+(?: [a-z]+){0,5})",
            ("How many {rest}?", "What is the limit of {rest}?", "maximum {rest}"),
        ),
    )
)
_PERSONS = {"you": "I", "your": "my", "yours": "mine", "yourself": "myself", "you're": "I'm", "you've": "I've"}
_PERSON = re.compile(rf"\b(?:{'|'.join(_PERSONS)})\b", re.IGNORECASE)
_OBJECT_I = re.compile(r"\b(for|to|with|of|lets|allows|gives|helps|by) I\b")


def sentence_question(sentence: str, random: np.random.Generator) -> str:
    """A question that the sentence answers: by its shape where that is known, else its weightier words."""
    asked = list(_asked(sentence))
    if asked and random.random() < 0.75:
        forms, held = asked[int(random.integers(len(asked)))]
        question = str(random.choice(forms)).format(**held)
        question = _OBJECT_I.sub(r"\1 me", _PERSON.sub(lambda found: _PERSONS[found[0].lower()], question))
        question = " ".join(question.replace("`", "").split()[:_LONGEST_QUESTION_WORDS])
        if random.random() < 0.4:
            question = reworded(question, random)
        return slipped(question[0].upper() + question[1:] if random.random() < 0.6 else question.lower().rstrip("?"), random)
    words = list(dict.fromkeys(word for word in re.findall(r"[\w.'/-]{3,}", sentence) if terms(word)))
    size = int(random.integers(3, 7))
    kept = sorted(random.choice(len(words), size=min(size, len(words)), replace=False)) if words else []
    found = " ".join(words[place] for place in kept).strip(".").lower()
    return slipped(str(random.choice(("{}", "{}", "how to {}", "{}?", "about {}"))).format(found), random)


def _asked(sentence: str) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    for pattern, forms in _PATTERNS:
        found = pattern.search(sentence)
        if found and not re.match(r"(?:This|That|These|It|They|There)\b", found[0]):
            held = {name: value.strip() for name, value in found.groupdict().items()}
            yield forms, {name: value[0].lower() + value[1:] if value[1:2].islower() else value for name, value in held.items()}
