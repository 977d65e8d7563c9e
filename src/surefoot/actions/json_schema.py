"""The part of JSON Schema 2020-12 that action files may use, checked without asking anybody else for anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NoReturn

import jsonschema_rs

from surefoot.actions.patterns import MAX_PATTERN_CHARACTERS, pattern_problem
from surefoot.core.redaction import redact
from surefoot.domain.actions import Json

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FORMATS = frozenset({"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"})
NORMALISERS = ("trim", "lower", "nfc", "utc-minute")
# Schemas inside a schema: one, a list of them, and an object of them.
ONE, LIST, NAMED = (
    ("items", "contains", "not", "if", "then", "else"),
    ("prefixItems", "allOf", "anyOf", "oneOf"),
    ("properties", "$defs"),
)
ASSERTIONS = frozenset(
    {"type", "enum", "const", "required", "additionalProperties", "minProperties", "maxProperties", "dependentRequired"}
    | {"minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minLength", "maxLength", "pattern", "format"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)
ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated", "$comment"})
OURS = frozenset({"x-normalize", "x-resource", "x-context", "x-region"})
KEYWORDS = ASSERTIONS | ANNOTATIONS | OURS | frozenset({"$schema", "$ref", *ONE, *LIST, *NAMED})

MAX_PATTERNS = 64
# Counted with every $ref written out, so that a few lines cannot stand for millions of checks.
MAX_EXPANDED_SCHEMAS = 2000
_MAX_REFERENCES_DEEP = 16
_REF_PREFIX = "#/$defs/"
_MAX_SHOWN = 60
_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "minimum": "a value of at least {}",
    "maximum": "a value of at most {}",
}
# A pattern is compiled into at most so many bytes; the engine runs in time linear in the text.
_REGEX = jsonschema_rs.RegexOptions(size_limit=1_000_000, dfa_size_limit=1_000_000)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, where, as a sentence that a person can act on. It never quotes a value."""

    place: str
    sentence: str


def compiled(schema: Mapping[str, Json]) -> jsonschema_rs.Draft202012Validator:
    """A validator that asserts formats, matches patterns in linear time and fetches nothing.

    Raises jsonschema_rs.ValidationError or ReferencingError for what is no schema.
    """
    return jsonschema_rs.Draft202012Validator(
        dict(schema), validate_formats=True, ignore_unknown_formats=False, retriever=_refuse_to_fetch, pattern_options=_REGEX
    )


def value_problems(validator: jsonschema_rs.Draft202012Validator, value: Json, root: str, *, most: int) -> list[Problem]:
    """Up to `most` reasons why the value is not valid, each at its place below `root`, without quoting the value.

    Looking for more than one costs the engine every reason there is, about 50 microseconds each; ask for one where the value
    or the schema is large.
    """
    if most > 1:
        return [_problem(error, root) for error in islice(validator.iter_errors(value), most)]
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return [_problem(error, root)]
    return []


def schema_size(schema: Mapping[str, Json]) -> int:
    """How many schemas this one stands for with every `$ref` written out; for schemas without a problem."""
    return _Walk(schema).size()


def schema_problems(schema: Json, root: str) -> list[Problem]:
    """Everything that keeps this from being a schema that action files may use; empty when there is nothing."""
    walk = _Walk(schema)
    walk.check(schema, root, plain=True, depth=0)
    if not walk.problems:
        walk.check_references(root)
    if walk.problems or not isinstance(schema, Mapping):
        return walk.problems
    try:
        compiled(schema)
    except jsonschema_rs.ValidationError as error:
        return [Problem(place(root, error.instance_path), f"is not valid JSON Schema 2020-12: {error.message[:200]}.")]
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        return [Problem(root, f"cannot be used as a schema: {str(error)[:200]}.")]
    return []


def resolved(schema: Mapping[str, Json], node: Mapping[str, Json]) -> Mapping[str, Json]:
    """The node, or what its `$ref` into the schema's `$defs` stands for, with the node's own keywords on top."""
    reference = node.get("$ref")
    if not isinstance(reference, str):
        return node
    definitions = schema.get("$defs")
    target = definitions.get(reference.removeprefix(_REF_PREFIX)) if isinstance(definitions, Mapping) else None
    if not isinstance(target, Mapping):
        return node
    return {**resolved(schema, target), **{key: value for key, value in node.items() if key != "$ref"}}


def place(root: str, path: Sequence[str | int]) -> str:
    """The path as people write it: `args.evidence[2]`; what looks like a secret or is long is not repeated."""
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{_name(step)}" for step in path)


