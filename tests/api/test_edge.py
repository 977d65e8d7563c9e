"""What every response carries, and what errors tell."""

import re
from collections.abc import Iterator

import httpx
import pytest

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.api.edge import STRICT_HEADERS, check_origins
from surefoot.api.errors import error_classes
from surefoot.core.errors import InvalidSettings, MissingModel
from surefoot.ports import Vectors
from tests.api.world import World, world

LISTED = "https://app.example.com"


def paths(made: World) -> list[httpx.Response]:
    """One response of every kind: success, refusal of credentials, bad input, unknown path, wrong method, page, health."""
    client = made.client
    return [
        client.post("/v1/ask", json={"question": "why?"}, headers=made.viewer()),
        client.post("/v1/ask", json={"question": "why?"}),
        client.post("/v1/ask", json={}, headers=made.viewer()),
        client.get("/v1/keys", headers=made.ingest_key()),
        client.get("/nowhere"),
        client.get("/v1/ask"),
        client.get("/errors/not_found"),
        client.get("/healthz"),
        client.get("/openapi.json"),
    ]


def test_every_response_carries_the_strict_headers_and_a_request_id(shared: World) -> None:
    ids = set()
    for answered in paths(shared):
        for name, value in STRICT_HEADERS.items():
            assert answered.headers[name] == value
        assert "default-src 'none'" in answered.headers["Content-Security-Policy"]
        assert "server" not in answered.headers and "set-cookie" not in answered.headers
        ids.add(answered.headers["X-Request-Id"])
    assert len(ids) == len(paths(shared))


def test_every_error_is_a_problem_of_one_shape(shared: World) -> None:
    errors = [answered for answered in paths(shared) if answered.status_code >= 400]
    assert [answered.status_code for answered in errors] == [401, 422, 403, 404, 405]
    for answered in errors:
        problem = answered.json()
        assert answered.headers["Content-Type"] == "application/problem+json"
        assert list(problem)[:7] == ["type", "title", "status", "code", "detail", "request_id", "retryable"]
        assert problem["status"] == answered.status_code
        assert problem["request_id"] == answered.headers["X-Request-Id"]
        assert problem["type"] == f"/errors/{problem['code']}"
        assert shared.client.get(problem["type"]).status_code == 200


def test_a_wrong_method_names_the_right_ones(shared: World) -> None:
    assert shared.client.get("/v1/ask").headers["Allow"] == "POST"


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_every_code_of_the_error_tree_has_its_page(shared: World, code: str) -> None:
    page = shared.client.get(f"/errors/{code}")
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    assert f"<code>{code}</code>" in page.text and f"HTTP {error_classes()[code].status}" in page.text
    assert not re.search(r"<script|<link|<img|https?://", page.text)


def test_codes_are_unique_and_an_unknown_one_has_no_page(shared: World) -> None:
    assert len({kind.code for kind in error_classes().values()}) == len(error_classes())
    assert shared.client.get("/errors/%3Cscript%3E").status_code == 404


def test_problem_types_begin_with_the_public_url_where_one_is_set() -> None:
    with world(public_url="https://docs.example.com/surefoot/") as made:
        assert made.client.get("/nowhere").json()["type"] == "https://docs.example.com/surefoot/errors/not_found"


@pytest.mark.parametrize("given", ["abc", "A.b_c-9", "x" * 64])
def test_a_harmless_request_id_is_kept(shared: World, given: str) -> None:
    answered = shared.client.get("/nowhere", headers={"X-Request-Id": given})
    assert answered.headers["X-Request-Id"] == answered.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", 'a"b', "a;b", "a/b"])
def test_any_other_request_id_is_replaced(shared: World, given: str) -> None:
    answered = shared.client.get("/nowhere", headers={"X-Request-Id": given})
    assert re.fullmatch(r"req_[0-9a-f]{32}", answered.headers["X-Request-Id"])


class LeakyEncoder(HashingEncoder):
    """An encoder that fails and says too much."""

    def encode_query(self, text: str) -> Vectors:
        raise RuntimeError("password=hunter2 at /etc/surefoot/secret")


def test_an_unexpected_error_tells_its_request_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with world(encoder=LeakyEncoder()) as made:
        answered = made.client.post("/v1/ask", json={"question": "why?"}, headers=made.viewer())
    assert (answered.status_code, answered.json()["code"]) == (500, "internal")
    assert "hunter2" not in answered.text and "Traceback" not in answered.text
    assert answered.headers["X-Request-Id"] in caplog.text and "hunter2" in caplog.text
    assert answered.headers["X-Content-Type-Options"] == "nosniff"


