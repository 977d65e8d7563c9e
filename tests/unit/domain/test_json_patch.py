"""RFC 6902 patches: what is made from two documents leads from one to the other and back."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.errors import InvalidInput
from surefoot.domain.json_patch import change_between, etag_of, inverted, patched

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(st.sampled_from("ab/~é"), max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.sampled_from("ab/~"), max_size=2), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.none() | st.dictionaries(st.text(st.sampled_from("ab/~"), max_size=2), VALUES, max_size=4)


@given(DOCUMENTS, DOCUMENTS)
def test_a_change_leads_there_and_its_inverse_back(before: object, after: object) -> None:
    kept = deepcopy(before), deepcopy(after)
    change = change_between("note/1", before, after)
    there = patched(before, change.forward)
    assert etag_of(there) == etag_of(after)
    (back,) = inverted([change])
    assert etag_of(patched(there, back.forward)) == etag_of(before)
    assert (before, after) == kept


@given(DOCUMENTS)
def test_no_difference_is_no_operation(document: object) -> None:
    assert change_between("note/1", document, deepcopy(document)).forward == ()


def test_creating_and_deleting_are_operations_on_the_whole_document() -> None:
    made = change_between("note/1", None, {"a": 1})
    assert made.forward == ({"op": "add", "path": "", "value": {"a": 1}},)
    assert made.backward == ({"op": "remove", "path": ""},)


def test_true_is_not_one_and_order_of_keys_does_not_count() -> None:
    assert change_between("note/1", {"a": 1}, {"a": True}).forward == ({"op": "replace", "path": "/a", "value": True},)
    assert etag_of({"a": 1, "b": 2}) == etag_of({"b": 2, "a": 1})


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "move", "from": "/a", "path": "/d"}], {"b": [1, 2], "d": 1}),
        ([{"op": "copy", "from": "/b/0", "path": "/b/-"}], {"a": 1, "b": [1, 2, 1]}),
        ([{"op": "add", "path": "/b/1", "value": 9}], {"a": 1, "b": [1, 9, 2]}),
        ([{"op": "test", "path": "/a", "value": 1}, {"op": "remove", "path": "/b/0"}], {"a": 1, "b": [2]}),
        ([{"op": "replace", "path": "", "value": {}}], {}),
        ([{"op": "add", "path": "/~1~0", "value": 0}], {"a": 1, "b": [1, 2], "/~": 0}),
    ],
)
def test_every_operation_of_the_standard_is_done(operations: list[dict[str, object]], expected: object) -> None:
    assert patched({"a": 1, "b": [1, 2]}, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "set", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/a~2", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "add", "path": "/x/y", "value": 1},
        {"op": "add", "path": "/b/3", "value": 1},
        {"op": "add", "path": "/b/01", "value": 1},
        {"op": "add", "path": "/a/z", "value": 1},
        {"op": "remove", "path": "/x"},
        {"op": "remove", "path": "/b/-"},
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "move", "from": "/b", "path": "/b/0"},
        {"op": "move", "path": "/b/0"},
        {"op": "test", "path": "/a", "value": True},
    ],
)
def test_what_is_malformed_or_does_not_fit_is_refused(operation: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        patched({"a": 1, "b": [1, 2]}, [operation])
