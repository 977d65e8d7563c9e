"""Playbooks that can be started, and their runs: previewed, approved, applied and taken back as one."""

from typing import Any

from pydantic import ConfigDict, Field, JsonValue

from surefoot.actions.playbook_parts import Outcome, PlaybookView
from surefoot.api.schemas.actions import ActionName, ChunkIdText, Note, ShownRun, ShownRunView
from surefoot.api.schemas.texts import Sent, Shown
from surefoot.domain.actions import Env
from surefoot.domain.playbooks import PlaybookSpec

_RUN: dict[str, JsonValue] = {
    "run_id": "run_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "env": "sandbox",
    "kind": "apply",
    "action": "playbook.set_up_accounting",
    "action_version": "1.0.0",
    "state": "awaiting_approval",
    "maker": "usr_nora01",
    "agent": "",
    "arguments": {"steps": [], "roles": [], "own": ["user:usr_nora01"]},
    "reverses": "",
    "undone_by": "",
    "reason": "Nora asked for it.",
    "citations": [],
    "created_at": "2026-03-01T12:00:00Z",
    "not_before": None,
    "deadline": "2026-03-02T12:00:00Z",
    "trace_id": "",
    "surface": "",
    "playbook": "",
    "version": 3,
}
_EXAMPLE: dict[str, JsonValue] = {
    "run": _RUN,
    "outcome": "previewed",
    "why": "",
    "plan_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "plan_summary": "Pins tax reports to Nora's sidebar.",
    "plan_expires_at": "2026-03-02T12:00:00+00:00",
    "open_steps": ["cancel"],
    "stands": [],
    "steps": [],
    "replayed": False,
}
_ARGUMENTS: dict[str, JsonValue] = {"user_id": "usr_nora01", "account_id": "acc_fernhill1", "data_region": "eu"}


class NewPlaybookRun(Sent):
    """Which playbook the viewer wants done. The tenant and the maker come from the token, never from here."""

    playbook: ActionName
    arguments: dict[str, JsonValue]
    env: Env = Env.SANDBOX
    reason: Note = Field("", description="Why it is offered; shown to approvers.")
    citations: list[ChunkIdText] = Field(
        default_factory=list, max_length=16, description="Passages that its steps rest on; ones that the viewer may read."
    )

    model_config = ConfigDict(json_schema_extra={"examples": [{"playbook": "set_up_accounting", "arguments": _ARGUMENTS}]})


class ShownPlaybook(Shown):
    """A playbook that can be started."""

    name: str
    version: str
    title: str
    description: str
    actions: list[str] = Field(description="The action of each step, in order.")
    arguments_schema: dict[str, Any]

    @classmethod
    def of(cls, spec: PlaybookSpec) -> "ShownPlaybook":
        return cls(
            name=spec.name,
            version=spec.version,
            title=spec.title,
            description=spec.description,
            actions=[step.action for step in spec.steps],
            arguments_schema=dict(spec.schema),
        )


class ShownPlaybooks(Shown):
    """Every playbook, by name."""

    playbooks: list[ShownPlaybook]

    model_config = ConfigDict(json_schema_extra={"examples": [{"playbooks": []}]})


class ShownPlaybookRun(Shown):
    """A playbook's run: its joint plan, what became of it, and the run of each step so far. `stands` are the steps whose effect
    is there or may be; `open_steps` what whoever looks may press.
    """

    run: ShownRun
    outcome: Outcome
    why: str
    plan_digest: str = Field(description="Whoever approves agrees to exactly these steps' plans; empty without a plan.")
    plan_summary: str
    plan_expires_at: str
    open_steps: list[str]
    stands: list[str]
    steps: list[ShownRunView]
    replayed: bool

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    @classmethod
    def of(cls, view: PlaybookView) -> "ShownPlaybookRun":
        plan = view.plan
        return cls(
            run=ShownRun.of(view.parent),
            outcome=view.outcome,
            why=view.why,
            plan_digest=plan.digest if plan else "",
            plan_summary=plan.summary if plan else "",
            plan_expires_at=plan.expires_at.isoformat() if plan else "",
            open_steps=sorted(view.open_steps),
            stands=list(view.stands),
            steps=[ShownRunView.of(step) for step in view.steps],
            replayed=view.replayed,
        )
