"""Generations on disk: each is a folder that is complete and durable from the moment it has its name, and never changes."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from surefoot.core.errors import CorruptIndex, InvalidInput, StaleGeneration, WriterBusy
from surefoot.core.ids import is_tenant_id
from surefoot.domain.identity import TenantId

FORMAT = 1
MANIFEST_FILE = "manifest.json"
_LOCK_FILE = ".lock"
_BUILDING, _GONE = ".building-", ".gone-"

# Files up to this size are hashed whenever a generation is opened, larger ones by `verify` alone.
_HASH_AT_OPEN_BYTES = 8_000_000
_REMEDY = "rebuild it from the store with `surefoot ingest --reindex`."


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation says of itself. `files` gives bytes and sha256 of every other file of the folder."""

    tenant: str
    generation: int
    rows: int
    dimensions: int
    fingerprint: str
    locales: tuple[str, ...]
    code_error: tuple[float, float, float]
    files: Mapping[str, tuple[int, str]]


class Generations:
    """The folders `root/<tenant>/g<number>`. Safe from many threads and processes; one process builds at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, tenant: TenantId, generation: int) -> Path:
        """Where the generation is, or would be. Raises InvalidInput for a name that is not a tenant's."""
        return self._tenant(tenant) / f"g{generation:06d}"

    @contextmanager
    def building(self, tenant: TenantId, target: int, step: Callable[[str], None]) -> Iterator[Path]:
        """An empty folder to write into; on leaving, it is durable and has its name. Leaving by an error leaves nothing.

        What interrupted builds and removals left behind is swept first. Raises WriterBusy while another build runs.
        """
        home = self._tenant(tenant)
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home, tenant):
            _sweep(home)
            _sweep(self._root)
            work = home / f"{_BUILDING}{target:06d}-{secrets.token_hex(4)}"
            work.mkdir()
            try:
                yield work
                _sync_tree(work)
                step("synced")
                self._publish(work, self.folder(tenant, target))
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
            _sync(home)
            _sync(self._root)

    def keep_only(self, tenant: TenantId, generations: frozenset[int]) -> None:
        """Every other generation is gone; files that a reader has open live until it closes them."""
        home = self._tenant(tenant)
        kept = {self.folder(tenant, number).name for number in generations}
        for folder in list(home.glob("g*")):
            if folder.name not in kept:
                _remove(folder)

    def drop(self, tenant: TenantId) -> None:
        """The tenant's folder is gone. Raises WriterBusy while a build runs."""
        home = self._tenant(tenant)
        if home.exists():
            with _locked(home, tenant):
                _remove(home)

    def _publish(self, work: Path, target: Path) -> None:
        if target.exists():
            _remove(target)
        work.rename(target)

    def _tenant(self, tenant: TenantId) -> Path:
        if not is_tenant_id(tenant):
            raise InvalidInput(f"{tenant!r} is not a tenant id; use 1-63 of a-z 0-9 _ - beginning with a letter or digit.")
        return self._root / tenant


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """The folder's manifest stands, with a digest over itself and the size and hash of every other file."""
    files = {str(path.relative_to(folder)): [path.stat().st_size, _sha256(path)] for path in _files(folder)}
    content: dict[str, Any] = {"format": FORMAT, **asdict(manifest), "files": files}
    content["digest"] = _digest(content)
    (folder / MANIFEST_FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_manifest(folder: Path, tenant: TenantId, generation: int) -> Manifest:
    """The manifest of the generation, whose files all have their sizes, and the smaller ones their hashes too.

    Raises StaleGeneration when the folder is gone, CorruptIndex when anything in it is not as it was written.
    """
    name = f"Generation {generation} of tenant {tenant!r}"
    try:
        content = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        said = content.pop("digest")
        if content.pop("format") != FORMAT or said != _digest({"format": FORMAT, **content}):
            raise CorruptIndex(f"{name} has a damaged {MANIFEST_FILE} or one of another version; {_REMEDY}")
        content["files"] = {path: (size, sha256) for path, (size, sha256) in content["files"].items()}
        content["locales"], content["code_error"] = tuple(content["locales"]), tuple(content["code_error"])
        manifest = Manifest(**content)
    except FileNotFoundError as error:
        if folder.exists():
            raise CorruptIndex(f"{name} has no {MANIFEST_FILE}; {_REMEDY}") from error
        raise StaleGeneration(f"{name} is gone; ask again on the current one.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptIndex(f"{name} has an unreadable {MANIFEST_FILE}; {_REMEDY}") from error
    if (manifest.tenant, manifest.generation) != (tenant, generation):
        raise CorruptIndex(f"{name} holds the files of {manifest.tenant!r}, generation {manifest.generation}; {_REMEDY}")
    _check_files(folder, manifest, name, hash_up_to_bytes=_HASH_AT_OPEN_BYTES)
    return manifest


def verify(folder: Path, tenant: TenantId, generation: int) -> None:
    """Returns when every file, however large, is as it was written; else raises as `read_manifest` does."""
    manifest = read_manifest(folder, tenant, generation)
    _check_files(folder, manifest, f"Generation {generation} of tenant {tenant!r}", hash_up_to_bytes=None)


def _check_files(folder: Path, manifest: Manifest, name: str, *, hash_up_to_bytes: int | None) -> None:
    for path, (size, sha256) in manifest.files.items():
        try:
            actual = (folder / path).stat().st_size
            damaged = actual != size or (
                (hash_up_to_bytes is None or size <= hash_up_to_bytes) and _sha256(folder / path) != sha256
            )
        except FileNotFoundError as error:
            if folder.exists():
                raise CorruptIndex(f"{name} lacks the file {path!r}; {_REMEDY}") from error
            raise StaleGeneration(f"{name} is gone; ask again on the current one.") from error
        if damaged:
            raise CorruptIndex(f"{name} has a damaged file {path!r} ({actual} bytes, {size} expected); {_REMEDY}")


@contextmanager
def _locked(home: Path, tenant: TenantId) -> Iterator[None]:
    """This process alone writes here. The lock goes with the process, however it ends."""
    with (home / _LOCK_FILE).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WriterBusy(
                f"Another process is writing the index of tenant {tenant!r}; run this again when it is done."
            ) from error
        yield


def _sweep(home: Path) -> None:
    for left in [*home.glob(f"{_BUILDING}*"), *home.glob(f"{_GONE}*")]:
        shutil.rmtree(left, ignore_errors=True)


def _remove(folder: Path) -> None:
    """The folder is gone at once for whoever looks, and its files soon after."""
    gone = folder.with_name(f"{_GONE}{folder.name}-{secrets.token_hex(4)}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
