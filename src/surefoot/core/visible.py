"""Text that somebody else wrote, on a terminal or in a line of a file."""

import re

# What moves the cursor, changes colours or titles, turns the direction of a line, or ends one in some programs. Line feeds and
# tabs stay: whoever prints the text has put them there, or takes them out.
_ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with everything that a terminal would act on written as \\u and four digits, which JSON reads as the same."""
    return _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """The same, on one line."""
    return " ".join(visible(text).split())
