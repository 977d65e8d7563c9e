"""The audit chain of each tenant: every row is bound by an HMAC to the one before it.

What it shows: a row that was changed, deleted, inserted, moved or swapped; two rows that follow the same one (a fork); and, with
a checkpoint that was kept elsewhere, rows cut off at the end or a chain that was written anew with the key. What it cannot
show: rows cut off at the end without a checkpoint, and what somebody does who holds the key and every checkpoint.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, TypeAdapter, ValidationError

from surefoot.core.errors import InvalidInput
from surefoot.domain.audit import AuditEntry, AuditRow, Checkpoint
from surefoot.domain.canonical import canonical, canonical_hash
from surefoot.domain.identity import TenantId
from surefoot.ports import Store, UnitOfWork


class _RowLine(BaseModel):
    row: AuditRow


class _CheckpointLine(BaseModel):
    checkpoint: Checkpoint


_LINE: TypeAdapter[_RowLine | _CheckpointLine] = TypeAdapter(_RowLine | _CheckpointLine)

# What the first row of a chain follows.
GENESIS = "0" * 64
_PAGE = 1000


class Damage(StrEnum):
    """How a chain fails to verify."""

    CHANGED = "changed"
    MISSING = "missing"
    FORKED = "forked"
    CUT_OFF = "cut_off"
    REWRITTEN = "rewritten"
    FALSE_CHECKPOINT = "false_checkpoint"


@dataclass(frozen=True, slots=True)
class Verified:
    """The chain holds from its first row to `head`; `erased` rows have lost their details lawfully. `checkpoints` were met."""

    count: int
    head: str
    erased: int
    checkpoints: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The chain does not hold: at which place, how, and what that means in a sentence."""

    damage: Damage
    seq: int
    message: str


