import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk as jose_keys
from tests.unit.governance.token_forge import NOW, TENANT, b64, claims, issuer_of, private_jwk, public_half, signed, token

from surefoot.core.errors import InvalidInput, Unauthenticated
from surefoot.domain.identity import Principal, TenantId, Viewer
from surefoot.governance.issuers import ALGORITHMS, decode_base64url, verification_key
from surefoot.governance.tokens import MAX_TOKEN_BYTES, REFUSED_HEADERS, claimed_tenant, mint, new_signing_key, verify

VIEWER = Viewer(TENANT, "ada", frozenset({Principal("group:finance")}), "pro", "eu", "en-GB")
EVERY_ALGORITHM = ("EdDSA", "ES256", "RS256", "PS256", "HS256")


@cache
def key_for(algorithm: str) -> dict[str, Any]:
    return private_jwk(algorithm)


def assert_refused(bad: str, algorithm: str = "EdDSA", *, because: str | None = None) -> None:
    with pytest.raises(Unauthenticated, match=because) as refusal:
        verify(bad, [issuer_of(algorithm, key_for(algorithm))], NOW)
    assert bad[:40] not in str(refusal.value) or len(bad) < 8, "an error must never repeat the token"


@pytest.mark.parametrize("algorithm", EVERY_ALGORITHM)
def test_a_token_names_the_viewer_it_was_signed_for(algorithm: str) -> None:
    assert verify(token(algorithm, key_for(algorithm)), [issuer_of(algorithm, key_for(algorithm))], NOW) == VIEWER


@pytest.mark.parametrize("algorithm", EVERY_ALGORITHM)
def test_what_mint_writes_verify_reads_back(algorithm: str) -> None:
    issuer = issuer_of(algorithm, key_for(algorithm))
    minted = mint(key_for(algorithm), issuer, VIEWER, now=NOW, ttl_seconds=60)
    assert verify(minted, [issuer], NOW) == VIEWER
    assert claimed_tenant(minted) == TENANT


def test_a_development_key_signs_and_its_issuer_holds_no_secret() -> None:
    private, issuer = new_signing_key(TENANT)
    assert verify(mint(private, issuer, VIEWER, now=NOW), [issuer], NOW) == VIEWER
    assert private["d"] not in repr(issuer)


# The published examples of the RFCs: they show that the arithmetic is the standard's, and are no viewer tokens.

