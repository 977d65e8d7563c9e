"""Which verdict stands, how soon it is obeyed, and what is told when it changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from surefoot.adapters.memory.store import MemoryStore
from surefoot.core.clock import FixedClock
from surefoot.core.errors import InvalidInput
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.domain.verdict_file import verdict_from_json, verdict_to_json
from surefoot.domain.verdicts import ACTIONS_SURFACE, EVERY_SURFACE, Colour, GateResult, GateState, Verdict
from surefoot.governance.audit import AuditTrail, Verified
from surefoot.governance.verdicts import CHANGED, READ_EVERY_SECONDS, Verdicts, overview, sentence

NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)
ACME, GLOBEX = TenantId("acme"), TenantId("globex")


def gate(name: str = "leaks", state: GateState = GateState.FAILED, **fields: object) -> GateResult:
    row = GateResult(
        name, f"share.{name}", state, True, 0.0, False, 200, because=f"The share of {name} is 2 %; at most 0 % may be."
    )
    return replace(row, **fields)  # type: ignore[arg-type]


RED = gate()
WARNING = gate("latency", is_blocking=False)
PASSED, TOO_FEW = gate("facts", GateState.PASSED), gate("drafts", GateState.TOO_FEW)


def verdict(name: str, *results: GateResult, **fields: object) -> Verdict:
    return replace(Verdict(f"vrd_{name}", f"evr_{name}", ("sample",), NOW, results), **fields)  # type: ignore[arg-type]


class House:
    """Verdicts over a memory store whose clock stands still."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), FixedClock(NOW)
        self.trail = AuditTrail(self.store, b"k" * 32)
        self.verdicts = self.another()

    def another(self) -> Verdicts:
        """What another process on the same store has."""
        return Verdicts(self.store, self.clock, self.trail)

    def events(self, tenant: TenantId = ACME) -> list[OutgoingEvent]:
        with self.store.begin() as work:
            return work.events.recent(tenant, limit=10)[::-1]


@pytest.fixture
def house() -> House:
    return House()


# Colours.


@pytest.mark.parametrize(
    ("results", "colour"),
    [
        ((), Colour.GREEN),
        ((PASSED, TOO_FEW), Colour.GREEN),
        ((PASSED, WARNING), Colour.AMBER),
        ((WARNING, RED), Colour.RED),
    ],
)
def test_only_a_blocking_gate_that_failed_makes_a_verdict_red(results: tuple[GateResult, ...], colour: Colour) -> None:
    made = verdict("a", *results)
    assert made.colour() is colour
    assert bool(made.red_gates()) is (colour is Colour.RED)


def test_a_gate_speaks_for_the_surfaces_that_it_names() -> None:
    made = verdict("a", gate(surfaces=("help",)), gate("undone", surfaces=(ACTIONS_SURFACE,)))
    assert [each.gate for each in made.red_gates("help")] == ["leaks"]
    assert [each.gate for each in made.red_gates(ACTIONS_SURFACE)] == ["undone"]
    assert made.red_gates("billing") == () and made.colour("billing") is Colour.GREEN
    assert len(made.red_gates()) == 2 and made.surfaces() == {"help", ACTIONS_SURFACE, EVERY_SURFACE}


def test_a_tenant_without_a_verdict_is_green(house: House) -> None:
    assert house.verdicts.colour(ACME) is Colour.GREEN and house.verdicts.red_gates(ACME, "help") == ()


def test_a_verdict_that_is_stale_goes_on_meaning_what_it_meant(house: House) -> None:
    for colour, result in ((Colour.RED, RED), (Colour.GREEN, PASSED)):
        until = NOW + timedelta(hours=26)
        house.verdicts.put(ACME, verdict(colour, result, valid_until=until), by="ops")
        standing = house.verdicts.all()
        assert overview(standing, until - timedelta(seconds=1)).stale == 0
        assert overview(standing, until).stale == 1
    house.clock.advance(timedelta(days=9))
    assert house.another().colour(ACME) is Colour.GREEN
    house.verdicts.put(GLOBEX, verdict("x", RED, valid_until=NOW), by="ops")
    assert house.another().colour(GLOBEX) is Colour.RED


