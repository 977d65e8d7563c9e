"""Callbacks of hosts: their body as the host protocol writes it, and what a host is told."""

from typing import Any

from pydantic import ConfigDict

from surefoot.actions.callbacks import CallbackOutcome
from surefoot.api.schemas.texts import Shown

_TEXT = {"type": "string", "minLength": 1, "maxLength": 2000}
_EXAMPLE = {
    "protocol": "1",
    "operation": "outcome",
    "tenant": "acme",
    "env": "production",
    "run_id": "run_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "delivery_id": "dlv_4bf92f3577b34da6a3ce929d0e0e4736",
    "status": 200,
    "reply": {"arguments": {}, "changes": [], "before": [], "after": [], "summary": "Pinned."},
}
# The body is checked by domain/host_wire.py, after its signature: nothing of it is parsed before.
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "required": sorted(_EXAMPLE),
                "properties": {
                    "protocol": {"type": "string", "enum": ["1"]},
                    "operation": {"type": "string", "enum": ["outcome"]},
                    "tenant": _TEXT,
                    "env": {"type": "string", "enum": ["sandbox", "production"]},
                    "run_id": _TEXT,
                    "delivery_id": _TEXT,
                    "status": {"type": "integer"},
                    "reply": {"type": "object"},
                },
            },
            "example": _EXAMPLE,
        }
    },
}


class ShownCallback(Shown):
    """What the callback said became of the run: the same answer however often it is sent."""

    run_id: str
    outcome: CallbackOutcome

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"run_id": "run_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b", "outcome": "applied"}]}
    )
