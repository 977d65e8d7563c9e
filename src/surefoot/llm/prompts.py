"""Prompts as files: each states its id, purpose and variables, and is known by the hash of its content."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from surefoot.core.errors import InvalidSettings
from surefoot.core.ids import digest

SHIPPED = Path(__file__).parent.parent / "prompts"

_FENCE = "---\n"
_PLACEHOLDER = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")


class _FrontMatter(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: str
    purpose: str
    variables: list[str]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file. `fingerprint` is the sha256 of the whole file, whatever its line ends."""

    prompt_id: str
    purpose: str
    variables: tuple[str, ...]
    text: str
    fingerprint: str

    def render(self, **variables: str) -> str:
        """The text with each `{{name}}` replaced by its value, once: a value that holds `{{other}}` keeps it as it is.

        Raises InvalidSettings when a declared variable is missing or one is given that is not declared.
        """
        given, declared = set(variables), set(self.variables)
        if given != declared:
            wrong = sorted(declared - given) or sorted(given - declared)
            what = "is missing" if declared - given else "is not one of its variables"
            raise InvalidSettings(
                f"Prompt {self.prompt_id!r}: {wrong[0]!r} {what}; it takes exactly {', '.join(self.variables) or 'none'}."
            )
        return _PLACEHOLDER.sub(lambda found: variables[found.group(1)], self.text)


@dataclass(frozen=True, slots=True)
class Prompts:
    """All prompts of one folder. `fingerprint` changes when any of them does; it is part of every cache key."""

    by_id: Mapping[str, Prompt]
    fingerprint: str

    def get(self, prompt_id: str) -> Prompt:
        """The prompt of this id. Raises InvalidSettings when there is none."""
        try:
            return self.by_id[prompt_id]
        except KeyError:
            known = ", ".join(sorted(self.by_id))
            raise InvalidSettings(f"There is no prompt {prompt_id!r}; there are {known}.") from None


def load_prompts(folder: Path | None = None) -> Prompts:
    """Every `*.md` of the folder, by default those shipped with the package.

    Raises InvalidSettings, naming the file, for front matter that is missing or wrong, an id that is not the file's name, a
    placeholder that is not declared, a declared variable that is not used, and a folder without prompts.
    """
    folder = folder or SHIPPED
    prompts = {path.stem: _read(path) for path in sorted(folder.glob("*.md"))}
    if not prompts:
        raise InvalidSettings(f"There are no prompts in {str(folder)!r}; it must hold files such as answer.md.")
    return Prompts(prompts, digest(*(part for name in prompts for part in (name, prompts[name].fingerprint))))


def _read(path: Path) -> Prompt:
    try:
        content = path.read_text(encoding="utf-8").removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"Prompt file {str(path)!r} cannot be read as UTF-8 text: {error}.") from error
    head, separator, text = content.removeprefix(_FENCE).partition("\n" + _FENCE)
    if not content.startswith(_FENCE) or not separator:
        raise InvalidSettings(
            f"Prompt file {str(path)!r} must begin with front matter (id, purpose, variables) between --- lines."
        )
    try:
        front = _FrontMatter.model_validate(yaml.safe_load(head))
    except (yaml.YAMLError, ValidationError) as error:
        raise InvalidSettings(f"The front matter of {str(path)!r} must be id, purpose and variables (a list): {error}") from error
    text = text.strip()
    _check(path, front, text)
    return Prompt(front.id, front.purpose, tuple(front.variables), text, digest(content))


def _check(path: Path, front: _FrontMatter, text: str) -> None:
    if front.id != path.stem:
        raise InvalidSettings(f"Prompt file {str(path)!r} states the id {front.id!r}; it must be the file's name, {path.stem!r}.")
    if not text:
        raise InvalidSettings(f"Prompt file {str(path)!r} has no text below its front matter.")
    if "{{" in _PLACEHOLDER.sub("", text):
        raise InvalidSettings(
            f"Prompt file {str(path)!r} has a '{{{{' that begins no {{{{variable}}}}; names are a-z, 0-9 and _."
        )
    used = set(_PLACEHOLDER.findall(text))
    if used != set(front.variables) or len(front.variables) != len(used):
        wrong = sorted(used ^ set(front.variables)) or sorted(front.variables)
        raise InvalidSettings(
            f"Prompt file {str(path)!r}: {wrong[0]!r} must stand once under variables and be used in the text, or do neither."
        )
