"""A small action file that is right, for tests to break one thing at a time."""

from copy import deepcopy
from typing import Any

from surefoot.actions.action_file import read_document
from surefoot.domain.actions import ActionSpec

DOCUMENT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Send a note",
    "description": "Sends a note to one person.",
    "type": "object",
    "additionalProperties": False,
    "required": ["user_id", "send_at"],
    "properties": {
        "user_id": {"type": "string", "pattern": "^usr_[a-z0-9]{6,32}$", "x-resource": "user", "x-context": "viewer.user_id"},
        "send_at": {"type": "string", "format": "date-time", "x-normalize": "utc-minute"},
        "note": {"type": "string", "maxLength": 40, "x-normalize": ["trim", "lower", "nfc"]},
        "count": {"type": "integer"},
        "tags": {"type": "array", "maxItems": 4, "items": {"type": "string", "maxLength": 20, "x-resource": "tag"}},
    },
    "x-action": {
        "name": "send_note",
        "version": "1.2.0",
        "risk": "low",
        "reversibility": "reversible",
        "scope": "user",
        "autonomy": {"max": "one_click"},
        "approval": {"mode": "policy"},
        "simulate": {"ttl": "PT15M", "sideEffects": "none"},
        "undo": {"mode": "inverse", "window": "until:send_at", "conflict": "refuse"},
        "effects": [{"op": "create", "resource": "note", "max": 1}],
        "caps": [{"id": "notes_user_week", "key": ["args.user_id"], "window": "P7D", "max": 1}],
        "gates": {"quiet_hours": True},
        "idempotency": {"natural_key": ["args.user_id", "iso_week(args.send_at)"]},
        "connector": {"kind": "http", "ref": "host_app", "path": "/actions/send_note", "timeout": "PT10S"},
        "mcp": {"export": True},
        "examples": [
            {"valid": True, "says": "send me a note", "arguments": {"user_id": "usr_abc123", "send_at": "2026-11-25T09:00:00Z"}},
            {"valid": False, "arguments": {"user_id": "usr_abc123"}},
        ],
    },
}
ARGUMENTS: dict[str, Any] = {"user_id": "usr_abc123", "send_at": "2026-11-25T09:00:00Z"}
REMOVED = object()


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The document with the value at each slash-separated path replaced, added or, for REMOVED, taken out."""
    document = deepcopy(DOCUMENT)
    for path, value in changes:
        *steps, last = path.split("/")
        node: Any = document
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node[step]
        if value is REMOVED:
            del node[last]
        else:
            node[int(last) if isinstance(node, list) else last] = value
    return document


def spec_of(*changes: tuple[str, Any]) -> ActionSpec:
    """The action of the changed document, which must be right."""
    spec, problems = read_document(changed(*changes), "send_note.v1.json")
    assert spec is not None, problems
    return spec


def problems_of(*changes: tuple[str, Any]) -> list[str]:
    """What is wrong with the changed document."""
    spec, problems = read_document(changed(*changes), "send_note.v1.json")
    assert (spec is None) is bool(problems)
    return [problem.sentence for problem in problems]
