"""What the evals' gates keep from having an effect. They never keep anybody from taking something back."""

from collections.abc import Sequence

from surefoot.core.errors import GateIsRed
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import PolicyReason, Run, RunKind, RunState
from surefoot.domain.verdicts import GateResult
from surefoot.ports import UnitOfWork

_REMEDY = "Nothing is applied until the evals pass again; simulating and undoing work as ever."
_AHEAD = frozenset({RunState.SUGGESTED, RunState.PLANNED, RunState.AWAITING_APPROVAL, RunState.APPROVED, RunState.SCHEDULED})


def red_gates(work: UnitOfWork, tenant: TenantId, run: Run) -> tuple[GateResult, ...]:
    """The blocking gates that fail now for actions, for this one, and for the surface that the run was offered on. None for an
    undo.
    """
    return () if run.kind is RunKind.UNDO else red_gates_of(work, tenant, run.action, run.surface)


def red_gates_of(work: UnitOfWork, tenant: TenantId, action: str, surface: str = "") -> tuple[GateResult, ...]:
    """Those for any run of this action that is offered on this surface, or on none."""
    verdict = work.verdicts.current(tenant)
    return () if verdict is None else verdict.red_gates_of_run(action, surface)


def names_of_red(work: UnitOfWork, tenant: TenantId, run: Run) -> tuple[str, ...]:
    """What the gates are called that keep this run from being applied now, each once; none of a run that is past that."""
    return tuple(dict.fromkeys(gate.gate for gate in red_gates(work, tenant, run))) if run.state in _AHEAD else ()


def names(gates: Sequence[GateResult]) -> str:
    """The gates as a person reads them."""
    return ", ".join(repr(name) for name in dict.fromkeys(gate.gate for gate in gates))


def why_red(gates: Sequence[GateResult]) -> PolicyReason:
    """The gates as a reason beside those of the policy; it holds no figure, for those who press need not know them."""
    return PolicyReason("gate-red", f"The evals do not pass at present ({names(gates)}), so actions are only suggested.", _REMEDY)


def refusal(run: Run, gates: Sequence[GateResult]) -> GateIsRed:
    """What whoever wants to apply the run is told."""
    return GateIsRed(f"The run {run.run_id!r} cannot be applied now: the evals do not pass ({names(gates)}). {_REMEDY}")
