"""gates.toml: what the figures must be for a run to reach users. Read strictly: a slip would be a gate that never closes."""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from surefoot.core.errors import InvalidEvalSet
from surefoot.domain.verdicts import EVERY_SURFACE
from surefoot.evals.figures import METRICS, Metric
from surefoot.evals.measures import MEASURES, Better

TASKS = ("ask", "retrieve", "support", "act", "policy")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_SLICE = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_SURFACE = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
_MOST_BYTES = 1_048_576
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s?%\Z")

_Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]


class Limit(StrEnum):
    """What a gate limits: the figure itself, or how far it may fall or rise against the baseline."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    MAX_DROP = "max_drop"
    MAX_RISE = "max_rise"

    @property
    def is_floor(self) -> bool:
        """Whether the figure must not be too low."""
        return self in (Limit.AT_LEAST, Limit.MAX_DROP)

    @property
    def is_relative_to_baseline(self) -> bool:
        """Whether there must be a baseline to judge by."""
        return self in (Limit.MAX_DROP, Limit.MAX_RISE)


class Bound(StrEnum):
    """Which number must keep within the limit: the figure, or an end of its 95 % interval."""

    VALUE = "value"
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate. `amount` is the threshold or the change allowed, a share of the baseline's figure when `is_share_of_baseline`.

    `where` are the slice's names and values. `surfaces` is empty for a gate about one action that names no surface: it speaks of
    that action alone.
    """

    gate_id: str
    metric: str
    where: Mapping[str, str]
    limit: Limit
    amount: float
    is_share_of_baseline: bool
    min_n: int
    bound: Bound
    is_blocking: bool
    surfaces: tuple[str, ...]
    why: str

    @property
    def action(self) -> str:
        """The action that the gate is about; empty for none."""
        return self.where.get("action", "")


@dataclass(frozen=True, slots=True)
class GateFile:
    """The gates of one file, in its order. A verdict by them stands for `valid_days`; None: until the next one."""

    gates: tuple[Gate, ...]
    valid_days: int | None = None


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Gate(_Table):
    metric: str = Field(description="The figure: share.passed, mean.ndcg_at_10, p95.latency_ms, sum.leaked, cost_per_success ...")
    where: dict[str, _Text] = Field(default={}, description="Only cases with these: task, kind, suite or a slice of their own.")
    at_least: float | None = Field(default=None, description="The figure must be this or more.")
    at_most: float | None = Field(default=None, description="The figure must be this or less.")
    max_drop: float | str | None = Field(default=None, description="How far it may fall against the baseline; '10%' is of that.")
    max_rise: float | str | None = Field(default=None, description="How far it may rise against the baseline; '10%' is of that.")
    min_n: int = Field(ge=1, description="With fewer cases the gate is neither passed nor failed.")
    bound: Literal["value", "low", "high"] = Field(default="value", description="Which number must keep within the limit.")
    level: Literal["blocking", "warning"] = Field(description="Whether a failure makes the verdict red or amber.")
    surfaces: list[str] | None = Field(default=None, description="The surfaces it speaks for; default: all.")
    why: _Text = Field(max_length=500, description="What the gate is there for, in a sentence.")


class _File(_Table):
    format: Literal[1] = 1
    valid_days: int | None = Field(default=None, ge=1, le=3650, description="How long a verdict by this file stands.")
    gates: dict[str, _Gate] = Field(description="By id, the gates.")


def gates_schema() -> dict[str, Any]:
    """The JSON Schema of a gates file, for editors; `eval_sets/gates.schema.json` holds it."""
    schema = _File.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "gates.toml"}


