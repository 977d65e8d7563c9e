"""Which runs are kept: the baseline that others are compared with stays until another takes its place; old ones go."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from surefoot.core.errors import InvalidInput
from surefoot.evals.run_store import BASELINE, StoredRun, find_run, open_run, run_folders


@dataclass(frozen=True, slots=True)
class Pruned:
    """The ids of the runs that are gone and of those that stay, oldest first."""

    gone: tuple[str, ...]
    kept: tuple[str, ...]


def pin_baseline(runs: Path, name: str) -> StoredRun:
    """The run is the baseline from now on. Raises InvalidInput for a run that is not among `runs` or not finished."""
    stored = find_run(runs, name)
    if stored.folder.parent.resolve() != runs.resolve():
        raise InvalidInput(f"{str(stored.folder)!r} is not in {str(runs)!r}; only a run kept there can be the baseline.")
    if stored.manifest.finished_at is None:
        raise InvalidInput(f"Run {stored.manifest.run_id!r} is not finished; finish it with `surefoot eval run --resume` first.")
    beside = runs / f"{BASELINE}.new"
    beside.write_text(stored.folder.name + "\n", encoding="utf-8")
    beside.replace(runs / BASELINE)
    return stored


def baseline_of(runs: Path) -> StoredRun | None:
    """The pinned baseline; None when none is pinned. Raises InvalidInput when the pinned run is gone."""
    return find_run(runs, BASELINE) if (runs / BASELINE).exists() else None


def prune(runs: Path, *, keep: int) -> Pruned:
    """At most `keep` runs and the baseline are left, the newest. What is no run stays: a folder without a manifest or with that
    of something else, and a link, whatever it leads to. Raises InvalidInput for a run that cannot be deleted.
    """
    if keep < 1:
        raise InvalidInput(f"keep {keep!r} would leave no run; give 1 or more.")
    baseline = baseline_of(runs)
    pinned = None if baseline is None else baseline.folder.resolve()
    folders = [folder for folder in run_folders(runs) if _is_run(folder)]
    old = [folder for folder in folders[:-keep] if folder.resolve() != pinned]
    for folder in old:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise InvalidInput(f"{str(folder)!r} cannot be deleted ({error.strerror}); look at its owner and mode.") from error
    return Pruned(tuple(folder.name for folder in old), tuple(folder.name for folder in folders if folder not in old))


def _is_run(folder: Path) -> bool:
    if folder.is_symlink():
        return False
    try:
        open_run(folder)
    except InvalidInput:
        return False
    return True
