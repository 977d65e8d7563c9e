"""A playbook as its file declares it: several actions one after another, all of them or none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from surefoot.domain.actions import ActionExample, Arguments, Json


@dataclass(frozen=True, slots=True)
class PlaybookSpec:
    """One playbook file, checked. `schema` is the JSON Schema of its own arguments; `schema_hash` is of the whole file in
    canonical form. Each step names an action, and gives each of its arguments as a value or as one of the playbook's own.
    """

    name: str
    version: str
    title: str
    description: str
    schema: Mapping[str, Json]
    schema_hash: str
    steps: tuple["StepTemplate", ...]
    examples: tuple[ActionExample, ...] = ()

    @property
    def major(self) -> int:
        """The major version, which the file's name carries."""
        return int(self.version.split(".")[0])


@dataclass(frozen=True, slots=True)
class StepTemplate:
    """An action and where its arguments come from: `values` as they stand, `given` from the playbook's argument named."""

    action: str
    values: Arguments = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One action with its arguments."""

    action: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Playbook:
    """A name and its steps, in order, every argument filled in."""

    name: str
    steps: tuple[PlaybookStep, ...]
    version: str = "1.0.0"
    schema_hash: str = ""
