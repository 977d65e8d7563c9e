"""One action file: read, checked against everything an action must say, and turned into its ActionSpec."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from surefoot.actions.arguments import validated
from surefoot.actions.json_schema import DIALECT, Problem, compiled, resolved, schema_problems, value_problems
from surefoot.core.errors import InvalidAction, InvalidInput
from surefoot.core.strict_json import parse_json
from surefoot.domain.actions import (
    ActionExample,
    ActionSpec,
    ApprovalMode,
    ApprovalRule,
    AutonomyLevel,
    Cap,
    Connector,
    Effect,
    Gates,
    Json,
    Reversibility,
    Risk,
    UnattendedAfter,
    UndoMode,
    UndoRule,
)
from surefoot.domain.canonical import canonical_hash
from surefoot.domain.durations import parse_duration

MAX_FILE_BYTES = 64 * 1024
DRAFT_SUFFIX = ".draft.json"
MAX_DEPTH = 24
MAX_VALUES = 5000
_METASCHEMA = Path(__file__).parent.parent / "action_schemas" / "metaschema.json"
_FILE_NAME = re.compile(r"([a-z][a-z0-9_]{2,47})\.v([1-9]\d{0,3})\.json")
_ARGUMENT = re.compile(r"(?:(iso_week|date)\()?args\.([a-z][a-z0-9_]*)\)?")
_EXPECTED_UNDO = {
    Reversibility.REVERSIBLE: UndoMode.INVERSE,
    Reversibility.COMPENSATABLE: UndoMode.COMPENSATE,
    Reversibility.IRREVERSIBLE: UndoMode.NONE,
}
# How long a deduplicated, hashed plan may be agreed to, called for or waited on.
_LONGEST = {"simulate.ttl": timedelta(hours=24), "approval.ttl": timedelta(days=30), "connector.timeout": timedelta(seconds=60)}
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong with a file: `place` is the path inside it, `sentence` says place and remedy."""

    file: str
    place: str
    sentence: str


def read_action(path: Path) -> tuple[ActionSpec | None, list[FileProblem]]:
    """The file's action, or None with everything that is wrong with the file."""
    return _read(path, ".json")


def read_draft(path: Path) -> tuple[ActionSpec | None, list[FileProblem]]:
    """The action that the draft would be, or None with everything that is missing or wrong in it."""
    return _read(path, DRAFT_SUFFIX)


