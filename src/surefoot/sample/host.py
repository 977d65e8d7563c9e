"""The sample tenant's host product: one help page, and the backend that vouches for whoever is signed in there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import Response

from surefoot.core.errors import Forbidden, InvalidInput, NotFound
from surefoot.sample.golden import golden_cases
from surefoot.sample.tenant import Person, people
from surefoot.sample.workplace import SampleHost

MintToken = Callable[[Person], str]

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
EXAMPLE_IDS = (
    "answer-72",
    "answer-61",
    "near-miss-12",
    "stale-03",
    "conflicting-01",
    "restricted-09",
    "no-right-07",
    "german-05",
)
_STATIC = Path(__file__).parent.parent / "static"
_FILES = {"demo.html": "text/html", "demo.css": "text/css"} | dict.fromkeys(
    (
        *(
            "demo.js",
            "demo_about.js",
            "demo_actions.js",
            "demo_card.js",
            "demo_difference.js",
            "demo_elements.js",
            "demo_feedback.js",
            "demo_form.js",
        ),
        *(
            "demo_handover.js",
            "demo_playbook.js",
            "demo_playbooks.js",
            "demo_product.js",
            "demo_run.js",
            "demo_runs.js",
            "demo_service.js",
            "demo_turn.js",
        ),
    ),
    "text/javascript",
)
_SHOWN = {"name", "shown_as", "user", "context"}
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


def host_routes(mint: MintToken, product: SampleHost | None = None) -> APIRouter:
    """The page under /demo and its backend, for an app that listens on loopback alone.

    `mint` signs a viewer token for one of the sample's people; without the product at work the page offers no actions.
    Whoever reaches these routes may be any of them, so a request that names another host than loopback is refused: a foreign
    site could have its name resolve to this machine.
    """
    router = APIRouter(prefix="/demo", include_in_schema=False, dependencies=[Depends(_refuse_foreign_names)])

    @router.get("")
    def page() -> Response:
        return _file("demo.html")

    @router.get("/start")
    def start() -> dict[str, Any]:
        return {
            "people": [person.model_dump(include=_SHOWN) for person in people().values()],
            "examples": examples(),
            "has_actions": product is not None,
        }

    @router.get("/state")
    def state() -> dict[str, Any]:
        if product is None:
            raise NotFound
        return {"hash": product.state_hash(), "documents": product.state()}

    @router.post("/token")
    def token(person: str = Body(embed=True)) -> dict[str, str]:
        known = people()
        if person not in known:
            raise InvalidInput(f"{person!r} is nobody here; choose one of {', '.join(known)}.")
        return {"token": mint(known[person])}

    @router.get("/{name}")
    def file(name: str) -> Response:
        if name not in _FILES:
            raise NotFound
        return _file(name)

    return router


def examples() -> list[dict[str, str]]:
    """The questions the page offers, each with who asks it and its language."""
    known, cases = people(), {case.id: case for case in golden_cases()}
    return [
        {"question": case.question, "person": case.viewer, "locale": known[case.viewer].locale}
        for case in (cases[example] for example in EXAMPLE_IDS)
    ]


def _file(name: str) -> Response:
    content = (_STATIC / name).read_bytes()
    return Response(content, media_type=_FILES[name], headers={"Content-Security-Policy": PAGE_POLICY})


def _refuse_foreign_names(request: Request) -> None:
    if request.url.hostname not in _LOOPBACK_NAMES:
        raise Forbidden("The demo answers on loopback only; open it as http://127.0.0.1.")
