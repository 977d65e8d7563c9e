"""Regular expressions of action files: read by an engine that cannot backtrack, on strings that cannot grow."""

import re

MAX_PATTERN_CHARACTERS = 256
_CLASS_OR_ESCAPE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")


def pattern_problem(pattern: str, *, has_max_length: bool) -> str | None:
    """What is wrong with the pattern as a sentence's end; None when it is short and what it matches is bounded: by a
    `maxLength` beside it, or by being anchored at both ends and repeating nothing without limit.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        return f"is longer than {MAX_PATTERN_CHARACTERS} characters"
    if has_max_length:
        return None
    bare = _CLASS_OR_ESCAPE.sub("x", pattern)
    if not (bare.startswith("^") and bare.endswith("$")) or _has_open_alternative(bare):
        return "is not anchored as ^...$ and has no maxLength beside it"
    if _UNBOUNDED.search(bare):
        return "repeats without limit (*, + or {n,}) and has no maxLength beside it"
    return None


def _has_open_alternative(bare: str) -> bool:
    """Whether a `|` stands outside every group, so that only one alternative is anchored at each end."""
    depth = 0
    for character in bare:
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            return True
    return False
