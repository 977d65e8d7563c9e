"""What the sample product's eight actions do to its documents. Undo, refusals by etag and previews follow from that."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from surefoot.core.clock import Clock
from surefoot.domain.actions import Arguments
from surefoot.domain.resource_actions import Compensate, Decide, Outcome, Refused, Workspace
from surefoot.domain.runs import HostCall

FEATURES = (
    *("automatic_tax", "payment_reminders", "customer_portal", "plan_changes_in_portal", "show_usage_in_portal"),
    *("two_factor_required", "daily_chat_summary"),
)
_PLANS = ("starter", "growth", "enterprise")
_CHECKLISTS: Mapping[str, tuple[str, ...]] = {
    "getting_started": ("Add your company's details", "Invite a colleague", "Send a first invoice", "Connect a bank account"),
    "first_invoice": ("Create a customer", "Write the invoice", "Check its tax", "Send it"),
    "first_subscription": ("Create a price", "Choose a billing day", "Start the subscription"),
    "tax_setup": ("Say where you are registered", "Turn automatic tax on", "Check one invoice"),
    "going_live": ("Switch test mode off", "Make a live key", "Set up webhooks", "Send one real payment"),
}
_SHORTCUTS_AT_MOST = 8


def decisions(clock: Clock) -> dict[str, Decide]:
    """Every action by its name."""

    def unlock_trial(arguments: Arguments, workspace: Workspace, call: HostCall) -> Outcome:
        return _unlock_trial(arguments, workspace, clock.now())

    return {
        "show_checklist": _show_checklist,
        "pin_shortcut": _pin_shortcut,
        "schedule_nudge": _schedule_nudge,
        "prefill_form": _prefill_form,
        "unlock_trial_within_caps": unlock_trial,
        "suggest_upgrade_within_policy": _suggest_upgrade,
        "enable_feature": _enable_feature,
        "connect_integration": _connect_integration,
    }


def compensations() -> dict[str, Compensate]:
    """The actions that are taken back by an opposite step: a sent offer is withdrawn, it cannot be unsent."""
    return {"suggest_upgrade_within_policy": _withdraw_offer}


def _show_checklist(arguments: Arguments, workspace: Workspace, _: HostCall) -> Outcome:
    user = _user(workspace, arguments)
    name = str(arguments["checklist_id"])
    resource = f"checklist/{arguments['user_id']}:{name}"
    _must_be_new(workspace, resource, f"{user['name']} has the checklist {name!r} already.")
    steps = [{"title": title, "done": False} for title in _CHECKLISTS[name]]
    workspace.write(resource, {"user_id": arguments["user_id"], "steps": steps})
    summary = f"Shows {user['name']} the checklist {_words(name)} with {len(steps)} steps."
    return Outcome(summary, minutes_saved=10.0, result={"checklist_id": name})


def _pin_shortcut(arguments: Arguments, workspace: Workspace, _: HostCall) -> Outcome:
    user = _user(workspace, arguments)
    page = str(arguments["page"])
    resource = f"shortcut/{arguments['user_id']}:{page}"
    _must_be_new(workspace, resource, f"{user['name']} has pinned {_words(page)} already.")
    label = arguments.get("label", _words(page))
    position = arguments.get("position", _SHORTCUTS_AT_MOST)
    workspace.write(resource, {"user_id": arguments["user_id"], "page": page, "label": label, "position": position})
    return Outcome(f"Pins {_words(page)} to {user['name']}'s sidebar.", minutes_saved=2.0, result={"shortcut_id": page})


def _schedule_nudge(arguments: Arguments, workspace: Workspace, call: HostCall) -> Outcome:
    user = _user(workspace, arguments)
    # One run makes one nudge, so the run names it: the preview shows the id that it will have.
    resource = f"nudge/{call.run_id}"
    workspace.write(resource, {**_copied(arguments, "user_id", "channel", "template_id", "send_at"), "state": "scheduled"})
    how = "by email" if arguments["channel"] == "email" else "in the product"
    summary = f"Sends {user['name']} the tip {_words(str(arguments['template_id']))} {how} at {arguments['send_at']}."
    return Outcome(summary, minutes_saved=5.0, cost_usd=0.001, result={"nudge_id": call.run_id[:64]})


def _prefill_form(arguments: Arguments, workspace: Workspace, call: HostCall) -> Outcome:
    user = _user(workspace, arguments)
    fields = arguments["fields"]
    assert isinstance(fields, list)
    filled = {field["name"]: field["value"] for field in fields}
    if len(filled) != len(fields):
        raise Refused("A field of the form is filled in twice; leave one of them out.")
    resource = f"form_draft/{call.run_id}"
    workspace.write(resource, {**_copied(arguments, "user_id", "form"), "fields": filled, "state": "draft"})
    summary = f"Opens {_words(str(arguments['form']))} for {user['name']} with {len(filled)} fields filled in; nothing is sent."
    return Outcome(summary, minutes_saved=4.0, result={"draft_id": call.run_id[:64]})


def _unlock_trial(arguments: Arguments, workspace: Workspace, now: datetime) -> Outcome:
    account = _account(workspace, arguments)
    feature = str(arguments["feature"])
    resource = f"trial/{arguments['account_id']}:{feature}"
    _must_be_new(workspace, resource, f"{account['name']} has a trial of {_words(feature)} already.")
    if account["plan"] == "enterprise":
        raise Refused(f"{account['name']} has {_words(feature)} in its plan; there is nothing to try.")
    days = arguments["days"]
    assert isinstance(days, int)
    # Whole days, so that a preview and what is applied minutes later end at the same moment.
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    ends_at = (midnight + timedelta(days=days + 1)).isoformat().replace("+00:00", "Z")
    workspace.write(resource, {**_copied(arguments, "account_id", "feature", "reason_codes"), "ends_at": ends_at})
    summary = f"Opens {_words(feature)} for {account['name']} until {ends_at}."
    result = {"trial_id": f"{arguments['account_id']}:{feature}"[:64], "ends_at": ends_at}
    return Outcome(summary, minutes_saved=15.0, cost_usd=1.0, result=result)


def _suggest_upgrade(arguments: Arguments, workspace: Workspace, call: HostCall) -> Outcome:
    account = _account(workspace, arguments)
    wanted = str(arguments["to_plan"])
    if _PLANS.index(wanted) <= _PLANS.index(account["plan"]):
        raise Refused(f"{account['name']} has the plan {account['plan']!r}, which is no lower than {wanted!r}.")
    terms = _copied(arguments, "account_id", "to_plan", "billing", "discount_percent", "valid_until", "region")
    workspace.write(f"upgrade_offer/{call.run_id}", {**terms, "state": "open"})
    summary = (
        f"Offers {account['name']} the plan {wanted} ({arguments['billing']}) with {arguments['discount_percent']} % off, "
        f"until {arguments['valid_until']}."
    )
    result = {"offer_id": call.run_id[:64], "accepted": False}
    return Outcome(summary, minutes_saved=20.0, cost_usd=0.01, result=result, undo_handle=call.run_id)


def _withdraw_offer(handle: str, workspace: Workspace, _: HostCall) -> Outcome:
    offer = workspace.read(f"upgrade_offer/{handle}")
    if offer is None:
        raise Refused("There is no such offer.")
    if offer["state"] != "open":
        raise Refused(f"The offer is {offer['state']} and cannot be withdrawn any more.")
    workspace.write(f"upgrade_offer/{handle}", {**offer, "state": "withdrawn"})
    return Outcome("Withdraws the offer; whoever has read it has read it.", result={"offer_id": handle, "accepted": False})


def _enable_feature(arguments: Arguments, workspace: Workspace, _: HostCall) -> Outcome:
    account = _account(workspace, arguments)
    feature = str(arguments["feature"])
    resource = f"feature/{arguments['account_id']}:{feature}"
    known = workspace.read(resource)
    if known is None:
        raise Refused(f"{account['name']} cannot have the feature {_words(feature)}.")
    if known["enabled"]:
        raise Refused(f"{_words(feature)} is on already for {account['name']}.")
    workspace.write(resource, {"enabled": True, "note": arguments.get("note", "")})
    result = {"feature": feature, "enabled": True}
    return Outcome(f"Switches {_words(feature)} on for {account['name']}.", minutes_saved=6.0, result=result)


def _connect_integration(arguments: Arguments, workspace: Workspace, _: HostCall) -> Outcome:
    account = _account(workspace, arguments)
    kind = str(arguments["integration"])
    resource = f"integration/{arguments['account_id']}:{kind}"
    _must_be_new(workspace, resource, f"{account['name']} has connected its {_words(kind)} already.")
    terms = _copied(arguments, "account_id", "integration", "access", "data_region")
    workspace.write(resource, {**terms, "state": "waiting_for_sign_in"})
    summary = f"Begins connecting {account['name']} to its {_words(kind)}; an administrator signs in there to finish."
    return Outcome(summary, minutes_saved=12.0, result={"integration_id": f"{arguments['account_id']}:{kind}"[:64]})


def _user(workspace: Workspace, arguments: Arguments) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = workspace.read(f"user/{arguments['user_id']}")
    if found is None:
        raise Refused(f"There is no person {arguments['user_id']!r} here.")
    return found


def _account(workspace: Workspace, arguments: Arguments) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = workspace.read(f"account/{arguments['account_id']}")
    if found is None:
        raise Refused(f"There is no account {arguments['account_id']!r} here.")
    return found


def _must_be_new(workspace: Workspace, resource: str, otherwise: str) -> None:
    if workspace.read(resource) is not None:
        raise Refused(otherwise)


def _copied(arguments: Arguments, *names: str) -> dict[str, Any]:
    return {name: arguments[name] for name in names}


def _words(name: str) -> str:
    return name.replace("_", " ")
