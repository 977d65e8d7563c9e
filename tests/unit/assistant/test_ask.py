import pytest

from surefoot.assistant.ask import Ask
from surefoot.assistant.course import LONGEST_QUESTION_CHARACTERS
from surefoot.core.errors import InvalidInput
from surefoot.domain.answers import Answer, Refusal, RefusalReason
from surefoot.domain.documents import document_id
from surefoot.domain.filters import Everything, Filter, InDocuments
from surefoot.domain.identity import EVERYONE, Principal, Viewer, viewer_hash
from surefoot.retrieval.search import Retrieved
from tests.asking import asking_in
from tests.world import TENANT, World, markdown, memory_world, reader

QUESTION = "When do refunds arrive?"
REFUNDS = markdown("refunds.md", "# Refunds\n\nRefunds arrive within 5 business days.\n")
SECRET = markdown("secret.md", "# Refund approval\n\nRefunds arrive at once when the team of finance approves them.\n")


@pytest.fixture
def world() -> World:
    return memory_world()


def ask_in(world: World) -> Ask:
    return asking_in(world).ask


def test_the_reply_is_an_answer_with_its_time_and_stages(world: World) -> None:
    world.put(REFUNDS)
    reply = ask_in(world).ask(reader(), QUESTION)
    assert isinstance(reply.outcome, Answer)
    assert reply.asked_at == world.clock.now()
    assert {"encode", "lexical", "dense", "fuse", "extract", "gate"} <= set(reply.timings_ms)
    assert reply.cost_usd == 0
    assert reply.tokens == 0


def test_every_reply_is_in_the_ledger_without_the_viewer_s_name(world: World) -> None:
    world.put(REFUNDS)
    reply = ask_in(world).ask(reader("ann"), QUESTION)
    kept = world.store.replies.get(TENANT, reply.reply_id)
    assert kept is not None
    assert world.store.replies.count(TENANT) == 1
    assert viewer_hash(reader("ann")) != viewer_hash(reader("bob"))
    assert "ann" not in viewer_hash(reader("ann"))


@pytest.mark.parametrize("question", ["", "   \n", "a" * (LONGEST_QUESTION_CHARACTERS + 1), "what\x00 now", "bell\x07", "\ud800"])
def test_what_is_no_question_is_invalid_input(world: World, question: str) -> None:
    with pytest.raises(InvalidInput):
        ask_in(world).ask(reader(), question)
    assert world.store.replies.count(TENANT) == 0


def test_line_breaks_and_tabs_may_stand_in_a_question(world: World) -> None:
    world.put(REFUNDS)
    assert isinstance(ask_in(world).ask(reader(), "When do\n\trefunds arrive?").outcome, Answer)


class RevokingSearch:
    """The world's searcher, after whose first `times` searches the right to read refunds.md is taken away."""

    def __init__(self, world: World, times: int) -> None:
        self._world = world
        self._left = times
        self.searches = 0

    def search(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Retrieved:
        self.searches += 1
        found = self._world.searcher.search(viewer, question, where=where, limit=limit)
        if self._left:
            self._left -= 1
            grant(self._world, "refunds.md", "user:nobody")
        return found


class GrantingAndRevokingSearch(RevokingSearch):
    """The same, and the right is given back before each search: rights never stand still."""

    def search(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Retrieved:
        grant(self._world, "refunds.md", EVERYONE)
        return super().search(viewer, question, where=where, limit=limit)


def grant(world: World, uri: str, *principals: str) -> None:
    with world.store.begin() as work:
        work.access.put(TENANT, document_id(TENANT, uri), frozenset(map(Principal, principals)))
        work.commit()


def test_a_document_revoked_while_answering_is_not_shown(world: World) -> None:
    world.put(REFUNDS, markdown("invoices.md", "# Invoices\n\nInvoices are sent every Monday.\n"))
    search = RevokingSearch(world, times=1)
    reply = asking_in(world, search=search).ask.ask(reader(), QUESTION)
    assert search.searches == 2
    assert isinstance(reply.outcome, Refusal)
    assert all("refunds.md" not in place.uri for place in reply.outcome.closest)


def test_after_a_revocation_what_may_still_be_read_answers(world: World) -> None:
    world.put(REFUNDS, markdown("payments.md", "# Payments\n\nRefunds arrive within 5 business days, as payments do.\n"))
    search = RevokingSearch(world, times=1)
    outcome = asking_in(world, search=search).ask.ask(reader(), QUESTION).outcome
    assert isinstance(outcome, Answer)
    assert {citation.uri for claim in outcome.claims for citation in claim.citations} == {"payments.md"}


def test_a_refusal_s_closest_places_are_checked_again_too(world: World) -> None:
    world.put(REFUNDS)
    search = RevokingSearch(world, times=1)
    outcome = asking_in(world, search=search).ask.ask(reader(), "Do refunds arrive in Bitcoin?").outcome
    assert isinstance(outcome, Refusal)
    assert outcome.closest == ()


def test_rights_that_never_stand_still_end_in_a_refusal_after_two_searches(world: World) -> None:
    world.put(REFUNDS)
    search = GrantingAndRevokingSearch(world, times=9)
    reply = asking_in(world, search=search).ask.ask(reader(), QUESTION)
    assert search.searches == 2
    assert isinstance(reply.outcome, Refusal)
    assert reply.outcome.reason is RefusalReason.NO_EVIDENCE


def test_a_question_is_narrowed_to_the_documents_and_passages_it_asks_for(world: World) -> None:
    world.put(REFUNDS, markdown("other.md", "# Refunds to cards\n\nRefunds arrive on the card within 5 business days.\n"))
    seen: list[Retrieved] = []

    class Watched(RevokingSearch):
        def search(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Retrieved:
            seen.append(super().search(viewer, question, where=where, limit=limit))
            return seen[-1]

    narrowed = asking_in(world, search=Watched(world, 0)).ask
    narrowed.ask(reader(), QUESTION, where=InDocuments(frozenset({document_id(TENANT, "other.md")})))
    narrowed.ask(reader(), QUESTION, limit=1)
    assert [passage.chunk.uri for passage in seen[0].passages] == ["other.md"]
    assert len(seen[1].passages) == 1
