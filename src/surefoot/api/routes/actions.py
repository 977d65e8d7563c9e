"""Buttons that can be taken back: what may be done, and runs from preview to undo, as the signed-in viewer."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import StringConstraints
from starlette.responses import Response

from surefoot.actions.evidence import refuse_unreadable
from surefoot.actions.parts import Request as RunRequest
from surefoot.actions.parts import RunView
from surefoot.api.deps import Face, Id, NeedsViewer, TheFace, TheViewer, ViewerRoute, json_response
from surefoot.api.errors import trace_id_of
from surefoot.api.idempotency import Key, usable_key
from surefoot.api.schemas.actions import (
    ApplyRequest,
    NewRun,
    NoteRequest,
    PlanWord,
    ShownAction,
    ShownActions,
    ShownRuns,
    ShownRunView,
    UndoRequest,
)
from surefoot.api.waiting import Wait, unless_unchanged
from surefoot.assistant.feedback import own_reply
from surefoot.domain.actions import Env
from surefoot.domain.identity import Viewer
from surefoot.domain.runs import RunState

router = APIRouter(prefix="/v1", tags=["actions"], route_class=ViewerRoute, dependencies=[NeedsViewer])

Cursor = Annotated[str, StringConstraints(pattern=r"^(run_[0-9a-f]{32})?$")]


@router.get("/actions", response_model=ShownActions, summary="List the actions that can be proposed")
async def list_actions(viewer: TheViewer, face: TheFace) -> Response:
    """Every declared action with the JSON Schema of its arguments."""
    shown = ShownActions(actions=[ShownAction.of(spec) for spec in face.surefoot.registry.all()])
    return json_response(shown.model_dump(mode="json"))


@router.post("/runs", response_model=ShownRunView, status_code=201, summary="Preview an action")
async def propose(body: NewRun, viewer: TheViewer, face: TheFace, request: Request, idempotency_key: Key = None) -> Response:
    """The run, simulated: its plan shows what would change. Nothing has changed yet.

    With `reply_id` it joins the trace of that reply; else that of this call. With a known
    `Idempotency-Key` and the same body the stored run is answered, marked `Idempotent-Replayed: true`.
    """
    wanted = RunRequest(
        action=body.action,
        arguments=body.arguments,
        key=usable_key(idempotency_key),
        env=body.env,
        reason=body.reason,
        citations=tuple(body.citations),
        major=body.major,
        trace_id=trace_id_of(request),
    )
    view = await face.questions.run(partial(_propose, face, viewer, wanted, body.reply_id))
    return _answer(view, 200 if view.replayed else 201)


@router.get("/runs", response_model=ShownRuns, summary="List runs")
async def list_runs(
    viewer: TheViewer,
    face: TheFace,
    env: Env | None = None,
    state: Annotated[list[RunState] | None, Query(description="Only runs in one of these states.")] = None,
    mine: Annotated[bool, Query(description="Only the viewer's own.")] = False,
    after: Annotated[Cursor, Query(description="The cursor of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """The runs that the viewer may see, newest first: their own, those that wait for their approval, or all for an admin."""
    page = await face.questions.run(
        partial(face.surefoot.actions.page, viewer, env=env, states=frozenset(state or ()), mine=mine, after=after, limit=limit)
    )
    return json_response(ShownRuns.of(page).model_dump(mode="json"))


@router.get("/runs/{run_id}", response_model=ShownRunView, summary="Read a run")
async def read(
    run_id: Id,
    viewer: TheViewer,
    face: TheFace,
    request: Request,
    wait: Wait = 0.0,
) -> Response:
    """The run with its plan and whole history. Its `ETag` changes with every step; with `If-None-Match` an unchanged run is
    answered 304, and with `wait` that answer comes only when nothing has changed for so long.
    """
    look = partial(face.surefoot.actions.show, viewer, run_id)
    return await unless_unchanged(face, request, wait, look, _etag, _answer)


@router.post("/runs/{run_id}/approve", response_model=ShownRunView, summary="Approve a run")
async def approve(run_id: Id, body: PlanWord, viewer: TheViewer, face: TheFace) -> Response:
    """Another person than the maker agrees to exactly the plan of this digest."""
    return await _done(face, partial(face.surefoot.actions.approve, viewer, run_id, body.plan_digest, body.note))


@router.post("/runs/{run_id}/reject", response_model=ShownRunView, summary="Reject a run")
async def reject(run_id: Id, body: PlanWord, viewer: TheViewer, face: TheFace) -> Response:
    """Another person than the maker refuses; the run ends."""
    return await _done(face, partial(face.surefoot.actions.reject, viewer, run_id, body.plan_digest, body.note))


@router.post("/runs/{run_id}/take-up", response_model=ShownRunView, summary="Take up a suggestion")
async def take_up(run_id: Id, body: NoteRequest, viewer: TheViewer, face: TheFace) -> Response:
    """What the assistant only suggested is the viewer's own wish now, and simulated."""
    return await _done(face, partial(face.surefoot.actions.take_up, viewer, run_id))


