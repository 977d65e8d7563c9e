"""What every store promises about its vector cache and its ledger of replies."""

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from surefoot.core.errors import Conflict, StoreUnavailable
from surefoot.domain.actions import Risk
from surefoot.domain.offers import OfferedAction
from surefoot.ports import Store, Vectors
from tests.contracts.store_rows import ACME, GLOBEX, NOW, answer, refusal


def vector(seed: int, dimensions: int = 8) -> Vectors:
    return np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)


def test_vectors_come_back_bit_by_bit_and_unknown_ones_are_missing(store: Store) -> None:
    known = {"one": vector(1), "two": vector(2, 384)}
    store.vectors.put(ACME, "encoder", known)
    found = store.vectors.get(ACME, "encoder", ["two", "one", "three", "one"])
    assert {key: each.tobytes() for key, each in found.items()} == {key: each.tobytes() for key, each in known.items()}
    assert {each.dtype for each in found.values()} == {np.dtype(np.float32)}
    assert store.vectors.get(ACME, "encoder", []) == {}


def test_a_vector_belongs_to_its_encoder(store: Store) -> None:
    store.vectors.put(ACME, "encoder", {"one": vector(1)})
    assert store.vectors.get(ACME, "other", ["one"]) == {}


def test_putting_a_vector_again_replaces_it_and_putting_none_does_nothing(store: Store) -> None:
    store.vectors.put(ACME, "encoder", {"one": vector(1)})
    store.vectors.put(ACME, "encoder", {"one": vector(2)})
    store.vectors.put(ACME, "encoder", {})
    assert store.vectors.get(ACME, "encoder", ["one"])["one"].tobytes() == vector(2).tobytes()


def test_what_was_put_does_not_change_with_the_callers_array(store: Store) -> None:
    mine = vector(1)
    store.vectors.put(ACME, "encoder", {"one": mine})
    mine[:] = 0
    found = store.vectors.get(ACME, "encoder", ["one"])["one"]
    assert found.tobytes() == vector(1).tobytes()
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


def test_keep_only_takes_all_others_of_the_tenant_and_counts_them(store: Store) -> None:
    for tenant in (ACME, GLOBEX):
        store.vectors.put(tenant, "encoder", {name: vector(1) for name in ("a", "b", "c")})
        store.vectors.put(tenant, "old encoder", {name: vector(2) for name in ("a", "z")})
    assert store.vectors.keep_only(ACME, "encoder", frozenset({"a", "c", "unknown"})) == 3
    assert sorted(store.vectors.get(ACME, "encoder", ["a", "b", "c"])) == ["a", "c"]
    assert store.vectors.get(ACME, "old encoder", ["a", "z"]) == {}
    assert len(store.vectors.get(GLOBEX, "encoder", ["a", "b", "c"])) == 3
    assert store.vectors.keep_only(ACME, "encoder", frozenset()) == 2


def test_forget_takes_a_texts_vectors_of_every_encoder(store: Store) -> None:
    for tenant in (ACME, GLOBEX):
        for encoder in ("encoder", "old encoder"):
            store.vectors.put(tenant, encoder, {"a": vector(1), "b": vector(2)})
    store.vectors.forget(ACME, iter(["a", "unknown"]))
    assert sorted(store.vectors.get(ACME, "encoder", ["a", "b"])) == ["b"]
    assert sorted(store.vectors.get(ACME, "old encoder", ["a", "b"])) == ["b"]
    assert len(store.vectors.get(GLOBEX, "encoder", ["a", "b"])) == 2


def test_many_vectors_are_no_problem(store: Store) -> None:
    many = {f"hash {number}": vector(number, 2) for number in range(3000)}
    store.vectors.put(ACME, "encoder", many)
    assert len(store.vectors.get(ACME, "encoder", list(many))) == 3000
    assert store.vectors.keep_only(ACME, "encoder", frozenset(list(many)[:10])) == 2990


def test_an_answer_is_recorded_with_claims_citations_timings_and_money(store: Store) -> None:
    store.replies.append(ACME, "viewer-hash", answer("ans_1", "How — many?\0"))
    span = {"chunk_id": "chk_1", "document_id": "doc_1", "start": 5, "end": 8}
    assert store.replies.get(ACME, "ans_1") == {
        "reply_id": "ans_1",
        "viewer_hash": "viewer-hash",
        "question": "How — many?\0",
        "asked_at": NOW.isoformat(),
        "corpus_version": "version-1",
        "outcome": "answer",
        "reason": None,
        "tier": "small",
        "note": "Your question says two.",
        "choices": [],
        "confidence": 0.75,
        "claims": [{"text": "Two.", "support": 0.9}, {"text": "Three.", "support": 0.8}],
        "citations": [
            {"claim": 0, **span, "quote": "Two"},
            {"claim": 0, **span, "quote": "One"},
            {"claim": 1, **span, "quote": "Three"},
        ],
        "closest": [],
        "timings_ms": {"encode": 2.5},
        "first_claim_ms": 180.5,
        "cost_usd": 0.002,
        "tokens": 120,
        "surface": "billing",
        "searched": "How many of them?",
        "conversation_id": "cnv_1",
        "model": "cheap",
        "cache": "miss",
        "budget": "warn",
        "degraded": "budget_small_only",
        "red_gates": ["leaks"],
        "prompt_fingerprint": "prompts",
        "trace_id": "trace",
        "steps": [
            {
                "tier": "extractive",
                "model": "",
                "purpose": "answer",
                "outcome": "refused",
                "escalated_because": None,
                "reasons": [],
                "cost_usd": 0.0,
                "input_tokens": 0,
                "output_tokens": 0,
                "cached_tokens": 0,
                "latency_ms": 1.5,
            },
            {
                "tier": "small",
                "model": "cheap",
                "purpose": "answer",
                "outcome": "accepted",
                "escalated_because": "insufficient_evidence",
                "reasons": ["The number 7 is not in the quotes."],
                "cost_usd": 0.002,
                "input_tokens": 100,
                "output_tokens": 20,
                "cached_tokens": 60,
                "latency_ms": 250.5,
            },
        ],
        "actions": [],
    }


