"""What a suite is asked of: a product of its own in this process that holds its corpus, or a server behind a URL."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import JsonValue

from surefoot import __version__
from surefoot.assistant.groundedness import Support
from surefoot.bootstrap import Surefoot, catalog_models, http_caller
from surefoot.cli.context import loaded
from surefoot.cli.ingest import ingest_path
from surefoot.cli.models import policy_of_model
from surefoot.cli.scratch import TENANT, default_cache, evidence_facts, open_to_everyone, scratch
from surefoot.core.clock import Clock, ShiftedClock, SystemClock
from surefoot.core.errors import InvalidEvalSet, InvalidInput
from surefoot.core.ids import digest
from surefoot.domain.identity import EVERYONE, TenantId
from surefoot.domain.keys import Issuer
from surefoot.domain.policies import NO_MODELS, ModelPolicy
from surefoot.evals.in_process import InProcess, Parts, Weigh
from surefoot.evals.people import Person
from surefoot.evals.remembered_encoder import RememberedEncoder
from surefoot.evals.remote import Remote
from surefoot.evals.runner import Sitting
from surefoot.evals.suites import Suite
from surefoot.evals.target import Weighed
from surefoot.governance.tokens import DEFAULT_AUDIENCE, DEVELOPMENT_ISSUER, mint
from surefoot.llm.prompts import load_prompts
from surefoot.llm.recording import Recording, recorded_models
from surefoot.ports import LanguageModel
from surefoot.sample.tenant import TENANT as SAMPLE_TENANT
from surefoot.sample.tenant import documents_folder
from surefoot.sample.workplace import sample_host

# Of the settings those that may change what is measured.
_SETTINGS = (
    *("lexical_backend", "fusion", "dense_weight", "leg_depth", "passages", "chunk_tokens", "chunk_overlap_tokens"),
    *("freshness_half_life_days", "freshness_weight", "max_evidence_age_days", "answer_threshold", "scope_threshold"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the product is to be put together: its model, what is recorded of it, and where chunk vectors are remembered."""

    model: str | None = None
    escalate_floor: float | None = None
    recording: Recording | None = None
    is_replay: bool = False
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A server and how its viewers' tokens are signed."""

    url: str
    tenant: TenantId
    signing_key: Path | None
    issuer: str = DEVELOPMENT_ISSUER
    audience: str = DEFAULT_AUDIENCE


@contextmanager
def in_process(suites: Sequence[Suite], wanted: Wanted) -> Iterator[list[Sitting]]:
    """Each suite with a product that holds its corpus, for the length of the block."""
    with ExitStack() as stack:
        policy = stack.enter_context(policy_of_model(wanted.model, escalate_floor=wanted.escalate_floor)) or NO_MODELS
        yield [Sitting(suite, stack.enter_context(_product(suite, wanted, policy))) for suite in suites]


@contextmanager
def behind_url(suites: Sequence[Suite], server: Server, cache: Path | None) -> Iterator[list[Sitting]]:
    """Each suite with the server, asked as the suite's people."""
    settings = loaded().settings
    private, issuer = _signing_key(server, settings.data_dir)
    caller = http_caller(settings, server.url)
    clock = SystemClock()

    def token_of(person: Person) -> str:
        return mint(private, issuer, person.viewer_of(server.tenant), now=clock.now())

    with closing(caller), scratch(cache or default_cache()) as surefoot:
        weigh = _weigh(surefoot)
        yield [Sitting(suite, Remote(caller, _by_name(suite.people, token_of), weigh)) for suite in suites]


def _by_name(people: Mapping[str, Person], token_of: Callable[[Person], str]) -> Callable[[str], str]:
    return lambda name: token_of(people[name])


