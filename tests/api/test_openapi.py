"""The OpenAPI document: complete, with examples that hold, and every id in it guarded."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest

from surefoot.core.errors import SurefootError
from surefoot.domain.identity import Viewer
from tests.api.world import ACME, GLOBEX, World, world

METHODS = ("get", "put", "post", "delete", "patch")


@pytest.fixture(scope="module")
def document(shared: World) -> dict[str, Any]:
    found: dict[str, Any] = shared.client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield method, path, operation


def examples_of(document: dict[str, Any], content: dict[str, Any]) -> list[Any]:
    """The examples of a media type object: its own, or those of the schema it names."""
    if "examples" in content:
        return [one["value"] for one in content["examples"].values()]
    if "example" in content:
        return [content["example"]]
    return list(resolve(document, content["schema"]).get("examples", []))


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    found: dict[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def holds(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    whole = schema | {"components": document["components"]}
    return jsonschema_rs.Draft202012Validator(whole).is_valid(value)


def test_the_document_is_openapi_3_1_and_points_nowhere_else(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert not re.search(r"https?://(?!app\.example\.com)", json.dumps(document))


def test_no_page_loads_scripts_from_elsewhere(shared: World) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert shared.client.get(path).status_code == 404


def test_every_operation_has_an_example_for_what_goes_in_and_what_comes_out_and_each_holds(document: dict[str, Any]) -> None:
    checked = 0
    for method, path, operation in operations(document):
        bodies = [operation["requestBody"]["content"]["application/json"]] if "requestBody" in operation else []
        bodies += [
            response["content"]["application/json"]
            for status, response in operation["responses"].items()
            if status.startswith("2") and "application/json" in response.get("content", {})
        ]
        for content in bodies:
            examples = examples_of(document, content)
            assert examples, f"{method} {path} has a body without an example"
            for example in examples:
                assert holds(document, content["schema"], example), f"{method} {path}: {example}"
                checked += 1
    assert checked >= 20


def test_every_operation_documents_its_errors_as_problems_and_its_credentials(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert list(operation["responses"]["default"]["content"]) == ["application/problem+json"], path
        assert "422" not in operation["responses"], path
        assert bool(operation.get("security")) == path.startswith("/v1/"), f"{method} {path}"
        assert operation["summary"] and operation["description"], path


def test_what_the_service_sends_is_what_the_document_says(document: dict[str, Any], shared: World) -> None:
    reply = shared.ask("How many business days until refunds reach the card?", shared.viewer())
    citation = reply["answer"]["claims"][0]["citations"][0]["chunk_id"]
    identity = shared.tenants[ACME].documents["refunds.md"]
    held = {"conversation_id": conversation_of(shared)}
    shared.ask("refunds business days card", shared.viewer(), **held)
    calls = [
        ("post", "/v1/ask", {}, shared.viewer(), {"question": "refunds business days card"}),
        ("post", "/v1/ask", {}, shared.viewer(), {"question": "zyxw vutsr"}),
        ("get", "/v1/citations/{chunk_id}", {"chunk_id": citation}, shared.viewer(), None),
        ("post", "/v1/conversations", {}, shared.viewer(), {}),
        ("get", "/v1/conversations", {}, shared.viewer(), None),
        ("get", "/v1/conversations/{conversation_id}", held, shared.viewer(), None),
        ("post", "/v1/conversations/{conversation_id}/handover", held, shared.viewer(), {"note": "Please call."}),
        ("get", "/v1/replies/{reply_id}", {"reply_id": reply["reply_id"]}, shared.admin_key(), None),
        (
            "post",
            "/v1/replies/{reply_id}/feedback",
            {"reply_id": reply["reply_id"]},
            shared.viewer(),
            {"opinion": "helpful"},
        ),
        ("get", "/v1/traces/{trace_id}", {"trace_id": reply["trace_id"]}, shared.admin_key(), None),
        ("put", "/v1/documents", {}, shared.ingest_key(), {"uri": "refunds.md", "content": "# R\n\nNew text here.\n"}),
        ("post", "/v1/documents:batch", {}, shared.ingest_key(), {"documents": [{"uri": "z.md", "content": "# Z\n\nText.\n"}]}),
        ("get", "/v1/documents", {}, shared.ingest_key(), None),
        ("get", "/v1/documents/{document_id}", {"document_id": identity}, shared.ingest_key(), None),
        (
            "put",
            "/v1/documents/{document_id}/access",
            {"document_id": identity},
            shared.ingest_key(),
            {"principals": ["everyone"]},
        ),
        ("get", "/v1/corpus", {}, shared.ingest_key(), None),
        ("post", "/v1/keys", {}, shared.admin_key(), {"label": "x", "scopes": ["admin"]}),
        ("get", "/v1/keys", {}, shared.admin_key(), None),
        ("put", "/v1/issuers", {}, shared.admin_key(), document["components"]["schemas"]["SentIssuer"]["examples"][0]),
        ("get", "/v1/issuers", {}, shared.admin_key(), None),
        ("get", "/v1/budgets", {}, shared.admin_key(), None),
        ("get", "/v1/verdict", {}, shared.admin_key(), None),
        ("get", "/healthz", {}, {}, None),
        ("get", "/readyz", {}, {}, None),
    ]
    for method, path, names, headers, body in calls:
        more = {"json": body} if body is not None else {}
        answered = shared.client.request(method.upper(), path.format(**names), headers=headers, **more)
        described = document["paths"][path][method]["responses"][str(answered.status_code)]["content"]["application/json"]
        assert holds(document, described["schema"], answered.json()), f"{method} {path}: {answered.text}"
    called = (
        {(method, path) for method, path, *_ in calls} | walked_through(document, shared) | walked_playbooks(document, shared)
    )
    # Only a host can sign it; what it answers is looked at in test_callbacks.py.
    called.add(("post", "/v1/hosts/{host}/callbacks"))
    left = {(method, path) for method, path, _ in operations(document)} - called
    assert {method for method, _ in left} == {"delete", "get"} and ("get", "/errors/{code}") in left and len(left) == 4


def proposed(made: World, key: str, page: str = "payouts") -> dict[str, Any]:
    """A run of the viewer, previewed."""
    pin = {"action": "pin_shortcut", "arguments": {"user_id": "usr_nora01", "page": page}}
    answered = made.client.post("/v1/runs", json=pin, headers=made.viewer() | {"Idempotency-Key": key})
    assert answered.status_code == 201, answered.text
    found: dict[str, Any] = answered.json()
    return found


def walked_through(document: dict[str, Any], made: World) -> set[tuple[str, str]]:
    """Every call of actions that answers with a run or with runs, each held to its schema; what a run's state refuses is a
    problem and is walked through elsewhere.
    """
    first, second = proposed(made, "walk-1"), proposed(made, "walk-2", "invoices")
    steps = [
        ("get", "/v1/actions", first, None),
        ("get", "/v1/runs", first, None),
        ("get", "/v1/runs/{run_id}", first, None),
        ("post", "/v1/runs/{run_id}/apply", first, {}),
        ("post", "/v1/runs/{run_id}/undo", first, {}),
        ("post", "/v1/runs/{run_id}/redo", first, {}),
        ("post", "/v1/runs/{run_id}/cancel", second, {}),
    ]
    for method, path, run, body in steps:
        more = {"json": body} if body is not None else {}
        answered = made.client.request(method.upper(), path.format(run_id=run["run"]["run_id"]), headers=made.viewer(), **more)
        assert answered.status_code in (200, 201), f"{method} {path}: {answered.text}"
        described = document["paths"][path][method]["responses"][str(answered.status_code)]["content"]["application/json"]
        assert holds(document, described["schema"], answered.json()), f"{method} {path}: {answered.text}"
    word = {"plan_digest": first["plan"]["digest"]}
    for refused in ("approve", "reject", "take-up"):
        body = {} if refused == "take-up" else word
        answered = made.client.post(f"/v1/runs/{first['run']['run_id']}/{refused}", json=body, headers=made.viewer())
        # A run that is not suggested is taken up already: pressing again does nothing new.
        assert answered.status_code == 200 if refused == "take-up" else answered.status_code in (403, 409), answered.text
    names = ("approve", "reject", "take-up")
    return {(m, p) for m, p, *_ in steps} | {("post", "/v1/runs")} | {("post", f"/v1/runs/{{run_id}}/{n}") for n in names}


PLAYBOOK_ARGUMENTS = {"user_id": "usr_nora01", "account_id": "acc_fernhill1", "data_region": "eu"}


def walked_playbooks(document: dict[str, Any], made: World) -> set[tuple[str, str]]:
    """Every call of playbooks, each held to its schema: previewed, approved or rejected by somebody else, applied, undone."""
    made.put("sync.md", "---\nupdated_at: 2026-02-20\n---\n# Sync\n\nThe accounting system is connected by an administrator.\n")
    cited = [found.chunk.chunk_id for found in made.surefoot.searcher.search(Viewer(ACME, "ada"), "accounting", limit=1).passages]
    wanted = {"playbook": "set_up_accounting", "arguments": PLAYBOOK_ARGUMENTS, "citations": cited}
    called = set()

    def pressed(
        method: str, path: str, body: dict[str, Any] | None, run: str = "", *roles: str, user: str = "ada"
    ) -> dict[str, Any]:
        headers = made.viewer(*roles, user=user) | {"Idempotency-Key": f"walk-{len(called)}-{run}"}
        more = {"json": body} if body is not None else {}
        answered = made.client.request(method.upper(), path.format(run_id=run), headers=headers, **more)
        assert answered.status_code in (200, 201), f"{method} {path}: {answered.text}"
        described = document["paths"][path][method]["responses"][str(answered.status_code)]["content"]["application/json"]
        assert holds(document, described["schema"], answered.json()), f"{method} {path}: {answered.text}"
        called.add((method, path))
        shown: dict[str, Any] = answered.json()
        return shown

    one = "/v1/playbook-runs/{run_id}"
    pressed("get", "/v1/playbooks", None)
    for steps in (("cancel",), ("reject",), ("approve", "apply", "undo")):
        shown = pressed("post", "/v1/playbook-runs", wanted)
        run_id, word = shown["run"]["run_id"], {"plan_digest": shown["plan_digest"]}
        for step in steps:
            if step in ("approve", "reject"):
                pressed("post", f"{one}/{step}", word, run_id, "role:approver", user="boss")
            else:
                pressed("post", f"{one}/{step}", {}, run_id)
        pressed("get", one, None, run_id)
    return called


def conversation_of(made: World) -> str:
    """A fresh conversation of acme's viewer."""
    return str(made.client.post("/v1/conversations", json={}, headers=made.viewer()).json()["conversation_id"])


