"""Pairs of texts as the evidence model reads them: word pieces of both, cut at a number of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from training.encoder import MODEL_FOLDER, TOKENIZER

HEADS = ("relevance", "answers", "supported", "contradicted", "not_stated")
SUPPORT = slice(2, 5)
MAX_TOKENS = 256
# Where pairs are cut in training, judging and use. Dev sites lose nothing against 192 (mean nDCG@10 .7651 and .7650), and
# long pairs take a sixth less time.
READ_TOKENS = 160
# Beyond 256 word pieces of any language; it bounds the time that one long text takes in the tokenizer.
LONGEST_TEXT_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """The word pieces of one pair, and which of its two texts each belongs to."""

    ids: tuple[int, ...]
    types: tuple[int, ...]


class PairReader:
    """Turns pairs of texts into word pieces, cut at a number of tokens: the longer text is cut first."""

    def __init__(self, max_tokens: int = MAX_TOKENS) -> None:
        self._tokenizer = Tokenizer.from_file(str(MODEL_FOLDER / TOKENIZER))
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()

    def read(self, pairs: Sequence[tuple[str, str]]) -> list[Encoded]:
        cut = [(first[:LONGEST_TEXT_CHARACTERS], second[:LONGEST_TEXT_CHARACTERS]) for first, second in pairs]
        return [Encoded(tuple(found.ids), tuple(found.type_ids)) for found in self._tokenizer.encode_batch(cut)]
