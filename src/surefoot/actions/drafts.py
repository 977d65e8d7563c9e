"""Draft action files: made from what another service says of itself, and of no effect before a person has finished them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot.actions.action_file import DRAFT_SUFFIX, FileProblem, read_draft
from surefoot.actions.json_schema import DIALECT
from surefoot.core.errors import InvalidInput
from surefoot.domain.actions import Json

_MOST_NOTES = 12
_MOST_NOTE_CHARACTERS = 160
_TO_FINISH = (
    "Draft, not in use. To finish: say in effects what a run changes at most, give examples of valid and invalid arguments, "
    "limit every text and number, choose scope, caps and gates, implement simulate and, if it can be taken back, undo at the "
    "host; then lower risk, approval and autonomy only as far as that is true, and rename the file to"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft: the name of its file and what it holds."""

    file_name: str
    document: Mapping[str, Json]


def draft_of(name: str, title: str, description: str, arguments: Mapping[str, Json], notes: Sequence[str]) -> Draft:
    """The strictest action that could take these arguments: of high risk, never without another person, never undone, hidden
    from other agents, and not yet valid, because what only a person knows is empty.
    """
    shown = [note[:_MOST_NOTE_CHARACTERS] for note in notes[:_MOST_NOTES]]
    if len(notes) > _MOST_NOTES:
        shown.append(f"and {len(notes) - _MOST_NOTES} more changes like these")
    comment = f"{_TO_FINISH} {name}.v1.json." + (f" On the way in: {'; '.join(shown)}." if shown else "")
    document: dict[str, Json] = {
        "$schema": DIALECT,
        "$comment": comment,
        "title": title,
        "description": description,
        **arguments,
        "x-action": {
            "name": name,
            "version": "1.0.0",
            "risk": "high",
            "reversibility": "irreversible",
            "scope": "tenant",
            "autonomy": {"max": "suggest"},
            "approval": {"mode": "required", "maker_checker": True, "ttl": "PT24H"},
            "simulate": {"ttl": "PT15M", "sideEffects": "none"},
            "undo": {"mode": "none"},
            "effects": [],
            "caps": [],
            "gates": {},
            "idempotency": {"natural_key": []},
            "connector": {"kind": "http", "ref": "host_app", "path": f"/assistant/actions/{name}", "timeout": "PT10S"},
            "mcp": {"export": False},
            "examples": [],
        },
    }
    return Draft(f"{name}.v1{DRAFT_SUFFIX}", document)


def write_drafts(drafts: Sequence[Draft], folder: Path) -> list[Path]:
    """The files written, in order. Raises InvalidInput, with nothing written, when there is none, when one of them or its
    finished file is there already, or when the folder cannot be written to.
    """
    if not drafts:
        raise InvalidInput("There is nothing in it that could be an action.")
    paths = [folder / draft.file_name for draft in drafts]
    for path in paths:
        finished = path.with_name(path.name.removesuffix(DRAFT_SUFFIX) + ".json")
        for taken in (path, finished):
            if taken.exists():
                raise InvalidInput(f"{str(taken)!r} is there already; choose another folder, or move it away.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, draft in zip(paths, drafts, strict=True):
            with path.open("x", encoding="utf-8") as file:
                file.write(json.dumps(draft.document, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise InvalidInput(f"{str(folder)!r} cannot be written to ({error.strerror}); choose another folder.") from error
    return paths


def is_draft(path: Path) -> bool:
    """Whether the file is a draft by its name."""
    return path.name.endswith(DRAFT_SUFFIX)


def check_drafts(folder: Path) -> list[FileProblem]:
    """What is missing or wrong in each draft of the folder, and for one that is finished, that it can be renamed."""
    problems: list[FileProblem] = []
    try:
        paths = sorted(path for path in folder.iterdir() if is_draft(path))
    except OSError as error:
        raise InvalidInput(f"The folder {str(folder)!r} cannot be read ({error.strerror}).") from error
    for path in paths:
        spec, found = read_draft(path)
        problems += found
        if spec is not None:
            finished = f"{spec.name}.v{spec.major}.json"
            problems.append(FileProblem(path.name, "", f"Nothing is missing; rename it to {finished} to use it."))
    return problems
