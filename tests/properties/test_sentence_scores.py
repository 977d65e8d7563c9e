"""What holds for every word that an evidence model could say of sentences."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.assistant.answer import Answerer
from surefoot.assistant.first_answer import Extractive
from surefoot.assistant.gate import Gate
from surefoot.assistant.groundedness import Support
from surefoot.assistant.sentence_scores import sentence_reader_of
from surefoot.domain.answers import Answer, Refusal
from surefoot.domain.identity import Viewer
from surefoot.domain.policies import SurfacePolicy
from surefoot.ports import EvidenceRules, PassageJudgement, QuoteRule, SupportJudgement
from surefoot.retrieval.judgements import KeptJudgements
from surefoot.retrieval.search import Retrieved
from tests.properties.test_answers import FRAGMENTS, PASSAGES, QUESTIONS
from tests.unit.assistant.passages import ENCODER, SIMPLE_MODEL, Text, retrieved
from tests.world import reader

SCORES = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=8)
RULES = st.builds(
    QuoteRule,
    weight=st.floats(0, 1),
    temperature=st.floats(0.05, 20),
    source_weight=st.floats(0, 20),
    top=st.integers(2, 10),
    margin=st.floats(0, 2),
    source_margin=st.floats(0, 20),
)
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Anything:
    """An evidence model that says the given numbers in turn; it remembers what it read."""

    fingerprint = "anything"

    def __init__(self, scores: Sequence[float], rule: QuoteRule) -> None:
        self.scores = scores
        self.rules = EvidenceRules(quotes=rule)
        self.read: list[str] = []

    def passages(self, question: str, passages: Sequence[str]) -> list[PassageJudgement]:
        begin = len(self.read)
        self.read += passages
        return [PassageJudgement(self.scores[(begin + n) % len(self.scores)], 0.5) for n in range(len(passages))]

    def claims(self, claim: str, evidence: Sequence[str]) -> list[SupportJudgement]:
        raise AssertionError(f"Nobody was to ask about {claim!r}.")


class Found:
    """A search that has found these passages already."""

    def __init__(self, found: Retrieved) -> None:
        self.found = found

    def search(self, viewer: Viewer, question: str, **_: object) -> Retrieved:
        return self.found


def outcome(question: str, found: Retrieved, model: Anything | None) -> Answer | Refusal:
    eager = Answerer(ENCODER, model=SIMPLE_MODEL, answer_threshold=0.0, scope_threshold=0.0)
    sentences = sentence_reader_of(KeptJudgements(model, size=0)) if model else None
    tier = Extractive(Found(found), eager, Gate(Support(ENCODER)), None, sentences)
    return tier.answer(reader(), question, SurfacePolicy()).outcome


@MANY
@given(QUESTIONS, PASSAGES, SCORES, RULES)
def test_whatever_the_model_says_a_refusal_stays_and_an_answer_is_as_sure_as_before(
    question: str, texts: list[Text], scores: list[float], rule: QuoteRule
) -> None:
    found = retrieved(question, texts)
    before, after = outcome(question, found, None), outcome(question, found, Anything(scores, rule))
    if isinstance(before, Refusal):
        assert after == before
    else:
        assert isinstance(after, Answer)
        assert (after.confidence, after.note) == (before.confidence, before.note)
        assert after.claims


@MANY
@given(QUESTIONS, PASSAGES, SCORES, RULES)
def test_whatever_the_model_says_a_quote_is_its_fresh_passage_s_text_at_its_span(
    question: str, texts: list[Text], scores: list[float], rule: QuoteRule
) -> None:
    found = retrieved(question, texts)
    chunks = {passage.chunk.chunk_id: passage.chunk for passage in found.passages}
    after = outcome(question, found, Anything(scores, rule))
    if isinstance(after, Answer):
        for claim in after.claims:
            (citation,) = claim.citations
            chunk = chunks[citation.chunk_id]
            assert claim.text == citation.quote == chunk.text[citation.start - chunk.start : citation.end - chunk.start] != ""


@MANY
@given(PASSAGES, SCORES, RULES)
def test_no_more_is_read_than_the_rule_allows_and_nothing_that_was_not_found(
    texts: list[Text], scores: list[float], rule: QuoteRule
) -> None:
    question = "How do I export invoices?"
    found = retrieved(question, [*texts, Text("\n\n".join(FRAGMENTS[:6]))])
    model = Anything(scores, rule)
    outcome(question, found, model)
    assert len(model.read) <= rule.top
    assert len(model.read) != 1
    stale = {passage.chunk.text for passage in found.stale} - {passage.chunk.text for passage in found.passages}
    assert not any(text in read for read in model.read for text in stale if len(text) > 40)
