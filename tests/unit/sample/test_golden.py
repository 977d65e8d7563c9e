"""The sample tenant is what its README says, and its golden file holds together."""

import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from tests.asking import asking_in
from tests.world import markdown, memory_world, reader

from surefoot.domain.answers import Answer, Citation, Claim, Refusal, RefusalReason
from surefoot.domain.documents import ChunkId, DocumentId, TrustTier
from surefoot.domain.filters import ReadAccess, readable
from surefoot.domain.identity import parse_principals
from surefoot.domain.replies import Reply
from surefoot.evals.cases import AskCase
from surefoot.retrieval.access import principals_of
from surefoot.retrieval.rights_files import is_rights_file
from surefoot.sample.golden import ask_case, golden_cases, judge, totals
from surefoot.sample.tenant import TENANT, documents_folder, people

CASES = golden_cases()
FOLDER = documents_folder()
DOCUMENTS = {
    path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8")
    for path in FOLDER.rglob("*")
    if path.is_file() and not is_rights_file(path.name)
}
PRINCIPALS = re.compile(r"^principals: \[(.*)\]$", re.MULTILINE)


def may_read(viewer: str, uri: str) -> bool:
    stated = PRINCIPALS.search(DOCUMENTS[uri])
    texts = [part.strip(' "') for part in stated.group(1).split(",")] if stated else ["everyone"]
    return readable(parse_principals(texts), ReadAccess(principals_of(people()[viewer].viewer()), epoch=0))


def citation(uri: str, quote: str) -> Citation:
    return Citation(
        ChunkId("chk"), DocumentId("doc"), uri, "Title", "", "", None, quote, 0, len(quote), "en", TrustTier.OFFICIAL, None
    )


def reply(outcome: Answer | Refusal) -> Reply:
    return Reply("ans_1", "?", outcome, "v1", datetime(2026, 1, 1, tzinfo=UTC))


def case(**changes: object) -> AskCase:
    fields: dict[str, object] = {
        "id": "answer-01",
        "kind": "answer",
        "viewer": "nora",
        "question": "?",
        "expect": "answer",
        "gold_uris": ["a.md"],
        "expected_facts": ["$9"],
        "hidden_uris": [],
        "why": "a test",
    }
    return AskCase.model_validate(fields | changes)


def test_the_sample_holds_about_seventy_documents_of_150_to_600_words() -> None:
    assert 60 <= len(DOCUMENTS) <= 80
    assert {uri for uri, text in DOCUMENTS.items() if not 120 <= len(text.split()) <= 600} == set()


def test_exactly_one_document_is_past_its_validity_and_one_is_superseded() -> None:
    assert [uri for uri, text in DOCUMENTS.items() if "\nvalid_until:" in text] == ["plans/startup-programme.md"]
    superseding = {uri: text for uri, text in DOCUMENTS.items() if "\nsupersedes:" in text}
    assert list(superseding) == ["developers/rate-limits.md"]
    assert "supersedes: [developers/rate-limits-2024.md]" in superseding["developers/rate-limits.md"]


def test_every_markdown_document_states_title_date_trust_readers_and_language() -> None:
    for uri, text in DOCUMENTS.items():
        if uri.endswith(".md"):
            head = text.split("---")[1]
            for key in ("title", "updated_at", "trust", "principals", "locale"):
                assert f"\n{key}: " in head, (uri, key)


def test_the_two_conflicting_pages_have_the_same_trust_and_different_numbers() -> None:
    first, second = DOCUMENTS["data/import-customers.md"], DOCUMENTS["data/limits.md"]
    sentence = re.compile(r"One CSV import file can contain up to ([\d,]+) rows\.")
    assert {m.group(1) for text in (first, second) for m in sentence.finditer(text)} == {"10,000", "25,000"}
    assert "\ntrust: official\n" in first
    assert "\ntrust: official\n" in second


def test_golden_cases_have_unique_ids_and_questions_per_viewer() -> None:
    assert len(CASES) >= 80
    assert max(Counter(case.id for case in CASES).values()) == 1
    assert max(Counter((case.viewer, case.question) for case in CASES).values()) == 1


def test_every_kind_of_case_is_covered() -> None:
    kinds = {"answer", "restricted", "no-right", "near-miss", "out-of-scope", "stale", "conflicting", "german", "spanish"}
    cases = Counter(case.kind for case in CASES)
    assert set(cases) == kinds | {"follow-up", "false-premise", "clarification"}
    assert min(cases[kind] for kind in ("follow-up", "false-premise", "clarification")) >= 12


def test_exactly_the_follow_ups_have_questions_before_them() -> None:
    assert {case.kind for case in CASES if case.earlier} == {"follow-up"}
    assert [case.id for case in CASES if case.kind == "follow-up" and not all(case.earlier or [""])] == []


