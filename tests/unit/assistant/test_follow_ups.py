from collections.abc import Iterator

import pytest

from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.assistant.follow_ups import LONGEST_REWRITTEN_CHARACTERS, standalone, topic
from surefoot.assistant.leaning import language_of
from surefoot.domain.lexicon import terms
from surefoot.sample.golden import golden_cases
from surefoot.sample.tenant import documents_folder, people
from tests.unit.assistant.dialogues import cases, turns
from tests.world import TENANT, World, markdown, memory_world

CASES = cases("follow_ups.jsonl")
UNSEEN = cases("follow_ups_unseen.jsonl")
LEANING = [case for case in (*CASES, *UNSEEN) if case["leans"]]


def misjudged(rows: list[dict]) -> list[str]:  # type: ignore[type-arg]
    """The questions that were rewritten though they stand alone, or not though they lean."""
    return [
        case["question"]
        for case in rows
        if standalone(case["question"], turns(case["before"], case["locale"]), case["locale"]).is_rewritten != case["leans"]
    ]


def lost(case: dict) -> list[str]:  # type: ignore[type-arg]
    """The words the rewritten question must have and has not."""
    found = standalone(case["question"], turns(case["before"], case["locale"]), case["locale"]).question
    language = language_of(found, case["locale"])
    have = set(terms(found, language, keep_stop_words=True))
    return [word for word in case["keeps"] if not have.issuperset(terms(word, language, keep_stop_words=True))]


def test_there_are_at_least_sixty_cases_of_both_kinds() -> None:
    assert len(CASES) >= 100 and sum(case["leans"] for case in CASES) >= 60
    assert len(UNSEEN) >= 40


def test_leaning_questions_are_told_from_those_that_stand_alone() -> None:
    assert misjudged(CASES) == []


def test_cases_that_the_rules_were_not_made_on_are_told_apart_nearly_as_well() -> None:
    assert len(misjudged(UNSEEN)) <= 0.15 * len(UNSEEN), misjudged(UNSEEN)


def test_a_question_that_stands_alone_is_returned_letter_by_letter() -> None:
    for case in CASES:
        if not case["leans"]:
            found = standalone(case["question"], turns(case["before"], case["locale"]), case["locale"])
            assert (found.question, found.is_rewritten, found.because) == (case["question"], False, "")


def test_rewritten_questions_keep_both_topics() -> None:
    assert sum(bool(lost(case)) for case in LEANING) <= 0.1 * len(LEANING), [case["question"] for case in LEANING if lost(case)]


def test_golden_questions_asked_in_the_middle_of_a_conversation_are_hardly_ever_changed() -> None:
    before = turns(["How do I add a passkey?"])
    # Of a question that is one word long nobody can tell whether it goes on with what was said before.
    whole = [case for case in golden_cases() if not case.earlier and case.kind != "clarification"]
    asked = [(case.question, people()[case.viewer].locale) for case in whole]
    changed = [question for question, locale in asked if standalone(question, before, locale).is_rewritten]
    assert len(changed) <= 0.05 * len(asked), changed


@pytest.mark.parametrize("case", LEANING[:20], ids=lambda case: case["question"])
def test_without_earlier_turns_nothing_is_rewritten(case: dict) -> None:  # type: ignore[type-arg]
    assert standalone(case["question"], [], case["locale"]).question == case["question"]


@pytest.mark.parametrize(
    ("before", "asked", "expected"),
    [
        ("What does an extra seat cost on Growth?", "And on Starter?", "What does an extra seat cost on Starter?"),
        ("What does the Starter plan cost?", "What about Growth?", "What does the Growth plan cost?"),
        ("How do I issue a credit note?", "Who is allowed to do that?", "Who is allowed to issue a credit note?"),
        ("How long is the free trial?", "Can it be extended?", "Can the free trial be extended?"),
        ("How much is a seat on Growth?", "Is its price fixed?", "Is a seat on Growth's price fixed?"),
    ],
)
def test_a_follow_up_reads_as_a_person_would_have_asked_it(before: str, asked: str, expected: str) -> None:
    assert standalone(asked, turns([before]), "en").question == expected


def test_the_next_half_sentence_replaces_the_last_one() -> None:
    before = turns(["How long does a refund take to reach a card?", "And SEPA debits?"])
    assert standalone("And ACH debits?", before, "en").question == "How long does a refund take to reach a card, ACH debits?"


def test_what_would_grow_too_long_is_left_as_it_was_asked() -> None:
    before = turns(["How long does " + "a very " * LONGEST_REWRITTEN_CHARACTERS + "long refund take?"])
    assert not standalone("And by bank transfer?", before, "en").is_rewritten


@pytest.mark.parametrize(
    ("question", "noun", "act"),
    [
        ("Can I get a refund by bank transfer?", "a refund by bank transfer", "get a refund by bank transfer"),
        ("How long does a refund take to reach a card?", "a refund", ""),
        ("How many rows may a CSV import have?", "a CSV import", ""),
        ("And?", "", ""),
    ],
)
def test_the_topic_of_a_question_is_its_noun_phrase_and_its_act(question: str, noun: str, act: str) -> None:
    assert topic(question) == (noun, act)


@pytest.fixture(scope="module")
def sample() -> Iterator[World]:
    world = memory_world(OnnxEncoder(threads=1, cache_size=0))
    folder = documents_folder()
    world.put(
        *(markdown(str(path.relative_to(folder)), path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.md"))),
        access=None,
    )
    yield world
    world.store.close()


def test_rewriting_brings_the_gold_document_into_the_first_five(sample: World) -> None:
    with_rewriting = without = 0
    for case in LEANING:
        viewer = people()[case["viewer"]].viewer(TENANT)
        alone = standalone(case["question"], turns(case["before"], case["locale"]), case["locale"]).question
        for question, found in ((case["question"], 0), (alone, 1)):
            uris = dict.fromkeys(passage.chunk.uri for passage in sample.searcher.search(viewer, question).passages)
            is_found = case["gold"] in list(uris)[:5]
            with_rewriting += is_found if found else 0
            without += 0 if found else is_found
    assert with_rewriting >= 0.9 * len(LEANING)
    assert with_rewriting >= without + 0.2 * len(LEANING)