class AuditTrail:
    """Appends to and reads from the chains of all tenants. The key is kept apart from the database."""

    def __init__(self, store: Store, key: bytes) -> None:
        if len(key) < 32:
            raise InvalidInput("The audit key is shorter than 32 bytes; make a new one with `surefoot init`.")
        self._store = store
        self._key = key

    def record(self, work: UnitOfWork, tenant: TenantId, entry: AuditEntry) -> AuditRow:
        """The entry is the chain's last row once `work` commits, together with what it tells of."""
        before = work.audit.head(tenant)
        seq, prev_hash = (1, GENESIS) if before is None else (before.seq + 1, before.hash)
        details_hash = canonical_hash(entry.details)
        row = AuditRow(
            seq=seq,
            prev_hash=prev_hash,
            hash=self._hash(tenant, seq, prev_hash, entry.at, entry.actor, entry.what, entry.subject, details_hash),
            at=entry.at,
            actor=entry.actor,
            what=entry.what,
            subject=entry.subject,
            details_hash=details_hash,
            details=dict(entry.details),
        )
        work.audit.append(tenant, row)
        return row

    def rows(self, tenant: TenantId) -> Iterator[AuditRow]:
        """Every row of the tenant, in order."""
        after = 0
        while True:
            with self._store.begin() as work:
                page = work.audit.page(tenant, after=after, limit=_PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].seq

    def checkpoint(self, tenant: TenantId, *, now: datetime) -> Checkpoint:
        """How long the chain is and how it ends, signed. Keep it where whoever writes the database cannot."""
        with self._store.begin() as work:
            last = work.audit.head(tenant)
        count, head = (0, GENESIS) if last is None else (last.seq, last.hash)
        return Checkpoint(tenant, count, head, now, self._sign(tenant, count, head, now))

    def verify(self, tenant: TenantId, checkpoints: Iterable[Checkpoint] = ()) -> Verified | Broken:
        """Whether the chain as stored holds, and holds what each checkpoint says it held."""
        return self.verify_rows(tenant, self.rows(tenant), checkpoints)

    def verify_rows(
        self, tenant: TenantId, rows: Iterable[AuditRow], checkpoints: Iterable[Checkpoint] = ()
    ) -> Verified | Broken:
        """The same for rows from elsewhere, such as an export."""
        marks: dict[int, Checkpoint] = {}
        for mark in checkpoints:
            if mark.tenant != tenant or not hmac.compare_digest(
                mark.signature, self._sign(tenant, mark.count, mark.head, mark.at)
            ):
                return Broken(Damage.FALSE_CHECKPOINT, mark.count, "A checkpoint is not one of this tenant's, or was changed.")
            known = marks.setdefault(mark.count, mark)
            if known.head != mark.head:
                return Broken(
                    Damage.FORKED, mark.count, f"Two checkpoints say that row {mark.count} ended the chain differently."
                )
        seq, head, erased, met = 0, GENESIS, 0, sum(count == 0 for count in marks)
        for row in rows:
            broken = self._broken(tenant, row, seq, head)
            if broken is not None:
                return broken
            seq, head, erased = row.seq, row.hash, erased + (row.details is None)
            if seq in marks:
                if marks[seq].head != head:
                    return Broken(
                        Damage.REWRITTEN, seq, f"Row {seq} is not the one the checkpoint saw: the chain was written anew."
                    )
                met += 1
        longest = max(marks, default=0)
        if longest > seq:
            return Broken(Damage.CUT_OFF, seq, f"The chain ends at row {seq}; the checkpoint saw {longest}: the end was cut off.")
        return Verified(seq, head, erased, met)

    def _broken(self, tenant: TenantId, row: AuditRow, seq: int, head: str) -> Broken | None:
        if row.seq == seq and seq > 0:
            return Broken(Damage.FORKED, row.seq, f"There are two rows {row.seq}: the chain forks.")
        if row.seq != seq + 1:
            return Broken(Damage.MISSING, seq + 1, f"Row {seq + 1} is missing.")
        expected = self._hash(tenant, row.seq, row.prev_hash, row.at, row.actor, row.what, row.subject, row.details_hash)
        if not hmac.compare_digest(row.hash, expected):
            return Broken(Damage.CHANGED, row.seq, f"Row {row.seq} was changed after it was written.")
        if row.prev_hash != head:
            return Broken(
                Damage.FORKED, row.seq, f"Row {row.seq} was written with the key, but follows another row: the chain forks here."
            )
        if row.details is not None and canonical_hash(row.details) != row.details_hash:
            return Broken(Damage.CHANGED, row.seq, f"The details of row {row.seq} were changed after it was written.")
        return None

    def _hash(self, tenant: str, seq: int, prev_hash: str, at: datetime, *content: str) -> str:
        return self._mac(["row", tenant, seq, prev_hash, at.astimezone(UTC).isoformat(), *content])

    def _sign(self, tenant: str, count: int, head: str, at: datetime) -> str:
        return self._mac(["checkpoint", tenant, count, head, at.astimezone(UTC).isoformat()])

    def _mac(self, value: list[object]) -> str:
        return hmac.new(self._key, canonical(value), hashlib.sha256).hexdigest()


def export_lines(rows: Iterable[AuditRow], checkpoint: Checkpoint) -> Iterator[str]:
    """The chain as JSON Lines, one row a line, and its checkpoint last."""
    for row in rows:
        yield _line({"row": asdict(row)})
    yield _line({"checkpoint": asdict(checkpoint)})


def read_export(lines: Iterable[str]) -> tuple[list[AuditRow], list[Checkpoint]]:
    """The rows and checkpoints of an export, or of a file of checkpoints alone. Raises InvalidInput, naming the line."""
    rows: list[AuditRow] = []
    checkpoints: list[Checkpoint] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            read = _LINE.validate_json(line)
        except ValidationError as error:
            raise InvalidInput(
                f"Line {number} is no row or checkpoint of an audit export: {error.errors()[0]['msg']}."
            ) from error
        if isinstance(read, _RowLine):
            rows.append(read.row)
        else:
            checkpoints.append(read.checkpoint)
    return rows, checkpoints


def _line(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda moment: moment.isoformat())