class _Walk:
    """One pass over a schema, collecting what is wrong. `$defs` are those of the root."""

    def __init__(self, root: Json) -> None:
        self.problems: list[Problem] = []
        self._patterns = 0
        definitions = root.get("$defs") if isinstance(root, Mapping) else None
        self._root = root
        self._definitions: Mapping[str, Json] = definitions if isinstance(definitions, Mapping) else {}

    def check(self, schema: Json, at: str, *, plain: bool, depth: int) -> None:
        """`plain` while reached through properties and items alone: there a value has exactly one schema."""
        if isinstance(schema, bool):
            return
        if not isinstance(schema, Mapping):
            self._add(at, "must be a schema: an object, true or false")
            return
        for keyword in sorted(set(schema) - KEYWORDS):
            self._add(f"{at}.{_name(keyword)}", "is not one of the keywords that action files may use")
        self._check_reference(schema, at)
        self._check_object(schema, at)
        self._check_string(schema, at)
        self._check_ours(schema, at, plain=plain, depth=depth)
        for key, child, stays_plain in _children(schema):
            deeper = depth + 1 if key.startswith((".properties", ".items")) else depth
            self.check(child, at + key, plain=plain and stays_plain, depth=deeper)

    def check_references(self, at: str) -> None:
        """No `$ref` leads back to itself, and all written out stay within MAX_EXPANDED_SCHEMAS."""
        try:
            size = self.size()
        except RecursionError:
            self._add(at, "has a $ref that leads back to itself, or through more than 16 others; arguments are never recursive")
            return
        if size > MAX_EXPANDED_SCHEMAS:
            self._add(at, f"stands for more than {MAX_EXPANDED_SCHEMAS} schemas once every $ref is written out")
        if self._patterns > MAX_PATTERNS:
            self._add(at, f"has more than {MAX_PATTERNS} patterns")

    def size(self) -> int:
        """How many schemas it is with every `$ref` written out. Raises RecursionError where one leads back to itself."""
        return self._size(self._root, (), {})

    def _size(self, schema: Json, above: tuple[str, ...], sizes: dict[str, int]) -> int:
        if not isinstance(schema, Mapping):
            return 1
        size = 1 + sum(self._size(child, above, sizes) for key, child, _ in _children(schema) if not key.startswith(".$defs"))
        reference = schema.get("$ref")
        if isinstance(reference, str):
            name = reference.removeprefix(_REF_PREFIX)
            if name in above or len(above) >= _MAX_REFERENCES_DEEP:
                raise RecursionError
            if name not in sizes:
                sizes[name] = self._size(self._definitions[name], (*above, name), sizes)
            size += sizes[name]
        return size

    def _check_reference(self, schema: Mapping[str, Json], at: str) -> None:
        if "$ref" not in schema:
            return
        reference = schema["$ref"]
        if not isinstance(reference, str) or not reference.startswith(_REF_PREFIX):
            self._add(f"{at}.$ref", "must point into this file as #/$defs/name; nothing is ever fetched")
        elif reference.removeprefix(_REF_PREFIX) not in self._definitions:
            self._add(f"{at}.$ref", "points to a definition that is not under $defs")

    def _check_object(self, schema: Mapping[str, Json], at: str) -> None:
        types = schema.get("type")
        is_object = types == "object" or (isinstance(types, list) and "object" in types)
        if is_object and schema.get("additionalProperties") is not False:
            self._add(f"{at}.additionalProperties", "must be there and false: what is not declared is refused")
        elif "additionalProperties" in schema and schema["additionalProperties"] is not False:
            self._add(f"{at}.additionalProperties", "must be false; maps of free keys are not accepted")
        properties = schema.get("properties")
        for key in properties if isinstance(properties, Mapping) else ():
            if not _is_plain_name(key):
                self._add(f"{at}.properties.{_name(key)}", "must be named with a-z, 0-9 and _, at most 64 of them")

    def _check_string(self, schema: Mapping[str, Json], at: str) -> None:
        pattern, form = schema.get("pattern"), schema.get("format")
        if isinstance(pattern, str):
            self._patterns += 1
            wrong = pattern_problem(pattern, has_max_length="maxLength" in schema)
            if wrong:
                self._add(f"{at}.pattern", wrong)
        if isinstance(form, str) and form not in FORMATS:
            self._add(f"{at}.format", f"must be one of {', '.join(sorted(FORMATS))}")

    def _check_ours(self, schema: Mapping[str, Json], at: str, *, plain: bool, depth: int) -> None:
        for keyword in sorted(OURS & set(schema)):
            if not plain:
                self._add(f"{at}.{keyword}", "may stand only where properties and items lead, not in $defs or under conditions")
        if "x-normalize" in schema:
            wanted = schema["x-normalize"]
            steps = wanted if isinstance(wanted, list) else [wanted]
            if not steps or any(step not in NORMALISERS for step in steps) or len(set(map(str, steps))) != len(steps):
                self._add(f"{at}.x-normalize", f"must be one or several of {', '.join(NORMALISERS)}")
            elif "utc-minute" in steps and schema.get("format") != "date-time":
                self._add(f"{at}.x-normalize", "is utc-minute, which needs the format date-time beside it")
        if "x-resource" in schema and not _is_plain_name(schema["x-resource"]):
            self._add(f"{at}.x-resource", "must name a kind of resource with a-z, 0-9 and _")
        if "x-region" in schema and schema["x-region"] is not True:
            self._add(f"{at}.x-region", "must be true, or be left out")
        elif "x-region" in schema and not _is_text(schema):
            # Nobody would look for a region in a list or a number, and the rule about regions would hold of it.
            self._add(f"{at}.x-region", "may stand only on a text; of a list, on its items")
        if "x-context" in schema:
            if depth != 1:
                self._add(f"{at}.x-context", "may stand only on an argument itself, not inside one")
            if context_path(schema["x-context"]) is None:
                self._add(f"{at}.x-context", "must be a path such as viewer.user_id")

    def _add(self, at: str, sentence: str) -> None:
        self.problems.append(Problem(at, sentence + "."))


