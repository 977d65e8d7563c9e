"""Actions that can be offered, and runs: what is previewed, approved, applied and taken back."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, StringConstraints

from surefoot.actions.parts import ADMIN_ROLE, RunPage, RunView
from surefoot.actions.playbook_parts import parent_of
from surefoot.actions.viewing import APPROVER_ROLE
from surefoot.api.schemas.texts import Sent, Shown, without_nul
from surefoot.domain.actions import ActionSpec, Env, Reversibility, Risk
from surefoot.domain.runs import PolicyEffect, Run, RunKind, RunState, Stage, Verdict

LONGEST_NOTE_CHARACTERS = 2_000

ActionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{2,47}$")]
Note = Annotated[str, StringConstraints(max_length=LONGEST_NOTE_CHARACTERS), AfterValidator(without_nul)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ReplyIdText = Annotated[str, StringConstraints(pattern=r"^ans_[0-9a-f]{32}$")]
ChunkIdText = Annotated[str, StringConstraints(pattern=r"^chk_[0-9a-f]{24}$")]

_RUN: dict[str, JsonValue] = {
    "run_id": "run_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "env": "sandbox",
    "kind": "apply",
    "action": "pin_shortcut",
    "action_version": "1.0.0",
    "state": "planned",
    "maker": "usr_nora01",
    "agent": "",
    "arguments": {"user_id": "usr_nora01", "shortcut": "invoices"},
    "reverses": "",
    "undone_by": "",
    "reason": "You asked to pin the invoices page.",
    "citations": [],
    "created_at": "2026-03-01T12:00:00Z",
    "not_before": None,
    "deadline": "2026-03-02T12:00:00Z",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "surface": "help",
    "playbook": "",
    "version": 2,
}
_VIEW: dict[str, JsonValue] = {
    "run": _RUN,
    "plan": {
        "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "summary": "Pins invoices to Nora's sidebar.",
        "changes": [
            {
                "resource": "user:usr_nora01",
                "forward": [{"op": "add", "path": "/shortcuts/-", "value": "invoices"}],
                "backward": [{"op": "remove", "path": "/shortcuts/0"}],
            }
        ],
        "cost_usd": 0.0,
        "minutes_saved": 1.0,
        "created_at": "2026-03-01T12:00:00Z",
        "expires_at": "2026-03-01T12:15:00Z",
        "is_consumed": False,
    },
    "steps": ["apply", "cancel"],
    "caps": [],
    "decisions": [],
    "approvals": [],
    "attempts": [],
    "undo_until": None,
    "result": None,
    "replayed": False,
    "successor": "",
    "red_gates": [],
}


class NewRun(Sent):
    """What the viewer wants done. The tenant and the maker come from the token, never from here."""

    action: ActionName
    arguments: dict[str, JsonValue]
    env: Env = Env.SANDBOX
    major: int | None = Field(None, ge=1, description="Major version of the action; default: the newest.")
    reason: Note = Field("", description="Why it is offered; shown to approvers.")
    citations: list[ChunkIdText] = Field(
        default_factory=list, max_length=16, description="Passages it rests on; they must be ones that the viewer may read."
    )

    reply_id: ReplyIdText | None = Field(None, description="The viewer's own reply that it was offered beside.")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"action": "pin_shortcut", "arguments": {"user_id": "usr_nora01", "shortcut": "invoices"}}]
        }
    )


class PlanWord(Sent):
    """A word on one plan, named by the digest that was shown."""

    plan_digest: Digest
    note: Note = ""

    model_config = ConfigDict(json_schema_extra={"examples": [{"plan_digest": "9f86d081" + "0" * 56}]})


class ApplyRequest(Sent):
    """Apply what was shown. With `plan_digest` only that plan is applied; with `wait` the answer is the outcome."""

    plan_digest: Digest | None = None
    wait: bool = True

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class UndoRequest(Sent):
    """Take it back; with `preview` only show what would be put back."""

    preview: bool = False
    wait: bool = True

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class NoteRequest(Sent):
    """Why."""

    note: Note = ""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class ShownAction(Shown):
    """An action that can be proposed."""

    name: str
    version: str
    title: str
    description: str
    risk: Risk
    reversibility: Reversibility
    needs_approval: bool = Field(description="Whether a second person always has to agree; the policy may ask for one besides.")
    approver_roles: list[str] = Field(description="One of these roles is asked of that second person.")
    arguments_schema: dict[str, Any]

    @classmethod
    def of(cls, spec: ActionSpec) -> "ShownAction":
        return cls(
            name=spec.name,
            version=spec.version,
            title=spec.title,
            description=spec.description,
            risk=spec.risk,
            reversibility=spec.reversibility,
            needs_approval=spec.approval.maker_checker or spec.approval.mode.value == "required",
            approver_roles=sorted(spec.approval.roles or (APPROVER_ROLE, ADMIN_ROLE)),
            arguments_schema=dict(spec.schema),
        )


class ShownActions(Shown):
    """Every action, by name."""

    actions: list[ShownAction]

    model_config = ConfigDict(json_schema_extra={"examples": [{"actions": []}]})


class ShownRun(Shown):
    """One intended effect and where it stands."""

    run_id: str
    env: Env
    kind: RunKind
    action: str
    action_version: str
    state: RunState
    maker: str
    agent: str
    arguments: dict[str, Any]
    reverses: str
    undone_by: str
    reason: str
    citations: list[str]
    created_at: datetime
    not_before: datetime | None
    deadline: datetime
    trace_id: str = Field(description="Joins it to the question that it was offered beside.")
    surface: str = Field(description="Where that question was asked; empty when it was offered beside none.")
    playbook: str = Field(description="The run of the playbook that this is a step of; empty for none.")
    version: int

    @classmethod
    def of(cls, run: Run) -> "ShownRun":
        own = {name: getattr(run, name) for name in set(cls.model_fields) - {"arguments", "citations", "playbook"}}
        return cls(**own, arguments=dict(run.arguments), citations=list(run.citations), playbook=parent_of(run))


class ShownChange(Shown):
    """What happens to one resource, as RFC 6902 patches both ways."""

    resource: str
    forward: list[dict[str, Any]]
    backward: list[dict[str, Any]]


class ShownPlan(Shown):
    """What applying would do. Whoever approves agrees to exactly this, by its digest."""

    digest: str
    summary: str
    changes: list[ShownChange]
    cost_usd: float
    minutes_saved: float
    created_at: datetime
    expires_at: datetime
    is_consumed: bool


class ShownReason(Shown):
    """A rule that decided, why, and what would change it."""

    rule: str
    reason: str
    remedy: str


class ShownDecision(Shown):
    """What the policy said at one stage."""

    stage: Stage
    effect: PolicyEffect
    reasons: list[ShownReason]
    at: datetime


class ShownApproval(Shown):
    """What one person said."""

    approver: str
    verdict: Verdict
    plan_digest: str
    note: str
    at: datetime


class ShownAttempt(Shown):
    """One call to the host."""

    number: int
    operation: str
    outcome: str
    status: int
    at: datetime


class ShownCap(Shown):
    """How often it may still be done."""

    cap_id: str
    used: int
    most: int
    left: int


class ShownRunView(Shown):
    """A run with its plan and its whole history. `steps` are those open to whoever looks."""

    run: ShownRun
    plan: ShownPlan | None
    steps: list[str]
    caps: list[ShownCap]
    decisions: list[ShownDecision]
    approvals: list[ShownApproval]
    attempts: list[ShownAttempt]
    undo_until: datetime | None
    result: dict[str, Any] | None
    replayed: bool
    successor: str = Field(description="The run that was planned anew because this one had gone stale; empty for none.")
    red_gates: list[str] = Field(description="Gates of the evals that fail and keep it from being applied now.")

    model_config = ConfigDict(json_schema_extra={"examples": [_VIEW]})

    @classmethod
    def of(cls, view: RunView) -> "ShownRunView":
        receipt = view.receipt
        return cls(
            run=ShownRun.of(view.run),
            plan=_plan(view),
            steps=sorted(view.steps),
            caps=[ShownCap(cap_id=cap.cap_id, used=cap.used, most=cap.most, left=cap.left) for cap in view.caps],
            decisions=_decisions(view),
            approvals=[
                ShownApproval(**{name: getattr(each, name) for name in ShownApproval.model_fields}) for each in view.approvals
            ],
            attempts=[
                ShownAttempt(**{name: getattr(each, name) for name in ShownAttempt.model_fields}) for each in view.attempts
            ],
            undo_until=receipt.undo_until if receipt else None,
            result=dict(receipt.result) if receipt else None,
            replayed=view.replayed,
            successor=view.successor,
            red_gates=list(view.red_gates),
        )


class ShownRuns(Shown):
    """Runs, newest first; `after` is the cursor of the next page, empty at the end."""

    runs: list[ShownRun]
    after: str

    model_config = ConfigDict(json_schema_extra={"examples": [{"runs": [_RUN], "after": ""}]})

    @classmethod
    def of(cls, page: RunPage) -> "ShownRuns":
        return cls(runs=[ShownRun.of(run) for run in page.runs], after=page.after)


def _plan(view: RunView) -> ShownPlan | None:
    plan = view.plan
    if plan is None:
        return None
    return ShownPlan(
        digest=plan.digest,
        summary=plan.summary,
        changes=[
            ShownChange(
                resource=change.resource,
                forward=[dict(step) for step in change.forward],
                backward=[dict(step) for step in change.backward],
            )
            for change in plan.changes
        ],
        cost_usd=plan.cost_usd,
        minutes_saved=plan.minutes_saved,
        created_at=plan.created_at,
        expires_at=plan.expires_at,
        is_consumed=plan.consumed_at is not None,
    )


def _decisions(view: RunView) -> list[ShownDecision]:
    return [
        ShownDecision(
            stage=record.stage,
            effect=record.decision.effect,
            reasons=[ShownReason(rule=each.rule, reason=each.reason, remedy=each.remedy) for each in record.decision.reasons],
            at=record.at,
        )
        for record in view.decisions
    ]
