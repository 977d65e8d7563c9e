"""What our part of JSON Schema makes of the official test suite: which schemas it accepts, and how it judges their instances.

    python -m benchmarks.json_schema_suite SUITE

SUITE is a checkout of the JSON-Schema-Test-Suite (MIT; the source distribution of the package jsonschema holds one as `json/`).
Of it the required tests of draft 2020-12 are run, and the optional ones of the formats that action files may use. Schemas go
through the very checks that an action file's schema goes through; one that these refuse is counted by the first thing that
is wrong with it. An accepted one judges its instances as arguments are judged, with formats asserted.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring import table
from surefoot.actions.json_schema import FORMATS, compiled, schema_problems, value_problems

_DRAFT = Path("tests") / "draft2020-12"
# In the required tests a format is only noted; ours are asserted, which the optional tests of each format are about.
_ONLY_NOTED = "format.json"
_KINDS = (
    ("is not one of the keywords", "a keyword that action files do not use"),
    ("must point into this file", "a $ref that leads anywhere but to #/$defs"),
    ("leads back to itself", "a $ref that leads back to itself"),
    ("not under $defs", "a $ref to a definition that is not there"),
    ("what is not declared is refused", "an object that takes what it does not declare"),
    ("maps of free keys", "a map of free keys"),
    ("must be named with", "names that are not a-z, 0-9 and _"),
    ("must be one of", "a format that is not checked"),
    ("must be a schema", "no schema"),
)


@dataclass
class Figures:
    """What became of one part of the suite."""

    groups: int = 0
    accepted: int = 0
    instances: int = 0
    right: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def group(self, file: str, group: dict[str, Any]) -> None:
        """One schema with its instances."""
        self.groups += 1
        problems = schema_problems(group["schema"], "schema")
        if problems or not isinstance(group["schema"], dict):
            said = problems[0].sentence if problems else "must be a schema"
            self.refused[kind_of(said, problems[0].place if problems else "")] += 1
            return
        self.accepted += 1
        validator = compiled(group["schema"])
        for test in group["tests"]:
            self.instances += 1
            is_valid = not value_problems(validator, test["data"], "args", most=1)
            if is_valid is test["valid"]:
                self.right += 1
            else:
                self.wrong.append(f"{file}: {group['description']}: {test['description']}")


def kind_of(sentence: str, place: str) -> str:
    """The refusal in a few words, the same for all of its kind."""
    if place.endswith(".pattern"):
        return "a pattern that is not linear, or not bounded"
    return next((kind for part, kind in _KINDS if part in sentence), re.sub(r"'[^']*'", "...", sentence))


def groups(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of the folder's files with its tests."""
    for path in sorted(folder.glob("*.json")):
        if path.name != _ONLY_NOTED:
            for group in json.loads(path.read_text(encoding="utf-8")):
                yield path.name, group


def measured(suite: Path) -> tuple[Figures, Figures]:
    """The required tests, and the optional ones of our formats."""
    required, formats = Figures(), Figures()
    for name, group in groups(suite / _DRAFT):
        required.group(name, group)
    for name, group in groups(suite / _DRAFT / "optional" / "format"):
        if name.removesuffix(".json") in FORMATS:
            formats.group(name, group)
    return required, formats


def main() -> int:
    """Prints tables; 1 when an accepted schema judges any required instance wrong, 2 when there is no suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path, help="checkout of the JSON-Schema-Test-Suite")
    options = parser.parse_args()
    required, formats = measured(options.suite)
    if not required.groups:
        print(f"There is no {options.suite / _DRAFT}; name a checkout of the JSON-Schema-Test-Suite.", file=sys.stderr)
        return 2
    rows = [
        (name, f"{each.accepted} of {each.groups}", f"{each.right} of {each.instances}")
        for name, each in (("required", required), ("formats that we assert", formats))
    ]
    print(table(("JSON Schema 2020-12", "schemas accepted", "their instances judged right"), rows))
    print(table(("schemas refused, by the first reason", "required"), [(k, str(n)) for k, n in required.refused.most_common()]))
    for line in (*required.wrong, *formats.wrong):
        print(f"wrong: {line}")
    return 1 if required.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
