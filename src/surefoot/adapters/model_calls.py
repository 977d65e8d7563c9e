"""What every transport to language models keeps to: who may be called, with which key, and how a failure is told.

No message holds the key, the prompt or the provider's own words: a provider may quote any of them back. What it says is told
only as one of the codes below.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import anyio
import httpx
import orjson

from surefoot.adapters.addresses import literal_address, target_of
from surefoot.core.deadline import Deadline
from surefoot.core.errors import ModelRejected, ModelTimedOut, ModelUnavailable, OutboundRefused, SurefootError
from surefoot.domain.models import FinishReason, ModelRequest, Usage
from surefoot.domain.policies import CatalogEntry

MAX_RESPONSE_BYTES = 8_000_000
# After the last event the end of the body is awaited this long, so that the connection can be used again.
FAREWELL_SECONDS = 0.1
_MAX_RETRY_AFTER_SECONDS = 3_600
# Statuses of 500 and above that are answered instead of any work: not known here, no place, wrong protocol, overloaded.
_TURNED_AWAY = frozenset((501, 503, 505, 529))
# What fails before a connection stands: nothing of the call has been sent.
NEVER_REACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
_MAX_TOKENS = 1_000_000_000

# What providers call their errors; anything else that stands in their place is not repeated.
_KNOWN_CODES = frozenset(
    (
        *("api_error", "authentication_error", "billing_error", "billing_hard_limit_reached", "billing_not_active"),
        *("content_filter", "content_policy_violation", "context_length_exceeded", "engine_overloaded"),
        *("insufficient_quota", "internal_error", "internal_server_error", "invalid_api_key", "invalid_authentication"),
        *("invalid_json_schema", "invalid_parameter", "invalid_request", "invalid_request_error", "invalid_schema"),
        *("invalid_value", "missing_required_parameter", "model_not_found", "not_found", "not_found_error"),
        *("overloaded_error", "permission_denied", "permission_error", "quota_exceeded", "rate_limit_error"),
        *("rate_limit_exceeded", "request_too_large", "server_error", "service_unavailable", "timeout", "timeout_error"),
        *("tokens_exceeded", "unauthorized", "unknown_parameter", "unknown_url", "unsupported_model"),
        *("unsupported_parameter", "unsupported_value"),
    )
)
_FINISH_REASONS = {
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.FILTERED,
    "refusal": FinishReason.FILTERED,
}


def refuse_when_offline(name: str, base_url: str) -> None:
    """Returns when the URL leads to this very machine; raises OutboundRefused otherwise, and when there is no URL."""
    host = target_of(base_url).host.lower() if base_url else ""
    address = literal_address(host) if host else None
    if host != "localhost" and not (address is not None and address.is_loopback):
        raise OutboundRefused(
            f"SUREFOOT_OFFLINE is set and the model {name!r} is not on this machine; give it a loopback base_url or unset it."
        )


def api_key(entry: CatalogEntry, environ: Mapping[str, str]) -> str:
    """The key as the environment has it now; empty when the endpoint asks for none. Raises ModelRejected when it is missing."""
    variable = entry.endpoint.api_key_env
    if not variable:
        return ""
    key = environ.get(variable, "").strip()
    if not key:
        raise ModelRejected(f"The model {entry.card.name!r} needs its key in the environment variable {variable!r}; set it.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ModelRejected(f"The environment variable {variable!r} holds characters that no key has; set it again.")
    return key


def failure_of_status(name: str, status: int, retry_after: str | None = None, codes: Iterable[object] = ()) -> SurefootError:
    """The error that an HTTP status other than 200 stands for; `codes` are what the provider may have called it.

    Only a status that says so means that no work was done: a gateway's 502 or 504 may stand before a model that went on.
    """
    code = next((code for code in codes if isinstance(code, str) and code in _KNOWN_CODES), "")
    said = f"status {status}" + (f" ({code})" if code else "")
    if status in (408, 409, 425, 429) or status >= 500 or 200 <= status < 300:
        wait = retry_after_seconds(retry_after, datetime.now(UTC))
        may_have_charged = status == 408 or status < 300 or (status >= 500 and status not in _TURNED_AWAY)
        return ModelUnavailable(
            f"The model {name!r} is not available: {said}.", retry_after_seconds=wait, may_have_charged=may_have_charged
        )
    if 300 <= status < 400:
        return ModelRejected(f"The model {name!r} is elsewhere: {said} is not followed; put the final base_url in models.toml.")
    remedy = {401: "check its key", 403: "check what its key may do", 404: "check its name and base_url"}.get(
        status, "check its name and limits"
    )
    return ModelRejected(f"The provider of the model {name!r} refused the call: {said}; {remedy} in models.toml.")


def failure_within(name: str, error: object) -> ModelUnavailable:
    """The error that a provider told inside an answer that had begun with status 200, by its code; work was done for it."""
    code = next((code for code in codes_in(error) if isinstance(code, str) and code in _KNOWN_CODES), "")
    return broken(name, "it told an error in its answer" + (f" ({code})" if code else ""))


def timed_out(name: str, seconds: float, *, may_have_charged: bool = True) -> ModelTimedOut:
    """The error for a model that took longer than it had."""
    return ModelTimedOut(f"The model {name!r} did not answer within {seconds:.2f} s.", may_have_charged=may_have_charged)


def broken(name: str, what: str, *, may_have_charged: bool = True) -> ModelUnavailable:
    """The error for a model that cannot be reached or understood; `what` is our own words."""
    return ModelUnavailable(f"The model {name!r} is not available: {what}.", may_have_charged=may_have_charged)


def lost(name: str, error: Exception) -> ModelUnavailable:
    """The error for a connection that failed. The library's message may quote a header, so only the kind of failure is told."""
    may_have_charged = not isinstance(error, NEVER_REACHED)
    return broken(name, f"the connection failed ({type(error).__name__})", may_have_charged=may_have_charged)


