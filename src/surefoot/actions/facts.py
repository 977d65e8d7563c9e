"""What the policy's rules read, computed by us: every fact from the action's file, the tenant's rules and the store."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from surefoot.actions.arguments import cap_keys, regions, resource_ids
from surefoot.actions.windows import Hours, opens_at, quiet_until, window_start
from surefoot.domain.action_rules import ActionRules, TenantRules, WeekHours
from surefoot.domain.actions import ActionSpec, AutonomyLevel, Json
from surefoot.domain.documents import ChunkId
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import Run, Stage
from surefoot.ports import Store

# Stands for "no limit" where a rule compares numbers.
_PLENTY = 1_000_000
_DISCOUNT = "discount_percent"
_DAY = timedelta(days=1)
# An action of this scope concerns nobody in particular.
_TENANT = "tenant"

BudgetShare = Callable[[TenantId], float]


class ActionFacts:
    """Computes every fact that the shipped rules read. One that cannot be computed is left out, and its absence denies."""

    def __init__(self, store: Store, rules: ActionRules, budget_share: BudgetShare) -> None:
        self._store = store
        self._rules = rules
        self._budget_share = budget_share

    def compute(self, tenant: TenantId, spec: ActionSpec, run: Run, stage: Stage, now: datetime) -> Mapping[str, Json]:
        """See actions.parts.Facts."""
        rules, gates = self._rules.of(tenant), spec.gates
        facts: dict[str, Json] = {
            "env": run.env.value,
            "risk": spec.risk.value,
            "maker": run.maker,
            "approval_mode": spec.approval.mode.value,
            "maker_checker": spec.approval.maker_checker,
            "approver_roles": list(spec.approval.roles),
            "needs_consent": bool(gates.consent),
            "has_consent": gates.consent in rules.consents,
            "minds_quiet_hours": gates.quiet_hours,
            "in_quiet_hours": quiet_until(_hours(rules.quiet_hours, rules.zone), now) > now,
            "needs_change_window": gates.change_window,
            "in_change_window": _is_open(rules, now),
            "incident_open": rules.incident_open,
            "needs_residency": gates.residency,
            "is_resident": self._is_resident(rules, spec, run),
            "min_citations": gates.min_citations,
            "max_evidence_age_days": _PLENTY if gates.max_evidence_age is None else gates.max_evidence_age // _DAY,
            "discount_basis_points": _basis_points(run.arguments.get(_DISCOUNT, 0)),
            "max_discount_basis_points": _most_discount(rules, spec),
            "budget_percent": int(self._budget_share(tenant) * 100),
            "in_holdout": run.maker in rules.holdouts,
            "roles_for_others": sorted(rules.acts_for_others),
        }
        concerned = _concerned(spec, run)
        if concerned or spec.scope == _TENANT:
            # A run that names nobody, where its action concerns somebody, has no such fact, and is denied.
            facts["concerns"] = concerned
        facts.update(self._stored(tenant, spec, run, now, rules.zone))
        return facts

    def _stored(self, tenant: TenantId, spec: ActionSpec, run: Run, now: datetime, zone: tzinfo) -> Mapping[str, Json]:
        with self._store.begin() as work:
            off = work.runs.switched_off(tenant, run.env, run.action) is not None
            earned = work.runs.autonomy(tenant, spec.name) or AutonomyLevel.ONE_CLICK
            left = _PLENTY
            for each in cap_keys(spec, run.arguments, tenant=tenant, account=run.account or tenant, user=run.maker):
                since = window_start(each.cap.window, now, zone)
                left = min(left, each.cap.max - work.runs.cap_used(tenant, run.env, each.cap.id, each.key, since=since))
            chunks = work.documents.chunks(tenant, [ChunkId(each) for each in run.citations])
        dates = [chunk.updated_at for chunk in chunks.values()]
        facts: dict[str, Json] = {
            "switched_off": off,
            "autonomy": min(earned.rank, spec.autonomy_max.rank),
            "caps_left": left,
            "citations": len(chunks),
        }
        known = [moment for moment in dates if moment is not None]
        if spec.gates.max_evidence_age is None:
            facts["evidence_age_days"] = 0
        elif len(known) == len(dates):
            # Evidence without a date has no age, and a rule about age then has nothing to read.
            facts["evidence_age_days"] = max(((now - moment) // _DAY for moment in known), default=0)
        return facts

    def _is_resident(self, rules: TenantRules, spec: ActionSpec, run: Run) -> bool:
        """Whether the host, and every region that the arguments name, is the tenant's own; a tenant without one minds none."""
        host = self._rules.hosts.get(spec.connector.ref)
        stays = host is not None and host.region == rules.region and regions(spec, run.arguments) <= {rules.region}
        return not rules.region or stays


class RuleCalendar:
    """When a deferred run may go on, by the tenant's rules."""

    def __init__(self, rules: ActionRules, *, incident_pause: timedelta = timedelta(minutes=15)) -> None:
        self._rules = rules
        self._incident_pause = incident_pause

    def zone(self, tenant: TenantId) -> tzinfo:
        """The zone in which the tenant counts its days."""
        return self._rules.of(tenant).zone

    def opens_at(self, tenant: TenantId, spec: ActionSpec, run: Run, now: datetime) -> datetime:
        """See actions.parts.Calendar: after quiet hours, within a change window, and not before an incident may be over."""
        rules, gates = self._rules.of(tenant), spec.gates
        moment = now + self._incident_pause if rules.incident_open else now
        windows = _hours(rules.change_windows, rules.zone)
        quiet = _hours(rules.quiet_hours, rules.zone) if gates.quiet_hours else []
        # Each may push the moment into the other; a week of both has no more than a few such steps.
        for _ in range(16):
            later = quiet_until(quiet, moment)
            if gates.change_window and windows:
                later = opens_at(windows, later) or later
            if later == moment:
                break
            moment = later
        return moment if moment > now else now + self._incident_pause


def _concerned(spec: ActionSpec, run: Run) -> list[str]:
    """Whom the run is for: every resource of the kind that the action's scope names, as user:usr_nora01."""
    return [each for each in resource_ids(spec, run.arguments) if each.startswith(f"{spec.scope}:")]


def _hours(spans: Sequence[WeekHours], zone: tzinfo) -> list[Hours]:
    return [Hours(each.begin, each.end, each.days, zone) for each in spans]


def _is_open(rules: TenantRules, now: datetime) -> bool:
    """Whether changes may be made now; a tenant without windows has none that is shut."""
    return not rules.change_windows or any(each.holds(now) for each in _hours(rules.change_windows, rules.zone))


def _basis_points(percent: Json) -> Json:
    """Hundredths of a percent, rounded up against the asker; what is no number is left as it is, which no rule accepts."""
    if isinstance(percent, bool) or not isinstance(percent, int | float):
        return percent
    return -int(-percent * 100 // 1)


def _most_discount(rules: TenantRules, spec: ActionSpec) -> int:
    """The lower of what the action and the tenant allow; an action that speaks of no discount is not limited by one."""
    declared = spec.gates.max_discount_percent
    if declared is None:
        return _PLENTY
    return int(min(declared, rules.max_discount_percent) * 100)
