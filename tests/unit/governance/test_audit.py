"""The audit chain shows what was done to it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from surefoot.adapters.memory.store import MemoryStore
from surefoot.core.errors import InvalidInput
from surefoot.domain.audit import AuditEntry, AuditRow, Checkpoint
from surefoot.domain.identity import TenantId
from surefoot.governance.audit import AuditTrail, Broken, Damage, Verified, export_lines, read_export

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
ROUNDS = 2_000
ROWS = 12

Damaging = Callable[[list[AuditRow], Random], list[AuditRow]]


def entry(number: int) -> AuditEntry:
    return AuditEntry(
        NOW + timedelta(seconds=number), f"usr_{number}", "run.applied", f"run_{number}", {"n": number, "to": [1, 2]}
    )


def written(trail: AuditTrail, store: MemoryStore, count: int = ROWS, tenant: TenantId = ACME) -> None:
    for number in range(count):
        with store.begin() as work:
            trail.record(work, tenant, entry(number))
            work.commit()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def trail(store: MemoryStore) -> AuditTrail:
    return AuditTrail(store, KEY)


def test_a_chain_that_nobody_touched_verifies_with_its_checkpoints(store: MemoryStore, trail: AuditTrail) -> None:
    first = trail.checkpoint(ACME, now=NOW)
    written(trail, store, 5)
    second = trail.checkpoint(ACME, now=NOW)
    written(trail, store, 3)
    verified = trail.verify(ACME, [first, second])
    assert isinstance(verified, Verified)
    assert (verified.count, verified.erased, verified.checkpoints) == (8, 0, 2)
    assert trail.verify(GLOBEX) == Verified(0, "0" * 64, 0, 0)


def test_an_entry_of_a_unit_of_work_that_was_left_is_not_in_the_chain(store: MemoryStore, trail: AuditTrail) -> None:
    with store.begin() as work:
        trail.record(work, ACME, entry(1))
    assert list(trail.rows(ACME)) == []


def test_erased_details_leave_the_chain_whole(store: MemoryStore, trail: AuditTrail) -> None:
    written(trail, store)
    with store.begin() as work:
        assert work.audit.erase_details(ACME, 3)
        work.commit()
    verified = trail.verify(ACME)
    assert isinstance(verified, Verified) and verified.erased == 1


def flip(rows: list[AuditRow], chance: Random) -> list[AuditRow]:
    at = chance.randrange(len(rows))
    row = rows[at]
    changed = chance.choice(
        [
            replace(row, actor=row.actor + "x"),
            replace(row, what="run.undone"),
            replace(row, subject="run_99"),
            replace(row, at=row.at + timedelta(microseconds=1)),
            replace(row, details={"n": -1, "to": [1, 2]}),
            replace(row, details_hash=row.details_hash[::-1]),
            replace(row, hash=row.hash[:-1] + ("0" if row.hash[-1] != "0" else "1")),
            replace(row, prev_hash=row.prev_hash[:-1] + ("0" if row.prev_hash[-1] != "0" else "1")),
        ]
    )
    return [*rows[:at], changed, *rows[at + 1 :]]


def delete(rows: list[AuditRow], chance: Random) -> list[AuditRow]:
    at = chance.randrange(len(rows) - 1)
    return [*rows[:at], *rows[at + 1 :]]


def swap(rows: list[AuditRow], chance: Random) -> list[AuditRow]:
    one, two = chance.sample(range(len(rows)), 2)
    moved = list(rows)
    moved[one], moved[two] = replace(rows[two], seq=rows[one].seq), replace(rows[one], seq=rows[two].seq)
    return moved


def fork(rows: list[AuditRow], chance: Random) -> list[AuditRow]:
    """A row written with the key onto an earlier row than the last, as two writers on copies of one database would."""
    at = chance.randrange(1, len(rows) - 1)
    copy = MemoryStore()
    trail = AuditTrail(copy, KEY)
    with copy.begin() as work:
        for row in rows[:at]:
            work.audit.append(ACME, row)
        trail.record(work, ACME, entry(100 + at))
        work.commit()
    other = list(trail.rows(ACME))[-1]
    return [*rows[:at], other, *rows[at + 1 :]]


def tear(rows: list[AuditRow], chance: Random) -> list[AuditRow]:
    """The last row half written."""
    last = rows[-1]
    return [*rows[:-1], replace(last, hash=last.hash[: chance.randrange(64)])]


@pytest.mark.parametrize("damage", [flip, delete, swap, fork, tear], ids=lambda damage: damage.__name__)
def test_every_damage_is_seen_without_a_checkpoint(store: MemoryStore, trail: AuditTrail, damage: Damaging) -> None:
    written(trail, store)
    rows = list(trail.rows(ACME))
    for seed in range(ROUNDS):
        found = trail.verify_rows(ACME, damage(rows, Random(seed)))
        assert isinstance(found, Broken), f"seed {seed}"


def test_rows_cut_off_at_the_end_are_seen_with_a_checkpoint_and_only_with_one(store: MemoryStore, trail: AuditTrail) -> None:
    written(trail, store)
    rows, mark = list(trail.rows(ACME)), trail.checkpoint(ACME, now=NOW)
    for seed in range(ROUNDS):
        left = rows[: Random(seed).randrange(len(rows))]
        assert isinstance(trail.verify_rows(ACME, left), Verified)
        found = trail.verify_rows(ACME, left, [mark])
        assert isinstance(found, Broken) and found.damage is Damage.CUT_OFF


def test_a_chain_written_anew_with_the_key_is_seen_with_a_checkpoint(store: MemoryStore, trail: AuditTrail) -> None:
    written(trail, store)
    marks = [trail.checkpoint(ACME, now=NOW)]
    for seed in range(200):
        anew = MemoryStore()
        writer = AuditTrail(anew, KEY)
        for number in range(ROWS + Random(seed).randrange(3)):
            with anew.begin() as work:
                writer.record(work, ACME, entry(number + seed + 1))
                work.commit()
        assert isinstance(writer.verify(ACME), Verified)
        found = writer.verify(ACME, marks)
        assert isinstance(found, Broken) and found.damage is Damage.REWRITTEN


def test_a_chain_belongs_to_its_tenant_and_its_key(store: MemoryStore, trail: AuditTrail) -> None:
    written(trail, store)
    rows = list(trail.rows(ACME))
    assert isinstance(trail.verify_rows(GLOBEX, rows), Broken)
    assert isinstance(AuditTrail(store, OTHER_KEY).verify(ACME), Broken)


def test_a_checkpoint_that_was_changed_is_refused(store: MemoryStore, trail: AuditTrail) -> None:
    written(trail, store)
    mark = trail.checkpoint(ACME, now=NOW)
    for false in (replace(mark, count=mark.count - 1), replace(mark, head="0" * 64), replace(mark, tenant="globex")):
        found = trail.verify(ACME, [false])
        assert isinstance(found, Broken) and found.damage is Damage.FALSE_CHECKPOINT


def test_an_export_reads_back_and_verifies(store: MemoryStore, trail: AuditTrail) -> None:
    written(trail, store)
    lines: Sequence[str] = list(export_lines(trail.rows(ACME), trail.checkpoint(ACME, now=NOW)))
    rows, marks = read_export(lines)
    assert rows == list(trail.rows(ACME))
    assert isinstance(trail.verify_rows(ACME, rows, marks), Verified)
    assert all(isinstance(mark, Checkpoint) for mark in marks)


def test_a_line_that_is_no_row_is_named() -> None:
    with pytest.raises(InvalidInput, match="Line 2"):
        read_export(["", '{"row": {"seq": "x"}}'])


def test_a_short_key_is_refused(store: MemoryStore) -> None:
    with pytest.raises(InvalidInput, match="32"):
        AuditTrail(store, b"short")
