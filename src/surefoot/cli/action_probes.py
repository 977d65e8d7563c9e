"""`surefoot actions probe`: a host's own test that actions there can be repeated, refused and taken back."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from surefoot.actions.probe_session import ProbeSubject
from surefoot.actions.probes import ProbeResult, run_probes
from surefoot.actions.registry import load_registry
from surefoot.bootstrap import probe_client
from surefoot.cli.context import EXIT_GATE_FAILED, JsonOption, TenantOption, loaded, plain_errors, print_json, print_line
from surefoot.core.clock import SystemClock
from surefoot.core.errors import InvalidInput
from surefoot.core.ids import is_tenant_id
from surefoot.core.strict_json import parse_json
from surefoot.domain.actions import ActionSpec, Json, UndoMode
from surefoot.domain.identity import TenantId

_DEFAULT_ACTION = "show_checklist"


def probe(
    url: Annotated[str, typer.Argument(help="The host's base URL; the action's path is put behind it.")],
    secret_env: Annotated[str, typer.Option("--secret-env", help="Environment variable that holds the signing secret.")],
    action: Annotated[str, typer.Option("--action", help="Action to try; it must be undone by its inverse.")] = _DEFAULT_ACTION,
    arguments: Annotated[str | None, typer.Option("--arguments", help="Its arguments, as JSON; default: an example's.")] = None,
    other: Annotated[str | None, typer.Option("--other-arguments", help="Other valid arguments; default: an example's.")] = None,
    folder: Annotated[Path | None, typer.Option("--actions", help="Folder with action files; default: those shipped.")] = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Run the eight conformance probes against a host's sandbox. Exit code 1 when one fails."""
    with plain_errors():
        settings = loaded().settings
        name = tenant or settings.tenant
        if not is_tenant_id(name):
            raise InvalidInput(f"{name!r} cannot name a tenant; use 1-63 of a-z, 0-9, _ and -.")
        secrets = os.environ.get(secret_env, "")
        if not secrets:
            raise InvalidInput(f"The environment variable {secret_env!r} is not set; it holds the host's signing secret.")
        spec = load_registry(folder).get(action)
        subject = _subject(TenantId(name), spec, secrets, arguments, other)
        results = run_probes(probe_client(settings, url), subject, SystemClock())
        _print(results, as_json=json)
        if not all(result.has_passed for result in results):
            raise typer.Exit(EXIT_GATE_FAILED)


def _subject(tenant: TenantId, spec: ActionSpec, secrets: str, arguments: str | None, other: str | None) -> ProbeSubject:
    if spec.undo.mode is not UndoMode.INVERSE:
        raise InvalidInput(f"{spec.name!r} is not undone by its inverse, so the probes could not take back what they do.")
    examples = [example.arguments for example in spec.examples if example.is_valid]
    first = examples[0] if arguments is None else _object(arguments, "--arguments")
    second = next((one for one in examples if one != first), first) if other is None else _object(other, "--other-arguments")
    return ProbeSubject(tenant, spec.name, spec.version, spec.connector.path, first, second, secrets)


def _object(text: str, option: str) -> Mapping[str, Json]:
    value = parse_json(text.encode())
    if not isinstance(value, dict):
        raise InvalidInput(f"{option} takes a JSON object.")
    return value


def _print(results: list[ProbeResult], *, as_json: bool) -> None:
    passed = sum(result.has_passed for result in results)
    if as_json:
        told = [{"name": r.name, "passed": r.has_passed, "expected": r.expected, "seen": r.seen, "mend": r.mend} for r in results]
        print_json({"passed": passed, "failed": len(results) - passed, "probes": told})
        return
    for result in results:
        print_line(f"{'ok   ' if result.has_passed else 'wrong'} {result.name}: {result.seen}")
        if not result.has_passed:
            print_line(f"      expected: {result.expected}")
            print_line(f"      to mend:  {result.mend}")
    print_line(f"{passed} of {len(results)} probes passed.")
