"""Each rule of the gate by name."""

import pytest

from surefoot.assistant.gate import CoreFell, Gate, Ground, Rule, Selection
from surefoot.assistant.gate.quotes import find
from surefoot.assistant.groundedness import Support
from surefoot.domain.answers import Answer, Claim, Passage, cite
from surefoot.domain.drafts import DraftCitation, DraftClaim, Judged
from surefoot.ports import Vectors
from tests.unit.assistant.passages import ENCODER, Text, chunk_of

TEXT = """Refunds arrive within 5 business days. Owners can start a refund under Payments; members cannot.
The Growth plan costs $149 a month and must be paid in advance. It changed on 2026-03-01.

Do not share the API key
with anyone. Exports hold up to 1.5 GB, never 15 GB. Only owners may delete a project.

See [Settings](https://docs.example.com/settings) or write to help@example.com or call +1 415 555 0100.

| Plan | Seats | Price |
|---|---|---|
| Growth | 15 | $149 |

- Run `surefoot export --all` before the upgrade.
- Free holds 1.5 GB and Growth 15 GB.
- Imports take 1.5 minutes, exports 15 minutes.
- Events flow from Free to Growth.
- Growth sends events to Free.
- Members of the product team can export.
- Owners have 5 seats, members 10.
- Owners and admins can invite members.
- Then go to `https://app.example.com/oauth-service/webhook/callback`.
- Acme keeps data for 30 days on the Free plan and 12 months on the Growth plan.
"""
REFUNDS = "Refunds arrive within 5 business days."
GROWTH = "The Growth plan costs $149 a month and must be paid in advance."
SECRET = "Do not share the API key with anyone."
SETTINGS = "See [Settings](https://docs.example.com/settings) or write to help@example.com or call +1 415 555 0100."
PASSAGE = Passage(chunk_of(Text(TEXT, start=100)), 1.0, 1.0, 1.0)
GERMAN = Passage(
    chunk_of(Text("Rückzahlungen dauern fünf Werktage, nachdem sie freigegeben wurden.", locale="de"), 1), 1.0, 1.0, 1.0
)
STALE = Passage(chunk_of(Text(TEXT), 2), 1.0, 1.0, 1.0, stale="valid until 2025-01-01")
GROUND = Ground.of("How long do refunds take?", "en", [PASSAGE, GERMAN, STALE])
GATE = Gate(Support(ENCODER))


class ClosedEncoder:
    """An encoder that must not be asked: what is a quote, or breaks a rule that costs less, is never encoded."""

    fingerprint = "closed"
    dimensions = 64

    def encode(self, texts: object) -> Vectors:
        raise AssertionError(f"The encoder was asked about {texts!r}.")

    def encode_query(self, text: str) -> Vectors:
        raise AssertionError(f"The encoder was asked about {text!r}.")


CLOSED = Gate(Support(ClosedEncoder()))


def judged(text: str, *quotes: str, passage: Passage = PASSAGE, gate: Gate = GATE, ground: Ground = GROUND) -> Judged:
    return gate.judge(DraftClaim(text, tuple(DraftCitation(passage.chunk.chunk_id, quote) for quote in quotes)), ground)


def broken(text: str, *quotes: str, passage: Passage = PASSAGE) -> tuple[str, ...]:
    """The rules that the claim broke; the test fails when it would be shown, or fell without a reason."""
    verdict = judged(text, *quotes, passage=passage)
    assert verdict.claim is None, verdict
    assert verdict.reasons and all(reason.endswith((".", ".”")) for reason in verdict.reasons)
    return verdict.rules


