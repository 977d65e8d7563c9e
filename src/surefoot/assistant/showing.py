"""Claims of a draft that is still being written: judged as they come, and shown when they can no longer fall."""

from collections.abc import Callable, Sequence
from functools import partial

from surefoot.assistant.draft import ClaimStream
from surefoot.assistant.gate import Ground, Selection
from surefoot.assistant.watching import Runner, Watcher
from surefoot.domain.answers import Claim
from surefoot.domain.drafts import DraftClaim, Judged


class Showing:
    """What a watcher has seen of one climb: the claims of a later attempt begin with a restart when any were shown."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._has_shown = False
        self._must_restart = False

    def begin(self) -> None:
        """What came of an attempt before is not part of the answer."""
        self._must_restart = self._has_shown

    async def show(self, claim: Claim) -> None:
        """The watcher has the claim, and knows of a restart before it."""
        if self._must_restart:
            self._has_shown = self._must_restart = False
            await self._watcher.restart()
        self._has_shown = True
        await self._watcher.claim(claim)


class ClaimListener:
    """Judges claims while the draft is still being written, and shows those that can no longer fall."""

    def __init__(self, judge: Callable[[DraftClaim], Judged], ground: Ground, showing: Showing, run: Runner) -> None:
        self._judge = judge
        self._ground = ground
        self._showing = showing
        self._run = run
        self.begin()

    def begin(self) -> None:
        """A reply begins; what came of an attempt before it is not part of the answer."""
        self._showing.begin()
        self._stream = ClaimStream()
        self._selection = Selection(self._ground.most_claims, self._ground.longest_answer_characters)
        self._drafted: list[DraftClaim] = []
        self._judged: list[Judged] = []

    async def text(self, text: str) -> None:
        """The claims that this text completes are judged, and shown when the answer stands on its core claim."""
        for drafted in self._stream.feed(text):
            judged = await self._run(partial(self._judge, drafted))
            self._drafted.append(drafted)
            self._judged.append(judged)
            claim = self._selection.admit(judged)
            if claim is not None:
                await self._showing.show(claim)

    def judged_of(self, claims: Sequence[DraftClaim]) -> Sequence[Judged]:
        """The verdicts on the claims that the whole draft begins with too."""
        same = 0
        while same < min(len(claims), len(self._drafted)) and claims[same] == self._drafted[same]:
            same += 1
        return self._judged[:same]
