"""A log line says for whom it was written, and nothing that is secret or personal."""

import json
import subprocess
import sys

import pytest

from surefoot.core.redaction import redact_personal

SECRETS = ("sk_live_abcdefgh12345678", "hunter2hunter2", "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJub3JhIn0.c2ln")
PERSONAL = ("nora@example.com", "+49 30 1234567", "DE89370400440532013000", "4111 1111 1111 1111", "203.0.113.77")
CANARIES = (*SECRETS, *PERSONAL)


# A process of its own, configured as the server's are.
_PROCESS = """
import json, logging, logging.config, sys
from surefoot.core.redaction import log_config
from surefoot.core.tracing import note_trace
logging.config.dictConfig(log_config("INFO", form=sys.argv[1]))
log = logging.getLogger("surefoot.test")
note_trace(trace_id="trace-7")
note_trace(tenant="acme")
note_trace(surface="help")
canaries = json.loads(sys.stdin.read())
for canary in canaries:
    log.warning("seen: %s", canary)
try:
    raise ValueError(f"it broke over {' and '.join(canaries)}")
except ValueError:
    log.exception("failed")
note_trace(trace_id="trace-8")
log.info('two\\nlines, a "quote" and a password="in quotes"')
"""


def written(form: str) -> str:
    """What the process wrote on standard error."""
    canaries = json.dumps([f"password={canary}" if canary == SECRETS[1] else canary for canary in CANARIES])
    ended = subprocess.run([sys.executable, "-c", _PROCESS, form], input=canaries, capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    return ended.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_and_nothing_personal_reaches_a_line_in_arguments_or_tracebacks(form: str) -> None:
    text = written(form)
    assert "it broke over" in text and text.count("seen: ") == len(CANARIES)
    assert [canary for canary in CANARIES if canary in text] == []


def test_each_json_line_says_for_which_trace_tenant_and_surface() -> None:
    *lines, failed, last = (json.loads(line) for line in written("json").splitlines())
    for line in (*lines, failed):
        assert (line["trace_id"], line["tenant"], line["surface"]) == ("trace-7", "acme", "help")
    assert (failed["level"], "ValueError" in failed["exception"]) == ("ERROR", True)
    assert last["message"] == 'two\nlines, a "quote" and a password=[redacted]'
    assert (last["trace_id"], last["tenant"], last["surface"]) == ("trace-8", "", ""), "a new trace forgets the last one"


@pytest.mark.parametrize(
    "kept",
    [
        "run_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
        "2026-03-01 12:00:00,123 WARNING",
        "in 12345 ms",
        "version 1.2.3",
        "0190-11f2",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ],
)
def test_what_is_nobodys_number_stays(kept: str) -> None:
    assert redact_personal(kept) == kept
