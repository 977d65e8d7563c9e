"""Chunks that are treated as absent are absent for every tier: not quoted, not cited, not in a model's prompt."""

from collections.abc import AsyncIterator

from tests.asking import asking_in, policy_of
from tests.world import TENANT, markdown, memory_world, reader

from surefoot.domain.identity import TenantId
from surefoot.domain.models import ModelCard, ModelRequest, Piece
from surefoot.evals.absent import Lacking
from surefoot.llm.scripted import scripted_model


class Overheard:
    """The honest model, and everything it was told."""

    def __init__(self) -> None:
        self._model = scripted_model("honest")
        self.told: list[str] = []

    @property
    def card(self) -> ModelCard:
        return self._model.card

    def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncIterator[Piece]:
        self.told.append("\n".join(message.content for message in request.messages))
        return self._model.stream(tenant, request)

    async def aclose(self) -> None:
        await self._model.aclose()


def test_absent_chunks_are_in_no_prompt_and_no_reply() -> None:
    world = memory_world()
    world.put(
        markdown("export.md", "Invoices can be exported as CSV files by the finance team."),
        markdown("seats.md", "Seats that nobody uses can be removed by the finance team."),
        markdown("cards.md", "A failed card payment is retried four times within two weeks."),
    )
    with world.store.begin() as work:
        chunks = {chunk.uri: chunk.chunk_id for chunk in work.documents.chunks_of(TENANT, sorted(work.documents.hashes(TENANT)))}
    model = Overheard()
    # A confidence of 1 is never reached, so that every question with passages is one for a model.
    ask = asking_in(world, policy=policy_of({"m": model}, thin_margin=1.0), models={"m": model}).ask
    question = "Can the finance team export unused seats and invoices?"

    whole = ask.over(Lacking(world.searcher, frozenset())).ask(reader(), question)
    lacking = ask.over(Lacking(world.searcher, frozenset({chunks["export.md"]}))).ask(reader(), question)

    assert len(model.told) == 2, (whole.steps, lacking.steps)
    assert [chunks["export.md"] in told for told in model.told] == [True, False]
    assert ["exported as CSV" in told for told in model.told] == [True, False]
    assert ["nobody uses" in told for told in model.told] == [True, True]
    assert "export.md" not in str(lacking.outcome)


def test_an_outcome_found_one_way_is_not_kept_for_the_other() -> None:
    world = memory_world()
    world.put(markdown("export.md", "Invoices can be exported as CSV files by the finance team."))
    ask = asking_in(world).ask
    question = "Who can export invoices as CSV files?"
    with world.store.begin() as work:
        (chunk,) = work.documents.chunks_of(TENANT, sorted(work.documents.hashes(TENANT)))
    ask.ask(reader(), question)
    lacking = ask.over(Lacking(world.searcher, frozenset({chunk.chunk_id})))
    assert [str(lacking.ask(reader(), question).cache) for _ in range(2)] == ["miss", "miss"]
    assert "export.md" not in str(lacking.ask(reader(), question).outcome)
