"""suite.yaml as it is written, read so that what is wrong with it is named by its line."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from surefoot.core.errors import InvalidEvalSet
from surefoot.evals.cases import Text

SUITE_FILE = "suite.yaml"
_MOST_BYTES = 1_048_576
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SuiteId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Adapter = Literal["questions", "answers", "foreign", "pairs"]
Place = tuple[str | int, ...]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SampleCorpus(_Part):
    """The bundled sample tenant, with its documents, its people and the host product that its actions act on."""

    kind: Literal["sample"]
    people: Text = "people.json"


class DocumentsCorpus(_Part):
    """A folder or file of documents, ingested as `surefoot ingest` does; rights are those that they state, else everyone."""

    kind: Literal["documents"]
    path: Text
    people: Text | None = None


class SectionsCorpus(_Part):
    """A file of documentation sections; all of them may be read by everyone. `mask_faq_headings` leaves the headings of FAQ
    sections out of the index, which are the questions themselves.
    """

    kind: Literal["sections"]
    path: Text
    mask_faq_headings: bool = False


class NoCorpus(_Part):
    """No documents: for cases that bring their own evidence."""

    kind: Literal["none"]


CorpusFile = Annotated[SampleCorpus | DocumentsCorpus | SectionsCorpus | NoCorpus, Field(discriminator="kind")]


class Adapted(_Part):
    """A file of another format, read as cases: `questions` rank their gold sections and pages, `answers` must be answered from
    their gold pages, `foreign` must be refused, `pairs` are claims with their evidence.
    """

    file: Text
    as_: Adapter = Field(alias="as")


class SuiteFile(_Part):
    """A suite of golden cases. Paths are relative to this file; `${NAME}` stands for a variable of the environment."""

    format: Literal[1]
    id: SuiteId
    title: Text
    purpose: Text
    licence: Text
    source: Text
    corpus: CorpusFile
    cases: Annotated[tuple[Text | Adapted, ...], Field(min_length=1)]
    gates: Text | None = None
    as_of: date | None = Field(
        default=None, description="The day on which the cases are asked, so that what is stale stays so; default: today."
    )


class SuiteText:
    """suite.yaml, parsed: its values, and the line of each."""

    def __init__(self, path: Path) -> None:
        """Raises InvalidEvalSet for what is no suite file, naming the line."""
        self.path = path
        try:
            with path.open("rb") as stream:
                self.data = stream.read(_MOST_BYTES + 1)
        except OSError as error:
            message = f"{path} cannot be read ({error.strerror}); a suite is a folder with a {SUITE_FILE}."
            raise InvalidEvalSet(message) from error
        if len(self.data) > _MOST_BYTES:
            raise InvalidEvalSet(
                f"{path} is larger than the {_MOST_BYTES} bytes that a suite file may have; name files of cases."
            )
        self._lines: dict[Place, int] = {(): 1}
        self.file = self._validated(self._values())

    def wrong(self, place: Place, message: str) -> InvalidEvalSet:
        """The error for what stands at this place."""
        while place and place not in self._lines:
            place = place[:-1]
        return InvalidEvalSet(f"{self.path}, line {self._lines[place]}: {message}")

    def resolved(self, text: str, place: Place, environ: Mapping[str, str]) -> Path:
        """The file or folder that the text names. Raises InvalidEvalSet for a variable that is not set and a path that is not
        there.
        """

        def value(found: re.Match[str]) -> str:
            name = found.group(1)
            if not environ.get(name):
                raise self.wrong(place, f"${{{name}}} is not set; set it to the folder of the data: export {name}=FOLDER.")
            return environ[name]

        path = self.path.parent / _VARIABLE.sub(value, text)
        if not path.exists():
            raise self.wrong(place, f"there is no {str(path)!r}; put it there or mend the path {text!r}.")
        return path

    def _values(self) -> Any:
        try:
            node = yaml.compose(self.data.decode("utf-8"), Loader=yaml.SafeLoader)
        except UnicodeDecodeError as error:
            raise InvalidEvalSet(f"{self.path} is not UTF-8: byte {error.start} does not fit.") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            raise InvalidEvalSet(f"{self.path}, line {line}: {getattr(error, 'problem', None) or error}.") from None
        except RecursionError:
            raise InvalidEvalSet(f"{self.path}, line 1: it is nested too deeply; a suite has three levels.") from None
        return None if node is None else self._value(node, (), set())

    def _value(self, node: yaml.Node, place: Place, above: set[int]) -> Any:
        """The node as plain values; where each stands is written down. A key that comes twice, and an alias, is refused."""
        self._lines.setdefault(place, node.start_mark.line + 1)
        if id(node) in above:
            raise self.wrong(place, "an alias (*) is not understood here; write the value out.")
        above.add(id(node))
        if isinstance(node, yaml.MappingNode):
            values: dict[str, Any] = {}
            for key, value in node.value:
                name = str(key.value)
                if name in values:
                    line = key.start_mark.line + 1
                    raise InvalidEvalSet(f"{self.path}, line {line}: {name!r} stands here twice; keep one of them.")
                self._lines[(*place, name)] = key.start_mark.line + 1
                values[name] = self._value(value, (*place, name), above)
            return values
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._value(item, (*place, number), above) for number, item in enumerate(node.value))
        assert isinstance(node, yaml.ScalarNode), "there is no fourth kind of node"
        return self._scalar(node, place)

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        loader, is_plain = yaml.SafeLoader(""), node.style is None
        if node.tag != loader.resolve(yaml.ScalarNode, node.value, (is_plain, not is_plain)):  # type: ignore[no-untyped-call]
            raise self.wrong(place, "a tag (!) is not understood here; write the value without it.")
        try:
            return loader.construct_object(node)
        except ValueError as error:
            # What looks like a date or a number and is none.
            raise self.wrong(place, f"{node.value[:60]!r} is no value: {str(error)[:200]}.") from None

    def _validated(self, values: Any) -> SuiteFile:
        try:
            return SuiteFile.model_validate(values)
        except ValidationError as error:
            # The branches of a union stand in the places too and are no keys of the file; the one that was meant goes deepest.
            placed = [(tuple(step for step in each["loc"] if not _is_branch(step)), each) for each in error.errors()]
            place, first = max(placed, key=lambda found: (len(found[0]), found[1]["type"] != "string_type"))
            field = ".".join(map(str, place)) or "the file"
            remedy = " The keys are in docs/reference/eval-suites.md." if first["type"] == "extra_forbidden" else ""
            raise self.wrong(place, f"{field}: {first['msg']}.{remedy}") from None


def _is_branch(step: str | int) -> bool:
    return isinstance(step, str) and (step in {"sample", "documents", "sections", "none", "Adapted", "constrained-str"})
