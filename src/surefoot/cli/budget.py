"""`surefoot budget`: what models cost, of how much, and when the limit is reached at this pace."""

from collections.abc import Iterator, Mapping, Sequence
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
from surefoot.domain.budget_report import BudgetReport, MeterReport, budget_record
from surefoot.domain.budgets import NANO_USD
from surefoot.domain.events import OutgoingEvent

_HEADINGS = ("meter", "period", "spent", "reserved", "limit", "tokens", "share", "level", "limit reached")
_SHOWN_RESERVATIONS = 10
_DECLARED_IN = "Limits are declared in models.toml"


def budget(
    tenant: TenantOption = None,
    viewers: Annotated[int, typer.Option("--viewers", min=0, help="How many viewers' meters are shown at most.")] = 20,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was spent and reserved in the current periods, of which limits, and when these are reached at this pace."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        report = surefoot.budgets.report(existing_tenant(surefoot, tenant), viewers=viewers)
    if as_json:
        print_json(budget_record(report))
        return
    for line in lines(report):
        print_line(line)


def lines(report: BudgetReport) -> Iterator[str]:
    """The report as a person reads it in a terminal."""
    if report.is_empty:
        yield f"{report.tenant} has spent nothing and holds nothing in reserve in the current periods."
    if not any(meter.has_limit for meter in report.meters):
        yield f"{_DECLARED_IN}; nothing shown here has one."
    if report.meters:
        yield f"Budgets of {report.tenant} at {report.now:%Y-%m-%d %H:%M} UTC: {report.level.value}"
        yield from _table([_HEADINGS, *map(_row, report.meters)])
    if report.viewers_left_out:
        yield f"Viewers with meters who are not shown: {report.viewers_left_out}; `--viewers` shows more."
    if report.open_reservations:
        yield f"Open reservations: {len(report.open_reservations)}; one that is not settled when it expires counts as spent."
    for each in report.open_reservations[:_SHOWN_RESERVATIONS]:
        amount = f"{_dollars(each.amount.usd)} {each.amount.tokens:,} tokens"
        where = f"surface {each.account.surface} viewer {each.account.viewer_hash}"
        yield f"  {each.reservation_id}  {amount}  {where}  expires {each.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if len(report.open_reservations) > _SHOWN_RESERVATIONS:
        yield f"  and {len(report.open_reservations) - _SHOWN_RESERVATIONS} more; `--json` lists all."
    if report.events:
        yield "Recent events, newest first:"
    for event in report.events:
        yield f"  {event.time:%Y-%m-%d %H:%M} UTC  {_said(event)}"


def _row(meter: MeterReport) -> tuple[str, ...]:
    state, key, limit = meter.state, meter.state.key, meter.state.limit
    tokens = f"{(state.spent + state.reserved).tokens:,}"
    return (
        _name(key.surface, key.viewer_hash),
        key.period.value,
        _dollars(state.spent.usd),
        _dollars(state.reserved.usd),
        "none" if limit.nano_usd is None else _dollars(limit.nano_usd / NANO_USD),
        tokens if limit.tokens is None else f"{tokens} of {limit.tokens:,}",
        f"{state.share:.1%}" if meter.has_limit else "-",
        state.level.value if meter.has_limit else "-",
        "-" if meter.forecast is None else f"{meter.forecast:%Y-%m-%d %H:%M} UTC",
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _name(surface: str, viewer_hash: str) -> str:
    parts = [f"surface {surface}" if surface else "", f"viewer {viewer_hash}" if viewer_hash else ""]
    return ", ".join(filter(None, parts)) or "everything"


def _dollars(usd: float) -> str:
    """Cents, and below a dollar hundredths of a cent, because most calls cost less than a cent."""
    return f"${usd:,.4f}" if 0 < usd < 1 else f"${usd:,.2f}"


def _said(event: OutgoingEvent) -> str:
    data: Mapping[str, object] = event.data
    if "level" not in data:
        return f"written off: {data['reservations']} expired reservations, {_dollars(float(str(data['spent_usd'])))}"
    name = _name(str(data["surface"]), str(data["viewer_hash"]))
    return f"{data['level']}: {name}, {data['period']} from {str(data['period_start'])[:10]}, at {float(str(data['share'])):.1%}"
