"""What an eval run leaves behind: one line a case and trial, and a manifest that says what was measured."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, JsonValue

FORMAT = 1
# A measure is a truth (a share over cases), a number (a mean, a percentile), or nothing where it does not apply to the case.
Measure = bool | float | None


class CaseResult(BaseModel):
    """One case, run once. `measures` are the numbers by name, from which every figure and gate is made; `trace` is all that
    was seen: the whole reply, the passages, the steps, times and money. `failures` are sentences, empty when it passed.
    `error` is set when the case could not be run at all; such a case counts as failed and has no measures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    suite: str
    case_id: str
    task: str
    kind: str
    trial: int
    passed: bool
    measures: Mapping[str, Measure]
    slices: Mapping[str, str]
    title: str
    why: str
    failures: tuple[str, ...] = ()
    error: str = ""
    elapsed_ms: float = 0.0
    trace: Mapping[str, JsonValue] = {}

    @property
    def key(self) -> tuple[str, str, int]:
        """What names this line within a run; a case of a baseline is compared with the one of the same suite and id."""
        return self.suite, self.case_id, self.trial


class SuiteFacts(BaseModel):
    """The suite as it was when it ran; `fingerprint` is the sha256 of its cases and files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    fingerprint: str
    cases: int
    licence: str = ""
    source: str = ""


class RunManifest(BaseModel):
    """What was measured, on what, and how far it came. `facts` are the target's own: model, prompt and policy fingerprints,
    corpus version, encoder, settings, code version. `finished_at` is None while the run is going or was interrupted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    run_id: str
    started_at: datetime
    finished_at: datetime | None = None
    target: str
    seed: int
    repeat: int
    suites: tuple[SuiteFacts, ...]
    facts: Mapping[str, JsonValue] = {}
