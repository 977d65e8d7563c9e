"""Properties of chunking that hold for every text: exact offsets, nothing lost, nothing too long."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.domain.documents import Chunk, Section, SourceDocument, TrustTier
from surefoot.domain.identity import TenantId
from surefoot.retrieval.chunking import chunk
from surefoot.retrieval.tokens import count_tokens

PIECES = [
    "Word ", "another ", "sentence ends. ",
    "Next! ", "\n", "\n\n", "- item\n", "1. step\n", "```\ncode = 1\n\nmore()\n```\n", "```",
    "| a | b |\n|---|---|\n| 1 | 2 |\n", "> quote\n",
    "supercalifragilistic" * 8, "漢字。", "👩‍👩‍👧 ", "é", "\t", "    ",
    "https://x.example/a.b?c=d ",
    "<b>", "intro:\n\n", "\r\n", "\u00a0", "a" * 300,
]  # fmt: skip
BODIES = st.one_of(st.lists(st.sampled_from(PIECES), max_size=60).map("".join), st.text(max_size=400))


def document(bodies: list[str]) -> SourceDocument:
    text, sections = "", []
    for number, body in enumerate(bodies):
        text += f"## Heading {number}\n"
        sections.append(Section(f"Heading {number}", (), len(text), len(text) + len(body)))
        text += body + "\n"
    return SourceDocument("a.md", "A", text, tuple(sections))


def cut(source: SourceDocument, target: int, overlap: int) -> list[Chunk]:
    return chunk(TenantId("t"), source, default_trust=TrustTier.REVIEWED, target_tokens=target, overlap_tokens=overlap)


@settings(max_examples=200, deadline=None)
@given(st.lists(BODIES, max_size=4), st.integers(8, 80), st.integers(0, 60))
def test_chunks_are_exact_complete_bounded_and_within_their_section(bodies: list[str], target: int, overlap: int) -> None:
    source = document(bodies)
    chunks = cut(source, target, overlap)
    covered: set[int] = set()
    for piece in chunks:
        assert piece.text == source.text[piece.start : piece.end]
        assert piece.text == piece.text.strip() != ""
        assert piece.token_count == count_tokens(piece.text) <= 1.3 * target
        assert any(s.start <= piece.start and piece.end <= s.end and s.heading == piece.heading for s in source.sections)
        covered.update(range(piece.start, piece.end))
    wanted = {at for s in source.sections for at in range(s.start, s.end) if not source.text[at].isspace()}
    assert wanted <= covered
    assert [piece.ordinal for piece in chunks] == list(range(len(chunks)))
    assert len({piece.chunk_id for piece in chunks}) == len(chunks)
    for before, after in pairwise(chunks):
        assert before.start < after.start
        assert before.end < after.end
        if overlap == 0:
            assert before.end <= after.start


@settings(max_examples=50, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=3), st.integers(16, 60))
def test_equal_input_gives_equal_chunks(bodies: list[str], target: int) -> None:
    assert cut(document(bodies), target, 5) == cut(document(bodies), target, 5)
