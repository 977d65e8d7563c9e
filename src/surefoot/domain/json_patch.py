"""RFC 6902 patches: made from two documents, applied, turned round. A resource that does not exist is the document None."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy

from surefoot.core.errors import InvalidInput
from surefoot.domain.actions import Json
from surefoot.domain.canonical import canonical
from surefoot.domain.runs import Change

Operation = Mapping[str, Json]
OPERATIONS = frozenset({"add", "remove", "replace", "move", "copy", "test"})

_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z", re.ASCII)
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*\Z")


def etag_of(document: Json) -> str:
    """The etag of a document: a fingerprint of its content, so that an undo brings the old etag back."""
    return hashlib.sha256(canonical(document)).hexdigest()[:32]


def change_between(resource: str, before: Json, after: Json) -> Change:
    """The change that leads from one document to the other, with the patches of both directions."""
    return Change(resource, tuple(_difference("", before, after)), tuple(_difference("", after, before)))


def inverted(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes that take these back, last first."""
    return tuple(Change(change.resource, change.backward, change.forward) for change in reversed(changes))


def check_patch(operations: Iterable[Operation]) -> None:
    """Nothing happens when every operation is of RFC 6902's form; else InvalidInput is raised."""
    for operation in operations:
        name = operation.get("op")
        if name not in OPERATIONS:
            raise InvalidInput(f"{name!r} is no operation of a JSON patch; take one of {', '.join(sorted(OPERATIONS))}.")
        for member in ("path", "from") if name in ("move", "copy") else ("path",):
            pointer = operation.get(member)
            if not isinstance(pointer, str) or _POINTER.match(pointer) is None:
                raise InvalidInput(f"{pointer!r} is no JSON pointer; write it as /member/0, with ~0 for ~ and ~1 for /.")
        if name in ("add", "replace", "test") and "value" not in operation:
            raise InvalidInput(f"The operation {name!r} has no value.")


def patched(document: Json, operations: Sequence[Operation]) -> Json:
    """A new document with all operations done in order; the given one stays as it is.

    Raises InvalidInput when an operation is malformed or does not fit the document.
    """
    check_patch(operations)
    root = deepcopy(document)
    for operation in operations:
        root = _done(root, operation)
    return root


def _done(root: Json, operation: Operation) -> Json:
    name, path = operation["op"], _steps(str(operation["path"]))
    if name == "test":
        if canonical(_at(root, path)) != canonical(operation["value"]):
            raise InvalidInput(f"The document holds another value at {operation['path']!r}.")
        return root
    if name == "remove":
        return _removed(root, path)
    if name == "replace":
        _at(root, path)
        return _added(_removed(root, path), path, deepcopy(operation["value"])) if path else deepcopy(operation["value"])
    if name == "add":
        return _added(root, path, deepcopy(operation["value"]))
    source = _steps(str(operation["from"]))
    value = deepcopy(_at(root, source))
    if name == "copy":
        return _added(root, path, value)
    if path[: len(source)] == source and len(path) > len(source):
        raise InvalidInput("A JSON patch cannot move a value into itself.")
    return _added(_removed(root, source), path, value)


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _at(root: Json, path: Sequence[str]) -> Json:
    for step in path:
        if isinstance(root, dict) and step in root:
            root = root[step]
        elif isinstance(root, list) and _INDEX.match(step) is not None and int(step) < len(root):
            root = root[int(step)]
        else:
            raise InvalidInput(f"The document has nothing at {step!r}.")
    return root


def _added(root: Json, path: Sequence[str], value: Json) -> Json:
    if not path:
        return value
    parent, step = _at(root, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[step] = value
    elif isinstance(parent, list) and (step == "-" or (_INDEX.match(step) is not None and int(step) <= len(parent))):
        parent.insert(len(parent) if step == "-" else int(step), value)
    else:
        raise InvalidInput(f"The document has no place for {step!r}.")
    return root


def _removed(root: Json, path: Sequence[str]) -> Json:
    _at(root, path)
    if not path:
        return None
    parent, step = _at(root, path[:-1]), path[-1]
    if isinstance(parent, dict):
        del parent[step]
    elif isinstance(parent, list):
        del parent[int(step)]
    return root


def _difference(path: str, before: Json, after: Json) -> list[dict[str, Json]]:
    if _equal(before, after):
        return []
    # Only the whole document may be None for "does not exist"; deeper down, null is a value like others.
    if path == "" and before is None:
        return [{"op": "add", "path": "", "value": deepcopy(after)}]
    if path == "" and after is None:
        return [{"op": "remove", "path": ""}]
    if isinstance(before, dict) and isinstance(after, dict):
        return _member_differences(path, before, after)
    if isinstance(before, list) and isinstance(after, list):
        return _item_differences(path, before, after)
    return [{"op": "replace", "path": path, "value": deepcopy(after)}]


def _member_differences(path: str, before: Mapping[str, Json], after: Mapping[str, Json]) -> list[dict[str, Json]]:
    found: list[dict[str, Json]] = []
    for key in sorted(before.keys() | after.keys()):
        place = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in after:
            found.append({"op": "remove", "path": place})
        elif key not in before:
            found.append({"op": "add", "path": place, "value": deepcopy(after[key])})
        else:
            found.extend(_difference(place, before[key], after[key]))
    return found


def _item_differences(path: str, before: Sequence[Json], after: Sequence[Json]) -> list[dict[str, Json]]:
    shared = min(len(before), len(after))
    found = [step for place in range(shared) for step in _difference(f"{path}/{place}", before[place], after[place])]
    found.extend({"op": "remove", "path": f"{path}/{place}"} for place in range(len(before) - 1, shared - 1, -1))
    found.extend({"op": "add", "path": f"{path}/{place}", "value": deepcopy(after[place])} for place in range(shared, len(after)))
    return found


def _equal(one: Json, other: Json) -> bool:
    # Python holds 1 == True, and JSON does not.
    return canonical(one) == canonical(other)
