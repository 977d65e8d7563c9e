"""From a question to the passages this viewer may read, best first."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from surefoot.domain.answers import Passage
from surefoot.domain.corpora import CorpusState
from surefoot.domain.filters import ReadAccess
from surefoot.ports import Vectors


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What retrieval found. `passages` are fresh and best first; `stale` are those that would have ranked among them but
    may not be answered from. `dense_rank` and `lexical_rank` give each passage's place in its leg, from 1; a passage
    outside the leg's depth is missing there. `query_vector` is `(dimensions,)` float32, unit.
    """

    passages: tuple[Passage, ...]
    stale: tuple[Passage, ...]
    query_vector: Vectors
    access: ReadAccess
    state: CorpusState
    dense_rank: Mapping[str, int] = field(default_factory=dict)
    lexical_rank: Mapping[str, int] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