# How soon it is obeyed.


def test_what_this_process_put_is_obeyed_at_once(house: House) -> None:
    assert house.verdicts.colour(ACME) is Colour.GREEN
    house.verdicts.put(ACME, verdict("a", RED), by="ops")
    assert house.verdicts.colour(ACME) is Colour.RED
    house.verdicts.clear(ACME, by="ops", why="A false alarm.")
    assert house.verdicts.colour(ACME) is Colour.GREEN


def test_what_another_process_put_is_obeyed_within_seconds_and_so_is_the_recovery(house: House) -> None:
    other = house.another()
    assert other.colour(ACME) is Colour.GREEN
    for name, result, before, after in (("a", RED, Colour.GREEN, Colour.RED), ("b", PASSED, Colour.RED, Colour.GREEN)):
        house.verdicts.put(ACME, verdict(name, result), by="ops")
        house.clock.advance(timedelta(seconds=READ_EVERY_SECONDS, milliseconds=-1))
        assert other.colour(ACME) is before, "it was read a moment ago"
        house.clock.advance(timedelta(milliseconds=1))
        assert other.colour(ACME) is after


def test_a_clock_that_is_set_back_does_not_keep_an_old_verdict(house: House) -> None:
    other = house.another()
    assert other.colour(ACME) is Colour.GREEN
    house.verdicts.put(ACME, verdict("a", RED), by="ops")
    house.clock.advance(timedelta(days=-1))
    assert other.colour(ACME) is Colour.RED


def test_another_tenants_verdict_changes_nothing(house: House) -> None:
    house.verdicts.put(GLOBEX, verdict("a", RED), by="ops")
    assert house.verdicts.colour(ACME) is Colour.GREEN and house.verdicts.reasons(ACME) == ()
    assert house.verdicts.reasons(GLOBEX) == (RED.because,)


def test_a_gate_without_words_of_its_own_is_named(house: House) -> None:
    assert sentence(replace(RED, because="")) == "The gate 'leaks' on share.leaks failed."


# What is told.


def _surfaces(event: OutgoingEvent) -> Any:
    return event.data["surfaces"]


def test_a_change_of_colour_is_one_event_with_what_failed(house: House) -> None:
    house.verdicts.put(ACME, verdict("a", PASSED), by="nightly")
    house.verdicts.put(ACME, verdict("b", PASSED), by="nightly")
    house.clock.advance(timedelta(seconds=1))
    house.verdicts.put(ACME, verdict("c", RED, WARNING), by="nightly")
    first, second = house.events()
    assert first.type == second.type == CHANGED == "surefoot.eval.verdict.changed"
    assert (first.data["from"], first.data["to"], second.data["from"], second.data["to"]) == ("none", "green", "green", "red")
    assert (second.subject, second.data["run_id"], second.data["tenant"]) == ("vrd_c", "evr_c", "acme")
    failed: Any = second.data["failed"]
    assert [(each["gate"], each["is_blocking"], each["because"]) for each in failed] == [
        ("leaks", True, RED.because),
        ("latency", False, WARNING.because),
    ]


def test_a_change_on_one_surface_alone_is_told(house: House) -> None:
    house.verdicts.put(ACME, verdict("a", gate(surfaces=("help",))), by="nightly")
    house.clock.advance(timedelta(seconds=1))
    house.verdicts.put(ACME, verdict("b", gate(surfaces=("billing",))), by="nightly")
    assert _surfaces(house.events()[-1]) == {
        "billing": {"from": "green", "to": "red"},
        "help": {"from": "red", "to": "green"},
    }


