"""The files of a folder, in a stable order: each with the rights kept beside it, each skipped one with the reason."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from surefoot.domain.corpora import SkippedFile
from surefoot.retrieval.readers import RawFile, ReadLimits
from surefoot.retrieval.readers.formats import EXTENSIONS, extension_of
from surefoot.retrieval.rights_files import (
    FILE_SUFFIXES,
    FOLDER_NAMES,
    MAX_BYTES,
    FolderRights,
    combined,
    is_rights_file,
    parse_file_rights,
    parse_folder_rights,
)

_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder on the way down. `rights` are the sidecars above and in it, nearest first, each with its folder's uri."""

    path: Path
    uri: str
    rights: tuple[tuple[FolderRights, str], ...]


def walk(path: Path, *, limits: ReadLimits) -> Iterator[RawFile | SkippedFile]:
    """Every document below the folder (or the one file), by name within each folder, files before folders.

    A uri is the path below the folder, with forward slashes; a single file's is its name. Hidden files are passed over;
    a file that is too large, of an unknown kind, not a regular file, or a link that leads out of the folder is reported
    and not read. Rights files (see rights_files) are read, not yielded; what is wrong with one is reported under its name.
    The time on the file system is not the document's date: a copy would make every document look new.
    """
    real = path.resolve()
    if real.is_dir():
        yield from _walk_folder(real, _Folder(real, "", ()), limits, 0)
        return
    rights, problems = _folder_rights(real.parent, real.parent, "")
    yield from problems
    yield from _file(real.parent, real, path.name, ((rights, ""),) if rights else (), limits)


def _walk_folder(root: Path, folder: _Folder, limits: ReadLimits, depth: int) -> Iterator[RawFile | SkippedFile]:
    try:
        entries = sorted(os.scandir(folder.path), key=lambda entry: entry.name)
    except OSError as error:
        yield SkippedFile(_printable(folder.uri) or ".", f"the folder cannot be opened: {error.strerror}.")
        return
    rights, problems = _folder_rights(root, folder.path, folder.uri)
    yield from problems
    below = ((rights, folder.uri), *folder.rights) if rights else folder.rights
    folders: list[_Folder] = []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        uri = f"{folder.uri}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            folders.append(_Folder(Path(entry.path), f"{uri}/", below))
        elif Path(entry.path).is_dir():
            yield SkippedFile(_printable(uri), "it is a link to a folder; links to folders are not followed.")
        elif not is_rights_file(entry.name):
            yield from _file(root, Path(entry.path), uri, below, limits)
    for inner in folders:
        if depth >= _MAX_DEPTH:
            yield SkippedFile(_printable(inner.uri), f"the folder lies more than {_MAX_DEPTH} folders deep.")
        else:
            yield from _walk_folder(root, inner, limits, depth + 1)


def _file(
    root: Path, path: Path, uri: str, folders: tuple[tuple[FolderRights, str], ...], limits: ReadLimits
) -> Iterator[RawFile | SkippedFile]:
    """The file with its rights, or the reason why it is skipped; before that, what is wrong with its own sidecar."""
    if _printable(uri) != uri:
        yield SkippedFile(_printable(uri), "its name is not UTF-8.")
        return
    extension = extension_of(path.name)
    if extension not in EXTENSIONS:
        yield SkippedFile(uri, f"not a supported format ({extension or 'no extension'}).")
        return
    body, reason = _content(root, path, limits.max_bytes)
    if body is None:
        yield SkippedFile(uri, reason)
        return
    own = None
    for suffix in FILE_SUFFIXES:
        sidecar = path.with_name(path.name + suffix)
        if os.path.lexists(sidecar):
            own, problem = parse_file_rights(_content(root, sidecar, MAX_BYTES)[0])
            if problem:
                yield SkippedFile(uri + suffix, problem)
            break
    rights = combined(own, ((stated, uri[len(prefix) :]) for stated, prefix in folders))
    yield RawFile(uri, body, rights=rights)


def _folder_rights(root: Path, folder: Path, uri: str) -> tuple[FolderRights | None, list[SkippedFile]]:
    name = next((name for name in FOLDER_NAMES if os.path.lexists(folder / name)), None)
    if name is None:
        return None, []
    rights = parse_folder_rights(_content(root, folder / name, MAX_BYTES)[0])
    return rights, [SkippedFile(_printable(uri + name), problem) for problem in rights.problems]


def _content(root: Path, path: Path, max_bytes: int) -> tuple[bytes | None, str]:
    """The bytes of a regular file within the root, or None and the reason. At most `max_bytes` are ever read."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root):
            return None, "it is a link that leads out of the folder."
        # Opened without waiting and checked once open, so that a pipe or device put in its place is never read from.
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None, "it is not a regular file."
            if status.st_size > max_bytes:
                return None, f"it has {status.st_size} bytes, more than the {max_bytes} allowed (max_document_bytes)."
            body = file.read(max_bytes + 1)
    except (OSError, RuntimeError) as error:
        return None, f"it cannot be opened: {getattr(error, 'strerror', None) or 'its links lead in a circle'}."
    return (
        (body, "") if len(body) <= max_bytes else (None, f"it has more than the {max_bytes} bytes allowed (max_document_bytes).")
    )


def _printable(name: str) -> str:
    """The name with question marks for what is not UTF-8."""
    return name.encode("utf-8", "replace").decode()
