"""A playbook file is right, or every problem in it is found before anybody may start it."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from surefoot.actions.playbook_file import filled_in, read_playbook, read_playbook_document
from surefoot.actions.registry import SHIPPED, check_folder, load_registry
from surefoot.core.errors import InvalidAction, NotFound
from surefoot.domain.playbooks import PlaybookSpec
from tests.unit.actions.declared import spec_of

FILE = SHIPPED / "set_up_accounting.v1.playbook.json"
ACTIONS = load_registry().newest()
GIVEN = {"user_id": "usr_nora01", "account_id": "acc_fernhill1", "data_region": "eu"}


def problems(change: Any) -> list[str]:
    document = deepcopy(json.loads(FILE.read_bytes()))
    change(document)
    return [problem.sentence for problem in read_playbook_document(document, FILE.name, ACTIONS)[1]]


def shipped() -> PlaybookSpec:
    spec, found = read_playbook(FILE, ACTIONS)
    assert spec is not None, found
    return spec


def test_the_shipped_playbook_fills_every_argument_of_its_steps() -> None:
    connect, pin, show = filled_in(shipped(), GIVEN).steps
    assert (connect.action, connect.arguments["integration"], connect.arguments["data_region"]) == (
        "connect_integration",
        "accounting_system",
        "eu",
    )
    assert (pin.arguments, show.arguments["user_id"]) == ({"user_id": "usr_nora01", "page": "tax_reports"}, "usr_nora01")


def test_arguments_that_the_playbook_does_not_declare_are_refused() -> None:
    with pytest.raises(InvalidAction):
        filled_in(shipped(), {**GIVEN, "page": "api_keys"})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["x-playbook"]["steps"][0].update(action="no_such_action"), "no action file"),
        (
            lambda d: d["x-playbook"]["steps"][0]["arguments"].update(access={"from": "args.nothing"}),
            "no argument of the playbook",
        ),
        (lambda d: d["x-playbook"]["steps"][0]["arguments"].pop("access"), "misses 'access'"),
        (lambda d: d["x-playbook"]["steps"][1]["arguments"].update(page={"value": "https://example.com"}), "args.page"),
        (lambda d: d["x-playbook"]["steps"][1]["arguments"].update(page={"value": "a", "from": "args.user_id"}), "steps[1]"),
        (lambda d: d["x-playbook"].update(when="later"), "does not take 'when'"),
        (lambda d: d["x-playbook"].update(steps=[]), "steps"),
        (lambda d: d["properties"].update(note={"type": "string", "maxLength": 9}), "taken by no step"),
        (lambda d: d["x-playbook"].update(examples=d["x-playbook"]["examples"][:1] * 2), "one invalid example"),
        (lambda d: d["x-playbook"]["examples"][1].update(valid=True), "said to be valid"),
        (lambda d: d["x-playbook"]["examples"][0].update(valid=False), "said to be invalid"),
        (lambda d: d.pop("x-playbook"), "x-playbook is missing"),
        (lambda d: d.pop("title"), "title"),
    ],
)
def test_each_slip_is_found_at_its_place(change: Any, says: str) -> None:
    found = problems(change)
    assert found and any(says in sentence for sentence in found), found


def test_only_the_last_step_may_be_one_that_cannot_be_taken_back() -> None:
    lasting = spec_of(("x-action/undo", {"mode": "none"}), ("x-action/reversibility", "irreversible"))
    arguments = {name: {"value": value} for name, value in lasting.examples[0].arguments.items()}

    def at(place: int) -> list[str]:
        document = json.loads(FILE.read_bytes())
        document["x-playbook"]["steps"].insert(place, {"action": lasting.name, "arguments": arguments})
        return [each.sentence for each in read_playbook_document(document, FILE.name, (*ACTIONS, lasting))[1]]

    assert any("only be the last step" in sentence for sentence in at(0))
    assert at(3) == []


def test_a_folder_s_playbooks_are_checked_and_loaded_with_its_actions(tmp_path: Path) -> None:
    for path in SHIPPED.glob("*.v1.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / FILE.name).write_bytes(FILE.read_bytes())
    assert load_registry(tmp_path).playbook("set_up_accounting").title == "Set up accounting"
    with pytest.raises(NotFound, match="set_up_accounting"):
        load_registry(tmp_path).playbook("other")
    (tmp_path / "pin_shortcut.v1.json").unlink()
    checked = check_folder(tmp_path)
    assert not checked.playbooks and "pin_shortcut" in checked.problems[0].sentence
    (tmp_path / "other_name.v1.playbook.json").write_bytes(FILE.read_bytes())
    assert any(
        "name it so" in problem.sentence or "pin_shortcut" in problem.sentence for problem in check_folder(tmp_path).problems
    )
