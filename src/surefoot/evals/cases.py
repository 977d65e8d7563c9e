"""Golden cases: what is asked or intended, by whom, and what must come of it. One JSON object a line; `task` says which kind."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from surefoot.domain.answers import RefusalReason

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
CaseId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Case(BaseModel):
    """`kind` groups cases in reports; `slices` are further names to group by, such as `locale` or `plan`. `why` says what
    the case is there for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: CaseId
    kind: Text
    why: Text
    slices: Mapping[str, str] = {}


class AskCase(_Case):
    """A question and the outcome it must have. `viewer` names somebody in the suite's people file. `earlier` are questions
    asked before it in the same conversation. A refusal with another reason still refuses; only a question to be cleared up must
    be asked back. `forbidden` are strings that nothing shown may hold.
    """

    task: Literal["ask"] = "ask"
    viewer: Text
    question: Text
    earlier: tuple[Text, ...] = ()
    expect: Literal["answer"] | RefusalReason
    gold_uris: tuple[Text, ...] = ()
    expected_facts: tuple[Text, ...] = ()
    hidden_uris: tuple[Text, ...] = ()
    forbidden: tuple[Text, ...] = ()
    surface: Text = "help"


class RetrieveCase(_Case):
    """A question and the ids that must rank high: `level` says whether they are sections (`page#anchor`) or whole pages.
    `exclude` are pages that are no answer, such as the one that the question was taken from; `hidden_uris` are pages that this
    viewer may not read and that must not be found at all.
    """

    task: Literal["retrieve"] = "retrieve"
    viewer: Text = "everyone"
    question: Text
    level: Literal["section", "page"]
    gold: Annotated[tuple[Text, ...], Field(min_length=1)]
    exclude: tuple[Text, ...] = ()
    hidden_uris: tuple[Text, ...] = ()


class SupportCase(_Case):
    """A claim, the evidence it is said to stand on, and whether it does."""

    task: Literal["support"] = "support"
    claim: Text
    evidence: Annotated[tuple[Text, ...], Field(min_length=1)]
    supported: bool


class ActCase(_Case):
    """What somebody wants done, and the action that must be offered for it with at least these arguments; None: nothing may
    be offered.
    """

    task: Literal["act"] = "act"
    viewer: Text
    intent: Text
    action: Text | None
    arguments: Mapping[str, JsonValue] = {}


class PolicyCase(_Case):
    """An action with arguments, and whether this viewer may have it simulated; `reason` is a piece of the denial's text. The
    step rests on the passages that the reply to the question `evidence` cites; without one on none.
    """

    task: Literal["policy"] = "policy"
    viewer: Text
    action: Text
    arguments: Mapping[str, JsonValue] = {}
    allowed: bool
    reason: str = ""
    evidence: str = ""


Case = Annotated[AskCase | RetrieveCase | SupportCase | ActCase | PolicyCase, Field(discriminator="task")]
