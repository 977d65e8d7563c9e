"""A folder of a model that ships: its manifest, its files against their hashes, and texts as its tokenizer can take them."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from surefoot.core.errors import MissingModel

MODELS = Path(__file__).resolve().parents[1] / "models"
MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE = "manifest.json", "model.int8.onnx", "tokenizer.json"

Item = TypeVar("Item")
Found = TypeVar("Found")


def read_record(path: Path, make: str) -> dict[str, Any]:
    """The JSON object of the file; MissingModel, which names the make target, when there is none or it is not readable."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, error, make) from error
    if not isinstance(record, dict):
        raise unreadable(path, "it holds no JSON object", make)
    return record


def unreadable(path: Path, why: object, make: str) -> MissingModel:
    """The error for a file of the model that is not in its form."""
    return MissingModel(f"{path} cannot be read ({why!r}); run `make {make}` or reinstall surefoot.")


def verified(path: Path, sha256: str | None, make: str) -> bytes:
    """The file's bytes, which have this sha256; MissingModel for a missing file or any other content."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingModel(f"{path} is missing; run `make {make}` or reinstall surefoot.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise MissingModel(f"{path} does not match its manifest; run `make {make}` or reinstall surefoot.")
    return data


def readable(text: str, longest_characters: int) -> str:
    """The text as a tokenizer can take it: bounded, and half a surrogate pair, a legal str, read as a question mark."""
    return text[:longest_characters].encode("utf-8", "replace").decode("utf-8")


def side_by_side(work: Callable[[Item], Found], items: Sequence[Item], *, threads: int) -> list[Found]:
    """The work's result for each item, in their order, on at most so many threads; with one, in this thread."""
    if threads == 1 or len(items) <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(threads, len(items)), thread_name_prefix="model") as pool:
        return list(pool.map(work, items))


def available_cpus() -> int:
    """The CPUs this process may run on, which in a container are often fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
