"""What an action file must say, and every slip that is found."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from surefoot.actions.action_file import MAX_FILE_BYTES, metaschema, read_action, read_document
from surefoot.actions.json_schema import compiled
from surefoot.domain.actions import UndoMode
from tests.unit.actions.declared import DOCUMENT, REMOVED, changed, problems_of, spec_of

DEEP = {"type": "object", "additionalProperties": False, "properties": {}}


def test_a_right_file_becomes_its_spec() -> None:
    spec = spec_of()
    assert (spec.name, spec.version, spec.major, spec.title) == ("send_note", "1.2.0", 1, "Send a note")
    assert spec.undo.mode is UndoMode.INVERSE
    assert spec.undo.window == "until:send_at"
    assert "x-action" not in spec.schema
    assert spec.connector.timeout.total_seconds() == 10
    assert [example.is_valid for example in spec.examples] == [True, False]


def test_the_hash_is_of_the_meaning_and_not_of_the_layout() -> None:
    shuffled = {key: DOCUMENT[key] for key in reversed(DOCUMENT)}
    spec, _ = read_document(shuffled, "x")
    assert spec is not None
    assert spec.schema_hash == spec_of().schema_hash
    assert spec.schema_hash != spec_of(("x-action/risk", "medium")).schema_hash


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("$schema", "http://json-schema.org/draft-07/schema#", "$schema must be"),
        ("title", "", "title must be 1 to 80"),
        ("type", "array", "type must be 'object'"),
        ("additionalProperties", REMOVED, "additionalProperties must be there and false"),
        ("additionalProperties", True, "additionalProperties must be there and false"),
        ("additionalProperties", {"type": "string"}, "additionalProperties must be there and false"),
        ("required", ["user_id", "nobody"], "'nobody', which properties does not declare"),
        ("x-action", REMOVED, "x-action is missing"),
        ("properties/Send At", {"type": "string"}, "must be named with a-z"),
        ("properties/note/x-normalise", "trim", "x-normalise is not one of the keywords"),
        ("properties/note/patternProperties", {}, "patternProperties is not one of the keywords"),
        ("properties/note/$id", "https://example.com/x", "$id is not one of the keywords"),
        ("properties/note/$dynamicRef", "#x", "$dynamicRef is not one of the keywords"),
        ("properties/note/type", "text", "not valid JSON Schema"),
        ("properties/note/format", "moment", "format must be one of"),
        ("properties/note/minLength", -1, "not valid JSON Schema"),
        ("properties/note/x-normalize", "upper", "must be one or several of"),
        ("properties/note/x-normalize", ["trim", "trim"], "must be one or several of"),
        ("properties/note/x-normalize", "utc-minute", "needs the format date-time"),
        ("properties/note/x-resource", "No Such", "must name a kind of resource"),
        ("properties/note/x-region", False, "must be true"),
        ("properties/tags/x-region", True, "may stand only on a text"),
        ("properties/count/x-region", True, "may stand only on a text"),
        ("properties/extra", {"x-region": True}, "may stand only on a text"),
        ("properties/extra", {"enum": ["eu", 1], "x-region": True}, "may stand only on a text"),
        ("properties/extra", {"type": ["string", "array"], "x-region": True}, "may stand only on a text"),
        ("properties/note/x-context", "user_id", "must be a path such as viewer.user_id"),
        ("properties/note/x-context", "viewer.__class__", "must be a path such as viewer.user_id"),
        ("properties/tags/items", {"type": "string", "maxLength": 9, "x-context": "viewer.tag"}, "only on an argument itself"),
        ("properties/count", {"anyOf": [{"type": "string", "x-resource": "a"}]}, "where properties and items lead"),
        ("properties/note/$ref", "https://example.com/schema.json", "nothing is ever fetched"),
        ("properties/note/$ref", "file:///etc/passwd", "nothing is ever fetched"),
        ("properties/note/$ref", "other.json#/$defs/x", "nothing is ever fetched"),
        ("properties/note/$ref", "#/$defs/nothing", "not under $defs"),
        ("x-action/colour", "red", "x-action does not take 'colour'"),
        ("x-action/risk", "tiny", "x-action.risk must be one of low, medium, high"),
        ("x-action/version", "1.0", "x-action.version must match"),
        ("x-action/name", "Send Note", "x-action.name must match"),
        ("x-action/simulate/ttl", "15 minutes", "x-action.simulate.ttl must match"),
        ("x-action/simulate/ttl", "P", "is not a duration"),
        ("x-action/simulate/ttl", "PT0S", "is not a duration"),
        ("x-action/simulate/ttl", "P2D", "must not be longer than"),
        ("x-action/simulate/sideEffects", "some", "must be none"),
        ("x-action/caps/0/key", ["args.nobody"], "args.nobody, which is not an argument"),
        ("x-action/caps/0/key", ["user_id"], "caps[0].key[0]"),
        ("x-action/caps/0/window", "weekly", "caps[0].window"),
        ("x-action/caps/0/window", "PT0S", "is not a duration"),
        ("x-action/caps/0/max", 0, "caps[0].max must have a value of at least 1"),
        ("x-action/idempotency/natural_key", ["args.nobody"], "args.nobody, which is not an argument"),
        ("x-action/idempotency/natural_key", ["month(args.send_at)"], "natural_key[0] must match"),
        ("x-action/idempotency/natural_key", ["iso_week(args.note)"], "has not the format date-time or date"),
        ("x-action/undo/mode", "none", "must be 'inverse' for an action that is reversible"),
        ("x-action/undo/window", REMOVED, "must be there when there is an undo"),
        ("x-action/undo/window", "until:nobody", "not an argument of the format date-time"),
        ("x-action/undo/window", "until:note", "not an argument of the format date-time"),
        ("x-action/undo/conflict", "overwrite", "must be refuse"),
        ("x-action/autonomy/max", "unattended", "unattended_after is missing"),
        ("x-action/approval", {"mode": "none", "maker_checker": True}, "somebody is named who must approve"),
        ("x-action/gates/max_discount_percent", 5, "needs the argument discount_percent"),
        ("x-action/connector/path", "/../admin", "connector.path must match"),
        ("x-action/connector/path", "//evil.example/x", "connector.path must match"),
        ("x-action/connector/timeout", "PT5M", "connector.timeout must not be longer than"),
        ("x-action/examples", [DOCUMENT["x-action"]["examples"][0]] * 2, "at least one valid and one invalid"),
        ("x-action/examples/0/arguments", {"user_id": "nora"}, "said to be valid, but is not"),
        ("x-action/examples/1/arguments", DOCUMENT["x-action"]["examples"][0]["arguments"], "said to be invalid, but the schema"),
        ("x-action/result_schema", {"$ref": "https://example.com/x"}, "x-action.result_schema.$ref must point into this file"),
    ],
)
def test_a_slip_is_named_with_its_place(path: str, value: Any, said: str) -> None:
    problems = problems_of((path, value))
    assert any(said in problem for problem in problems), problems


def test_an_action_of_high_risk_is_never_unattended_and_never_without_anybody_who_approves() -> None:
    evidence = {"weeks": 6, "max_reversal_rate": 0.02, "fairness_parity": True}
    said = problems_of(
        ("x-action/risk", "high"),
        ("x-action/autonomy", {"max": "unattended", "unattended_after": evidence}),
        ("x-action/approval/mode", "none"),
    )
    assert len([problem for problem in said if "high risk" in problem]) == 2


def test_the_moment_an_undo_window_ends_at_is_a_required_argument() -> None:
    said = problems_of(("required", ["user_id"]))
    assert any("must then be a required argument" in problem for problem in said)


def test_a_definition_that_leads_back_to_itself_is_refused() -> None:
    loop = {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}
    said = problems_of(("$defs", loop), ("properties/note", {"$ref": "#/$defs/a"}))
    assert any("leads back to itself" in problem for problem in said)


def chain(length: int, copies: int) -> dict[str, Any]:
    links = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * copies} for n in range(length)}
    return {**links, f"d{length}": {"type": "string"}}


def test_definitions_that_double_each_other_do_not_multiply_the_work() -> None:
    said = problems_of(("$defs", chain(14, 2)), ("properties/note", {"$ref": "#/$defs/d0"}))
    assert any("stands for more than 2000 schemas" in problem for problem in said)


def test_a_definition_reached_through_too_many_others_is_refused() -> None:
    assert problems_of(("$defs", chain(14, 1)), ("properties/note", {"$ref": "#/$defs/d0"})) == []
    said = problems_of(("$defs", chain(17, 1)), ("properties/note", {"$ref": "#/$defs/d0"}))
    assert any("through more than 16 others" in problem for problem in said)


def test_a_pattern_needs_a_bound_on_what_it_matches() -> None:
    for pattern in ("^(a+)+$", "^[a-z]*$", "abc", "^a|b$", "^a{2,}$", "^abc\\$"):
        assert any("maxLength" in problem for problem in problems_of(("properties/note", {"type": "string", "pattern": pattern})))
        assert problems_of(("properties/note", {"type": "string", "pattern": pattern, "maxLength": 40})) == []
    for pattern in ("^[a-z*+]{1,40}$", "^(a|b)$", "^a\\+b$", "^x{2,3}?$"):
        assert problems_of(("properties/note", {"type": "string", "pattern": pattern})) == []


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "(a{1000}){1000}", "(", "a" * 300])
def test_a_pattern_that_needs_backtracking_or_much_memory_is_refused(pattern: str) -> None:
    assert problems_of(("properties/note", {"type": "string", "pattern": pattern, "maxLength": 40}))


def test_too_many_patterns_are_refused() -> None:
    many = [{"pattern": f"^{n}$"} for n in range(100)]
    assert any("more than 64 patterns" in p for p in problems_of(("properties/count", {"type": "string", "anyOf": many})))


def test_nothing_is_fetched_even_where_the_check_is_not_asked(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"type": "string"}', encoding="utf-8")
    for reference in (other.as_uri(), "http://127.0.0.1:9/schema.json"):
        with pytest.raises(jsonschema_rs.ValidationError, match="never fetched"):
            compiled({"$ref": reference})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not valid JSON"),
        (b"[]", "must hold one JSON object"),
        (b'{"title": 1, "title": 2}', "twice"),
        (b'{"title": NaN}', "NaN"),
        (b'{"title": 1e999}', "too large"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested more than"),
        (b"[" + b"1," * 6000 + b"1]", "more than 5000 values"),
        (b'{"title": "' + b"x" * MAX_FILE_BYTES + b'"}', "larger than"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"title": ' + b"9" * 5000 + b"}", "too many digits"),
    ],
)
def test_a_file_that_two_readers_could_understand_differently_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "send_note.v1.json"
    path.write_bytes(content)
    spec, problems = read_action(path)
    assert spec is None
    assert any(said in problem.sentence for problem in problems), problems


def test_a_file_is_named_after_its_action_and_major_version(tmp_path: Path) -> None:
    path = tmp_path / "send_note.v2.json"
    path.write_text(json.dumps(DOCUMENT))
    spec, problems = read_action(path)
    assert spec is None
    assert "'send_note.v1.json'" in problems[0].sentence


def test_every_object_inside_is_closed_too() -> None:
    said = problems_of(("properties/count", {**DEEP, "properties": {"inner": {"type": ["object", "null"]}}}))
    assert said == [
        "schema.properties.count.properties.inner.additionalProperties must be there and false: what is not declared is refused."
    ]


def test_what_looks_like_a_secret_is_not_repeated() -> None:
    said = " ".join(problems_of(("sk_live_abcdef0123456789", 1), ("properties/" + "x" * 300, {})))
    assert "abcdef0123456789" not in said
    assert "x" * 100 not in said


def test_the_metaschema_refuses_what_it_does_not_know_at_every_depth() -> None:
    assert metaschema().is_valid(changed()["x-action"])
    for part in ("autonomy", "approval", "simulate", "undo", "gates", "idempotency", "connector", "mcp"):
        assert not metaschema().is_valid(changed((f"x-action/{part}/surprise", 1))["x-action"]), part
    for part in ("effects", "caps", "examples"):
        assert not metaschema().is_valid(changed((f"x-action/{part}/0/surprise", 1))["x-action"]), part


@pytest.mark.parametrize("part", list(DOCUMENT["x-action"]))
def test_nothing_of_the_x_action_object_can_be_left_out(part: str) -> None:
    assert any(f"x-action misses {part!r}" in problem for problem in problems_of((f"x-action/{part}", REMOVED)))


@pytest.mark.parametrize(
    ("change", "is_wrong"),
    [
        (("properties/user_id/x-resource", "tag"), True),
        (("required", ["send_at"]), True),
        (("x-action/scope", "account"), True),
        (("x-action/scope", "tenant"), False),
    ],
)
def test_whom_an_action_is_for_is_named_by_a_required_argument(change: tuple[str, object], is_wrong: bool) -> None:
    found = problems_of(change, ("x-action/examples/1/arguments", {}))
    assert any("x-action.scope" in sentence for sentence in found) is is_wrong
    assert is_wrong or found == []
