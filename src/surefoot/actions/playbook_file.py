"""One playbook file: read, checked against the actions that it names, and filled in for one who starts it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from surefoot.actions.action_file import FileProblem, parsed_file, shown_problems, top_problems
from surefoot.actions.arguments import validated
from surefoot.actions.json_schema import Problem, compiled, schema_problems, value_problems
from surefoot.core.errors import InvalidAction
from surefoot.domain.actions import ActionExample, ActionSpec, Arguments, Json, UndoMode
from surefoot.domain.canonical import canonical_hash
from surefoot.domain.playbooks import Playbook, PlaybookSpec, PlaybookStep, StepTemplate

PLAYBOOK_SUFFIX = ".playbook.json"
METASCHEMA_NAME = "playbook_metaschema.json"
_METASCHEMA = Path(__file__).parent.parent / "action_schemas" / METASCHEMA_NAME
_ARGS = "args."
_MOST_PROBLEMS = 20


def read_playbook(path: Path, actions: Iterable[ActionSpec]) -> tuple[PlaybookSpec | None, list[FileProblem]]:
    """The file's playbook of these actions, or None with everything that is wrong with the file."""
    document, broken = parsed_file(path)
    if broken:
        return None, broken
    spec, problems = read_playbook_document(document, path.name, actions)
    if spec is not None and path.name != f"{spec.name}.v{spec.major}{PLAYBOOK_SUFFIX}":
        wanted = f"{spec.name}.v{spec.major}{PLAYBOOK_SUFFIX}"
        sentence = f"The file declares {wanted!r}; name it so, or change the playbook."
        return None, [FileProblem(path.name, "x-playbook.name", sentence)]
    return spec, problems


def read_playbook_document(
    document: Json, source: str, actions: Iterable[ActionSpec]
) -> tuple[PlaybookSpec | None, list[FileProblem]]:
    """The playbook that the parsed file stands for, or None with everything that is wrong with it."""
    problems = _problems(document)
    if not problems and isinstance(document, Mapping):
        spec = _spec(document)
        newest = {action.name: action for action in sorted(actions, key=lambda action: action.major)}
        problems = list(_step_problems(spec, newest))
        problems = problems or list(_example_problems(spec, newest))
        if not problems:
            return spec, []
    return None, shown_problems(source, problems)


def filled_in(spec: PlaybookSpec, arguments: bytes | Mapping[str, Json]) -> Playbook:
    """The playbook with these arguments in its steps. An optional one that is not given is left out of the steps that take
    it. Raises InvalidAction when they are not valid.
    """
    given = validated(spec, arguments)
    steps = tuple(PlaybookStep(step.action, _arguments(step, given)) for step in spec.steps)
    return Playbook(spec.name, steps, spec.version, spec.schema_hash)


@cache
def metaschema() -> jsonschema_rs.Draft202012Validator:
    """The compiled schema of the `x-playbook` object."""
    return compiled(json.loads(_METASCHEMA.read_bytes()))


def _problems(document: Json) -> list[Problem]:
    if not isinstance(document, Mapping):
        return [Problem("", "The file must hold one JSON object.")]
    schema = {key: value for key, value in document.items() if key != "x-playbook"}
    problems = [*top_problems(document), *schema_problems(schema, "schema")]
    if "x-playbook" not in document:
        return [*problems, Problem("x-playbook", "is missing; it says which actions are done, in which order.")]
    return problems + value_problems(metaschema(), document["x-playbook"], "x-playbook", most=_MOST_PROBLEMS)


def _spec(document: Mapping[str, Any]) -> PlaybookSpec:
    playbook = document["x-playbook"]
    return PlaybookSpec(
        name=playbook["name"],
        version=playbook["version"],
        title=document["title"].strip(),
        description=document.get("description", ""),
        schema={key: value for key, value in document.items() if key != "x-playbook"},
        schema_hash=canonical_hash(document),
        steps=tuple(_template(step) for step in playbook["steps"]),
        examples=tuple(ActionExample(e["arguments"], e["valid"], e.get("says", "")) for e in playbook["examples"]),
    )


def _template(step: Mapping[str, Any]) -> StepTemplate:
    sources = step["arguments"].items()
    return StepTemplate(
        action=step["action"],
        values={name: source["value"] for name, source in sources if "value" in source},
        given={name: source["from"].removeprefix(_ARGS) for name, source in sources if "from" in source},
    )


def _step_problems(spec: PlaybookSpec, actions: Mapping[str, ActionSpec]) -> Iterator[Problem]:
    declared = spec.schema["properties"]
    assert isinstance(declared, Mapping)
    for number, step in enumerate(spec.steps):
        at = f"x-playbook.steps[{number}]"
        action = actions.get(step.action)
        if action is None:
            yield Problem(f"{at}.action", f"names {step.action!r}, which no action file of the folder declares.")
            continue
        if action.undo.mode is UndoMode.NONE and number < len(spec.steps) - 1:
            yield Problem(f"{at}.action", "cannot be taken back, so it can only be the last step.")
        for name, source in step.given.items():
            if source not in declared:
                yield Problem(f"{at}.arguments.{name}", f"takes args.{source}, which is no argument of the playbook.")
    used = {source for step in spec.steps for source in step.given.values()}
    for name in sorted(set(declared) - used):
        yield Problem(f"properties.{name}", "is taken by no step; what is asked for must have a use.")


def _example_problems(spec: PlaybookSpec, actions: Mapping[str, ActionSpec]) -> Iterator[Problem]:
    if {example.is_valid for example in spec.examples} != {True, False}:
        yield Problem("x-playbook.examples", "must hold at least one valid and one invalid example.")
    for number, example in enumerate(spec.examples):
        at = f"x-playbook.examples[{number}]"
        try:
            for step in filled_in(spec, example.arguments).steps:
                validated(actions[step.action], step.arguments)
        except InvalidAction as error:
            if example.is_valid:
                yield Problem(at, f"is said to be valid, but is not: {error}")
        else:
            if not example.is_valid:
                yield Problem(at, "is said to be invalid, but every step accepts it.")


def _arguments(step: StepTemplate, given: Arguments) -> Arguments:
    return {**step.values, **{name: given[source] for name, source in step.given.items() if source in given}}
