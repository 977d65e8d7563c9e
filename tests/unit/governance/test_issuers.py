from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.unit.governance.token_forge import b64, issuer_of, private_jwk, public_half

from surefoot.core.errors import InvalidInput
from surefoot.domain.identity import TenantId
from surefoot.governance.issuers import check_issuer, decode_base64url


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256", "PS256", "HS256"])
def test_a_sound_issuer_of_each_algorithm_is_accepted(algorithm: str) -> None:
    check_issuer(issuer_of(algorithm, private_jwk(algorithm)))


def test_an_issuer_without_keys_is_accepted_because_that_switches_it_off() -> None:
    check_issuer(issuer_of("EdDSA"))


@pytest.mark.parametrize("algorithm", ["none", "HS512", "ES384", "Ed448", "RSA-OAEP", "", "eddsa"])
def test_an_algorithm_outside_the_list_is_refused(algorithm: str) -> None:
    with pytest.raises(InvalidInput, match="algorithm"):
        check_issuer(replace(issuer_of("EdDSA"), algorithm=algorithm))


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_private_key_is_refused_because_only_its_public_half_is_wanted(algorithm: str) -> None:
    with pytest.raises(InvalidInput, match="private members"):
        check_issuer(replace(issuer_of(algorithm), keys={"k1": private_jwk(algorithm)}))


SECRET = b64(b"0123456789abcdef0123456789abcdef")
EC = public_half(private_jwk("ES256"))
RSA = public_half(private_jwk("RS256"))
ED = public_half(private_jwk("EdDSA"))
BAD_KEYS: list[tuple[str, dict[str, Any], str]] = [
    ("EdDSA", {}, "kty"),
    ("EdDSA", {"kty": "OKP"}, "crv"),
    ("EdDSA", OKPKey.generate_key("X25519").as_dict(private=False), "crv"),
    ("EdDSA", {**ED, "x": "AAAA"}, "not a valid"),
    ("EdDSA", {**ED, "x": 7}, "not a valid"),
    ("EdDSA", {**ED, "alg": "ES256"}, "alg"),
    ("EdDSA", {**ED, "use": "enc"}, "use"),
    ("EdDSA", {**ED, "kid": "other"}, "kid"),
    ("EdDSA", {**ED, "key_ops": ["encrypt"]}, "signatures"),
    ("EdDSA", {**ED, "key_ops": 7}, "signatures"),
    ("ES256", ECKey.generate_key("P-384").as_dict(private=False), "crv"),
    ("ES256", {**EC, "x": EC["y"]}, "not a valid"),
    ("ES256", ED, "kty"),
    ("RS256", EC, "kty"),
    ("RS256", {"kty": "RSA", "n": b64(b"\xff" * 128), "e": "AQAB"}, "1024 bits"),
    ("RS256", {**RSA, "n": b64(b"\xff" * 2048)}, "bits"),
    ("RS256", {**RSA, "e": "AQ"}, "exponent"),
    ("RS256", {**RSA, "e": "Ag"}, "exponent"),
    ("RS256", {**RSA, "e": b64(b"\xff" * 9)}, "exponent"),
    ("RS256", {"kty": "RSA"}, "bits"),
    ("HS256", {"kty": "oct", "k": b64(b"short")}, "random bytes"),
    ("HS256", {"kty": "oct"}, "random bytes"),
    ("HS256", {"kty": "oct", "k": SECRET + "="}, "base64url"),
    ("HS256", RSA, "kty"),
]


@pytest.mark.parametrize(
    ("algorithm", "jwk", "reason"), BAD_KEYS, ids=[f"{place}-{bad[2]}" for place, bad in enumerate(BAD_KEYS)]
)
def test_a_weak_damaged_or_foreign_key_is_refused_with_its_reason(algorithm: str, jwk: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        check_issuer(replace(issuer_of(algorithm), keys={"k1": jwk}))


def test_a_public_key_in_pem_is_no_secret() -> None:
    pem = RSAKey.import_key(RSA).as_pem(private=False)
    with pytest.raises(InvalidInput, match="public key"):
        check_issuer(replace(issuer_of("HS256"), keys={"k1": {"kty": "oct", "k": b64(pem)}}))


@pytest.mark.parametrize("change", [{"issuer": ""}, {"issuer": "x" * 257}, {"audience": ""}, {"audience": "a\nb"}])
def test_names_must_be_short_and_printable(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="printable"):
        check_issuer(replace(issuer_of("EdDSA"), **change))


@pytest.mark.parametrize("kid", ["", "a b", "x" * 129, "é", "a\0"])
def test_a_kid_is_visible_ascii(kid: str) -> None:
    with pytest.raises(InvalidInput, match="kid"):
        check_issuer(replace(issuer_of("EdDSA"), keys={kid: {name: ED[name] for name in ("kty", "crv", "x")}}))


def test_an_issuer_has_a_bounded_number_of_keys_and_a_real_tenant() -> None:
    many = {f"k{n}": {name: ED[name] for name in ("kty", "crv", "x")} for n in range(17)}
    with pytest.raises(InvalidInput, match="at most 16"):
        check_issuer(replace(issuer_of("EdDSA"), keys=many))
    with pytest.raises(InvalidInput, match="tenant"):
        check_issuer(issuer_of("EdDSA", tenant=TenantId("../x")))


@pytest.mark.parametrize("text", ["A", "AB=", "AB==", "AB", "A+", "A/", " AA", "AA\n", "é"])
def test_only_the_canonical_base64url_text_of_some_bytes_is_read(text: str) -> None:
    with pytest.raises(InvalidInput):
        decode_base64url(text)
    assert decode_base64url("") == b"" and decode_base64url("AA") == b"\0"
