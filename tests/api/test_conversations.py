from typing import Any

from tests.api.world import ACME, GLOBEX, World

REFUND_QUESTION = "How many business days until refunds reach the card?"


def started(world: World, headers: dict[str, str], **body: Any) -> str:
    answered = world.client.post("/v1/conversations", json=body, headers=headers)
    assert answered.status_code == 201, answered.text
    assert answered.json()["surface"] == body.get("surface", "help") and answered.json()["handed_over_at"] is None
    return str(answered.json()["conversation_id"])


def history(world: World, conversation: str, headers: dict[str, str]) -> dict[str, Any]:
    answered = world.client.get(f"/v1/conversations/{conversation}", headers=headers)
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


def test_questions_of_a_conversation_are_its_turns(fresh: World) -> None:
    viewer = fresh.viewer()
    conversation = started(fresh, viewer)
    reply = fresh.ask(REFUND_QUESTION, viewer, conversation_id=conversation)
    fresh.ask("And bank transfers?", viewer, conversation_id=conversation)
    first, second = history(fresh, conversation, viewer)["turns"]
    assert (first["question"], first["searched"], first["outcome"]) == (REFUND_QUESTION, REFUND_QUESTION, "answer")
    assert first["reply_id"] == reply["reply_id"]
    assert first["shown"] == [claim["text"] for claim in reply["answer"]["claims"]]
    assert (
        second["question"] == "And bank transfers?" and "refunds" in second["searched"] and "bank transfers" in second["searched"]
    )


def test_a_conversation_exists_for_its_viewer_alone(shared: World) -> None:
    own = shared.viewer(user="ada")
    conversation = started(shared, own)
    path = f"/v1/conversations/{conversation}"
    for stranger in (shared.viewer(user="grace"), shared.viewer(user="ada", tenant=GLOBEX)):
        assert shared.client.get(path, headers=stranger).status_code == 404
        assert shared.client.delete(path, headers=stranger).status_code == 404
        assert shared.client.post(f"{path}/handover", json={}, headers=stranger).status_code == 404
        body = {"question": REFUND_QUESTION, "conversation_id": conversation}
        assert shared.client.post("/v1/ask", json=body, headers=stranger).status_code == 404
        assert conversation not in shared.client.get("/v1/conversations", headers=stranger).text
    assert conversation in shared.client.get("/v1/conversations", headers=own).text
    assert history(shared, conversation, own)["turns"] == []


def test_server_keys_and_nobody_have_no_conversations(shared: World) -> None:
    for headers in (shared.admin_key(), shared.ingest_key(), {}):
        assert shared.client.get("/v1/conversations", headers=headers).status_code == 401
        assert shared.client.post("/v1/conversations", json={}, headers=headers).status_code == 401


def test_claims_of_a_document_that_may_not_be_read_any_more_are_not_shown_again(fresh: World) -> None:
    viewer = fresh.viewer()
    conversation = started(fresh, viewer)
    fresh.ask(REFUND_QUESTION, viewer, conversation_id=conversation)
    assert "5 business days" in str(history(fresh, conversation, viewer))
    identity = fresh.tenants[ACME].documents["refunds.md"]
    fresh.client.put(f"/v1/documents/{identity}/access", json={"principals": []}, headers=fresh.ingest_key())
    assert "5 business days" not in str(history(fresh, conversation, viewer))


def test_a_deleted_conversation_is_gone(shared: World) -> None:
    viewer = shared.viewer()
    conversation = started(shared, viewer)
    path = f"/v1/conversations/{conversation}"
    assert shared.client.delete(path, headers=viewer).status_code == 204
    assert shared.client.get(path, headers=viewer).status_code == 404
    assert shared.client.delete(path, headers=viewer).status_code == 404


def test_handing_over_sends_one_event_and_says_so_again(fresh: World) -> None:
    viewer = fresh.viewer()
    conversation = started(fresh, viewer)
    fresh.ask("Zyxwv qponm?", viewer, conversation_id=conversation)
    path = f"/v1/conversations/{conversation}/handover"
    first = fresh.client.post(path, json={"note": "Before Friday, please."}, headers=viewer).json()
    again = fresh.client.post(path, json={}, headers=viewer).json()
    assert (first["is_first"], again["is_first"]) == (True, False)
    assert first["event_id"] == again["event_id"] and first["handed_over_at"] == again["handed_over_at"]
    with fresh.surefoot.store.begin() as work:
        (event,) = work.events.recent(ACME, limit=10, type_prefix="surefoot.conversation.")
    assert (event.event_id, event.type) == (first["event_id"], "surefoot.conversation.handed_over")
    assert (event.data["note"], event.data["viewer"]["user"]) == ("Before Friday, please.", "ada")  # type: ignore[index]
    assert history(fresh, conversation, viewer)["conversation"]["handed_over_at"] == first["handed_over_at"]


def test_a_note_that_is_too_long_and_a_surface_that_is_not_declared_are_refused(shared: World) -> None:
    viewer = shared.viewer()
    path = f"/v1/conversations/{started(shared, viewer)}/handover"
    assert shared.client.post(path, json={"note": "a" * 2001}, headers=viewer).status_code == 422
    assert shared.client.post(path, json={"note": "a\0"}, headers=viewer).status_code == 422
    assert shared.client.post("/v1/conversations", json={"surface": "nowhere"}, headers=viewer).status_code == 422


def test_replies_show_choices_and_notes(shared: World) -> None:
    assert shared.ask(REFUND_QUESTION, shared.viewer())["answer"]["note"] == ""
    assert shared.ask("Zyxwv qponm?", shared.viewer())["refusal"]["choices"] == []
