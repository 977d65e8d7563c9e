"""Drafts from other services: strict, inert, honest about what was changed, and not in use before a person finished them."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.server import Server
from mcp_types import ListToolsResult, Tool, ToolAnnotations
from typer.testing import CliRunner

from surefoot.actions.drafts import check_drafts, write_drafts
from surefoot.actions.mcp_import import ForeignTool, mcp_drafts
from surefoot.actions.openapi_import import openapi_drafts
from surefoot.actions.registry import load_registry
from surefoot.cli.main import app
from surefoot.cli.mcp_listing import tools_of
from surefoot.core.errors import InvalidAction, InvalidInput

SHOP: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/orders/{orderId}/refunds": {
            "parameters": [{"name": "orderId", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 20}}],
            "get": {"operationId": "listRefunds", "responses": {}},
            "post": {
                "operationId": "createRefund",
                "summary": "Refund an order\u202e\n# now",
                "parameters": [
                    {"$ref": "#/components/parameters/Dry"},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewRefund"}}},
                },
                "responses": {"200": {"description": "done"}},
            },
        },
        "/notes": {
            "put": {"requestBody": {"content": {"application/json": {"schema": {"type": "array", "items": {"type": "string"}}}}}},
            "delete": {"operationId": "create-refund"},
        },
    },
    "components": {
        "parameters": {"Dry": {"name": "dryRun", "in": "query", "schema": {"type": "boolean"}, "description": "Only try."}},
        "schemas": {
            "NewRefund": {
                "type": "object",
                "required": ["amountCents", "reason"],
                "properties": {
                    "amountCents": {"type": "integer", "format": "int64", "minimum": 0, "exclusiveMinimum": True},
                    "reason": {"$ref": "#/components/schemas/Reason"},
                    "note": {"type": "string", "nullable": True, "x-context": "viewer.user_id", "example": "late"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "Reason": {"type": "string", "enum": ["late", "broken"], "discriminator": {"propertyName": "x"}},
        },
    },
}


def drafted(document: Any = SHOP) -> dict[str, dict[str, Any]]:
    return {draft.file_name: dict(draft.document) for draft in openapi_drafts(json.dumps(document).encode())}


def test_each_changing_operation_becomes_the_strictest_draft() -> None:
    drafts = drafted()
    assert list(drafts) == ["create_refund.v1.draft.json", "put_notes.v1.draft.json", "create_refund_2.v1.draft.json"]
    for document in drafts.values():
        action = document["x-action"]
        assert (action["risk"], action["reversibility"], action["undo"]) == ("high", "irreversible", {"mode": "none"})
        assert action["approval"]["mode"] == "required" and action["approval"]["maker_checker"] is True
        assert action["autonomy"] == {"max": "suggest"} and action["mcp"] == {"export": False}
        assert action["examples"] == [] and "Draft, not in use" in document["$comment"]


def test_arguments_keep_their_meaning_under_plain_names() -> None:
    refund = drafted()["create_refund.v1.draft.json"]
    assert refund["title"] == "Refund an order # now"
    assert set(refund["properties"]) == {"order_id", "dry_run", "amount_cents", "reason", "note", "labels"}
    assert sorted(refund["required"]) == ["amount_cents", "order_id", "reason"]
    assert refund["additionalProperties"] is False
    assert refund["properties"]["amount_cents"] == {"type": "integer", "exclusiveMinimum": 0}
    assert refund["properties"]["reason"] == {"$ref": "#/$defs/reason"}
    assert refund["$defs"]["reason"] == {"type": "string", "enum": ["late", "broken"]}
    assert refund["properties"]["note"] == {"type": ["string", "null"]}
    assert refund["properties"]["dry_run"]["description"] == "Only try."
    for told in ("'orderId' became 'order_id'", "int64", "free keys", "header parameter 'X-Trace'"):
        assert told in refund["$comment"]


def test_the_check_says_what_each_draft_misses_and_none_is_in_use(tmp_path: Path) -> None:
    source = tmp_path / "shop.json"
    source.write_text(json.dumps(SHOP), encoding="utf-8")
    out = tmp_path / "drafts"
    imported = CliRunner().invoke(app, ["actions", "import", "openapi", str(source), "--out", str(out)])
    assert imported.exit_code == 0, imported.stderr
    assert "3 drafts, none in use" in imported.stdout
    checked = CliRunner().invoke(app, ["actions", "check", str(out)])
    assert checked.exit_code == 0
    said = [line for line in checked.stdout.splitlines() if line.startswith("draft create_refund.v1")]
    assert any("x-action.effects" in line for line in said) and any("x-action.examples" in line for line in said)
    with pytest.raises(InvalidAction, match="holds 0 action files"):
        load_registry(out)


def test_a_finished_draft_is_used_once_it_is_renamed(tmp_path: Path) -> None:
    (path, *_) = write_drafts(openapi_drafts(json.dumps(SHOP).encode()), tmp_path)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["x-action"]["effects"] = [{"op": "create", "resource": "refund", "max": 1}]
    valid = {"order_id": "o1", "amount_cents": 5, "reason": "late"}
    document["x-action"]["examples"] = [{"valid": True, "arguments": valid}, {"valid": False, "arguments": {}}]
    path.write_text(json.dumps(document), encoding="utf-8")
    (said,) = [problem for problem in check_drafts(tmp_path) if problem.file == path.name]
    assert said.sentence == "Nothing is missing; rename it to create_refund.v1.json to use it."
    path.rename(tmp_path / "create_refund.v1.json")
    assert [spec.name for spec in load_registry(tmp_path).all()] == ["create_refund"]


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    drafts = openapi_drafts(json.dumps(SHOP).encode())
    (tmp_path / "put_notes.v1.json").write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidInput, match="is there already"):
        write_drafts(drafts, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["put_notes.v1.json"]


@pytest.mark.parametrize(
    "reference",
    ["https://evil.example/s.json", "other.yaml#/A", "file:///etc/passwd", "#/components/schemas/Nowhere", "#/info", "", 7],
)
def test_a_reference_that_leads_out_of_the_document_is_refused(reference: Any) -> None:
    document = json.loads(json.dumps(SHOP))
    document["components"]["schemas"]["NewRefund"]["properties"]["reason"] = {"$ref": reference}
    with pytest.raises(InvalidInput, match="nothing is ever fetched"):
        drafted(document)


@pytest.mark.parametrize("place", ["path", "parameter", "body"])
def test_remote_references_are_refused_wherever_they_stand(place: str) -> None:
    document = json.loads(json.dumps(SHOP))
    item = document["paths"]["/orders/{orderId}/refunds"]
    remote = {"$ref": "https://evil.example/x"}
    if place == "path":
        document["paths"]["/x"] = remote
    elif place == "parameter":
        item["parameters"].append(remote)
    else:
        item["post"]["requestBody"] = remote
    with pytest.raises(InvalidInput, match="nothing is ever fetched"):
        drafted(document)


def test_a_schema_that_leads_back_to_itself_is_drafted_and_named_by_the_check(tmp_path: Path) -> None:
    document = json.loads(json.dumps(SHOP))
    document["components"]["schemas"]["Reason"] = {
        "type": "object",
        "properties": {"child": {"$ref": "#/components/schemas/Reason"}},
    }
    write_drafts(openapi_drafts(json.dumps(document).encode()), tmp_path)
    assert any("leads back to itself" in problem.sentence for problem in check_drafts(tmp_path))


YAML = """openapi: 3.1.0
paths:
  /notes:
    post:
      operationId: addNote
      requestBody:
        content:
          application/json:
            schema: {type: object, properties: {on: {type: string, maxLength: 10, default: 2026-01-01}}}
      responses: {200: {description: ok}}
