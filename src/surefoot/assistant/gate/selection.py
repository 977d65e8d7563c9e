"""Which of the judged claims are shown, one after the other: the core first, each once, within the limits."""

from dataclasses import dataclass

from surefoot.assistant.gate.foreign import folded
from surefoot.domain.answers import Claim
from surefoot.domain.drafts import Judged


@dataclass(frozen=True, slots=True)
class CoreFell:
    """The first claim fell, and the answer with it. `rules` and `reasons` are the first claim's, as in its verdict."""

    rules: tuple[str, ...]
    reasons: tuple[str, ...]

    @classmethod
    def without_claims(cls) -> "CoreFell":
        """A draft that claims nothing has no core either."""
        return cls(("empty",), ("Nothing was claimed.",))


class Selection:
    """Takes verdicts in the order of the draft, as they come. For one answer and one thread."""

    def __init__(self, most_claims: int, longest_answer_characters: int) -> None:
        self._most_claims = most_claims
        self._room = longest_answer_characters
        self._seen: set[str] = set()
        self._taken = 0
        self._began = False
        self.fell: CoreFell | None = None

    def admit(self, judged: Judged) -> Claim | None:
        """The claim when it is to be shown now; None when it fell, repeats another, or there is no room for it.

        When the first fell, `fell` says so and nothing after it is shown.
        """
        claim = judged.claim
        if not self._began:
            self._began = True
            if claim is None:
                self.fell = CoreFell(judged.rules, judged.reasons)
        if self.fell is not None or claim is None:
            return None
        said = folded(claim.text).rstrip(".!")
        if said in self._seen or self._taken >= self._most_claims or len(claim.text) > self._room:
            return None
        self._seen.add(said)
        self._taken += 1
        self._room -= len(claim.text)
        return claim
