"""actions.toml as ActionRules: read strictly, so that a slip is found at the start."""

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import time, tzinfo
from functools import partial
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from surefoot.core.errors import InvalidSettings
from surefoot.core.ids import is_tenant_id
from surefoot.domain.action_rules import NO_RULES, ActionRules, HostAddress, TenantRules, WeekHours
from surefoot.domain.identity import TenantId

_DAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{2,47}$")]
_Role = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{1,63}$")]
_Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,127}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Hours(_Table):
    begin: str
    end: str
    days: list[str] = Field(default_factory=lambda: list(_DAYS), min_length=1)

    @model_validator(mode="after")
    def _readable(self) -> "_Hours":
        for text in (self.begin, self.end):
            if _CLOCK.match(text) is None:
                raise ValueError(f"{text!r} is no time of day; write HH:MM")
        for day in self.days:
            if day not in _DAYS:
                raise ValueError(f"{day!r} is no weekday; write {', '.join(_DAYS)}")
        return self

    def hours(self) -> WeekHours:
        return WeekHours(time.fromisoformat(self.begin), time.fromisoformat(self.end), frozenset(_DAYS[day] for day in self.days))


class _Host(_Table):
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s@#?]+$")]
    secret_env: _Variable
    region: str = ""
    knows_deliveries: bool = True


class _Rules(_Table):
    zone: str | None = None
    region: str | None = None
    quiet_hours: list[_Hours] | None = None
    change_windows: list[_Hours] | None = None
    incident_open: bool | None = None
    max_discount_percent: Annotated[float, Field(ge=0, le=100)] | None = None
    consents: list[_Name] | None = None
    holdouts: list[str] | None = None
    acts_for_others: list[_Role] | None = None

    def over(self, usual: TenantRules) -> TenantRules:
        """These rules, with what they do not say taken from `usual`."""
        return TenantRules(
            zone=usual.zone if self.zone is None else _zone(self.zone),
            region=usual.region if self.region is None else self.region,
            quiet_hours=usual.quiet_hours if self.quiet_hours is None else tuple(each.hours() for each in self.quiet_hours),
            change_windows=(
                usual.change_windows if self.change_windows is None else tuple(each.hours() for each in self.change_windows)
            ),
            incident_open=usual.incident_open if self.incident_open is None else self.incident_open,
            max_discount_percent=(usual.max_discount_percent if self.max_discount_percent is None else self.max_discount_percent),
            consents=usual.consents if self.consents is None else frozenset(self.consents),
            holdouts=usual.holdouts if self.holdouts is None else frozenset(self.holdouts),
            acts_for_others=(usual.acts_for_others if self.acts_for_others is None else frozenset(self.acts_for_others)),
        )


class _File(_Rules):
    hosts: dict[_Name, _Host] = Field(default_factory=dict)
    tenants: dict[str, _Rules] = Field(default_factory=dict)


def load_rules(path: Path) -> ActionRules:
    """The rules of this file; NO_RULES when there is none. Raises InvalidSettings, naming file and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return NO_RULES
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path} cannot be read: {error}.") from error
    return parse_rules(text, str(path))


def parse_rules(text: str, where: str) -> ActionRules:
    """The rules that this TOML text states. Raises InvalidSettings, naming `where` and the key."""
    try:
        file = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{where} is not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidSettings(f"{where}: {key}: {first['msg'].removeprefix('Value error, ')}.") from error
    wrong = next((tenant for tenant in file.tenants if not is_tenant_id(tenant)), None)
    if wrong is not None:
        raise InvalidSettings(f"{where}: {wrong!r} cannot name a tenant.")
    try:
        default = file.over(TenantRules())
        tenants = {TenantId(name): rules.over(default) for name, rules in file.tenants.items()}
    except ZoneInfoNotFoundError as error:
        raise InvalidSettings(f"{where}: {error}; write a zone such as Europe/Berlin.") from error
    hosts = {name: HostAddress(**host.model_dump()) for name, host in file.hosts.items()}
    return ActionRules(hosts, default, tenants)


def callback_secrets(rules: ActionRules, environ: Mapping[str, str]) -> dict[str, Callable[[], str]]:
    """What reads each host's signing secrets; empty while its variable is not set, and then it cannot call back."""
    return {name: partial(_read, environ, host.secret_env) for name, host in rules.hosts.items()}


def _read(environ: Mapping[str, str], variable: str) -> str:
    return environ.get(variable, "")


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError) as error:
        raise ZoneInfoNotFoundError(f"{name!r} is no time zone") from error