def parsed_file(path: Path) -> tuple[Json, list[FileProblem]]:
    """What the file holds, within the bounds of a declaration; or what is wrong with it as a file."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return None, [FileProblem(path.name, "", f"The file cannot be read: {error.strerror}.")]
    if len(content) > MAX_FILE_BYTES:
        return None, [FileProblem(path.name, "", f"The file is larger than {MAX_FILE_BYTES} bytes.")]
    try:
        return parse_json(content, max_depth=MAX_DEPTH, max_values=MAX_VALUES), []
    except InvalidInput as error:
        return None, [FileProblem(path.name, "", str(error))]


def shown_problems(source: str, problems: Sequence[Problem]) -> list[FileProblem]:
    """The first of the problems, each with its place, as those of this file."""
    shown = problems[:_MOST_PROBLEMS]
    return [FileProblem(source, p.place, f"{p.place} {p.sentence}" if p.place else p.sentence) for p in shown]


def _read(path: Path, suffix: str) -> tuple[ActionSpec | None, list[FileProblem]]:
    document, broken = parsed_file(path)
    if broken:
        return None, broken
    spec, problems = read_document(document, path.name)
    if spec is not None and path.name != f"{spec.name}.v{spec.major}{suffix}":
        wanted = f"{spec.name}.v{spec.major}{suffix}"
        return None, [FileProblem(path.name, "x-action.name", f"The file declares {wanted!r}; name it so, or change the action.")]
    return spec, problems


def read_document(document: Json, source: str) -> tuple[ActionSpec | None, list[FileProblem]]:
    """The action that the parsed file stands for, or None with everything that is wrong with it."""
    problems = _problems(document)
    if not problems and isinstance(document, Mapping):
        try:
            spec = _spec(document)
        except InvalidInput as error:
            problems = [Problem("x-action", str(error))]
        else:
            problems = [*_contradictions(spec), *_example_problems(spec)]
            if not problems:
                return spec, []
    return None, shown_problems(source, problems)


@cache
def metaschema() -> jsonschema_rs.Draft202012Validator:
    """The compiled schema of the `x-action` object."""
    return compiled(json.loads(_METASCHEMA.read_bytes()))


def _problems(document: Json) -> list[Problem]:
    if not isinstance(document, Mapping):
        return [Problem("", "The file must hold one JSON object.")]
    problems = list(top_problems(document))
    schema = {key: value for key, value in document.items() if key != "x-action"}
    problems += schema_problems(schema, "schema")
    if "x-action" not in document:
        return [*problems, Problem("x-action", "is missing; it says what the action may do and who must agree.")]
    action = document["x-action"]
    found = value_problems(metaschema(), action, "x-action", most=_MOST_PROBLEMS)
    if not found and isinstance(action, Mapping) and "result_schema" in action:
        found = schema_problems(action["result_schema"], "x-action.result_schema")
    return problems + found


def top_problems(document: Mapping[str, Json]) -> Iterator[Problem]:
    """What is wrong with the top of a file: its dialect, its title, and that it declares named arguments."""
    if document.get("$schema") != DIALECT:
        yield Problem("$schema", f"must be {DIALECT!r}.")
    if document.get("type") != "object":
        yield Problem("type", "must be 'object': arguments have names.")
    title, description = document.get("title"), document.get("description", "")
    if not isinstance(title, str) or not 1 <= len(title.strip()) <= 80:
        yield Problem("title", "must be 1 to 80 characters; it is what the button says.")
    if not isinstance(description, str) or len(description) > 500:
        yield Problem("description", "must be at most 500 characters.")
    if not isinstance(document.get("properties"), Mapping):
        yield Problem("properties", "must declare the arguments, if only as {}.")
    required, properties = document.get("required", []), document.get("properties")
    if isinstance(required, list) and isinstance(properties, Mapping):
        for name in required:
            if name not in properties:
                yield Problem("required", f"names {str(name)[:60]!r}, which properties does not declare.")


def _spec(document: Mapping[str, Any]) -> ActionSpec:
    """The action of a document that the metaschema accepts. Raises InvalidInput for a duration of nothing."""
    action = document["x-action"]
    schema = {key: value for key, value in document.items() if key != "x-action"}
    autonomy, undo, connector, gates = action["autonomy"], action["undo"], action["connector"], action["gates"]
    return ActionSpec(
        name=action["name"],
        version=action["version"],
        title=document["title"].strip(),
        description=document.get("description", ""),
        schema=schema,
        schema_hash=canonical_hash(document),
        risk=Risk(action["risk"]),
        reversibility=Reversibility(action["reversibility"]),
        scope=action["scope"],
        autonomy_max=AutonomyLevel(autonomy["max"]),
        unattended_after=UnattendedAfter(**autonomy["unattended_after"]) if "unattended_after" in autonomy else None,
        approval=_approval(action["approval"]),
        simulate_ttl=parse_duration(action["simulate"]["ttl"]),
        undo=UndoRule(UndoMode(undo["mode"]), undo.get("window", "")),
        effects=tuple(Effect(**effect) for effect in action["effects"]),
        reads=tuple(action.get("reads", ())),
        caps=tuple(Cap(cap["id"], tuple(cap["key"]), cap["window"], int(cap["max"])) for cap in action["caps"]),
        gates=Gates(**{**gates, **_age(gates)}),
        natural_key=tuple(action["idempotency"]["natural_key"]),
        connector=Connector(connector["kind"], connector["ref"], connector["path"], parse_duration(connector["timeout"])),
        mcp_export=action["mcp"]["export"],
        result_schema=action.get("result_schema"),
        examples=tuple(ActionExample(e["arguments"], e["valid"], e.get("says", "")) for e in action["examples"]),
    )


def _approval(rule: Mapping[str, Any]) -> ApprovalRule:
    return ApprovalRule(
        mode=ApprovalMode(rule["mode"]),
        maker_checker=rule.get("maker_checker", False),
        roles=tuple(rule.get("roles", ())),
        quorum=int(rule.get("quorum", 1)),
        ttl=parse_duration(rule.get("ttl", "PT24H")),
    )


def _age(gates: Mapping[str, Any]) -> dict[str, timedelta]:
    return {"max_evidence_age": parse_duration(gates["max_evidence_age"])} if "max_evidence_age" in gates else {}


def _contradictions(spec: ActionSpec) -> Iterator[Problem]:
    """Where two parts of the file do not go together, or one names an argument that is not declared."""
    yield from _path_problems(spec)
    yield from _undo_problems(spec)
    yield from _scope_problems(spec)
    unattended = spec.autonomy_max is AutonomyLevel.UNATTENDED
    if unattended and spec.unattended_after is None:
        yield Problem("x-action.autonomy.unattended_after", "is missing; say what the log must show before runs are unattended.")
    if unattended and spec.risk is Risk.HIGH:
        yield Problem("x-action.autonomy.max", "is unattended, which an action of high risk can never be.")
    approval = spec.approval
    if approval.mode is ApprovalMode.NONE and (approval.maker_checker or approval.roles or approval.quorum > 1):
        yield Problem("x-action.approval.mode", "is none, but somebody is named who must approve; use policy or required.")
    if approval.mode is ApprovalMode.NONE and spec.risk is Risk.HIGH:
        yield Problem("x-action.approval.mode", "is none, which an action of high risk cannot have.")
    if len({cap.id for cap in spec.caps}) < len(spec.caps):
        yield Problem("x-action.caps", "has two caps of the same id; a cap counts by its id.")
    if spec.gates.max_discount_percent is not None and "discount_percent" not in _properties(spec):
        yield Problem("x-action.gates.max_discount_percent", "needs the argument discount_percent, which it limits.")
    lengths = {"simulate.ttl": spec.simulate_ttl, "approval.ttl": approval.ttl, "connector.timeout": spec.connector.timeout}
    for at, length in lengths.items():
        if length > _LONGEST[at]:
            yield Problem(f"x-action.{at}", f"must not be longer than {_LONGEST[at]}.")


def _path_problems(spec: ActionSpec) -> Iterator[Problem]:
    places = [(f"x-action.caps[{n}].key", path) for n, cap in enumerate(spec.caps) for path in cap.key]
    places += [("x-action.idempotency.natural_key", path) for path in spec.natural_key]
    for at, path in places:
        match = _ARGUMENT.fullmatch(path)
        if match is None:
            continue
        function, name = match.groups()
        if name not in _properties(spec):
            yield Problem(at, f"names args.{name}, which is not an argument.")
        elif function and _format(spec, name) not in ("date-time", "date"):
            yield Problem(at, f"takes {function} of args.{name}, which has not the format date-time or date.")
    for at, windows in ((f"x-action.caps[{n}].window", cap.window) for n, cap in enumerate(spec.caps)):
        if not windows.startswith("calendar:"):
            try:
                parse_duration(windows)
            except InvalidInput as error:
                yield Problem(at, str(error))


def _scope_problems(spec: ActionSpec) -> Iterator[Problem]:
    """Whom a run is for is known from a required argument, so that nobody acts on somebody else by leaving it out."""
    if spec.scope == "tenant":
        return
    named = [node for name in _required(spec) if isinstance(node := _properties(spec)[name], Mapping)]
    if not any(spec.scope in (node.get("x-resource"), _item_resource(node)) for node in named):
        yield Problem("x-action.scope", f"is {spec.scope}, so a required argument must name it by x-resource {spec.scope!r}.")


def _item_resource(node: Mapping[str, Json]) -> Json:
    items = node.get("items")
    return items.get("x-resource") if isinstance(items, Mapping) else None


def _undo_problems(spec: ActionSpec) -> Iterator[Problem]:
    mode, window = spec.undo.mode, spec.undo.window
    if mode is not _EXPECTED_UNDO[spec.reversibility]:
        expected = _EXPECTED_UNDO[spec.reversibility].value
        yield Problem("x-action.undo.mode", f"must be {expected!r} for an action that is {spec.reversibility.value}.")
    if (mode is UndoMode.NONE) is bool(window):
        yield Problem("x-action.undo.window", "must be there when there is an undo, and only then.")
    if window.startswith("until:"):
        name = window.removeprefix("until:")
        if name not in _properties(spec) or _format(spec, name) != "date-time":
            yield Problem("x-action.undo.window", f"names {name!r}, which is not an argument of the format date-time.")
        elif name not in _required(spec):
            yield Problem("x-action.undo.window", f"names {name!r}, which must then be a required argument.")
    elif window:
        try:
            parse_duration(window)
        except InvalidInput as error:
            yield Problem("x-action.undo.window", str(error))


def _example_problems(spec: ActionSpec) -> Iterator[Problem]:
    if {example.is_valid for example in spec.examples} != {True, False}:
        yield Problem("x-action.examples", "must hold at least one valid and one invalid example.")
    for number, example in enumerate(spec.examples):
        at = f"x-action.examples[{number}]"
        try:
            validated(spec, example.arguments)
        except InvalidAction as error:
            if example.is_valid:
                yield Problem(at, f"is said to be valid, but is not: {error}")
        else:
            if not example.is_valid:
                yield Problem(at, "is said to be invalid, but the schema accepts it.")


def _properties(spec: ActionSpec) -> Mapping[str, Json]:
    properties = spec.schema["properties"]
    return properties if isinstance(properties, Mapping) else {}


def _required(spec: ActionSpec) -> tuple[str, ...]:
    required = spec.schema.get("required", ())
    return tuple(required) if isinstance(required, list) else ()


def _format(spec: ActionSpec, name: str) -> Json:
    node = _properties(spec)[name]
    return resolved(spec.schema, node).get("format") if isinstance(node, Mapping) else None
