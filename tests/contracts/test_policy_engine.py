"""The shipped policy: default deny, the strongest effect wins, a missing fact or any error denies, undo is never blocked."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from surefoot.adapters.cedar_policy import SHIPPED, CedarPolicy
from surefoot.core.errors import InvalidSettings
from surefoot.domain.actions import Env, Json
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import PolicyDecision, PolicyEffect, PolicyQuestion, Stage

ACME = TenantId("acme")
FACTS: dict[str, Json] = {
    "env": "production",
    "risk": "low",
    "maker": "ann",
    "switched_off": False,
    "autonomy": 2,
    "approval_mode": "policy",
    "maker_checker": False,
    "approver_roles": [],
    "caps_left": 5,
    "needs_consent": True,
    "has_consent": True,
    "minds_quiet_hours": True,
    "in_quiet_hours": False,
    "needs_change_window": True,
    "in_change_window": True,
    "incident_open": False,
    "needs_residency": True,
    "is_resident": True,
    "citations": 2,
    "min_citations": 1,
    "evidence_age_days": 3,
    "max_evidence_age_days": 14,
    "discount_basis_points": 500,
    "max_discount_basis_points": 1000,
    "budget_percent": 10,
    "in_holdout": False,
    "concerns": ["user:usr_ann001"],
    "own": ["account:acc_ann001", "user:usr_ann001"],
    "roles_for_others": ["support"],
}
# Everything that speaks against a step at once.
ADVERSE: dict[str, Json] = {
    "switched_off": True,
    "autonomy": 0,
    "caps_left": 0,
    "has_consent": False,
    "in_quiet_hours": True,
    "in_change_window": False,
    "incident_open": True,
    "is_resident": False,
    "citations": 0,
    "evidence_age_days": 900,
    "discount_basis_points": 9000,
    "budget_percent": 100,
    "in_holdout": True,
    "own": [],
}


@pytest.fixture(scope="module")
def policy() -> CedarPolicy:
    return CedarPolicy()


def decide(
    policy: CedarPolicy,
    stage: Stage = Stage.APPLY,
    *,
    agent: bool = False,
    asker: str = "ann",
    roles: Sequence[str] = (),
    **facts: Json,
) -> PolicyDecision:
    question = PolicyQuestion(stage, Env.PRODUCTION, "x", asker, frozenset(roles), agent, {**FACTS, **facts})
    return policy.decide(ACME, question)


def rules(decision: PolicyDecision) -> set[str]:
    return {reason.rule for reason in decision.reasons}


@pytest.mark.parametrize("stage", list(Stage), ids=lambda stage: stage.value)
@pytest.mark.parametrize("fact", sorted(FACTS))
def test_a_fact_that_was_not_computed_denies(policy: CedarPolicy, fact: str, stage: Stage) -> None:
    asker = "bob" if stage is Stage.APPROVE else "ann"
    assert decide(policy, stage, asker=asker).effect is PolicyEffect.ALLOW, "so that the loss of one fact is what denies"
    left = {name: value for name, value in FACTS.items() if name != fact}
    decision = policy.decide(ACME, PolicyQuestion(stage, Env.PRODUCTION, "x", asker, frozenset(), False, left))
    assert decision.effect is PolicyEffect.DENY
    assert decision.errors


@pytest.mark.parametrize("fact", sorted(FACTS))
def test_a_fact_of_another_type_denies(policy: CedarPolicy, fact: str) -> None:
    decision = decide(policy, **{fact: {"not": "this"}})
    assert decision.effect is PolicyEffect.DENY and decision.errors


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"switched_off": True}, "switched-off"),
        ({"has_consent": False}, "consent"),
        ({"is_resident": False}, "residency"),
        ({"citations": 0}, "too-few-citations"),
        ({"evidence_age_days": 15}, "old-evidence"),
        ({"discount_basis_points": 1001}, "discount-limit"),
        ({"caps_left": 0}, "cap-used-up"),
        ({"concerns": ["user:usr_bob001"]}, "somebody-elses"),
        ({"concerns": ["user:usr_ann001", "user:usr_bob001"]}, "somebody-elses"),
        ({"own": []}, "somebody-elses"),
    ],
)
@pytest.mark.parametrize("stage", [Stage.SIMULATE, Stage.APPLY], ids=lambda stage: stage.value)
def test_each_gate_denies_by_its_rule(policy: CedarPolicy, stage: Stage, facts: dict[str, Json], rule: str) -> None:
    decision = decide(policy, stage, **facts)
    assert (decision.effect, rules(decision)) == (PolicyEffect.DENY, {rule})
    assert all(reason.reason and reason.remedy for reason in decision.reasons)


def test_only_a_role_that_the_rules_name_acts_for_others(policy: CedarPolicy) -> None:
    theirs: dict[str, Json] = {"concerns": ["user:usr_bob001"]}
    assert decide(policy, roles=["support"], **theirs).effect is PolicyEffect.ALLOW
    assert decide(policy, roles=["admin"], **theirs).effect is PolicyEffect.DENY, "an administrator is no exception by itself"
    assert decide(policy, roles=["support"], agent=True, **theirs).effect is PolicyEffect.ALLOW
    assert decide(policy, roles=["support"], roles_for_others=[], **theirs).effect is PolicyEffect.DENY


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"in_quiet_hours": True}, "quiet-hours"),
        ({"in_change_window": False}, "change-window"),
        ({"incident_open": True}, "incident"),
    ],
)
def test_what_is_only_untimely_is_deferred(policy: CedarPolicy, facts: dict[str, Json], rule: str) -> None:
    decision = decide(policy, **facts)
    assert (decision.effect, rules(decision)) == (PolicyEffect.DEFER, {rule})
    assert decide(policy, Stage.SIMULATE, **facts).effect is PolicyEffect.ALLOW


def test_of_several_effects_the_strongest_counts(policy: CedarPolicy) -> None:
    assert decide(policy, agent=True, in_quiet_hours=True).effect is PolicyEffect.DEFER
    assert decide(policy, agent=True, in_quiet_hours=True, budget_percent=100).effect is PolicyEffect.SUGGEST_ONLY
    assert decide(policy, agent=True, in_quiet_hours=True, budget_percent=100, caps_left=0).effect is PolicyEffect.DENY


def test_a_mild_effect_permits_nothing_that_no_rule_permits(policy: CedarPolicy) -> None:
    decision = decide(policy, asker="bob", in_quiet_hours=True)
    assert (decision.effect, rules(decision)) == (PolicyEffect.DENY, {"default-deny"})


@pytest.mark.parametrize("facts", [{"autonomy": 1}, {"budget_percent": 80}, {"budget_percent": 100}, {"in_holdout": True}])
def test_an_agent_only_suggests_where_a_person_may_click(policy: CedarPolicy, facts: dict[str, Json]) -> None:
    assert decide(policy, agent=True, **facts).effect is PolicyEffect.SUGGEST_ONLY
    assert decide(policy, agent=False, **facts).effect is PolicyEffect.ALLOW


def test_undo_is_never_blocked_by_budgets_caps_hours_windows_or_holdouts(policy: CedarPolicy) -> None:
    assert decide(policy, Stage.UNDO, **ADVERSE).effect is PolicyEffect.ALLOW
    assert decide(policy, Stage.UNDO, asker="bob", **ADVERSE).effect is PolicyEffect.DENY
    assert decide(policy, Stage.UNDO, asker="bob", roles=["admin"]).effect is PolicyEffect.ALLOW
    assert decide(policy, Stage.UNDO, agent=True).effect is PolicyEffect.DENY


def test_nobody_approves_their_own_and_an_agent_approves_nothing(policy: CedarPolicy) -> None:
    assert decide(policy, Stage.APPROVE).effect is PolicyEffect.DENY
    assert decide(policy, Stage.APPROVE, asker="bob").effect is PolicyEffect.ALLOW
    assert decide(policy, Stage.APPROVE, asker="bob", agent=True).effect is PolicyEffect.DENY


def test_an_approver_has_one_of_the_named_roles(policy: CedarPolicy) -> None:
    wanted: dict[str, Json] = {"approver_roles": ["revops_approver"]}
    assert rules(decide(policy, Stage.APPROVE, asker="bob", roles=["finance"], **wanted)) == {"approver-role"}
    assert decide(policy, Stage.APPROVE, asker="bob", roles=["revops_approver"], **wanted).effect is PolicyEffect.ALLOW


@pytest.mark.parametrize(
    ("facts", "agent", "needs"),
    [
        ({}, False, False),
        ({"risk": "medium"}, False, True),
        ({"approval_mode": "none", "risk": "high"}, False, False),
        ({"approval_mode": "required"}, False, True),
        ({"maker_checker": True}, False, True),
        ({}, True, False),
        ({"approval_mode": "required"}, True, True),
    ],
)
def test_who_needs_a_second_person(policy: CedarPolicy, facts: dict[str, Json], agent: bool, needs: bool) -> None:
    decision = decide(policy, agent=agent, **facts)
    assert (decision.effect, decision.needs_approval) == (PolicyEffect.ALLOW, needs)


def test_the_fingerprint_changes_with_a_rule(tmp_path: Path, policy: CedarPolicy) -> None:
    for path in SHIPPED.iterdir():
        if path.suffix.startswith(".cedar"):
            (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    assert CedarPolicy(tmp_path).fingerprint == policy.fingerprint
    rule = '@id("mine") @reason("No.") @remedy("None.") @effect("deny")\nforbid (principal, action, resource);\n'
    (tmp_path / "mine.cedar").write_text(rule, encoding="utf-8")
    mine = CedarPolicy(tmp_path)
    assert mine.fingerprint != policy.fingerprint
    assert (
        mine.decide(ACME, PolicyQuestion(Stage.UNDO, Env.SANDBOX, "x", "ann", frozenset(), False, FACTS)).effect
        is PolicyEffect.DENY
    )


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("forbid (principal, action, resource);", "@id"),
        ('@id("a") forbid (principal, action, resource);', "@reason"),
        ('@id("a") @reason("r") @remedy("m") @effect("maybe") forbid (principal, action, resource);', "maybe"),
        ('@id("owners-act") permit (principal, action, resource);', "owners-act"),
        ('@id("a") permit (principal, action, resource) when { context.no_such_fact };', "schema"),
    ],
)
def test_a_rule_that_could_not_be_explained_or_evaluated_is_refused(tmp_path: Path, rule: str, said: str) -> None:
    for path in SHIPPED.iterdir():
        if path.suffix.startswith(".cedar"):
            (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "mine.cedar").write_text(rule, encoding="utf-8")
    with pytest.raises(InvalidSettings, match=said):
        CedarPolicy(tmp_path)


def test_a_folder_without_a_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.cedar").write_text("", encoding="utf-8")
    with pytest.raises(InvalidSettings, match="cedarschema"):
        CedarPolicy(tmp_path)


def test_what_is_deferred_says_whether_somebody_has_to_agree(policy: CedarPolicy) -> None:
    assert not decide(policy, in_quiet_hours=True).needs_approval
    deferred = decide(policy, in_quiet_hours=True, risk="medium")
    assert (deferred.effect, deferred.needs_approval) == (PolicyEffect.DEFER, True)
