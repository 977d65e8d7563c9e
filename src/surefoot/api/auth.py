"""Who is calling. Tenant and rights come from verified credentials alone, never from a path, a query or a body."""

from collections.abc import Sequence

from surefoot.bootstrap import Surefoot
from surefoot.core.errors import Unauthenticated
from surefoot.domain.identity import Viewer
from surefoot.domain.keys import Scope, ServerKey
from surefoot.governance import server_keys, tokens


def viewer_of(surefoot: Surefoot, headers: Sequence[str]) -> Viewer:
    """The viewer whose token is in the one Authorization header; else Unauthenticated."""
    return tokens.authenticate(surefoot.store, _only(headers), surefoot.clock.now())


def server_key_of(surefoot: Surefoot, headers: Sequence[str], scope: Scope) -> ServerKey:
    """The live server key in the one Authorization header; Unauthenticated without one, Forbidden without the scope."""
    key = server_keys.authenticate(surefoot.store, _only(headers), surefoot.clock.now())
    server_keys.require(key, scope)
    return key


def _only(headers: Sequence[str]) -> str:
    """The header's one value; two are refused, because a proxy in front may have looked at the other."""
    if len(headers) > 1:
        raise Unauthenticated("There are several Authorization headers; send exactly one.")
    return headers[0] if headers else ""
