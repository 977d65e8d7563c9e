"""Who may sign viewer tokens: the algorithms, and which keys are good enough for them."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from surefoot.core.errors import InvalidInput
from surefoot.core.ids import is_tenant_id
from surefoot.domain.keys import Issuer

MAX_KEYS = 16
_MAX_NAME = 256
_KID = re.compile(r"[\x21-\x7e]{1,128}\Z")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_PEM_MARKERS = (b"-----BEGIN", b"---- BEGIN", b"ssh-", b"ecdsa-sha2-")
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 8192
_MIN_SECRET_BYTES, _MAX_SECRET_BYTES = 32, 512


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A signature algorithm of RFC 7518 or RFC 8037, and the keys it takes."""

    name: str
    key_type: str
    curve: str | None = None

    def sign(self, message: bytes, key: Key) -> bytes:
        return JWSRegistry.algorithms[self.name].sign(message, key)

    def verify(self, message: bytes, signature: bytes, key: Key) -> bool:
        """Whether the signature is this key's over the message."""
        return JWSRegistry.algorithms[self.name].verify(message, signature, key)


ALGORITHMS: Mapping[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("EdDSA", "OKP", "Ed25519"),
        Algorithm("ES256", "EC", "P-256"),
        Algorithm("RS256", "RSA"),
        Algorithm("PS256", "RSA"),
        Algorithm("HS256", "oct"),
    )
}


def check_issuer(issuer: Issuer) -> None:
    """Returns when the issuer may be stored; else InvalidInput names what to change. Never says anything of a secret.

    No keys at all is allowed: such an issuer's tokens are all refused, which is how an issuer is switched off.
    """
    if not is_tenant_id(issuer.tenant):
        raise InvalidInput(f"{issuer.tenant!r} is not a tenant id.")
    for field, value in (("issuer", issuer.issuer), ("audience", issuer.audience)):
        if not value or len(value) > _MAX_NAME or not value.isprintable():
            raise InvalidInput(f"{field} must be 1 to {_MAX_NAME} printable characters.")
    if issuer.algorithm not in ALGORITHMS:
        raise InvalidInput(f"algorithm {issuer.algorithm[:32]!r} is not accepted; use one of {', '.join(ALGORITHMS)}.")
    if len(issuer.keys) > MAX_KEYS:
        raise InvalidInput(f"An issuer has at most {MAX_KEYS} keys; remove those that no longer sign.")
    for kid, jwk in issuer.keys.items():
        if _KID.match(kid) is None:
            raise InvalidInput("A kid must be 1 to 128 visible ASCII characters.")
        if issuer.algorithm != "HS256" and not _PRIVATE_MEMBERS.isdisjoint(jwk):
            raise InvalidInput(f"Key {kid!r} holds private members; send the public key alone and replace this one.")
        verification_key(issuer.algorithm, kid, jwk)


def verification_key(algorithm: str, kid: str, jwk: Mapping[str, Any]) -> Key:
    """The key that verifies this issuer's signatures; InvalidInput when it is weak, damaged or of another algorithm."""
    return _imported(algorithm, kid, json.dumps(jwk, sort_keys=True, default=str))


@lru_cache(maxsize=1024)
def _imported(algorithm: str, kid: str, jwk_text: str) -> Key:
    """The checked key; cached by its whole content, so that another key can never be taken for it."""
    jwk: dict[str, Any] = json.loads(jwk_text)
    wanted = ALGORITHMS[algorithm]
    for member, value in (("kty", wanted.key_type), ("crv", wanted.curve)):
        if value is not None and jwk.get(member) != value:
            raise InvalidInput(f"Key {kid!r} does not fit {algorithm}, which needs {member}={value!r}.")
    for member, value in (("alg", algorithm), ("use", "sig"), ("kid", kid)):
        if member in jwk and jwk[member] != value:
            raise InvalidInput(f"Key {kid!r} says {member} is not {value!r}.")
    if "key_ops" in jwk and (not isinstance(jwk["key_ops"], list) or "verify" not in jwk["key_ops"]):
        raise InvalidInput(f"Key {kid!r} is not meant to verify signatures.")
    _check_strength(algorithm, kid, jwk)
    members: dict[str, Any] = {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e", "k") if name in jwk}
    return import_key(wanted.key_type, kid, members)


def import_key(key_type: str, kid: str, jwk: Mapping[str, Any]) -> Key:
    """The JWK of this type, public or private, as a key; InvalidInput when it is damaged."""
    members: dict[str, Any] = dict(jwk)
    try:
        match key_type:
            case "OKP":
                return OKPKey.import_key(members)
            case "EC":
                return ECKey.import_key(members)
            case "RSA":
                return RSAKey.import_key(members)
            case _:
                return OctKey.import_key(members)
    except (JoseError, ValueError, TypeError, KeyError):
        raise InvalidInput(f"Key {kid!r} is not a valid {key_type} key.") from None


def _check_strength(algorithm: str, kid: str, jwk: Mapping[str, Any]) -> None:
    if algorithm in ("RS256", "PS256"):
        bits = int.from_bytes(decode_base64url(str(jwk.get("n", "")))).bit_length()
        if not _MIN_RSA_BITS <= bits <= _MAX_RSA_BITS:
            raise InvalidInput(f"Key {kid!r} has {bits} bits; RSA keys have {_MIN_RSA_BITS} to {_MAX_RSA_BITS} here.")
        exponent = int.from_bytes(decode_base64url(str(jwk.get("e", ""))))
        if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > 32:
            raise InvalidInput(f"Key {kid!r} has an RSA exponent that is not in use; 65537 is.")
    if algorithm == "HS256":
        secret = decode_base64url(str(jwk.get("k", "")))
        if not _MIN_SECRET_BYTES <= len(secret) <= _MAX_SECRET_BYTES:
            raise InvalidInput(f"The secret of {kid!r} must have {_MIN_SECRET_BYTES} to {_MAX_SECRET_BYTES} random bytes.")
        if any(marker in secret for marker in _PEM_MARKERS):
            raise InvalidInput(f"The secret of {kid!r} is a public key's text; HS256 needs random bytes.")


def decode_base64url(text: str) -> bytes:
    """The bytes that the text is the one canonical unpadded base64url form of (RFC 4648, section 5); else InvalidInput."""
    if _BASE64URL.match(text) is None or len(text) % 4 == 1:
        raise InvalidInput("The text is not unpadded base64url.")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_base64url(data) != text:
        raise InvalidInput("The base64url text has bits beyond its last byte.")
    return data


def encode_base64url(data: bytes) -> str:
    """The unpadded base64url form of the bytes."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
