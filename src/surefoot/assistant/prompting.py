"""What a model is told: the fixed instructions first, then the passages as fenced data, then the question."""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from surefoot.core.ids import digest
from surefoot.domain.answers import Passage
from surefoot.domain.models import Message, Role


def nonce_outside(texts: Sequence[str]) -> str:
    """12 hexadecimal digits that occur in none of the texts: none of them can end its own fence.

    Equal texts give the same nonce, so that an equal prompt is equal to the byte and a provider's cache can know it.
    """
    turn = 0
    while True:
        nonce = digest(str(turn), *texts)[:12]
        if not any(nonce in text for text in texts):
            return nonce
        turn += 1


def answer_messages(instructions: str, passages: Sequence[Passage], question: str) -> tuple[Message, ...]:
    """The prompt of an answer. What never changes stands first, so that providers can cache it."""
    chunks = [passage.chunk for passage in passages]
    nonce = nonce_outside([question, *(text for chunk in chunks for text in (chunk.text, chunk.title, chunk.heading))])
    fenced = [_fenced(passage, nonce) for passage in passages]
    asked = f"<question-{nonce}>\n{question}\n</question-{nonce}>"
    return (Message(Role.SYSTEM, instructions), Message(Role.USER, "\n\n".join([*fenced, asked])))


def repair_messages(messages: tuple[Message, ...], written: str, instructions: str) -> tuple[Message, ...]:
    """The same prompt, what the model wrote, and what was wrong with it."""
    return (*messages, Message(Role.ASSISTANT, written), Message(Role.USER, instructions))


def _fenced(passage: Passage, nonce: str) -> str:
    chunk = passage.chunk
    dated = f"{chunk.updated_at:%Y-%m-%d}" if chunk.updated_at else ""
    attributes = (("id", chunk.chunk_id), ("title", chunk.title), ("heading", chunk.heading), ("dated", dated))
    stated = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes)
    return f"<passage-{nonce} {stated}>\n{chunk.text}\n</passage-{nonce}>"
