import pytest

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.assistant.groundedness import SAID_OF_ANOTHER, Support, compare

EVIDENCE = (
    "Refunds arrive within 5 business days. Owners can start a refund under Payments; members cannot.",
    "The Growth plan costs $149 a month and must be paid in advance. It changed on 2026-03-01.",
)
SUPPORT = Support(HashingEncoder())


def reasons(claim: str) -> str:
    return " ".join(compare(claim, EVIDENCE, HashingEncoder(), "en").reasons())


@pytest.mark.parametrize(
    "quote", ["Refunds arrive within 5 business days.", "Owners can start a refund under Payments; members cannot."]
)
def test_an_exact_quote_is_wholly_supported(quote: str) -> None:
    score = SUPPORT.score(quote, EVIDENCE)
    assert score.score == 1.0
    assert score.reasons == ()


def test_a_piece_of_a_word_is_no_quote() -> None:
    assert SUPPORT.score("days. Owners can start a refund under Payment", EVIDENCE).score < 1.0


@pytest.mark.parametrize(
    ("claim", "evidence"), [("", EVIDENCE), ("Refunds arrive.", ()), ("Refunds arrive.", ("",)), ("```\n```", EVIDENCE)]
)
def test_nothing_supports_and_is_supported_by_nothing(claim: str, evidence: tuple[str, ...]) -> None:
    score = SUPPORT.score(claim, evidence)
    assert score.score == 0.0
    assert score.reasons


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("Refunds arrive within 7 business days.", "The number 7 is not in the evidence."),
        ("Refunds arrive within 5 months.", "another unit"),
        ("The Growth plan changed on 2026-04-01.", "The date 2026-04-01 is not in the evidence."),
        ("The plan called Enterprise costs $149 a month.", "enterprise"),
        ("The Growth plan must not be paid in advance.", "“not”"),
        ("The Growth plan may be paid in advance.", "must be or may be"),
        ("Zebras graze near rivers at dawn.", "zebra"),
    ],
)
def test_what_speaks_against_a_claim_is_said_in_words(claim: str, reason: str) -> None:
    assert reason in reasons(claim)


def test_a_claim_told_in_the_evidence_s_words_has_nothing_against_it() -> None:
    assert reasons("Within 5 business days refunds arrive.") == ""


def test_changing_one_fact_lowers_the_score() -> None:
    told = SUPPORT.score("Within 5 business days refunds arrive.", EVIDENCE).score
    for wrong in ("Within 9 business days refunds arrive.", "Within 5 business days refunds never arrive."):
        assert SUPPORT.score(wrong, EVIDENCE).score < told


def test_opposite_directions_are_seen() -> None:
    found = compare("The drug increases risk.", ["The drug decreases risk."], HashingEncoder(), "en")
    assert found.opposites == (("increas", "decreas"),)


def test_glued_sentences_are_read_apart() -> None:
    found = compare(
        "Cells grow fast.",
        ["Some text about other things.Cells grow fast in the dark.More text follows."],
        HashingEncoder(),
        "en",
    )
    assert found.nearest_coverage == 1.0


def test_a_claim_that_says_a_value_of_another_is_never_supported() -> None:
    plans = ("Brook costs $12 a month and has 3 desks. Meadow costs $45 a month and has 20 desks.",)
    assert SUPPORT.score("Meadow costs $45 a month.", plans).score >= SUPPORT.threshold
    wrong = SUPPORT.score("Meadow costs $12 a month.", plans)
    assert wrong.score <= SAID_OF_ANOTHER < SUPPORT.threshold
    assert "The evidence says “12” of something else." in wrong.reasons
