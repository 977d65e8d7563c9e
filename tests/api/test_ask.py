from datetime import timedelta

import pytest

from tests.api.world import ACME, GLOBEX, World

REFUND_QUESTION = "How many business days until refunds reach the card?"
PAYROLL_QUESTION = "What is the payroll account number?"


def test_an_answer_quotes_the_document_to_the_character_and_says_who_wrote_it(shared: World) -> None:
    reply = shared.ask(REFUND_QUESTION, shared.viewer())
    assert (reply["kind"], reply["refusal"]) == ("answer", None)
    answer = reply["answer"]
    assert (answer["tier"], answer["ai_generated"]) == ("extractive", False) and "no AI" in answer["label"]
    text = shared.client.get(f"/v1/documents/{shared.tenants[ACME].documents['refunds.md']}", headers=shared.ingest_key()).json()
    for claim in answer["claims"]:
        assert claim["citations"], "a claim without a citation must not be shown"
        for citation in claim["citations"]:
            assert text["text"][citation["start"] : citation["end"]] == citation["quote"]
    assert (reply["cost_usd"], reply["tokens"]) == (0.0, 0)
    assert reply["why"].startswith("The answer is quoted from 1 passage") and "'Refunds' (undated)" in reply["why"]
    assert reply["timings_ms"] and reply["corpus_version"] and 0 <= reply["confidence"] <= 1


def test_two_viewers_with_different_rights_get_different_outcomes(shared: World) -> None:
    finance = shared.ask(PAYROLL_QUESTION, shared.viewer("group:finance"))
    others = shared.ask(PAYROLL_QUESTION, shared.viewer("group:sales"))
    assert "ACME-CANARY-77" in str(finance["answer"])
    assert "CANARY" not in str(others) and "payroll.md" not in str(others)


def test_another_tenants_documents_are_in_no_reply(shared: World) -> None:
    reply = shared.ask("What is the rocket launch code of globex?", shared.viewer("group:finance"))
    assert "GLOBEX-CANARY-99" not in str(reply) and "rockets.md" not in str(reply)
    assert "GLOBEX-CANARY-99" in str(shared.ask("What is the rocket launch code?", shared.viewer(tenant=GLOBEX)))


def test_a_refusal_is_a_result_with_status_200_its_reason_and_what_would_help(shared: World) -> None:
    reply = shared.ask("Zyxwv qponm?", shared.viewer())
    assert (reply["kind"], reply["answer"]) == ("refusal", None)
    assert reply["refusal"]["reason"] in ("no_evidence", "out_of_scope", "insufficient_evidence")
    assert reply["refusal"]["message"] and reply["why"].startswith("Nothing is shown because")


def test_where_narrows_what_is_asked_and_never_widens_it(shared: World) -> None:
    documents = shared.tenants[ACME].documents
    question, viewer = REFUND_QUESTION, shared.viewer()
    assert shared.ask(question, viewer, where={"documents": [documents["refunds.md"]]})["kind"] == "answer"
    for nothing in (
        {"documents": [documents["payroll.md"]]},
        {"documents": [shared.tenants[GLOBEX].documents["rockets.md"]]},
        {"locales": ["de"]},
        {"updated_since": "2020-01-01"},
    ):
        reply = shared.ask(question, viewer, where=nothing)
        assert reply["kind"] == "refusal" and "CANARY" not in str(reply)


def test_a_revoked_right_is_gone_on_the_very_next_question_and_citation(fresh: World) -> None:
    identity = fresh.tenants[ACME].documents["refunds.md"]
    citation = fresh.ask(REFUND_QUESTION, fresh.viewer())["answer"]["claims"][0]["citations"][0]
    path = f"/v1/citations/{citation['chunk_id']}"
    assert fresh.client.get(path, headers=fresh.viewer()).status_code == 200
    answered = fresh.client.put(f"/v1/documents/{identity}/access", json={"principals": []}, headers=fresh.ingest_key())
    assert answered.json() == {"principals": [], "changed": True}
    assert fresh.ask(REFUND_QUESTION, fresh.viewer())["kind"] == "refusal"
    assert fresh.client.get(path, headers=fresh.viewer()).status_code == 404


def test_a_citation_opens_with_the_text_around_it(shared: World) -> None:
    citation = shared.ask(REFUND_QUESTION, shared.viewer())["answer"]["claims"][0]["citations"][0]
    passage = shared.client.get(f"/v1/citations/{citation['chunk_id']}", headers=shared.viewer()).json()
    assert passage["text"][citation["start"] - passage["start"] : citation["end"] - passage["start"]] == citation["quote"]
    assert passage["before"].startswith("# Refunds") and passage["uri"] == "refunds.md"


