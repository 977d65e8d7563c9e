"""Draft actions from the tools of an MCP server. What a server says of its own harmlessness is not believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from surefoot.actions.drafts import Draft, draft_of
from surefoot.actions.foreign_schemas import SchemaImport, action_name, plain_text
from surefoot.core.errors import InvalidInput
from surefoot.core.strict_json import parse_json
from surefoot.domain.actions import Json
from surefoot.domain.canonical import canonical

MAX_TOOLS = 300
_MAX_DEPTH, _MAX_VALUES = 32, 20_000
_PREFIXES = ("#/$defs/", "#/definitions/")


@dataclass(frozen=True, slots=True)
class ForeignTool:
    """A tool as its server describes it."""

    name: str
    title: str
    description: str
    input_schema: Mapping[str, Json]


def mcp_drafts(tools: Sequence[ForeignTool]) -> list[Draft]:
    """A draft for each tool, in order. Raises InvalidInput for a `$ref` that leads out of a tool's schema."""
    if len(tools) > MAX_TOOLS:
        raise InvalidInput(f"The server has {len(tools)} tools; at most {MAX_TOOLS} are imported.")
    drafts: list[Draft] = []
    names: set[str] = set()
    for tool in tools:
        name = action_name(tool.name, names)
        names.add(name)
        drafts.append(_draft(name, tool))
    return drafts


def _draft(name: str, tool: ForeignTool) -> Draft:
    schema: Json = parse_json(canonical(tool.input_schema), max_depth=_MAX_DEPTH, max_values=_MAX_VALUES)
    if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
        raise InvalidInput(f"The tool {plain_text(tool.name, 60)!r} takes no object of arguments.")
    schemas = SchemaImport(lambda reference: _definition(schema, reference))
    rewritten = schemas.rewritten({"type": "object", **schema})
    assert isinstance(rewritten, dict)
    if schemas.definitions:
        rewritten["$defs"] = schemas.definitions
    for keyword in ("title", "description"):
        rewritten.pop(keyword, None)
    title = plain_text(tool.title, 80) or name.replace("_", " ").capitalize()
    notes = [f"from the tool {plain_text(tool.name, 60)!r}", *schemas.notes]
    return draft_of(name, title, plain_text(tool.description, 500), rewritten, notes)


def _definition(schema: Mapping[str, Json], reference: str) -> tuple[str, Json] | None:
    for prefix in _PREFIXES:
        definitions = schema.get(prefix[2:-1])
        name = reference.removeprefix(prefix)
        if reference.startswith(prefix) and isinstance(definitions, Mapping) and name in definitions:
            return name, definitions[name]
    return None
