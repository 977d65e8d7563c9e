"""The key of the audit chain, in a file of its own outside of the database."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from surefoot.core.errors import StoreUnavailable


def audit_key(path: Path) -> bytes:
    """The key in the file, which is made with mode 0600 when there is none yet. Raises StoreUnavailable."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(32).encode())
        return path.read_bytes().strip()
    except OSError as error:
        raise StoreUnavailable(f"The audit key {str(path)!r} cannot be read ({error.strerror}); set audit_key_file.") from error
