"""A scripted brain as a LanguageModel: streams in small pieces, counts its usage, and gives up when its caller would."""

from collections.abc import AsyncGenerator, Mapping
from functools import partial

import anyio
from anyio.lowlevel import checkpoint

from surefoot.core.errors import InvalidInput, ModelTimedOut
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, Message, ModelCard, ModelRequest, Piece, Usage
from surefoot.llm.scripted.chaos import CHAOS_KINDS, chaos
from surefoot.llm.scripted.dice import Dice
from surefoot.llm.scripted.honest import honest
from surefoot.llm.scripted.leak import leak
from surefoot.llm.scripted.obey import obey
from surefoot.llm.scripted.prompt import read_prompt
from surefoot.llm.scripted.script import CHARACTERS_PER_TOKEN, Brain, Ending, Script

_BRAINS: Mapping[str, Brain] = {"honest": honest, "obey": obey, "leak": leak, "chaos": chaos} | {
    f"chaos:{kind}": partial(chaos, kind=kind) for kind in CHAOS_KINDS
}
SCRIPTED_KINDS = tuple(_BRAINS)
_LONGEST_PIECE_CHARACTERS = 24


class ScriptedModel:
    """The LanguageModel port without a provider. The same messages get the same reply for as long as the seed is the same."""

    def __init__(self, kind: str, seed: int, card: ModelCard) -> None:
        self._kind = kind
        self._seed = seed
        self._card = card

    @property
    def card(self) -> ModelCard:
        """What the model is called and costs."""
        return self._card

    async def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """The reply as it arrives; tokens are counted as bytes / 4, rounded up, and said to be an estimate."""
        gives_up_at = anyio.current_time() + request.timeout_seconds
        script, dice = self._script(request)
        text, finish = _bounded(script, request.max_output_tokens)
        for piece in _cut(text, dice) if request.stream else ():
            _give_up_after(gives_up_at)
            await checkpoint()
            yield Piece(piece)
        if script.ending is Ending.HANGS:
            await _silence(gives_up_at)
        _give_up_after(gives_up_at)
        usage = Usage(_tokens(*(message.content for message in request.messages)), _tokens(text), is_estimate=True)
        yield Piece("" if request.stream else text, finish, usage)

    async def aclose(self) -> None:
        """There was never a connection."""

    def _script(self, request: ModelRequest) -> tuple[Script, Dice]:
        messages = [Message(one.role, _utf8(one.content).decode()) for one in request.messages]
        dice = Dice(self._kind, str(self._seed), *(part for one in messages for part in (one.role.value, one.content)))
        prompt = read_prompt(messages, request.schema)
        room = request.max_output_tokens * CHARACTERS_PER_TOKEN
        return _BRAINS[self._kind](prompt, dice, room), dice


def scripted_model(kind: str, *, seed: int = 0, card: ModelCard | None = None) -> ScriptedModel:
    """The scripted model of this kind: honest, obey, leak, chaos, or chaos:KIND for one way of breaking.

    Costs nothing unless a card states a price. Raises InvalidInput for a kind that there is not.
    """
    if kind not in _BRAINS:
        raise InvalidInput(f"There is no scripted model {kind!r}; choose one of {', '.join(SCRIPTED_KINDS)}.")
    return ScriptedModel(kind, seed, card or ModelCard(name=f"scripted-{kind.replace(':', '-')}", model=f"scripted/{kind}"))


def _utf8(text: str) -> bytes:
    """The text's bytes; half of a surrogate pair, which has none, as a question mark."""
    return text.encode("utf-8", "replace")


def _bounded(script: Script, max_output_tokens: int) -> tuple[str, FinishReason]:
    """The text within the output limit, counted in bytes; cut between characters."""
    room = max_output_tokens * CHARACTERS_PER_TOKEN
    text = script.text
    if script.ending is Ending.REPEATS:
        text *= 1 + room // max(1, len(_utf8(text)))
    data = _utf8(text)
    if len(data) <= room and script.ending is not Ending.REPEATS:
        return data.decode(), FinishReason.STOP
    return data[:room].decode("utf-8", "ignore"), FinishReason.LENGTH


def _cut(text: str, dice: Dice) -> list[str]:
    pieces = []
    here = 0
    while here < len(text):
        step = 1 + dice.below(_LONGEST_PIECE_CHARACTERS)
        pieces.append(text[here : here + step])
        here += step
    return pieces


def _tokens(*texts: str) -> int:
    return -(-sum(len(_utf8(text)) for text in texts) // CHARACTERS_PER_TOKEN)


def _give_up_after(moment: float) -> None:
    if anyio.current_time() >= moment:
        raise ModelTimedOut


async def _silence(until: float) -> None:
    """Waits for what never comes, until the caller cancels or the moment is there. Raises ModelTimedOut then."""
    try:
        with anyio.fail_after(max(0.0, until - anyio.current_time())):
            await anyio.Event().wait()
    except TimeoutError:
        raise ModelTimedOut from None
