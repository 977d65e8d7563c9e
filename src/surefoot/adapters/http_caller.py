"""Calls to a server that an operator has named, over connections that are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from surefoot.core.errors import InvalidSettings, OutboundRefused, TargetUnavailable

_TIMEOUT_SECONDS = 120.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back; `body` is None when it was no JSON."""

    status: int
    body: Any


class HttpCaller:
    """Sends JSON and reads JSON. Redirects are not followed, so that a token goes nowhere else. Safe from many threads."""

    def __init__(self, base_url: str, *, offline: bool) -> None:
        """Raises InvalidSettings for what is no http(s) URL, OutboundRefused when the product is offline and it is elsewhere."""
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL as error:
            raise InvalidSettings(f"{base_url!r} is no URL ({error}); write http(s)://host[:port].") from None
        if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
            raise InvalidSettings(f"{base_url!r} cannot be called; write http(s)://host[:port] and no more than a path.")
        if offline and url.host not in _LOOPBACK:
            raise OutboundRefused("SUREFOOT_OFFLINE is set: no other machine is called.")
        self._base_url = base_url.rstrip("/")
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)

    @property
    def base_url(self) -> str:
        return self._base_url

    def call(self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None) -> HttpAnswer:
        try:
            content = None if body is None else orjson.dumps(body)
            kind = {} if body is None else {"Content-Type": "application/json"}
            answer = self._client.request(method, self._base_url + path, content=content, headers={**kind, **headers})
        except httpx.HTTPError as error:
            # The library's words name the URL and never a header.
            raise TargetUnavailable(f"{self._base_url} does not answer: {str(error) or type(error).__name__}.") from error
        try:
            return HttpAnswer(answer.status_code, orjson.loads(answer.content) if answer.content else None)
        except orjson.JSONDecodeError:
            return HttpAnswer(answer.status_code, None)

    def close(self) -> None:
        self._client.close()
