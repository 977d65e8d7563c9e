"""A model whose reply comes claim by claim, when the journey says so."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator

from surefoot.core.errors import ModelRejected
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, ModelCard, ModelRequest, Piece, Usage
from surefoot.ports import LanguageModel


class PacedModel:
    """Another model's draft. After each claim it waits for `go_on` or `break_off`; `hung_up` is set when its reader left."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._loop: asyncio.AbstractEventLoop | None = None
        self._words: asyncio.Queue[str] = asyncio.Queue()
        self._waits = threading.Semaphore(0)
        self.hung_up = threading.Event()

    @property
    def card(self) -> ModelCard:
        return self._model.card

    def go_on(self) -> None:
        self._say("go on")

    def break_off(self) -> None:
        self._say("break off")

    async def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncIterator[Piece]:
        self._loop, self._words = asyncio.get_running_loop(), asyncio.Queue()
        self.hung_up.clear()
        claims = json.loads("".join([piece.text async for piece in self._model.stream(tenant, request)]))["claims"]
        has_ended = False
        try:
            yield Piece('{"claims":[')
            for at, claim in enumerate(claims):
                yield Piece(("," if at else "") + json.dumps(claim))
                self._waits.release()
                if await self._words.get() == "break off":
                    has_ended = True
                    raise ModelRejected
            has_ended = True
            yield Piece('],"actions":[],"cannot_answer":null}', FinishReason.STOP, Usage(900, 100))
        finally:
            if not has_ended:
                self._waits.acquire(blocking=False)
                self.hung_up.set()

    async def aclose(self) -> None:
        await self._model.aclose()

    def _say(self, word: str) -> None:
        assert self._waits.acquire(timeout=30) and self._loop is not None, "The model is not waiting after a claim."
        self._loop.call_soon_threadsafe(self._words.put_nowait, word)
