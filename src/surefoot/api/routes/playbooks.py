"""Playbooks: several actions previewed together, agreed to as one, applied one after another and taken back as one."""

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from surefoot.actions.evidence import refuse_unreadable
from surefoot.actions.playbook_file import filled_in
from surefoot.actions.playbook_parts import PlaybookView
from surefoot.api.deps import Face, Id, NeedsViewer, TheFace, TheViewer, ViewerRoute, json_response
from surefoot.api.idempotency import Key, usable_key
from surefoot.api.schemas.actions import ApplyRequest, NoteRequest, PlanWord, UndoRequest
from surefoot.api.schemas.playbooks import NewPlaybookRun, ShownPlaybook, ShownPlaybookRun, ShownPlaybooks
from surefoot.api.waiting import Wait, unless_unchanged
from surefoot.core.ids import digest
from surefoot.domain.identity import Viewer

router = APIRouter(prefix="/v1", tags=["playbooks"], route_class=ViewerRoute, dependencies=[NeedsViewer])


@router.get("/playbooks", response_model=ShownPlaybooks, summary="List the playbooks that can be started")
async def list_playbooks(viewer: TheViewer, face: TheFace) -> Response:
    """Every declared playbook with its actions and the JSON Schema of its arguments."""
    known = face.surefoot.registry.playbooks
    shown = ShownPlaybooks(playbooks=[ShownPlaybook.of(known[name]) for name in sorted(known)])
    return json_response(shown.model_dump(mode="json"))


@router.post("/playbook-runs", response_model=ShownPlaybookRun, status_code=201, summary="Preview a playbook")
async def preview(body: NewPlaybookRun, viewer: TheViewer, face: TheFace, idempotency_key: Key = None) -> Response:
    """Every step simulated, and one joint plan. Nothing has changed yet, and when any step is refused all of it is.

    With a known `Idempotency-Key` and the same body the stored run is answered, marked `Idempotent-Replayed: true`.
    """
    view = await face.questions.run(partial(_preview, face, viewer, body, usable_key(idempotency_key)))
    return _answer(view, 200 if view.replayed else 201)


@router.get("/playbook-runs/{run_id}", response_model=ShownPlaybookRun, summary="Read a playbook's run")
async def read(
    run_id: Id,
    viewer: TheViewer,
    face: TheFace,
    request: Request,
    wait: Wait = 0.0,
) -> Response:
    """The playbook as it stands, with the run of each step. Its `ETag` changes with every step of any of them; with
    `If-None-Match` and `wait` as for a single run.
    """
    look = partial(face.surefoot.actions.playbooks.show, viewer, run_id)
    return await unless_unchanged(face, request, wait, look, _etag, _answer)


@router.post("/playbook-runs/{run_id}/approve", response_model=ShownPlaybookRun, summary="Approve a playbook")
async def approve(run_id: Id, body: PlanWord, viewer: TheViewer, face: TheFace) -> Response:
    """Another person than the maker agrees to exactly the joint plan of this digest, for every step that asks for their role."""
    playbooks = face.surefoot.actions.playbooks
    return await _done(face, partial(playbooks.approve, viewer, run_id, body.plan_digest, body.note))


@router.post("/playbook-runs/{run_id}/reject", response_model=ShownPlaybookRun, summary="Reject a playbook")
async def reject(run_id: Id, body: PlanWord, viewer: TheViewer, face: TheFace) -> Response:
    """Another person than the maker refuses; none of its steps is done."""
    playbooks = face.surefoot.actions.playbooks
    return await _done(face, partial(playbooks.reject, viewer, run_id, body.plan_digest, body.note))


@router.post("/playbook-runs/{run_id}/apply", response_model=ShownPlaybookRun, summary="Apply a playbook")
async def apply(run_id: Id, body: ApplyRequest, viewer: TheViewer, face: TheFace) -> Response:
    """The steps have their effect, one after another, each once. When one fails, those before it are taken back, the last
    first; what cannot be leaves the outcome `partial`, and `stands` says what is there.
    """
    actions = face.surefoot.actions
    deliver = actions.worker.deliver if body.wait else None
    digest_shown = body.plan_digest or ""
    return await _done(face, partial(actions.playbooks.apply, viewer, run_id, plan_digest=digest_shown, deliver=deliver))


@router.post("/playbook-runs/{run_id}/undo", response_model=ShownPlaybookRun, summary="Undo a playbook")
async def undo(run_id: Id, body: UndoRequest, viewer: TheViewer, face: TheFace, idempotency_key: Key = None) -> Response:
    """All of it is put back, the last step first, by a run of kind undo, which is answered. What somebody changed since is
    never overwritten: then nothing is put back, and the problem shows the differences.
    """
    actions, key = face.surefoot.actions, usable_key(idempotency_key) if idempotency_key is not None else ""
    if body.preview:
        return await _done(face, partial(actions.playbooks.preview_undo, viewer, run_id, key=key))
    deliver = actions.worker.deliver if body.wait else None
    return await _done(face, partial(actions.playbooks.undo, viewer, run_id, key=key, deliver=deliver))


@router.post("/playbook-runs/{run_id}/cancel", response_model=ShownPlaybookRun, summary="Cancel a playbook")
async def cancel(run_id: Id, body: NoteRequest, viewer: TheViewer, face: TheFace) -> Response:
    """The playbook and its steps end without effect; impossible once it has begun."""
    return await _done(face, partial(face.surefoot.actions.playbooks.cancel, viewer, run_id, body.note))


async def _done(face: Face, work: Callable[[], PlaybookView]) -> Response:
    return _answer(await face.questions.run(work))


def _preview(face: Face, viewer: Viewer, body: NewPlaybookRun, key: str) -> PlaybookView:
    playbook = filled_in(face.surefoot.registry.playbook(body.playbook), body.arguments)
    refuse_unreadable(face.surefoot.store, viewer, body.citations)
    return face.surefoot.actions.playbooks.preview(
        viewer, playbook, key, body.env, reason=body.reason, citations=tuple(body.citations)
    )


def _etag(view: PlaybookView) -> str:
    versions = [f"{run.run_id}-{run.version}" for run in (view.parent, *(step.run for step in view.steps))]
    return f'"{digest(*versions)}"'


def _answer(view: PlaybookView, status: int = 200) -> Response:
    response = json_response(ShownPlaybookRun.of(view).model_dump(mode="json"), status)
    response.headers["ETag"] = _etag(view)
    if view.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
