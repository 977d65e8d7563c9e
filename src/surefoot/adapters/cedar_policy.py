"""The PolicyEngine port on Cedar: rules as files, always with a schema, every evaluation error a denial."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cedarpy

from surefoot.core.errors import InvalidSettings
from surefoot.core.ids import digest
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import PolicyDecision, PolicyEffect, PolicyQuestion, PolicyReason

SHIPPED = Path(__file__).parent.parent / "policies"
_WITHOUT_APPROVAL = "without_approval"
_NOT_PERMITTED = PolicyReason("default-deny", "No rule permits this.", "Ask whoever owns it, or an admin.")


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    reason: str
    remedy: str
    effect: PolicyEffect
    permits: bool


class CedarPolicy:
    """The policy files of one folder, read, checked against their schema and parsed once. Safe from many threads."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or SHIPPED
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.cedar"))}
        schemas = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.cedarschema"))]
        if not texts or len(schemas) != 1:
            raise InvalidSettings(f"The folder {str(folder)!r} must hold *.cedar files and exactly one *.cedarschema.")
        whole, schema = "\n".join(texts.values()), schemas[0]
        checked = cedarpy.validate_policies(whole, schema)
        if not checked.validation_passed:
            raise InvalidSettings(f"The policies in {str(folder)!r} do not fit their schema: {checked.errors[0].error}.")
        self._rules = _rules(whole, folder)
        self._schema = cedarpy.Schema.from_str(schema)
        self._policies = cedarpy.PolicySet.from_str(whole)
        self._permits = cedarpy.PolicySet.from_str(_only_permits(whole))
        self._entities = cedarpy.Entities.from_json_str("[]")
        self._fingerprint = digest(schema, *(part for name in texts for part in (name, texts[name])))

    @property
    def fingerprint(self) -> str:
        """See ports.PolicyEngine."""
        return self._fingerprint

    def decide(self, tenant: TenantId, question: PolicyQuestion) -> PolicyDecision:
        """See ports.PolicyEngine."""
        answer = self._ask(tenant, question, question.stage.value, self._policies)
        if answer.diagnostics.errors or answer.decision not in (cedarpy.Decision.Allow, cedarpy.Decision.Deny):
            return self._denied((), tuple(answer.diagnostics.errors) or ("The policy gave no decision.",))
        fired = [self._rules[name] for name in answer.diagnostics.reasons]
        if answer.decision is cedarpy.Decision.Allow:
            return PolicyDecision(
                PolicyEffect.ALLOW,
                self._fingerprint,
                tuple(PolicyReason(rule.id, rule.reason, rule.remedy) for rule in fired),
                needs_approval=not self._passes_alone(tenant, question),
            )
        forbidding = sorted((rule for rule in fired if not rule.permits), key=lambda rule: -rule.effect.rank)
        # A forbid that only defers or suggests says nothing about whether anything permits.
        if (
            not forbidding
            or self._ask(tenant, question, question.stage.value, self._permits).decision is not cedarpy.Decision.Allow
        ):
            return self._denied((_NOT_PERMITTED,), ())
        reasons = tuple(PolicyReason(rule.id, rule.reason, rule.remedy) for rule in forbidding)
        effect = forbidding[0].effect
        # What is only deferred goes on by itself later, so whether somebody has to agree is said now.
        needs_approval = effect is PolicyEffect.DEFER and not self._passes_alone(tenant, question)
        return PolicyDecision(effect, self._fingerprint, reasons, needs_approval=needs_approval)

    def _passes_alone(self, tenant: TenantId, question: PolicyQuestion) -> bool:
        """Whether nobody else has to agree; an error means that somebody has to."""
        answer = self._ask(tenant, question, _WITHOUT_APPROVAL, self._policies)
        return answer.decision is cedarpy.Decision.Allow and not answer.diagnostics.errors

    def _ask(self, tenant: TenantId, question: PolicyQuestion, action: str, policies: cedarpy.PolicySet) -> Any:
        request = {
            "principal": {"type": "Agent" if question.is_agent else "User", "id": f"{tenant}/{question.principal}"},
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Operation", "id": f"{tenant}/{question.action}"},
            "context": {**question.facts, "asker": question.principal, "roles": sorted(question.roles)},
        }
        return cedarpy.is_authorized(request, policies, self._entities, schema=self._schema)

    def _denied(self, reasons: tuple[PolicyReason, ...], errors: tuple[str, ...]) -> PolicyDecision:
        return PolicyDecision(PolicyEffect.DENY, self._fingerprint, reasons, errors)


def _rules(text: str, folder: Path) -> dict[str, _Rule]:
    """Every rule by the id the engine reports. Raises InvalidSettings for one without an @id, or two with the same, and for a
    forbid that does not say why, how to mend it, and with what effect.
    """
    rules: dict[str, _Rule] = {}
    for name, rule in json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].items():
        notes, permits = rule.get("annotations", {}), rule["effect"] == "permit"
        wanted = ("id",) if permits else ("id", "reason", "remedy", "effect")
        missing = [note for note in wanted if not notes.get(note)]
        if missing:
            raise InvalidSettings(f"A rule in {str(folder)!r} ({notes.get('id', name)}) has no @{missing[0]}.")
        effect = PolicyEffect.ALLOW if permits else _effect(notes["effect"], notes["id"])
        rules[name] = _Rule(notes["id"], notes.get("reason", ""), notes.get("remedy", ""), effect, permits)
    ids = [rule.id for rule in rules.values()]
    twice = next((each for each in ids if ids.count(each) > 1), None)
    if twice is not None:
        raise InvalidSettings(f"Two rules in {str(folder)!r} have the @id {twice!r}.")
    return rules


def _effect(text: str, rule: str) -> PolicyEffect:
    if text not in ("deny", "suggest_only", "defer"):
        raise InvalidSettings(f"The rule {rule!r} has the effect {text!r}; write deny, suggest_only or defer.")
    return PolicyEffect(text)


def _only_permits(text: str) -> str:
    everything = json.loads(cedarpy.policies_to_json_str(text))
    kept = {name: rule for name, rule in everything["staticPolicies"].items() if rule["effect"] == "permit"}
    return str(cedarpy.policies_from_json_str(json.dumps({**everything, "staticPolicies": kept})))