def test_a_reply_can_be_read_from_the_ledger_by_the_tenants_admin_alone(shared: World) -> None:
    reply = shared.ask(REFUND_QUESTION, shared.viewer(user="grace"))
    path = f"/v1/replies/{reply['reply_id']}"
    recorded = shared.client.get(path, headers=shared.admin_key()).json()
    assert recorded["question"] == REFUND_QUESTION and recorded["outcome"] == "answer"
    assert "grace" not in str(recorded), "who asked is kept as a hash"
    assert shared.client.get(path, headers=shared.admin_key(GLOBEX)).status_code == 404
    assert shared.client.get(path, headers=shared.ingest_key()).status_code == 403
    assert shared.client.get(path, headers=shared.viewer()).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.question"),
        ({"question": ""}, "body.question"),
        ({"question": "   "}, "body.question"),
        ({"question": 7}, "body.question"),
        ({"question": None}, "body.question"),
        ({"question": "x" * 2001}, "body.question"),
        ({"question": "a\0b"}, "body.question"),
        ({"question": "why?", "tenant": "globex"}, "body.tenant"),
        ({"question": "why?", "principals": ["group:finance"]}, "body.principals"),
        ({"question": "why?", "limit": 0}, "body.limit"),
        ({"question": "why?", "limit": 51}, "body.limit"),
        ({"question": "why?", "limit": True}, "body.limit"),
        ({"question": "why?", "limit": "5"}, "body.limit"),
        ({"question": "why?", "where": {"locales": []}}, "body.where.locales"),
        ({"question": "why?", "where": {"locales": ["*"]}}, "body.where.locales.0"),
        ({"question": "why?", "where": {"documents": ["refunds.md"]}}, "body.where.documents.0"),
        ({"question": "why?", "where": {"updated_since": 1700000000}}, "body.where.updated_since"),
        ({"question": "why?", "where": {"updated_since": "soon"}}, "body.where.updated_since"),
        ({"question": "why?", "where": {"updated_since": "0001-01-01T00:00:00+23:59"}}, "body.where.updated_since"),
        ({"question": "why?", "where": {"trust": "official"}}, "body.where.trust"),
        ({"question": "why?", "where": []}, "body.where"),
    ],
)
def test_a_question_that_is_not_as_documented_is_refused_by_field(shared: World, body: dict[str, object], field: str) -> None:
    answered = shared.client.post("/v1/ask", json=body, headers=shared.viewer())
    problem = answered.json()
    assert (answered.status_code, problem["code"]) == (422, "invalid_input")
    assert field in [one["field"] for one in problem["errors"]]


def test_a_token_that_has_expired_no_longer_asks(fresh: World) -> None:
    viewer = fresh.viewer()
    fresh.clock.advance(timedelta(minutes=11))
    answered = fresh.client.post("/v1/ask", json={"question": "why?"}, headers=viewer)
    assert (answered.status_code, answered.json()["code"]) == (401, "unauthenticated")
    assert answered.headers["WWW-Authenticate"] == "Bearer" and "expired" in answered.json()["detail"]


def test_credentials_other_than_one_viewer_token_do_not_ask(shared: World) -> None:
    token = shared.viewer()["Authorization"]
    for headers in (
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", token.replace("Bearer", "Basic"))],
        [("Authorization", token.removeprefix("Bearer "))],
        [("Authorization", token + " ")],
        [("Authorization", token), ("Authorization", token)],
        [("Authorization", shared.ingest_key()["Authorization"])],
        [("Authorization", shared.admin_key()["Authorization"])],
        [("Cookie", f"token={token}")],
    ):
        answered = shared.client.post("/v1/ask", json={"question": "why?"}, headers=headers)
        assert answered.status_code == 401, headers
        assert token.removeprefix("Bearer ")[:30] not in answered.text
    by_query = shared.client.post(f"/v1/ask?access_token={token}", json={"question": "why?"})
    assert by_query.status_code == 401


def test_a_tenant_without_documents_refuses_rather_than_fails(fresh: World) -> None:
    identity = fresh.tenants[GLOBEX].documents["rockets.md"]
    assert fresh.client.delete(f"/v1/documents/{identity}", headers=fresh.ingest_key(GLOBEX)).status_code == 204
    assert fresh.ask("What is the launch code?", fresh.viewer(tenant=GLOBEX))["kind"] == "refusal"


def test_readiness_says_what_is_wrong(fresh: World) -> None:
    ready = fresh.client.get("/readyz").json()
    assert (ready["status"], ready["checks"]) == ("ready", {"store": "ok", "encoder": "ok"})
    fresh.surefoot.store.close()
    answered = fresh.client.get("/readyz")
    assert answered.status_code == 503 and answered.json()["checks"]["store"].startswith("store_unavailable")
    assert fresh.client.get("/healthz").json() == {"status": "ok"}