def load_gates(path: Path, *, suite: str = "") -> GateFile:
    """The gates of the file. With `suite` they are over that suite's cases alone, and their ids begin with its name.

    Raises InvalidEvalSet as `parse_gates` does, and when the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidEvalSet(f"{path} cannot be read as UTF-8 text: {error}.") from error
    if len(data) > _MOST_BYTES:
        raise InvalidEvalSet(f"{path} is larger than the {_MOST_BYTES} bytes that a file of gates may have.")
    return parse_gates(text, str(path), suite=suite)


def parse_gates(text: str, where: str, *, suite: str = "") -> GateFile:
    """The gates that the TOML text states.

    Raises InvalidEvalSet, naming `where`, the gate, the key and the remedy, for whatever is not understood, contradicts itself
    or could never fail.
    """
    try:
        file = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidEvalSet(f"{where} is not valid TOML: {error}.") from error
    except RecursionError:
        raise InvalidEvalSet(f"{where} is nested too deeply; no key of a gate holds more than one table.") from None
    except ValidationError as error:
        raise InvalidEvalSet(f"{where}: {_said(error)}") from None
    for key, problem in _problems(file):
        raise InvalidEvalSet(f"{where}: {key}: {problem}")
    return GateFile(tuple(_gate(name, gate, suite) for name, gate in file.gates.items()), file.valid_days)


def _gate(name: str, gate: _Gate, suite: str) -> Gate:
    limit = _limits(gate)[0]
    amount, is_share = _amount(getattr(gate, limit.value))
    by_default = () if "action" in gate.where else (EVERY_SURFACE,)
    return Gate(
        gate_id=f"{suite}.{name}" if suite else name,
        metric=gate.metric,
        where={**gate.where, "suite": suite} if suite else dict(gate.where),
        limit=limit,
        amount=amount,
        is_share_of_baseline=is_share,
        min_n=gate.min_n,
        bound=Bound(gate.bound),
        is_blocking=gate.level == "blocking",
        surfaces=by_default if gate.surfaces is None else tuple(gate.surfaces),
        why=gate.why,
    )


def _limits(gate: _Gate) -> list[Limit]:
    return [limit for limit in Limit if getattr(gate, limit.value) is not None]


def _amount(said: float | str) -> tuple[float, bool]:
    """The number, and whether it is a share of the baseline; NaN for a text that is no percentage."""
    if not isinstance(said, str):
        return float(said), False
    match = _PERCENT.match(said.strip())
    return (float(match[1]) / 100 if match else math.nan), True


def _problems(file: _File) -> Iterator[tuple[str, str]]:
    """What is wrong beyond the types, as key and sentence, in the order of the file."""
    if not file.gates:
        yield "gates", "there is none, so nothing would ever be stopped; write one as [gates.no-leaks]."
    for name, gate in file.gates.items():
        place = f"gates.{name}"
        if _ID.match(name) is None:
            yield place, "a gate's id takes 1 to 63 of a-z, 0-9 and -, and begins with no -."
        metric = METRICS.get(gate.metric)
        if metric is None:
            yield f"{place}.metric", _metric_remedy(gate.metric)
            continue
        yield from ((f"{place}.where", problem) for problem in _where_problems(gate.where))
        yield from ((f"{place}.surfaces", problem) for problem in _surface_problems(gate.surfaces))
        limits = _limits(gate)
        if len(limits) != 1:
            said = " and ".join(limits) or "none"
            yield place, f"it takes exactly one of at_least, at_most, max_drop and max_rise; said is {said}."
            continue
        yield from ((f"{place}.{limits[0]}", problem) for problem in _limit_problems(metric, limits[0], gate))
        if gate.bound != "value" and not metric.has_interval:
            yield f"{place}.bound", f"{gate.metric} is a sum and has no interval; leave bound out, or gate a share or mean."


def _limit_problems(metric: Metric, limit: Limit, gate: _Gate) -> Iterator[str]:
    amount, is_share = _amount(getattr(gate, limit.value))
    if is_share and not limit.is_relative_to_baseline:
        yield "it takes a number; a percentage is of a baseline, which max_drop and max_rise have."
    elif not math.isfinite(amount):
        yield "it takes a finite number, or for a share of the baseline a text such as '10%'."
    elif metric.better is (Better.LOW if limit.is_floor else Better.HIGH):
        opposite = {"at_least": "at_most", "at_most": "at_least", "max_drop": "max_rise", "max_rise": "max_drop"}[limit]
        yield f"{metric.name} is better the {'lower' if limit.is_floor else 'higher'} it is; use {opposite}."
    elif limit.is_relative_to_baseline and amount < 0:
        yield "it takes 0 or more; a change that is wanted is no gate."
    elif limit is Limit.MAX_DROP and is_share and amount >= 1:
        yield "a figure of 0 or more can never fall by all of it or more, so the gate could not fail; allow less."
    elif metric.is_bounded and not is_share and not 0 <= amount <= 1:
        yield f"{metric.name} lies within 0 and 1; write 84 % as 0.84."
    elif metric.is_bounded and _never_fails(limit, amount, is_share=is_share):
        yield f"{metric.name} lies within 0 and 1, so the gate could never fail; ask for more."
    elif limit is Limit.AT_LEAST and amount <= 0:
        yield f"{metric.name} is never below 0, so the gate could never fail; ask for more."


def _never_fails(limit: Limit, amount: float, *, is_share: bool) -> bool:
    return not is_share and amount == (0.0 if limit is Limit.AT_LEAST else 1.0)


def _metric_remedy(name: str) -> str:
    measure = name.partition(".")[2]
    facts = MEASURES.get(measure)
    if facts is not None:
        known = ", ".join(metric for metric in METRICS if metric.partition(".")[2] == measure)
        kind = "yes or no" if facts.is_truth else "a number"
        return f"there is no {name!r}; {measure} is {kind}, so there are {known}."
    near = get_close_matches(name, METRICS, n=3) or ["share.passed", "mean.ndcg_at_10", "p95.latency_ms"]
    return f"there is no metric {name!r}; there are {', '.join(near)} and more, listed in docs/reference/gates-toml.md."


def _where_problems(where: Mapping[str, str]) -> Iterator[str]:
    for name, value in where.items():
        if _SLICE.match(name) is None:
            yield f"{name!r} cannot be a slice's name; it takes a-z, 0-9 and _, such as task, kind or locale."
        if name == "task" and value not in TASKS:
            yield f"there is no task {value!r}; there are {', '.join(TASKS)}."


def _surface_problems(surfaces: list[str] | None) -> Iterator[str]:
    if surfaces == []:
        yield "it names none, so the gate would speak for nothing; leave it out to speak for all of them."
    for name in surfaces or ():
        if name != EVERY_SURFACE and _SURFACE.match(name) is None:
            yield f"{name!r} cannot be a surface's name; it takes 1 to 32 of a-z, 0-9, _ and -, a letter first."


def _said(error: ValidationError) -> str:
    """The first error as key and sentence."""
    first = error.errors()[0]
    loc = [str(part) for part in first["loc"] if part not in ("float", "str")]
    key = ".".join(loc)
    if first["type"] == "extra_forbidden":
        table = _Gate if loc[0] == "gates" and len(loc) > 2 else _File
        return f"{key}: there is no such key; known here are {', '.join(table.model_fields)}."
    if first["type"] == "missing":
        described = (_Gate if loc[0] == "gates" and len(loc) > 2 else _File).model_fields[loc[-1]].description
        return f"{key}: it is missing. {described}"
    given = repr(first["input"])
    return f"{key}: {first['msg']}; got {given if len(given) <= 80 else f'{given[:77]}...'}."
