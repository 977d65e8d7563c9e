"""What a document states about itself above its text, rights first: what cannot be understood is private, never public."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import yaml

from surefoot.core.clock import parse_moment
from surefoot.core.errors import InvalidInput
from surefoot.domain.documents import TrustTier
from surefoot.domain.identity import Principal, parse_principals

MAX_CHARS = 65_536
_Value = TypeVar("_Value")
NOBODY: frozenset[Principal] = frozenset()

_MAX_DEPTH = 20
_MAX_META = 50
_MAX_META_CHARS = 1_000
_RIGHTS = ("principals", "access", "acl")
_UPDATED = ("updated_at", "last_updated", "lastmod", "date")
_EXPIRES = ("valid_until", "expires")
_LOCALES = ("locale", "lang", "language")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}\Z")
_LOOKS_LIKE_FIELD = re.compile(r"[A-Za-z_][\w-]{0,63}[ \t]*[:=]")
_ZONE_AFTER_SPACE = re.compile(r" (?=[+-]\d{2}:?\d{2}\Z)")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "", "null", "~")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The fields that were understood; `body_start` is where the text below them begins. See SourceDocument for meanings."""

    body_start: int = 0
    title: str = ""
    updated_at: datetime | None = None
    valid_until: datetime | None = None
    locale: str = ""
    trust: TrustTier | None = None
    principals: frozenset[Principal] | None = None
    supersedes: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_front_matter(text: str) -> FrontMatter:
    """The YAML between `---` lines (or TOML between `+++`) at the very beginning of the text; empty when there is none.

    Fields: title; updated_at, last_updated, lastmod or date; valid_until or expires; locale, lang or language; trust;
    principals, access or acl; private and draft, which mean nobody unless principals are stated; supersedes. Every other
    scalar is kept in meta. A rights field that is malformed, or front matter that cannot be parsed, is beyond 64 KiB or
    uses YAML aliases, makes the document nobody's and says so in a warning. An unknown trust tier is the lowest.
    """
    fence = text[:3]
    first_line = text.find("\n") + 1
    if fence not in ("---", "+++") or not first_line or text[3:first_line].strip():
        return FrontMatter()
    closing = re.compile(rf"^{re.escape(fence)}[ \t]*\r?$", re.MULTILINE).search(text, first_line, first_line + MAX_CHARS)
    if closing is None:
        if _LOOKS_LIKE_FIELD.match(text[first_line:].lstrip()[:80]):
            return FrontMatter(principals=NOBODY, warnings=("the front matter has no end, so the document is private.",))
        return FrontMatter()
    body_start = min(closing.end() + 1, len(text))
    try:
        fields = parse_fields(text[first_line : closing.start()], is_toml=fence == "+++")
    except InvalidInput as error:
        warning = f"the front matter cannot be read ({error}), so the rights are unknown and the document is private."
        return FrontMatter(body_start, principals=NOBODY, warnings=(warning,))
    return _understood(fields, body_start)


def parse_fields(text: str, *, is_toml: bool = False) -> dict[str, Any]:
    """The mapping that the YAML or TOML text stands for; YAML scalars stay strings. Empty text is the empty mapping.

    Raises InvalidInput, in one line, for anything else: aliases and duplicate keys included, so that no two readers
    understand the rights differently and no text grows while it is read.
    """
    if len(text) > MAX_CHARS:
        raise InvalidInput(f"more than {MAX_CHARS} characters")
    try:
        value = tomllib.loads(text) if is_toml else _PlainLoader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidInput(f"{error.problem or 'not valid YAML'}{where}") from None
    except yaml.YAMLError:
        raise InvalidInput("a character that YAML does not allow") from None
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise InvalidInput(f"not valid: {error}".splitlines()[0]) from None
    except RecursionError:
        raise InvalidInput("nested too deep") from None
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise InvalidInput("not a mapping of fields")
    return {str(key): entry for key, entry in value.items()}


def stated_principals(value: Any) -> frozenset[Principal]:
    """The principals that a list, or a text with commas or spaces between them, names; an empty list is nobody.

    Raises InvalidInput for an unknown principal, an empty text, or another type.
    """
    if isinstance(value, str) and value.strip():
        return parse_principals(re.split(r"[,\s]+", value.strip(", \t\n")))
    if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
        return parse_principals(entry.strip() for entry in value)
    raise InvalidInput(f"{str(value)[:80]!r} is not a list of principals")


