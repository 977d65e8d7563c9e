"""Rules of sentence spans and of plain text."""

# The full stops of many scripts are meant as they stand.
# ruff: noqa: RUF001

import re
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.domain import sentences as module
from surefoot.domain.sentences import plain, sentences


def said(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def test_a_full_stop_before_white_space_ends_a_sentence() -> None:
    assert said("First one. Second one!  Third?\nFourth") == ["First one.", "Second one!", "Third?", "Fourth"]


@pytest.mark.parametrize(
    "text",
    [
        "Use a source, e.g. Segment, for this.",
        "It is off, i.e. Disabled by default.",
        "Compare A vs. B here.",
        "In the U.S. Market it is on.",
        "Ask Dr. Smith or J. Doe about it.",
        "Since v1.2 it costs 3.14 dollars.",
        "Open config.yaml or https://x.example/a.html?b=1.5 now and see.",
        "See Fig. 3 and No. 4 there.",
        "Das gilt z.B. Für alle und bzw. Andere.",
        "Das gilt z. B. Für alle am 3. Oktober.",
        "Esto es, p. ej. Una prueba de la Sra. Gómez.",
        "Run `a. B. C` first.",
        "It takes a while... but it ends.",
        "Yahoo! is a name.",
    ],
)
def test_abbreviations_numbers_addresses_and_code_do_not_end_a_sentence(text: str) -> None:
    assert said(text) == [text]


def test_an_abbreviation_that_may_come_last_ends_before_a_capital_only() -> None:
    assert said("Apples, pears, etc. Then pay.") == ["Apples, pears, etc.", "Then pay."]
    assert said("Apples, etc. are fine.") == ["Apples, etc. are fine."]
    assert said("The answer is no. Then stop.") == ["The answer is no.", "Then stop."]


def test_closing_quotes_and_brackets_stay_with_their_sentence() -> None:
    assert said('He said "go." Then (he left.) Done.') == ['He said "go."', "Then (he left.)", "Done."]


def test_spanish_arabic_and_cjk_marks_end_sentences() -> None:
    assert said("¿Qué es? ¡Listo! Fin.") == ["¿Qué es?", "¡Listo!", "Fin."]
    assert said("هل هذا سؤال؟ نعم هذا جواب.") == ["هل هذا سؤال؟", "نعم هذا جواب."]
    assert said("这是一句。这是第二句！第三") == ["这是一句。", "这是第二句！", "第三"]


def test_list_items_are_their_own_units_without_their_marker() -> None:
    assert said("Choose:\n- One\n* Two. More\n  goes on\n1. Three\n- [ ] Four") == [
        "Choose:", "One", "Two.", "More\n  goes on", "Three", "Four",
    ]  # fmt: skip


def test_table_rows_headings_rules_and_admonition_markers_are_their_own_units() -> None:
    text = "## Plan. Price\n"
    text += "| a. B | c |\n|---|---|\n| d | e |\n:::tip\nHint. Two\n:::\n***\n> [!NOTE]\n> Quoted. Over\n> lines.\n<Tabs>\nEnd"
    assert said(text) == [
        "## Plan. Price", "| a. B | c |", "|---|---|", "| d | e |", ":::tip", "Hint.", "Two", ":::", "***", "[!NOTE]",
        "Quoted.", "Over\n> lines.", "<Tabs>", "End",
    ]  # fmt: skip


def test_a_sentence_that_begins_on_a_quoted_line_is_cut_without_the_mark() -> None:
    assert said("> One.\n> Two.\n>\n> Three.") == ["One.", "Two.", "Three."]


def test_a_fenced_block_is_one_unit_and_an_open_one_reaches_to_the_end() -> None:
    assert said("Run:\n```sh\na. B\n\n# c\n```\nThen. Go") == ["Run:", "```sh\na. B\n\n# c\n```", "Then.", "Go"]
    assert said("~~~\na. B\n```\nc. D\n") == ["~~~\na. B\n```\nc. D"]
    assert said("> ```\n> a. B\n> ```\n> After. It") == ["```\n> a. B\n> ```", "After.", "It"]


def test_a_hard_line_break_ends_a_unit() -> None:
    assert said("**Plan**  \nBusiness\\\nTeam") == ["**Plan**", "Business\\", "Team"]


MARKERS = re.compile(r"(?:\s|>|[-*+•]|\d{1,3}[.)]|[A-Za-z]\)|\[[ xX]\])*")
MARKDOWN = st.lists(
    st.sampled_from(
        ["Word", "e.g.", "end.", "Next!", " ", " ", "\n", "\n\n",
         "- ", "> ", "```", "~~~", "| a |", "# ", "`", "。",
         "  \n", "\r\n", ":::tip", "1. ",
         "<b>", "U.S.", "…", "“", "(", ")", "\t", "\u00a0", "3.", "---"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


@given(st.one_of(MARKDOWN, st.text(max_size=80)))
def test_spans_are_in_order_stripped_and_leave_out_nothing_but_markers(text: str) -> None:
    spans = sentences(text)
    assert all(start < end and text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    gaps = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    assert all(MARKERS.fullmatch(gap) for gap in gaps)


def steps(text: str) -> int:
    """How many lines of the module run for this text."""
    count = 0

    def trace(frame: object, event: str, _: object) -> object:
        nonlocal count
        if frame.f_code.co_filename != module.__file__:  # type: ignore[attr-defined]
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        sentences(text)
    finally:
        sys.settrace(before)
    return count


NASTY = [
    "a. ",
    "` `` ",
    "> ",
    "- ",
    ". . ",
    "[",
    "<a ",
    "** ",
    "e.g. B ",
    "。",
    "```\n",
    "| a ",
    "\n>",
    "![a](",
    "{%",
    "<!--",
    "1. ",
    "\\",
    "(.)",
]


@pytest.mark.parametrize("piece", NASTY)
def test_twice_the_text_takes_at_most_about_twice_the_steps(piece: str) -> None:
    assert steps(piece * 2_000) <= 2.2 * steps(piece * 1_000) + 200


def test_much_of_each_nasty_text_stays_within_a_cpu_limit_that_backtracking_would_break() -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_CPU, (40, 40))\n"
        "from surefoot.domain.sentences import plain, sentences\n"
        "for piece in sys.argv[1:]:\n"
        "    text = (piece * (250_000 // len(piece)))\n"
        "    sentences(text); plain(text)\n"
        "sentences('. . ' * 250_000)\n"
    )
    nasty = [*NASTY, "x", " ", ".", "`", "*", "_", ")", "\n", "[](", "<", "&", "> ", "\\["]
    done = subprocess.run([sys.executable, "-c", program, *nasty], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See [the **plan**](/a_(b)) and ![logo](x.png) now", "See the plan and logo now"),
        ("[`track` call][ref] is *very* ~~old~~ __new__", "track call is very old new"),
        ("## Set up {#set-up}\n- one\n1. two\n> three", "Set up one two three"),
        ("<b>Bold</b> &amp; <!-- gone --> <https://a.example>", "Bold & https://a.example"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a b 1 2"),
        ("```js\nlet a_b = c * d\n```", "let a_b = c * d"),
        ("Keep snake_case and 2 * 3 and `_id` and a\\_b", "Keep snake_case and 2 * 3 and _id and a_b"),
        (":::tip\nHint\n:::", "Hint"),
    ],
)
def test_plain_text_has_the_words_and_no_marks(text: str, expected: str) -> None:
    assert plain(text) == expected