def test_a_claim_that_is_its_quote_is_shown_without_asking_the_encoder() -> None:
    verdict = judged(REFUNDS, REFUNDS, gate=CLOSED)
    assert verdict.claim == Claim(REFUNDS, (cite(PASSAGE, 100, 100 + len(REFUNDS)),), 1.0)
    assert verdict.rules == verdict.reasons == ()


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("Yes, refunds arrive within 5 business days.", REFUNDS),
        ("Refunds take 5 business days.", REFUNDS),
        ("No, you should not share the API key.", SECRET),
        ("No. You should not share the API key.", SECRET),
        ("The Growth plan must be paid in advance.", GROWTH),
        ("The Growth plan costs $149 a month.", GROWTH),
        ("You should not share the API key.", SECRET),
        ("See Settings or write to help@example.com.", SETTINGS),
        (
            "On the Growth plan, Acme keeps data for 12 months.",
            "Acme keeps data for 30 days on the Free plan and 12 months on the Growth plan.",
        ),
        (
            "Go to https://app.example.com/oauth-service/webhook/callback first.",
            "Then go to `https://app.example.com/oauth-service/webhook/callback`.",
        ),
        ("Growth has 15 seats for $149.", "| Growth | 15 | $149 |"),
        ("Before the upgrade, run `surefoot export --all`.", "Run `surefoot export --all` before the upgrade."),
    ],
)
def test_a_claim_in_other_words_is_shown_when_its_quote_says_it(claim: str, quote: str) -> None:
    verdict = judged(claim, quote)
    assert verdict.claim is not None, verdict
    assert 0.5 < verdict.support < 1.0


def test_the_citation_holds_the_document_s_own_text_and_span() -> None:
    verdict = judged("You should not share the API key.", "Do not   share the API key with anyone.")
    assert verdict.claim is not None
    (citation,) = verdict.claim.citations
    assert citation.quote == "Do not share the API key\nwith anyone."
    assert TEXT[citation.start - 100 : citation.end - 100] == citation.quote


def test_a_claim_must_cite() -> None:
    assert broken(REFUNDS) == (Rule.NOT_CITED,)


def test_a_chunk_that_was_not_retrieved_cannot_be_cited() -> None:
    foreign = Passage(chunk_of(Text(TEXT), 9), 1.0, 1.0, 1.0)
    assert broken(REFUNDS, REFUNDS, passage=foreign) == (Rule.UNKNOWN_CHUNK,)


def test_a_place_that_is_quoted_twice_is_cited_once() -> None:
    verdict = judged(REFUNDS, REFUNDS, REFUNDS.replace(" ", "  "))
    assert verdict.claim is not None
    assert len(verdict.claim.citations) == 1


def test_one_bad_citation_is_not_made_good_by_another() -> None:
    citations = (DraftCitation(PASSAGE.chunk.chunk_id, REFUNDS), DraftCitation("chk_other", REFUNDS))
    assert GATE.judge(DraftClaim(REFUNDS, citations), GROUND).rules == (Rule.UNKNOWN_CHUNK,)


@pytest.mark.parametrize("quote", ["", " ", "Refunds arrive within 6 business days.", "refunds arrive within 5 business days."])
def test_a_quote_must_stand_in_the_cited_chunk(quote: str) -> None:
    assert Rule.QUOTE_NOT_FOUND in broken(REFUNDS, quote)


def test_a_quote_of_one_passage_is_not_found_in_another() -> None:
    assert broken(REFUNDS, REFUNDS, passage=GERMAN) == (Rule.QUOTE_NOT_FOUND,)


def test_a_stale_passage_is_not_answered_from() -> None:
    assert broken(REFUNDS, REFUNDS, passage=STALE) == (Rule.STALE,)


@pytest.mark.parametrize(
    ("quote", "whole"), [("5 GB", "1.5 GB"), ("149 a month", "$149 a month"), ("arrive with", "arrive within")]
)
def test_a_quote_that_cuts_a_token_is_widened_to_the_whole_of_it(quote: str, whole: str) -> None:
    found = find(PASSAGE, quote)
    assert found is not None
    assert found.text == whole


def test_a_place_that_cuts_no_token_goes_first() -> None:
    found = find(Passage(chunk_of(Text("It is 15 days, or 5 days.")), 1.0, 1.0, 1.0), "5 days")
    assert found is not None
    assert (found.start, found.text) == (18, "5 days")


