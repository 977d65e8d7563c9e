"""Arguments of an action: checked in full, normalised, and named by their hash, keys and resources."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

import jsonschema_rs

from surefoot.actions.json_schema import NORMALISERS, compiled, place, schema_size, value_problems
from surefoot.core.errors import InvalidAction, InvalidInput
from surefoot.core.ids import digest
from surefoot.core.strict_json import parse_json
from surefoot.domain.actions import ActionSpec, Arguments, Cap, Json
from surefoot.domain.canonical import canonical, canonical_hash

MAX_ARGUMENT_BYTES = 64 * 1024
MAX_DEPTH = 16
MAX_VALUES = 4000
_MAX_INTEGER = 2**53 - 1
_MOST_PROBLEMS = 3
# Values times schemas up to which all reasons of a refusal are looked for; beyond it the first must do.
_CHEAP_CHECKS = 4000
_MAX_READABLE_KEY = 200
_MAX_COMPILED = 1000
_PATH = re.compile(r"(?:(?P<function>iso_week|date)\()?args\.(?P<name>[a-z][a-z0-9_]*)\)?")
_UTC_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", re.ASCII)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Declared(Protocol):
    """What is declared with the JSON Schema of its arguments: an action, or a playbook of them."""

    @property
    def name(self) -> str: ...
    @property
    def schema(self) -> Mapping[str, Json]: ...
    @property
    def schema_hash(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Compiled:
    schema: Mapping[str, Json]
    validator: jsonschema_rs.Draft202012Validator
    size: int


_compiled: dict[str, _Compiled] = {}


@dataclass(frozen=True, slots=True)
class CapKey:
    """One cap of an action and the key under which a run with these arguments counts."""

    cap: Cap
    key: str


def validated(spec: Declared, value: bytes | Mapping[str, Json]) -> Arguments:
    """The arguments, normalised as `x-normalize` asks and then valid against its whole schema. What means the same
    by those rules comes out equal, and giving the result again gives it again.

    Raises InvalidAction, naming up to three places and never a value, for everything else: more than 64 KiB, 16 levels or
    4,000 values, duplicate keys, numbers that are no JSON or beyond 2^53, lone surrogates, and whatever the schema refuses.
    """
    given = _parsed(spec, value) if isinstance(value, bytes) else value
    size = _Size(spec)
    size.check(given, ())
    plain = _normalised(given, spec.schema)
    _refuse_too_large(spec, plain)
    ours = _compiled_for(spec)
    most = _MOST_PROBLEMS if size.values * ours.size <= _CHEAP_CHECKS else 1
    problems = value_problems(ours.validator, plain, "args", most=most)
    if problems:
        raise InvalidAction(f"{spec.name}: " + " ".join(f"{p.place} {p.sentence}" for p in problems))
    for path, text in _annotated(plain, spec.schema, "x-normalize", ()):
        # A second 60, for one, is a valid date-time that no clock here can read.
        if "utc-minute" in path.wanted and not _UTC_MINUTE.fullmatch(text):
            raise InvalidAction(f"{spec.name}: {place('args', path.steps)} is not a moment that can be told in UTC.")
    assert isinstance(plain, Mapping)
    return plain


def arguments_hash(arguments: Arguments) -> str:
    """The sha256 of the canonical form (RFC 8785) of normalised arguments: equal for equal intents."""
    return canonical_hash(arguments)


def natural_key(spec: ActionSpec, arguments: Arguments) -> str:
    """Names the intent among live runs, the same for every version of the action; empty when the action declares no key."""
    if not spec.natural_key:
        return ""
    values = [_value_at(spec, path, arguments) for path in spec.natural_key]
    return f"{spec.name}:{digest(canonical(values).decode())}"


def cap_keys(spec: ActionSpec, arguments: Arguments, *, tenant: str, account: str, user: str) -> tuple[CapKey, ...]:
    """Each cap of the action with the key that these arguments, or the one who asks, count under.

    Raises InvalidAction when a cap counts by an argument that was not given or by an account that is not known: an unknown
    key would be a way around the cap.
    """
    viewer = {"tenant": tenant, "account": account, "user": user}
    return tuple(CapKey(cap, _cap_key(spec, cap, arguments, viewer)) for cap in spec.caps)


def resource_ids(spec: ActionSpec, arguments: Arguments) -> tuple[str, ...]:
    """What the arguments name by `x-resource`, as `user:usr_ab12cd`, in the schema's order and without repetition."""
    found = _annotated(arguments, spec.schema, "x-resource", ())
    return tuple(dict.fromkeys(f"{path.wanted[0]}:{text}" for path, text in found))


def regions(spec: ActionSpec, arguments: Arguments) -> frozenset[str]:
    """Every region that the arguments name by `x-region`: where the data would go, or is said to be."""
    return frozenset(text for _, text in _annotated(arguments, spec.schema, "x-region", ()))


@dataclass(frozen=True, slots=True)
class _Annotation:
    steps: tuple[str | int, ...]
    wanted: tuple[str, ...]


