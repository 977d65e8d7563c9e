"""Parity: whether people do what the agent proposes. A proposal is what the machine would do; its end is a person's word."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from surefoot.actions.policing import asker_before
from surefoot.domain.runs import DecisionRecord, Run, RunKind, RunState, Stage
from surefoot.domain.score_interval import score_interval

# Below so many pairs there is no parity, whatever they say.
MIN_PAIRS = 50
_DONE = frozenset({RunState.APPLIED, RunState.FINAL})
# A person said no, or nothing in time: the machine alone would have done it all the same.
_LEFT = frozenset({RunState.REJECTED, RunState.CANCELLED, RunState.EXPIRED, RunState.UNDONE})


class Word(StrEnum):
    """What a person did with a proposal."""

    AS_PROPOSED = "as_proposed"
    EDITED = "edited"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Parity:
    """How many proposals people did as they were, with other arguments, or not at all."""

    as_proposed: int = 0
    edited: int = 0
    rejected: int = 0

    @property
    def pairs(self) -> int:
        """Proposals on which a person has had their word."""
        return self.as_proposed + self.edited + self.rejected

    @property
    def low(self) -> float:
        """The lower end of the share's 95 % interval; 0 without pairs."""
        return self._interval()[0]

    @property
    def high(self) -> float:
        """The upper end of the share's 95 % interval; 1 without pairs."""
        return self._interval()[1]

    def is_shown(self, least: float) -> bool:
        """Whether people surely do at least this share as proposed."""
        return self.pairs >= MIN_PAIRS and self.low >= least

    def is_lost(self, least: float) -> bool:
        """Whether people surely do less than this share as proposed."""
        return self.pairs >= MIN_PAIRS and self.high < least

    def _interval(self) -> tuple[float, float]:
        return score_interval(self.as_proposed / self.pairs, self.pairs) if self.pairs else (0.0, 1.0)


def parity_of(runs: Sequence[Run], decisions: Mapping[str, Sequence[DecisionRecord]]) -> Parity:
    """The parity of these runs of one action. `decisions` are those of proposals that had their effect: what the agent applied
    by itself is nobody's word. Proposals that are still open, or that the policy or the host ended, are none either. What a
    person did by themselves just as proposed agrees with one proposal, however often the same was proposed.
    """
    own = [run for run in runs if not run.agent and run.kind is RunKind.APPLY and run.state in _DONE]
    agreeing = list(own)
    proposals = [run for run in runs if run.agent and run.kind is RunKind.APPLY]
    newest_first = sorted(proposals, key=lambda run: run.run_id, reverse=True)
    words = [_word(run, own, agreeing, decisions.get(run.run_id, ())) for run in newest_first]
    return Parity(*(words.count(word) for word in Word))


def _word(run: Run, own: Iterable[Run], agreeing: list[Run], decisions: Sequence[DecisionRecord]) -> Word | None:
    """The word on this proposal. The run that agrees with it is taken from those that could agree with another."""
    if run.state in _DONE:
        return None if _pressed_by_agent(run, decisions) else Word.AS_PROPOSED
    if run.state not in _LEFT or _pressed_by_agent(run, decisions):
        return None
    instead = [each for each in own if each.maker == run.maker and run.created_at <= each.created_at <= run.deadline]
    same = [each for each in instead if each.arguments_hash == run.arguments_hash and each in agreeing]
    if run.state is not RunState.UNDONE and same:
        agreeing.remove(same[0])
        return Word.AS_PROPOSED
    return Word.EDITED if instead else Word.REJECTED


def _pressed_by_agent(run: Run, decisions: Sequence[DecisionRecord]) -> bool:
    presses = [record for record in decisions if record.stage is Stage.APPLY]
    return bool(presses) and asker_before(presses[-1:], run).is_agent
