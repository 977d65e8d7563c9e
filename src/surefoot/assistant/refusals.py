"""What a refusal says: the reason for the program, a sentence for the person, and what would help."""

from collections.abc import Sequence

from surefoot.domain.answers import Citation, Passage, Refusal, RefusalReason

_ASK_A_PERSON = "Ask a person on the team who runs this product."
_MOST_NAMED_TERMS = 3


def no_evidence() -> Refusal:
    """Nothing that this viewer may read has to do with the question."""
    return Refusal(
        RefusalReason.NO_EVIDENCE,
        "Nothing you can read here says anything about this.",
        (
            "Try the words the product itself uses.",
            "Check that you are signed in with the account that can read these documents.",
            _ASK_A_PERSON,
        ),
    )


def out_of_scope(confidence: float) -> Refusal:
    """The question is about something else than these documents. Nothing is named as close: it would not be."""
    return Refusal(
        RefusalReason.OUT_OF_SCOPE,
        "This does not seem to be about what these documents cover.",
        ("Ask about this product, and name the feature or page you mean.", _ASK_A_PERSON),
        confidence=confidence,
    )


def insufficient(missing: Sequence[str], closest: tuple[Citation, ...], confidence: float) -> Refusal:
    """There are related passages, but none that answers. `missing` are question words no passage has."""
    named = ", ".join(f"“{term}”" for term in missing[:_MOST_NAMED_TERMS])
    rephrase = "Ask about one thing, in other words."
    if named:
        rephrase = f"None of the passages mentions {named}; try other words for it."
    return Refusal(
        RefusalReason.INSUFFICIENT_EVIDENCE,
        "The documents come close to this, but none of them answers it.",
        (rephrase, "Look at the closest places below; they may be what you need.", _ASK_A_PERSON),
        closest,
        confidence,
    )


def stale(source: Passage, closest: tuple[Citation, ...], confidence: float) -> Refusal:
    """Only outdated evidence answers; the document and its date are named."""
    title = source.chunk.title or source.chunk.uri
    dated = f", last updated {source.chunk.updated_at:%Y-%m-%d}" if source.chunk.updated_at else ""
    return Refusal(
        RefusalReason.STALE_EVIDENCE,
        f"The only document that answers this is out of date: “{title}”{dated} ({source.stale}).",
        ("Ask the owner of that document to review it; once it is current, the question can be answered.", _ASK_A_PERSON),
        closest,
        confidence,
    )


def conflicting(about: str, sides: tuple[Citation, ...], confidence: float) -> Refusal:
    """Two sources of equal trust say different things; both are shown, neither is chosen."""
    titles = " and ".join(f"“{side.title or side.uri}”" for side in sides)
    return Refusal(
        RefusalReason.CONFLICTING_EVIDENCE,
        f"Two current documents disagree in {about}: {titles}.",
        (
            "Compare both passages below with their dates.",
            "The owner of these documents can mark one as replacing the other, or trust one source more.",
            _ASK_A_PERSON,
        ),
        sides,
        confidence,
    )


def unclear(choices: tuple[str, ...], closest: tuple[Citation, ...], confidence: float) -> Refusal:
    """The question could mean several things; `choices` are questions to pick from, one for each of `closest`."""
    return Refusal(
        RefusalReason.NEEDS_CLARIFICATION,
        "This could mean several things.",
        ("Pick the question you mean, or say in a few more words what you want to know.", _ASK_A_PERSON),
        closest,
        confidence,
        choices,
    )
