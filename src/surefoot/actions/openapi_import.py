"""Draft actions from an OpenAPI 3 document: one for each operation that may change something."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from surefoot.actions.drafts import Draft, draft_of
from surefoot.actions.foreign_schemas import SchemaImport, action_name, plain_text
from surefoot.core.errors import InvalidInput
from surefoot.core.strict_json import parse_json
from surefoot.domain.actions import Json

MAX_BYTES = 4_000_000
MAX_OPERATIONS = 300
_CHANGING = ("post", "put", "patch", "delete")
_TAKEN_FROM = frozenset({"path", "query"})
_JSON_BODY = "application/json"
_BODY = "body"


def openapi_drafts(data: bytes) -> list[Draft]:
    """A draft for each operation that is not merely read, in the document's order. JSON, and YAML without aliases or tags.

    Raises InvalidInput for what is no OpenAPI 3 document, and for a `$ref` that leads out of it: nothing is ever fetched.
    """
    document = _parsed(data)
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        raise InvalidInput("The document is not OpenAPI 3; its key `openapi` must be 3.0.x or 3.1.x.")
    drafts: list[Draft] = []
    names: set[str] = set()
    for path, method, operation, shared in _operations(document):
        if len(drafts) >= MAX_OPERATIONS:
            raise InvalidInput(
                f"The document has more than {MAX_OPERATIONS} operations that change something; import a part of it."
            )
        given = operation.get("operationId")
        name = action_name(given if isinstance(given, str) else f"{method}_{path}", names)
        names.add(name)
        drafts.append(_draft(document, name, path, method, operation, shared))
    return drafts


class _PlainLoader(yaml.SafeLoader):
    """YAML as JSON has it: no aliases, which can stand for more than memory holds, no keys twice, dates as their texts."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise InvalidInput("The YAML uses an alias (*name); write it out, or convert the document to JSON.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=True)
        if len(mapping) != len(node.value):
            raise InvalidInput(f"The YAML names a key twice in the object at line {node.start_mark.line + 1}.")
        # A response's status is a number to YAML and a text to JSON.
        return {str(key) if isinstance(key, int) and not isinstance(key, bool) else key: value for key, value in mapping.items()}


_UNLIKE_JSON = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _UNLIKE_JSON]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# `no` and `on` are words, as in YAML 1.2, which OpenAPI asks for.
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def _parsed(data: bytes) -> Mapping[str, Json]:
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"The document is larger than {MAX_BYTES} bytes.")
    if not data.lstrip().startswith(b"{"):
        try:
            # The loader is a SafeLoader that constructs even less.
            loaded = yaml.load(data.decode("utf-8"), Loader=_PlainLoader)  # noqa: S506
            data = json.dumps(loaded, allow_nan=False).encode()
        except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(f"The document is neither JSON nor plain YAML ({type(error).__name__}).") from None
    document: Json = parse_json(data, max_depth=48)
    if not isinstance(document, Mapping):
        raise InvalidInput("The document must hold one object.")
    return document


def _operations(document: Mapping[str, Json]) -> Iterator[tuple[str, str, Mapping[str, Json], Json]]:
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, Mapping) else ():
        if not isinstance(item, Mapping):
            continue
        if "$ref" in item:
            raise InvalidInput(
                f"The path {plain_text(path, 80)!r} is a $ref to another place; nothing is ever fetched. Bundle it."
            )
        for method in _CHANGING:
            operation = item.get(method)
            if isinstance(operation, Mapping):
                yield path, method, operation, item.get("parameters")


def _draft(document: Mapping[str, Json], name: str, path: str, method: str, operation: Mapping[str, Json], shared: Json) -> Draft:
    schemas = SchemaImport(lambda reference: _component(document, reference, "schemas"))
    arguments: dict[str, Json] = {}
    required: list[str] = []
    for parameter in _parameters(document, shared, operation.get("parameters")):
        where, given = parameter.get("in"), parameter.get("name")
        if where not in _TAKEN_FROM or not isinstance(given, str):
            schemas.note(f"the {plain_text(where, 20)} parameter {plain_text(given, 40)!r} was left out")
            continue
        arguments[given] = _with_description(parameter.get("schema", {}), parameter)
        if parameter.get("required") is True or where == "path":
            required.append(given)
    _add_body(document, operation.get("requestBody"), schemas, arguments, required)
    rewritten = schemas.rewritten({"type": "object", "properties": arguments, "required": required})
    assert isinstance(rewritten, dict)
    if schemas.definitions:
        rewritten["$defs"] = schemas.definitions
    title = plain_text(operation.get("summary"), 80) or name.replace("_", " ").capitalize()
    notes = [f"from {method.upper()} {plain_text(path, 100)}", *schemas.notes]
    return draft_of(name, title, plain_text(operation.get("description"), 500), rewritten, notes)


def _add_body(
    document: Mapping[str, Json], body: Json, schemas: SchemaImport, arguments: dict[str, Json], required: list[str]
) -> None:
    """The fields of a JSON object become arguments of their own; any other body is the one argument `body`."""
    body = _referred(document, body, "requestBodies")
    content = body.get("content") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(content, Mapping):
        return
    media = content.get(_JSON_BODY)
    if not isinstance(media, Mapping):
        schemas.note(f"the request body is not {_JSON_BODY} and was left out")
        return
    schema = media.get("schema", {})
    whole = schemas.object_of(schema)
    properties = whole.get("properties", {}) if whole is not None else None
    if whole is None or not isinstance(properties, Mapping) or set(properties) & set(arguments):
        arguments[_BODY] = schema
        required += [_BODY] if body.get("required") is True else []
        return
    arguments.update(properties)
    wanted = whole.get("required", [])
    if body.get("required") is True and isinstance(wanted, list):
        required += [each for each in wanted if isinstance(each, str)]


def _parameters(document: Mapping[str, Json], *several: Json) -> Iterator[Mapping[str, Json]]:
    """Every parameter, those of the operation in place of the path's."""
    found: dict[tuple[Json, Json], Mapping[str, Json]] = {}
    for listed in several:
        for each in listed if isinstance(listed, list) else ():
            parameter = _referred(document, each, "parameters")
            if isinstance(parameter, Mapping):
                found[str(parameter.get("in")), str(parameter.get("name"))] = parameter
    yield from found.values()


def _referred(document: Mapping[str, Json], value: Json, kind: str) -> Json:
    if not isinstance(value, Mapping) or "$ref" not in value:
        return value
    found = _component(document, str(value["$ref"]), kind)
    if found is None:
        shown = plain_text(value["$ref"], 80)
        raise InvalidInput(
            f"The $ref {shown!r} leads out of the document, or to nothing in it; nothing is ever fetched. Bundle it."
        )
    return found[1]


def _component(document: Mapping[str, Json], reference: str, kind: str) -> tuple[str, Json] | None:
    """The component's name and itself, for a reference to one of that kind in this very document."""
    prefix = f"#/components/{kind}/"
    name = reference.removeprefix(prefix).replace("~1", "/").replace("~0", "~")
    components = document.get("components")
    known = components.get(kind) if isinstance(components, Mapping) else None
    if not reference.startswith(prefix) or not isinstance(known, Mapping) or name not in known:
        return None
    return name, known[name]


def _with_description(schema: Json, parameter: Mapping[str, Json]) -> Json:
    """The schema, told by its parameter where it tells nothing of itself."""
    if not isinstance(schema, Mapping) or "$ref" in schema or "description" in schema or "description" not in parameter:
        return schema
    return {**schema, "description": parameter["description"]}