def stated_flag(value: Any) -> bool:
    """Whether the value says yes. Raises InvalidInput for one that says neither yes nor no."""
    word = str("" if value is None else value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise InvalidInput(f"{word[:80]!r} is neither true nor false")


class _PlainLoader(yaml.BaseLoader):
    """YAML in which every scalar is a string, nothing is aliased, no key is stated twice and nesting has a limit."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias, which is not allowed")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_scalar(self, node: yaml.Node) -> Any:
        """Escapes may write a character as two halves, as JSON does; half a character alone is none."""
        text = super().construct_scalar(node)  # type: ignore[arg-type]
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16") if isinstance(text, str) else text
        except UnicodeDecodeError:
            raise yaml.MarkedYAMLError(problem="half of a character") from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
            raise yaml.MarkedYAMLError(problem="a key that is not text or is stated twice")
        return super().construct_mapping(node, deep)


def _understood(fields: dict[str, Any], body_start: int) -> FrontMatter:
    warnings: list[str] = []
    principals = _principals(fields, warnings)
    title = fields.get("title")
    last_update = fields.get("last_update")
    if isinstance(last_update, dict) and "date" in last_update:
        fields.setdefault("last_updated", last_update["date"])
    known = {"title", "trust", "supersedes", "private", "draft", *_RIGHTS, *_UPDATED, *_EXPIRES, *_LOCALES}
    return FrontMatter(
        body_start=body_start,
        title=str(title).strip() if isinstance(title, str | int | float) else "",
        updated_at=_first(fields, _UPDATED, _moment, warnings),
        valid_until=_first(fields, _EXPIRES, _moment, warnings),
        locale=_first(fields, _LOCALES, _locale, warnings) or "",
        trust=_trust(fields, warnings),
        principals=principals,
        supersedes=_first(fields, ("supersedes",), _uris, warnings) or (),
        meta=_meta({key: value for key, value in fields.items() if key not in known}),
        warnings=tuple(warnings),
    )


def _principals(fields: Mapping[str, Any], warnings: list[str]) -> frozenset[Principal] | None:
    stated = [name for name in _RIGHTS if name in fields]
    try:
        if len(stated) > 1:
            raise InvalidInput(f"{stated[0]!r} and {stated[1]!r} are both stated")
        if stated:
            return stated_principals(fields[stated[0]])
        hidden = [name for name in ("private", "draft") if stated_flag(fields.get(name))]
    except InvalidInput as error:
        warnings.append(f"the rights cannot be read ({str(error).rstrip('.')}), so the document is private.")
        return NOBODY
    if hidden:
        warnings.append(f"it is marked {hidden[0]!r} and states no principals, so it is private.")
        return NOBODY
    return None


def _first(
    fields: Mapping[str, Any], names: tuple[str, ...], parse: Callable[[Any], _Value], warnings: list[str]
) -> _Value | None:
    """The first of the fields that is stated, parsed; a malformed one is a warning and counts as not stated."""
    name = next((name for name in names if fields.get(name) not in (None, "")), None)
    if name is None:
        return None
    try:
        return parse(fields[name])
    except (ValueError, TypeError, InvalidInput):
        warnings.append(f"{name} {str(fields[name])[:80]!r} cannot be read and is left out.")
        return None


def _moment(value: Any) -> datetime:
    return parse_moment(_ZONE_AFTER_SPACE.sub("", str(value)))


def _locale(value: Any) -> str:
    if not _LOCALE.match(str(value)):
        raise InvalidInput(f"{value!r} is not a locale; write en or en-GB.")
    return str(value).replace("_", "-")


def _uris(value: Any) -> tuple[str, ...]:
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) and entry for entry in entries):
        raise InvalidInput(f"{value!r} is not a list of uris.")
    return tuple(entries)


def _trust(fields: Mapping[str, Any], warnings: list[str]) -> TrustTier | None:
    if "trust" not in fields:
        return None
    try:
        return TrustTier(str(fields["trust"]).strip().lower())
    except ValueError:
        warnings.append(f"trust {str(fields['trust'])[:80]!r} is none of official, reviewed, community; taken as community.")
        return TrustTier.COMMUNITY


def _meta(fields: Mapping[str, Any]) -> dict[str, str]:
    scalars = {key: str(value) for key, value in fields.items() if isinstance(value, str | int | float) and value != ""}
    return {key[:100]: value[:_MAX_META_CHARS] for key, value in list(scalars.items())[:_MAX_META]}
