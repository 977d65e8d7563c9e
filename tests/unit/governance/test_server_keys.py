from datetime import UTC, datetime, timedelta

import pytest

from surefoot.adapters.memory.store import MemoryStore
from surefoot.core.errors import Forbidden, InvalidInput, Unauthenticated
from surefoot.domain.identity import TenantId
from surefoot.domain.keys import Scope, ServerKey
from surefoot.governance.server_keys import authenticate, create, require

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def stored(*tenants: str) -> tuple[MemoryStore, dict[str, tuple[ServerKey, str]]]:
    """A store with one ingest key for each of the tenants."""
    store, made = MemoryStore(), {}
    with store.begin() as work:
        for name in tenants:
            tenant = TenantId(name)
            key, secret = create(tenant, [Scope.INGEST], label="test", now=NOW)
            work.tenants.create(tenant, now=NOW)
            work.tenants.add_key(tenant, key)
            made[name] = key, secret
        work.commit()
    return store, made


@pytest.mark.parametrize("tenant", ["a", "acme", "acme_eu", "a_b_c", "x-1", "9" * 63])
def test_a_secret_opens_its_own_tenant_however_the_tenant_is_named(tenant: str) -> None:
    store, made = stored(tenant, "acme_eu_2")
    key, secret = made[tenant]
    assert authenticate(store, f"Bearer {secret}", NOW) == key
    assert authenticate(store, f"bearer {secret}", NOW) == key


def test_two_keys_never_share_a_secret_and_none_is_stored() -> None:
    made = [create(TenantId("acme"), [Scope.ADMIN], label="x", now=NOW) for _ in range(50)]
    assert len({secret for _, secret in made}) == len({key.key_id for key, _ in made}) == 50
    for key, secret in made:
        assert secret not in repr(key) and len(secret.rpartition("_")[2]) == 43


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "sk_acme_x", "Bearer sk_acme_", "Bearer sk__" + "A" * 43]
)
def test_anything_but_a_bearer_secret_is_not_authenticated(header: str | None) -> None:
    store, _ = stored("acme")
    with pytest.raises(Unauthenticated):
        authenticate(store, header, NOW)


def test_a_secret_of_one_tenant_under_anothers_name_opens_neither() -> None:
    store, made = stored("acme", "globex")
    forged = made["acme"][1].replace("sk_acme_", "sk_globex_")
    with pytest.raises(Unauthenticated) as refusal:
        authenticate(store, f"Bearer {forged}", NOW)
    assert forged[-43:] not in str(refusal.value)


def test_a_revoked_key_is_refused_from_that_moment_on_and_the_others_go_on() -> None:
    store, made = stored("acme")
    key, secret = made["acme"]
    second, other = create(TenantId("acme"), [Scope.ADMIN], label="second", now=NOW)
    with store.begin() as work:
        work.tenants.add_key(TenantId("acme"), second)
        work.tenants.revoke_key(TenantId("acme"), key.key_id, now=NOW)
        work.commit()
    for moment in (NOW, NOW + timedelta(days=1)):
        with pytest.raises(Unauthenticated, match="revoked"):
            authenticate(store, f"Bearer {secret}", moment)
    assert authenticate(store, f"Bearer {other}", NOW) == second


def test_a_key_without_the_scope_is_told_which_one_it_lacks() -> None:
    key, _ = create(TenantId("acme"), [Scope.INGEST], label="x", now=NOW)
    require(key, Scope.INGEST)
    with pytest.raises(Forbidden, match="'admin'"):
        require(key, Scope.ADMIN)


@pytest.mark.parametrize(
    ("tenant", "scopes", "label"),
    [("../x", [Scope.ADMIN], "x"), ("acme", [], "x"), ("acme", [Scope.ADMIN], " "), ("acme", [Scope.ADMIN], "a\nb")],
)
def test_a_key_needs_a_tenant_a_scope_and_a_readable_label(tenant: str, scopes: list[Scope], label: str) -> None:
    with pytest.raises(InvalidInput):
        create(TenantId(tenant), scopes, label=label, now=NOW)
