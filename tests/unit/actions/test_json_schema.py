"""What an accepted keyword means: the points of JSON Schema 2020-12 on which readers are known to differ."""

from typing import Any

import pytest

from surefoot.actions.json_schema import compiled


@pytest.mark.parametrize(
    ("schema", "value", "is_valid"),
    [
        ({"type": "integer"}, 1.0, True),
        ({"type": "integer"}, True, False),
        ({"type": "number"}, True, False),
        ({"enum": [1]}, 1.0, True),
        ({"enum": [1]}, True, False),
        ({"const": {"a": 1, "b": 2}}, {"b": 2, "a": 1.0}, True),
        ({"const": False}, 0, False),
        ({"uniqueItems": True}, [1, True], True),
        ({"uniqueItems": True}, [1, 1.0], False),
        ({"maxLength": 2}, "\U0001f600\U0001f600", True),
        ({"minLength": 3}, "\U0001f600\U0001f600", False),
        ({"multipleOf": 0.01}, 19.99, True),
        ({"multipleOf": 2}, 3, False),
        ({"pattern": "b"}, "abc", True),
        ({"pattern": "^b$"}, "b\n", False),
        ({"pattern": r"^\d$"}, "\u0663", False),
        ({"minLength": 3}, 5, True),
        ({"required": ["a"]}, [], True),
        ({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, ["a", 1], True),
        ({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, ["a", "b"], False),
        ({"contains": {"const": 1}, "minContains": 0}, [], True),
        ({"contains": {"const": 1}, "maxContains": 1}, [1, 1], False),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, False),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {}, True),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, False),
        ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, 3, False),
        ({"not": {"type": "string"}}, "a", False),
        ({"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {"minimum": 1}}}, 5, False),
        ({"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {"minimum": 1}}}, 2, True),
        ({"properties": {"a": True}, "additionalProperties": False}, {"a": 1, "b": 2}, False),
        ({"format": "date-time"}, "2026-02-30T00:00:00Z", False),
        ({"format": "date-time"}, "2026-11-25 09:00:00Z", False),
        ({"format": "date"}, "2026-2-3", False),
        ({"format": "email"}, "no one", False),
        ({"format": "uuid"}, "2eb8aa08-aa98-11ea-b4aa-73b441d16380", True),
        ({"format": "uri"}, "/relative", False),
        ({"format": "date"}, 5, True),
    ],
)
def test_a_keyword_means_what_the_standard_says(schema: dict[str, Any], value: Any, is_valid: bool) -> None:
    assert compiled(schema).is_valid(value) is is_valid
