"""Whoever got a reply may say what they think of it, and nobody else."""

from typing import Any

import httpx
import pytest

from tests.api.world import ACME, GLOBEX, World

QUESTION = "How many business days until refunds reach the card?"


def say(made: World, reply_id: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return made.client.post(f"/v1/replies/{reply_id}/feedback", json=body, headers=headers or made.viewer())


def kept(made: World, reply_id: str) -> list[tuple[str, str]]:
    with made.surefoot.store.begin() as work:
        return [(word.opinion.value, word.comment) for word in work.feedback.of(ACME, [reply_id])]


def test_a_word_is_kept_and_a_later_one_takes_its_place(fresh: World) -> None:
    reply_id = fresh.ask(QUESTION, fresh.viewer())["reply_id"]
    first = say(fresh, reply_id, opinion="helpful")
    assert (first.status_code, first.json()["opinion"]) == (200, "helpful")
    assert say(fresh, reply_id, opinion="helpful").json() == first.json(), "the same word again changes nothing"
    say(fresh, reply_id, opinion="not_relevant", comment="  I asked about cards.  ")
    assert kept(fresh, reply_id) == [("not_relevant", "I asked about cards.")]


def test_only_the_viewer_who_got_the_reply_may_speak(fresh: World) -> None:
    reply_id = fresh.ask(QUESTION, fresh.viewer())["reply_id"]
    for headers in (fresh.viewer(user="eve"), fresh.viewer(tenant=GLOBEX)):
        refused = say(fresh, reply_id, headers, opinion="wrong")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert say(fresh, reply_id, fresh.admin_key(), opinion="wrong").status_code == 401
    assert kept(fresh, reply_id) == []


@pytest.mark.parametrize(
    "body", [{}, {"opinion": "bad"}, {"opinion": "wrong", "comment": "x" * 1_001}, {"opinion": "wrong", "comment": "\0"}]
)
def test_a_word_of_another_form_is_refused(shared: World, body: dict[str, Any]) -> None:
    reply_id = shared.ask(QUESTION, shared.viewer())["reply_id"]
    assert say(shared, reply_id, **body).status_code == 422


def test_what_looks_personal_or_secret_is_taken_out_of_a_comment(fresh: World) -> None:
    reply_id = fresh.ask(QUESTION, fresh.viewer())["reply_id"]
    said = "Call nora@example.com or +49 30 1234567, my key is sk_live_abcdefgh1234 and it took 10 days since 2026-01-31."
    say(fresh, reply_id, opinion="wrong", comment=said)
    kept_as = "Call [e-mail] or [number], my key is [redacted] and it took 10 days since 2026-01-31."
    assert kept(fresh, reply_id) == [("wrong", kept_as)]
