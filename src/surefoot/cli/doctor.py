"""`surefoot doctor`: what is wrong here, and how to mend it."""

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from surefoot.bootstrap import Surefoot, build
from surefoot.cli.context import EXIT_ENVIRONMENT, DataDirOption, JsonOption, loaded, plain_errors, print_json, print_line
from surefoot.core.errors import ModelRejected, SurefootError
from surefoot.core.settings import LoadedSettings, Settings

_SECRET_SETTINGS = frozenset({"database_url", "metrics_token"})


def doctor(
    settings: Annotated[bool, typer.Option("--settings", help="Print every setting, its value and where it came from.")] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, database, both models, tokenizer and each tenant's index; exit code 3 when something is wrong."""
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
    uses = {"order": surefoot.reranker is not None, "refusals": rules.answers is not None, "support": rules.support is not None}
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


_CHECKS: tuple[tuple[str, Callable[[Surefoot], str]], ...] = (
    ("python", _python),
    ("database", _database),
    ("encoder", _encoder),
    ("evidence model", _evidence),
    ("tokenizer", _tokenizer),
    ("models", _models),
    ("corpora", _corpora),
)