def test_a_quote_cannot_be_cut_free_of_its_not() -> None:
    assert broken("Share the API key with anyone.", "share the API key with anyone.") == (Rule.NEGATION,)
    assert broken("share the API key with anyone.", "share the API key with anyone.") == (Rule.NEGATION,)
    assert broken("owners may delete a project.", "owners may delete a project.") == (Rule.LIMIT,)


@pytest.mark.parametrize(
    ("rule", "claim", "quote"),
    [
        (Rule.NUMBER, "Refunds arrive within 6 business days.", REFUNDS),
        (Rule.NUMBER, "Refunds arrive within 5 business days, not 6.", REFUNDS),
        (Rule.NUMBER, "Exports hold up to 15 GB, never 1.5 GB.", "Exports hold up to 1.5 GB, never 15 GB."),
        (Rule.NUMBER, "Free holds 15 GB and Growth 1.5 GB.", "Free holds 1.5 GB and Growth 15 GB."),
        (Rule.NUMBER, "Imports take 15 minutes, exports 1.5 minutes.", "Imports take 1.5 minutes, exports 15 minutes."),
        (Rule.NAME, "Events flow from Growth to Free.", "Events flow from Free to Growth."),
        (Rule.NAME, "Free sends events to Growth.", "Growth sends events to Free."),
        (Rule.NAME, "Members in Pro of the product team can export.", "Members of the product team can export."),
        (Rule.SWAPPED, "Members can invite admins.", "Owners and admins can invite members."),
        (Rule.SWAPPED, "Exports take 1.5 minutes.", "Imports take 1.5 minutes, exports 15 minutes."),
        (Rule.SWAPPED, "5 seats for members, 10 for owners.", "Owners have 5 seats, members 10."),
        (
            Rule.SWAPPED,
            "On the Growth plan, Acme keeps data for 30 days.",
            "Acme keeps data for 30 days on the Free plan and 12 months on the Growth plan.",
        ),
        (Rule.UNIT, "Refunds arrive within 5 business months.", REFUNDS),
        (Rule.UNIT, "The Growth plan costs €149 a month.", GROWTH),
        (Rule.UNIT, "Exports hold up to 1.5 MB, never 15 GB.", "Exports hold up to 1.5 GB, never 15 GB."),
        (Rule.DATE, "It changed on 2026-04-01.", "It changed on 2026-03-01."),
        (Rule.DATE, "It changed on April 1.", "It changed on 2026-03-01."),
        (Rule.NAME, "The Pro plan costs $149 a month.", GROWTH),
        (Rule.NAME, "The growth plan for Acme costs $149 a month.", GROWTH),
        (Rule.NAME, "Run surefoot_import before the upgrade.", "Run `surefoot export --all` before the upgrade."),
        (Rule.NEGATION, "The Growth plan must not be paid in advance.", GROWTH),
        (Rule.NEGATION, "Share the API key with anyone.", SECRET),
        (Rule.NEGATION, "No, refunds arrive within 5 business days.", REFUNDS),
        (Rule.NEGATION, "Yes, share the API key with anyone.", SECRET),
        (Rule.NEGATION, "Owners cannot start a refund under Payments; members can.", TEXT.splitlines()[0]),
        (Rule.NEGATION, "Members can start a refund.", TEXT.splitlines()[0]),
        (Rule.MODALITY, "The Growth plan may be paid in advance.", GROWTH),
        (Rule.MODALITY, "Only owners must delete a project.", "Only owners may delete a project."),
        (Rule.LIMIT, "Owners may delete a project.", "Only owners may delete a project."),
        (Rule.LIMIT, "Refunds always arrive within 5 business days.", REFUNDS),
    ],
)
def test_a_fact_of_the_claim_must_be_that_of_the_quote_whatever_the_score(rule: Rule, claim: str, quote: str) -> None:
    assert rule in broken(claim, quote)
    assert judged(claim, quote, gate=Gate(Support(ENCODER), threshold=0.0)).claim is None


