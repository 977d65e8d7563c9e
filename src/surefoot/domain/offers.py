"""What may become a button beside an answer."""

from dataclasses import dataclass

from surefoot.domain.actions import Arguments, Risk

# More buttons than these are no offer any more.
MOST_OFFERED = 2


@dataclass(frozen=True, slots=True)
class OfferedAction:
    """An action that the viewer may ask for by pressing a button. It is no run: nothing is stored or called before they press,
    and then a preview comes first.

    `arguments` are valid, each of them or, when nothing is `missing`, all together; `missing` are the required ones that only
    the person can give. `reason` says in our words why it is offered and `citations` are the chunk ids of the passages that
    the answer beside it stands on; both go with the run. `model` is whose draft it is from; empty when no model proposed it.
    """

    action: str
    version: str
    title: str
    arguments: Arguments
    missing: tuple[str, ...]
    reason: str
    citations: tuple[str, ...]
    risk: Risk
    needs_approval: bool
    model: str = ""
