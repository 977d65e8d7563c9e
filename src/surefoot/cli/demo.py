"""`surefoot demo`: the sample tenant through the real pipeline, in one process with a temporary data folder."""

import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from uvicorn.importer import import_from_string

from surefoot.bootstrap import Surefoot, build
from surefoot.cli.ask import print_reply, reply_json
from surefoot.cli.context import JsonOption, plain_errors, print_json, print_line, progress_console
from surefoot.cli.demo_actions import show_actions
from surefoot.cli.ingest import ingest_path, print_report
from surefoot.cli.models import ModelOption, policy_of_model
from surefoot.cli.signing import ensure_signing_key
from surefoot.core.errors import InvalidInput
from surefoot.core.settings import load_settings
from surefoot.domain.budgets import NOTHING_SPENT, Spend
from surefoot.domain.corpora import IngestReport
from surefoot.domain.identity import EVERYONE
from surefoot.domain.policies import NO_MODELS, ModelPolicy
from surefoot.domain.replies import Reply
from surefoot.evals.cases import AskCase
from surefoot.evals.tasks.ask import Judgement
from surefoot.governance.tokens import mint
from surefoot.sample.golden import golden_cases, judge
from surefoot.sample.host import host_routes
from surefoot.sample.tenant import TENANT, Person, documents_folder, people
from surefoot.sample.workplace import SampleHost, sample_host

Shown = tuple[str, AskCase, Reply, Judgement]

_HOST = "127.0.0.1"
_SHOWN = (
    ("A question that one page answers", "answer-72"),
    ("A near miss: pages on the subject exist, but none answers", "near-miss-12"),
    ("The only page about it is out of date", "stale-03"),
    ("Two pages of the same trust disagree", "conflicting-01"),
    ("Somebody who may read the answer", "restricted-09"),
    ("The same question from somebody who may not", "no-right-07"),
)


_SHOWN_WITH_MODEL = (
    ("Put in other words: quoting does not suffice, the model drafts, the gate checks each claim", "answer-47"),
    ("The same question once more: kept, nothing is spent", "answer-47"),
)


