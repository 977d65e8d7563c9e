"""Reading what a model wrote."""

import json
from typing import Any

import jsonschema_rs
import pytest

from surefoot.assistant.draft import (
    DRAFT_SCHEMA,
    LONGEST_CLAIM_CHARACTERS,
    LONGEST_DRAFT_CHARACTERS,
    LONGEST_QUOTE_CHARACTERS,
    MOST_CITATIONS,
    MOST_CLAIMS,
    ClaimStream,
    draft_text,
    parse_draft,
)
from surefoot.domain.drafts import CannotAnswer, CannotAnswerReason, Draft, DraftCitation, DraftClaim, ProposedAction

CLAIM: dict[str, Any] = {"text": 'Say "yes" {or} \\ no.', "citations": [{"chunk_id": "chk_1", "quote": "a ] b"}]}
VALID: dict[str, Any] = {
    "claims": [CLAIM, {"text": "Two.", "citations": []}],
    "actions": [{"name": "refund", "arguments": '{"days": 5}'}],
    "cannot_answer": None,
}
DRAFT = Draft(
    claims=(DraftClaim('Say "yes" {or} \\ no.', (DraftCitation("chk_1", "a ] b"),)), DraftClaim("Two.", ())),
    actions=(ProposedAction("refund", {"days": 5}),),
)
REFUSAL = Draft((), (), CannotAnswer(CannotAnswerReason.NOT_IN_PASSAGES, "the price list"))


def text(**changes: Any) -> str:
    return json.dumps({**VALID, **changes})


def problems(text: str) -> str:
    """The problems in one line; the test fails when there are none."""
    found = parse_draft(text)
    assert isinstance(found, tuple) and found, found
    assert all(sentence.endswith(".") for sentence in found)
    return " ".join(found)


def streamed(text: str, *, step: int = 1) -> list[DraftClaim]:
    stream = ClaimStream()
    return [claim for begin in range(0, len(text), step) for claim in stream.feed(text[begin : begin + step])]


def test_a_draft_that_follows_the_schema_is_read() -> None:
    assert parse_draft(text()) == DRAFT
    assert parse_draft(draft_text(DRAFT)) == DRAFT
    assert parse_draft(draft_text(REFUSAL)) == REFUSAL


@pytest.mark.parametrize("fence", ["```json\n{}\n```", "```\n{}```", "\n ```JSON \r\n{}\r\n``` \n"])
def test_one_fence_around_the_json_is_taken_off(fence: str) -> None:
    written = fence.replace("{}", text())
    assert parse_draft(written) == DRAFT
    assert tuple(streamed(written)) == DRAFT.claims


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "not valid JSON"),
        ("Sure! Here is it: {}", "not valid JSON"),
        (text()[:-1], "brackets do not match"),
        (text() + text(), "not valid JSON"),
        ("[]", "valid dictionary"),
        ("{}", "At claims: Field required"),
        (text(extra=1), "At extra: Extra inputs"),
        (text(claims=[{**CLAIM, "score": 1}]), "claims[0].score"),
        (text(claims=[{"text": 5, "citations": []}]), "At claims[0].text: Input should be a valid string"),
        (text(claims=[{"text": "x", "citations": [{"chunk_id": "c"}]}]), "At claims[0].citations[0].quote: Field required"),
        (text(claims=[{"text": "x", "citations": [{"chunk_id": "", "quote": "q"}]}]), "chunk_id"),
        (text(claims=[CLAIM] * (MOST_CLAIMS + 1)), f"at most {MOST_CLAIMS} items"),
        (text(claims=[{"text": "x", "citations": CLAIM["citations"] * (MOST_CITATIONS + 1)}]), f"at most {MOST_CITATIONS} items"),
        (text(claims=[{"text": "x" * (LONGEST_CLAIM_CHARACTERS + 1), "citations": []}]), "At claims[0].text"),
        (
            text(claims=[{"text": "x", "citations": [{"chunk_id": "c", "quote": "q" * (LONGEST_QUOTE_CHARACTERS + 1)}]}]),
            "At claims[0].citations[0].quote",
        ),
        (text(claims=[], actions=[]), "no claim"),
        (text(cannot_answer={"reason": "not_in_passages", "missing": ""}), "claims and cannot_answer"),
        (text(claims=[], cannot_answer={"reason": "lazy", "missing": ""}), "At cannot_answer.reason"),
        (text(actions=[{"name": "x", "arguments": "[]"}]), "actions[0].arguments must be a JSON object"),
        (text(actions=[{"name": "x", "arguments": "{"}]), "actions[0].arguments is not JSON"),
        (text(actions=[{"name": "x", "arguments": {}}]), "At actions[0].arguments"),
        (text().replace('"Two."', "NaN"), "NaN"),
        (text().replace('"Two."', '"Two.", "text": "Three."'), "twice"),
        (text().replace('"Two."', '"\\ud800"'), "surrogate"),
        (text().replace("Two.", "\ud800"), "not UTF-8"),
        ("[" * 40 + "]" * 40, "nested"),
        (json.dumps(list(range(5_000))), "more than"),
        ("x" * (LONGEST_DRAFT_CHARACTERS + 1), f"at most {LONGEST_DRAFT_CHARACTERS}"),
    ],
)
def test_what_is_wrong_is_said_in_sentences_for_the_one_repair(written: str, told: str) -> None:
    assert told in problems(written)