# Row 9: ids of another tenant

ID_PATHS = re.compile(r"\{(\w+)\}")
PLAYBOOK_RUN = "playbook_run_id"


@pytest.fixture(scope="module")
def ids() -> Iterator[tuple[World, dict[str, str], dict[str, Any]]]:
    """A world, one true id of acme for every path parameter, and the OpenAPI document."""
    with world() as made:
        reply = made.ask("How many business days until refunds reach the card?", made.viewer())
        mine = {
            "chunk_id": reply["answer"]["claims"][0]["citations"][0]["chunk_id"],
            "reply_id": reply["reply_id"],
            "trace_id": reply["trace_id"],
            "conversation_id": conversation_of(made),
            "run_id": str(proposed(made, "mine")["run"]["run_id"]),
            PLAYBOOK_RUN: previewed(made),
            "document_id": made.tenants[ACME].documents["refunds.md"],
            "key_id": made.tenants[ACME].admin_key_id,
        }
        yield made, mine, made.client.get("/openapi.json").json()


def previewed(made: World) -> str:
    """A playbook's run of the viewer; refused for its evidence, which leaves it theirs to see."""
    wanted = {"playbook": "set_up_accounting", "arguments": PLAYBOOK_ARGUMENTS}
    answered = made.client.post("/v1/playbook-runs", json=wanted, headers=made.viewer() | {"Idempotency-Key": "mine"})
    return str(answered.json()["run"]["run_id"])


