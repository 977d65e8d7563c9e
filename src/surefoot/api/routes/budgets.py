"""What models cost the caller's tenant."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from surefoot.api.deps import AdminRoute, NeedsServerKey, TheFace, TheServerKey, json_response
from surefoot.api.schemas.budgets import ShownBudgets
from surefoot.domain.budget_report import budget_record

router = APIRouter(prefix="/v1/budgets", tags=["budgets"], route_class=AdminRoute, dependencies=[NeedsServerKey])

Viewers = Annotated[int, Query(ge=0, le=1_000, description="How many viewers' meters are shown at most.")]
Events = Annotated[int, Query(ge=0, le=1_000, description="How many recent events are shown at most.")]


@router.get("", response_model=ShownBudgets, summary="Read what was spent")
async def budgets(caller: TheServerKey, face: TheFace, viewers: Viewers = 20, events: Events = 10) -> Response:
    """Every meter of the current periods with its limit, level and forecast, open reservations, and recent crossings."""
    made = partial(face.surefoot.budgets.report, caller.tenant, viewers=viewers, events=events)
    report = await face.administration.run(made)
    return json_response(ShownBudgets.model_validate(budget_record(report)).model_dump(mode="json"))
