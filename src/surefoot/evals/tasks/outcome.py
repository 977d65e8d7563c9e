"""What one case came to, before it is a line of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from surefoot.evals.results import Measure


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """A case passed when `failures`, sentences for a person, is empty. A measure that does not apply is None."""

    title: str
    measures: Mapping[str, Measure]
    failures: tuple[str, ...]
    trace: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.failures
