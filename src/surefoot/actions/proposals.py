"""Which actions may become a button for a viewer: bound to what their token states, valid, and allowed by the policy. Nothing is
stored and no host is called; whoever presses the button begins a run like any other.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from surefoot.actions.arguments import resource_ids
from surefoot.actions.json_schema import context_path
from surefoot.actions.offers import Offers, from_context
from surefoot.actions.parts import ActionParts
from surefoot.actions.planning import Planner
from surefoot.actions.policing import account_of, asker_of, decided, own_of, said
from surefoot.actions.registry import Registry
from surefoot.actions.requests import is_request
from surefoot.actions.strict_schema import lift, project
from surefoot.core.errors import InvalidAction
from surefoot.domain.actions import ActionSpec, ApprovalMode, Arguments, Env
from surefoot.domain.drafts import ProposedAction
from surefoot.domain.identity import Viewer
from surefoot.domain.offers import OfferedAction
from surefoot.domain.runs import PolicyEffect, Stage

AGENT = "assistant"
_ARGUMENT = re.compile(r"\bargs\.([a-z0-9_]+)")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a proposal becomes no button, in a sentence for the ledger."""

    reason: str


class Proposals:
    """Makes buttons of what is asked for and of what a model drafted. Safe from many threads."""

    def __init__(self, parts: ActionParts, registry: Registry, offers: Offers, *, env: Env = Env.SANDBOX) -> None:
        self._parts = parts
        self._planner = Planner(parts)
        self._specs = {spec.name: spec for spec in registry.newest()}
        self._offers = offers
        self._env = env

    def bindable(self, viewer: Viewer) -> tuple[ActionSpec, ...]:
        """The actions whose host is known, and whose arguments that a host has to state about its viewers are stated about this
        one. Nobody, and no model, is to name by hand whose resource an action is for.
        """
        stated = viewer.stated()
        return tuple(
            spec
            for spec in self._specs.values()
            if spec.connector.ref in self._parts.hosts and from_context(spec, stated).keys() >= _needed(spec)
        )

    def offerable(self, viewer: Viewer, citations: Sequence[str]) -> tuple[ActionSpec, ...]:
        """Of the bindable actions those that the policy may allow, resting on these passages at most."""
        return tuple(
            spec
            for spec in self.bindable(viewer)
            if not isinstance(self.may_offer(viewer, spec, from_context(spec, viewer.stated()), citations), Refused)
        )

    def may_offer(self, viewer: Viewer, spec: ActionSpec, arguments: Arguments, citations: Sequence[str]) -> bool | Refused:
        """Whether somebody else would have to approve it; or why it is not offered. The policy is asked as it is when a run is
        simulated, for the assistant that offers and for the viewer who would press. A cap that counts by an argument which is
        not given yet is left for then.
        """
        known = tuple(cap for cap in spec.caps if all(_is_known(path, arguments) for path in cap.key))
        run = self._planner.draft(spec, arguments, viewer.user, self._env, agent=AGENT)
        person = asker_of(viewer)
        run = replace(run, citations=tuple(citations), account=account_of(person))
        spec = replace(spec, caps=known)
        records = [
            decided(self._parts, viewer.tenant, spec, run, Stage.SIMULATE, asker)
            for asker in (replace(person, is_agent=True), person)
        ]
        for record in records:
            if record.decision.effect is PolicyEffect.DENY:
                return Refused(said(record))
        if records[0].facts.get("in_holdout") is not False:
            # People in a holdout are compared with those who see offers, so they see none.
            return Refused("The viewer is in a group that is shown no suggestions.")
        return spec.approval.mode is ApprovalMode.REQUIRED or records[1].decision.needs_approval

    def asked_for(self, viewer: Viewer, question: str, citations: Sequence[str]) -> OfferedAction | None:
        """The button for what the question asks to be done, found without a model; None when it asks for nothing, or for what
        this viewer may not be offered.
        """
        if not is_request(question, viewer.locale):
            return None
        allowed = {spec.name for spec in self.bindable(viewer)}
        offer = self._offers.offer(question, viewer.stated(), viewer.locale, allowed)
        if offer is None:
            return None
        spec = self._specs[offer.action]
        missing = tuple(each.name for each in offer.missing)
        button = self._button(viewer, spec, offer.arguments, missing, offer.reason, citations)
        return None if isinstance(button, Refused) else button

    def drafted(
        self, viewer: Viewer, proposed: ProposedAction, citations: Sequence[str], *, model: str
    ) -> OfferedAction | Refused:
        """The button for what a model proposed. Arguments about the viewer are the token's whatever the model wrote, and a
        proposal for anybody else's resource is refused, as is one with arguments that are not all valid.
        """
        spec = self._specs.get(proposed.name)
        if spec is None or spec not in self.bindable(viewer):
            return Refused("A proposed action is none of those that were offered.")
        stated = viewer.stated()
        bound = from_context(spec, stated)
        for name in proposed.arguments.keys() & _context_arguments(spec).keys():
            if proposed.arguments[name] not in (None, bound.get(name)):
                return Refused(f"{spec.name}: args.{name} is not what the viewer's token states.")
        try:
            arguments = lift(spec, {**proposed.arguments, **bound})
        except InvalidAction as error:
            return Refused(str(error))
        own = {*resource_ids(spec, bound), *own_of(viewer)}
        if not own.issuperset(resource_ids(spec, arguments)):
            return Refused(f"{spec.name}: its arguments name a resource that the viewer's token does not state.")
        reason = "An AI model proposed this step beside its answer; its arguments were checked, and nothing is done yet."
        return self._button(viewer, spec, arguments, (), reason, citations, model=model)

    def _button(
        self,
        viewer: Viewer,
        spec: ActionSpec,
        arguments: Arguments,
        missing: tuple[str, ...],
        reason: str,
        citations: Sequence[str],
        *,
        model: str = "",
    ) -> OfferedAction | Refused:
        needs_approval = self.may_offer(viewer, spec, arguments, citations)
        if isinstance(needs_approval, Refused):
            return Refused(f"{spec.name}: {needs_approval.reason}")
        return OfferedAction(
            action=spec.name,
            version=spec.version,
            title=spec.title,
            arguments=arguments,
            missing=missing,
            reason=reason,
            citations=tuple(citations),
            risk=spec.risk,
            needs_approval=needs_approval,
            model=model,
        )


def described(spec: ActionSpec) -> dict[str, Any]:
    """The action as a model is told of it: the strict projection of its arguments without those that the viewer's token states,
    which a model has no use for.
    """
    arguments = project(spec)
    left = {name: node for name, node in arguments["properties"].items() if name not in _context_arguments(spec)}
    return {
        "name": spec.name,
        "description": f"{spec.title}. {spec.description}".strip(),
        "arguments": {
            "type": "object",
            "properties": left,
            "required": list(left),
            "additionalProperties": False,
        },
    }


def _context_arguments(spec: ActionSpec) -> dict[str, tuple[str, ...]]:
    """The arguments that a host may state about its viewer, and where."""
    properties = spec.schema["properties"]
    found: dict[str, tuple[str, ...]] = {}
    for name, node in properties.items() if isinstance(properties, Mapping) else ():
        path = context_path(node.get("x-context")) if isinstance(node, Mapping) else None
        if path is not None:
            found[name] = path
    return found


def _needed(spec: ActionSpec) -> set[str]:
    required = spec.schema.get("required", [])
    return {name for name in _context_arguments(spec) if isinstance(required, list) and name in required}


def _is_known(path: str, arguments: Arguments) -> bool:
    return all(name in arguments for name in _ARGUMENT.findall(path))
