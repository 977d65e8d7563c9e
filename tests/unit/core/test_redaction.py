"""No secret is in a log line, however it came to be logged."""

import io
import logging
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from surefoot.core.redaction import REDACTED, RedactingFormatter, redact

SERVER_KEY = "sk_acme_" + "aB3" * 14 + "x"
PROVIDER_KEY = "sk-proj-Zk93hfK2_0aaBBccDD-eeFF"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLWFkYQ"
WORD = "hunter2-hunter2-hunter2"

LINES = [
    "key {} was used",
    "Authorization: Bearer {}",
    "authorization: {}",
    "Authorization: Digest username=ada, response={}",
    "Proxy-Authorization: Basic {}",
    "headers={{'Authorization': 'Bearer {}'}}",
    '{{"authorization": "Token {}", "x": 1}}',
    "[(b'host', b'x'), (b'authorization', b'Bearer {}')]",
    "sent bearer {} to the provider",
    "GET /v1/models?api_key={}&x=1",
    "api-key={}",
    "apikey: {}",
    "X-Api-Key: {}",
    "ModelCall(api_key='{}', model='m')",
    '{{"client_secret":"{}"}}',
    "password={}",
    "access_token={}",
    "postgresql://surefoot:{}@db.example/surefoot",
]


@contextmanager
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger and what its handler wrote, redacted as `surefoot serve` writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.Logger("surefoot.test")
    logger.addHandler(handler)
    yield logger, stream


@pytest.mark.parametrize("secret", [SERVER_KEY, PROVIDER_KEY, WEBHOOK_SECRET, TOKEN])
@pytest.mark.parametrize("line", LINES)
def test_a_key_with_a_mark_is_taken_out_wherever_it_stands(line: str, secret: str) -> None:
    redacted = redact(line.format(secret))
    assert secret not in redacted and secret[-12:] not in redacted
    assert REDACTED in redacted


@pytest.mark.parametrize("line", LINES[1:])
def test_a_secret_without_a_mark_is_taken_out_where_its_name_gives_it_away(line: str) -> None:
    assert WORD not in redact(line.format(WORD))


def test_planted_secrets_are_in_no_line_whether_in_text_arguments_or_traceback() -> None:
    planted = [f"sk_acme_{secrets.token_hex(22)[:43]}" for _ in range(50)] + [
        f"whsec_{secrets.token_urlsafe(32)}" for _ in range(50)
    ]
    with written() as (logger, stream):
        for secret in planted:
            logger.warning(f"in the text {secret}")
            logger.warning("an argument %s, a mapping %r", secret, {"authorization": f"Bearer {secret}"})
            try:
                raise ValueError(f"refused {secret}")
            except ValueError:
                logger.exception("failed")
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 6 * len(planted)
    assert [line for line in lines for secret in planted if secret in line] == []


def test_what_is_no_secret_stays_as_it_is() -> None:
    line = "request req_0195a0c2f3a47d0e failed: event evt_0190c1 of tenant acme, 429 after 1.5 s, 812 tokens, chk_00ff12ab34cd"
    assert redact(line) == line
    with written() as (logger, stream):
        logger.error("no %s", "harm")
    assert stream.getvalue() == "ERROR surefoot.test: no harm\n"


def test_a_record_is_left_whole_for_other_handlers() -> None:
    record = logging.LogRecord("surefoot", logging.INFO, __file__, 1, "key %s", (SERVER_KEY,), None)
    assert SERVER_KEY not in RedactingFormatter().format(record)
    assert record.args == (SERVER_KEY,)


def test_a_secret_at_the_end_of_a_long_hostile_line_is_taken_out() -> None:
    line = "api_key" * 20_000 + "bearer " * 20_000 + "a-" * 100_000 + "a." * 100_000 + "://" * 20_000 + f" {SERVER_KEY}"
    redacted = redact(line)
    assert SERVER_KEY not in redacted and redacted.endswith(REDACTED)


def test_whatever_logs_in_a_serving_process_writes_redacted_lines_to_standard_error() -> None:
    program = (
        "import logging, logging.config, sys\n"
        "import uvicorn\n"
        "from surefoot.core.redaction import log_config\n"
        "uvicorn.Config('nothing:app', log_level='warning', log_config=log_config())\n"
        "for name in ('uvicorn.error', 'uvicorn.access', 'surefoot.api', 'httpx', ''):\n"
        "    logging.getLogger(name).warning('from %r: %s', name, sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, SERVER_KEY], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert [line.endswith(REDACTED) for line in done.stderr.splitlines()] == [True] * 5
    assert SERVER_KEY not in done.stderr