def demo(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8787,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve page and API after the terminal part.")] = True,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try the product: ingest the sample documents, ask, and serve a help page on loopback; nothing is kept."""
    with plain_errors(), policy_of_model(model) as policy, _sample_product(port, policy) as (surefoot, host):
        listener = _listen(port) if serve else None
        if serve:
            # Whoever stops a serving demo, at whatever moment, ends it like Ctrl-C: the data is deleted on the way out.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        report = _publish(surefoot)
        shown = [(title, *_ask(surefoot, case)) for title, case in _shown_cases(_SHOWN + (_SHOWN_WITH_MODEL if model else ()))]
        if not as_json:
            _print(report, shown)
        acted = show_actions(surefoot, host, quiet=as_json)
        if as_json:
            print_json({**_as_json(report, shown, _spent(surefoot)), "acted": acted.steps})
        else:
            _print_spent(model, _spent(surefoot))
        if listener is not None:
            # uvicorn sends itself the signal that stopped it once more.
            with suppress(KeyboardInterrupt):
                _serve(surefoot, host, listener)


@contextmanager
def _sample_product(port: int, policy: ModelPolicy | None) -> Iterator[tuple[Surefoot, SampleHost]]:
    """A started product on a temporary folder, and the sample's own backend. It reads neither surefoot.toml nor the
    environment, so that trying the demo beside a real installation can never touch its data; it makes no outbound call
    unless a provider's model was named.
    """
    with tempfile.TemporaryDirectory(prefix="surefoot-demo-", ignore_cleanup_errors=True) as folder:
        chosen = policy or NO_MODELS
        is_local = all(entry.endpoint.transport != "litellm" for entry in chosen.catalog.values())
        data = Path(folder) / "data"
        overrides = {"data_dir": data, "tenant": TENANT, "offline": is_local, "host": _HOST, "port": port}
        settings = load_settings(folder=Path(folder), env={}, overrides=overrides).settings
        with sample_host(Path(folder)) as host:
            surefoot = build(settings, policy=chosen, rules=host.rules, hosts=host.hosts)
            try:
                surefoot.start()
                yield surefoot, host
            finally:
                surefoot.close()


def _publish(surefoot: Surefoot) -> IngestReport:
    with surefoot.store.begin() as work:
        work.tenants.create(TENANT, now=surefoot.clock.now())
        work.commit()
    ensure_signing_key(surefoot, TENANT)
    return ingest_path(surefoot, TENANT, str(documents_folder()), access=frozenset({EVERYONE}))


def _shown_cases(shown: Sequence[tuple[str, str]]) -> list[tuple[str, AskCase]]:
    cases = {case.id: case for case in golden_cases()}
    return [(title, cases[case_id]) for title, case_id in shown]


def _spent(surefoot: Surefoot) -> Spend:
    """What the meters have counted for the whole tenant."""
    whole = [meter.state.spent for meter in surefoot.budgets.report(TENANT).meters if not meter.state.key.surface]
    return max(whole, key=lambda spent: spent.nano_usd, default=NOTHING_SPENT)


def _ask(surefoot: Surefoot, case: AskCase) -> tuple[AskCase, Reply, Judgement]:
    reply = surefoot.ask.ask(people()[case.viewer].viewer(), case.question)
    return case, reply, judge(case, reply)


def _as_json(report: IngestReport, shown: list[Shown], spent: Spend) -> dict[str, Any]:
    asked = [
        {"title": title, "case": case.id, "viewer": case.viewer, "as_expected": judgement.passed, "reply": reply_json(reply)}
        for title, case, reply, judgement in shown
    ]
    return {"tenant": TENANT, "ingest": asdict(report), "asked": asked, "spent_usd": spent.usd, "tokens": spent.tokens}


def _print(report: IngestReport, shown: list[Shown]) -> None:
    print_line("Pennyfern is a billing product that does not exist. This is its help centre, read by the real pipeline:")
    print_report(TENANT, report)
    known = people()
    for title, case, reply, judgement in shown:
        print_line(f"\n{title}\n{known[case.viewer].shown_as} asks: {case.question}")
        print_reply(reply)
        if not judgement.passed:
            print_line(f"(not as expected: {case.id} expects {case.expect})")


def _print_spent(model: str | None, spent: Spend) -> None:
    if model is None:
        print_line("\n$0.00 possible spend: no model, no key, no call to another machine.")
    elif "/" in model:
        print_line(f"\n{spent.tokens} tokens by {model}; no price is known for it, so none was counted. See models.toml.")
    else:
        print_line(f"\n${spent.usd:.6f} and {spent.tokens} tokens on the meters, at an assumed price; nothing is billed.")


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError as error:
        listener.close()
        raise InvalidInput(f"Port {port} on {_HOST} cannot be used ({error.strerror}); choose another with --port.") from error
    return listener


def _serve(surefoot: Surefoot, host: SampleHost, listener: socket.socket) -> None:
    """Host page and API answer on the listener until interrupted."""
    private, issuer = ensure_signing_key(surefoot, TENANT)

    def token_for(person: Person) -> str:
        return mint(private, issuer, person.viewer(), now=surefoot.clock.now(), ttl_seconds=300)

    # The two faces do not import each other: the app is named to the server's loader as text, as `surefoot serve` does.
    app = import_from_string("surefoot.api.app:create_app")(surefoot)
    app.include_router(host_routes(token_for, host))
    address = f"http://{_HOST}:{listener.getsockname()[1]}"
    print_line(f"\nhelp page  {address}/demo\nAPI        {address}/v1/ask, described at {address}/openapi.json")
    print_line("Try: ask as Ada when the SCIM token runs out, then ask the same as Nora; pin a page, and undo it.")
    progress_console.print("Ctrl-C stops the demo and deletes its data.", highlight=False)
    # Whoever reads the terminal part through a pipe should not have to wait for the end of the demo.
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False)).run(sockets=[listener])
