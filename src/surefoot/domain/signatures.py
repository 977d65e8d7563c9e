"""Standard Webhooks (standardwebhooks.com, version 1): how a message is signed, and how a receiver knows it is ours."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

from surefoot.core.errors import InvalidInput, Unauthenticated

ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
SECRET_PREFIX = "whsec_"  # noqa: S105  the public mark of a secret, not one
TOLERANCE_SECONDS = 300

# The standard's own bounds on a secret's length.
_MIN_SECRET_BYTES, _MAX_SECRET_BYTES = 24, 64
_VERSION = "v1"
_MESSAGE_ID = re.compile(r"[^\s.]{1,200}\Z")
_TIMESTAMP = re.compile(r"[0-9]{1,12}\Z", re.ASCII)


def signature_headers(secrets: str, message_id: str, sent_at: datetime, body: bytes) -> dict[str, str]:
    """The three headers that a message is sent with, one signature for each of the space-separated secrets.

    Raises InvalidInput for secrets or an id that are not of the standard's form; a secret is never in the message.
    """
    timestamp = int(sent_at.timestamp())
    signatures = [_signature(key, message_id, str(timestamp), body) for key in _keys(secrets)]
    return {ID_HEADER: message_id, TIMESTAMP_HEADER: str(timestamp), SIGNATURE_HEADER: " ".join(signatures)}


def verify(
    secrets: str, headers: Mapping[str, str], body: bytes, now: datetime, *, tolerance_seconds: int = TOLERANCE_SECONDS
) -> str:
    """The id of a message that one of the space-separated secrets signed at most the tolerance before or after `now`.

    `body` is what arrived, byte for byte. A message is sent again until it is accepted, so act on each id once. Raises
    Unauthenticated for any other message and InvalidInput for secrets of our own that are malformed. Takes the same time
    wherever a signature differs.
    """
    keys = _keys(secrets)
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = given.get(ID_HEADER, ""), given.get(TIMESTAMP_HEADER, "")
    signatures = given.get(SIGNATURE_HEADER, "").split(" ")
    if _MESSAGE_ID.match(message_id) is None or _TIMESTAMP.match(timestamp) is None:
        raise Unauthenticated(f"The message has no {ID_HEADER} or no {TIMESTAMP_HEADER} header of the standard's form.")
    if abs(now.timestamp() - int(timestamp)) > tolerance_seconds:
        raise Unauthenticated(f"The message was signed more than {tolerance_seconds} s from now; check both clocks.")
    matches = False
    for key in keys:
        expected = _signature(key, message_id, timestamp, body).encode()
        for signature in signatures:
            matches |= hmac.compare_digest(expected, signature.encode())
    if not matches:
        raise Unauthenticated(f"No signature in {SIGNATURE_HEADER} is of one of these secrets over this body.")
    return message_id


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    if _MESSAGE_ID.match(message_id) is None:
        raise InvalidInput(f"The message id {message_id!r} is empty, too long, or holds a full stop or white space.")
    signed = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"{_VERSION},{base64.b64encode(signed).decode()}"


def _keys(secrets: str) -> list[bytes]:
    keys = []
    for place, secret in enumerate(secrets.split(), start=1):
        try:
            key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith(SECRET_PREFIX) or not _MIN_SECRET_BYTES <= len(key) <= _MAX_SECRET_BYTES:
            raise InvalidInput(
                f"Webhook secret {place} is not `{SECRET_PREFIX}` and the base64 of {_MIN_SECRET_BYTES} to {_MAX_SECRET_BYTES} "
                "random bytes."
            )
        keys.append(key)
    if not keys:
        raise InvalidInput(f"There is no webhook secret; make one: `{SECRET_PREFIX}` and the base64 of 32 random bytes.")
    return keys
