from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.assistant.units import ChunkReader, UnitKind, analyse
from surefoot.ports import Vectors
from tests.unit.assistant.passages import Text, chunk_of

MARKDOWN = """# Export

You can export invoices. Do this:

1. Open **Invoices**.
2. Click *Export*.

- a CSV file of everything
| Plan | Seats |
|---|---|
| Growth | 15 seats |

```sh
surefoot export
```

:::note
<Tabs>
"""


def kinds(text: str) -> list[UnitKind]:
    return [unit.kind for unit in analyse(chunk_of(Text(text))).units]


def test_units_know_what_they_are() -> None:
    found = kinds(MARKDOWN)
    assert found[0] is UnitKind.HEADING
    assert found[1:5] == [UnitKind.SENTENCE, UnitKind.SENTENCE, UnitKind.STEP, UnitKind.STEP]
    assert found[5] is UnitKind.ITEM
    assert UnitKind.CODE in found
    assert found.count(UnitKind.ROW) == 2
    assert found[-2:] == [UnitKind.MARK, UnitKind.MARK]


def test_headings_code_and_marks_are_never_quoted_alone() -> None:
    for unit in analyse(chunk_of(Text(MARKDOWN))).units:
        if unit.kind in (UnitKind.HEADING, UnitKind.CODE, UnitKind.MARK):
            assert not unit.says_something


def test_a_lone_link_says_nothing() -> None:
    assert not any(unit.says_something for unit in analyse(chunk_of(Text("[Export](https://example.com/a-long-path)"))).units)


def test_every_unit_is_a_span_of_the_text() -> None:
    for unit in analyse(chunk_of(Text(MARKDOWN))).units:
        assert MARKDOWN[unit.start : unit.end].strip() == MARKDOWN[unit.start : unit.end] != ""


def test_a_masked_heading_is_not_evidence() -> None:
    chunk = chunk_of(Text("Some text.", heading="Refund policy"))
    masked = replace(chunk, heading_indexed=False)
    assert "refund" in analyse(chunk).heading_terms
    assert "refund" not in analyse(masked).heading_terms


def test_the_reader_keeps_no_more_than_its_capacity_and_gives_equal_answers() -> None:
    reader = ChunkReader(capacity=2)
    chunks = [chunk_of(Text(f"Sentence number {n} stands here."), n) for n in range(4)]
    first = [reader.read(chunk) for chunk in chunks]
    assert [reader.read(chunk) for chunk in chunks] == first
    assert len(reader._kept) == 2


def test_a_unit_is_encoded_once_and_its_vector_is_the_encoder_s_own() -> None:
    encoded: list[str] = []

    class Counting(HashingEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            encoded.extend(texts)
            return super().encode(texts)

    chunk = chunk_of(Text("Refunds take 5 days. Payouts take 2 days."))
    encoder, reader = Counting(), ChunkReader()
    first, second = ((chunk.chunk_id, unit) for unit in reader.read(chunk).units)
    reader.vectors([first], encoder)
    both = reader.vectors([second, first], encoder)
    assert encoded == [first[1].plain, second[1].plain]
    assert np.array_equal(both, HashingEncoder().encode([second[1].plain, first[1].plain]))
