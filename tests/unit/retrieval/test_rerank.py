"""The order after the evidence model has read: what is read, what is mixed, what is kept, and whose it is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.adapters.memory.evidence import EVERY_USE, WordOverlapEvidence
from surefoot.domain.answers import Passage
from surefoot.domain.documents import Chunk
from surefoot.domain.identity import EVERYONE, TenantId, Viewer
from surefoot.ports import EvidenceRules, PassageJudgement, RerankRule
from surefoot.retrieval.freshness import FreshnessRule
from surefoot.retrieval.judgements import KeptJudgements
from surefoot.retrieval.rerank import Reranker, in_fused_order, is_asked_by_name, is_settled, mixed, reranker_of
from surefoot.retrieval.search import Retrieved, SearchOptions
from tests.unit.assistant.passages import Text, chunk_of, retrieved
from tests.world import NOW, TENANT, markdown, memory_world, reader

QUESTION = "How are invoices exported?"
TEXTS = tuple(Text(f"Text number {number}.", document=str(number)) for number in range(6))
ALWAYS = RerankRule(weight=0.5, top=4, early_exit_margin=10.0)


class Reading(WordOverlapEvidence):
    """The shipped double, which also remembers what it was given to read."""

    def __init__(self, rules: EvidenceRules = EVERY_USE) -> None:
        super().__init__(rules)
        self.read: list[str] = []

    def passages(self, question: str, passages: Sequence[str]) -> list[PassageJudgement]:
        self.read += passages
        return super().passages(question, passages)


class Backwards(Reading):
    """Whatever is read later is more relevant."""

    def passages(self, question: str, passages: Sequence[str]) -> list[PassageJudgement]:
        self.read += passages
        return [PassageJudgement(float(place), 0.5) for place, _ in enumerate(passages)]


def ranking(*scores: float) -> Retrieved:
    """Passages with these fused scores, in this order."""
    chunks = [chunk_of(text, number) for number, text in enumerate(TEXTS)]
    passages = tuple(Passage(chunk, score, None, None) for chunk, score in zip(chunks, scores, strict=False))
    return replace(retrieved(QUESTION, ()), passages=passages)


def texts(found: Retrieved) -> list[int]:
    return [int(passage.chunk.text.removeprefix("Text number ").removesuffix(".")) for passage in found.passages]


def given(chunk: Chunk) -> str:
    return chunk.encoder_text()


def test_both_scores_count_by_the_weight_and_ties_stay_as_they_were() -> None:
    assert mixed([0.9, 0.8, 0.7], [0.0, 0.3, 0.3], weight=0.5) == [1, 2, 0]
    assert mixed([0.9, 0.8, 0.7], [0.0, 0.3, 0.3], weight=0.0) == [0, 1, 2]
    assert mixed([0.5, 0.5, 0.5], [1.0, 1.0, 1.0], weight=0.5) == [0, 1, 2]


def test_what_was_not_read_follows_in_its_order() -> None:
    assert mixed([0.9, 0.8, 0.7, 0.6], [0.0, 9.0], weight=0.9) == [1, 0, 2, 3]


@pytest.mark.parametrize(("scores", "expected"), [([0.9, 0.5], True), ([0.9, 0.6], False), ([0.9], False), ([], False)])
def test_a_first_place_is_clear_when_it_leads_by_the_margin(scores: list[float], expected: bool) -> None:
    assert is_settled(scores, margin=0.4) is expected


def test_at_most_the_top_passages_are_read_as_they_were_indexed_and_scores_stay_the_fused_ones() -> None:
    model = Backwards()
    before = ranking(0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
    after = Reranker(model, rule=ALWAYS).rerank(QUESTION, before)
    assert texts(after) == [3, 2, 1, 0, 4, 5]
    assert model.read == [given(passage.chunk) for passage in before.passages[:4]]
    assert {p.chunk.chunk_id: p.score for p in after.passages} == {p.chunk.chunk_id: p.score for p in before.passages}
    assert set(after.judged) == {passage.chunk.chunk_id for passage in before.passages[:4]}
    assert after.timings_ms["evidence"] >= 0
    assert texts(in_fused_order(after)) == [0, 1, 2, 3, 4, 5]


def test_a_clear_first_place_is_taken_as_it_is_and_only_it_is_read() -> None:
    model = Backwards()
    after = Reranker(model, rule=replace(ALWAYS, early_exit_margin=0.3)).rerank(QUESTION, ranking(0.9, 0.5, 0.4))
    assert texts(after) == [0, 1, 2]
    assert model.read == [given(after.passages[0].chunk)]


def test_a_clear_first_place_is_not_read_at_all_by_a_model_that_says_nothing_of_answers() -> None:
    model = Backwards(replace(EVERY_USE, answers=None))
    after = Reranker(model, rule=replace(ALWAYS, early_exit_margin=0.3)).rerank(QUESTION, ranking(0.9, 0.5, 0.4))
    assert model.read == []
    assert after.judged == {}


def test_where_something_is_stale_it_is_read_too_however_clear_the_first_place_is() -> None:
    model = Reading()
    before = ranking(0.9, 0.3)
    stale = Passage(chunk_of(Text("Out of date."), 9), 0.8, None, None, stale="valid until 2025-01-01")
    after = Reranker(model, rule=replace(ALWAYS, early_exit_margin=0.3)).rerank(QUESTION, replace(before, stale=(stale,)))
    assert len(model.read) == 3
    assert stale.chunk.chunk_id in after.judged
    assert after.stale == (stale,)


def test_nothing_found_is_nothing_read() -> None:
    model = Reading()
    after = Reranker(model, rule=ALWAYS).rerank(QUESTION, ranking())
    assert (after.passages, after.judged, model.read) == ((), {}, [])


def test_the_same_question_reads_a_passage_once_and_another_question_anew() -> None:
    model = Reading()
    reranker = Reranker(model, rule=ALWAYS)
    first, second = reranker.rerank(QUESTION, ranking(0.9, 0.8)), reranker.rerank(QUESTION, ranking(0.9, 0.8, 0.7))
    assert len(model.read) == 3
    assert first.judged.items() <= second.judged.items()
    reranker.rerank("Another question?", ranking(0.9, 0.8))
    assert len(model.read) == 5


def test_no_more_judgements_are_kept_than_there_is_room_for() -> None:
    model = Reading()
    reranker = Reranker(model, rule=ALWAYS, cache_size=2)
    for _ in range(2):
        reranker.rerank(QUESTION, ranking(0.9, 0.8, 0.7))
    assert len(model.read) == 3 + 1
    unkept = Reading()
    for _ in range(2):
        Reranker(unkept, rule=ALWAYS, cache_size=0).rerank(QUESTION, ranking(0.9, 0.8))
    assert len(unkept.read) == 4


def test_another_model_s_judgements_are_not_taken() -> None:
    class Renamed(Reading):
        name = "one"

        @property
        def fingerprint(self) -> str:
            return self.name

    model = Renamed()
    reranker = Reranker(model, rule=ALWAYS)
    reranker.rerank(QUESTION, ranking(0.9, 0.8))
    model.name = "two"
    reranker.rerank(QUESTION, ranking(0.9, 0.8))
    assert len(model.read) == 4


def test_the_model_reads_nothing_that_the_viewer_may_not() -> None:
    world = memory_world()
    world.put(markdown("open.md", "# Invoices\n\nInvoices are exported as CSV files.\n"))
    world.put(markdown("secret.md", "# Invoices\n\nInvoices are exported to the SECRET ledger.\n"), access=["role:owner"])
    model = Reading()
    reranker = Reranker(model, rule=ALWAYS)
    owner = reader("olga", "role:owner")
    for viewer in (owner, reader("ann"), owner, reader("bob")):
        model.read.clear()
        reranker.rerank(QUESTION, world.searcher.search(viewer, QUESTION))
        if viewer is not owner:
            assert not any("SECRET" in text for text in model.read)
    found = reranker.rerank(QUESTION, world.searcher.search(reader("ann"), QUESTION))
    assert set(found.judged) == {passage.chunk.chunk_id for passage in found.passages}
    assert not any("SECRET" in passage.chunk.text for passage in found.passages)


def test_a_kept_judgement_is_none_of_another_tenant_s_even_for_the_same_text() -> None:
    world = memory_world()
    other = TenantId("globex")
    with world.store.begin() as work:
        work.tenants.create(other, now=NOW)
        work.commit()
    file = markdown("open.md", "# Invoices\n\nInvoices are exported as CSV files.\n")
    world.put(file)
    world.ingest.put(other, [file], source="test", default_principals=frozenset({EVERYONE}), prune=False)
    model = Reading()
    reranker = Reranker(model, rule=ALWAYS)
    for tenant in (TENANT, other):
        reranker.rerank(QUESTION, world.searcher.search(Viewer(tenant, "ann"), QUESTION))
    assert len(model.read) == 2


def test_a_changed_document_is_read_anew() -> None:
    world = memory_world()
    model = Reading()
    reranker = Reranker(model, rule=ALWAYS)
    for text in ("Invoices are exported as CSV files.", "Invoices are exported as XML files."):
        world.put(markdown("open.md", f"# Invoices\n\n{text}\n"))
        reranker.rerank(QUESTION, world.searcher.search(reader(), QUESTION))
    assert [text.rsplit("\n", 1)[-1] for text in model.read] == [
        "Invoices are exported as CSV files.",
        "Invoices are exported as XML files.",
    ]


def test_of_two_passages_alike_the_fresher_stays_first() -> None:
    world = memory_world(search=SearchOptions(freshness=FreshnessRule(half_life_days=30, weight=0.5)))
    for name, age_days in (("old.md", 300), ("new.md", 1)):
        day = (NOW - timedelta(days=age_days)).date()
        world.put(markdown(name, f"---\nupdated_at: {day}\n---\n# Invoices\n\nInvoices are exported as CSV files.\n"))
    found = world.searcher.search(reader(), QUESTION)
    after = Reranker(Reading(), rule=ALWAYS).rerank(QUESTION, found)
    assert [passage.chunk.uri for passage in after.passages] == ["new.md", "old.md"]


def kept(model: WordOverlapEvidence) -> KeptJudgements:
    return KeptJudgements(model, size=10)


def test_the_settings_come_before_the_model_s_own_rule() -> None:
    model = WordOverlapEvidence()
    given = reranker_of(kept(model), weight=0.25, top=3)
    assert given is not None and given.rule == replace(EVERY_USE.rerank, weight=0.25, top=3)
    own = reranker_of(kept(model), weight=None, top=None)
    assert own is not None and own.rule == EVERY_USE.rerank


def test_nothing_is_read_when_nothing_is_made_of_it() -> None:
    silent = WordOverlapEvidence(replace(EVERY_USE, answers=None))
    assert reranker_of(kept(silent), weight=0.0, top=None) is None
    assert reranker_of(None, weight=None, top=None) is None
    assert reranker_of(kept(WordOverlapEvidence()), weight=0.0, top=None) is not None


@pytest.mark.parametrize(
    ("question", "heading", "expected"),
    [
        ("How do I rotate the keys?", "Rotating keys", True),
        ("How do I rotate keys?", "Rotate the keys of a team", False),
        ("Can I export invoices?", "Can I export invoices?", True),
        ("Can I export invoices as CSV?", "Can I export invoices?", False),
        ("What is this?", "What is this?", False),
    ],
)
def test_a_heading_is_what_was_asked_when_no_word_that_carries_meaning_differs(
    question: str, heading: str, expected: bool
) -> None:
    assert is_asked_by_name(question, heading) is expected


def test_a_first_passage_under_the_heading_that_was_asked_stays_first_and_a_masked_heading_asks_nothing() -> None:
    chunks = [chunk_of(Text(f"Text number {number}.", heading="Export invoices"), number) for number in range(2)]
    for masked, expected in ((False, [0, 1]), (True, [1, 0])):
        shown = [replace(chunk, heading_indexed=not masked) for chunk in chunks]
        passages = tuple(Passage(chunk, 0.5, None, None) for chunk in shown)
        found = replace(retrieved(QUESTION, ()), passages=passages)
        model = Backwards(replace(EVERY_USE, answers=None))
        after = Reranker(model, rule=ALWAYS).rerank("How do I export the invoices?", found)
        assert texts(after) == expected
        assert bool(model.read) is masked
