"""Whatever is sent, nothing fails: every answer is a documented success or a problem below 500."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.world import World, world

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLAUSIBLE = (
    ["everyone", "group:finance", "group:*", "*", "en", "official", "AAAA", "{}", f"doc_{0:024}"],
    ["a.md", "a.pdf", "a.jsonl", "a.html", "a.docx", "text/html", "application/pdf", "2026-01-01", "9999-12-31T23:59:59-23:59"],
    ["---\nprincipals: x\n---\n# A\n\nB.\n", "<h1>A</h1><p>B</p>", "%PDF-1.7", "PK\x03\x04", "\n" * 9],
)
TEXTS = st.text(max_size=40) | st.sampled_from([text for texts in PLAUSIBLE for text in texts])


@pytest.fixture(scope="module")
def target() -> Iterator[tuple[World, dict[str, Any]]]:
    with world() as made:
        yield made, made.client.get("/openapi.json").json()


def values(schema: dict[str, Any], components: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values mostly of the schema's own kind, so that they reach what lies behind validation."""
    if "$ref" in schema:
        return values(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        return st.one_of([values(one, components) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            required = set(schema.get("required", []))
            known = {name: values(one, components) | st.nothing() for name, one in schema["properties"].items()}
            return st.fixed_dictionaries(
                {name: one for name, one in known.items() if name in required},
                optional={name: one for name, one in known.items() if name not in required},
            )
        case "object":
            return st.dictionaries(st.text(max_size=8), values(schema.get("additionalProperties") or {}, components), max_size=3)
        case "array":
            return st.lists(values(schema["items"], components), max_size=3)
        case "string":
            return TEXTS
        case "integer":
            return st.integers(-5, 60)
        case "null":
            return st.none()
        case _:
            return ANYTHING


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/v1/")
    ]


def bodies(document: dict[str, Any], operation: dict[str, Any]) -> st.SearchStrategy[Any]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return values(schema, document["components"]["schemas"])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_of_any_kind_makes_a_call_fail(target: tuple[World, dict[str, Any]], data: st.DataObject) -> None:
    made, document = target
    with_body = [one for one in operations(document) if "requestBody" in one[2]]
    method, path, operation = data.draw(st.sampled_from(with_body))
    likely = bodies(document, operation)
    body = data.draw(likely | likely | ANYTHING)
    headers = data.draw(st.sampled_from([made.viewer(), made.ingest_key(), made.admin_key()]))
    content = json.dumps(body, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass")
    raw = path.replace("{document_id}", data.draw(st.sampled_from(["doc_" + "0" * 24, "x", "%00"])))
    answered = made.client.request(method.upper(), raw, content=content, headers=headers | {"Content-Type": "application/json"})
    assert answered.status_code < 500, answered.text
    if answered.status_code >= 400:
        assert answered.headers["Content-Type"] == "application/problem+json"
        assert answered.json()["status"] == answered.status_code


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), header=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_no_bytes_and_no_header_make_a_call_fail(target: tuple[World, dict[str, Any]], content: bytes, header: str) -> None:
    made, _ = target
    for headers in (made.viewer(), {"Authorization": header}):
        more = {"Content-Type": "application/json", "X-Request-Id": header[:20]}
        answered = made.client.request("POST", "/v1/ask", content=content, headers=headers | more)
        assert 200 <= answered.status_code < 500


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#?\\"), max_size=40),
    query=st.text(max_size=20),
)
def test_no_path_and_no_query_make_a_call_fail(target: tuple[World, dict[str, Any]], path: str, query: str) -> None:
    made, _ = target
    for raw in (f"/{path}", f"/v1/{path}", f"/errors/{path}", f"/v1/citations/{path}"):
        if raw.startswith("//") or "%" in raw:
            continue
        answered = made.client.request("GET", raw, params={"cursor": query, "limit": query}, headers=made.ingest_key())
        assert answered.status_code < 500, raw