@contextmanager
def _product(suite: Suite, wanted: Wanted, policy: ModelPolicy) -> Iterator[InProcess]:
    is_sample = suite.corpus.kind == "sample"
    tenant = SAMPLE_TENANT if is_sample else TENANT
    clock = _clock(suite)
    with ExitStack() as stack:
        more: dict[str, Any] = {"clock": clock}
        if is_sample:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="surefoot-eval-host-")))
            host = stack.enter_context(sample_host(folder, clock))
            more |= {"rules": host.rules, "hosts": host.hosts}
        surefoot = stack.enter_context(
            scratch(wanted.cache or default_cache(), tenant=tenant, policy=policy, models=_models(wanted, policy), **more)
        )
        _publish(surefoot, suite, tenant)
        encoder = surefoot.encoder
        if isinstance(encoder, RememberedEncoder):
            encoder.rest()
        yield InProcess(
            Parts(
                tenant=tenant,
                people=suite.people,
                ask=surefoot.ask,
                searcher=surefoot.searcher,
                conversations=surefoot.conversations,
                actions=surefoot.actions,
                store=surefoot.store,
                clock=surefoot.clock,
                weigh=_weigh(surefoot),
                about={**_about(surefoot, wanted), "as_of": None if suite.as_of is None else suite.as_of.isoformat()},
            )
        )


def _clock(suite: Suite) -> Clock:
    """The day that the suite is of, from its noon on; else the machine's own time."""
    return SystemClock() if suite.as_of is None else ShiftedClock(datetime.combine(suite.as_of, time(12), UTC))


def _models(wanted: Wanted, policy: ModelPolicy) -> dict[str, LanguageModel] | None:
    """The models over the recording, or None for those of the catalog as they are."""
    if wanted.recording is None:
        return None
    cards = {name: entry.card for name, entry in policy.catalog.items()}
    return recorded_models(wanted.recording, cards, None if wanted.is_replay else catalog_models(loaded().settings, policy))


def _publish(surefoot: Surefoot, suite: Suite, tenant: TenantId) -> None:
    """The suite's corpus is published. Raises InvalidEvalSet when a document of it cannot be read."""
    corpus = suite.corpus
    path = documents_folder() if corpus.kind == "sample" else corpus.path
    if path is None:
        return
    readers = None if corpus.kind == "sample" else frozenset({EVERYONE})
    report = ingest_path(surefoot, tenant, str(path), access=readers, mask=corpus.mask_faq_headings)
    if corpus.kind != "sample" and report.skipped:
        first = report.skipped[0]
        raise InvalidEvalSet(f"{first.uri} cannot be ingested: {first.reason}")
    if corpus.kind == "sections":
        open_to_everyone(surefoot)


def _weigh(surefoot: Surefoot) -> Weigh:
    support = Support(surefoot.encoder, evidence=surefoot.evidence)

    def weigh(claim: str, evidence: Sequence[str], locale: str) -> Weighed:
        return Weighed(support.score(claim, evidence, locale=locale).score, support.threshold)

    return weigh


def _about(surefoot: Surefoot, wanted: Wanted) -> dict[str, JsonValue]:
    """What tells this product from another; a changed prompt, policy, model, encoder or setting is seen here."""
    settings = surefoot.settings
    about: dict[str, Any] = {
        "version": __version__,
        "model": wanted.model,
        "escalate_floor": wanted.escalate_floor,
        "prompts": load_prompts(settings.prompts_dir).fingerprint,
        "encoder": surefoot.encoder.fingerprint,
        **evidence_facts(surefoot),
        "actions": digest(*sorted(spec.schema_hash for spec in surefoot.registry.all()))[:16],
        "settings": {name: getattr(settings, name) for name in _SETTINGS},
    }
    plain: dict[str, JsonValue] = json.loads(json.dumps(about, default=str))
    return plain


def _signing_key(server: Server, data_dir: Path) -> tuple[dict[str, Any], Issuer]:
    """The private key, and the issuer with its public half. Raises InvalidInput for a file that holds none."""
    path = server.signing_key or data_dir / "keys" / f"{server.tenant}.jwk"
    try:
        private: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        public = {name: value for name, value in private.items() if name != "d"}
        return private, Issuer(server.tenant, server.issuer, private["alg"], server.audience, {private["kid"]: public})
    except OSError as error:
        raise InvalidInput(
            f"The signing key {str(path)!r} cannot be read ({error.strerror}); name the private JWK by which the server's "
            "viewer tokens are signed with --signing-key."
        ) from error
    except (ValueError, TypeError, KeyError):
        # The file's own words may hold the key.
        raise InvalidInput(f"{str(path)!r} is no private JWK with `kid` and `alg`.") from None
