"""The probes' calls over HTTP, through the same guarded door as every call to a host."""

from collections.abc import Mapping

from surefoot.adapters.host_door import BrokenCall, HostAnswer, HostDoor

_TIMEOUT_SECONDS = 10.0


class HttpProbeClient:
    """Sends what it is given, byte for byte. A call that got no answer has the status 0 and says why in its body."""

    def __init__(self, base_url: str, *, offline: bool) -> None:
        """Raises InvalidSettings when the URL is none that could be called."""
        self._door = HostDoor(base_url, offline=offline)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> HostAnswer:
        """The host's answer. Raises OutboundRefused when it may not be called at all."""
        try:
            return self._door.call(method, path, headers, body, _TIMEOUT_SECONDS)
        except BrokenCall as error:
            return HostAnswer(0, {}, str(error).encode())