def test_a_false_premise_is_not_what_its_document_says() -> None:
    """The number or word that the question takes for granted is not among the facts it is to be corrected by."""
    for golden in CASES:
        if golden.kind == "false-premise":
            assert golden.expect == "answer", golden.id
            assert not any(fact in golden.question for fact in golden.expected_facts), golden.id


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.id)
def test_a_golden_case_names_documents_that_exist_and_facts_that_stand_in_them(golden: AskCase) -> None:
    assert golden.viewer in people()
    assert {*golden.gold_uris, *golden.hidden_uris} <= set(DOCUMENTS)
    gold_text = " ".join(DOCUMENTS[uri] for uri in golden.gold_uris)
    assert [fact for fact in golden.expected_facts if fact not in gold_text] == []
    assert bool(golden.expected_facts) == (golden.expect == "answer")


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.id)
def test_viewers_may_read_gold_documents_and_may_not_read_hidden_ones(golden: AskCase) -> None:
    assert [uri for uri in golden.gold_uris if not may_read(golden.viewer, uri)] == []
    assert [uri for uri in golden.hidden_uris if may_read(golden.viewer, uri)] == []


def test_no_golden_question_copies_a_heading() -> None:
    headings = {
        line.lstrip("# ").rstrip("?").casefold()
        for text in DOCUMENTS.values()
        for line in text.splitlines()
        if line.startswith("#")
    }
    assert [case.id for case in CASES if case.question.rstrip("?").casefold() in headings] == []


def test_people_become_viewers_of_the_sample_tenant() -> None:
    felix = people()["felix"].viewer()
    assert felix.tenant == TENANT
    assert felix.principals == parse_principals(["group:finance", "role:admin"])


def test_an_expected_answer_passes_only_with_gold_cited_and_every_fact_shown() -> None:
    def answer(uri: str, quote: str) -> Reply:
        return reply(Answer((Claim(quote, (citation(uri, quote),), 1.0),), 0.9))

    assert judge(case(), answer("a.md", "A seat costs $9.")).passed
    assert not judge(case(), answer("b.md", "A seat costs $9.")).passed
    assert not judge(case(), answer("a.md", "A seat costs $8.")).passed
    assert not judge(case(), reply(Refusal(RefusalReason.NO_EVIDENCE, "Nothing."))).passed


def test_an_expected_refusal_passes_for_any_reason_and_counts_whether_it_is_the_expected_one() -> None:
    golden = case(kind="stale", expect="stale_evidence", expected_facts=[])
    other = judge(golden, reply(Refusal(RefusalReason.NO_EVIDENCE, "Nothing.")))
    same = judge(golden, reply(Refusal(RefusalReason.STALE_EVIDENCE, "Old.")))
    assert (other.passed, other.same_reason) == (True, False)
    assert (same.passed, same.same_reason) == (True, True)


def test_a_false_premise_passes_only_when_it_is_corrected() -> None:
    golden = case(kind="false-premise")

    def answered(text: str, note: str = "") -> bool:
        claim = Claim(text, (citation("a.md", "A seat costs $9."),), 1.0)
        return judge(golden, reply(Answer((claim,), 0.9, note=note))).passed

    assert not answered("A seat costs $9.")
    assert answered("A seat costs $9.", note="Your question says $12; the document says otherwise:")
    assert answered("No, a seat costs $9.")
    assert not answered("Notes on a seat that costs $9.")
    assert not judge(golden, reply(Refusal(RefusalReason.INSUFFICIENT_EVIDENCE, "No."))).passed


def test_a_question_to_be_cleared_up_passes_only_when_it_is_asked_back_with_a_gold_document_behind_a_choice() -> None:
    golden = case(kind="clarification", expect="needs_clarification", expected_facts=[])

    def asked_back(uri: str, choices: tuple[str, ...], reason: str = "needs_clarification") -> bool:
        closest = (citation(uri, "A seat costs $9."),)
        return judge(golden, reply(Refusal(RefusalReason(reason), "Which?", closest=closest, choices=choices))).passed

    assert asked_back("a.md", ("Seats?", "Prices?"))
    assert not asked_back("a.md", ("Seats?",))
    assert not asked_back("b.md", ("Seats?", "Prices?"))
    assert not asked_back("a.md", ("Seats?", "Prices?"), reason="insufficient_evidence")
    assert not judge(golden, reply(Answer((Claim("$9", (citation("a.md", "$9"),), 1.0),), 0.9))).passed


def test_earlier_questions_are_asked_in_the_same_conversation_and_only_the_last_reply_is_judged() -> None:
    world = memory_world()
    world.put(markdown("refunds.md", "A refund to a card takes five to ten business days."))
    asking, viewer = asking_in(world), reader()
    last = ask_case(
        asking.ask,
        asking.conversations,
        viewer,
        case(kind="follow-up", earlier=["How do I refund a card payment?"], question="How long does it take?"),
    )
    assert last.question == "How long does it take?"
    assert last.searched == "How long does a card payment take?"
    (conversation,) = asking.conversations.of(viewer)
    turns = asking.conversations.history(viewer, conversation.conversation_id)
    assert [turn.question for turn in turns] == ["How do I refund a card payment?", "How long does it take?"]


def test_a_reply_that_names_a_hidden_document_fails_even_as_a_refusal() -> None:
    golden = case(kind="no-right", expect="insufficient_evidence", gold_uris=[], expected_facts=[], hidden_uris=["secret.md"])
    refusal = Refusal(RefusalReason.INSUFFICIENT_EVIDENCE, "No.", closest=(citation("secret.md", "Secret."),))
    judgement = judge(golden, reply(refusal))
    assert judgement.leaked == ("secret.md",)
    assert not judgement.passed
    assert [(row.kind, row.cases, row.passed, row.leaked) for row in totals([judgement])] == [("no-right", 1, 0, 1)]