def test_what_was_offered_beside_a_reply_is_recorded(store: Store) -> None:
    offered = OfferedAction("pin", "1.0.0", "Pin", {"page": "x"}, ("user_id",), "You asked.", ("chk_1",), Risk.LOW, True, "cheap")
    store.replies.append(ACME, "viewer-hash", replace(refusal("ans_1"), actions=(offered,)))
    row = store.replies.get(ACME, "ans_1")
    assert row is not None
    assert row["actions"] == [
        {
            "action": "pin",
            "version": "1.0.0",
            "title": "Pin",
            "arguments": {"page": "x"},
            "missing": ["user_id"],
            "reason": "You asked.",
            "citations": ["chk_1"],
            "risk": "low",
            "needs_approval": True,
            "model": "cheap",
        }
    ]


def test_a_refusal_is_recorded_with_its_reason_and_without_citations(store: Store) -> None:
    store.replies.append(ACME, "viewer-hash", refusal("ans_1"))
    row = store.replies.get(ACME, "ans_1")
    assert row is not None
    assert (row["outcome"], row["reason"], row["tier"], row["confidence"]) == ("refusal", "stale_evidence", None, 0.2)
    assert (row["claims"], row["citations"]) == ([], [])
    assert [place["quote"] for place in row["closest"]] == ["Two"]  # type: ignore[attr-defined]
    assert json.loads(json.dumps(row)) == row


def test_the_ledger_counts_by_tenant_and_knows_no_other_ids(store: Store) -> None:
    assert store.replies.count(ACME) == 0
    store.replies.append(ACME, "v", answer("ans_1"))
    store.replies.append(ACME, "v", answer("ans_2"))
    store.replies.append(GLOBEX, "v", answer("ans_1"))
    assert (store.replies.count(ACME), store.replies.count(GLOBEX)) == (2, 1)
    assert store.replies.get(GLOBEX, "ans_2") is None


def test_a_reply_is_recorded_once_and_never_changed(store: Store) -> None:
    store.replies.append(ACME, "v", answer("ans_1", "first"))
    with pytest.raises(Conflict):
        store.replies.append(ACME, "v", answer("ans_1", "second"))
    row = store.replies.get(ACME, "ans_1")
    assert row is not None and row["question"] == "first"


def test_a_number_that_json_does_not_know_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.replies.append(ACME, "v", replace(answer("ans_1"), first_claim_ms=math.nan))


def test_appends_of_32_threads_are_all_there_when_they_return(store: Store) -> None:
    def append(thread: int) -> list[bool]:
        found = []
        for number in range(10):
            store.replies.append(ACME, "v", answer(f"ans_{thread}_{number}"))
            found.append(store.replies.get(ACME, f"ans_{thread}_{number}") is not None)
        return found

    with ThreadPoolExecutor(32) as threads:
        assert all(all(found) for found in threads.map(append, range(32)))
    assert store.replies.count(ACME) == 320


def test_an_error_reaches_the_caller_it_belongs_to_and_no_other(store: Store) -> None:
    """Every second append repeats an id that is taken; the rows that share its commit are not harmed."""
    store.replies.append(ACME, "v", answer("ans_taken"))

    def append(number: int) -> bool:
        try:
            store.replies.append(ACME, "v", answer("ans_taken" if number % 2 else f"ans_{number}"))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(append, range(96))) == [number % 2 == 0 for number in range(96)]
    assert store.replies.count(ACME) == 49


def test_appends_do_not_disturb_a_reader(store: Store) -> None:
    with store.begin() as reader:
        before = reader.corpora.state(ACME)
        store.replies.append(ACME, "v", answer("ans_1"))
        assert reader.corpora.state(ACME) == before


def test_a_closed_ledger_refuses_appends(store: Store) -> None:
    store.replies.append(ACME, "v", answer("ans_1"))
    store.close()
    with pytest.raises(StoreUnavailable):
        store.replies.append(ACME, "v", answer("ans_2"))


def test_a_ledger_is_read_by_another_process(open_database: Callable[[], Store]) -> None:
    one, two = open_database(), open_database()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: (one, two)[n % 2].replies.append(ACME, "v", answer(f"ans_{n}")), range(80)))
    assert one.replies.count(ACME) == two.replies.count(ACME) == 80


def test_closing_keeps_every_append_that_returned(open_database: Callable[[], Store]) -> None:
    ledger = open_database()

    def append(number: int) -> bool:
        try:
            ledger.replies.append(ACME, "v", answer(f"ans_{number}"))
        except StoreUnavailable:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        results = [threads.submit(append, number) for number in range(300)]
        results[50].result()
        ledger.close()
        accepted = [result.result() for result in results].count(True)
    assert open_database().replies.count(ACME) == accepted > 0
