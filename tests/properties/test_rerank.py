"""What holds for every ranking and every word of an evidence model."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.adapters.memory.evidence import WordOverlapEvidence
from surefoot.domain.answers import Passage
from surefoot.ports import RerankRule
from surefoot.retrieval.rerank import Reranker, is_settled, mixed
from surefoot.retrieval.search import Retrieved
from tests.unit.assistant.passages import Text, chunk_of, retrieved

SCORES = st.lists(st.floats(0, 1), max_size=12).map(lambda scores: sorted(scores, reverse=True))
RELEVANCE = st.lists(st.floats(-20, 20), max_size=12)
WEIGHTS = st.floats(0, 1)
WORDS = ("refunds", "arrive", "within", "5", "days", "invoices", "export", "seat", "key", "valid")
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), max_size=8)
RULES = st.builds(RerankRule, weight=WEIGHTS, top=st.integers(1, 10), early_exit_margin=st.floats(0, 1.5))
MANY = settings(max_examples=300, deadline=None)
QUESTION = "When do refunds arrive?"


def found(texts: list[str], scores: list[float]) -> Retrieved:
    """These texts as passages with these fused scores, best first."""
    chunks = [chunk_of(Text(text, document=str(number)), number) for number, text in enumerate(texts)]
    passages = tuple(Passage(chunk, score, None, None) for chunk, score in zip(chunks, scores, strict=False))
    return replace(retrieved(QUESTION, ()), passages=passages)


@MANY
@given(SCORES, RELEVANCE, WEIGHTS)
def test_every_place_comes_exactly_once(fused: list[float], relevance: list[float], weight: float) -> None:
    assert sorted(mixed(fused, relevance, weight=weight)) == list(range(len(fused)))


@MANY
@given(SCORES, RELEVANCE)
def test_at_weight_zero_the_order_is_that_of_the_fused_scores(fused: list[float], relevance: list[float]) -> None:
    assert mixed(fused, relevance, weight=0.0) == list(range(len(fused)))


@MANY
@given(SCORES, RELEVANCE, WEIGHTS, st.floats(0, 1))
def test_more_relevance_never_takes_a_passage_down(
    fused: list[float], relevance: list[float], weight: float, more: float
) -> None:
    read = min(len(fused), len(relevance))
    for place in range(read):
        raised = [*relevance[:place], relevance[place] + more, *relevance[place + 1 :]]
        assert mixed(fused, raised, weight=weight).index(place) <= mixed(fused, relevance, weight=weight).index(place)


@MANY
@given(TEXTS, SCORES, RULES)
def test_reranking_neither_drops_nor_invents_nor_rescores_a_passage(
    texts: list[str], scores: list[float], rule: RerankRule
) -> None:
    before = found(texts, scores)
    after = Reranker(WordOverlapEvidence(), rule=rule).rerank(QUESTION, before)
    assert sorted(map(repr, after.passages)) == sorted(map(repr, before.passages))
    assert after.passages[rule.top :] == before.passages[rule.top :]
    assert set(after.judged) <= {passage.chunk.chunk_id for passage in before.passages}
    assert len(after.judged) <= rule.top


@MANY
@given(TEXTS, SCORES, RULES)
def test_the_early_exit_never_changes_the_first_passage(texts: list[str], scores: list[float], rule: RerankRule) -> None:
    before = found(texts, scores)
    after = Reranker(WordOverlapEvidence(), rule=rule).rerank(QUESTION, before)
    if is_settled([passage.score for passage in before.passages], margin=rule.early_exit_margin):
        assert after.passages == before.passages
        assert len(after.judged) <= 1


@MANY
@given(TEXTS, SCORES, RULES)
def test_reading_again_gives_the_same_order_kept_or_not(texts: list[str], scores: list[float], rule: RerankRule) -> None:
    before = found(texts, scores)
    keeping = Reranker(WordOverlapEvidence(), rule=rule)
    first, again = keeping.rerank(QUESTION, before), keeping.rerank(QUESTION, before)
    unkept = Reranker(WordOverlapEvidence(), rule=rule, cache_size=0).rerank(QUESTION, before)
    assert first.passages == again.passages == unkept.passages
    assert first.judged == again.judged == unkept.judged