@router.post("/runs/{run_id}/apply", response_model=ShownRunView, summary="Apply a run")
async def apply(run_id: Id, body: ApplyRequest, viewer: TheViewer, face: TheFace) -> Response:
    """The plan has its effect, once; pressing again does nothing new. A stale plan is refused: preview again."""
    work = partial(face.surefoot.actions.apply, viewer, run_id, plan_digest=body.plan_digest or "", wait=body.wait)
    return await _done(face, work)


@router.post("/runs/{run_id}/undo", response_model=ShownRunView, summary="Undo a run")
async def undo(run_id: Id, body: UndoRequest, viewer: TheViewer, face: TheFace, idempotency_key: Key = None) -> Response:
    """What the run changed is put back by a run of kind undo, which is answered. What somebody changed since is never
    overwritten: that is a conflict, whose problem shows the differences.
    """
    actions, key = face.surefoot.actions, idempotency_key or ""
    if body.preview:
        return await _done(face, partial(actions.preview_undo, viewer, run_id, key=key))
    return await _done(face, partial(actions.undo, viewer, run_id, key=key, wait=body.wait))


@router.post("/runs/{run_id}/redo", response_model=ShownRunView, summary="Redo an undone run")
async def redo(run_id: Id, body: NoteRequest, viewer: TheViewer, face: TheFace, idempotency_key: Key = None) -> Response:
    """A new run with the same arguments, simulated afresh."""
    return await _done(face, partial(face.surefoot.actions.redo, viewer, run_id, key=idempotency_key or ""))


@router.post("/runs/{run_id}/cancel", response_model=ShownRunView, summary="Cancel a run")
async def cancel(run_id: Id, body: NoteRequest, viewer: TheViewer, face: TheFace) -> Response:
    """The run ends without effect; impossible once applying has begun."""
    return await _done(face, partial(face.surefoot.actions.cancel, viewer, run_id, body.note))


async def _done(face: Face, work: Callable[[], RunView]) -> Response:
    return _answer(await face.questions.run(work))


def _propose(face: Face, viewer: Viewer, wanted: RunRequest, reply_id: str | None) -> RunView:
    if reply_id is not None:
        reply = own_reply(face.surefoot.store, viewer, reply_id)
        wanted = replace(wanted, trace_id=str(reply["trace_id"]), surface=str(reply["surface"]))
    refuse_unreadable(face.surefoot.store, viewer, wanted.citations)
    return face.surefoot.actions.propose(viewer, wanted)


def _etag(view: RunView) -> str:
    return f'"{view.run.run_id}-{view.run.version}"'


def _answer(view: RunView, status: int = 200) -> Response:
    response = json_response(ShownRunView.of(view).model_dump(mode="json"), status)
    response.headers["ETag"] = _etag(view)
    if view.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
