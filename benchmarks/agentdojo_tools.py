"""The tools of AgentDojo's suites as actions, as an importer would draft them."""

from collections.abc import Mapping
from typing import Any

from agentdojo.task_suite.task_suite import TaskSuite

from surefoot.actions.action_file import read_document
from surefoot.actions.json_schema import DIALECT
from surefoot.actions.registry import Registry
from surefoot.domain.actions import ActionSpec

READING = ("get_", "search_", "list_", "read_", "check_")
# It asks a server of the agent's choice for a page, and the address tells that server something.
READS_OUTSIDE = frozenset({"get_webpage"})
# The one place where the suites take an object of any kind: our files declare what may be in it, as the tool's text does.
ATTACHMENT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type"],
    "properties": {"type": {"enum": ["file", "event"]}, "file_id": {"type": "string"}},
}


def is_free(tool: str) -> bool:
    """Whether the tool only reads what is the user's own."""
    return tool.startswith(READING) and tool not in READS_OUTSIDE


def specs(suite: TaskSuite) -> Registry:
    """Every tool with an effect, as an action that an importer would have drafted."""
    found = [spec_of(tool.name, tool.parameters.model_json_schema()) for tool in suite.tools if not is_free(tool.name)]
    return Registry({(spec.name, spec.major): spec for spec in found}, suite.name)


def spec_of(name: str, schema: Mapping[str, Any]) -> ActionSpec:
    """The action of one tool."""
    action = {
        "name": name,
        "version": "1.0.0",
        "risk": "high",
        "reversibility": "irreversible",
        "scope": "tenant",
        "autonomy": {"max": "one_click"},
        "approval": {"mode": "required", "maker_checker": True},
        "simulate": {"ttl": "PT15M", "sideEffects": "none"},
        "undo": {"mode": "none"},
        "effects": [{"op": "update", "resource": "environment", "max": 1}],
        "caps": [],
        "gates": {},
        "idempotency": {"natural_key": []},
        "connector": {"kind": "python", "ref": "host_app", "path": f"/assistant/actions/{name}", "timeout": "PT10S"},
        "mcp": {"export": False},
        "examples": [
            {"valid": True, "says": name.replace("_", " "), "arguments": _example(schema)},
            {"valid": False, "arguments": {"there_is_no_such_argument": 1}},
        ],
    }
    document = {
        **_cleaned(schema),
        "$schema": DIALECT,
        "title": name.replace("_", " ").capitalize(),
        "additionalProperties": False,
        "x-action": action,
    }
    spec, problems = read_document(document, f"{name}.v1.json")
    if spec is None:
        raise SystemExit(f"{name}: {problems}")
    return spec


def _cleaned(schema: Any) -> Any:
    """Without what only documents: titles and defaults."""
    if schema == {"additionalProperties": True, "type": "object"}:
        return ATTACHMENT
    if isinstance(schema, Mapping):
        return {
            key: {name: _cleaned(each) for name, each in value.items()} if key == "properties" else _cleaned(value)
            for key, value in schema.items()
            if key not in ("title", "default")
        }
    return [_cleaned(each) for each in schema] if isinstance(schema, list) else schema


def _example(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    return {name: _value(properties[name], schema.get("$defs", {})) for name in schema.get("required", ())}


def _value(schema: Mapping[str, Any], defined: Mapping[str, Any]) -> Any:
    """Some value that the schema accepts."""
    if "$ref" in schema:
        return _value(defined[schema["$ref"].rpartition("/")[2]], defined)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "email":
        return "someone@example.com"
    return {"string": "x", "integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}[schema.get("type", "string")]
