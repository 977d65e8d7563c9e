"""`surefoot ask`: one question from the terminal, as a viewer of your choice."""

from dataclasses import asdict
from typing import Annotated

import typer

from surefoot.cli.context import (
    DataDirOption,
    JsonOption,
    TenantOption,
    existing_tenant,
    plain_errors,
    print_json,
    print_line,
    product,
)
from surefoot.domain.answers import Answer, Citation
from surefoot.domain.identity import Viewer, parse_principals
from surefoot.domain.replies import Reply


def ask(
    question: Annotated[str, typer.Argument(help="The question, as a user would put it.")],
    tenant: TenantOption = None,
    user: Annotated[str, typer.Option("--as", help="User id of the viewer.")] = "cli",
    principal: Annotated[
        list[str] | None, typer.Option("--principal", "-p", help="group:<id> or role:<id> the viewer acts as; repeatable.")
    ] = None,
    plan: Annotated[str | None, typer.Option("--plan", help="The viewer's plan.")] = None,
    locale: Annotated[str, typer.Option("--locale", help="The viewer's language.")] = "en",
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer from the tenant's documents with citations, or refuse and say why."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        viewer = Viewer(existing_tenant(surefoot, tenant), user, parse_principals(principal or ()), plan=plan, locale=locale)
        reply = surefoot.ask.ask(viewer, question)
    if as_json:
        print_json({"outcome_kind": "answer" if isinstance(reply.outcome, Answer) else "refusal", **asdict(reply)})
    else:
        print_reply(reply)


def print_reply(reply: Reply) -> None:
    """The claims with numbered citations to the character, or the refusal with what would help."""
    outcome = reply.outcome
    citations: list[Citation] = []
    if isinstance(outcome, Answer):
        for claim in outcome.claims:
            citations += claim.citations
            marks = "".join(f"[{number}]" for number in range(len(citations) - len(claim.citations) + 1, len(citations) + 1))
            print_line(f"{claim.text} {marks}")
        print_line()
    else:
        print_line(f"Refused ({outcome.reason}): {outcome.message}")
        for sentence in outcome.would_help:
            print_line(f"  - {sentence}")
        citations += outcome.closest
        if citations:
            print_line("Closest places:")
    for number, citation in enumerate(citations, start=1):
        print_line(f"[{number}] {_place(citation)}")
    total_ms = sum(reply.timings_ms.values())
    print_line(f"confidence {outcome.confidence:.2f}, {total_ms:.0f} ms, ${reply.cost_usd:.2f}, {reply.reply_id}")


def _place(citation: Citation) -> str:
    where = " > ".join(part for part in (citation.title, citation.heading) if part)
    page = f", page {citation.page_number}" if citation.page_number else ""
    dated = f", {citation.updated_at:%Y-%m-%d}" if citation.updated_at else ", undated"
    stale = f", STALE: {citation.stale}" if citation.stale else ""
    return f"{where} ({citation.uri}{page}, characters {citation.start}-{citation.end}{dated}{stale})"
