"""Rules of the HTML reader: what a visitor reads, by heading."""

from datetime import UTC, datetime

import pytest

from surefoot.core.errors import UnreadableDocument
from surefoot.domain.documents import SourceDocument
from surefoot.retrieval.readers import RawFile, ReadLimits, read
from surefoot.retrieval.readers.html import MAX_CHARS_IN_PROCESS

LIMITS = ReadLimits(max_bytes=5_000_000, max_pages=10, memory_mb=512, cpu_seconds=20)


def document(markup: str) -> SourceDocument:
    return read(RawFile("guides/set-up.html", markup.encode()), LIMITS)[0]


def bodies(source: SourceDocument) -> list[tuple[str, str]]:
    return [(section.heading, source.text[section.start : section.end].strip()) for section in source.sections]


def test_headings_open_sections_with_paths_and_anchors() -> None:
    source = document(
        "<body><h1>Guide</h1><p>Intro</p><h2 id=in>Install <a href='#in'>#</a></h2>Run<h3>Linux</h3>apt<h2>Use</h2>Go"
    )
    assert source.title == "Guide"
    assert bodies(source) == [("", "Intro"), ("Install", "Run"), ("Linux", "apt"), ("Use", "Go")]
    assert [(section.path, section.anchor) for section in source.sections] == [
        ((), "guide"),
        ((), "in"),
        (("Install",), "linux"),
        ((), "use"),
    ]


def test_scripts_styles_navigation_templates_and_hidden_elements_are_left_out() -> None:
    markup = (
        "<head><title>T</title><style>s</style></head><body><nav>menu</nav><script>if (a<div) x('</div>')</script>A"
        "<p hidden>h</p><p aria-hidden=true>h</p><div style='Display : none'>h</div><template>t</template><!-- c --><svg>v</svg>"
        "<select><option>o</select><p>B</p><script>never closed"
    )
    assert document(markup).text == "A\n\nB"


def test_the_main_part_is_read_when_the_page_names_one() -> None:
    assert document("<body><div>side</div><main><p>Text</p></main><footer>foot</footer>").text == "Text"


def test_lists_tables_breaks_and_code_keep_their_shape() -> None:
    markup = "<ul><li>A<li>B</ul><table><tr><th>H<th>I<tr><td>1<td>2<br>3</table>x<br>y<pre>\n  if a:\n    b\n</pre>"
    assert document(markup).text == "- A\n- B\n\n| H | I |\n| 1 | 2 3 |\n\nx\ny\n\n```\n  if a:\n    b\n```"


def test_entities_and_white_space_are_what_a_reader_sees() -> None:
    assert document("<p>a &amp; b\n   c <b>d</b>e</p>").text == "a & b c de"


def test_title_language_and_date_come_from_the_page() -> None:
    source = document(
        "<html lang=de><head><title>Seite</title><meta property='article:modified_time' content='2024-05-06'></head>Text"
    )
    assert (source.title, source.locale, source.updated_at) == ("Seite", "de", datetime(2024, 5, 6, tzinfo=UTC))
    assert document("<p>Text").title == "Set up"


def test_front_matter_above_a_page_states_its_rights() -> None:
    source = document("---\ntitle: T\nprincipals: [group:a]\n---\n<p>Text</p>")
    assert (source.title, source.principals, source.text) == ("T", {"group:a"}, "Text")


def test_a_large_page_reads_the_same_in_its_own_process() -> None:
    small = "<h1>T</h1>" + "<h2>A</h2><p>word</p>" * 3
    large = document("<h1>T</h1>" + "<h2>A</h2><p>word</p>" * (MAX_CHARS_IN_PROCESS // 20))
    assert len(large.sections) == MAX_CHARS_IN_PROCESS // 20 + 1
    assert bodies(large)[:4] == bodies(document(small))


@pytest.mark.parametrize(
    "open_tag",
    ["<div>", "<b>", "<ul><li>", "<svg><a>", "<li><dd>", "<div></span>", "<a><dd><li><p>", "<SPAN >", "<optgroup>", "<rt>"],
)
def test_elements_nested_or_left_open_too_deep_are_refused(open_tag: str) -> None:
    with pytest.raises(UnreadableDocument, match="400 deep"):
        document(open_tag * 100_000)


@pytest.mark.parametrize("disguise", ["<!-->", "<!--->", "<!-- --!>", "<title>", "<select>", "<textarea>", "<style></style >"])
def test_no_disguise_lets_deep_elements_reach_the_parser(disguise: str) -> None:
    with pytest.raises(UnreadableDocument, match="400 deep"):
        document(disguise + "<div>" * 1_000)


@pytest.mark.parametrize("swallowing", ["<svg><style>", "<script/>", "<!-- ", "<SCRIPT>"])
def test_what_a_script_style_or_comment_swallows_never_reaches_the_parser(swallowing: str) -> None:
    assert document("A" + swallowing + "<div>" * 1_000 + "B").text == "A"
