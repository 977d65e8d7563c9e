"""The pages that the `type` of an error opens, written from the error tree itself."""

from html import escape

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from surefoot.api.errors import error_classes, title_of
from surefoot.core.errors import NotFound

router = APIRouter(tags=["errors"])


@router.get("/errors/{code}", response_class=HTMLResponse, summary="What an error code means")
async def error_page(code: str) -> Response:
    """A plain page: what the code means, its HTTP status, and whether the same call may succeed later."""
    kind = error_classes().get(code)
    if kind is None:
        raise NotFound
    again = "The same call may succeed later." if kind.retryable else "The same call will fail again until something changes."
    meaning = escape(" ".join((kind.__doc__ or "").split()))
    title = escape(title_of(kind))
    return HTMLResponse(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head><body>'
        f"<h1>{title}</h1><p><code>{escape(kind.code)}</code>, HTTP {kind.status}</p><p>{meaning}</p><p>{again}</p>"
        "</body></html>\n"
    )
