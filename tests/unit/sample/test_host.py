"""The sample's host page and its backend: who gets a token, and what the page may do."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from surefoot.core.errors import SurefootError
from surefoot.domain.identity import TenantId
from surefoot.governance.tokens import mint, new_signing_key, verify
from surefoot.sample.host import PAGE_POLICY, examples, host_routes
from surefoot.sample.tenant import TENANT, Person, people

STATIC = Path(__file__).parents[3] / "src" / "surefoot" / "static"
SCRIPTS = sorted(STATIC.glob("demo*.js"))
NOW = datetime(2026, 11, 1, tzinfo=UTC)
PRIVATE, ISSUER = new_signing_key(TENANT)


def host_app() -> FastAPI:
    def token_for(person: Person) -> str:
        return mint(PRIVATE, ISSUER, person.viewer(), now=NOW, ttl_seconds=300)

    app = FastAPI()
    app.include_router(host_routes(token_for))

    @app.exception_handler(SurefootError)
    def show(_: Request, error: SurefootError) -> JSONResponse:
        return JSONResponse({"code": error.code}, error.status)

    return app


def call(method: str, path: str, *, host: str = "127.0.0.1:8787", **more: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(host_app()), base_url=f"http://{host}") as client:
            return await client.request(method, path, **more)

    return anyio.run(send)


@pytest.mark.parametrize("name", people())
def test_the_backend_vouches_for_the_person_who_is_signed_in(name: str) -> None:
    token = call("POST", "/demo/token", json={"person": name}).json()["token"]
    assert verify(token, [ISSUER], NOW) == people()[name].viewer()


def test_somebody_unknown_gets_no_token() -> None:
    reply = call("POST", "/demo/token", json={"person": "mallory"})
    assert (reply.status_code, reply.json()) == (422, {"code": "invalid_input"})


@pytest.mark.parametrize("path", ["/demo", "/demo/demo.js", "/demo/start"])
@pytest.mark.parametrize("host", ["attacker.example", "127.0.0.1.attacker.example", "0.0.0.0", "10.0.0.7:8787"])
def test_a_request_under_a_foreign_name_is_refused(host: str, path: str) -> None:
    assert call("GET", path, host=host).status_code == 403
    assert call("POST", "/demo/token", host=host, json={"person": "felix"}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8787", "localhost:8787", "localhost"])
def test_loopback_is_answered_by_each_of_its_names(host: str) -> None:
    assert call("GET", "/demo/start", host=host).status_code == 200


def test_a_form_of_a_foreign_page_cannot_ask_for_a_token() -> None:
    body: dict[str, Any] = {"content": '{"person": "felix"}', "headers": {"Content-Type": "text/plain"}}
    assert call("POST", "/demo/token", **body).status_code == 422


def test_page_style_and_script_are_served_under_the_strict_policy() -> None:
    scripts = [(f"/demo/{script.name}", "text/javascript") for script in SCRIPTS]
    for path, kind in (("/demo", "text/html"), ("/demo/demo.css", "text/css"), *scripts):
        reply = call("GET", path)
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith(kind)
        assert reply.headers["content-security-policy"] == PAGE_POLICY
    assert PAGE_POLICY.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")


def test_the_page_loads_own_files_only_and_holds_no_inline_code() -> None:
    page = (STATIC / "demo.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == ["/demo/demo.css", "/demo/demo.js", "#question"]
    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page) is None


def test_a_script_imports_only_scripts_that_are_served() -> None:
    imported = {name for script in SCRIPTS for name in re.findall(r'from "([^"]+)"', script.read_text(encoding="utf-8"))}
    assert imported and imported <= {f"./{script.name}" for script in SCRIPTS}


@pytest.mark.parametrize("name", ["demo_page.js", "..%2Fsample%2Fpeople.json", "people.json", "start.js"])
def test_no_other_file_is_served(name: str) -> None:
    assert call("GET", f"/demo/{name}").status_code == 404


def test_the_script_writes_text_and_never_markup() -> None:
    scripts = "\n".join(script.read_text(encoding="utf-8") for script in SCRIPTS)
    forbidden = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "DOMParser",
        "http://",
        "https://",
    )
    assert [word for word in forbidden if word in scripts] == []


def test_every_control_of_the_page_has_a_label_and_every_id_the_script_wants_exists() -> None:
    page = (STATIC / "demo.html").read_text(encoding="utf-8")
    ids = set(re.findall(r'\bid="([^"]+)"', page))
    controls = re.findall(r"<(?:select|textarea|input)[^>]*\bid=\"([^\"]+)\"", page)
    assert set(controls) == set(re.findall(r'<label for="([^"]+)"', page))
    wanted = {name for script in SCRIPTS for name in re.findall(r'byId\("([^"]+)"\)', script.read_text(encoding="utf-8"))}
    assert wanted - ids == set()
    assert 'id="status" role="status"' in page


def test_the_offered_questions_include_one_that_two_people_ask() -> None:
    asked = [example["question"] for example in examples()]
    assert len(asked) - len(set(asked)) == 1
    assert {example["person"] for example in examples()} <= set(people())
    assert TenantId("pennyfern") == TENANT
