"""Rules of chunking on texts that a person can read."""

from itertools import pairwise

import pytest

from surefoot.domain.documents import Chunk, Section, SourceDocument, TrustTier, chunk_id, document_id
from surefoot.domain.identity import TenantId
from surefoot.retrieval.chunking import _within, chunk
from surefoot.retrieval.tokens import count_tokens

TENANT = TenantId("acme")
SENTENCE = "The quick brown fox jumps over the lazy dog near the river. "


def cut(text: str, target: int = 40, overlap: int = 0, **fields: object) -> list[Chunk]:
    sections = fields.pop("sections", (Section("Head", ("Top",), 0, len(text), anchor="a#head"),))
    source = SourceDocument("a.md", "Title", text, sections, **fields)  # type: ignore[arg-type]
    return chunk(TENANT, source, default_trust=TrustTier.REVIEWED, target_tokens=target, overlap_tokens=overlap)


def test_a_short_section_is_one_chunk_with_all_its_document_says() -> None:
    source = SourceDocument(
        "a.md", "Title", "  Body text.\n", (Section("Head", ("Top",), 0, 13, anchor="a#head", page_number=7),)
    )
    only = chunk(TENANT, source, default_trust=TrustTier.OFFICIAL, target_tokens=40, overlap_tokens=0, superseded=True)[0]
    identity = document_id(TENANT, "a.md")
    assert (only.start, only.end, only.text, only.ordinal) == (2, 12, "Body text.", 0)
    assert (only.document_id, only.chunk_id) == (identity, chunk_id(identity, source.content_hash(), 2, 12))
    assert (only.title, only.heading, only.path, only.anchor, only.page_number) == ("Title", "Head", ("Top",), "a#head", 7)
    assert (only.trust, only.superseded, only.token_count) == (TrustTier.OFFICIAL, True, count_tokens("Body text."))


def test_the_trust_that_the_document_states_wins_over_the_default() -> None:
    assert cut("Body.", trust=TrustTier.COMMUNITY)[0].trust == TrustTier.COMMUNITY


def test_a_section_without_a_body_gives_no_chunk() -> None:
    assert cut(" \n\n") == []


def test_small_sections_are_not_merged_across_their_heading() -> None:
    text = "One.\nTwo."
    assert [c.text for c in cut(text, sections=(Section("A", (), 0, 4), Section("B", (), 5, 9)))] == ["One.", "Two."]


def test_a_long_section_is_cut_between_paragraphs() -> None:
    paragraph = (SENTENCE * 2).strip()
    assert {c.text for c in cut("\n\n".join([paragraph] * 5), target=30)} == {paragraph}


def test_small_paragraphs_are_joined_up_to_about_the_target() -> None:
    chunks = cut("\n\n".join([SENTENCE.strip()] * 12), target=40)
    assert [c.text.count("fox") for c in chunks] == [2, 2, 2, 2, 2, 2]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    chunks = cut(SENTENCE * 12, target=40)
    assert all(c.text.startswith("The quick") and c.text.endswith("river.") for c in chunks)
    assert all(c.token_count <= 52 for c in chunks)


def test_a_long_sentence_is_cut_between_words() -> None:
    words = [f"word{number}" for number in range(200)]
    chunks = cut(" ".join(words), target=40)
    assert [word for c in chunks for word in c.text.split()] == words


def test_a_giant_string_without_a_boundary_is_cut_all_the_same() -> None:
    chunks = cut("x" * 50_000, target=40)
    assert "".join(c.text for c in chunks) == "x" * 50_000
    assert max(c.token_count for c in chunks) <= 52


@pytest.mark.parametrize("block", ["```sh\none\n\ntwo\n\nthree\n```", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"])
def test_code_and_tables_that_fit_are_kept_whole(block: str) -> None:
    text = "\n\n".join([(SENTENCE * 2).strip(), block, (SENTENCE * 2).strip()])
    assert sum(block in c.text for c in cut(text, target=32)) == 1


def test_code_that_does_not_fit_is_cut_between_lines() -> None:
    lines = [f"call(argument_{number}, value={number})" for number in range(40)]
    text = "\n".join(["```python", *lines, "```"])
    assert [line for c in cut(text) for line in c.text.split("\n")] == text.split("\n")


def test_a_line_that_introduces_a_list_goes_with_the_list() -> None:
    text = "\n\n".join(
        [(SENTENCE * 3).strip(), "Choose one of these:", "\n".join(f"- choice {n} of the long list" for n in range(5))]
    )
    assert any(c.text.startswith("Choose one") and "choice 4" in c.text for c in cut(text, target=42))


def test_a_chunk_begins_with_whole_sentences_of_the_one_before_when_asked_to() -> None:
    chunks = cut("".join(f"Sentence number {n} stands here alone. " for n in range(20)), target=40, overlap=12)
    for before, after in pairwise(chunks):
        shared = before.text[after.start - before.start :]
        assert shared.startswith("Sentence number")
        assert after.text.startswith(shared)
        assert 0 < count_tokens(shared) <= 12


def test_overlap_falls_back_to_words_and_never_crosses_a_section() -> None:
    words = " ".join(f"word{number}" for number in range(60))
    chunks = cut(
        words + "\n" + words,
        target=40,
        overlap=10,
        sections=(Section("A", (), 0, len(words)), Section("B", (), len(words), 2 * len(words) + 1)),
    )
    assert any(after.start < before.end for before, after in pairwise(chunks))
    assert chunks[0].start == 0
    assert next(c.start for c in chunks if c.heading == "B") == len(words) + 1


def test_the_page_is_the_one_on_which_the_chunk_begins() -> None:
    text = "Page one.\n\nPage two.\n\nPage three."
    chunks = cut(text, pages=(0, 11, 22), sections=(Section("", (), 0, 11), Section("", (), 11, 22), Section("", (), 22, 33)))
    assert [c.page_number for c in chunks] == [1, 2, 3]


def test_a_masked_heading_stays_masked_in_the_chunk() -> None:
    assert cut("Body.", sections=(Section("Why?", (), 0, 5, heading_indexed=False),))[0].headings() == "Title"


def test_a_span_whose_parts_count_less_than_the_whole_is_halved_until_it_fits() -> None:
    text = "word " * 99 + "word"
    parts = list(_within(text, 0, len(text), 30))
    assert all(tokens == count_tokens(text[start:end]) <= 30 for start, end, tokens in parts)
    assert " ".join(text[start:end] for start, end, _ in parts) == text
