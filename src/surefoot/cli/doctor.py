"""`surefoot doctor`: what is wrong here, and how to mend it."""

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from surefoot.bootstrap import Surefoot, build
from surefoot.cli.context import EXIT_ENVIRONMENT, DataDirOption, JsonOption, loaded, plain_errors, print_json, print_line
from surefoot.core.errors import AuditBroken, InvalidSettings, ModelRejected, SurefootError
from surefoot.core.settings import LoadedSettings, Settings
from surefoot.governance.audit import Broken

_SECRET_SETTINGS = frozenset({"database_url", "metrics_token"})


def doctor(
    settings: Annotated[bool, typer.Option("--settings", help="Print every setting, its value and where it came from.")] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, database, models, indexes, verdicts, retention and audit key; exit code 3 when something is wrong."""
    with plain_errors():
        found = loaded(data_dir=data_dir)
        if settings:
            _print_settings(found, as_json=as_json)
            return
        surefoot = build(found.settings)
        try:
            rows = [_checked(name, check, surefoot) for name, check in _CHECKS]
        finally:
            surefoot.close()
    if as_json:
        print_json([{"check": name, "ok": ok, "detail": detail} for name, ok, detail in rows])
    else:
        for name, ok, detail in rows:
            print_line(f"{'ok  ' if ok else 'FAIL'} {name}: {detail}")
    if not all(ok for _, ok, _ in rows):
        raise typer.Exit(EXIT_ENVIRONMENT)


def _print_settings(found: LoadedSettings, *, as_json: bool) -> None:
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(found.settings, name)
        shown = "(set)" if name in _SECRET_SETTINGS and value else value
        rows.append({"setting": name, "value": shown, "origin": found.origins[name], "description": field.description})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print_line(f"{row['setting']} = {row['value']!s}  ({row['origin']})  {row['description']}")


def _checked(name: str, check: Callable[[Surefoot], str], surefoot: Surefoot) -> tuple[str, bool, str]:
    try:
        return name, True, check(surefoot)
    except SurefootError as error:
        return name, False, f"[{error.code}] {error}"


def _python(_: Surefoot) -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} on {sys.platform}"


def _database(surefoot: Surefoot) -> str:
    surefoot.start()
    surefoot.store.check()
    with surefoot.store.begin() as work:
        tenants = work.tenants.all()
    return f"answers; {len(tenants)} tenants"


def _encoder(surefoot: Surefoot) -> str:
    vector = surefoot.encoder.encode_query("Is the encoder in working order?")
    return f"{surefoot.encoder.fingerprint}, {vector.shape[0]} dimensions"


def _evidence(surefoot: Surefoot) -> str:
    """What it is used for; a file that is not the manifest's raises when the model first reads."""
    model = surefoot.evidence
    if model is None:
        return f"none; evidence_model is {surefoot.settings.evidence_model!r}, features judge alone"
    model.passages("Is the evidence model in working order?", ["It is."])
    rules = model.rules
    uses = {
        "order": surefoot.reranker is not None,
        "refusals": rules.answers is not None,
        "support": rules.support is not None,
        "quotes": rules.quotes is not None,
    }
    return f"{model.fingerprint}, used for {', '.join(name for name, is_used in uses.items() if is_used) or 'nothing'}"


def _tokenizer(_: Surefoot) -> str:
    from surefoot.retrieval.tokens import count_tokens

    return f"offline; {count_tokens('How many tokens are these?')} tokens in a test sentence"


def _models(surefoot: Surefoot) -> str:
    """Which models may be asked; raises for the first whose key is not there. None is called: that would cost."""
    for name, entry in surefoot.policy.catalog.items():
        variable = entry.endpoint.api_key_env
        if variable and not os.environ.get(variable):
            raise ModelRejected(f"The model {name!r} takes its key from the environment variable {variable}, which is not set.")
    named = ", ".join(f"{name} ({entry.card.model})" for name, entry in sorted(surefoot.policy.catalog.items()))
    return named or f"none; {surefoot.settings.models_file} would declare them"


def _corpora(surefoot: Surefoot) -> str:
    """Every tenant's index opens, was built with this encoder, and has rows; raises the first thing that is wrong."""
    from surefoot.domain.identity import Viewer

    with surefoot.store.begin() as work:
        tenants = work.tenants.all()
        states = {tenant: work.corpora.state(tenant) for tenant in tenants}
    for tenant in tenants:
        surefoot.searcher.search(Viewer(tenant, "doctor"), "Does the index open?")
    parts = [
        f"{tenant} {state.documents} documents / {state.chunks} chunks, generation {state.generation}"
        for tenant, state in states.items()
    ]
    return "; ".join(parts) or "no tenants yet: `surefoot init ./docs --tenant NAME --access everyone`"


def _verdicts(surefoot: Surefoot) -> str:
    """What stands for each tenant. Red and stale ones are no fault of this installation: both are said, neither raises."""
    now = surefoot.clock.now()
    with surefoot.store.begin() as work:
        standing = work.verdicts.all()
    parts = []
    for tenant, verdict in standing.items():
        gates = ", ".join(dict.fromkeys(result.gate for result in verdict.red_gates()))
        until = verdict.valid_until
        stale = f", STALE since {until:%Y-%m-%d %H:%M} UTC: nothing newer was measured" if until and verdict.is_stale(now) else ""
        parts.append(f"{tenant} {verdict.colour()}{f' ({gates})' if gates else ''} from {verdict.decided_at:%Y-%m-%d}{stale}")
    return "; ".join(parts) or "none stands; `surefoot eval verdict put RUN` puts one"


def _retention(surefoot: Surefoot) -> str:
    """How long what is done with is kept."""
    settings = surefoot.settings
    kinds = {
        "delivered events": settings.delivered_events_days,
        "budget meters": settings.meters_days,
        "calls to hosts": settings.host_calls_days,
        "replaced verdicts": settings.verdicts_days,
    }
    kept = ", ".join(f"{kind} {'for ever' if days is None else f'{days} days'}" for kind, days in kinds.items())
    samples = ", ".join(settings.keep_live_samples)
    return f"{kept}; live samples {f'{settings.live_samples_days} days, of {samples}' if samples else 'of no tenant'}"


def _audit_key(surefoot: Surefoot) -> str:
    """Each chain begins with a row that this key made, and nobody else on this machine can read it; raises AuditBroken."""
    path = surefoot.settings.audit_key_path
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise InvalidSettings(f"The audit key {str(path)!r} is open to others ({mode:03o}); run `chmod 600` on it.")
    with surefoot.store.begin() as work:
        first = {tenant: work.audit.page(tenant, after=0, limit=1) for tenant in work.tenants.all()}
    for tenant, rows in first.items():
        if isinstance(surefoot.audit.verify_rows(tenant, rows), Broken):
            raise AuditBroken(
                f"The audit chain of {tenant!r} does not begin with a row made with the key in {str(path)!r}; if that is another,"
                " put the right one back, else `surefoot audit verify` says what is wrong."
            )
    return f"{path}, {sum(map(bool, first.values()))} chains begin with it; `surefoot audit verify` reads them whole"


_CHECKS: tuple[tuple[str, Callable[[Surefoot], str]], ...] = (
    ("python", _python),
    ("database", _database),
    ("encoder", _encoder),
    ("evidence model", _evidence),
    ("tokenizer", _tokenizer),
    ("models", _models),
    ("corpora", _corpora),
    ("verdicts", _verdicts),
    ("retention", _retention),
    ("audit key", _audit_key),
)
