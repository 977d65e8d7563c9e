"""What every store promises about tenants, keys and issuers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.core.errors import Conflict
from surefoot.domain.identity import TenantId
from surefoot.ports import Store
from tests.contracts.store_rows import ACME, GLOBEX, NOW, issuer, server_key


def test_creating_a_tenant_says_whether_it_is_new(store: Store) -> None:
    with store.begin() as work:
        assert not work.tenants.exists(ACME)
        assert work.tenants.create(ACME, now=NOW) is True
        assert work.tenants.create(ACME, now=NOW + timedelta(days=1)) is False
        assert work.tenants.exists(ACME)
        assert not work.tenants.exists(GLOBEX)


def test_tenants_come_in_id_order(store: Store) -> None:
    names = [TenantId(name) for name in ("b", "a_b", "a-b", "a1", "a", "z9")]
    with store.begin() as work:
        for name in names:
            work.tenants.create(name, now=NOW)
        assert work.tenants.all() == sorted(names)


def test_rows_of_a_tenant_do_not_make_it_exist(store: Store) -> None:
    with store.begin() as work:
        work.tenants.put_issuer(ACME, issuer(ACME))
        assert work.tenants.all() == [] and not work.tenants.exists(ACME)


def test_keys_come_oldest_first_with_all_their_fields(store: Store) -> None:
    late, early = server_key(ACME, "key_a"), server_key(ACME, "key_b", created_at=NOW - timedelta(microseconds=1))
    plain = replace(server_key(ACME, "key_c", created_at=NOW + timedelta(1)), scopes=frozenset(), revoked_at=NOW)
    with store.begin() as work:
        for key in (plain, late, early):
            work.tenants.add_key(ACME, key)
        assert work.tenants.keys(ACME) == [early, late, plain]


def test_a_key_id_is_given_once(store: Store) -> None:
    with store.begin() as work:
        work.tenants.add_key(ACME, server_key(ACME, "key_a"))
        with pytest.raises(Conflict):
            work.tenants.add_key(ACME, server_key(ACME, "key_a"))


def test_a_key_is_revoked_once_and_stays_listed(store: Store) -> None:
    with store.begin() as work:
        work.tenants.add_key(ACME, server_key(ACME, "key_a"))
        assert work.tenants.revoke_key(ACME, "key_x", now=NOW) is False
        assert work.tenants.revoke_key(ACME, "key_a", now=NOW) is True
        assert work.tenants.revoke_key(ACME, "key_a", now=NOW + timedelta(days=1)) is False
        assert [key.revoked_at for key in work.tenants.keys(ACME)] == [NOW]


def test_an_issuer_replaces_its_earlier_entry_and_no_other(store: Store) -> None:
    other, newer = issuer(ACME, "https://b.example"), issuer(ACME, audience="other")
    with store.begin() as work:
        for each in (issuer(ACME), other, newer):
            work.tenants.put_issuer(ACME, each)
        assert work.tenants.issuers(ACME) == [newer, other]


def test_objects_of_another_tenant_are_refused(store: Store) -> None:
    with store.begin() as work:
        with pytest.raises(ValueError, match="globex"):
            work.tenants.add_key(ACME, server_key(GLOBEX, "key_a"))
        with pytest.raises(ValueError, match="globex"):
            work.tenants.put_issuer(ACME, issuer(GLOBEX))
