"""When and under which conditions a tenant lets actions happen: what actions.toml says, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, time, tzinfo

from surefoot.domain.identity import TenantId


@dataclass(frozen=True, slots=True)
class WeekHours:
    """Hours on certain weekdays (0 is Monday), in the tenant's zone; `end` before or at `begin` means the next day."""

    begin: time
    end: time
    days: frozenset[int] = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class HostAddress:
    """Where a host app takes calls. The signing secret is read from the environment variable `secret_env`. `region` is where
    it runs; `knows_deliveries` is false for a host that cannot recognise a repeated call.
    """

    url: str
    secret_env: str
    region: str = ""
    knows_deliveries: bool = True


@dataclass(frozen=True, slots=True)
class TenantRules:
    """One tenant's conditions. `consents` are the purposes that its people have agreed to; without one named here, an action
    that needs it is denied. `holdouts` are user ids that are shown nothing. Whoever has one of the roles `acts_for_others` may
    act on people and accounts that are not their own; nobody else may. A tenant with a `region` lets data go only to hosts
    that state the same, and under arguments that name no other.
    """

    zone: tzinfo = UTC
    region: str = ""
    quiet_hours: tuple[WeekHours, ...] = ()
    change_windows: tuple[WeekHours, ...] = ()
    incident_open: bool = False
    max_discount_percent: float = 0.0
    consents: frozenset[str] = frozenset()
    holdouts: frozenset[str] = frozenset()
    acts_for_others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ActionRules:
    """The whole of actions.toml: the hosts by name, what holds for every tenant, and the tenants that differ."""

    hosts: Mapping[str, HostAddress] = field(default_factory=dict)
    default: TenantRules = TenantRules()
    tenants: Mapping[TenantId, TenantRules] = field(default_factory=dict)

    def of(self, tenant: TenantId) -> TenantRules:
        """The tenant's own rules, else those for everyone."""
        return self.tenants.get(tenant, self.default)


NO_RULES = ActionRules()