def retry_after_seconds(text: str | None, now: datetime) -> int | None:
    """The pause that a Retry-After header (RFC 9110, section 10.2.3) asks for, an hour at most; None when it says nothing."""
    text = (text or "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return min(math.ceil(float(text)), _MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        seconds = math.ceil((moment - now).total_seconds())
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0), _MAX_RETRY_AFTER_SECONDS)


def finish_of(reason: object) -> FinishReason:
    """Our word for the provider's; a reason that is none of ours means that the model was done."""
    return _FINISH_REASONS.get(reason, FinishReason.STOP) if isinstance(reason, str) else FinishReason.STOP


def counted(input_tokens: object, output_tokens: object, cached_tokens: object) -> Usage | None:
    """The usage as the provider stated it; None when what it stated are not numbers of tokens."""
    numbers = [input_tokens, output_tokens, 0 if cached_tokens is None else cached_tokens]
    stated = [number for number in numbers if type(number) is int and 0 <= number <= _MAX_TOKENS]
    if len(stated) < len(numbers) or stated[0] + stated[1] == 0:
        return None
    return Usage(stated[0], stated[1], cached_tokens=min(stated[2], stated[0]))


def estimated(request: ModelRequest, output_bytes: int) -> Usage:
    """The most tokens that can have been used: a byte-level tokenizer never makes more tokens than bytes."""
    return Usage(request.input_bytes(), output_bytes, is_estimate=True)


def error_codes(body: bytes) -> list[object]:
    """What the provider may have called the error in this body, wherever it stands."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    return codes_in(answer.get("error")) if isinstance(answer, dict) else []


def codes_in(error: object) -> list[object]:
    """What the provider may have called this error."""
    return [error.get("code"), error.get("type")] if isinstance(error, dict) else []


class CallWait:
    """Bounds every wait of one call by its one deadline, and tells a failure in our own words."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name = name
        self.deadline = Deadline.after(seconds)
        self.seconds = seconds

    def require_time(self) -> None:
        """Raises ModelTimedOut when none is left, before anybody is asked."""
        if self.deadline.is_over:
            raise timed_out(self.name, self.seconds, may_have_charged=False)

    @contextmanager
    def bounded(self, *, is_sent: bool = True) -> Iterator[None]:
        """Raises ModelTimedOut when the deadline passes inside, ModelUnavailable when the connection fails. `is_sent` is false
        for what comes before the call.
        """
        try:
            with anyio.fail_after(self.deadline.left_seconds):
                yield
        except TimeoutError:
            raise timed_out(self.name, self.seconds, may_have_charged=is_sent) from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise lost(self.name, error) from None
