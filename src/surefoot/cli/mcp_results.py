"""What tools answer, as JSON Schema: MCP clients hold every result against it, and programs know what to read."""

from typing import Any

from surefoot.domain.runs import RunState

_TEXT: dict[str, Any] = {"type": "string"}
_MAYBE_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_NUMBER: dict[str, Any] = {"type": "number"}
_FLAG: dict[str, Any] = {"type": "boolean"}
_ANY: dict[str, Any] = {"type": "object"}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _whole(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object with exactly these, all of them there."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_PLACE: dict[str, Any] = {
    "chunk_id": _TEXT,
    "document_id": _TEXT,
    "uri": _TEXT,
    "title": _TEXT,
    "heading": _TEXT,
    "page_number": {"type": ["integer", "null"]},
    "start": {"type": "integer"},
    "end": {"type": "integer"},
    "locale": _MAYBE_TEXT,
    "trust": _TEXT,
    "updated_at": _MAYBE_TEXT,
}
_CITATION = _whole(**_PLACE, quote=_TEXT, stale=_TEXT)
_CLAIM = _whole(text=_TEXT, support=_NUMBER, citations=_list(_CITATION))
_PLAN = _whole(
    digest=_TEXT,
    summary=_TEXT,
    changes=_list(_whole(resource=_TEXT, forward=_list(_ANY))),
    cost_usd=_NUMBER,
    minutes_saved=_NUMBER,
    expires_at=_TEXT,
)

PASSAGES = _whole(
    kind={"const": "passages"}, query=_TEXT, passages=_list(_whole(text=_TEXT, score=_NUMBER, citation=_whole(**_PLACE)))
)
ANSWER: dict[str, Any] = {
    "type": "object",
    "oneOf": [
        _whole(
            kind={"const": "answer"},
            reply_id=_TEXT,
            confidence=_NUMBER,
            note=_TEXT,
            claims=_list(_CLAIM),
            tier=_TEXT,
            ai_generated=_FLAG,
        ),
        _whole(
            kind={"const": "refusal"},
            reply_id=_TEXT,
            confidence=_NUMBER,
            reason=_TEXT,
            message=_TEXT,
            would_help=_list(_TEXT),
            closest=_list(_CITATION),
            choices=_list(_TEXT),
        ),
    ],
}


def run_schema() -> dict[str, Any]:
    """A run as every tool that stands for an action answers it. What a host answers in `result` is its own affair."""
    return _whole(
        kind={"const": "run"},
        run_id=_TEXT,
        action=_TEXT,
        title=_TEXT,
        env=_TEXT,
        state={"enum": [state.value for state in RunState]},
        maker=_TEXT,
        proposed_by=_TEXT,
        arguments=_ANY,
        plan={"anyOf": [_PLAN, {"type": "null"}]},
        caps=_list(_whole(cap=_TEXT, left={"type": "integer"}, most={"type": "integer"})),
        policy=_list(_whole(rule=_TEXT, reason=_TEXT, remedy=_TEXT)),
        approvals=_list(_whole(approver=_TEXT, verdict=_TEXT)),
        outcome=_TEXT,
        next={"type": "object", "properties": {"needs": _TEXT, "sentence": _TEXT}, "required": ["needs", "sentence"]},
        note=_TEXT,
        already_known=_FLAG,
        result={"type": ["object", "null"]},
        undo_until=_MAYBE_TEXT,
    )
