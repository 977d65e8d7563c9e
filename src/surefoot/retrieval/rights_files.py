"""Rights that an operator keeps beside the documents: `access.yaml` for a folder, `<file>.access.yaml` for one file.

A folder's file maps globs to what holds for the files they match, below that folder:

    "internal/**": {principals: ["group:staff"], trust: official}
    "*.md": {principals: [everyone], valid_until: 2030-01-01}

A file's own sidecar holds the same three fields without a glob. Precedence, for each field by itself: the file's sidecar,
then folder sidecars from the nearest outwards, within one sidecar the most specific glob (one without wildcards, then the
one with more ordinary characters, then the later one), then what the document states itself, then the ingest default.

What cannot be read opens nothing: a sidecar that cannot be parsed makes everything under it nobody's, whatever nearer
sidecars say, and a malformed entry makes the files it matches nobody's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from surefoot.core.clock import parse_moment
from surefoot.core.errors import InvalidInput, UnreadableDocument
from surefoot.domain.documents import TrustTier
from surefoot.retrieval.readers import RightsOverride
from surefoot.retrieval.readers.front_matter import NOBODY, parse_fields, stated_principals
from surefoot.retrieval.readers.plain import decode

FOLDER_NAMES = ("access.yaml", "access.yml")
FILE_SUFFIXES = (".access.yaml", ".access.yml")
MAX_BYTES = 65_536
PRIVATE = RightsOverride(principals=NOBODY)

_FIELDS = {"principals", "trust", "valid_until"}
_WILDCARDS = frozenset("*?[")


def is_rights_file(name: str) -> bool:
    """Whether a file of this name states rights rather than being a document."""
    return name in FOLDER_NAMES or name.endswith(FILE_SUFFIXES)


@dataclass(frozen=True, slots=True)
class FolderRights:
    """One folder's sidecar. `is_broken` when it cannot be parsed; `problems` are sentences for the ingest report."""

    entries: tuple[tuple[str, RightsOverride], ...] = ()
    is_broken: bool = False
    problems: tuple[str, ...] = ()

    def matching(self, path: str) -> list[RightsOverride]:
        """What holds for the file at this path below the folder, the most specific glob first."""
        found = [(_specificity(glob), at, rights) for at, (glob, rights) in enumerate(self.entries) if matches_glob(path, glob)]
        return [rights for _, _, rights in sorted(found, key=lambda entry: entry[:2], reverse=True)]


def parse_folder_rights(body: bytes | None) -> FolderRights:
    """The sidecar of a folder; a broken one when the bytes are not a mapping of globs (None: they could not be read)."""
    try:
        fields = _fields(body)
    except (InvalidInput, UnreadableDocument) as error:
        return FolderRights(is_broken=True, problems=(f"it cannot be read ({error}), so everything under it is private.",))
    entries: list[tuple[str, RightsOverride]] = []
    problems: list[str] = []
    for glob, value in fields.items():
        try:
            entries.append((glob, _override(value)))
        except InvalidInput as error:
            entries.append((glob, PRIVATE))
            problems.append(
                f"the entry {glob[:80]!r} is malformed ({str(error).rstrip('.')}), so the files it matches are private."
            )
    return FolderRights(tuple(entries), problems=tuple(problems))


def parse_file_rights(body: bytes | None) -> tuple[RightsOverride, str]:
    """What a file's own sidecar states, and the problem with it: a malformed one makes the file nobody's."""
    try:
        return _override(_fields(body)), ""
    except (InvalidInput, UnreadableDocument) as error:
        return PRIVATE, f"it cannot be read ({str(error).rstrip('.')}), so its document is private."


def combined(own: RightsOverride | None, folders: Iterable[tuple[FolderRights, str]]) -> RightsOverride | None:
    """What holds for a file: its own sidecar, then each folder's, nearest first, with the file's path below that folder.

    None when nothing is stated.
    """
    layers = [] if own is None else [own]
    is_broken = False
    for rights, path in folders:
        is_broken = is_broken or rights.is_broken
        layers += rights.matching(path)
    if not layers and not is_broken:
        return None
    return RightsOverride(
        principals=NOBODY if is_broken else next((layer.principals for layer in layers if layer.principals is not None), None),
        trust=next((layer.trust for layer in layers if layer.trust is not None), None),
        valid_until=next((layer.valid_until for layer in layers if layer.valid_until is not None), None),
    )


def matches_glob(path: str, glob: str) -> bool:
    """Whether the path matches: `*`, `?` and `[...]` stay within a name, `**` is any number of folders.

    A glob without a slash matches the file's name in any folder. The work is bounded by names times parts of the glob.
    """
    parts = glob.strip("/").split("/")
    if "/" not in glob.strip("/") and parts != ["**"]:
        parts = ["**", *parts]
    names = path.split("/")
    reachable = [True] + [False] * len(names)
    for part in parts:
        following = [False] * len(reachable)
        for at in range(len(reachable)):
            if part == "**":
                following[at] = reachable[at] or (at > 0 and following[at - 1])
            elif at > 0:
                following[at] = reachable[at - 1] and fnmatchcase(names[at - 1], part)
        reachable = following
    return reachable[-1]


def _specificity(glob: str) -> tuple[bool, int]:
    return not _WILDCARDS & set(glob), sum(char not in _WILDCARDS for char in glob)


def _fields(body: bytes | None) -> dict[str, Any]:
    if body is None or len(body) > MAX_BYTES:
        raise InvalidInput(f"not a file of at most {MAX_BYTES} bytes in the folder that is read")
    return parse_fields(decode(body))


def _override(value: Any) -> RightsOverride:
    if not isinstance(value, Mapping) or not value or set(value) - _FIELDS:
        raise InvalidInput("it takes principals, trust and valid_until, and at least one of them")
    try:
        return RightsOverride(
            principals=stated_principals(value["principals"]) if "principals" in value else None,
            trust=TrustTier(value["trust"]) if "trust" in value else None,
            valid_until=parse_moment(value["valid_until"]) if "valid_until" in value else None,
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidInput(str(error)) from None