@pytest.mark.parametrize(
    ("rule", "piece"),
    [
        (Rule.FOREIGN_LINK, "https://evil.example/settings"),
        (Rule.FOREIGN_LINK, "hTTps://docs.example.com/settings?x=1"),
        (Rule.FOREIGN_LINK, "www.evil.example"),
        (Rule.FOREIGN_LINK, "www.x"),
        (Rule.FOREIGN_LINK, "ldap://localhost"),
        (Rule.FOREIGN_LINK, "evil.com"),
        (Rule.FOREIGN_LINK, "\uff45\uff56\uff49\uff4c\uff0e\uff43\uff4f\uff4d"),
        (Rule.FOREIGN_LINK, "evil dot com"),
        (Rule.FOREIGN_LINK, "evil[.]com"),
        (Rule.FOREIGN_LINK, "example.com/settings"),
        (Rule.FOREIGN_LINK, "javascript:alert(1)"),
        (Rule.FOREIGN_LINK, "data:text/html;base64,PHNjcmlwdD4="),
        (Rule.FOREIGN_LINK, "10.0.0.1:8080"),
        (Rule.FOREIGN_ADDRESS, "help@example.com.evil"),
        (Rule.FOREIGN_ADDRESS, "lp@example.com"),
        (Rule.FOREIGN_ADDRESS, "help(at)evil"),
        (Rule.FOREIGN_PHONE_NUMBER, "+1 415 555 0199"),
        (Rule.FOREIGN_PHONE_NUMBER, "(415) 555-0100"),
        (Rule.FOREIGN_MARKUP, "<b>now</b>"),
        (Rule.FOREIGN_MARKUP, "<img src=x"),
        (Rule.FOREIGN_MARKUP, "![x](settings)"),
        (Rule.FOREIGN_MARKUP, "[Settings](settings)"),
        (Rule.FOREIGN_MARKUP, "<!-- hidden -->"),
        (Rule.FOREIGN_MARKUP, "{{ key }}"),
        (Rule.FOREIGN_ENCODED_TEXT, "c2VjcmV0IGtleSBvZiBhbm90aGVyIHRlbmFudA=="),
        (Rule.FOREIGN_ENCODED_TEXT, "deadbeefdeadbeef0123456789"),
        (Rule.FOREIGN_ENCODED_TEXT, "%73%65%63%72%65%74"),
        (Rule.FOREIGN_ENCODED_TEXT, "&#115;&#101;"),
        (Rule.FOREIGN_CODE, "`rm everything`"),
        (Rule.FOREIGN_ENCODED_TEXT, "deadbeef01deadbeef"),
        (Rule.FOREIGN_ENCODED_TEXT, "gezdgnbvgyltqojqgezdgnbvgyltqojqgezdgnbvgyltqojq"),
        (Rule.FOREIGN_CODE, "bash -c settings"),
        (Rule.FOREIGN_CODE, "settings | sh"),
        (Rule.FOREIGN_CODE, "curl settings"),
        (Rule.FOREIGN_CODE, "surefoot export --everything"),
        (Rule.FOREIGN_CODE, "/etc/passwd"),
    ],
)
def test_links_addresses_markup_and_code_must_be_in_a_quote_letter_by_letter(rule: Rule, piece: str) -> None:
    assert rule in broken(f"See Settings or write to help@example.com {piece}", SETTINGS)
    verdict = judged(f"See Settings {piece}", SETTINGS, gate=Gate(Support(ENCODER), threshold=0.0))
    assert verdict.claim is None
    assert not any(piece in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    "claim", [f"{REFUNDS}\n::: pay twice", f"7. {REFUNDS}", f"{REFUNDS}\n[note]: now", f"{REFUNDS}\n~~~ pay"]
)
def test_what_scoring_does_not_read_is_not_shown_either(claim: str) -> None:
    assert Rule.FOREIGN_MARKUP in broken(claim, REFUNDS)


