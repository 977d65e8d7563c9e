from dataclasses import replace
from typing import Any

import pytest

from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.keys import Issuer
from surefoot.governance import server_keys, tokens
from tests.api.world import ACME, GLOBEX, World
from tests.unit.governance.token_forge import private_jwk, public_half


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def create(world: World, **body: Any) -> dict[str, Any]:
    answered = world.client.post("/v1/keys", json={"label": "ci", "scopes": ["ingest"]} | body, headers=world.admin_key())
    assert answered.status_code == 201, answered.text
    created: dict[str, Any] = answered.json()
    return created


def test_a_new_key_works_is_shown_once_and_stops_when_it_is_revoked(fresh: World) -> None:
    created = create(fresh)
    secret, key_id = created["secret"], created["key"]["key_id"]
    assert secret.startswith("sk_acme_")
    assert fresh.client.get("/v1/corpus", headers=bearer(secret)).status_code == 200
    listed = fresh.client.get("/v1/keys", headers=fresh.admin_key())
    assert key_id in listed.text and secret not in listed.text
    assert server_keys._sha256(secret) not in listed.text
    assert fresh.client.delete(f"/v1/keys/{key_id}", headers=fresh.admin_key()).status_code == 204
    assert fresh.client.get("/v1/corpus", headers=bearer(secret)).status_code == 401
    assert fresh.client.delete(f"/v1/keys/{key_id}", headers=fresh.admin_key()).status_code == 404
    row = next(key for key in fresh.client.get("/v1/keys", headers=fresh.admin_key()).json()["keys"] if key["key_id"] == key_id)
    assert row["revoked_at"] is not None


def test_a_key_does_what_its_scopes_say_and_nothing_else(fresh: World) -> None:
    both = bearer(create(fresh, scopes=["ingest", "admin"])["secret"])
    assert fresh.client.get("/v1/corpus", headers=both).status_code == 200
    assert fresh.client.get("/v1/keys", headers=both).status_code == 200
    refused = fresh.client.get("/v1/keys", headers=bearer(create(fresh)["secret"]))
    assert refused.status_code == 403 and "'admin'" in refused.json()["detail"]


def test_a_secret_with_another_tenants_name_in_it_is_nobodys(shared: World) -> None:
    secret = shared.tenants[ACME].ingest_secret
    for wrong in (
        secret.replace("sk_acme_", "sk_globex_"),
        secret.replace("sk_acme_", "sk_nowhere_"),
        secret.replace("sk_acme_", "sk_"),
        secret.replace("sk_acme_", "sk_../acme_"),
        secret.replace("sk_acme_", "sk_ACME_"),
        secret[:-1],
        secret + "A",
        secret + "\t",
        secret.swapcase(),
        "sk_acme_" + "A" * 43,
    ):
        assert shared.client.get("/v1/corpus", headers=bearer(wrong)).status_code == 401, wrong


@pytest.mark.parametrize(
    "body",
    [
        {"label": ""},
        {"label": "a\nb"},
        {"label": "x" * 129},
        {"scopes": []},
        {"scopes": ["root"]},
        {"scopes": "admin"},
        {"tenant": "globex"},
        {"scopes": ["ingest"] * 3},
    ],
)
def test_a_key_that_is_not_as_documented_is_not_created(shared: World, body: dict[str, Any]) -> None:
    answered = shared.client.post("/v1/keys", json={"label": "ci", "scopes": ["ingest"]} | body, headers=shared.admin_key())
    assert answered.status_code == 422


