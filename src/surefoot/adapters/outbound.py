"""Documents from other hosts, over guarded connections."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore
import httpx

from surefoot.adapters.addresses import target_of
from surefoot.adapters.guarded_client import BROKEN_CONNECTION, Resolver, guarded_client, system_addresses
from surefoot.core.errors import OutboundRefused, PayloadTooLarge, UnreadableDocument
from surefoot.domain.identity import TenantId
from surefoot.ports import Fetched

_HEADERS = {"User-Agent": "surefoot", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}


class GuardedFetcher:
    """Fetches documents from public hosts, see `guarded_client`. `allowed` are (address, port) pairs reached although they are
    not public.
    """

    def __init__(
        self,
        *,
        offline: bool,
        resolve: Resolver = system_addresses,
        backend: httpcore.NetworkBackend | None = None,
        allowed: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        self._offline = offline
        self._resolve = resolve
        self._backend = backend
        self._allowed = allowed

    def fetch(self, tenant: TenantId, url: str, *, max_bytes: int, timeout_seconds: float) -> Fetched:
        """See ports.Fetcher. A body that comes compressed though none was asked for is refused, so no bomb is unpacked."""
        if self._offline:
            raise OutboundRefused("SUREFOOT_OFFLINE is set: nothing is fetched from other hosts.")
        target = target_of(url)
        try:
            with (
                guarded_client(
                    timeout_seconds=timeout_seconds, resolve=self._resolve, backend=self._backend, allowed=self._allowed
                ) as client,
                client.stream("GET", target.url, headers=_HEADERS, timeout=timeout_seconds) as response,
            ):
                return _read(url, response, max_bytes)
        except BROKEN_CONNECTION as error:
            reason = str(error) or type(error).__name__
            raise UnreadableDocument(f"{url!r} could not be fetched: {reason}.") from error


def _read(url: str, response: httpx.Response, max_bytes: int) -> Fetched:
    if response.is_redirect:
        place = response.headers.get("location", "")[:200]
        raise UnreadableDocument(f"{url!r} redirects to {place!r}, which is not followed; give the final address.")
    if response.status_code != 200:
        raise UnreadableDocument(f"{url!r} answered with status {response.status_code}.")
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnreadableDocument(f"{url!r} was sent compressed although that was not asked for.")
    parts: list[bytes] = []
    count = 0
    declared = response.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 16 and int(declared) > max_bytes:
        raise PayloadTooLarge(f"{url!r} is larger than the {max_bytes} bytes allowed.")
    for part in response.iter_raw():
        count += len(part)
        if count > max_bytes:
            raise PayloadTooLarge(f"{url!r} is larger than the {max_bytes} bytes allowed.")
        parts.append(part)
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Fetched(url, b"".join(parts), media_type, _moment(response.headers.get("last-modified")))


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
