"""The folder of a run: manifest.json, and cases.jsonl with one result a line. A line is whole or it is not there."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pydantic import BaseModel, ValidationError

from surefoot.core.errors import InvalidEvalSet, InvalidInput
from surefoot.evals.results import FORMAT, CaseResult, RunManifest

MANIFEST, CASES = "manifest.json", "cases.jsonl"
# A file among the runs that holds the name of the run which others are compared with.
BASELINE = "baseline"
Key = tuple[str, str, int]
Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it lies in its folder, finished or not."""

    folder: Path
    manifest: RunManifest

    def results(self) -> Iterator[CaseResult]:
        """Every result once, suite by suite, within it trial by trial, each in the suite's order. A torn last line is left out.
        Raises InvalidEvalSet for any other line that is no result, naming it.
        """
        path = self.folder / CASES
        if not path.exists():
            return
        last: Key | None = None
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    return
                result = _parsed(CaseResult, line, f"{path}, line {number}")
                # A run that was interrupted between writing a line and knowing so has written it twice.
                if result.key != last:
                    yield result
                last = result.key

    def finished(self) -> frozenset[Key]:
        """The suite, case and trial of each result."""
        return frozenset(result.key for result in self.results())


def open_run(folder: Path) -> StoredRun:
    """The run in this folder. Raises InvalidInput when there is none, InvalidEvalSet when its manifest cannot be read."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{str(folder)!r} holds no eval run ({error.strerror}: {MANIFEST}); name a run's folder.") from error
    manifest = _parsed(RunManifest, data, str(path))
    if manifest.format != FORMAT:
        raise InvalidEvalSet(f"{path}: format {manifest.format} is not {FORMAT}; read it with the version that wrote it.")
    return StoredRun(folder, manifest)


def find_run(runs: Path, name: str) -> StoredRun:
    """The run of this id among `runs`, or in the folder of this name; `latest` is the newest of them and `baseline` the one that
    is pinned. Raises as open_run.
    """
    if name == BASELINE:
        return open_run(runs / _pinned(runs))
    if name == "latest":
        found = run_folders(runs)
        if not found:
            raise InvalidInput(f"{str(runs)!r} holds no eval run yet; `surefoot eval run` makes one.")
        return open_run(found[-1])
    inside = runs / name
    return open_run(inside if (inside / MANIFEST).is_file() else Path(name))


def _pinned(runs: Path) -> str:
    """The name of the pinned run's folder."""
    try:
        name = (runs / BASELINE).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidInput(f"{str(runs)!r} has no baseline yet; pin one with `surefoot eval baseline RUN`.") from error
    if not (runs / name / MANIFEST).is_file():
        raise InvalidInput(f"The baseline {name!r} is gone from {str(runs)!r}; pin another with `surefoot eval baseline RUN`.")
    return name


def run_folders(runs: Path) -> list[Path]:
    """The folders of every run, oldest first: run ids sort by time."""
    return sorted(path.parent for path in runs.glob(f"*/{MANIFEST}"))


class RunWriter:
    """Appends results to a run, each of them handed to the operating system before the next: a process that is killed loses
    no result that was written. One process writes a run.
    """

    def __init__(self, folder: Path, manifest: RunManifest) -> None:
        """The folder holds this manifest; results that it has already stay. Raises InvalidInput when it cannot be written."""
        self._folder, self._manifest = folder, manifest
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _drop_torn_line(folder / CASES)
            _replace(folder / MANIFEST, manifest.model_dump_json(indent=2))
            self._stream = (folder / CASES).open("ab")
        except OSError as error:
            raise InvalidInput(f"The run folder {str(folder)!r} cannot be written ({error.strerror}); give another.") from error

    def append(self, result: CaseResult) -> None:
        """The result is in the file."""
        self._stream.write(result.model_dump_json().encode() + b"\n")
        self._stream.flush()

    def finish(self, at: datetime) -> StoredRun:
        """The manifest says that the run is whole, and everything is on the disk."""
        os.fsync(self._stream.fileno())
        manifest = self._manifest.model_copy(update={"finished_at": at})
        _replace(self._folder / MANIFEST, manifest.model_dump_json(indent=2))
        return StoredRun(self._folder, manifest)

    def close(self) -> None:
        """The file is closed; what was appended stays."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _drop_torn_line(path: Path) -> None:
    """The file ends with a whole line."""
    if not path.exists():
        return
    with path.open("r+b") as stream:
        data = stream.read()
        stream.truncate(data.rfind(b"\n") + 1)


def _replace(path: Path, text: str) -> None:
    """The file holds the text, whole at every moment."""
    beside = path.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)


def _parsed(kind: type[Read], data: bytes, place: str) -> Read:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the whole"
        raise InvalidEvalSet(f"{place}: {field}: {first['msg']}; it was changed, or written by another version.") from error
