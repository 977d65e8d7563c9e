"""Log lines without secrets, whoever wrote them: the last step before a line is written takes them out."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Literal

from surefoot.core.tracing import traced

REDACTED = "[redacted]"

# Repetitions that may begin at every word are bounded, so that a hostile line costs no more than its length.
# A value in quotes, or the rest of its line, or one word.
_QUOTED = r"'[^'\r\n]*'|\"[^\"\r\n]*\""
_LINE, _WORD = r"[^'\"\s][^\r\n'\"]*", r"[^\s'\"&,;)}\]]+"
_NAMES = r"api[_-]?key|access[_-]?key|[a-z_-]{0,32}secret|passw(?:or)?d|pwd|[a-z]{1,32}[_-]token|credentials?"
_RULES = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # The value of an Authorization header, whatever its scheme and however the headers are printed.
        (rf"((?:proxy-)?authorization['\"]?\s*[:=,]\s*b?)(?:{_QUOTED}|{_LINE})", rf"\1{REDACTED}"),
        (r"\b(bearer|basic)\s+[a-z0-9._~+/=-]{12,}", rf"\1 {REDACTED}"),
        # Keys by their marks: our server keys and those of model providers, webhook secrets, tokens in JWS or JWE form.
        (r"\b(?:sk|pk|rk)[_-][a-z0-9_-]{8,}", REDACTED),
        (r"\bwhsec_[a-z0-9+/=_-]*", REDACTED),
        (r"\beyJ[a-z0-9_-]{4,}(?:\.[a-z0-9_-]*){0,4}", REDACTED),
        # Named values, as in queries, headers, JSON and keyword arguments; and the password in a URL.
        (rf"\b((?:{_NAMES})['\"]?\s*[:=]\s*b?)(?:{_QUOTED}|{_WORD})", rf"\1{REDACTED}"),
        (r"(\b[a-z][a-z0-9+.-]{0,31}://[^\s/:@'\"]*:)[^\s/@'\"]+@", rf"\1{REDACTED}@"),
    )
)

_PERSONAL = (
    (re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), "[e-mail]"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), "[account]"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"), "[address]"),
    # Seven digits and more, however they are grouped, unless they are an ISO date.
    (re.compile(r"(?<![\w-])(?!\d{4}-\d{2}-\d{2}\b)\+?\(?\d(?:[ ()/.-]{0,2}\d){6,18}(?!\w)"), "[number]"),
)


def redact(text: str) -> str:
    """The text with `[redacted]` for everything that looks like a secret; it takes out too much rather than too little."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def redact_personal(text: str) -> str:
    """The text without secrets, and with marks for e-mail addresses, IBANs, IP addresses and long numbers such as those of
    phones and cards. Names stay: no pattern knows them.
    """
    text = redact(text)
    for pattern, mark in _PERSONAL:
        text = pattern.sub(mark, text)
    return text


class RedactingFormatter(logging.Formatter):
    """Writes a record as the standard formatter does, then redacts the whole line: arguments and tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_personal(super().format(record))


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON that says for which trace, tenant and surface it was written; every text in it is
    redacted, tracebacks included.
    """

    def format(self, record: logging.LogRecord) -> str:
        known = traced()
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact_personal(record.getMessage()),
            "trace_id": known.trace_id,
            "tenant": known.tenant,
            "surface": known.surface,
        }
        if record.exc_info:
            line["exception"] = redact_personal(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def log_config(level: str = "WARNING", *, form: Literal["text", "json"] = "text") -> dict[str, Any]:
    """A configuration for `logging.config.dictConfig`: every logger writes to standard error, and every line is redacted."""
    kind = "RedactingFormatter" if form == "text" else "JsonFormatter"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "redacted": {
                "()": f"surefoot.core.redaction.{kind}",
                "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "redacted", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["stderr"], "level": level},
        # Uvicorn's own loggers get no handlers of theirs: what they say passes the one that redacts.
        "loggers": {name: {"handlers": [], "propagate": True} for name in ("uvicorn", "uvicorn.error", "uvicorn.access")},
    }