class BrokenEncoder(HashingEncoder):
    """An encoder that is out of order and names its file."""

    def encode_query(self, text: str) -> Vectors:
        raise MissingModel("/srv/secret/model.onnx is gone")


def test_an_inner_failure_with_a_name_tells_its_remedy_and_not_its_details(caplog: pytest.LogCaptureFixture) -> None:
    with world(encoder=BrokenEncoder()) as made:
        answered = made.client.post("/v1/ask", json={"question": "why?"}, headers=made.viewer())
        ready = made.client.get("/readyz")
    assert (answered.status_code, answered.json()["code"]) == (500, "missing_model")
    assert "/srv/secret" not in answered.text and "reinstall" in answered.json()["detail"]
    assert "/srv/secret" in caplog.text and answered.headers["X-Request-Id"] in caplog.text
    assert ready.status_code == 503 and "/srv/secret" not in ready.text


def test_no_credential_reaches_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="surefoot")
    with world(encoder=LeakyEncoder()) as made:
        credentials = [made.viewer(), made.ingest_key(), made.admin_key()]
        for headers in credentials:
            made.client.post("/v1/ask", json={"question": "why?"}, headers=headers)
            made.client.get("/v1/keys", headers=headers)
    for headers in credentials:
        assert headers["Authorization"].removeprefix("Bearer ") not in caplog.text


# Origins

WRONG_ORIGINS = [
    "null",
    "https://app.example.com.evil.example",
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://sub.app.example.com",
    "https://APP.example.com",
    "https://app.example.com/",
    "https://app.example.com, https://evil.example",
    "https://evil.example#https://app.example.com",
    "https://app.example.com@evil.example",
    "*",
    "",
    "file://",
    "chrome-extension://abc",
]


@pytest.fixture(scope="module")
def listed() -> Iterator[World]:
    with world(cors_origins=(LISTED,)) as made:
        yield made


@pytest.mark.parametrize("origin", WRONG_ORIGINS)
def test_a_wrong_origin_is_refused_and_given_no_permission(listed: World, shared: World, origin: str) -> None:
    for made in (listed, shared):
        for method, path in (("POST", "/v1/ask"), ("GET", "/v1/keys"), ("GET", "/healthz"), ("OPTIONS", "/v1/ask")):
            headers = made.viewer() | {"Origin": origin, "Access-Control-Request-Method": "POST"}
            answered = made.client.request(method, path, headers=headers)
            assert (answered.status_code, answered.json()["code"]) == (403, "forbidden")
            assert not [name for name in answered.headers if name.startswith("access-control-")]


def test_the_listed_origin_may_ask_and_read_what_it_needs(listed: World) -> None:
    asked = listed.client.post("/v1/ask", json={"question": "why?"}, headers=listed.viewer() | {"Origin": LISTED})
    assert asked.status_code == 200
    assert asked.headers["Access-Control-Allow-Origin"] == LISTED and "Origin" in asked.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in asked.headers
    refused = listed.client.post("/v1/ask", json={"question": "why?"}, headers={"Origin": LISTED})
    assert refused.status_code == 401 and refused.headers["Access-Control-Allow-Origin"] == LISTED


def test_a_preflight_of_the_listed_origin_is_answered_without_credentials(listed: World) -> None:
    headers = {"Origin": LISTED, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answered = listed.client.request("OPTIONS", "/v1/ask", headers=headers)
    assert answered.status_code == 204 and answered.content == b""
    assert answered.headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE"
    assert "Authorization" in answered.headers["Access-Control-Allow-Headers"]


def test_a_page_of_the_same_host_and_a_caller_without_origin_need_no_listing(shared: World) -> None:
    for headers in ({}, {"Origin": "http://surefoot.test"}, {"Origin": "https://surefoot.test"}):
        asked = shared.client.post("/v1/ask", json={"question": "why?"}, headers=shared.viewer() | headers)
        assert asked.status_code == 200 and "Access-Control-Allow-Origin" not in asked.headers


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://*.example.com",
        "https://a.example/",
        "https://a.example/x",
        "a.example",
        "null",
        "",
        "ftp://a.example",
        "https://A.example",
    ],
)
def test_settings_with_anything_but_exact_origins_do_not_start(origin: str) -> None:
    with pytest.raises(InvalidSettings, match="cors_origins"):
        check_origins([origin])


def test_exact_origins_are_accepted() -> None:
    assert check_origins(["https://a.example", "http://localhost:3000"]) == {"https://a.example", "http://localhost:3000"}
