"""`surefoot ask`: one question from the terminal, as a viewer of your choice."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from surefoot.assistant.course import Asking
from surefoot.cli.context import (
    ContextOption,
    DataDirOption,
    JsonOption,
    TenantOption,
    existing_tenant,
    plain_errors,
    print_json,
    print_line,
    product,
    stated,
)
from surefoot.cli.models import ModelOption, policy_of_model
from surefoot.domain.answers import Answer, Citation
from surefoot.domain.conversations import ConversationId
from surefoot.domain.identity import Viewer, parse_context, parse_principals
from surefoot.domain.offers import OfferedAction
from surefoot.domain.policies import DEFAULT_SURFACE
from surefoot.domain.replies import CacheUse, Reply
from surefoot.domain.routing import Degraded, Step

_MOST_REASONS = 3
_BECAUSE = {
    Degraded.BUDGET_SMALL_ONLY: "most of the budget is used up, so larger models were not asked",
    Degraded.BUDGET_EXHAUSTED: "the budget is used up",
    Degraded.GATE_RED: "the evals do not pass at present, so no model is asked",
    Degraded.MODELS_UNAVAILABLE: "the models cannot be reached",
    Degraded.DEADLINE: "the models took too long",
    Degraded.CUT_SHORT: "the question ended before its reply",
}


def ask(
    question: Annotated[str, typer.Argument(help="The question, as a user would put it.")],
    tenant: TenantOption = None,
    user: Annotated[str, typer.Option("--as", help="User id of the viewer.")] = "cli",
    principal: Annotated[
        list[str] | None, typer.Option("--principal", "-p", help="group:<id> or role:<id> the viewer acts as; repeatable.")
    ] = None,
    plan: Annotated[str | None, typer.Option("--plan", help="The viewer's plan.")] = None,
    locale: Annotated[str, typer.Option("--locale", help="The viewer's language.")] = "en",
    surface: Annotated[str, typer.Option("--surface", help="Where it is asked; models.toml declares them.")] = DEFAULT_SURFACE,
    conversation: Annotated[
        str | None, typer.Option("--conversation", "-c", help="Id of the conversation it belongs to, or `new` to begin one.")
    ] = None,
    context: ContextOption = None,
    model: ModelOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer from the tenant's documents with citations, or refuse and say why."""
    with plain_errors(), policy_of_model(model) as policy, product(policy=policy, data_dir=data_dir) as surefoot:
        viewer = Viewer(
            existing_tenant(surefoot, tenant),
            user,
            parse_principals(principal or ()),
            plan=plan,
            locale=locale,
            context=parse_context(stated(context)),
        )
        if conversation == "new":
            conversation = surefoot.conversations.start(viewer, surface).conversation_id
        asking = Asking(
            viewer,
            question,
            surface=surface,
            conversation_id=ConversationId(conversation) if conversation is not None else None,
        )
        reply = surefoot.ask.answer_here(asking)
    if as_json:
        print_json(reply_json(reply))
    else:
        print_reply(reply)


def reply_json(reply: Reply) -> dict[str, object]:
    """The reply with everything that is known of it, as plain values."""
    kind = "answer" if isinstance(reply.outcome, Answer) else "refusal"
    return {"outcome_kind": kind, **asdict(reply), "model": reply.model, "cost_usd": reply.cost_usd, "tokens": reply.tokens}


def print_reply(reply: Reply) -> None:
    """The claims with numbered citations to the character, or the refusal with what would help."""
    outcome = reply.outcome
    citations: list[Citation] = []
    if reply.searched and reply.searched != reply.question:
        print_line(f"Understood as: {reply.searched}")
    if isinstance(outcome, Answer):
        if outcome.note:
            print_line(outcome.note)
        for claim in outcome.claims:
            citations += claim.citations
            marks = "".join(f"[{number}]" for number in range(len(citations) - len(claim.citations) + 1, len(citations) + 1))
            print_line(f"{claim.text} {marks}")
        print_line()
    else:
        print_line(f"Refused ({outcome.reason}): {outcome.message}")
        for sentence in outcome.would_help:
            print_line(f"  - {sentence}")
        for choice in outcome.choices:
            print_line(f"  ? {choice}")
        citations += outcome.closest
        if citations:
            print_line("Closest places:")
    for number, citation in enumerate(citations, start=1):
        print_line(f"[{number}] {_place(citation)}")
    for offered in reply.actions:
        _print_offer(offered)
    for step in reply.steps:
        if step.model:
            _print_step(step)
    if reply.degraded is not None:
        print_line(f"degraded: {reply.degraded} ({_BECAUSE[reply.degraded]})")
    if reply.red_gates:
        print_line(f"red gates: {', '.join(reply.red_gates)}; see: surefoot eval verdict show")
    total_ms = sum(reply.timings_ms.values())
    cost = f"${reply.cost_usd:.6f}" if reply.tokens else "$0.00"
    kept = f", cache {reply.cache}" if reply.cache is not CacheUse.MISS else ""
    belongs = f", {reply.conversation_id}" if reply.conversation_id else ""
    print_line(f"confidence {outcome.confidence:.2f}, {total_ms:.0f} ms, {cost}{kept}, {reply.reply_id}{belongs}")


def _print_step(step: Step) -> None:
    because = f", because of {step.escalated_because}" if step.escalated_because else ""
    spent = f"{step.input_tokens} + {step.output_tokens} tokens, ${step.spend.usd:.6f}, {step.latency_ms:.0f} ms"
    print_line(f"{step.tier} {step.model} ({step.purpose}{because}): {step.outcome}, {spent}")
    for reason in step.reasons[:_MOST_REASONS]:
        print_line(f"    {reason}")


def _print_offer(offered: OfferedAction) -> None:
    """The step as `surefoot actions simulate` takes it; nothing has happened."""
    still = f"; still to be given: {', '.join(offered.missing)}" if offered.missing else ""
    approval = ", somebody else approves it" if offered.needs_approval else ""
    print_line(f"Offered: {offered.title} ({offered.action}, {offered.risk} risk{approval}). {offered.reason}")
    print_line(f"    {json.dumps(dict(offered.arguments), ensure_ascii=False)}{still}")


def _place(citation: Citation) -> str:
    where = " > ".join(part for part in (citation.title, citation.heading) if part)
    page = f", page {citation.page_number}" if citation.page_number else ""
    dated = f", {citation.updated_at:%Y-%m-%d}" if citation.updated_at else ", undated"
    stale = f", STALE: {citation.stale}" if citation.stale else ""
    return f"{where} ({citation.uri}{page}, characters {citation.start}-{citation.end}{dated}{stale})"