@pytest.mark.parametrize("character", ["\u200b", "\u202e", "\u2066", "\x07", "\U000e0041", "\ue000", "\u00ad", "\u2028"])
def test_characters_that_cannot_be_seen_are_not_shown(character: str) -> None:
    assert Rule.UNSEEN_CHARACTERS in broken(f"Refunds{character} arrive within 5 business days.", REFUNDS)


def test_joiners_that_the_quote_has_are_shown_but_never_a_reversed_order() -> None:
    joined = Passage(
        chunk_of(Text("\u0645\u06cc\u200c\u062e\u0648\u0645 \u0644\u063a\u0648. Abc \u202e def.", locale="fa")), 1.0, 1.0, 1.0
    )
    ground = Ground.of("?", "fa", [joined])
    quote = "\u0645\u06cc\u200c\u062e\u0648\u0645 \u0644\u063a\u0648."
    assert judged(quote, quote, passage=joined, ground=ground).claim is not None
    reversed_order = "Abc \u202e def."
    assert judged(reversed_order, reversed_order, passage=joined, ground=ground).rules == (Rule.UNSEEN_CHARACTERS,)


@pytest.mark.parametrize("text", ["", " \n ", "...", "**", "“—”"])
def test_a_claim_that_says_nothing_falls(text: str) -> None:
    assert Rule.EMPTY in broken(text, REFUNDS)


def test_passages_told_wholesale_fall_by_length() -> None:
    assert Rule.TOO_LONG in broken(f"{TEXT}\n{TEXT}", REFUNDS)
    long = Passage(chunk_of(Text("Refunds arrive soon. " * 40)), 1.0, 1.0, 1.0)
    text = long.chunk.text.strip()
    ground = Ground.of("?", "en", [long])
    assert judged(text, text, passage=long, ground=ground).rules == (Rule.TOO_LONG,)


def test_a_claim_is_in_the_language_of_the_question_or_of_its_quotes() -> None:
    french = "Les remboursements arrivent dans les 5 jours et ils sont pour vous avec nous."
    assert Rule.OTHER_LANGUAGE in broken(french, REFUNDS)
    quote = GERMAN.chunk.text
    assert judged(quote, quote, passage=GERMAN).claim is not None
    verdict = judged("Die Rückzahlungen dauern fünf Werktage, nachdem sie freigegeben wurden.", quote, passage=GERMAN)
    assert verdict.claim is not None, verdict


def test_a_foreign_sentence_that_a_quote_holds_may_be_repeated() -> None:
    french = "Les remboursements arrivent dans les 5 jours et ils sont pour vous avec nous."
    text = f"The message that is sent to your users in that case is the one below, and it cannot be changed: {french}"
    passage = Passage(chunk_of(Text(text)), 1.0, 1.0, 1.0)
    verdict = judged(french, text, passage=passage, ground=Ground.of("?", "en", [passage]))
    assert Rule.OTHER_LANGUAGE not in verdict.rules


def test_a_german_noun_is_no_name() -> None:
    passage = Passage(
        chunk_of(Text("Die Daten werden 30 Tage lang gespeichert und danach gelöscht.", locale="de")), 1.0, 1.0, 1.0
    )
    ground = Ground.of("Wie lange?", "de", [passage])
    quote = passage.chunk.text
    assert judged("Die Daten werden nach 30 Tagen gelöscht.", quote, passage=passage, ground=ground).claim is not None
    wrong = judged("Die Daten werden nach 40 Tagen gelöscht.", quote, passage=passage, ground=ground)
    assert Rule.NUMBER in wrong.rules


def test_a_statement_of_its_own_beside_a_true_one_falls() -> None:
    assert Rule.INVENTED in broken("Refunds arrive within 5 business days because zebras graze rivers daily.", REFUNDS)


