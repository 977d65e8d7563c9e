"""`surefoot`: registers every command; each lives in the file of its group."""

from typing import Annotated

import typer

from surefoot import __version__
from surefoot.cli import (
    access,
    actions,
    ask,
    audit,
    budget,
    demo,
    doctor,
    documents,
    eval,
    eval_judge,
    eval_keeping,
    eval_live,
    eval_reports,
    eval_runs,
    eval_verdicts,
    ingest,
    init,
    keys,
    mcp,
    runs,
    serve,
    token,
    trace,
)

app = typer.Typer(
    name="surefoot",
    help="Answers from a tenant's own documents, cited to the character or honestly refused.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"surefoot {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Answers from a tenant's own documents, cited to the character or honestly refused."""


app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.command("ingest")(ingest.ingest)
app.command("ask")(ask.ask)
app.command("serve")(serve.serve)
app.command("trace")(trace.trace)
app.command("mcp")(mcp.mcp)
app.command("token")(token.token)
app.command("access")(access.access)
app.command("budget")(budget.budget)
actions.app.add_typer(runs.app)
app.add_typer(actions.app, name="actions")
app.add_typer(audit.app, name="audit")
app.add_typer(documents.app, name="documents")
app.add_typer(keys.app, name="keys")
eval.app.command("run")(eval_runs.run)
eval.app.command("report")(eval_reports.report)
eval.app.command("diff")(eval_reports.diff)
eval.app.command("judge")(eval_judge.judge)
eval.app.command("baseline")(eval_keeping.baseline)
eval.app.command("prune")(eval_keeping.prune)
eval.app.command("live")(eval_live.live)
eval.app.command("harvest")(eval_live.harvest)
eval.app.add_typer(eval_verdicts.app, name="verdict")
app.add_typer(eval.app, name="eval")
