"""Rules of the Markdown and MDX reader: sections by heading, offsets into the file."""

import pytest

from surefoot.core.errors import UnreadableDocument
from surefoot.domain.documents import SourceDocument
from surefoot.retrieval.readers import RawFile, ReadLimits, read

LIMITS = ReadLimits(max_bytes=1_000_000, max_pages=10, memory_mb=512, cpu_seconds=20)


def document(text: str | bytes, uri: str = "guides/set-up.md") -> SourceDocument:
    body = text.encode() if isinstance(text, str) else text
    return read(RawFile(uri, body), LIMITS)[0]


def bodies(source: SourceDocument) -> list[tuple[str, str]]:
    return [(section.heading, source.text[section.start : section.end].strip()) for section in source.sections]


def test_each_heading_opens_a_section_whose_span_is_the_text_below_it() -> None:
    source = document("# Guide\n\nIntro.\n\n## Install\n\nRun it.\n\n### Linux\nUse apt.\n\n## Use\nGo.\n")
    assert source.title == "Guide"
    assert bodies(source) == [("", "Intro."), ("Install", "Run it."), ("Linux", "Use apt."), ("Use", "Go.")]
    assert [section.path for section in source.sections] == [(), (), ("Install",), ()]
    assert [section.anchor for section in source.sections] == ["guide", "install", "linux", "use"]


def test_text_before_the_first_heading_is_a_section_without_one() -> None:
    assert bodies(document("Before.\n\n## A\nText.")) == [("", "Before."), ("A", "Text.")]


def test_the_title_is_the_front_matters_then_the_first_headings_then_the_files() -> None:
    assert document("---\ntitle: Stated\n---\n# Heading\nText.").title == "Stated"
    assert document("## B\nb\n# Heading\nText.").title == "Heading"
    assert document("Text.").title == "Set up"
    assert document("Text.", "guides/index.md").title == "Guides"


def test_headings_inside_code_comments_lists_and_quotations_open_nothing() -> None:
    text = "## A\n```\n# no\n```\n~~~\n## no\n~~~\n<!--\n# no\n-->\n- # no\n> # no\n\n    # no\n\nEnd."
    assert [section.heading for section in document(text).sections] == ["A"]


def test_setext_headings_and_closing_hashes_are_understood() -> None:
    assert [heading for heading, _ in bodies(document("Two\nlines\n---\na\n\n## B ##\nb"))] == ["Two lines", "B"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_offsets_are_exact_whatever_ends_the_lines(newline: str) -> None:
    source = document(newline.join(["# T", "", "é intro", "", "## Ünder", "漢字 body", ""]))
    assert bodies(source) == [("", "é intro"), ("Ünder", "漢字 body")]


def test_front_matter_is_in_the_text_but_in_no_section() -> None:
    source = document("---\ntitle: T\nplan: team\n---\nBody.\n")
    assert source.text.startswith("---")
    assert bodies(source) == [("", "Body.")]
    assert source.meta == {"plan": "team"}


def test_headings_are_plain_words_and_an_explicit_id_is_the_anchor() -> None:
    source = document("## The `track` [call](/x) {#track-it}\na\n## **Bold** {: .no_toc}\nb\n## Same\nc\n## Same\nd\n")
    assert [section.heading for section in source.sections] == ["The track call", "Bold", "Same", "Same"]
    assert [section.anchor for section in source.sections] == ["track-it", "bold", "same", "same-1"]


def test_a_section_does_not_begin_with_imports_exports_or_comments() -> None:
    text = (
        "---\ntitle: T\n---\nimport Tabs from '@theme/Tabs';\nimport {\n  A,\n} from \"b\"\n\nexport const x = {\n  a: 1,\n}\n\n"
        "{/* note */}\n<!-- hidden\n\n# no -->\nReal text.\n\n## A\n<!-- c -->\n<Tabs>\n\nInside.\n\n</Tabs>\n"
    )
    assert bodies(document(text, "a.mdx")) == [("", "Real text."), ("A", "<Tabs>\n\nInside.\n\n</Tabs>")]


def test_prose_that_begins_like_a_statement_stays() -> None:
    assert bodies(document("import your data first. It's easy.")) == [("", "import your data first. It's easy.")]
    assert bodies(document("export a file, then stop.")) == [("", "export a file, then stop.")]


@pytest.mark.parametrize("nest", [">" * 50_000 + " a", "- " * 50_000 + "a", "> - " * 20_000 + "a"])
def test_deep_nesting_loses_no_text(nest: str) -> None:
    source = document(f"{nest}\n\n# End\nc")
    assert source.sections[0].start == 0
    assert source.sections[-1].end == len(source.text)


def test_byte_order_marks_are_understood_and_left_out() -> None:
    for body in (
        "# Té\nx".encode("utf-8-sig"),
        "# Té\nx".encode("utf-16"),
        "\ufeff# Té\nx".encode("utf-16-be"),
        "# Té\nx".encode("utf-32"),
    ):
        assert (document(body).title, document(body).text[0]) == ("Té", "#")


def test_other_bytes_are_refused_with_the_place_and_the_remedy() -> None:
    with pytest.raises(UnreadableDocument, match="byte 3 is not UTF-8; save the file as UTF-8"):
        document(b"abc\xff\xfe")
    with pytest.raises(UnreadableDocument, match="NUL"):
        document(b"abc\0def")
    with pytest.raises(UnreadableDocument, match="empty"):
        document(b" \n")


def test_plain_text_is_one_section_without_markdown() -> None:
    source = document("# not a heading\nText.", "notes.txt")
    assert (source.title, bodies(source)) == ("Notes", [("", "# not a heading\nText.")])
