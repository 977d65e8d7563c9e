"""Server-sent events (WHATWG HTML, section 9.2.6) taken out of a stream of bytes, however it is cut."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventReader:
    """Collects the data of events. Comments, ids, names and retry hints are skipped, an unfinished last event is dropped."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[str] = []
        self._has_begun = False
        self._ended_in_cr = False

    def feed(self, chunk: bytes) -> list[str]:
        """The data of every event that these bytes complete, lines joined by a newline. Raises UnicodeDecodeError."""
        if self._ended_in_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._ended_in_cr = False
        if not chunk:
            return []
        self._ended_in_cr = chunk.endswith(b"\r")
        searched = len(self._rest)
        self._rest += chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = self._rest.rfind(b"\n", searched) + 1
        if not end:
            return []
        lines = bytes(self._rest[:end]).split(b"\n")[:-1]
        del self._rest[:end]
        if not self._has_begun:
            self._has_begun = True
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: bytes) -> str | None:
        """The event's data when the line ends an event that has any."""
        if not line:
            data, self._data = self._data, []
            return "\n".join(data) if data else None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8"))
        return None