def put_issuer(world: World, algorithm: str, key: dict[str, Any], name: str = "https://host.example") -> Any:
    body = {
        "issuer": name,
        "algorithm": algorithm,
        "audience": "surefoot",
        "keys": {"k1": {name: value for name, value in key.items() if name != "kid"}},
    }
    return world.client.put("/v1/issuers", json=body, headers=world.admin_key())


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256", "PS256", "HS256"])
def test_an_issuer_that_is_put_may_sign_and_one_without_keys_may_not(fresh: World, algorithm: str) -> None:
    key = private_jwk(algorithm)
    shown = put_issuer(fresh, algorithm, public_half(key))
    assert shown.status_code == 200, shown.text
    issuer = Issuer(ACME, "https://host.example", algorithm, "surefoot", {"k1": public_half(key)})
    headers = bearer(tokens.mint(key, issuer, Viewer(ACME, "ada"), now=fresh.clock.now()))
    assert fresh.ask("How long do refunds take?", headers)["kind"] == "answer"
    switched_off = {"issuer": issuer.issuer, "algorithm": algorithm, "audience": "surefoot", "keys": {}}
    assert fresh.client.put("/v1/issuers", json=switched_off, headers=fresh.admin_key()).status_code == 200
    assert fresh.client.post("/v1/ask", json={"question": "why?"}, headers=headers).status_code == 401


def test_an_issuer_of_one_tenant_signs_for_that_one_alone(fresh: World) -> None:
    key = private_jwk("EdDSA")
    assert put_issuer(fresh, "EdDSA", public_half(key)).status_code == 200
    foreign = Issuer(GLOBEX, "https://host.example", "EdDSA", "surefoot", {"k1": public_half(key)})
    headers = bearer(tokens.mint(key, foreign, Viewer(GLOBEX, "ada"), now=fresh.clock.now()))
    assert fresh.client.post("/v1/ask", json={"question": "why?"}, headers=headers).status_code == 401


def test_a_shared_secret_is_never_shown_again(fresh: World) -> None:
    key = private_jwk("HS256")
    answered = put_issuer(fresh, "HS256", key)
    listed = fresh.client.get("/v1/issuers", headers=fresh.admin_key())
    assert answered.status_code == 200
    for text in (answered.text, listed.text):
        assert "https://host.example" in text and key["k"] not in text


def test_a_private_key_is_refused_and_not_repeated(shared: World) -> None:
    key = private_jwk("EdDSA")
    answered = put_issuer(shared, "EdDSA", key)
    assert answered.status_code == 422 and "private" in answered.json()["detail"]
    assert key["d"] not in answered.text


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "none"},
        {"algorithm": "HS512"},
        {"keys": {"k1": {"kty": "oct", "k": "c2hvcnQ"}}},
        {"keys": {"k1": {}}},
        {"keys": {"k1": "text"}},
        {"keys": {"": {"kty": "OKP"}}},
        {"keys": {"k1": {"kty": "OKP", "crv": "Ed25519", "x": {"deep": 1}}}},
        {"issuer": ""},
        {"audience": ""},
        {"tenant": "globex"},
        {"jwks_uri": "https://evil.example/keys"},
    ],
)
def test_an_issuer_that_is_not_as_documented_is_refused(shared: World, change: dict[str, Any]) -> None:
    body = {"issuer": "https://h.example", "algorithm": "EdDSA", "audience": "surefoot", "keys": {}}
    answered = shared.client.put("/v1/issuers", json=body | change, headers=shared.admin_key())
    assert (answered.status_code, answered.json()["code"]) == (422, "invalid_input"), answered.text


def test_a_stored_issuer_that_has_become_unusable_refuses_instead_of_failing(fresh: World) -> None:
    known = fresh.tenants[ACME]
    headers = fresh.viewer()
    broken = replace(known.issuer, keys={kid: {"kty": "OKP", "crv": "Ed25519", "x": "AA"} for kid in known.issuer.keys})
    with fresh.surefoot.store.begin() as work:
        work.tenants.put_issuer(ACME, broken)
        work.commit()
    answered = fresh.client.post("/v1/ask", json={"question": "why?"}, headers=headers)
    assert answered.status_code == 401 and "stored key" in answered.json()["detail"]


def test_a_tenant_id_in_a_token_that_does_not_exist_is_just_not_authenticated(shared: World) -> None:
    private_key, issuer = tokens.new_signing_key(TenantId("nowhere"))
    headers = bearer(tokens.mint(private_key, issuer, Viewer(TenantId("nowhere"), "ada"), now=shared.clock.now()))
    assert shared.client.post("/v1/ask", json={"question": "why?"}, headers=headers).status_code == 401
