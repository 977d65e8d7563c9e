"""One frozen Settings object, read once in bootstrap: defaults, then surefoot.toml, then SUREFOOT_*, then the command line."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surefoot.core.errors import InvalidSettings

_PATHS = frozenset(
    {
        "data_dir",
        "models_file",
        "prompts_dir",
        "actions_file",
        "action_schemas_dir",
        "policies_dir",
        "audit_key_file",
        "eval_runs_dir",
    }
)
_LISTS = frozenset({"cors_origins", "keep_live_samples"})
ENV_PREFIX = "SUREFOOT_"
FILE_NAME = "surefoot.toml"


class Settings(BaseModel):
    """Every knob of the product. Names are flat, so that `SUREFOOT_<NAME>` and the TOML key are the same word."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(Path("surefoot-data"), description="Folder of the database, the indexes and the development key.")
    database_url: str = Field("", description="SQLAlchemy URL; empty means SQLite in data_dir.")
    tenant: str = Field("default", description="The tenant that commands mean when --tenant is not given.")
    offline: bool = Field(False, description="Refuse every outbound call.")

    encoder: str = Field("onnx", description="onnx, openvino, or sentence-transformers:<model name or folder>.")
    encoder_threads: int = Field(0, ge=0, le=256, description="Threads of the encoder; 0 lets it choose.")
    query_cache_size: int = Field(4096, ge=0, description="Query vectors kept in memory.")

    evidence_model: str = Field(
        "auto", description="auto (the shipped one, as far as it is better), off, onnx, onnx:<folder> or cross-encoder:<model>."
    )
    rerank_weight: float | None = Field(
        None, ge=0, le=1, description="Weight of the evidence model's word on the order; none means the model's own."
    )
    rerank_top: int | None = Field(None, ge=1, le=100, description="Passages that it reads at most; none means the model's own.")
    judgement_cache_size: int = Field(
        16_384, ge=0, description="Judgements of passages and sentences kept in memory for equal questions."
    )

    lexical_backend: Literal["tantivy", "rank-bm25"] = Field("tantivy", description="Engine of the lexical leg.")
    fusion: Literal["convex", "rrf"] = Field("convex", description="How the two legs are merged.")
    dense_weight: float = Field(0.65, ge=0, le=1, description="Weight of the vector leg in convex fusion.")
    leg_depth: int = Field(100, ge=1, le=1000, description="Candidates taken from each leg.")
    passages: int = Field(10, ge=1, le=100, description="Passages handed to the answerer.")
    open_tenants: int = Field(50, ge=1, description="Tenant indexes kept open; the least recently used is closed.")

    freshness_half_life_days: float | None = Field(
        None,
        gt=0,
        description="Age at which a passage's score is discounted by half of freshness_weight; none means age does not matter.",
    )
    freshness_weight: float = Field(0.1, ge=0, le=1, description="The most that age can take from a normalised score.")
    max_evidence_age_days: int | None = Field(
        None, ge=1, description="Older evidence is stale; none means only valid_until and supersession count."
    )

    chunk_tokens: int = Field(200, ge=32, le=2000, description="Target size of a chunk.")
    chunk_overlap_tokens: int = Field(0, ge=0, le=500, description="Tokens repeated from the chunk before.")
    max_document_bytes: int = Field(20_000_000, ge=1_000, description="Larger files are refused.")
    max_document_pages: int = Field(2_000, ge=1, description="Longer PDFs are refused.")
    reader_memory_mb: int = Field(512, ge=128, description="Memory limit of the process that parses PDF and DOCX.")
    reader_seconds: int = Field(60, ge=1, description="CPU limit of the process that parses PDF and DOCX.")

    answer_threshold: float | None = Field(
        None, ge=0, le=1, description="Least confidence to answer; none means the one the model file was calibrated to."
    )
    scope_threshold: float | None = Field(
        None, ge=0, le=1, description="Least scope score before a question counts as out of scope; none means the model file's."
    )

    models_file: Path = Field(
        Path("models.toml"), description="Which models may be asked, how far and for how much; without it none is."
    )
    prompts_dir: Path | None = Field(None, description="Folder of prompts that replace the shipped ones; none means those.")
    actions_file: Path = Field(
        Path("actions.toml"), description="Which hosts actions reach, and when and for whom; without it none is reached."
    )
    action_schemas_dir: Path | None = Field(None, description="Folder of action files; none means those shipped.")
    policies_dir: Path | None = Field(None, description="Folder of Cedar rules and their schema; none means those shipped.")
    audit_key_file: Path | None = Field(
        None, description="Key of the audit chain, best kept on another disk than the database; none means in data_dir."
    )
    actions_seconds: float = Field(2.0, ge=0, description="Pause between looks for runs that wait; 0 leaves them to others.")
    answer_cache_size: int = Field(4096, ge=0, description="Answers kept in memory for equal questions; 0 keeps none.")

    host: str = Field("127.0.0.1", description="Address `surefoot serve` listens on.")
    port: int = Field(8787, ge=0, le=65535, description="Port `surefoot serve` listens on.")
    workers: int = Field(1, ge=1, le=256, description="Processes of `surefoot serve`.")
    max_body_bytes: int = Field(25_000_000, ge=1_000, description="Larger request bodies are refused before they are parsed.")
    max_concurrent_requests: int = Field(
        32, ge=1, description="Questions answered at once in one process; more wait or are refused with Retry-After."
    )
    cors_origins: tuple[str, ...] = Field((), description="Exact origins that browsers may call from.")
    public_url: str = Field("", description="Base URL of documentation links in errors; empty means relative.")

    events_seconds: float = Field(
        5, ge=0, le=3600, description="Seconds between two rounds of delivering events; 0 delivers none here."
    )
    metrics_token: str = Field("", description="Bearer token that opens /metrics; empty means that nothing does.")
    metrics_public: bool = Field(False, description="Serve /metrics to everybody who can reach the port.")
    metrics_tenants: bool = Field(False, description="Count every series for each tenant by itself.")
    log_format: Literal["text", "json"] = Field("text", description="Log lines as text, or each as one JSON object.")
    otel_endpoint: str = Field(
        "", description="OTLP/HTTP endpoint that traces are sent to; empty means OTEL_EXPORTER_OTLP_ENDPOINT, or else none."
    )
    keep_live_samples: tuple[str, ...] = Field(
        (), description="Tenants of whose consenting viewers replies are kept to be scored; `*` is all of them."
    )
    live_samples_days: int = Field(30, ge=1, le=3650, description="Days that such a reply is kept.")

    eval_runs_dir: Path | None = Field(None, description="Folder of stored eval runs; none means `evals` in data_dir.")

    delivered_events_days: int | None = Field(
        90, ge=1, description="Days that an event is kept after its delivery; none means for ever."
    )
    meters_days: int | None = Field(
        400, ge=31, description="Days that budget meters are kept after their month; none means for ever."
    )
    host_calls_days: int | None = Field(
        400, ge=30, description="Days that calls to hosts and callbacks of ended runs are kept; none means for ever."
    )
    verdicts_days: int | None = Field(
        400, ge=1, description="Days that a verdict is kept after another replaced it; none means for ever."
    )

    @property
    def resolved_eval_runs_dir(self) -> Path:
        """Where eval runs are stored: the folder given, or one in the data folder."""
        return self.eval_runs_dir or self.data_dir / "evals"

    @property
    def audit_key_path(self) -> Path:
        """Where the key of the audit chain is: the file given, or one in the data folder."""
        return self.audit_key_file or self.data_dir / "keys" / "audit.key"

    @property
    def resolved_database_url(self) -> str:
        """The database to open: the one given, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'surefoot.db').resolve()}"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings and, for each, where its value came from: `default`, the file, the variable, or `command line`."""

    settings: Settings
    origins: Mapping[str, str]