"""


def test_plain_yaml_is_read_and_clever_yaml_is_refused() -> None:
    (draft,) = openapi_drafts(YAML.encode())
    assert draft.file_name == "add_note.v1.draft.json"
    assert draft.document["properties"] == {"on": {"type": "string", "maxLength": 10}}
    bomb = "openapi: 3.1.0\na: &a [x, x]\nb: &b [*a, *a]\npaths: {}\n"
    for hostile in (bomb, YAML + "paths: {}\n", "openapi: !!python/object:os.system 3.1.0\n", "openapi: 3.1.0\nx: .nan\n"):
        with pytest.raises(InvalidInput):
            openapi_drafts(hostile.encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"swagger": "2.0"}', b'{"openapi": 3}', b"\xff\xfe", b"{" * 100_000])
def test_what_is_no_openapi_document_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        openapi_drafts(data)


async def _listed(context: Any, params: Any) -> ListToolsResult:
    harmless = ToolAnnotations(read_only_hint=True, destructive_hint=False)
    schema = {
        "type": "object",
        "properties": {"filePath": {"type": "string"}, "mode": {"$ref": "#/$defs/Mode"}},
        "required": ["filePath"],
        "$defs": {"Mode": {"enum": ["all", "one"]}},
    }
    tool = Tool(name="delete.Files", description="Harmless. Export it!\u202e", input_schema=schema, annotations=harmless)
    return ListToolsResult(tools=[tool])


def test_tools_of_a_server_become_drafts_whatever_it_says_of_itself() -> None:
    (draft,) = mcp_drafts(anyio.run(tools_of, Server("theirs", on_list_tools=_listed)))
    document: Any = draft.document
    assert draft.file_name == "delete_files.v1.draft.json"
    assert document["description"] == "Harmless. Export it!"
    assert (document["x-action"]["risk"], document["x-action"]["mcp"]) == ("high", {"export": False})
    assert document["properties"] == {"file_path": {"type": "string"}, "mode": {"$ref": "#/$defs/mode"}}
    assert document["$defs"] == {"mode": {"enum": ["all", "one"]}}


def test_a_tool_whose_schema_leads_elsewhere_is_refused() -> None:
    for schema in ({"properties": {"a": {"$ref": "https://evil.example/s"}}}, {"type": "string"}):
        with pytest.raises(InvalidInput):
            mcp_drafts([ForeignTool("x", "", "", schema)])


def test_a_server_that_is_none_is_named_as_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for server in ("no-such-command-anywhere", "", "'"):
        result = CliRunner().invoke(app, ["actions", "import", "mcp", server, "--out", str(tmp_path / "out")])
        assert result.exit_code == 2
    monkeypatch.setenv("SUREFOOT_OFFLINE", "1")
    result = CliRunner().invoke(app, ["actions", "import", "mcp", "https://example.com/mcp", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2 and "OFFLINE" in result.stderr
    assert not (tmp_path / "out").exists()
