"""The few windows of evidence that a claim is read beside: its nearest sentences, each between its neighbours."""

import re
from collections.abc import Sequence

from surefoot.domain.lexicon import terms
from surefoot.domain.sentences import plain, sentences

WINDOWS = 3
_NEIGHBOURS = 1
# Extracted text often glues sentences together; a whole word or a closing bracket, a full stop and a capital are two of them.
_GLUED = re.compile(r"((?:(?<= )[a-z]{3,}|[)\]%])\.)(?=[A-Z][a-z])")


def evidence_windows(claim: str, evidence: Sequence[str], *, limit: int = WINDOWS) -> tuple[str, ...]:
    """At most `limit` windows, nearest first: a sentence of the evidence with the one before and the one after it.

    The texts of the evidence are read as one, in order. Sentences are ranked by the share of the claim's terms they hold, the
    earlier first among equals; one that a window already shows whole begins no window of its own. No evidence, no window.
    """
    apart = [_GLUED.sub(r"\1 ", text) for text in evidence]
    told = [said for text in apart for start, end in sentences(text) if (said := plain(text[start:end]))]
    wanted = set(terms(claim))
    held = [len(wanted & set(terms(said))) for said in told]
    order = sorted(range(len(told)), key=lambda place: (-held[place], place))
    centres: list[int] = []
    for place in order:
        if len(centres) == limit:
            break
        if all(abs(place - centre) > _NEIGHBOURS for centre in centres):
            centres.append(place)
    return tuple(" ".join(told[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]) for place in centres)
