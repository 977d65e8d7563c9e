"""Citation scores against an independent reading of ALCE's definitions, and token F1 against SQuAD's published script's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.evals.citation_metrics import CitationScores, Statement, citation_scores, fact_recall, groundedness, token_f1

# A text is a set of letters, and entails a statement when together they hold all of its letters.
LETTERS = st.text("abc", min_size=1, max_size=3)
STATEMENTS = st.lists(st.tuples(LETTERS, st.lists(st.text("abcx", max_size=2), max_size=4)), min_size=1, max_size=5)


def covers(texts: object, statement: str) -> bool:
    return set(statement) <= set("".join(texts))  # type: ignore[call-overload]


def as_alce_walks(statements: list[tuple[str, list[str]]]) -> tuple[float | None, float]:
    """Precision and recall written as ALCE's text has them, citation by citation."""
    recalls, precisions = [], []
    for text, cited in statements:
        recall = 1 if cited and covers(cited, text) else 0
        recalls.append(recall)
        for place in range(len(cited)):
            others = [c for i, c in enumerate(cited) if i != place]
            irrelevant = not covers([cited[place]], text) and bool(others) and covers(others, text)
            precisions.append(1 if recall and not irrelevant else 0)
    return (sum(precisions) / len(precisions) if precisions else None), sum(recalls) / len(recalls)


@given(STATEMENTS)
def test_precision_and_recall_are_what_alce_defines(statements: list[tuple[str, list[str]]]) -> None:
    scores = citation_scores([Statement(text, tuple(cited)) for text, cited in statements], covers)
    precision, recall = as_alce_walks(statements)
    assert scores.precision == (None if precision is None else pytest.approx(precision))
    assert scores.recall == pytest.approx(recall)
    assert scores.coverage == pytest.approx(sum(bool(cited) for _, cited in statements) / len(statements))


def test_a_citation_that_adds_nothing_costs_precision_and_not_recall() -> None:
    scores = citation_scores([Statement("ab", ("ab", "x"))], covers)
    assert scores == CitationScores(precision=0.5, recall=1.0, coverage=1.0)


def test_two_citations_that_only_together_entail_are_both_right() -> None:
    assert citation_scores([Statement("ab", ("a", "b"))], covers).precision == 1.0


def test_a_statement_without_citation_costs_recall_and_coverage_and_asks_nobody() -> None:
    def never(texts: object, statement: str) -> bool:
        raise AssertionError("asked")

    assert citation_scores([Statement("a", ())], never) == CitationScores(None, 0.0, 0.0)


def test_what_an_answer_does_not_define_is_none() -> None:
    assert citation_scores([], covers) == CitationScores(None, None, None)
    assert groundedness([]) is None
    assert fact_recall([], "anything") is None


def test_groundedness_is_the_mean_support() -> None:
    assert groundedness([1.0, 0.5]) == 0.75


@pytest.mark.parametrize(
    ("fact", "shown", "held"),
    [
        ("15 seats", "Growth has 15\n  Seats.", 1.0),
        ("15 seats", "It has 115 seats.", 0.0),
        ("$1", "It costs $1,000.", 0.0),
        ("$0.08", "It costs $0.08.", 1.0),
        ("$0.08", "It costs $0.085.", 0.0),
        ("5 %", "It is 2.5 % now.", 0.0),
        ("ten months", "pay for ten monthss", 0.0),
    ],
)
def test_a_fact_is_shown_whole_or_not_at_all(fact: str, shown: str, held: float) -> None:
    assert fact_recall([fact], shown) == held


def test_fact_recall_is_the_share_of_facts() -> None:
    assert fact_recall(["$149", "15 seats"], "It costs $149.") == 0.5


@pytest.mark.parametrize(
    ("said", "expected", "score"),
    [
        ("The cat, sat!", "a cat sat", 1.0),
        ("cat sat mat", "cat ran", 0.4),
        ("dog", "cat", 0.0),
        ("", "", 1.0),
        ("the", "cat", 0.0),
        ("a b b", "b b b", pytest.approx(2 * (2 / 2) * (2 / 3) / (2 / 2 + 2 / 3))),
    ],
)
def test_token_f1_is_squads(said: str, expected: str, score: float) -> None:
    assert token_f1(said, expected) == score
