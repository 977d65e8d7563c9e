"""What the service logs while it answers: for whom, and never what was asked or said."""

import json
import logging
from collections.abc import Iterator

import pytest

from surefoot.core.redaction import JsonFormatter
from tests.api.world import ACME, World, world

CANARY = "zanzibar-canary-question"


class Lines(logging.Handler):
    """Keeps every line as it would be written."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[Lines]:
    kept, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(kept)
    root.setLevel(level)


def test_a_failure_is_logged_with_its_trace_tenant_and_surface_and_without_the_question(lines: Lines) -> None:
    with world() as made:
        headers = made.viewer() | {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        # The ledger is closed under the service: the question cannot be written down, so it is not answered.
        made.surefoot.store.replies.close()  # type: ignore[attr-defined]
        answered = made.client.post("/v1/ask", json={"question": f"Where is {CANARY}?", "surface": "help"}, headers=headers)
        assert answered.status_code == 503
    failed = [json.loads(line) for line in lines.lines if "failed" in line]
    assert failed, "an outage is logged"
    said = failed[0]
    assert (said["trace_id"], said["tenant"], said["surface"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", ACME, "help")
    assert [line for line in lines.lines if CANARY in line] == []


def test_no_line_of_a_whole_visit_holds_a_question_a_comment_or_a_token(lines: Lines, fresh: World) -> None:
    headers = fresh.viewer()
    reply = fresh.ask(f"How many business days until refunds reach the card, {CANARY}?", headers)
    path = f"/v1/replies/{reply['reply_id']}/feedback"
    assert fresh.client.post(path, json={"opinion": "wrong", "comment": CANARY}, headers=headers).status_code == 200
    assert fresh.client.post("/v1/ask", json={"question": CANARY * 500}, headers=headers).status_code == 422
    token = headers["Authorization"].removeprefix("Bearer ")
    assert [line for line in lines.lines if CANARY in line or token in line] == []
