"""Schemas of other services, written as action files may have them. What cannot be kept is noted, never quietly dropped."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from surefoot.actions.json_schema import FORMATS, KEYWORDS, LIST, NAMED, ONE, OURS
from surefoot.core.errors import InvalidInput
from surefoot.domain.actions import Json

MAX_DEFINITIONS = 200
_MOST_DEPTH = 24
_MOST_TEXT_CHARACTERS = 300
_KEPT = KEYWORDS - OURS - {"$schema", "$comment", "examples", "default"}
# They tell people or generators something, and nothing about which values are valid.
_SILENT = frozenset(
    {"$schema", "$id", "$comment", "example", "examples", "default", "xml", "externalDocs", "readOnly", "writeOnly"}
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST_NAME, _LONGEST_ACTION_NAME = 64, 48


def plain_name(text: str, *, longest: int = _LONGEST_NAME) -> str:
    """`user_id` for `userId`, `User-ID` and the like; begins with a letter. Empty when nothing of the text can be kept."""
    words = re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", text[: 4 * longest]).lower()).strip("_")
    return (words if not words or words[0].isalpha() else f"n_{words}")[:longest].rstrip("_")


def action_name(text: str, taken: Iterable[str]) -> str:
    """A name that an action may have and that is not taken yet."""
    name = plain_name(text, longest=_LONGEST_ACTION_NAME - 4) or "action"
    name = name if len(name) > 2 else f"do_{name}"
    known, number, candidate = set(taken), 1, name
    while candidate in known:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def plain_text(value: Json, longest: int = _MOST_TEXT_CHARACTERS) -> str:
    """The value as one line of printable text, cut off at the limit; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    words = " ".join("".join(each if each.isprintable() else " " for each in value[: 4 * longest]).split())
    return words if len(words) <= longest else words[: longest - 3] + "..."


class SchemaImport:
    """Rewrites schemas of one document. `definition` finds what a local `$ref` names, or None; a `$ref` that leads out of the
    document raises InvalidInput, because nothing is ever fetched.
    """

    def __init__(self, definition: Callable[[str], tuple[str, Json] | None]) -> None:
        self._definition = definition
        self._names: dict[str, str] = {}
        self.definitions: dict[str, Json] = {}
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        """Remembered once, in order."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def rewritten(self, schema: Json, *, depth: int = 0) -> Json:
        """The schema with plain names, closed objects, local references and only the keywords that action files may use."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping) or depth > _MOST_DEPTH:
            raise InvalidInput(f"A schema is nested more than {_MOST_DEPTH} levels deep, or is no object.")
        if "$ref" in schema:
            return {"$ref": f"#/$defs/{self._defined(schema['$ref'])}"}
        kept: dict[str, Any] = {}
        for keyword, value in schema.items():
            if keyword in ONE:
                kept[keyword] = self._items(keyword, value, depth)
            elif keyword in LIST and isinstance(value, list):
                kept[keyword] = [self.rewritten(each, depth=depth + 1) for each in value]
            elif keyword in NAMED or keyword in ("required", "additionalProperties"):
                continue
            elif keyword in ("title", "description"):
                kept |= {keyword: text} if (text := plain_text(value)) else {}
            elif keyword in _KEPT:
                kept[keyword] = value
            elif keyword not in _SILENT and keyword != "nullable":
                self.note(f"the keyword {plain_text(keyword, 40)!r} was left out")
        self._correct_types(schema, kept)
        if "properties" in schema or kept.get("type") == "object" or "object" in _listed(kept.get("type")):
            self._close(schema, kept, depth)
        return kept

    def object_of(self, schema: Json) -> Mapping[str, Json] | None:
        """The object schema that this is or refers to, as it stands in the document; None for any other schema."""
        seen = 0
        while isinstance(schema, Mapping) and "$ref" in schema and seen < _MOST_DEPTH:
            schema, seen = self._found(schema["$ref"])[1], seen + 1
        if isinstance(schema, Mapping) and ("properties" in schema or schema.get("type") == "object") and "allOf" not in schema:
            return schema
        return None

    def _items(self, keyword: str, value: Json, depth: int) -> Json:
        if isinstance(value, list):
            raise InvalidInput(f"The keyword {keyword!r} holds a list, as drafts before 2020-12 had it; write prefixItems.")
        return self.rewritten(value, depth=depth + 1)

    def _correct_types(self, schema: Mapping[str, Json], kept: dict[str, Any]) -> None:
        if kept.get("format") is not None and kept["format"] not in FORMATS:
            self.note(f"the format {plain_text(kept.pop('format'), 40)!r} was left out")
        if schema.get("nullable") is True and isinstance(kept.get("type"), str):
            kept["type"] = [kept["type"], "null"]
            if isinstance(kept.get("enum"), list) and None not in kept["enum"]:
                kept["enum"] = [*kept["enum"], None]
        for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(kept.get(exclusive), bool) and kept.pop(exclusive) and limit in kept:
                kept[exclusive] = kept.pop(limit)

    def _close(self, schema: Mapping[str, Json], kept: dict[str, Any], depth: int) -> None:
        free = schema.get("additionalProperties")
        if free not in (None, False):
            self.note("an object with free keys was closed")
        properties, names = schema.get("properties"), {}
        kept["properties"] = {}
        for given, inner in properties.items() if isinstance(properties, Mapping) else ():
            names[given] = name = self._plain(given, kept["properties"])
            kept["properties"][name] = self.rewritten(inner, depth=depth + 1)
        required = schema.get("required")
        wanted = (
            [names[each] for each in required if isinstance(each, str) and each in names] if isinstance(required, list) else []
        )
        if wanted:
            kept["required"] = wanted
        kept["additionalProperties"] = False
        kept.setdefault("type", "object")

    def _plain(self, given: str, taken: Mapping[str, Json]) -> str:
        name = plain_name(given) or "argument"
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            candidate = f"{name[:60]}_{number}"
        if candidate != given:
            self.note(f"{plain_text(given, 60)!r} became {candidate!r}")
        return candidate

    def _found(self, reference: Json) -> tuple[str, Json]:
        found = self._definition(reference) if isinstance(reference, str) else None
        if found is None:
            shown = plain_text(reference, 80)
            raise InvalidInput(
                f"The $ref {shown!r} leads out of the document, or to nothing in it; nothing is ever fetched. Bundle it."
            )
        return found

    def _defined(self, reference: Json) -> str:
        given, schema = self._found(reference)
        known = self._names.get(given)
        if known is not None:
            return known
        if len(self._names) >= MAX_DEFINITIONS:
            raise InvalidInput(
                f"The document has more than {MAX_DEFINITIONS} schemas that refer to each other; import a part of it."
            )
        name = self._plain_definition(given)
        self._names[given] = name
        # Held before it is rewritten, so that a schema which leads back to itself ends here; the check says it may not.
        self.definitions[name] = {}
        self.definitions[name] = self.rewritten(schema)
        return name

    def _plain_definition(self, given: str) -> str:
        name, number = plain_name(given) or "schema", 1
        candidate = name
        while candidate in self.definitions:
            number += 1
            candidate = f"{name[:60]}_{number}"
        return candidate


def _listed(types: Json) -> list[Json]:
    return types if isinstance(types, list) else []
