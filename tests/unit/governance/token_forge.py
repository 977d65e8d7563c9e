"""Builds tokens by hand, valid or not: the attacker's workbench of the token tests."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from surefoot.domain.identity import TenantId
from surefoot.domain.keys import Issuer
from surefoot.governance.issuers import ALGORITHMS, import_key

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TENANT = TenantId("acme")


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def private_jwk(algorithm: str, kid: str = "k1") -> dict[str, Any]:
    """A fresh private key that fits the algorithm."""
    made = {
        "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
        "ES256": lambda: ECKey.generate_key("P-256"),
        "RS256": lambda: RSAKey.generate_key(2048),
        "PS256": lambda: RSAKey.generate_key(2048),
        "HS256": lambda: OctKey.generate_key(256),
    }[algorithm]()
    return {**made.as_dict(private=True), "kid": kid}


def public_half(jwk: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in {"d", "p", "q", "dp", "dq", "qi"}}


def issuer_of(algorithm: str, *keys: Mapping[str, Any], tenant: TenantId = TENANT, name: str = "https://host.example") -> Issuer:
    return Issuer(tenant, name, algorithm, "surefoot", {str(key["kid"]): public_half(key) for key in keys})


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that are accepted at NOW, with changes; a value of None takes the claim away."""
    moment = int(NOW.timestamp())
    valid = {
        "iss": "https://host.example",
        "aud": "surefoot",
        "sub": "ada",
        "tenant": TENANT,
        "iat": moment - 10,
        "exp": moment + 300,
        "principals": ["group:finance"],
        "plan": "pro",
        "region": "eu",
        "locale": "en-GB",
    }
    return {name: value for name, value in (valid | changes).items() if value is not None}


def signed(algorithm: str, key: Mapping[str, Any], header: bytes, payload: bytes) -> str:
    """A token over exactly these bytes, signed with the key by the algorithm, whatever the header says."""
    message = f"{b64(header)}.{b64(payload)}"
    signature = ALGORITHMS[algorithm].sign(message.encode(), import_key(ALGORITHMS[algorithm].key_type, "test", key))
    return f"{message}.{b64(signature)}"


def token(algorithm: str, key: Mapping[str, Any], *, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    full = {"alg": algorithm, "kid": key["kid"], "typ": "JWT"} if header is None else dict(header)
    return signed(algorithm, key, json.dumps(full).encode(), json.dumps(claims(**changes)).encode())
