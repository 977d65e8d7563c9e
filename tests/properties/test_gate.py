"""What holds for every passage, every true quote of it, and every way to alter one."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from surefoot.assistant.answer import Answerer
from surefoot.assistant.gate import Gate, Ground, Rule
from surefoot.assistant.groundedness import Support
from surefoot.domain.answers import Answer, Passage
from surefoot.domain.drafts import DraftCitation, DraftClaim, Judged
from surefoot.domain.sentences import sentences
from tests.properties.test_answers import PASSAGES, QUESTIONS
from tests.unit.assistant.passages import ENCODER, SIMPLE_MODEL, Text, chunk_of, retrieved

# No score may save what a hard rule stops: the threshold is nought.
OPEN = Gate(Support(ENCODER), threshold=0.0)
GATE = Gate(Support(ENCODER))
EAGER = Answerer(ENCODER, model=SIMPLE_MODEL, answer_threshold=0.0, scope_threshold=0.0)
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])

NAMES = ("Segment", "Growth", "Starter", "Salesforce", "BigQuery", "Polar", "Acme", "OAuth2", "SAML")
UNITS = ("days", "minutes", "months", "GB", "MB", "percent", "hours", "seconds", "weeks")
VERBS = ("must", "can", "may", "should", "will")
ACTIONS = (
    "keep the exported file",
    "send every record",
    "be renewed",
    "answer a request",
    "retry the failed call",
    "store events",
)
TAILS = ("after the last change", "in the settings page", "for each workspace", "when the owner agrees", "since 2026-03-01")
FRAGMENTS = ("A [link](https://docs.example.com) here.", "- item one", "| a | b |", "```sh\nrun --all\n```", "Note: 3 of 4 hold.")


@dataclass(frozen=True)
class Fact:
    """A sentence whose facts are known, so that each can be altered by itself."""

    name: str
    verb: str
    negated: bool
    action: str
    number: int
    unit: str
    tail: str

    def __str__(self) -> str:
        denial = " not" if self.negated else ""
        return f"The {self.name} plan {self.verb}{denial} {self.action} within {self.number} {self.unit} {self.tail}."


FACTS = st.builds(
    Fact,
    st.sampled_from(NAMES),
    st.sampled_from(VERBS),
    st.booleans(),
    st.sampled_from(ACTIONS),
    st.integers(2, 9_999),
    st.sampled_from(UNITS),
    st.sampled_from(TAILS),
)
OTHERS = st.lists(st.one_of(FACTS.map(str), st.sampled_from(FRAGMENTS), st.text(max_size=30)), max_size=3)


@dataclass(frozen=True)
class Told:
    """A fact in a passage, and beside it a passage that was given and one that was not."""

    fact: Fact
    passage: Passage
    other: Passage
    foreign: Passage
    ground: Ground


@st.composite
def told(draw: st.DrawFn) -> Told:
    fact, before, after = draw(FACTS), draw(OTHERS), draw(OTHERS)
    text = "\n\n".join([*before, str(fact), *after])
    start = draw(st.integers(0, 99))
    passages = [
        Passage(chunk_of(Text(words, start=start), number), 1.0, None, None)
        for number, words in enumerate((text, "Nothing about it is said here.", text))
    ]
    return Told(fact, passages[0], passages[1], passages[2], Ground.of("What holds?", "en", passages[:2]))


def judged(claim: str, quote: str, passage: Passage, ground: Ground, gate: Gate = OPEN) -> Judged:
    return gate.judge(DraftClaim(claim, (DraftCitation(passage.chunk.chunk_id, quote),)), ground)


def number_altered(fact: Fact, draw: st.DrawFn) -> str:
    digits = list(str(fact.number))
    place = draw(st.integers(0, len(digits) - 1))
    digits[place] = draw(st.sampled_from([d for d in "123456789" if d != digits[place]]))
    return str(fact).replace(f" {fact.number} ", f" {''.join(digits)} ")


def not_altered(fact: Fact, draw: st.DrawFn) -> str:
    if fact.negated:
        return str(fact).replace(" not ", " ")
    return str(fact).replace(f" {fact.verb} ", f" {fact.verb} {draw(st.sampled_from(('not', 'never')))} ")


def name_altered(fact: Fact, draw: st.DrawFn) -> str:
    return str(fact).replace(fact.name, draw(st.sampled_from([name for name in NAMES if name != fact.name])))


def unit_altered(fact: Fact, draw: st.DrawFn) -> str:
    return str(fact).replace(f" {fact.unit} ", f" {draw(st.sampled_from([unit for unit in UNITS if unit != fact.unit]))} ")


def date_altered(fact: Fact, draw: st.DrawFn) -> str:
    day = draw(st.dates()).isoformat()
    assume(day != "2026-03-01")
    return str(fact).replace("2026-03-01", day) if "2026" in fact.tail else f"{str(fact)[:-1]} since {day}."


def modality_altered(fact: Fact, draw: st.DrawFn) -> str:
    other = {"must": ("can", "may"), "can": ("must",), "may": ("must",), "should": ("must", "may"), "will": ("must not",)}
    return str(fact).replace(f" {fact.verb} ", f" {draw(st.sampled_from(other[fact.verb]))} ")


def link_appended(fact: Fact, draw: st.DrawFn) -> str:
    host = draw(st.sampled_from(("evil.example", "docs.example.com.evil.co", "10.1.2.3", "x@evil.example")))
    form = draw(st.sampled_from(("{}", "https://{}", "[more](https://{})", "![](//{}/x)", "<a href=//{}>", "mailto:{}")))
    return f"{fact} {form.format(host)}"


ALTERATIONS = (number_altered, not_altered, name_altered, unit_altered, date_altered, modality_altered, link_appended)


@pytest.mark.parametrize("alter", ALTERATIONS, ids=lambda alter: alter.__name__)
@MANY
@given(data=st.data())
def test_nothing_altered_is_ever_shown(alter: object, data: st.DataObject) -> None:
    world = data.draw(told())
    assert callable(alter)
    claim = alter(world.fact, data.draw)
    assert claim != str(world.fact)
    verdict = judged(claim, str(world.fact), world.passage, world.ground)
    assert verdict.claim is None, claim
    assert verdict.rules and len(verdict.rules) <= len(verdict.reasons)
    # Nor is it when the model quotes its own alteration, or the whole passage.
    altered_quote = judged(claim, claim, world.passage, world.ground)
    assert altered_quote.claim is None or " ".join(claim.split()) in " ".join(world.passage.chunk.text.split())


@MANY
@given(told())
def test_a_true_quote_of_a_chunk_that_was_not_given_or_does_not_hold_it_is_never_shown(world: Told) -> None:
    claim = str(world.fact)
    assert judged(claim, claim, world.foreign, world.ground).rules == (Rule.UNKNOWN_CHUNK,)
    assert judged(claim, claim, world.other, world.ground).rules == (Rule.QUOTE_NOT_FOUND,)


@MANY
@given(told(), st.sampled_from((" ", "\n", "  \t")))
def test_a_verbatim_sentence_is_shown_with_its_span(world: Told, space: str) -> None:
    claim = str(world.fact)
    verdict = judged(claim, claim.replace(" ", space), world.passage, world.ground, GATE)
    assert verdict.claim is not None, verdict
    (citation,) = verdict.claim.citations
    chunk = world.passage.chunk
    assert citation.quote == chunk.text[citation.start - chunk.start : citation.end - chunk.start] == claim


@MANY
@given(told(), st.sampled_from(("tail", "stop", "yes", "head")))
def test_a_lightly_clipped_sentence_is_shown(world: Told, how: str) -> None:
    claim, tail = str(world.fact), f" {world.fact.tail}."
    clipped = {
        "tail": claim.removesuffix(tail) + ".",
        "stop": claim[:-1],
        "yes": f"Yes, {claim[0].lower()}{claim[1:]}",
        "head": claim.removeprefix("The "),
    }[how]
    verdict = judged(clipped, claim, world.passage, world.ground, GATE)
    assert verdict.claim is not None, verdict


@MANY
@given(PASSAGES)
def test_every_sentence_of_any_passage_may_be_quoted(texts: list[Text]) -> None:
    harmless = {Rule.EMPTY, Rule.UNSEEN_CHARACTERS, Rule.TOO_LONG, Rule.STALE, Rule.QUOTE_NOT_FOUND}
    for text in texts:
        passage = Passage(chunk_of(text), 1.0, None, None, text.stale)
        ground = Ground.of("", "en", [passage])
        for start, end in sentences(text.text):
            verdict = judged(text.text[start:end], text.text[start:end], passage, ground, GATE)
            assert verdict.claim is not None or set(verdict.rules) <= harmless, verdict


@MANY
@given(QUESTIONS, PASSAGES)
def test_every_extractive_answer_passes_the_gate(question: str, texts: list[Text]) -> None:
    found = retrieved(question, texts)
    outcome = EAGER.answer(question, "en", found)
    if isinstance(outcome, Answer):
        for verdict in GATE.check_answer(outcome, Ground.of(question, "en", found.passages)):
            assert verdict.claim is not None or set(verdict.rules) <= {Rule.UNSEEN_CHARACTERS}, verdict


PIECES = ("https://evil.example", "evil.com", "<b>", "![a](b)", "x@y.zz", "`sh`", "555 1234 5678", "not", "never", "7")


@MANY
@given(told(), st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), min_size=1, max_size=6), st.booleans())
def test_no_claim_shows_a_link_or_a_number_that_its_quotes_do_not_have(world: Told, pieces: list[str], led: bool) -> None:
    claim = " ".join([str(world.fact), *pieces] if led else [*pieces, str(world.fact)])
    verdict = judged(claim, str(world.fact), world.passage, world.ground)
    if verdict.claim is not None:
        assert set(PIECES) & set(verdict.claim.text.split()) <= set(str(world.fact).split())
        assert set(re.findall(r"\d+", verdict.claim.text)) <= set(re.findall(r"\d+", str(world.fact)))