def test_every_put_and_clear_is_a_row_of_the_audit_chain(house: House) -> None:
    house.verdicts.put(ACME, verdict("a", RED), by="nightly")
    house.verdicts.put(ACME, verdict("a", RED), by="nightly")
    house.verdicts.put(ACME, verdict("b", RED), by="nightly")
    house.verdicts.clear(ACME, by="ann", why="The corpus was wrong.")
    assert house.verdicts.clear(ACME, by="ann", why="Twice.") is None
    rows = list(house.trail.rows(ACME))
    assert [(row.actor, row.what, row.subject) for row in rows] == [
        ("nightly", "eval.verdict.put", "vrd_a"),
        ("nightly", "eval.verdict.put", "vrd_b"),
        ("ann", "eval.verdict.cleared", "vrd_b"),
    ]
    assert rows[2].details == {"run_id": "evr_b", "from": "red", "to": "none", "failed": [], "why": "The corpus was wrong."}
    assert isinstance(house.trail.verify(ACME), Verified)


def test_a_verdict_that_was_put_before_is_not_put_again_and_nothing_is_told(house: House) -> None:
    house.verdicts.put(ACME, verdict("a", RED), by="nightly")
    house.verdicts.clear(ACME, by="ann", why="A false alarm.")
    events, rows = house.events(), list(house.trail.rows(ACME))
    with pytest.raises(InvalidInput, match="was put before"):
        house.verdicts.put(ACME, verdict("a", RED), by="nightly")
    assert house.verdicts.colour(ACME) is Colour.GREEN
    assert (house.events(), list(house.trail.rows(ACME))) == (events, rows)


def test_an_older_verdict_does_not_replace_the_one_that_stands(house: House) -> None:
    house.verdicts.put(ACME, verdict("b", RED), by="nightly")
    older = verdict("a", PASSED, decided_at=NOW - timedelta(hours=1))
    with pytest.raises(InvalidInput, match="clear that one first"):
        house.verdicts.put(ACME, older, by="ann")
    assert house.verdicts.colour(ACME) is Colour.RED
    house.verdicts.clear(ACME, by="ann", why="The nightly ran on the wrong corpus.")
    house.verdicts.put(ACME, older, by="ann")
    assert house.verdicts.current(ACME) == older


def test_clearing_without_a_reason_is_refused(house: House) -> None:
    house.verdicts.put(ACME, verdict("a", RED), by="nightly")
    with pytest.raises(InvalidInput, match="Say why"):
        house.verdicts.clear(ACME, by="ann", why="  ")


def test_the_overview_counts_tenants_and_names_none(house: House) -> None:
    house.verdicts.put(ACME, verdict("a", RED, WARNING), by="nightly")
    house.verdicts.put(GLOBEX, verdict("g", WARNING), by="nightly")
    found = overview(house.verdicts.all(), NOW)
    assert found.colour is Colour.RED and found.colours == {Colour.GREEN: 0, Colour.AMBER: 1, Colour.RED: 1}
    assert [(each.gate, each.is_blocking, each.tenants) for each in found.failed] == [("leaks", True, 1), ("latency", False, 2)]
    assert "acme" not in repr(found) and "2 %" not in repr(found)
    assert overview({}, NOW).colour is Colour.GREEN


# As a file.


def test_a_verdict_comes_back_from_its_json() -> None:
    made = verdict("a", RED, replace(WARNING, value=0.1 + 0.2, low=0.0, high=1.0), valid_until=NOW + timedelta(days=1))
    assert verdict_from_json(verdict_to_json(made)) == made
    assert '"colour": "red"' in verdict_to_json(made)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ('"state": "failed"', '"state": "fine"', "results.0.state"),
        ("2026-06-01T03:00:00Z", "2026-06-01T03:00:00", "time zone"),
        ('"threshold": 0.0', '"threshold": NaN', "number that is none"),
        ('"vrd_a"', '"vrd a\\n"', "cannot name"),
        ('"*"', '"Help!"', "surface"),
        ('"n": 200', '"n": -1', "number that is none"),
        ("{", "[", "Invalid JSON"),
    ],
)
def test_a_file_that_is_no_verdict_is_refused_by_place(before: str, after: str, what: str) -> None:
    text = verdict_to_json(verdict("a", RED))
    assert before in text
    with pytest.raises(InvalidInput, match=what):
        verdict_from_json(text.replace(before, after, 1), source="verdict.json")
