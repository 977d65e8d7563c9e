"""How tools are described to MCP clients: what they take, and honest hints of what they do."""

from collections.abc import Mapping
from typing import Annotated, Any

from mcp_types import Tool, ToolAnnotations
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from surefoot.actions.strict_schema import project
from surefoot.assistant.course import LONGEST_QUESTION_CHARACTERS
from surefoot.cli.mcp_results import run_schema
from surefoot.domain.actions import ActionSpec, Reversibility

# Beside an action's own arguments, none of which begins with an underscore.
REASON, CITATIONS = "_reason", "_citations"


def whole(text: str) -> str:
    """The text, unless it holds U+0000 or half a character, which no store takes. Raises ValueError."""
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise ValueError("must not hold U+0000 or half a character")
    return text


class Sent(BaseModel):
    """What a caller may send: nothing that is not declared, and nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


_Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_QUESTION_CHARACTERS),
    AfterValidator(whole),
]


class SearchArguments(Sent):
    """What to look for."""

    query: _Text = Field(description="What to look for.")
    limit: int = Field(8, ge=1, le=20, description="At most this many passages.")


class QuestionArguments(Sent):
    """What to answer."""

    question: _Text = Field(description="The question, as a person would put it.")


class RunArguments(Sent):
    """Which run."""

    run_id: str = Field(max_length=60, description="Id of a run that was proposed here.")


class PlanArguments(RunArguments):
    """Which plan of which run."""

    plan_digest: str = Field(pattern="^[0-9a-f]{64}$", description="Digest of the plan that was shown.")


class WhyArguments(Sent):
    """Why an action is proposed."""

    reason: str = Field("", max_length=500)
    citations: list[Annotated[str, StringConstraints(pattern="^chk_[0-9a-f]{24}$")]] = Field(default_factory=list, max_length=16)


def own_tool(
    name: str, title: str, description: str, arguments: type[Sent], result: dict[str, Any], *, changes: bool = False
) -> Tool:
    """A tool of ours with the schema of its result; `changes` when calling it may change something."""
    schema = arguments.model_json_schema()
    schema.pop("title", None)
    hints = ToolAnnotations(
        title=title,
        read_only_hint=not changes,
        destructive_hint=changes,
        idempotent_hint=True,
        open_world_hint=False,
    )
    return Tool(name=name, title=title, description=description, input_schema=schema, output_schema=result, annotations=hints)


def action_tool(spec: ActionSpec, *, can_apply: bool, strict: bool) -> Tool:
    """The tool that stands for an action: it previews, and may go on to apply only where `can_apply`."""
    is_reversible = spec.reversibility is not Reversibility.IRREVERSIBLE
    adds_only = is_reversible and all(effect.op == "create" for effect in spec.effects)
    told = (
        "Simulates it and shows the plan. It is applied only when a person agrees to that plan, or where it may run unattended."
    )
    return Tool(
        name=spec.name,
        title=spec.title,
        description=f"{spec.description or spec.title} {told}",
        input_schema=_offered_schema(spec, strict=strict),
        output_schema=run_schema(),
        annotations=ToolAnnotations(
            title=spec.title,
            read_only_hint=False,
            destructive_hint=can_apply and not adds_only,
            idempotent_hint=bool(spec.natural_key),
            open_world_hint=False,
        ),
    )


def _offered_schema(spec: ActionSpec, *, strict: bool) -> dict[str, Any]:
    """The arguments' schema with room for why it is proposed; no argument of an action begins with an underscore."""
    schema = project(spec) if strict else _without_ours(dict(spec.schema))
    schema.pop("maxProperties", None)
    why: dict[str, Any] = {
        REASON: {"type": "string", "description": "Why it is proposed, in a sentence; shown as the proposer's words."},
        CITATIONS: {
            "type": "array",
            "items": {"type": "string"},
            "description": "chunk_id of every passage that it rests on, as search and ask give them.",
        },
    }
    if strict:
        why = {name: {**node, "type": [node["type"], "null"]} for name, node in why.items()}
        schema["required"] = [*schema["required"], *why]
    schema["properties"] = {**schema["properties"], **why}
    return schema


def _without_ours(node: Any) -> Any:
    """The schema without keywords that only we know; a property may have any name."""
    if isinstance(node, Mapping):
        return {
            key: {name: _without_ours(inner) for name, inner in value.items()}
            if key in ("properties", "$defs") and isinstance(value, Mapping)
            else (value if key in ("enum", "const", "default", "examples") else _without_ours(value))
            for key, value in node.items()
            if not key.startswith("x-")
        }
    if isinstance(node, list | tuple):
        return [_without_ours(each) for each in node]
    return node
