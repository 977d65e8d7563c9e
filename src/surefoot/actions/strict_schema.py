"""Action schemas as models with a strict mode can take them, and what such a model returns as arguments again."""

from collections.abc import Mapping
from typing import Any

from surefoot.actions.arguments import validated
from surefoot.actions.json_schema import resolved
from surefoot.domain.actions import ActionSpec, Arguments, Json

# What the strict modes of the large providers have in common. Lengths, ranges and patterns are not part of it: they are told
# in the description and checked afterwards against the whole schema.
KEYWORDS = frozenset({"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "description"})
_TOLD = (
    ("pattern", "matches {}"),
    ("format", "is a {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} entries"),
    ("maxItems", "at most {} entries"),
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("exclusiveMinimum", "more than {}"),
    ("exclusiveMaximum", "less than {}"),
    ("multipleOf", "a multiple of {}"),
)


def project(spec: ActionSpec) -> dict[str, Any]:
    """The schema for a strict mode: every argument required, optional ones also null, nothing but KEYWORDS inside, every
    `$ref` written out. It accepts all that the full schema accepts, and more: what comes back goes through `lift`.
    """
    schema = spec.schema
    projected = _projected(schema, schema)
    if spec.description:
        projected["description"] = spec.description
    return projected


def lift(spec: ActionSpec, value: Mapping[str, Json]) -> Arguments:
    """The arguments of what a model returned for the projection: the nulls of optional arguments are dropped, and the rest is
    normalised and valid against the full schema. Raises InvalidAction as `validated` does.
    """
    lifted = _lifted(value, spec.schema, spec.schema)
    return validated(spec, lifted if isinstance(lifted, Mapping) else value)


def lowered(spec: ActionSpec, arguments: Arguments) -> dict[str, Any]:
    """The arguments as a model would write them for the projection: optional ones that are not there are null."""
    result = _lowered(arguments, spec.schema, spec.schema)
    return result if isinstance(result, dict) else {}


def _projected(root: Mapping[str, Json], node: Json) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        # `true` says nothing; a strict mode wants every value to have a type.
        return {"type": ["string", "number", "boolean", "null"]}
    node = resolved(root, node)
    told = _told(node)
    projected: dict[str, Any] = {"description": told} if told else {}
    if "const" in node or "enum" in node:
        options = [node["const"]] if "const" in node else node["enum"]
        return {**projected, "enum": options}
    branches = node.get("anyOf", node.get("oneOf"))
    if "type" not in node and isinstance(branches, list):
        return {**projected, "anyOf": [_projected(root, branch) for branch in branches]}
    types = node.get("type", ["string", "number", "boolean", "null"])
    projected["type"] = types
    if _has(types, "object"):
        properties = _mapping(node.get("properties"))
        required = node.get("required", [])
        projected["properties"] = {
            name: _projected(root, inner) if _in(name, required) else _nullable(_projected(root, inner))
            for name, inner in properties.items()
        }
        projected |= {"required": list(properties), "additionalProperties": False}
    if _has(types, "array"):
        projected["items"] = _projected(root, node.get("items", True))
    return projected


def _nullable(node: dict[str, Any]) -> dict[str, Any]:
    if "enum" in node:
        return node if None in node["enum"] else {**node, "enum": [*node["enum"], None]}
    if "anyOf" in node:
        return {**node, "anyOf": [*node["anyOf"], {"type": "null"}]}
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return {**node, "type": types if "null" in types else [*types, "null"]}


def _told(node: Mapping[str, Json]) -> str:
    """The node's title and description, and the limits that a strict mode cannot be given."""
    texts = [str(node[key]) for key in ("title", "description") if node.get(key)]
    texts += [words.format(node[keyword]) for keyword, words in _TOLD if keyword in node]
    return "; ".join(texts)


def _lifted(value: Json, root: Mapping[str, Json], node: Json) -> Json:
    node = resolved(root, node) if isinstance(node, Mapping) else {}
    if isinstance(value, Mapping):
        properties, required = _mapping(node.get("properties")), node.get("required", [])
        return {
            name: _lifted(item, root, properties.get(name))
            for name, item in value.items()
            if item is not None or name not in properties or _in(name, required) or _takes_null(root, properties[name])
        }
    if isinstance(value, list | tuple):
        return [_lifted(item, root, node.get("items")) for item in value]
    return value


def _lowered(value: Json, root: Mapping[str, Json], node: Json) -> Json:
    node = resolved(root, node) if isinstance(node, Mapping) else {}
    if isinstance(value, Mapping):
        properties = _mapping(node.get("properties"))
        return {name: _lowered(value.get(name), root, inner) for name, inner in properties.items()}
    if isinstance(value, list | tuple):
        return [_lowered(item, root, node.get("items")) for item in value]
    return value


def _takes_null(root: Mapping[str, Json], node: Json) -> bool:
    """Whether null is a value of its own here, so that dropping it would change what was said."""
    node = resolved(root, node) if isinstance(node, Mapping) else {}
    return _has(node.get("type"), "null") or _in(None, node.get("enum")) or ("const" in node and node["const"] is None)


def _has(types: Json, name: str) -> bool:
    return types == name or (isinstance(types, list) and name in types)


def _in(value: Json, several: Json) -> bool:
    return isinstance(several, list) and value in several


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
