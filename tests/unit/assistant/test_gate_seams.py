"""What was torn out of a prompt or a draft is not shown beside true words."""

import pytest

from surefoot.assistant.gate import Gate, Ground
from surefoot.assistant.gate.foreign import foreign
from surefoot.assistant.groundedness import Support
from surefoot.domain.drafts import DraftCitation, DraftClaim
from tests.unit.assistant.passages import ENCODER, Text, retrieved

QUOTE = "An export is ready within 10 minutes, and the link is valid for 7 days."
SOURCE = retrieved("How long is it valid?", [Text(QUOTE)]).passages[0]


@pytest.mark.parametrize(
    "claim",
    [
        'ted="">\nAn export is ready within 10 minutes.',
        'An export is ready within 10 minutes..."}]}, {"text": "yam',
        'An export is ready within 10 minutes", "citations": [',
        '{"claims": An export is ready within 10 minutes.',
        "An export is ready within 10 minutes.\\nAn export",
        "heading='Exports'> An export is ready within 10 minutes.",
    ],
)
def test_a_seam_of_a_prompt_or_draft_is_foreign(claim: str) -> None:
    assert [piece.kind for piece in foreign(claim, [QUOTE])].count("markup") >= 1


@pytest.mark.parametrize(
    "claim",
    [
        "An export is ready within 10 minutes, and the link is valid for 7 days.",
        'The button is called "Export", and it is ready within 10 minutes.',
        "It is valid for 7 days (that is, a week).",
        "Name: “Export”, 10 minutes.",
        "Choose “Export”, “Import” or “Both”.",
        'Choose "Export", "Import" or "Both".',
        "The customer's [first] export is ready.",
    ],
)
def test_ordinary_punctuation_is_not(claim: str) -> None:
    assert [piece for piece in foreign(claim, [QUOTE]) if piece.kind == "markup"] == []


def test_a_seam_that_the_document_itself_has_may_be_repeated() -> None:
    quote = 'Write role="admin" into the file.'
    assert list(foreign(quote, [quote])) == []


@pytest.mark.parametrize("tail", ["not", "Not.", "Never!", "not not"])
def test_a_mere_denial_after_a_true_sentence_is_not_shown(tail: str) -> None:
    claim = DraftClaim(f"{QUOTE} {tail}", (DraftCitation(SOURCE.chunk.chunk_id, QUOTE),))
    judged = Gate(Support(ENCODER)).judge(claim, Ground.of("How long is it valid?", "en", [SOURCE]))
    assert judged.claim is None and "negation" in judged.rules