def load_settings(*, folder: Path, env: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> LoadedSettings:
    """Settings from `folder`/surefoot.toml, then `env`, then `overrides`; a later source wins, None overrides nothing.

    A relative path in the file means relative to the file. Raises InvalidSettings, naming source and key.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = dict.fromkeys(Settings.model_fields, "default")
    path = folder / FILE_NAME
    if path.is_file():
        for key, value in _read_toml(path).items():
            values[key], origins[key] = value, str(path)
        for key in _PATHS & values.keys():
            values[key] = folder / str(values[key])
    for variable, text in sorted(env.items()):
        key = variable.removeprefix(ENV_PREFIX).lower()
        if variable.startswith(ENV_PREFIX) and key in Settings.model_fields:
            values[key], origins[key] = _from_env(key, text), variable
    for key, value in (overrides or {}).items():
        if value is not None:
            values[key], origins[key] = value, "command line"
    unknown = sorted(set(values) - set(Settings.model_fields))
    if unknown:
        raise InvalidSettings(f"{path} has no setting {unknown[0]!r}; `surefoot doctor --settings` lists them all.")
    try:
        return LoadedSettings(Settings(**values), origins)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "settings"
        raise InvalidSettings(f"{key} (from {origins.get(key, 'settings')}): {first['msg']}; got {first['input']!r}.") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path} is not valid TOML: {error}.") from error


def _from_env(key: str, text: str) -> Any:
    """The text, or for list settings the JSON list or comma-separated words; `none` clears an optional setting."""
    if text.lower() == "none":
        return None
    if key in _LISTS:
        if not text.startswith("["):
            return tuple(part.strip() for part in text.split(",") if part.strip())
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise InvalidSettings(f"{key} begins like a JSON list and is none: {error}; got {text!r}.") from error
    return text
