"""What models said is had again to the piece; what was never said is refused, and nothing secret is written."""

import json
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import pytest

from surefoot.core.errors import InvalidInput, ModelRejected, ModelTimedOut, ModelUnavailable, SurefootError
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, Message, ModelCard, ModelRequest, Piece, Role, Usage
from surefoot.llm.recording import RecordedModel, Recording, calls_of, request_fingerprint

TENANT = TenantId("acme")
CARD = ModelCard("small", "test/small")
PIECES = (Piece("Refunds "), Piece("take 5 days."), Piece("", FinishReason.STOP, Usage(120, 9, 64)))


def request(text: str = "How long does a refund take?", *, timeout_seconds: float = 8.0) -> ModelRequest:
    return ModelRequest((Message(Role.USER, text),), timeout_seconds, stream=True)


@dataclass
class Speaker:
    """Says the pieces, then fails when it is told to; counts how often it was asked."""

    error: Callable[[], SurefootError] | None = None
    asked: int = 0
    card: ModelCard = CARD

    async def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncIterator[Piece]:
        self.asked += 1
        for piece in PIECES[: 1 if self.error else None]:
            yield piece
        if self.error is not None:
            raise self.error()

    async def aclose(self) -> None:
        """There is nothing to close."""


def heard(model: RecordedModel, asked: ModelRequest | None = None, *, case: str = "s/c/1", most: int = 99) -> list[Piece]:
    async def listen() -> list[Piece]:
        said: list[Piece] = []
        stream = model.stream(TENANT, asked or request())
        async for piece in stream:
            said.append(piece)
            if len(said) == most:
                await stream.aclose()
                break
        return said

    with calls_of(case):
        return anyio.run(listen)


def test_a_recorded_call_is_said_again_piece_by_piece_without_a_model(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    speaker = Speaker()
    assert heard(RecordedModel(Recording(path, must_exist=False), CARD, speaker)) == list(PIECES)
    replayed = RecordedModel(Recording(path, must_exist=True), CARD)
    assert heard(replayed, request(timeout_seconds=0.5)) == list(PIECES)
    assert speaker.asked == 1


def test_a_file_that_holds_the_call_already_costs_nothing_when_it_is_recorded_again(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    heard(RecordedModel(Recording(path, must_exist=False), CARD, Speaker()))
    speaker = Speaker()
    again = RecordedModel(Recording(path, must_exist=False), CARD, speaker)
    assert heard(again) == list(PIECES)
    assert speaker.asked == 0
    assert heard(again, case="s/c/2") == list(PIECES)
    assert speaker.asked == 1


@pytest.mark.parametrize("changed", [{"case": "s/other/1"}, {"asked": request("Another question?")}])
def test_what_was_never_recorded_is_refused_and_the_case_is_named(tmp_path: Path, changed: dict[str, object]) -> None:
    path = tmp_path / "calls.jsonl"
    heard(RecordedModel(Recording(path, must_exist=False), CARD, Speaker()))
    case = changed.get("case", "s/c/1")
    with pytest.raises(InvalidInput, match=f"does not hold what case '{case}' asks of 'small'"):
        heard(RecordedModel(Recording(path, must_exist=True), CARD), **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        partial(ModelTimedOut, "too late"),
        partial(ModelUnavailable, "busy", retry_after_seconds=3, may_have_charged=False),
        partial(ModelRejected, "no such model"),
    ],
)
def test_a_failure_is_had_again_and_asking_once_more_fails_alike(tmp_path: Path, error: Callable[[], SurefootError]) -> None:
    path = tmp_path / "calls.jsonl"
    with pytest.raises(type(error())):
        heard(RecordedModel(Recording(path, must_exist=False), CARD, Speaker(error)))
    replayed = RecordedModel(Recording(path, must_exist=True), CARD)
    for _ in range(2):
        with pytest.raises(type(error())) as failed:
            heard(replayed)
        assert (str(failed.value), failed.value.retry_after_seconds) == (str(error()), error().retry_after_seconds)


def test_a_call_that_was_left_early_ends_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    assert heard(RecordedModel(Recording(path, must_exist=False), CARD, Speaker()), most=2) == list(PIECES[:2])
    replayed = RecordedModel(Recording(path, must_exist=True), CARD)
    assert heard(replayed, most=2) == list(PIECES[:2])
    with pytest.raises(ModelTimedOut):
        heard(RecordedModel(Recording(path, must_exist=True), CARD))


def test_neither_the_prompt_nor_a_key_is_written_and_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    error = partial(ModelRejected, "Incorrect API key provided: sk-abcdefgh12345678")
    with pytest.raises(ModelRejected):
        heard(RecordedModel(Recording(path, must_exist=False), CARD, Speaker(error)), request("the SECRET document"))
    text = path.read_text(encoding="utf-8")
    assert "SECRET" not in text
    assert "abcdefgh" not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_torn_last_line_is_written_over_and_a_broken_one_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    heard(RecordedModel(Recording(path, must_exist=False), CARD, Speaker()))
    with path.open("ab") as stream:
        stream.write(b'{"case": "s/c/2", "mod')
    heard(RecordedModel(Recording(path, must_exist=False), CARD, Speaker()), case="s/c/2")
    assert [json.loads(line)["case"] for line in path.read_text().splitlines()] == ["s/c/1", "s/c/2"]
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(InvalidInput, match="line 1: case: Field required"):
        Recording(path, must_exist=True)
    with pytest.raises(InvalidInput, match="There is no recording"):
        Recording(tmp_path / "none.jsonl", must_exist=True)


def test_the_request_is_known_by_everything_but_the_time_that_is_left() -> None:
    one = request_fingerprint(request())
    assert request_fingerprint(request(timeout_seconds=1.0)) == one
    others = [
        request("Other?"),
        ModelRequest(request().messages, 8.0, temperature=0.5),
        ModelRequest(request().messages, 8.0, max_output_tokens=5),
        ModelRequest(request().messages, 8.0, schema={"type": "object"}),
        ModelRequest((Message(Role.SYSTEM, request().messages[0].content),), 8.0),
    ]
    assert len({one, *map(request_fingerprint, others)}) == len(others) + 1
