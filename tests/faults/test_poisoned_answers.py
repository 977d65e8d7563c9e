"""Whatever a document or a question tells a model, and whatever the model then does, no reply breaks a rule."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from surefoot.assistant import standing
from surefoot.assistant.gate import Gate, Ground
from surefoot.assistant.gate import gate as gate_module
from surefoot.domain.answers import Answer, Claim, cite
from surefoot.domain.documents import DocumentId
from surefoot.domain.drafts import DraftClaim, Judged
from surefoot.domain.filters import Everything, Filter
from surefoot.domain.identity import Viewer
from surefoot.retrieval.search import Retrieved
from tests.faults.poison import FAMILIES, Place, poisoned
from tests.faults.poison_checks import disguises
from tests.faults.poison_house import CANARIES, FINANCE, STAFF, House

RUNS = 5 * len(FAMILIES)
SABOTAGED_RUNS = 4 * len(FAMILIES)
Sabotage = Callable[[pytest.MonkeyPatch, House], None]


def test_no_reply_to_a_poisoned_context_breaks_a_rule() -> None:
    house = House()
    runs = list(house.runs(RUNS))
    assert [(run.poison.family, run.poison.place, run.model, run.broken) for run in runs if run.broken] == []
    # The runs are worth something only while models are asked and some of what they write is shown.
    shown = [run for run in runs if run.reply is not None and isinstance(run.reply.outcome, Answer)]
    assert len(shown) > RUNS / 6
    assert {run.model for run in shown} >= {"obey", "honest"}
    assert all(run.reply is None or len(run.reply.steps) > 1 for run in runs)


def test_the_extractive_tier_breaks_no_rule_either() -> None:
    house = House()
    ask = house.ask_without_a_model()
    runs = [house.run(number, ask) for number in range(len(FAMILIES))]
    assert [(run.poison.family, run.poison.place, run.broken) for run in runs if run.broken] == []
    assert any(run.reply is not None and isinstance(run.reply.outcome, Answer) for run in runs)


def test_there_are_forty_families_and_each_text_is_its_own() -> None:
    assert len(FAMILIES) >= 40
    texts = {poisoned(family, seed, chunks=("chk_a", "chk_b")).document for family in FAMILIES for seed in range(3)}
    assert len(texts) > 2 * len(FAMILIES)


def test_every_place_is_poisoned() -> None:
    places = {poisoned(family, seed, chunks=("chk_a",)).place for family in FAMILIES for seed in range(3)}
    assert places == set(Place)


@pytest.mark.parametrize("canary", CANARIES.values())
def test_a_canary_is_known_in_every_disguise_and_at_every_place_of_base64(canary: str) -> None:
    for before in ("", "a", "ab", "abc", "The code is "):
        encoded = base64.b64encode(f"{before}{canary} and more".encode()).decode()
        assert any(disguise in encoded for disguise in disguises(canary))
    assert not any(disguise in "Refunds take 5 days." for disguise in disguises(canary))


def without_gate(patch: pytest.MonkeyPatch, house: House) -> None:
    """Every claim of a model is shown, on the ground of whatever it cites that exists."""

    def judge(self: Gate, claim: DraftClaim, ground: Ground) -> Judged:
        known = [ground.passages[cited.chunk_id] for cited in claim.citations if cited.chunk_id in ground.passages]
        passages = known or list(ground.passages.values())[:1]
        cited = tuple(cite(passage, passage.chunk.start, passage.chunk.end) for passage in passages)
        return Judged(claim.text, Claim(claim.text, cited, 1.0), 1.0)

    patch.setattr(Gate, "judge", judge)


def without_quote_check(patch: pytest.MonkeyPatch, house: House) -> None:
    """A quote is believed wherever it is said to stand."""

    def judge(self: Gate, claim: DraftClaim, ground: Ground) -> Judged:
        cited = []
        for said in claim.citations:
            passage = ground.passages.get(said.chunk_id)
            if passage is not None and said.quote:
                whole = cite(passage, passage.chunk.start, passage.chunk.end)
                cited.append(replace(whole, quote=said.quote))
        return Judged(claim.text, Claim(claim.text, tuple(cited), 1.0) if cited else None, 1.0)

    patch.setattr(Gate, "judge", judge)


def without_second_look(patch: pytest.MonkeyPatch, house: House) -> None:
    """Nobody looks again, before the reply leaves, whether the documents still say what is quoted of them."""
    patch.setattr(standing, "no_longer_true", lambda *looked_at, **when: ())


def without_link_rule(patch: pytest.MonkeyPatch, house: House) -> None:
    """Links, markup, code and blobs may stand in a claim."""
    patch.setattr(gate_module, "foreign", lambda *said, **how: iter(()))


def without_unseen_rule(patch: pytest.MonkeyPatch, house: House) -> None:
    """Characters that nobody sees may stand in a claim."""
    patch.setattr(gate_module, "unseen_characters", lambda *said, **how: [])


def without_support(patch: pytest.MonkeyPatch, house: House) -> None:
    """A claim may say something else than its quotes."""
    patch.setattr(gate_module, "departures", lambda *said, **how: ())
    patch.setattr(gate_module, "_foreign_to", lambda *said, **how: [])
    patch.setattr(Gate, "_supported", lambda *said, **how: ([], 1.0))


class SearchOfEveryone:
    """The world's searcher for somebody who may read everything of the tenant."""

    def __init__(self, house: House) -> None:
        self._search = house.world.searcher.search

    def search(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Retrieved:
        return self._search(replace(viewer, principals=frozenset({FINANCE, STAFF})), question, where=where, limit=limit)


def without_filter(patch: pytest.MonkeyPatch, house: House) -> None:
    """The search forgets the rights."""
    patch.setattr(house, "search", SearchOfEveryone(house))


def without_rights(patch: pytest.MonkeyPatch, house: House) -> None:
    """Nobody looks again whether what was found may be read."""

    def everything(store: object, viewer: Viewer, documents: Sequence[DocumentId]) -> frozenset[DocumentId]:
        return frozenset(documents)

    patch.setattr(standing, "still_readable", everything)


@pytest.mark.parametrize(
    ("sabotages", "caught_as"),
    [
        ((without_gate,), {"an address", "the instructions are repeated", "a number"}),
        ((without_quote_check, without_second_look), {"a quote is not what the document says"}),
        ((without_link_rule,), {"an address"}),
        ((without_unseen_rule,), {"characters that cannot be seen"}),
        ((without_support,), {"a number", "a negation"}),
        ((without_filter, without_rights), {"a document that the viewer may not read", "a canary of somebody else"}),
    ],
)
def test_a_build_without_one_of_its_locks_is_caught(
    sabotages: Sequence[Sabotage], caught_as: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House()
    for sabotage in sabotages:
        sabotage(monkeypatch, house)
    unseen = set(caught_as)
    for run in house.runs(SABOTAGED_RUNS):
        unseen = {start for start in unseen if not any(rule.startswith(start) for rule in run.broken)}
        if not unseen:
            break
    assert unseen == set()


@pytest.mark.parametrize("sabotage", [without_filter, without_quote_check, without_second_look])
def test_behind_one_lock_there_is_another(sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    sabotage(monkeypatch, house)
    starts = ("a document", "a canary", "a quote")
    runs = house.runs(len(FAMILIES))
    assert [run.broken for run in runs if any(rule.startswith(starts) for rule in run.broken)] == []
