"""Which sentences are quoted when an evidence model has read them; whether there is an answer is none of its business."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from surefoot.adapters.memory.evidence import EVERY_USE, WordOverlapEvidence
from surefoot.assistant.answer import Answerer
from surefoot.assistant.answerability import Evidence, Judgement, gather
from surefoot.assistant.extract import worths_by_features
from surefoot.assistant.first_answer import Extractive, FirstAnswer
from surefoot.assistant.gate import Gate
from surefoot.assistant.groundedness import Support
from surefoot.assistant.questions import analyse_question
from surefoot.assistant.scorecard import log_odds, logistic
from surefoot.assistant.sentence_scores import SentenceReader, candidates, chosen, sentence_reader_of, sentence_text
from surefoot.assistant.units import ChunkReader
from surefoot.core.errors import MissingModel
from surefoot.domain.answers import Answer
from surefoot.domain.documents import TrustTier
from surefoot.domain.identity import Viewer
from surefoot.domain.policies import SurfacePolicy
from surefoot.ports import EvidenceRules, PassageJudgement, QuoteRule, SupportJudgement
from surefoot.retrieval.judgements import KeptJudgements
from surefoot.retrieval.rerank import Reranker
from surefoot.retrieval.search import Retrieved
from tests.unit.assistant.passages import ENCODER, SIMPLE_MODEL, Text, retrieved
from tests.world import reader

QUESTION = "How long is an API key valid?"
# Sentences of this length are quoted by themselves.
OPENS = "An API key opens every route that its owner may call from outside."
ROTATED = "An API key can be rotated early under Settings, Developers, by owners."
VALID = "An API key is valid for 90 days after the day on which it was made."
KEYS = Text(f"{OPENS} {ROTATED} {VALID}", heading="API keys")
WIDE = QuoteRule(weight=0.9, source_weight=2.0, top=8, margin=1.0, source_margin=99.0)


class Opinion:
    """An evidence model of fixed opinions, by a word of the text; it remembers what it read."""

    fingerprint = "opinion"

    def __init__(self, relevance: dict[str, float], rule: QuoteRule | None = WIDE) -> None:
        self.relevance = relevance
        self.rules = EvidenceRules(quotes=rule)
        self.read: list[str] = []

    def passages(self, question: str, passages: Sequence[str]) -> list[PassageJudgement]:
        self.read += passages
        found = [max((score for word, score in self.relevance.items() if word in text), default=-9.0) for text in passages]
        return [PassageJudgement(each, logistic(each)) for each in found]

    def claims(self, claim: str, evidence: Sequence[str]) -> list[SupportJudgement]:
        raise AssertionError(f"Nobody was to ask about {claim!r}.")


class Fixed:
    """A search that has found these passages already."""

    def __init__(self, found: Retrieved) -> None:
        self.found = found

    def search(self, viewer: Viewer, question: str, **_: object) -> Retrieved:
        return self.found


def first(question: str, texts: Sequence[Text], model: Opinion | None, *, evidence: bool = True) -> FirstAnswer:
    answerer = Answerer(ENCODER, model=SIMPLE_MODEL, answer_threshold=0.1, scope_threshold=0.1)
    sentences = sentence_reader_of(KeptJudgements(model, size=100)) if model else None
    tier = Extractive(Fixed(retrieved(question, texts)), answerer, Gate(Support(ENCODER)), None, sentences)
    return tier.answer(reader(), question, SurfacePolicy(evidence=evidence))


def shown(answer: FirstAnswer) -> list[str]:
    assert isinstance(answer.outcome, Answer), answer.outcome
    return [claim.text for claim in answer.outcome.claims]


def evidence_of(question: str, *texts: Text) -> Evidence:
    return gather(analyse_question(question, "en"), retrieved(question, texts), ChunkReader(), ENCODER)


def told(evidence: Evidence, rule: QuoteRule, judgement: Judgement) -> list[str]:
    return [unit.unit.plain for unit in candidates(evidence, judgement, worths_by_features(evidence), rule)]


def test_the_sentence_that_the_model_finds_best_is_quoted_letter_by_letter() -> None:
    assert shown(first(QUESTION, [KEYS], None)) == [VALID]
    answer = first(QUESTION, [KEYS], Opinion({"rotated": 9.0}))
    assert shown(answer) == [ROTATED]
    assert isinstance(answer.outcome, Answer)
    (citation,) = answer.outcome.claims[0].citations
    assert KEYS.text[citation.start : citation.end] == citation.quote == ROTATED
    assert answer.retrieved.timings_ms["sentences"] >= 0


def test_confidence_is_that_of_the_features() -> None:
    without, with_model = (first(QUESTION, [KEYS], model) for model in (None, Opinion({"rotated": 9.0})))
    assert without.outcome.confidence == with_model.outcome.confidence
    assert shown(without) != shown(with_model)


def test_a_question_that_is_refused_is_refused_unread() -> None:
    model = Opinion({"API": 9.0})
    refused = first("Which soup with carrots is valid in Bitcoin?", [KEYS], model)
    assert not isinstance(refused.outcome, Answer)
    assert refused.outcome == first("Which soup with carrots is valid in Bitcoin?", [KEYS], None).outcome
    assert model.read == []


def test_a_surface_without_evidence_never_reads_and_answers_as_without_a_model() -> None:
    model = Opinion({"rotated": 9.0})
    switched_off = first(QUESTION, [KEYS], model, evidence=False)
    assert model.read == []
    assert switched_off.outcome == first(QUESTION, [KEYS], None).outcome
    assert "sentences" not in switched_off.retrieved.timings_ms


def test_a_model_without_the_rule_is_not_asked() -> None:
    assert sentence_reader_of(KeptJudgements(Opinion({}, rule=None), size=1)) is None
    assert sentence_reader_of(None) is None


def test_where_there_is_one_candidate_nothing_is_read() -> None:
    model = Opinion({"API": 9.0})
    alone = replace(KEYS, text="An API key is valid for 90 days.")
    assert first(QUESTION, [alone], model).outcome == first(QUESTION, [alone], None).outcome
    first(QUESTION, [KEYS], Opinion({}, rule=replace(WIDE, margin=0.0)))
    assert model.read == []


def test_a_clear_best_sentence_is_taken_unread() -> None:
    evidence = evidence_of(QUESTION, KEYS)
    judgement = Judgement(0.9, 0.9, (0,), (0.9,))
    worths = sorted(worths_by_features(evidence).values(), reverse=True)
    assert told(evidence, replace(WIDE, margin=(worths[0] - worths[1]) / 2), judgement) == []
    assert len(told(evidence, replace(WIDE, margin=worths[0] - worths[1] + 1e-9), judgement)) == 2


def test_the_best_of_every_near_passage_is_read_before_others_and_no_more_than_the_top() -> None:
    other = Text("A key is long. A seat is valid for a month.", document="b")
    far = Text("An API key is for long.", document="c")
    evidence = evidence_of(QUESTION, KEYS, other, far)
    places = {passage.chunk.text[:6]: place for place, passage in enumerate(evidence.retrieved.passages)}
    order = (places[KEYS.text[:6]], places[other.text[:6]], places[far.text[:6]]) if len(places) == 3 else (0, 1, 2)
    judgement = Judgement(0.9, 0.9, order, tuple((0.9, 0.8, 0.01)[order.index(place)] for place in range(3)))
    rule = replace(WIDE, source_margin=1.0)
    first_texts = [evidence.retrieved.passages[place].chunk.text for place in order]
    read = told(evidence, rule, judgement)
    assert read[0] in first_texts[0]
    assert read[1] in first_texts[1]
    assert not any(sentence in first_texts[2] and sentence not in first_texts[0] for sentence in read)
    assert told(evidence, replace(rule, top=3), judgement) == read[:3]
    assert len(read) > 3


def test_a_unit_is_worth_its_features_and_the_logistic_of_its_relevance_by_weight() -> None:
    evidence = evidence_of(QUESTION, KEYS)
    worths = worths_by_features(evidence)
    keys = sorted(worths)
    rule = QuoteRule(weight=0.25, temperature=2.0)
    judgement = Judgement(0.9, 0.9, (0,), (0.9,))
    found = chosen(judgement, worths, {keys[0]: 3.0, keys[1]: -1.0}, rule)
    assert found.worths[keys[0]] == pytest.approx(0.75 * worths[keys[0]] + 0.25 * logistic(1.5))
    assert found.worths[keys[1]] == pytest.approx(0.75 * worths[keys[1]] + 0.25 * logistic(-0.5))
    # The third was not read.
    assert found.worths[keys[2]] == pytest.approx(0.75 * worths[keys[2]] + 0.25 * logistic(-0.5))
    assert found.judgement is judgement


def test_a_passage_gains_log_odds_by_its_best_sentence_against_the_likeliest() -> None:
    judgement = Judgement(0.9, 0.9, (1, 0, 2), (0.5, 0.7, 0.6))
    worths = {(0, 0): 0.5, (0, 9): 0.5, (1, 0): 0.5, (2, 0): 0.5}
    found = chosen(judgement, worths, {(0, 0): 1.0, (0, 9): 4.0, (1, 0): 2.0}, QuoteRule(weight=0.0, source_weight=0.5))
    assert found.judgement.sources == pytest.approx((logistic(log_odds(0.5) + 1.0), 0.7, 0.6))
    assert found.judgement.order == (0, 1, 2)
    assert (found.judgement.answerable, found.judgement.in_scope) == (0.9, 0.9)
    assert found.worths == worths


def test_a_dropped_source_never_comes_back() -> None:
    judgement = Judgement(0.9, 0.9, (1, 0), (0.5, 0.5, 0.5)).preferring(1, over=0)
    evidence = evidence_of(QUESTION, KEYS, replace(KEYS, document="b", text="An API key is valid for 80 days."))
    assert all(unit.place == 1 for unit in candidates(evidence, judgement, worths_by_features(evidence), WIDE))


def test_a_sentence_is_read_without_markdown_under_its_headings() -> None:
    text = replace(KEYS, text="An **API key** is valid for [90 days](/keys). Another sentence about an API key follows.")
    evidence = evidence_of(QUESTION, text)
    assert sentence_text(evidence, evidence.units[0]) == "Manual > API keys\nAn API key is valid for 90 days."


def test_equal_questions_read_a_sentence_once_and_sentences_of_one_chunk_are_told_apart() -> None:
    model = Opinion({"rotated": 9.0})
    kept = KeptJudgements(model, size=100)
    evidence = evidence_of(QUESTION, KEYS)
    judgement = Judgement(0.9, 0.9, (0,), (0.9,))
    reading = SentenceReader(kept, WIDE)
    assert reading.choose(evidence, judgement) == reading.choose(evidence, judgement)
    assert len(model.read) == len(set(model.read)) == 3
    Reranker(model, rule=EVERY_USE.rerank, kept=kept).rerank(
        QUESTION, replace(evidence.retrieved, stale=evidence.retrieved.passages)
    )
    assert len(model.read) == 4


def test_a_passage_that_another_document_contradicts_is_not_moved_to_the_front() -> None:
    first_source = Text("An API key is valid. It opens every route of the API.", document="a", heading="API keys, how long")
    second = Text("An API key is valid for 90 days.", document="b")
    against = Text("An API key is valid for 30 days.", document="c")
    question = "How long is an API key valid, and does it open every route?"
    plain = first(question, [first_source, second, against], None)
    if not isinstance(plain.outcome, Answer):
        pytest.fail(f"The features were to answer: {plain.outcome}")
    model = Opinion({"90 days": 9.0})
    assert not any("90 days" in claim for claim in shown(first(question, [first_source, second, against], model)))
    assert model.read
    assert any("90 days" in claim for claim in shown(first(question, [first_source, second], Opinion({"90 days": 9.0}))))


def test_an_answer_stays_as_it_is_when_the_gate_refuses_what_the_model_prefers() -> None:
    smuggling = replace(KEYS, text=f"{KEYS.text} An API key is never {chr(0x202E)}dilav.")
    plain = shown(first(QUESTION, [smuggling], None))
    assert not any("never" in claim for claim in plain)
    model = Opinion({"never": 9.0})
    assert shown(first(QUESTION, [smuggling], model)) == plain
    assert any("never" in text for text in model.read)


def test_a_correction_keeps_the_sentence_that_it_rests_on() -> None:
    question = "Why do refunds to cards take 3 days?"
    text = Text("Refunds to cards take 10 days. Refunds to cards are free of charge, as are refunds to banks.", heading="Refunds")
    corrected = first(question, [text], None)
    assert isinstance(corrected.outcome, Answer)
    assert corrected.outcome.note
    assert first(question, [text], Opinion({"free": 9.0})).outcome == corrected.outcome


def test_a_model_that_cannot_read_is_the_same_outage_as_where_passages_are_read() -> None:
    class Broken(Opinion):
        def passages(self, question: str, passages: Sequence[str]) -> list[PassageJudgement]:
            raise MissingModel("model.int8.onnx is gone; run `make evidence-model`.")

    with pytest.raises(MissingModel, match="is gone"):
        first(QUESTION, [KEYS], Broken({}))
    with pytest.raises(MissingModel, match="is gone"):
        Reranker(Broken({}), rule=EVERY_USE.rerank).rerank(QUESTION, retrieved(QUESTION, [KEYS, replace(KEYS, document="b")]))


def test_the_shipped_double_chooses_by_the_words_of_the_question() -> None:
    kept = KeptJudgements(WordOverlapEvidence(), size=10)
    reading = sentence_reader_of(kept)
    assert reading is not None
    assert reading.rule == EVERY_USE.quotes
    found = reading.choose(evidence_of(QUESTION, KEYS), Judgement(0.9, 0.9, (0,), (0.9,)))
    assert found is not None
    assert KEYS.text[max(found.worths, key=lambda key: found.worths[key])[1] :] == VALID


def test_of_a_source_trusted_less_that_was_set_aside_nothing_is_quoted() -> None:
    official = Text("An API key is valid for 90 days. An API key is made by owners.", document="a")
    rumour = Text("An API key is valid for 10 days.", document="b", trust=TrustTier.COMMUNITY)
    claims = shown(first(QUESTION, [official, rumour], Opinion({"10 days": 9.0})))
    assert not any("10 days" in claim for claim in claims)
