"""The actions that a host has declared, each checked before anybody may ask for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from surefoot.actions.action_file import DRAFT_SUFFIX, FileProblem, read_action, read_document
from surefoot.actions.playbook_file import METASCHEMA_NAME as PLAYBOOK_METASCHEMA_NAME
from surefoot.actions.playbook_file import PLAYBOOK_SUFFIX, read_playbook
from surefoot.core.errors import InvalidAction, NotFound
from surefoot.core.ids import digest
from surefoot.domain.actions import ActionSpec, Json
from surefoot.domain.playbooks import PlaybookSpec

SHIPPED = Path(__file__).parent.parent / "action_schemas"
METASCHEMA_NAME = "metaschema.json"
MAX_ACTIONS = 1000
_MOST_PROBLEMS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Registry:
    """Every major version of every action, by name and major. `fingerprint` changes when any file's meaning does."""

    by_key: Mapping[tuple[str, int], ActionSpec]
    fingerprint: str
    playbooks: Mapping[str, PlaybookSpec] = field(default_factory=dict)

    def get(self, name: str, major: int | None = None) -> ActionSpec:
        """The action of this name and major version, by default its newest. Raises NotFound when there is none."""
        majors = [known for action, known in self.by_key if action == name]
        if not majors:
            known_names = ", ".join(sorted({action for action, _ in self.by_key})) or "none"
            raise NotFound(f"There is no action {name[:60]!r}; there are {known_names}.")
        wanted = max(majors) if major is None else major
        if wanted not in majors:
            there = ", ".join(str(known) for known in sorted(majors))
            raise NotFound(f"The action {name!r} has no major version {wanted}; there are {there}.")
        return self.by_key[name, wanted]

    def all(self) -> tuple[ActionSpec, ...]:
        """Every version of every action, by name and then oldest first."""
        return tuple(self.by_key[key] for key in sorted(self.by_key))

    def playbook(self, name: str) -> PlaybookSpec:
        """The newest playbook of this name. Raises NotFound when there is none."""
        if name not in self.playbooks:
            known_names = ", ".join(sorted(self.playbooks)) or "none"
            raise NotFound(f"There is no playbook {name[:60]!r}; there are {known_names}.")
        return self.playbooks[name]

    def newest(self) -> tuple[ActionSpec, ...]:
        """The newest version of every action, by name: what may be offered and started."""
        return tuple({spec.name: spec for spec in self.all()}.values())


@dataclass(frozen=True, slots=True)
class Checked:
    """What a folder holds: the actions and playbooks without a problem, and every problem found, by file and place."""

    specs: tuple[ActionSpec, ...]
    problems: tuple[FileProblem, ...]
    playbooks: tuple[PlaybookSpec, ...] = ()


def load_registry(folder: Path | None = None, python_specs: Iterable[Mapping[str, Json]] = ()) -> Registry:
    """Every action file of the folder (by default those shipped) and every document that a Python connector declares.

    Raises InvalidAction naming file and place when anything is wrong with any of them: a service starts with all of its
    actions or not at all.
    """
    checked = check_folder(folder or SHIPPED)
    specs, problems = list(checked.specs), list(checked.problems)
    for number, document in enumerate(python_specs, start=1):
        spec, found = read_document(document, f"python connector {number}")
        specs += [spec] if spec else []
        problems += found
    problems += _twice(specs)
    if problems:
        shown = " ".join(f"{p.file}: {p.sentence}" for p in problems[:_MOST_PROBLEMS_SHOWN])
        more = f" And {len(problems) - _MOST_PROBLEMS_SHOWN} more." if len(problems) > _MOST_PROBLEMS_SHOWN else ""
        raise InvalidAction(f"{shown}{more} `surefoot actions check` lists every problem.")
    by_key = {(spec.name, spec.major): spec for spec in sorted(specs, key=lambda spec: (spec.name, spec.major))}
    playbooks = {spec.name: spec for spec in sorted(checked.playbooks, key=lambda spec: (spec.name, spec.major))}
    return Registry(by_key, digest(*(spec.schema_hash for spec in by_key.values())), playbooks)


def check_folder(folder: Path) -> Checked:
    """What the folder's `*.json` files hold, each read and checked on its own, in the order of their names. Drafts are left
    out: nobody can use them.

    Raises InvalidAction when the folder cannot be read, has no action file, or has more than MAX_ACTIONS.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if _is_live(path))
    except OSError as error:
        raise InvalidAction(
            f"The folder {str(folder)!r} cannot be read ({error.strerror}); name one with action files."
        ) from None
    if not paths or len(paths) > MAX_ACTIONS:
        raise InvalidAction(f"The folder {str(folder)!r} holds {len(paths)} action files; it must hold 1 to {MAX_ACTIONS}.")
    specs: list[ActionSpec] = []
    problems: list[FileProblem] = []
    for path in paths:
        spec, found = read_action(path)
        specs += [spec] if spec else []
        problems += found
    # A playbook is checked against the actions that are right; what is wrong with the others is said already.
    playbooks: list[PlaybookSpec] = []
    for path in sorted(path for path in folder.iterdir() if path.name.endswith(PLAYBOOK_SUFFIX)):
        playbook, found = read_playbook(path, specs)
        playbooks += [playbook] if playbook else []
        problems += found
    return Checked(tuple(specs), tuple(problems), tuple(playbooks))


def has_live_files(folder: Path) -> bool:
    """Whether the folder has any action file that is no draft."""
    return any(_is_live(path) for path in folder.iterdir())


def _is_live(path: Path) -> bool:
    is_metaschema = path.name in (METASCHEMA_NAME, PLAYBOOK_METASCHEMA_NAME)
    return path.suffix == ".json" and not is_metaschema and not path.name.endswith((DRAFT_SUFFIX, PLAYBOOK_SUFFIX))


def _twice(specs: Iterable[ActionSpec]) -> list[FileProblem]:
    seen: set[tuple[str, int]] = set()
    problems: list[FileProblem] = []
    for spec in specs:
        key = (spec.name, spec.major)
        if key in seen:
            sentence = f"The action {spec.name!r} is declared twice in major version {spec.major}; keep one of them."
            problems.append(FileProblem(f"{spec.name}.v{spec.major}", "x-action.name", sentence))
        seen.add(key)
    return problems
