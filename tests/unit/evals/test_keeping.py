"""The baseline stays whatever is pruned, and nothing but old runs ever goes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from surefoot.core.errors import InvalidInput
from surefoot.evals.keeping import baseline_of, pin_baseline, prune
from surefoot.evals.results import RunManifest
from surefoot.evals.run_store import RunWriter, find_run, run_folders

START = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def run(runs: Path, number: int, *, is_finished: bool = True) -> str:
    name = f"run_{number:03}"
    manifest = RunManifest(run_id=name, started_at=START, target="in process", seed=1, repeat=1, suites=())
    with RunWriter(runs / name, manifest) as writer:
        if is_finished:
            writer.finish(START + timedelta(minutes=1))
    return name


def test_the_newest_runs_and_the_baseline_stay(tmp_path: Path) -> None:
    names = [run(tmp_path, number) for number in range(6)]
    pin_baseline(tmp_path, names[1])
    done = prune(tmp_path, keep=2)
    assert [folder.name for folder in run_folders(tmp_path)] == [names[1], names[4], names[5]]
    assert set(done.gone) == {names[0], names[2], names[3]}
    assert find_run(tmp_path, "baseline").manifest.run_id == names[1]


def test_what_is_no_run_is_not_touched(tmp_path: Path) -> None:
    run(tmp_path, 0), run(tmp_path, 1)
    other = tmp_path / "notes"
    other.mkdir()
    (other / "mine.txt").write_text("keep")
    prune(tmp_path, keep=1)
    assert (other / "mine.txt").read_text() == "keep"


def test_nothing_goes_when_there_are_few(tmp_path: Path) -> None:
    name = run(tmp_path, 0)
    assert prune(tmp_path, keep=5).gone == ()
    assert find_run(tmp_path, "latest").manifest.run_id == name


def test_a_later_pin_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    names = [run(tmp_path, number) for number in range(2)]
    assert baseline_of(tmp_path) is None
    for name in names:
        pin_baseline(tmp_path, name)
    pinned = baseline_of(tmp_path)
    assert pinned is not None
    assert pinned.manifest.run_id == names[1]


def test_an_unfinished_run_is_no_baseline(tmp_path: Path) -> None:
    name = run(tmp_path, 0, is_finished=False)
    with pytest.raises(InvalidInput, match="not finished"):
        pin_baseline(tmp_path, name)
    assert baseline_of(tmp_path) is None


def test_a_run_that_lies_elsewhere_is_no_baseline(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    run(tmp_path, 0)
    with pytest.raises(InvalidInput, match="not in"):
        pin_baseline(tmp_path / "runs", str(tmp_path / "run_000"))


def test_no_baseline_is_said_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="surefoot eval baseline RUN"):
        find_run(tmp_path, "baseline")


def test_a_baseline_that_is_gone_is_said(tmp_path: Path) -> None:
    pin_baseline(tmp_path, run(tmp_path, 0))
    (tmp_path / "run_000" / "manifest.json").unlink()
    with pytest.raises(InvalidInput, match="is gone"):
        find_run(tmp_path, "baseline")


def test_pruning_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="1 or more"):
        prune(tmp_path, keep=0)


def test_a_folder_with_the_manifest_of_something_else_is_no_run_and_stays(tmp_path: Path) -> None:
    other = tmp_path / "a_web_page"
    other.mkdir()
    (other / "manifest.json").write_text('{"name": "A web page", "icons": []}')
    names = [run(tmp_path, number) for number in range(3)]
    assert prune(tmp_path, keep=1).gone == (names[0], names[1])
    assert (other / "manifest.json").exists()


def test_a_link_among_the_runs_is_left_and_so_is_what_it_leads_to(tmp_path: Path) -> None:
    elsewhere, runs = tmp_path / "elsewhere", tmp_path / "runs"
    kept = run(elsewhere, 0)
    names = [run(runs, number) for number in range(1, 4)]
    (runs / "a_link").symlink_to(elsewhere / kept, target_is_directory=True)
    assert prune(runs, keep=1).gone == (names[0], names[1])
    assert find_run(elsewhere, kept).manifest.run_id == kept and (runs / "a_link").is_symlink()
