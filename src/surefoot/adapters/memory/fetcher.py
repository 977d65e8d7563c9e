"""A fetcher whose web is a dictionary."""

from collections.abc import Mapping

from surefoot.adapters.addresses import is_public, literal_address, target_of
from surefoot.core.errors import OutboundRefused, PayloadTooLarge, UnreadableDocument
from surefoot.domain.identity import TenantId
from surefoot.ports import Fetched


class MemoryFetcher:
    """Serves these documents by URL, under the rules of the real fetcher as far as they need no network."""

    def __init__(self, documents: Mapping[str, Fetched], *, offline: bool = False) -> None:
        self._documents = documents
        self._offline = offline

    def fetch(self, tenant: TenantId, url: str, *, max_bytes: int, timeout_seconds: float) -> Fetched:
        if self._offline:
            raise OutboundRefused("SUREFOOT_OFFLINE is set: nothing is fetched from other hosts.")
        target = target_of(url)
        address = literal_address(target.host)
        if address is not None and not is_public(address):
            raise OutboundRefused(f"{target.host!r} is not a public web address; copy the file here and ingest it.")
        if url not in self._documents:
            raise UnreadableDocument(f"{url!r} answered with status 404.")
        fetched = self._documents[url]
        if len(fetched.body) > max_bytes:
            raise PayloadTooLarge(f"{url!r} is larger than the {max_bytes} bytes allowed.")
        return fetched