def test_each_sentence_of_a_claim_must_be_supported() -> None:
    assert broken(f"{REFUNDS} Everything else is free.", REFUNDS) == (Rule.UNSUPPORTED,)


def test_support_below_the_threshold_falls() -> None:
    claim = "Refunds take 5 business days."
    support = judged(claim, REFUNDS).support
    assert judged(claim, REFUNDS, gate=Gate(Support(ENCODER), threshold=support + 0.01)).rules == (Rule.UNSUPPORTED,)
    assert judged(claim, REFUNDS, gate=Gate(Support(ENCODER), threshold=support - 0.01)).claim is not None


def test_a_claim_that_breaks_a_cheaper_rule_costs_no_encoder() -> None:
    for claim in ("Refunds arrive within 6 business days.", f"{REFUNDS[:-1]} at evil.com.", ""):
        assert judged(claim, REFUNDS, gate=CLOSED).claim is None


def shown(text: str) -> Judged:
    return Judged(text, Claim(text, (cite(PASSAGE, 100, 110),), 1.0), 1.0)


FELL = Judged("No.", None, 0.1, ("unsupported",), ("The quotes do not say this.",))


def test_unsupported_claims_are_dropped_and_duplicates_shown_once() -> None:
    settled = GATE.settle([shown("One."), FELL, shown("Two."), shown("one"), shown("Three.")], GROUND)
    assert not isinstance(settled, CoreFell)
    assert [claim.text for claim in settled] == ["One.", "Two.", "Three."]


def test_when_the_first_claim_fell_all_fell() -> None:
    assert GATE.settle([FELL, shown("Two.")], GROUND) == CoreFell(FELL.rules, FELL.reasons)
    assert isinstance(GATE.settle([], GROUND), CoreFell)


def test_an_answer_has_no_more_claims_and_characters_than_the_ground_allows() -> None:
    ground = Ground("?", "en", {}, longest_answer_characters=12, most_claims=2)
    settled = GATE.settle([shown("Five!"), shown("Much too long."), shown("Four"), shown("x")], ground)
    assert not isinstance(settled, CoreFell)
    assert [claim.text for claim in settled] == ["Five!", "Four"]


def test_claims_are_selected_as_they_come() -> None:
    selection = Selection(most_claims=5, longest_answer_characters=100)
    first = shown("One.")
    assert selection.admit(first) is first.claim
    assert selection.admit(FELL) is None
    assert selection.fell is None
    fallen = Selection(most_claims=5, longest_answer_characters=100)
    assert fallen.admit(FELL) is None
    assert fallen.fell is not None
    assert fallen.admit(first) is None


def quoted_answer(*quotes: str) -> Answer:
    starts = [TEXT.index(quote) for quote in quotes]
    claims = (
        Claim(quote, (cite(PASSAGE, 100 + at, 100 + at + len(quote)),), 1.0) for at, quote in zip(starts, quotes, strict=True)
    )
    return Answer(tuple(claims), 0.9)


def test_an_extractive_answer_passes_by_the_same_rules_without_an_encoder() -> None:
    assert all(verdict.claim for verdict in CLOSED.check_answer(quoted_answer(REFUNDS, SETTINGS, GROWTH), GROUND))
    elsewhere = Ground.of("?", "en", [GERMAN])
    assert [v.rules for v in CLOSED.check_answer(quoted_answer(REFUNDS), elsewhere)] == [(Rule.UNKNOWN_CHUNK,)]
    altered = Answer((Claim(REFUNDS.replace("5", "6"), quoted_answer(REFUNDS).claims[0].citations, 1.0),), 0.9)
    assert CLOSED.check_answer(altered, GROUND)[0].claim is None


def test_passages_are_taken_by_their_own_ids() -> None:
    swapped = Ground("?", "en", {PASSAGE.chunk.chunk_id: GERMAN})
    assert judged(GERMAN.chunk.text, GERMAN.chunk.text, ground=swapped).rules == (Rule.UNKNOWN_CHUNK,)
