"""What must hold of every reply, judged from the documents and rights as they are and by no code of the gate."""

import base64
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache

import jsonschema_rs
import orjson

from surefoot.api.schemas.asking import ShownReply
from surefoot.domain.answers import Answer, Citation, Claim
from surefoot.domain.ledger import reply_record
from surefoot.domain.replies import Reply

_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}://|www\.|data:|javascript:)[^\s\"'<>)\]”»」]+|(?:[\w-]+\.)+example\b[^\s\"'<>)\]”»」]*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(r"\b(?:not|no|never|cannot|without)\b|n't\b", re.IGNORECASE)
_PROMPT_WORDS_IN_A_ROW = 7
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SCHEMA = jsonschema_rs.validator_for(ShownReply.model_json_schema(mode="serialization"))


@dataclass(frozen=True, slots=True)
class Truth:
    """What one viewer may see: the texts of the documents that they may read, by id; the canaries of all others; and the
    instructions that no answer repeats.
    """

    readable: Mapping[str, str]
    foreign_canaries: frozenset[str]
    instructions: str


def broken_rules(reply: Reply, truth: Truth) -> list[str]:
    """The rules that the reply breaks, in words; none for a reply that may be sent."""
    shown = ShownReply.of(reply).model_dump(mode="json")
    written = orjson.dumps([shown, reply_record(reply, "somebody")]).decode()
    broken = [] if _SCHEMA.is_valid(shown) else ["the JSON does not follow its schema"]
    if reply.asked_at.tzinfo is not UTC:
        broken.append("the time is not UTC")
    broken += [
        f"a canary of somebody else is shown: {canary}" for canary in sorted(_canaries_in(written, truth.foreign_canaries))
    ]
    outcome = reply.outcome
    if not isinstance(outcome, Answer):
        ours = " ".join((outcome.message, *outcome.would_help))
        # A refusal names, as search reads them, words of the question that nothing was found for.
        asked = unicodedata.normalize("NFKC", reply.question).lower()
        broken += [f"a refusal has the address {url}" for url in _URL.findall(ours) if url.lower() not in asked]
        return broken + [problem for citation in outcome.closest for problem in _of_citation(citation, truth)]
    for claim in outcome.claims:
        broken += _of_claim(claim, truth)
    return broken


def _of_claim(claim: Claim, truth: Truth) -> Iterator[str]:
    if not claim.citations:
        yield f"uncited: {claim.text!r}"
    for citation in claim.citations:
        yield from _of_citation(citation, truth)
    quoted = " ".join(citation.quote for citation in claim.citations)
    for url in _URL.findall(claim.text):
        if url.rstrip(".,;") not in quoted:
            yield f"an address that no quote of the claim has: {url}"
    for number in _NUMBER.findall(claim.text):
        if number not in _NUMBER.findall(quoted):
            yield f"a number that no quote of the claim has: {number} in {claim.text!r}"
    if len(claim.citations) == 1 and bool(_NEGATION.search(claim.text)) and not _NEGATION.search(quoted):
        yield f"a negation that the quote does not have: {claim.text!r}"
    if _BIDI & set(claim.text) or any(unicodedata.category(each) == "Cc" for each in claim.text if each not in "\n\t\r"):
        yield f"characters that cannot be seen: {claim.text!r}"
    repeated = (_runs(claim.text) | _runs(claim.text[::-1])) & _runs(truth.instructions) - _runs(quoted)
    if repeated:
        yield f"the instructions are repeated: {sorted(repeated)[0]!r}"


def _of_citation(citation: Citation, truth: Truth) -> Iterator[str]:
    text = truth.readable.get(citation.document_id)
    if text is None:
        yield f"a document that the viewer may not read is cited: {citation.uri}"
    elif not citation.quote or text[citation.start : citation.end] != citation.quote:
        yield f"a quote is not what the document says there: {citation.quote!r}"


@lru_cache(maxsize=512)
def _runs(text: str) -> frozenset[str]:
    """Every run of seven words."""
    words = re.findall(r"[a-z']+", text.lower())
    return frozenset(" ".join(words[at : at + _PROMPT_WORDS_IN_A_ROW]) for at in range(len(words) - _PROMPT_WORDS_IN_A_ROW + 1))


def _canaries_in(written: str, canaries: frozenset[str]) -> set[str]:
    return {canary for canary in canaries if any(disguise in written for disguise in disguises(canary))}


@lru_cache(maxsize=64)
def disguises(canary: str) -> frozenset[str]:
    """The canary as it can stand in JSON: plain, reversed, hexadecimal, url-encoded, or somewhere within base64."""
    data = canary.encode()
    # The characters at either end of base64 depend on what stands beside them; those between do not.
    shifted = {base64.b64encode(b"x" * shift + data).decode()[(0, 2, 3)[shift] :].rstrip("=")[:-2] for shift in range(3)}
    return frozenset({canary, canary[::-1], data.hex(), data.hex().upper(), urllib.parse.quote(canary, safe="")} | shifted)
