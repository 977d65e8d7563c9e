"""The registry holds every action of a folder, or none."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from surefoot.actions.arguments import validated
from surefoot.actions.registry import SHIPPED, check_folder, load_registry
from surefoot.actions.strict_schema import KEYWORDS, lift, lowered, project
from surefoot.core.errors import InvalidAction, NotFound
from surefoot.domain.actions import ActionSpec, ApprovalMode, Risk, UndoMode
from tests.unit.actions.declared import changed

FIRST_SET = {
    "show_checklist",
    "pin_shortcut",
    "schedule_nudge",
    "prefill_form",
    "unlock_trial_within_caps",
    "suggest_upgrade_within_policy",
    "enable_feature",
    "connect_integration",
}


def write(folder: Path, name: str, *changes: tuple[str, object]) -> None:
    (folder / name).write_text(json.dumps(changed(*changes)), encoding="utf-8")


def test_the_newest_major_is_found_unless_another_is_asked_for(tmp_path: Path) -> None:
    for major in (1, 2, 10):
        write(tmp_path, f"send_note.v{major}.json", ("x-action/version", f"{major}.0.0"))
    registry = load_registry(tmp_path)
    assert registry.get("send_note").major == 10
    assert registry.get("send_note", 2).version == "2.0.0"
    assert [spec.major for spec in registry.all()] == [1, 2, 10]
    assert [spec.major for spec in registry.newest()] == [10]


def test_an_action_that_is_not_there_is_not_found_and_the_others_are_named(tmp_path: Path) -> None:
    write(tmp_path, "send_note.v1.json")
    registry = load_registry(tmp_path)
    with pytest.raises(NotFound, match="there are send_note"):
        registry.get("send_money")
    with pytest.raises(NotFound, match="no major version 2; there are 1"):
        registry.get("send_note", 2)


def test_one_wrong_file_keeps_every_action_from_being_loaded(tmp_path: Path) -> None:
    write(tmp_path, "send_note.v1.json")
    write(tmp_path, "send_other.v1.json", ("x-action/name", "send_other"), ("x-action/risk", "none"))
    with pytest.raises(InvalidAction, match=r"send_other\.v1\.json: x-action\.risk must be one of"):
        load_registry(tmp_path)
    checked = check_folder(tmp_path)
    assert [spec.name for spec in checked.specs] == ["send_note"]
    assert [(problem.file, problem.place) for problem in checked.problems] == [("send_other.v1.json", "x-action.risk")]


def test_documents_of_python_connectors_are_held_to_the_same_rules(tmp_path: Path) -> None:
    write(tmp_path, "send_note.v1.json")
    other = changed(("x-action/name", "send_other"), ("x-action/connector/kind", "python"))
    assert load_registry(tmp_path, [other]).get("send_other").connector.kind == "python"
    with pytest.raises(InvalidAction, match="python connector 1"):
        load_registry(tmp_path, [changed(("x-action/risk", "none"))])
    with pytest.raises(InvalidAction, match="declared twice in major version 1"):
        load_registry(tmp_path, [changed()])


def test_the_fingerprint_changes_with_the_meaning_of_any_file(tmp_path: Path) -> None:
    write(tmp_path, "send_note.v1.json")
    before = load_registry(tmp_path).fingerprint
    (tmp_path / "send_note.v1.json").write_text(json.dumps(changed(), indent=4), encoding="utf-8")
    assert load_registry(tmp_path).fingerprint == before
    write(tmp_path, "send_note.v1.json", ("x-action/caps/0/max", 2))
    assert load_registry(tmp_path).fingerprint != before


def test_a_folder_without_actions_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InvalidAction):
            load_registry(folder)


def test_the_first_set_ships_without_a_problem_and_under_its_names() -> None:
    checked = check_folder(SHIPPED)
    assert checked.problems == ()
    assert {spec.name for spec in checked.specs} == FIRST_SET
    for spec in checked.specs:
        assert sum(example.is_valid for example in spec.examples) >= 2
        assert sum(not example.is_valid for example in spec.examples) >= 3
        assert all(example.says for example in spec.examples if example.is_valid)
        assert spec.result_schema is not None
        assert spec.caps


def test_the_upgrade_offer_is_as_strict_as_the_specification() -> None:
    spec = load_registry().get("suggest_upgrade_within_policy")
    assert spec.risk is Risk.HIGH
    assert (spec.approval.mode, spec.approval.maker_checker, spec.approval.roles) == (
        ApprovalMode.REQUIRED,
        True,
        ("revops_approver",),
    )
    assert [(cap.key, cap.window, cap.max) for cap in spec.caps] == [(("args.account_id",), "calendar:quarter", 2)]
    assert spec.gates.max_discount_percent == 20
    assert spec.gates.change_window
    assert spec.gates.residency
    assert spec.gates.min_citations == 2
    assert spec.gates.max_evidence_age is not None
    assert spec.gates.max_evidence_age.days == 14
    assert spec.undo.mode is UndoMode.COMPENSATE
    assert spec.mcp_export is False


def test_the_nudge_is_declared_as_the_specification_prints_it() -> None:
    spec = load_registry().get("schedule_nudge")
    assert spec.natural_key == ("args.user_id", "args.template_id", "iso_week(args.send_at)")
    assert spec.undo.window == "until:send_at"
    assert next((cap.id, cap.window, cap.max) for cap in spec.caps) == ("nudges_user_week", "P7D", 1)
    assert (spec.gates.consent, spec.gates.quiet_hours, spec.gates.min_citations) == ("product_tips", True, 1)
    assert spec.mcp_export


def keywords_of(schema: object) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(keywords_of, schema))
    if not isinstance(schema, dict):
        return set()
    inner = [value for key, value in schema.items() if key not in ("properties", "enum", "required")]
    return set(schema) | keywords_of(inner) | keywords_of(list(schema.get("properties", {}).values()))


@pytest.mark.parametrize("spec", load_registry().all(), ids=lambda spec: spec.name)
def test_the_strict_projection_asks_for_every_argument_and_uses_only_what_strict_modes_know(spec: ActionSpec) -> None:
    projected = project(spec)
    assert keywords_of(projected) <= KEYWORDS
    assert projected["required"] == list(projected["properties"]) == list(spec.schema["properties"])  # type: ignore[call-overload]
    assert projected["additionalProperties"] is False


@pytest.mark.parametrize("spec", load_registry().all(), ids=lambda spec: spec.name)
def test_every_valid_example_survives_the_projection_and_every_invalid_one_is_still_refused(spec: ActionSpec) -> None:
    strict = jsonschema_rs.Draft202012Validator(project(spec))
    for example in spec.examples:
        if example.is_valid:
            written = lowered(spec, example.arguments)
            assert strict.is_valid(written), spec.name
            assert lift(spec, written) == validated(spec, example.arguments)
        else:
            with pytest.raises(InvalidAction):
                lift(spec, example.arguments)
