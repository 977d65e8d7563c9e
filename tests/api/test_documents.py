from base64 import b64encode

import pytest

from surefoot.domain.documents import document_id
from tests.api.world import ACME, GLOBEX, REFUNDS, World


def test_publishing_the_same_document_again_changes_and_encodes_nothing(fresh: World) -> None:
    body = {"uri": "refunds.md", "content": REFUNDS, "media_type": "text/markdown", "principals": ["everyone"]}
    again = fresh.client.put("/v1/documents", json=body, headers=fresh.ingest_key()).json()
    assert again["document_id"] == fresh.tenants[ACME].documents["refunds.md"]
    assert (again["report"]["unchanged"], again["report"]["encoded_chunks"], again["report"]["changed"]) == (1, 0, 0)


def test_a_batch_is_published_together_and_lists_what_it_skipped(fresh: World) -> None:
    documents = [
        {"uri": "a.md", "content": "# A\n\nApples are red.\n", "principals": ["everyone"]},
        {"uri": "b.txt", "content_base64": b64encode(b"Bananas are yellow.").decode(), "principals": ["everyone"]},
        {"uri": "empty.md", "content": "", "principals": ["everyone"]},
    ]
    report = fresh.client.post("/v1/documents:batch", json={"documents": documents}, headers=fresh.ingest_key()).json()
    assert report["added"] == 2
    assert [one["uri"] for one in report["skipped"]] == ["empty.md"] and report["skipped"][0]["reason"]
    assert "Bananas" in str(fresh.ask("What colour are bananas?", fresh.viewer()))


def test_a_single_document_that_cannot_be_read_is_an_error_with_the_reason(shared: World) -> None:
    body = {"uri": "broken.pdf", "content_base64": b64encode(b"%PDF-1.7 nothing").decode(), "media_type": "application/pdf"}
    answered = shared.client.put("/v1/documents", json=body, headers=shared.ingest_key())
    assert (answered.status_code, answered.json()["code"]) == (422, "unreadable_document")
    assert "broken.pdf" in answered.json()["detail"]


def test_a_document_without_stated_rights_is_nobodys(fresh: World) -> None:
    body = {"uri": "silent.md", "content": "# Silent\n\nThe owl flies at midnight.\n"}
    published = fresh.client.put("/v1/documents", json=body, headers=fresh.ingest_key()).json()
    shown = fresh.client.get(f"/v1/documents/{published['document_id']}", headers=fresh.ingest_key()).json()
    assert shown["document"]["principals"] == [] and published["report"]["warnings"]
    assert "owl" not in str(fresh.ask("When does the owl fly?", fresh.viewer("group:finance")))


def test_dates_trust_and_rights_that_are_stated_are_kept(fresh: World) -> None:
    body = {
        "uri": "dated.md",
        "content": "# Dated\n\nThe fair opens at nine.\n",
        "principals": ["group:b", "group:a"],
        "trust": "official",
        "updated_at": "2026-01-12",
        "valid_until": "2026-12-31T00:00:00+01:00",
    }
    identity = fresh.client.put("/v1/documents", json=body, headers=fresh.ingest_key()).json()["document_id"]
    shown = fresh.client.get(f"/v1/documents/{identity}", headers=fresh.ingest_key()).json()
    document = shown["document"]
    assert document["principals"] == ["group:a", "group:b"]
    assert (document["trust"], document["source"], document["title"]) == ("official", "api", "Dated")
    assert document["updated_at"] == "2026-01-12T00:00:00Z" and document["valid_until"] == "2026-12-30T23:00:00Z"
    assert shown["text"] == body["content"] and document["characters"] == len(body["content"])


