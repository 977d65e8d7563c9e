"""Server keys: how a tenant's own backend speaks for it. The secret is shown once and stored as its sha256."""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable
from datetime import datetime

from surefoot.core.errors import Forbidden, InvalidInput, Unauthenticated
from surefoot.core.ids import is_tenant_id, new_id
from surefoot.domain.identity import TenantId
from surefoot.domain.keys import Scope, ServerKey
from surefoot.ports import Store

_ALPHABET = string.ascii_letters + string.digits
# 43 of 62 characters carry 256 bits.
_SECRET_CHARACTERS = 43
_SECRET = re.compile(r"sk_([a-z0-9_-]{1,63})_([A-Za-z0-9]{43})\Z")
_MAX_LABEL = 128


def create(tenant: TenantId, scopes: Iterable[Scope], *, label: str, now: datetime) -> tuple[ServerKey, str]:
    """A new key to store, and its secret to hand over: `sk_<tenant>_<43 random characters>`, kept nowhere.

    Raises InvalidInput without a scope, or for a label that is empty, too long or not printable.
    """
    if not is_tenant_id(tenant):
        raise InvalidInput(f"{tenant!r} is not a tenant id.")
    wanted = frozenset(scopes)
    if not wanted:
        raise InvalidInput(f"A server key needs a scope: {', '.join(scope.value for scope in Scope)}.")
    if not label.strip() or len(label) > _MAX_LABEL or not label.isprintable():
        raise InvalidInput(f"A key's label must be 1 to {_MAX_LABEL} printable characters.")
    secret = f"sk_{tenant}_{''.join(secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARACTERS))}"
    return ServerKey(new_id("key", now), tenant, _sha256(secret), wanted, label, now), secret


def authenticate(store: Store, header: str | None, now: datetime) -> ServerKey:
    """The unrevoked key whose secret the `Authorization: Bearer` header holds; else Unauthenticated.

    The tenant is read from the secret and holds only once the secret's hash matches a stored key of that tenant. Every
    key of the tenant is compared, in constant time each, so that time tells nothing of which one came close.
    """
    scheme, _, secret = (header or "").partition(" ")
    parsed = _SECRET.match(secret)
    if scheme.lower() != "bearer" or parsed is None or not is_tenant_id(parsed[1]):
        raise Unauthenticated("A server key is needed: send `Authorization: Bearer sk_...`.")
    tenant = TenantId(parsed[1])
    given = _sha256(secret)
    with store.begin() as work:
        keys = work.tenants.keys(tenant)
    found: ServerKey | None = None
    for key in keys:
        is_live = key.revoked_at is None or key.revoked_at > now
        if hmac.compare_digest(key.secret_sha256, given) and is_live and key.tenant == tenant:
            found = key
    if found is None:
        raise Unauthenticated("The server key is unknown or revoked; create another with `surefoot init` or POST /v1/keys.")
    return found


def require(key: ServerKey, scope: Scope) -> None:
    """Returns when the key has the scope; else Forbidden names it."""
    if scope not in key.scopes:
        raise Forbidden(f"This key does not have the scope {scope.value!r}; use one that has.")


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
