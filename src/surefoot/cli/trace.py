"""`surefoot trace`: everything that one id finds."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

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
from surefoot.core.errors import NotFound
from surefoot.core.visible import one_line
from surefoot.governance.traces import Traces, trace_record


def trace(
    trace_id: Annotated[str, typer.Argument(help="The `trace_id` of a reply or a run.")],
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what one request led to: question, passages, attempts, runs and outcome."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        found = Traces(surefoot.store).find(existing_tenant(surefoot, tenant), trace_id)
        if found is None:
            raise NotFound(f"Nothing of this tenant carries the trace id {trace_id!r}.")
    record: dict[str, Any] = trace_record(found)
    if as_json:
        print_json(record)
        return
    _print_replies(record)
    for run in record["action"]:
        rules = ", ".join(rule for each in run["decisions"] for rule in each["rules"]) or "no rule against it"
        print_line(f"action    {run['run_id']}: {run['kind']} {run['action']} ({run['env']}) for {run['maker']}; policy: {rules}")
    _print_outcome(record["outcome"])


def _print_replies(record: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for asked, features, model in zip(record["input"], record["features"], record["model"], strict=True):
        print_line(f"input     {asked['reply_id']} on {asked['surface']}: {one_line(asked['question'])}")
        places = len(features["citations"]) or len(features["closest"])
        spent = sum(features["timings_ms"].values())
        print_line(
            f"features  corpus {features['corpus_version'][:12]}, {places} places, cache {features['cache']}, {spent:.0f} ms"
        )
        for step in model["steps"]:
            who = f"{step['tier']} {step['model']}".strip()
            print_line(f"model     {who}: {step['outcome']}, ${step['cost_usd']:.6f}, {step['latency_ms']:.0f} ms")


def _print_outcome(outcome: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for reply in outcome["replies"]:
        print_line(f"outcome   {reply['reply_id']}: {reply['outcome']} {reply['reason'] or ''}".rstrip())
    for run in outcome["runs"]:
        calls = ", ".join(f"{each['operation']} {each['outcome']}" for each in run["attempts"]) or "no call"
        print_line(f"outcome   {run['run_id']}: {run['state']}; {calls}")
    for word in outcome["feedback"]:
        print_line(f"feedback  {word['reply_id']}: {word['opinion']} {one_line(word['comment'])}".rstrip())
    for row in outcome["audit"]:
        print_line(f"audit     {row['seq']}: {row['what']} by {row['actor']}, {row['subject']}")
    for event in outcome["events"]:
        print_line(f"event     {event['type']}, {event['subject']}")