def test_pages_hold_every_document_once_in_a_stable_order(fresh: World) -> None:
    for number in range(5):
        fresh.put(f"page{number}.md", f"# Page {number}\n\nText of page {number}.\n")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = fresh.client.get("/v1/documents", params=query, headers=fresh.ingest_key()).json()
        assert len(page["documents"]) <= 2
        seen += [document["document_id"] for document in page["documents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    expected = {document_id(ACME, f"page{number}.md") for number in range(5)} | set(fresh.tenants[ACME].documents.values())
    assert seen == sorted(expected)


def test_a_deleted_document_is_gone_from_answers_lists_and_reads(fresh: World) -> None:
    identity = fresh.tenants[ACME].documents["refunds.md"]
    assert fresh.client.delete(f"/v1/documents/{identity}", headers=fresh.ingest_key()).status_code == 204
    assert fresh.client.delete(f"/v1/documents/{identity}", headers=fresh.ingest_key()).status_code == 404
    assert fresh.client.get(f"/v1/documents/{identity}", headers=fresh.ingest_key()).status_code == 404
    assert "refunds.md" not in fresh.client.get("/v1/documents", headers=fresh.ingest_key()).text
    assert fresh.ask("How long do refunds take to reach the card?", fresh.viewer())["kind"] == "refusal"


def test_the_corpus_version_changes_with_documents_and_with_rights(fresh: World) -> None:
    def version() -> str:
        return str(fresh.client.get("/v1/corpus", headers=fresh.ingest_key()).json()["version"])

    first = version()
    identity = fresh.put("new.md", "# New\n\nSomething new.\n")
    second = version()
    fresh.client.put(f"/v1/documents/{identity}/access", json={"principals": ["group:a"]}, headers=fresh.ingest_key())
    assert len({first, second, version()}) == 3


def test_the_same_uri_in_two_tenants_is_two_documents(fresh: World) -> None:
    assert fresh.put("refunds.md", "# Other\n\nGlobex never refunds.\n", tenant=GLOBEX) != document_id(ACME, "refunds.md")
    text = fresh.client.get(f"/v1/documents/{document_id(ACME, 'refunds.md')}", headers=fresh.ingest_key()).json()["text"]
    assert text == REFUNDS


BASE = {"uri": "x.md", "content": "# X\n\nText.\n"}


@pytest.mark.parametrize(
    "change",
    [
        {"uri": ""},
        {"uri": "a\nb"},
        {"uri": " x"},
        {"uri": "x" * 2049},
        {"content": None},
        {"content_base64": "AAAA"},
        {"content": "a\0b"},
        {"content": None, "content_base64": "not base64!"},
        {"content": None, "content_base64": "AAA"},
        {"content": None, "content_base64": "é"},
        {"principals": ["*"]},
        {"principals": ["finance"]},
        {"principals": "everyone"},
        {"principals": [None]},
        {"principals": ["group:*"]},
        {"trust": "gospel"},
        {"updated_at": 5},
        {"updated_at": "yesterday"},
        {"valid_until": "2026-13-01"},
        {"media_type": "text/\nplain"},
        {"tenant": "globex"},
        {"document_id": "doc_000000000000000000000000"},
        {"source": "cli"},
    ],
)
def test_a_document_that_is_not_as_documented_is_refused(shared: World, change: dict[str, object]) -> None:
    answered = shared.client.put("/v1/documents", json=BASE | change, headers=shared.ingest_key())
    assert (answered.status_code, answered.json()["code"]) == (422, "invalid_input"), answered.text


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=" + "x" * 65, "cursor=%00", "cursor=doc_"])
def test_page_parameters_have_bounds(shared: World, query: str) -> None:
    assert shared.client.get(f"/v1/documents?{query}", headers=shared.ingest_key()).status_code == 422


@pytest.mark.parametrize("method", ["put", "post", "get", "delete"])
def test_asking_and_administering_credentials_do_not_ingest(shared: World, method: str) -> None:
    path = {"put": "/v1/documents", "post": "/v1/documents:batch", "get": "/v1/corpus", "delete": "/v1/documents/doc_x"}[method]
    for headers, status in ((shared.viewer(), 401), (shared.admin_key(), 403), ({}, 401)):
        more = {"json": BASE} if method in ("put", "post") else {}
        answered = shared.client.request(method.upper(), path, headers=headers, **more)
        assert answered.status_code == status
