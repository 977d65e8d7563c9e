"""Viewer tokens: short-lived JWTs by which a host product says who is asking.

Everything about a token but its signature is decided here, before any cryptography: the form is the compact JWS of
RFC 7515 in its one canonical spelling, the algorithm is the issuer's and never the token's choice, the key comes from the
issuer's stored set by `kid`, and headers that bring or name another key are refused (RFC 8725).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import Key, OKPKey

from surefoot.core.errors import InvalidInput, Unauthenticated
from surefoot.core.ids import is_tenant_id
from surefoot.core.strict_json import parse_json
from surefoot.domain.identity import TenantId, Viewer, parse_context, parse_principal, parse_principals
from surefoot.domain.keys import Issuer
from surefoot.governance.issuers import ALGORITHMS, check_issuer, decode_base64url, encode_base64url, import_key, verification_key
from surefoot.ports import Store

MAX_TOKEN_BYTES = 8192
MAX_LIFETIME_SECONDS = 900
CLOCK_SKEW_SECONDS = 30
DEVELOPMENT_ISSUER = "surefoot-development"
DEFAULT_AUDIENCE = "surefoot"

# Each of these brings its own key, names one elsewhere, or changes what the signature covers.
REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc", "epk", "cty"})

_MAX_PRINCIPALS = 256
_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}\Z")
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_LAST_MOMENT = 253_402_300_799  # 9999-12-31T23:59:59Z, the last one that datetime can hold


def new_signing_key(
    tenant: TenantId, *, issuer: str = DEVELOPMENT_ISSUER, audience: str = DEFAULT_AUDIENCE
) -> tuple[dict[str, Any], Issuer]:
    """A fresh Ed25519 key: the private JWK to keep secret, and the Issuer to store, which holds the public half alone."""
    key = OKPKey.generate_key("Ed25519", private=True)
    kid = key.thumbprint()
    private: dict[str, Any] = {**key.as_dict(private=True), "kid": kid, "alg": "EdDSA", "use": "sig"}
    public = {name: value for name, value in private.items() if name != "d"}
    return private, Issuer(tenant, issuer, "EdDSA", audience, {kid: public})


def mint(private_key: Mapping[str, Any], issuer: Issuer, viewer: Viewer, *, now: datetime, ttl_seconds: int = 600) -> str:
    """A token that `verify` turns back into the viewer until `ttl_seconds` from now (1..900).

    `private_key` is a JWK whose kid is one of the issuer's. Raises InvalidInput for a viewer of another tenant, a longer
    life, an unknown kid or a token that would be too long.
    """
    if not 1 <= ttl_seconds <= MAX_LIFETIME_SECONDS:
        raise InvalidInput(f"A viewer token lives 1 to {MAX_LIFETIME_SECONDS} seconds, not {ttl_seconds!r}.")
    if viewer.tenant != issuer.tenant:
        raise InvalidInput(f"The issuer signs for {issuer.tenant!r}, not for {viewer.tenant!r}.")
    check_issuer(issuer)
    kid = str(private_key.get("kid", ""))
    if kid not in issuer.keys:
        raise InvalidInput(f"The signing key's kid {kid!r} is not among the issuer's keys.")
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "sub": viewer.user,
        "tenant": viewer.tenant,
        "iat": issued_at,
        "exp": issued_at + ttl_seconds,
        "principals": sorted(viewer.principals),
        "locale": viewer.locale,
    }
    optional = {"plan": viewer.plan, "region": viewer.region, "context": dict(viewer.context) or None}
    claims |= {name: value for name, value in optional.items() if value is not None}
    header = {"alg": issuer.algorithm, "kid": kid, "typ": "JWT"}
    signed = f"{encode_base64url(orjson.dumps(header))}.{encode_base64url(orjson.dumps(claims))}"
    signature = ALGORITHMS[issuer.algorithm].sign(signed.encode("ascii"), _signing_key(issuer.algorithm, private_key))
    token = f"{signed}.{encode_base64url(signature)}"
    try:
        understood = verify(token, [issuer], now)
    except Unauthenticated as error:
        raise InvalidInput(f"No valid token can be minted of this key and viewer. {error}") from None
    if understood != viewer:
        raise InvalidInput("The viewer holds a value that does not survive being written down; use plain texts.")
    return token


def claimed_tenant(token: str) -> TenantId:
    """The tenant that the token SAYS it is for: good for finding the issuers to verify it with, and for nothing else.

    Raises Unauthenticated when the token is not in the form of a viewer token.
    """
    _, claims, _, _ = _parts(token)
    tenant = claims.get("tenant")
    if not isinstance(tenant, str) or not is_tenant_id(tenant):
        raise _refused("the tenant claim is missing or not a tenant id")
    return TenantId(tenant)


def authenticate(store: Store, header: str, now: datetime) -> Viewer:
    """The viewer whose token is in the Authorization header; else Unauthenticated."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token or token.startswith("sk_"):
        raise Unauthenticated("A viewer token is needed: send `Authorization: Bearer <token>`.")
    tenant = claimed_tenant(token)
    with store.begin() as work:
        issuers = work.tenants.issuers(tenant)
    return verify(token, issuers, now)