def filled(path: str, ids: dict[str, str]) -> str:
    """The path with these ids: that of a playbook's run is of another one than that of a single run."""
    run_id = ids[PLAYBOOK_RUN if "/playbook-runs/" in path else "run_id"]
    return path.format(**ids | {"run_id": run_id})


def guarded(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """The calls of people and backends; a host's are held to their signature in test_callbacks.py."""
    return [one for one in operations(document) if one[1].startswith("/v1/") and not one[1].startswith("/v1/hosts/")]


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    if "requestBody" not in operation:
        return {}
    return {"json": examples_of(document, operation["requestBody"]["content"]["application/json"])[0]}


def credentials(made: World) -> dict[str, dict[str, str]]:
    """Everything that does not open acme's objects: none, broken, foreign, of the wrong kind or expired."""
    token = made.viewer()["Authorization"]
    made.clock.advance(timedelta(hours=1))
    return {
        "none": {},
        "empty": {"Authorization": ""},
        "garbage": {"Authorization": "Bearer garbage"},
        "unknown key": {"Authorization": "Bearer sk_acme_" + "A" * 43},
        "foreign secret under our name": {
            "Authorization": "Bearer " + made.tenants[GLOBEX].admin_secret.replace("sk_globex_", "sk_acme_")
        },
        "expired viewer": {"Authorization": token},
        "unsigned viewer": {"Authorization": token.rpartition(".")[0] + "."},
        "foreign viewer": made.viewer("group:finance", tenant=GLOBEX),
        "foreign ingest key": made.ingest_key(GLOBEX),
        "foreign admin key": made.admin_key(GLOBEX),
    }


def test_no_path_with_an_id_opens_to_other_or_missing_credentials(
    ids: tuple[World, dict[str, str], dict[str, Any]],
) -> None:
    made, mine, document = ids
    others = credentials(made)
    outcomes: list[tuple[str, str, str, int]] = []
    for method, path, operation in guarded(document):
        names = ID_PATHS.findall(path)
        if not names:
            continue
        assert set(names) <= set(mine), f"{path} has an id that this matrix has no example of"
        for who, headers in others.items():
            more = body_of(document, operation)
            answered = made.client.request(method.upper(), filled(path, mine), headers=headers, **more)
            outcomes.append((method, path, who, answered.status_code))
            assert "acme" not in answered.text.lower() and "refund" not in answered.text.lower()
    assert len(outcomes) >= 60
    assert {status for *_, status in outcomes} == {401, 403, 404}
    document_path = f"/v1/documents/{mine['document_id']}"
    assert made.client.get(document_path, headers=made.ingest_key()).json()["document"]["principals"] == ["everyone"]
    assert made.client.get("/v1/keys", headers=made.admin_key()).status_code == 200, "the key that others revoked still lives"


def test_not_yours_and_not_there_are_the_same_bytes(ids: tuple[World, dict[str, str], dict[str, Any]]) -> None:
    made, mine, document = ids
    nothing = {name: re.sub(r"[0-9a-f]", "0", value) for name, value in mine.items()}
    nothing["key_id"] = "key_" + "0" * 32
    nothing["conversation_id"] = "cnv_" + "0" * 32
    compared = 0
    for method, path, operation in guarded(document):
        if not ID_PATHS.findall(path):
            continue
        seen = set()
        administrator = made.viewer("role:admin", tenant=GLOBEX)
        for headers in (made.viewer(tenant=GLOBEX), administrator, made.ingest_key(GLOBEX), made.admin_key(GLOBEX)):
            answers = []
            for names in (mine, nothing):
                more = {"headers": headers | {"X-Request-Id": "same"}} | body_of(document, operation)
                answered = made.client.request(method.upper(), filled(path, names), **more)
                answers.append((answered.status_code, sorted(answered.headers.items()), answered.content))
            assert answers[0] == answers[1], f"{method} {path}"
            seen.add(answers[0][0])
            compared += 1
        assert 404 in seen, f"{method} {path} was never reached with credentials of the right kind"
    assert compared >= 18


def test_every_id_of_the_matrix_opens_to_its_owner(ids: tuple[World, dict[str, str], dict[str, Any]]) -> None:
    made, mine, document = ids
    for method, path, _ in guarded(document):
        if method == "get" and ID_PATHS.findall(path):
            owners = (made.viewer(), made.ingest_key(), made.admin_key())
            statuses = {made.client.get(filled(path, mine), headers=headers).status_code for headers in owners}
            assert 200 in statuses, f"{path} has an example that opens to nobody, so the matrix says nothing of it"


def test_a_restricted_passage_is_to_other_viewers_as_if_it_were_not_there(fresh: World) -> None:
    reply = fresh.ask("What is the payroll account number?", fresh.viewer("group:finance"))
    restricted = reply["answer"]["claims"][0]["citations"][0]["chunk_id"]
    answers = []
    for chunk_id in (restricted, "chk_" + "0" * 24):
        headers = fresh.viewer("group:sales") | {"X-Request-Id": "same"}
        answered = fresh.client.get(f"/v1/citations/{chunk_id}", headers=headers)
        answers.append((answered.status_code, sorted(answered.headers.items()), answered.content))
    assert answers[0] == answers[1] and answers[0][0] == 404


@pytest.mark.parametrize(
    "bad", ["x", "..", "%2e%2e%2fetc", "doc_'%20or%201=1", "%00", "é", "a" * 3_000, "doc_" + "f" * 24, "%F0%9F%92%A9", "%ff", "*"]
)
def test_an_id_in_no_known_form_is_just_not_found(ids: tuple[World, dict[str, str], dict[str, Any]], bad: str) -> None:
    made, mine, document = ids
    for method, path, operation in guarded(document):
        for headers in (made.viewer(), made.ingest_key(), made.admin_key()):
            if ID_PATHS.findall(path):
                raw = path.format(**dict.fromkeys(mine, bad))
                answered = made.client.request(method.upper(), raw, headers=headers, **body_of(document, operation))
                assert answered.status_code in (401, 403, 404, 405), f"{method} {raw}"


def test_paths_with_ids_are_all_known_to_this_matrix(ids: tuple[World, dict[str, str], dict[str, Any]]) -> None:
    _, mine, document = ids
    named = {name for _, path, _ in guarded(document) for name in ID_PATHS.findall(path)}
    assert named | {PLAYBOOK_RUN} == set(mine)


def test_the_error_tree_has_only_public_statuses() -> None:
    def below(kind: type[SurefootError]) -> Iterator[type[SurefootError]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    for kind in below(SurefootError):
        assert 400 <= kind.status <= 599 and re.fullmatch(r"[a-z_]+", kind.code)
