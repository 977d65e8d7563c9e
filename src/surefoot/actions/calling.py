"""Calls to the host: what is sent, under which delivery id, and what the answer means."""

from collections import Counter
from collections.abc import Sequence

from surefoot.actions.parts import ActionParts
from surefoot.core.ids import derived_id
from surefoot.domain.actions import ActionSpec, Arguments, Connector, Env, Json
from surefoot.domain.canonical import canonical_hash
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import (
    Change,
    HostAccepted,
    HostCall,
    HostDone,
    HostNever,
    HostRejected,
    HostReply,
    HostStale,
    HostUnknown,
    Precondition,
    Run,
)

_MAX_OUTCOME = 300
# The outcome of a call that the host has taken on and will tell of later.
ACCEPTED = "accepted"


def delivery_id(tenant: TenantId, run: Run) -> str:
    """The same for every attempt of a run, on whatever machine, so that a host can know them as one."""
    return derived_id("dlv", tenant, run.env, run.run_id)


def host_call(
    tenant: TenantId,
    connector: Connector,
    run: Run,
    *,
    preconditions: Sequence[Precondition] = (),
    changes: Sequence[Change] = (),
    undo_handle: str = "",
) -> HostCall:
    """What the host is asked for this run."""
    return HostCall(
        delivery_id=delivery_id(tenant, run),
        run_id=run.run_id,
        env=run.env,
        action=run.action,
        action_version=run.action_version,
        path=connector.path,
        arguments=run.arguments,
        preconditions=tuple(preconditions),
        timeout_seconds=connector.timeout.total_seconds(),
        maker=run.maker,
        changes=tuple(changes),
        undo_handle=undo_handle,
    )


def simulated(parts: ActionParts, tenant: TenantId, spec: ActionSpec, call: HostCall) -> HostReply:
    """What the host says that the call would do; nothing is changed."""
    host = parts.hosts.get(spec.connector.ref)
    if host is None:
        return HostUnknown(f"no host app {spec.connector.ref!r} is set up; name it in the settings")
    return host.simulate(tenant, call)


def outcome_of(reply: HostReply) -> str:
    """The answer in a few words, for the history."""
    match reply:
        case HostDone():
            return "done"
        case HostStale():
            return "stale"
        case HostRejected(reason=reason):
            return f"rejected: {reason}"[:_MAX_OUTCOME]
        case HostAccepted():
            return ACCEPTED
        case HostUnknown(reason=reason):
            return f"unknown: {reason}"[:_MAX_OUTCOME]
        case HostNever():
            return "never seen"


def call_hash(call: HostCall) -> str:
    """Names what was sent without keeping it twice."""
    return canonical_hash(
        {
            "delivery": call.delivery_id,
            "arguments": call.arguments,
            "preconditions": preconditions_json(call.preconditions),
            "changes": changes_json(call.changes),
            "undo_handle": call.undo_handle,
        }
    )


def beyond_declared(spec: ActionSpec, changes: Sequence[Change]) -> str:
    """The kind of resource of which the host would change more than the action's effects declare; empty when it keeps to
    them. A resource's kind is what stands before its first colon or slash. An action that declares no effects may have none.
    """
    most: Counter[str] = Counter()
    for effect in spec.effects:
        most[effect.resource] += effect.max
    wanted = Counter(change.resource.replace("/", ":").split(":")[0] for change in changes)
    return next((kind for kind, count in sorted(wanted.items()) if count > most[kind]), "")


def plan_digest(
    arguments: Arguments,
    changes: Sequence[Change],
    preconditions: Sequence[Precondition],
    *,
    schema_hash: str,
    policy_version: str,
    connector_version: str,
    env: Env,
) -> str:
    """The sha256 of the canonical form of everything that an approver agrees to."""
    return canonical_hash(
        {
            "args_norm": arguments,
            "changes": changes_json(changes),
            "preconditions": preconditions_json(preconditions),
            "schema_hash": schema_hash,
            "policy_version": policy_version,
            "connector_version": connector_version,
            "env": env.value,
        }
    )


def changes_json(changes: Sequence[Change]) -> list[Json]:
    """The changes as plain JSON, in their order."""
    return [
        {"resource": change.resource, "forward": list(change.forward), "backward": list(change.backward)} for change in changes
    ]


def preconditions_json(preconditions: Sequence[Precondition]) -> list[Json]:
    """The etags as plain JSON, in their order."""
    return [{"resource": each.resource, "etag": each.etag} for each in preconditions]