class _Size:
    """Refuses a value that is too deep, too large or no JSON, before anything recurses into it."""

    def __init__(self, spec: Declared) -> None:
        self._spec = spec
        self.values = 0

    def check(self, value: Json, path: tuple[str | int, ...]) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            raise self._refusal((), f"hold more than {MAX_VALUES} values.")
        if len(path) > MAX_DEPTH:
            raise self._refusal(path[:3], f"is nested more than {MAX_DEPTH} levels deep.")
        if isinstance(value, Mapping):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise self._refusal(path, "has a key that is not text.")
                self._check_text(key, path)
                self.check(item, (*path, key))
        elif isinstance(value, list | tuple):
            for number, item in enumerate(value):
                self.check(item, (*path, number))
        elif isinstance(value, str):
            self._check_text(value, path)
        elif isinstance(value, float):
            if not -float("inf") < value < float("inf"):
                raise self._refusal(path, "is not a number that JSON has.")
            if value.is_integer() and abs(value) > _MAX_INTEGER:
                raise self._refusal(path, "is a whole number beyond 2^53, which not every program reads alike.")
        elif isinstance(value, int) and abs(value) > _MAX_INTEGER:
            raise self._refusal(path, "is a whole number beyond 2^53, which not every program reads alike.")
        elif value is not None and not isinstance(value, int):
            raise self._refusal(path, "is not a value that JSON has.")

    def _check_text(self, text: str, path: tuple[str | int, ...]) -> None:
        if len(text) > MAX_ARGUMENT_BYTES:
            raise self._refusal(path, f"is longer than {MAX_ARGUMENT_BYTES} characters.")
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise self._refusal(path, "holds half of a surrogate pair, which is no character.")

    def _refusal(self, path: tuple[str | int, ...], sentence: str) -> InvalidAction:
        return InvalidAction(f"{self._spec.name}: {place('args', path)} {sentence}")


def _parsed(spec: Declared, data: bytes) -> Json:
    if len(data) > MAX_ARGUMENT_BYTES:
        raise InvalidAction(f"{spec.name}: args are larger than {MAX_ARGUMENT_BYTES} bytes.")
    try:
        value: Json = parse_json(data, max_depth=MAX_DEPTH, max_values=MAX_VALUES)
    except InvalidInput as error:
        raise InvalidAction(f"{spec.name}: args are not readable. {error}") from None
    return value


def _refuse_too_large(spec: Declared, value: Json) -> None:
    if len(canonical(value)) > MAX_ARGUMENT_BYTES:
        raise InvalidAction(f"{spec.name}: args are larger than {MAX_ARGUMENT_BYTES} bytes.")


def _compiled_for(spec: Declared) -> _Compiled:
    """The action's validator, compiled once for each schema."""
    known = _compiled.get(spec.schema_hash)
    if known is not None and known.schema is spec.schema:
        return known
    made = _Compiled(spec.schema, compiled(spec.schema), schema_size(spec.schema))
    if len(_compiled) >= _MAX_COMPILED:
        _compiled.clear()
    _compiled[spec.schema_hash] = made
    return made


def _normalised(value: Json, schema: Json) -> Json:
    """A copy as plain dicts and lists, each string with an `x-normalize` in its normal form; other values as they are."""
    node = schema if isinstance(schema, Mapping) else {}
    if isinstance(value, Mapping):
        properties = node.get("properties")
        inner = properties if isinstance(properties, Mapping) else {}
        return {key: _normalised(item, inner.get(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normalised(item, node.get("items")) for item in value]
    wanted = node.get("x-normalize")
    if not isinstance(value, str) or wanted is None:
        return value
    steps = wanted if isinstance(wanted, list) else [wanted]
    # One order whatever the file's, in which doing it twice changes nothing.
    for step in (step for step in NORMALISERS if step in steps):
        value = _apply(step, value)
    return value


def _apply(step: str, text: str) -> str:
    match step:
        case "trim":
            return text.strip()
        case "lower":
            return text.lower()
        case "nfc":
            return unicodedata.normalize("NFC", text)
        case _:
            return _utc_minute(text)


def _utc_minute(text: str) -> str:
    """The moment in UTC with its seconds cut off; the text as it is when it is no RFC 3339 date-time."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return text
    day, clock, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{zone.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return f"{moment.replace(tzinfo=None).isoformat(timespec='minutes')}:00Z"


def _annotated(value: Json, schema: Json, keyword: str, steps: tuple[str | int, ...]) -> Iterator[tuple[_Annotation, str]]:
    """Every string of the value that stands where the schema has this keyword."""
    node = schema if isinstance(schema, Mapping) else {}
    wanted = node.get(keyword)
    if isinstance(value, str) and wanted is not None:
        yield _Annotation(steps, tuple(map(str, wanted)) if isinstance(wanted, list) else (str(wanted),)), value
    properties = node.get("properties")
    if isinstance(value, Mapping) and isinstance(properties, Mapping):
        for name, inner in properties.items():
            if name in value:
                yield from _annotated(value[name], inner, keyword, (*steps, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _annotated(item, node.get("items"), keyword, (*steps, number))


def _value_at(spec: ActionSpec, path: str, arguments: Arguments) -> Json:
    """What the path stands for: the argument, None when it was not given, or the day or ISO week of its moment in UTC."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise InvalidAction(f"{spec.name}: {path[:60]!r} is not a path such as args.user_id.")
    value = arguments.get(match["name"])
    if match["function"] is None or value is None:
        return value
    day = _day(str(value))
    if match["function"] == "date":
        return day.isoformat()
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-01") else date.fromisoformat(_utc_minute(text)[:10])
    except ValueError:
        raise InvalidAction(
            "The argument is not a date or a date-time; validate arguments before asking for their keys."
        ) from None


def _cap_key(spec: ActionSpec, cap: Cap, arguments: Arguments, viewer: Mapping[str, str]) -> str:
    values: list[Json] = []
    for path in cap.key:
        value = viewer[path] if path in viewer else _value_at(spec, path, arguments)
        if value in (None, ""):
            raise InvalidAction(f"{spec.name}: the cap {cap.id!r} counts by {path!r}, which is not known for this run.")
        values.append(value)
    text = canonical(values).decode()
    return text if len(text) <= _MAX_READABLE_KEY else digest(text)
