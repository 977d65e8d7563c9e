"""Language models for tests: each writes what its test tells it to, and remembers how it was asked."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from surefoot.core.errors import SurefootError
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, ModelCard, ModelRequest, Piece, Usage
from surefoot.llm.scripted.prompt import ReadPrompt, read_prompt
from tests.asking import card

USED = Usage(100, 20)
Write = Callable[[ReadPrompt], str]


@dataclass(frozen=True, slots=True)
class Hangs:
    """After these words nothing more comes, for ever."""

    after: str | Write = ""


Reply = str | Write | SurefootError | Hangs


@dataclass
class Writer:
    """Gives its replies in order, the last one for ever; streams them in pieces of so many characters."""

    name: str
    replies: Sequence[Reply]
    characters: int = 40
    on_call: Callable[[], None] = lambda: None
    on_piece: Callable[[], None] = lambda: None
    on_close: Callable[[], None] = lambda: None
    prompts: list[ReadPrompt] = field(default_factory=list)
    requests: list[ModelRequest] = field(default_factory=list)
    pieces: int = 0
    running: int = 0
    closed: int = 0

    @property
    def card(self) -> ModelCard:
        return card(self.name)

    @property
    def calls(self) -> int:
        return len(self.requests)

    async def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncIterator[Piece]:
        reply = self.replies[min(self.calls, len(self.replies) - 1)]
        self.requests.append(request)
        self.prompts.append(read_prompt(request.messages, request.schema))
        self.running += 1
        try:
            self.on_call()
            if isinstance(reply, SurefootError):
                raise reply
            written = reply.after if isinstance(reply, Hangs) else reply
            text = written if isinstance(written, str) else written(self.prompts[-1])
            step = self.characters if request.stream else max(1, len(text))
            for at in range(0, len(text), step):
                await anyio.lowlevel.checkpoint()
                self.pieces += 1
                yield Piece(text[at : at + step])
                self.on_piece()
            if isinstance(reply, Hangs):
                await anyio.sleep_forever()
            yield Piece(finish=FinishReason.STOP, usage=USED)
        finally:
            self.running -= 1
            self.closed += 1
            self.on_close()

    async def aclose(self) -> None:
        """There was never a connection."""


def writer(name: str, *replies: Reply, **more: object) -> Writer:
    """A model of this name; see Writer."""
    return Writer(name, replies, **more)  # type: ignore[arg-type]


def claims(*texts: str | tuple[str, str]) -> Write:
    """A draft of these sentences, each its own quote unless one stands beside it, cited where the prompt has the quote; a
    quote that no passage has is cited from the first.
    """

    def write(prompt: ReadPrompt) -> str:
        written = []
        for said in texts:
            text, quote = (said, said) if isinstance(said, str) else said
            chunk = next((each.chunk_id for each in prompt.passages if quote in each.text), prompt.passages[0].chunk_id)
            written.append({"text": text, "citations": [{"chunk_id": chunk, "quote": quote}]})
        return json.dumps({"claims": written, "actions": [], "cannot_answer": None})

    return write


def cannot_answer(reason: str = "not_in_passages") -> str:
    """A draft that says why there is none."""
    return json.dumps({"claims": [], "actions": [], "cannot_answer": {"reason": reason, "missing": "A date."}})


def alone(question: str) -> str:
    """A follow-up in words of its own."""
    return json.dumps({"question": question})
