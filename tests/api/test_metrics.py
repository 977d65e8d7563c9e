"""The metrics are the operator's: a token of their own opens them, and no tenant's key does."""

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.world import ACME, World, world

TOKEN = "operator-token-of-the-tests"


@pytest.fixture(scope="module")
def guarded() -> Iterator[World]:
    with world(metrics_token=TOKEN) as made:
        yield made


def test_the_operators_token_reads_every_series_as_text(guarded: World) -> None:
    answered = guarded.client.request("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answered.status_code == 200
    assert answered.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert answered.headers["cache-control"] == "no-store"
    names = {family.name for family in text_string_to_metric_families(answered.text)}
    assert {"surefoot_replies", "surefoot_steps", "surefoot_cost_usd", "surefoot_stage_seconds"} <= names


def test_no_other_credential_opens_them_a_tenants_admin_key_included(guarded: World) -> None:
    others = [
        {},
        guarded.admin_key(),
        guarded.ingest_key(),
        guarded.viewer(),
        {"Authorization": TOKEN},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
    ]
    for headers in others:
        answered = guarded.client.request("GET", "/metrics", headers=headers)
        assert (answered.status_code, answered.json()["code"]) == (401, "unauthenticated"), headers
        assert "surefoot_" not in answered.text
    both = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
    assert guarded.client.request("GET", "/metrics", headers=both).status_code == 401


def test_a_token_in_bytes_that_are_no_ascii_is_refused_and_nothing_breaks(guarded: World) -> None:
    answered = guarded.client.request("GET", "/metrics", headers={"Authorization": "Bearer töken".encode("latin-1")})
    assert answered.status_code == 401


def test_without_a_token_there_is_no_such_page(shared: World) -> None:
    for headers in ({}, shared.admin_key(), {"Authorization": "Bearer "}):
        answered = shared.client.request("GET", "/metrics", headers=headers)
        assert (answered.status_code, answered.json()["code"]) == (404, "not_found")


def test_public_metrics_need_no_credential_and_name_no_tenant() -> None:
    with world(metrics_public=True) as made:
        made.ask("How many business days until refunds reach the card?", made.viewer())
        answered = made.client.request("GET", "/metrics")
        assert answered.status_code == 200
        assert ACME not in answered.text and "refunds" not in answered.text


def test_they_answer_while_the_database_does_not() -> None:
    with world(metrics_public=True) as made:
        made.surefoot.store.close()
        assert made.client.get("/readyz").status_code == 503
        assert made.client.get("/metrics").status_code == 200
