"""A reply is kept only where tenant and viewer agree, without what names anybody, and for its time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.api.sweeping import sweep
from surefoot.assistant.live_samples import LiveSamples, has_consented
from surefoot.core.errors import StoreUnavailable
from surefoot.domain.feedback import LiveSample
from surefoot.domain.identity import EVERYONE, TenantId, Viewer
from tests.api.world import ACME, GLOBEX, NOW, World, world

QUESTION = "How many business days until refunds reach the card?"
AGREES = (("consent", "product_tips quality_improvement"),)


def person(consent: str | None, user: str = "ada", tenant: TenantId = ACME) -> Viewer:
    context = () if consent is None else (("consent", consent),)
    return Viewer(tenant, user, frozenset({EVERYONE}), context=context)


@pytest.fixture
def keeping() -> Iterator[World]:
    with world(keep_live_samples=("acme",), live_samples_days=7) as made:
        yield made


def kept(made: World, tenant: TenantId = ACME) -> list[LiveSample]:
    return list(made.surefoot.samples.read(tenant, NOW - timedelta(days=30)))


def swept(made: World) -> int:
    return sweep(made.surefoot.samples, made.surefoot.retention, made.surefoot.store)


@pytest.mark.parametrize(
    ("said", "agrees"),
    [
        (None, False),
        ("none", False),
        ("quality_improvement", True),
        ("product_tips, quality_improvement", True),
        ("not_quality_improvement", False),
        ("quality_improvement_no", False),
    ],
)
def test_consent_is_said_in_the_token_and_silence_is_no(said: str | None, agrees: bool) -> None:
    assert has_consented(person(said)) is agrees


def test_nothing_is_kept_unless_the_tenant_and_the_viewer_agree(keeping: World) -> None:
    ask = keeping.surefoot.ask.ask
    ask(person(None), QUESTION)
    ask(person("quality_improvement", tenant=GLOBEX), QUESTION)
    assert kept(keeping) == [] == kept(keeping, GLOBEX)
    reply = ask(person("quality_improvement"), QUESTION)
    assert [each.reply_id for each in kept(keeping)] == [reply.reply_id]


def test_by_default_nobody_is_sampled() -> None:
    with world() as made:
        made.surefoot.ask.ask(person("quality_improvement"), QUESTION)
        assert kept(made) == []


def test_a_sample_names_nobody_and_holds_no_secret(keeping: World) -> None:
    said = "I am nora@example.com, +49 30 123456789, key sk_live_abcdefgh1234: how many days until refunds reach the card?"
    keeping.surefoot.ask.ask(person("quality_improvement", user="usr_canary"), said)
    (sample,) = kept(keeping)
    text = str(sample.record)
    assert not [word for word in ("nora@", "123456789", "sk_live", "usr_canary") if word in text]
    assert str(sample.record["question"]).endswith("how many days until refunds reach the card?")


def test_whoever_withdraws_has_no_samples_from_their_next_question_on_and_others_keep_theirs(keeping: World) -> None:
    ask = keeping.surefoot.ask.ask
    for user in ("ada", "bea"):
        ask(person("quality_improvement", user), QUESTION)
    ask(person("product_tips", "ada"), "Something else entirely?")
    assert len(kept(keeping)) == 1


def test_what_is_expired_is_not_read_and_the_sweep_deletes_it(keeping: World) -> None:
    keeping.surefoot.ask.ask(person("quality_improvement"), QUESTION)
    keeping.clock.advance(timedelta(days=7, microseconds=-1))
    assert (len(kept(keeping)), swept(keeping)) == (1, 0)
    keeping.clock.advance(timedelta(microseconds=1))
    assert kept(keeping) == []
    assert [swept(keeping) for _ in range(2)] == [1, 0]


def test_a_tenant_that_withdraws_is_not_read_any_more_and_the_sweep_deletes_all_of_it(keeping: World) -> None:
    keeping.surefoot.ask.ask(person("quality_improvement"), QUESTION)
    without = LiveSamples(keeping.surefoot.store, keeping.clock, tenants=(), keep_days=7)
    assert list(without.read(ACME, NOW)) == []
    assert without.sweep(ACME) == 1
    assert kept(keeping) == []


def test_a_shorter_time_counts_for_what_is_kept_already(keeping: World) -> None:
    keeping.surefoot.ask.ask(person("quality_improvement"), QUESTION)
    keeping.clock.advance(timedelta(days=2))
    shorter = LiveSamples(keeping.surefoot.store, keeping.clock, tenants=("*",), keep_days=1)
    assert list(shorter.read(ACME, NOW)) == []


def test_a_store_that_fails_fails_no_reply(keeping: World, caplog: pytest.LogCaptureFixture) -> None:
    reply = keeping.surefoot.ask.ask(person("quality_improvement"), QUESTION)

    class Broken:
        def begin(self) -> None:
            raise StoreUnavailable("The database at secret.example does not answer.")

    broken = LiveSamples(Broken(), keeping.clock, tenants=("acme",), keep_days=7)  # type: ignore[arg-type]
    broken.saw(replace(person(None), context=AGREES), reply)
    assert "store_unavailable" in caplog.text and "secret.example" not in caplog.text
