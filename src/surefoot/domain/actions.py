"""An action as its file declares it: what it takes, what it may do, who must agree, how it is taken back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

Json = object
Arguments = Mapping[str, Json]


class Env(StrEnum):
    """Where an action has its effect; the two never see each other's runs, keys, caps or tokens."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


class Risk(StrEnum):
    """How much harm a wrong run could do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Reversibility(StrEnum):
    """Whether an applied run can be taken back exactly, by an opposite step, or not at all."""

    REVERSIBLE = "reversible"
    COMPENSATABLE = "compensatable"
    IRREVERSIBLE = "irreversible"


class ApprovalMode(StrEnum):
    """Whether somebody has to approve: never, when the policy says so, always."""

    NONE = "none"
    POLICY = "policy"
    REQUIRED = "required"


class UndoMode(StrEnum):
    """How an undo works: the exact inverse of the change, an opposite step, or none."""

    INVERSE = "inverse"
    COMPENSATE = "compensate"
    NONE = "none"


class AutonomyLevel(StrEnum):
    """How far the agent may go by itself."""

    SUGGEST = "suggest"
    ONE_CLICK = "one_click"
    UNATTENDED = "unattended"

    @property
    def rank(self) -> int:
        """Higher goes further; unattended is 2."""
        return list(AutonomyLevel).index(self)


@dataclass(frozen=True, slots=True)
class UnattendedAfter:
    """The evidence from the log that unattended runs need. With `fairness_parity` people must have done what the agent proposed
    in at least the share `min_parity` of cases, at the lower end of its interval.
    """

    weeks: int
    max_reversal_rate: float
    fairness_parity: bool
    min_parity: float = 0.9


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """`roles` may approve (empty: any other person whom the policy lets); `quorum` of them must; approvals hold for `ttl`."""

    mode: ApprovalMode
    maker_checker: bool = False
    roles: tuple[str, ...] = ()
    quorum: int = 1
    ttl: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class UndoRule:
    """`window` is an ISO 8601 duration after applying (`P30D`) or `until:<argument>`, a moment in the arguments."""

    mode: UndoMode
    window: str = "P30D"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a run may do at most: so many operations of this kind on this kind of resource."""

    op: str
    resource: str
    max: int


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `max` runs per key and window. `key` are paths such as `args.user_id`; `window` is a rolling ISO 8601 duration
    (`P7D`) or `calendar:quarter`, `calendar:month` in the tenant's zone.
    """

    id: str
    key: tuple[str, ...]
    window: str
    max: int


@dataclass(frozen=True, slots=True)
class Gates:
    """What has to be true for a run; each is a fact that we compute and the policy reads."""

    consent: str = ""
    quiet_hours: bool = False
    change_window: bool = False
    residency: bool = False
    min_citations: int = 0
    max_evidence_age: timedelta | None = None
    max_discount_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Connector:
    """How the host is reached. `kind` is http or python; `ref` names the host app in the settings."""

    kind: str
    ref: str
    path: str
    timeout: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class ActionExample:
    """Arguments that are valid, or that are not and must be refused; `says` is how a person might ask for it."""

    arguments: Arguments
    is_valid: bool
    says: str = ""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action file, checked. `schema` is the JSON Schema of the arguments without `x-action`; `schema_hash` is of the
    whole file in canonical form.
    """

    name: str
    version: str
    title: str
    description: str
    schema: Mapping[str, Json]
    schema_hash: str
    risk: Risk
    reversibility: Reversibility
    scope: str
    autonomy_max: AutonomyLevel
    unattended_after: UnattendedAfter | None
    approval: ApprovalRule
    simulate_ttl: timedelta
    undo: UndoRule
    effects: tuple[Effect, ...]
    reads: tuple[str, ...]
    caps: tuple[Cap, ...]
    gates: Gates
    natural_key: tuple[str, ...]
    connector: Connector
    mcp_export: bool = False
    result_schema: Mapping[str, Json] | None = None
    examples: tuple[ActionExample, ...] = field(default=())

    @property
    def major(self) -> int:
        """The major version, which the file's name carries."""
        return int(self.version.split(".")[0])