def test_no_more_than_five_problems_are_sent_back() -> None:
    found = parse_draft(text(claims=[{"text": 1, "citations": 1}] * MOST_CLAIMS))
    assert isinstance(found, tuple)
    assert len(found) == 5


def test_problems_do_not_repeat_what_the_model_wrote() -> None:
    assert "hunter2" not in problems(text(claims=[{"text": ["hunter2"], "citations": []}]))


def test_the_schema_takes_what_is_read_and_refuses_another_shape() -> None:
    schema = jsonschema_rs.validator_for(json.loads(json.dumps(DRAFT_SCHEMA)))
    for draft in (DRAFT, REFUSAL):
        assert schema.is_valid(json.loads(draft_text(draft)))
    for changes in (
        {"extra": 1},
        {"claims": [{"text": "x"}]},
        {"actions": [{"name": "x", "arguments": {}}]},
        {"cannot_answer": "no"},
    ):
        assert not schema.is_valid({**VALID, **changes})


def test_every_object_of_the_schema_is_closed_and_requires_all_its_keys() -> None:
    def objects(node: object) -> list[dict[str, Any]]:
        if isinstance(node, list):
            return [found for part in node for found in objects(part)]
        if not isinstance(node, dict):
            return []
        own = [node] if node.get("type") == "object" else []
        return own + [found for part in node.values() for found in objects(part)]

    found = objects(json.loads(json.dumps(DRAFT_SCHEMA)))
    assert len(found) == 5
    assert all(node["additionalProperties"] is False and node["required"] == list(node["properties"]) for node in found)


def test_a_claim_is_streamed_when_its_last_character_arrives() -> None:
    written = text()
    end = written.index("a ] b") + len('a ] b"}]}')
    stream = ClaimStream()
    assert stream.feed(written[: end - 1]) == []
    assert stream.feed(written[end - 1 : end]) == [DRAFT.claims[0]]
    assert stream.feed(written[end:]) == [DRAFT.claims[1]]


def test_claims_are_streamed_wherever_their_key_stands() -> None:
    assert streamed(json.dumps({key: VALID[key] for key in reversed(VALID)})) == list(DRAFT.claims)
    assert streamed(text().replace('"claims"', '"cl\\u0061ims"')) == list(DRAFT.claims)


@pytest.mark.parametrize(
    "written",
    [
        "Here: " + text(),
        "[" + text(),
        '{"claims": {"text": "x"}}',
        '{"claims": [1, {"text": "x", "citations": []}]}',
        '{"claims": [{"text": "x"}, {"text": "x", "citations": []}]}',
        '{"claims" [{"text": "x", "citations": []}]}',
        '{"other": 1, "claims": [{"text": "x", "citations": []}]}',
        '{"actions": oops, "claims": [{"text": "x", "citations": []}]}',
        '{"actions": {"claims": [{"text": "x", "citations": []}]}}',
        '{"cannot_answer": null, , "claims": [{"text": "x", "citations": []}]}',
        '{"claims": [, {"text": "x", "citations": []}]}',
        '{"claims": [{"text": "x", "text": "y", "citations": []}]}',
    ],
)
def test_nothing_is_streamed_from_what_no_draft_begins_like(written: str) -> None:
    assert streamed(written) == []


def test_from_the_first_garbage_on_nothing_more_is_streamed() -> None:
    one = '{"text": "x", "citations": []}'
    assert len(streamed(f'{{"claims": [{one} {one}')) == 1
    assert len(streamed(f'{{"claims": [{one}], "claims": [{one}]')) == 1
    assert len(streamed(f'{{"claims": [{", ".join([one] * (MOST_CLAIMS + 3))}')) == MOST_CLAIMS


def test_the_stream_holds_no_more_than_a_draft_may_have() -> None:
    stream = ClaimStream()
    for _ in range(40):
        stream.feed('{"claims": [{"text": "' + "x" * 4_000)
    assert stream.is_over
    assert stream.feed('"}]}') == []
    blank = ClaimStream()
    blank.feed(" " * 10_000)
    assert len(blank._held) <= 200