RFC_EXAMPLES = {
    "RFC 8037 A.4": (
        "EdDSA",
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
    "RFC 7515 A.1": (
        "HS256",
        {"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    ),
    "RFC 7515 A.3": (
        "ES256",
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
        "Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
}


@pytest.mark.parametrize("name", RFC_EXAMPLES)
def test_published_signatures_verify_and_altered_ones_do_not(name: str) -> None:
    algorithm, jwk, example = RFC_EXAMPLES[name]
    message, _, text = example.rpartition(".")
    signature, key = decode_base64url(text), verification_key(algorithm, "rfc", jwk)
    assert ALGORITHMS[algorithm].verify(message.encode(), signature, key)
    for place in range(len(signature)):
        altered = bytearray(signature)
        altered[place] ^= 1
        assert not ALGORITHMS[algorithm].verify(message.encode(), bytes(altered), key)


@pytest.mark.parametrize("name", RFC_EXAMPLES)
def test_a_published_example_is_no_viewer_token_even_where_its_key_is_trusted(name: str) -> None:
    algorithm, jwk, example = RFC_EXAMPLES[name]
    issuer = replace(issuer_of(algorithm, {**jwk, "kid": "rfc"}), issuer="joe")
    with pytest.raises(Unauthenticated):
        verify(example, [issuer], NOW)


# Algorithm and key confusion


@pytest.mark.parametrize(
    "word", ["none", "None", "NONE", "nOnE", "", "HS256 ", "hs256", "HS384", "EdDSA\0", None, 0, ["EdDSA"], {}]
)
def test_any_algorithm_but_the_issuers_own_is_refused(word: object) -> None:
    key = key_for("EdDSA")
    assert_refused(token("EdDSA", key, header={"alg": word, "kid": "k1"}), because="alg")


def test_an_unsigned_token_is_refused() -> None:
    header, payload = b64(json.dumps({"alg": "none", "kid": "k1"}).encode()), b64(json.dumps(claims()).encode())
    for tail in ("", ".", ".AA", "..", f".{b64(b'0' * 64)}"):
        assert_refused(f"{header}.{payload}{tail}")


@pytest.mark.parametrize("spelling", ["pem", "der", "n", "jwk"])
def test_a_public_rsa_key_is_no_hmac_secret(spelling: str) -> None:
    key = key_for("RS256")
    public = jose_keys.RSAKey.import_key(public_half(key))
    secret = {
        "pem": public.as_pem(private=False),
        "der": public.as_der(private=False),
        "n": decode_base64url(key["n"]),
        "jwk": json.dumps(public_half(key)).encode(),
    }[spelling]
    for alg in ("HS256", "RS256"):
        message = f"{b64(json.dumps({'alg': alg, 'kid': 'k1'}).encode())}.{b64(json.dumps(claims()).encode())}"
        forged = f"{message}.{b64(hmac.new(secret, message.encode(), hashlib.sha256).digest())}"
        assert_refused(forged, "RS256")


@pytest.mark.parametrize("mine", EVERY_ALGORITHM)
@pytest.mark.parametrize("theirs", EVERY_ALGORITHM)
def test_a_token_of_another_algorithm_or_key_is_refused(mine: str, theirs: str) -> None:
    other = private_jwk(theirs) if mine == theirs and mine not in ("RS256", "PS256") else key_for(theirs)
    if mine == theirs and other == key_for(mine):
        other = key_for("PS256" if mine == "RS256" else "RS256")
    for alg in {mine, theirs}:
        assert_refused(token(theirs, other, header={"alg": alg, "kid": "k1"}), mine)


@pytest.mark.parametrize(("mine", "theirs"), [("RS256", "PS256"), ("PS256", "RS256")])
def test_one_rsa_key_does_not_serve_two_algorithms(mine: str, theirs: str) -> None:
    key = key_for(mine)
    for alg in (mine, theirs):
        assert_refused(token(theirs, key, header={"alg": alg, "kid": "k1"}), mine)


@pytest.mark.parametrize("pair", [(0, 0), (0, 1), (1, 0), ("n", "n"), ("n", 0), ("max", "max")])
def test_a_psychic_ecdsa_signature_is_refused(pair: tuple[object, object]) -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    values = {"n": order, "max": 2**256 - 1}
    r, s = (values.get(part, part) if isinstance(part, str) else part for part in pair)
    assert isinstance(r, int) and isinstance(s, int)
    good = token("ES256", key_for("ES256"))
    assert_refused(f"{good.rpartition('.')[0]}.{b64(r.to_bytes(32) + s.to_bytes(32))}", "ES256", because="signature")


@pytest.mark.parametrize("algorithm", EVERY_ALGORITHM)
def test_a_shortened_lengthened_or_empty_signature_is_refused(algorithm: str) -> None:
    message, _, text = token(algorithm, key_for(algorithm)).rpartition(".")
    signature = decode_base64url(text)
    for wrong in (signature[:-1], signature + b"\0", b"\0" + signature, signature * 2, b"\0", bytes(len(signature))):
        assert_refused(f"{message}.{b64(wrong)}", algorithm)


def test_an_asn1_ecdsa_signature_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    message, _, text = token("ES256", key_for("ES256")).rpartition(".")
    raw = decode_base64url(text)
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    assert_refused(f"{message}.{b64(der)}", "ES256")


@pytest.mark.parametrize("name", sorted(REFUSED_HEADERS))
def test_a_header_that_brings_a_key_or_an_extension_is_refused_though_signed(name: str) -> None:
    key = key_for("EdDSA")
    for value in (public_half(key), "https://evil.example/keys", ["b64"], [], True, False, None):
        assert_refused(token("EdDSA", key, header={"alg": "EdDSA", "kid": "k1", name: value}), because="header")


@pytest.mark.parametrize("kid", [None, "", "k2", "K1", "k1\0", "../k1", 1, ["k1"], {"k1": 1}, "k1' or '1'='1"])
def test_a_kid_that_is_not_among_the_issuers_keys_is_refused(kid: object) -> None:
    header = {"alg": "EdDSA"} if kid is None else {"alg": "EdDSA", "kid": kid}
    assert_refused(token("EdDSA", key_for("EdDSA"), header=header), because="kid")


def test_the_kid_pins_the_key_so_another_key_of_the_same_issuer_does_not_do() -> None:
    first, second = private_jwk("EdDSA", "k1"), private_jwk("EdDSA", "k2")
    issuer = issuer_of("EdDSA", first, second)
    assert verify(token("EdDSA", second), [issuer], NOW) == VIEWER
    with pytest.raises(Unauthenticated, match="signature"):
        verify(token("EdDSA", second, header={"alg": "EdDSA", "kid": "k1"}), [issuer], NOW)


@pytest.mark.parametrize("typ", ["JWE", "at+jwt", "", 1, None, ["JWT"]])
def test_another_type_of_token_is_refused(typ: object) -> None:
    assert_refused(token("EdDSA", key_for("EdDSA"), header={"alg": "EdDSA", "kid": "k1", "typ": typ}), because="typ")


# Form


def test_every_other_spelling_of_a_valid_token_is_refused() -> None:
    good = token("EdDSA", key_for("EdDSA"))
    head, body, tail = good.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    loose_bits = tail[:-1] + alphabet[alphabet.index(tail[-1]) + 1]
    for bad in (
        f"{head}.{body}.{tail}==",
        f"{head}=.{body}.{tail}",
        f" {good}",
        f"{good} ",
        f"{good}\n",
        f"{head}.\n{body}.{tail}",
        f"{head}.{body}.{loose_bits}",
        f"{head}.{body}.{tail}.",
        f"{head}.{body}.{tail}.{tail}",
        f"{head}.{body}",
        f"{head}..{tail}",
        f".{body}.{tail}",
        good.replace(".", "．"),  # noqa: RUF001  the fullwidth stop is the point
        good + "\0",
        "",
        "..",
        json.dumps({"protected": head, "payload": body, "signature": tail}),
    ):
        assert_refused(bad)


def test_the_standard_base64_alphabet_is_refused() -> None:
    key = key_for("EdDSA")
    good = next(text for text in (token("EdDSA", key, sub=f"ada{n}") for n in range(500)) if "_" in text or "-" in text)
    assert_refused(good.replace("-", "+").replace("_", "/"))


@pytest.mark.parametrize(
    "payload",
    [
        b'{"tenant":"acme","tenant":"acme"}',
        b"[]",
        b'"text"',
        b"null",
        b"",
        b"{",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":' + b"[" * 400 + b"]" * 400 + b"}",
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_claims_and_headers_that_are_not_strict_json_objects_are_refused(payload: bytes) -> None:
    key = key_for("EdDSA")
    assert_refused(signed("EdDSA", key, b'{"alg":"EdDSA","kid":"k1"}', payload))
    assert_refused(signed("EdDSA", key, payload, json.dumps(claims()).encode()))


def test_a_key_named_twice_is_refused_in_header_and_claims_though_signed() -> None:
    key, good = key_for("EdDSA"), json.dumps(claims())
    twice = good[:-1] + ', "sub": "eve"}'
    assert_refused(signed("EdDSA", key, b'{"alg":"EdDSA","kid":"k1"}', twice.encode()), because="strict JSON")
    assert_refused(signed("EdDSA", key, b'{"alg":"none","alg":"EdDSA","kid":"k1"}', good.encode()), because="strict JSON")


def test_a_token_longer_than_allowed_is_refused_before_it_is_read() -> None:
    long = token("EdDSA", key_for("EdDSA"), note="x" * MAX_TOKEN_BYTES)
    assert_refused(long, because="longer")
    with pytest.raises(Unauthenticated, match="longer"):
        claimed_tenant(long)


# Claims


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "tenant", "iat", "exp"])
def test_a_token_without_a_required_claim_is_refused(name: str) -> None:
    assert_refused(token("EdDSA", key_for("EdDSA"), **{name: None}))


AT = int(NOW.timestamp())
BAD_CLAIMS: list[dict[str, Any]] = [
    {"iss": "https://other.example"},
    {"iss": ["https://host.example"]},
    {"iss": "https://host.example/"},
    {"aud": "other"},
    {"aud": []},
    {"aud": ["other"]},
    {"aud": [1, "surefoot"]},
    {"aud": {"surefoot": 1}},
    {"aud": "surefoot "},
    {"tenant": "globex"},
    {"tenant": "ACME"},
    {"tenant": ["acme"]},
    {"tenant": 1},
    {"tenant": ""},
    {"tenant": "../acme"},
    {"exp": AT - 31, "iat": AT - 331},
    {"exp": AT + 891},
    {"exp": AT - 20},
    {"exp": str(AT + 60)},
    {"exp": True},
    {"exp": 10**400},
    {"exp": -1},
    {"iat": AT + 31, "exp": AT + 300},
    {"iat": [AT]},
    {"iat": False},
    {"nbf": AT + 31},
    {"nbf": "soon"},
    {"sub": ""},
    {"sub": "*"},
    {"sub": "a b"},
    {"sub": 7},
    {"sub": ["ada"]},
    {"sub": "x" * 129},
    {"principals": "group:finance"},
    {"principals": ["finance"]},
    {"principals": ["group:"]},
    {"principals": ["group:*"]},
    {"principals": ["*"]},
    {"principals": ["Everyone"]},
    {"principals": ["group:a b"]},
    {"principals": [None]},
    {"principals": [["group:a"]]},
    {"principals": {"group:a": True}},
    {"principals": ["group:finance", "bogus"]},
    {"principals": [f"group:{n}" for n in range(257)]},
    {"plan": ""},
    {"plan": 3},
    {"plan": "*"},
    {"region": ""},
    {"region": "x" * 65},
    {"region": ["eu"]},
    {"locale": "english please"},
    {"locale": 1},
    {"locale": ""},
]


@pytest.mark.parametrize("changes", BAD_CLAIMS, ids=lambda changes: json.dumps(changes)[:50])
def test_a_claim_that_is_wrong_is_refused_though_signed(changes: dict[str, Any]) -> None:
    assert_refused(token("EdDSA", key_for("EdDSA"), **changes))


def test_a_token_is_good_until_its_end_plus_a_small_clock_skew() -> None:
    key = key_for("EdDSA")
    issuer, text = issuer_of("EdDSA", key), token("EdDSA", key)
    assert verify(text, [issuer], NOW + timedelta(seconds=300 + 29)) == VIEWER
    with pytest.raises(Unauthenticated, match="expired"):
        verify(text, [issuer], NOW + timedelta(seconds=300 + 30))
    assert verify(text, [issuer], NOW - timedelta(seconds=10 + 30)) == VIEWER
    with pytest.raises(Unauthenticated, match="future"):
        verify(text, [issuer], NOW - timedelta(seconds=10 + 31))


def test_an_issuer_of_another_tenant_cannot_speak_for_this_one() -> None:
    key = key_for("EdDSA")
    foreign = issuer_of("EdDSA", key, tenant=TenantId("globex"))
    for tenant in ("acme", "globex"):
        with pytest.raises(Unauthenticated):
            verify(token("EdDSA", key, tenant=tenant), [issuer_of("EdDSA", private_jwk("EdDSA")), replace(foreign, keys={})], NOW)
    assert verify(token("EdDSA", key, tenant="globex"), [foreign], NOW).tenant == "globex"


def test_no_issuers_or_no_keys_means_nobody() -> None:
    text = token("EdDSA", key_for("EdDSA"))
    for issuers in ([], [issuer_of("EdDSA")], [issuer_of("EdDSA", key_for("EdDSA"))] * 2):
        with pytest.raises(Unauthenticated):
            verify(text, issuers, NOW)


def test_principals_stated_as_everyone_or_not_at_all_give_no_more_than_that() -> None:
    key = key_for("EdDSA")
    issuer = issuer_of("EdDSA", key)
    assert verify(token("EdDSA", key, principals=None), [issuer], NOW).principals == frozenset()
    assert verify(token("EdDSA", key, principals=["everyone"]), [issuer], NOW).principals == {"everyone"}


@given(st.data())
def test_no_changed_byte_of_a_valid_token_is_accepted(data: st.DataObject) -> None:
    good = token("EdDSA", key_for("EdDSA"))
    place = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != good[place]))
    assert_refused(good[:place] + other + good[place + 1 :])


@given(st.text(max_size=300))
def test_no_text_at_all_is_anything_but_refused(text: str) -> None:
    assert_refused(text)


# Minting


@pytest.mark.parametrize("ttl_seconds", [0, -1, 901, 10**9])
def test_a_token_is_not_minted_for_longer_than_fifteen_minutes(ttl_seconds: int) -> None:
    with pytest.raises(InvalidInput, match="lives"):
        mint(key_for("EdDSA"), issuer_of("EdDSA", key_for("EdDSA")), VIEWER, now=NOW, ttl_seconds=ttl_seconds)


@pytest.mark.parametrize(
    "viewer",
    [
        replace(VIEWER, tenant=TenantId("globex")),
        replace(VIEWER, user=""),
        replace(VIEWER, plan="a b"),
        replace(VIEWER, locale="not a locale"),
        replace(VIEWER, principals=frozenset({Principal("*")})),
        replace(VIEWER, principals=frozenset(Principal(f"group:{'x' * 100}{n}") for n in range(200))),
    ],
)
def test_a_viewer_that_could_not_be_verified_is_not_minted(viewer: Viewer) -> None:
    with pytest.raises(InvalidInput):
        mint(key_for("EdDSA"), issuer_of("EdDSA", key_for("EdDSA")), viewer, now=NOW)


def test_a_key_that_is_public_foreign_or_of_another_kind_does_not_mint() -> None:
    issuer = issuer_of("EdDSA", key_for("EdDSA"))
    for wrong in (public_half(key_for("EdDSA")), private_jwk("EdDSA"), private_jwk("EdDSA", "k9"), private_jwk("ES256"), {}):
        with pytest.raises(InvalidInput):
            mint(wrong, issuer, VIEWER, now=NOW)
