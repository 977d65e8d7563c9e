"""A WAL file cut off or spoilt at any byte opens, and holds a prefix of what was committed."""

import random
import shutil
from pathlib import Path

import pytest

from surefoot.adapters.sql.store import SqlStore
from tests.contracts.store_rows import ACME
from tests.faults.store_units import assert_whole, write_one

UNITS = 6
CUTS = 40


def _open(path: Path) -> SqlStore:
    return SqlStore(f"sqlite:///{path}")


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as a power cut would leave them: six commits in the WAL, none of them folded into the database."""
    folder = tmp_path_factory.mktemp("crashed")
    first = _open(folder / "live.db")
    first.migrate()
    first.close()
    store = _open(folder / "live.db")
    for number in range(1, UNITS + 1):
        with store.begin() as work:
            write_one(work, number, lambda point: None)
            work.commit()
    # Copied while the store is open: closing it would fold the WAL into the database.
    for ending in ("", "-wal"):
        shutil.copy(folder / f"live.db{ending}", folder / f"surefoot.db{ending}")
    store.close()
    return folder


def _units_after(crashed: Path, folder: Path, wal: bytes) -> int:
    """How many units of work the database holds with this WAL; those it holds are whole."""
    shutil.copy(crashed / "surefoot.db", folder / "surefoot.db")
    (folder / "surefoot.db-wal").write_bytes(wal)
    store = _open(folder / "surefoot.db")
    store.migrate()
    with store.begin() as work:
        units = work.corpora.state(ACME).generation
    assert_whole(store, units)
    store.close()
    return units


def test_a_wal_cut_off_at_any_byte_holds_a_prefix_that_grows_with_it(crashed: Path, tmp_path: Path) -> None:
    whole = (crashed / "surefoot.db-wal").read_bytes()
    cuts = sorted({0, 1, len(whole) - 1, len(whole), *random.Random(7).sample(range(len(whole)), CUTS)})
    units = [_units_after(crashed, tmp_path, whole[:cut]) for cut in cuts]
    assert units == sorted(units)
    assert (units[0], units[-2], units[-1]) == (0, UNITS - 1, UNITS)
    assert len(set(units)) > 3


def test_a_wal_whose_tail_is_noise_holds_a_prefix(crashed: Path, tmp_path: Path) -> None:
    whole = (crashed / "surefoot.db-wal").read_bytes()
    noise = random.Random(11)
    for cut in noise.sample(range(len(whole)), CUTS // 2):
        spoilt = whole[:cut] + noise.randbytes(len(whole) - cut)
        assert _units_after(crashed, tmp_path, spoilt) <= _units_after(crashed, tmp_path, whole)