def context_path(text: Json) -> tuple[str, ...] | None:
    """`("account", "id")` for `viewer.account.id`; None for what is no such path."""
    if not isinstance(text, str):
        return None
    first, *steps = text.split(".")
    return tuple(steps) if first == "viewer" and steps and all(map(_is_plain_name, steps)) else None


def _is_text(schema: Mapping[str, Json]) -> bool:
    """Whether a value by this schema is a text, or null for none."""
    kinds, values = schema.get("type"), schema.get("enum", [schema.get("const")])
    if kinds is not None:
        return set(kinds if isinstance(kinds, list) else [str(kinds)]) <= {"string", "null"}
    return isinstance(values, list) and any(values) and all(value is None or isinstance(value, str) for value in values)


def _children(schema: Mapping[str, Json]) -> Iterator[tuple[str, Json, bool]]:
    """Each schema inside, with where it stands and whether a value there has no other schema."""
    for keyword in ONE:
        if keyword in schema:
            yield f".{keyword}", schema[keyword], keyword == "items"
    for keyword in LIST:
        inner = schema.get(keyword)
        for number, child in enumerate(inner if isinstance(inner, list) else ()):
            yield f".{keyword}[{number}]", child, False
    for keyword in NAMED:
        named = schema.get(keyword)
        for name, child in named.items() if isinstance(named, Mapping) else ():
            yield f".{keyword}.{_name(name)}", child, keyword == "properties"


def _problem(error: jsonschema_rs.ValidationError, root: str) -> Problem:
    return Problem(place(root, error.instance_path), _sentence(error))


def _is_plain_name(text: Json) -> bool:
    if not isinstance(text, str) or not 1 <= len(text) <= 64 or not text.isascii():
        return False
    return text[0].islower() and all(c.islower() or c.isdigit() or c == "_" for c in text)


def _name(key: str) -> str:
    shown = redact(key)
    return shown if len(shown) <= _MAX_SHOWN else shown[: _MAX_SHOWN - 3] + "..."


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    """What the schema asks for, in words made from the schema alone: an argument may hold a secret."""
    kind, facts = error.kind.name, error.kind.as_dict()
    first = next(iter(facts.values()), "")
    match kind:
        case "required":
            return f"misses {_name(str(first))!r}."
        case "additionalProperties":
            return f"does not take {_name(str(first[0]))!r}."
        case "type":
            return f"must be of type {' or '.join(first)}."
        case "enum":
            return f"must be one of {', '.join(map(str, first))[:400]}."
        case "const":
            return f"must be {str(first)[:200]}."
        case "pattern":
            return f"must match {first[:MAX_PATTERN_CHARACTERS]}."
        case "format":
            return f"must be written as {first}."
        case _ if kind in _LIMITS:
            return f"must have {_LIMITS[kind].format(first)}."
        case "falseSchema" | "not" | "anyOf" | "oneOf" | "contains" | "uniqueItems" | "if":
            return f"does not satisfy {kind} of the schema."
        case _:
            return f"does not satisfy {kind} {str(first)[:200]}."


def _refuse_to_fetch(uri: str) -> NoReturn:
    raise ValueError(f"Schemas are never fetched, and {uri[:_MAX_SHOWN]!r} is not part of the file.")