def verify(token: str, issuers: Sequence[Issuer], now: datetime) -> Viewer:
    """The viewer that one of the issuers vouches for at this moment; anything else raises Unauthenticated.

    The message says which rule was broken and never repeats what the token holds.
    """
    header, claims, signed, signature = _parts(token)
    issuer = _issuer_of(claims, issuers)
    if header.get("alg") != issuer.algorithm:
        raise _refused("alg is not the algorithm of its issuer")
    kid = header.get("kid")
    if not isinstance(kid, str) or kid not in issuer.keys:
        raise _refused("kid is missing or none of the issuer's keys")
    try:
        key = verification_key(issuer.algorithm, kid, issuer.keys[kid])
    except InvalidInput:
        raise _refused("the issuer's stored key is not usable; store it again") from None
    if not _is_signed(issuer.algorithm, signed, signature, key):
        raise _refused("the signature does not verify")
    _check_audience(claims, issuer)
    _check_times(claims, now)
    return _viewer_of(claims, issuer.tenant)


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated(f"The viewer token is not valid: {reason}.")


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, the signed bytes and the signature of a token in canonical compact form; nothing is verified."""
    if len(token) > MAX_TOKEN_BYTES:
        raise _refused(f"it is longer than {MAX_TOKEN_BYTES} bytes")
    if _FORM.match(token) is None:
        raise _refused("it is not three parts of unpadded base64url")
    first, second, third = token.split(".")
    try:
        header = parse_json(decode_base64url(first), max_depth=8)
        claims = parse_json(decode_base64url(second), max_depth=8)
        signature = decode_base64url(third)
    except InvalidInput:
        raise _refused("a part is not canonical base64url of strict JSON") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise _refused("header and claims must be JSON objects")
    if not REFUSED_HEADERS.isdisjoint(header):
        raise _refused("its header names a key source or an extension; alg, kid and typ are enough")
    if "typ" in header and (not isinstance(header["typ"], str) or header["typ"].upper() != "JWT"):
        raise _refused("typ is not JWT")
    return header, claims, f"{first}.{second}".encode("ascii"), signature


def _issuer_of(claims: Mapping[str, Any], issuers: Sequence[Issuer]) -> Issuer:
    """The one issuer with this name for this tenant; several entries of one name are refused rather than tried in turn."""
    named = [issuer for issuer in issuers if claims.get("iss") == issuer.issuer and claims.get("tenant") == issuer.tenant]
    if len(named) != 1 or named[0].algorithm not in ALGORITHMS:
        raise _refused("its issuer is not accepted for its tenant")
    return named[0]


def _is_signed(algorithm: str, signed: bytes, signature: bytes, key: Key) -> bool:
    try:
        return ALGORITHMS[algorithm].verify(signed, signature, key)
    except (JoseError, ValueError):
        return False


def _check_audience(claims: Mapping[str, Any], issuer: Issuer) -> None:
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named) or issuer.audience not in named:
        raise _refused("aud does not name this service")


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    issued_at, expires_at = _seconds(claims, "iat"), _seconds(claims, "exp")
    moment = now.timestamp()
    if expires_at <= issued_at or expires_at - issued_at > MAX_LIFETIME_SECONDS:
        raise _refused(f"exp must be after iat and at most {MAX_LIFETIME_SECONDS} seconds later")
    if issued_at > moment + CLOCK_SKEW_SECONDS:
        raise _refused("iat is in the future; check the clocks")
    if "nbf" in claims and _seconds(claims, "nbf") > moment + CLOCK_SKEW_SECONDS:
        raise _refused("nbf is in the future; check the clocks")
    if expires_at + CLOCK_SKEW_SECONDS <= moment:
        raise _refused("it has expired; ask the host for a new one")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_MOMENT:
        raise _refused(f"{name} is missing or not a number of seconds")
    return value


def _viewer_of(claims: Mapping[str, Any], tenant: TenantId) -> Viewer:
    principals = claims.get("principals", [])
    texts = [claims.get("sub"), claims.get("locale", "en"), *(claims[name] for name in ("plan", "region") if name in claims)]
    if not isinstance(principals, list) or len(principals) > _MAX_PRINCIPALS:
        raise _refused(f"principals must be a list of at most {_MAX_PRINCIPALS}")
    if not all(isinstance(text, str) for text in [*texts, *principals]):
        raise _refused("sub, principals, plan, region and locale must be texts")
    viewer = Viewer(
        tenant=tenant,
        user=claims["sub"],
        principals=_principals(principals, user=claims["sub"], plan=claims.get("plan")),
        plan=claims.get("plan"),
        region=claims.get("region"),
        locale=claims.get("locale", "en"),
        context=_context(claims.get("context", {})),
    )
    if _LOCALE.match(viewer.locale) is None:
        raise _refused("locale is not a language tag such as en or pt-BR")
    if viewer.region is not None and not (0 < len(viewer.region) <= 64 and viewer.region.isprintable()):
        raise _refused("region must be 1 to 64 printable characters")
    return viewer


def _principals(texts: Sequence[str], *, user: str, plan: str | None) -> frozenset[Any]:
    """The principals listed, all well-formed; user and plan must be able to be principals too, or nobody could tell rights."""
    try:
        parse_principal(f"user:{user}")
        if plan is not None:
            parse_principal(f"plan:{plan}")
        return parse_principals(texts)
    except InvalidInput:
        raise _refused("sub, plan or one of the principals cannot be a principal") from None


def _context(stated: object) -> tuple[tuple[str, str], ...]:
    """What the issuer states about the viewer beside their rights: a flat object of short texts."""
    if not isinstance(stated, dict):
        raise _refused("context must be an object")
    try:
        return parse_context(stated)
    except InvalidInput:
        raise _refused("context must be at most 16 names with printable texts of at most 128 characters") from None


def _signing_key(algorithm: str, jwk: Mapping[str, Any]) -> Key:
    wanted = ALGORITHMS[algorithm].key_type
    key = import_key(wanted, str(jwk.get("kid", "")), jwk)
    if jwk.get("kty") != wanted or not key.is_private:
        raise InvalidInput(f"The signing key is not a private {wanted} key, which {algorithm} needs.")
    return key
