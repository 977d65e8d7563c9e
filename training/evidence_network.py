"""The network of the evidence model: the shipped encoder's transformer with five outputs at its first token, in torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertModel

from training.encoder import MODEL_FOLDER, TOKENIZER, source_folder

HEADS = ("relevance", "answers", "supported", "contradicted", "not_stated")
SUPPORT = slice(2, 5)
MAX_TOKENS = 256
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


class EvidenceNetwork(torch.nn.Module):
    """`(rows, tokens)` word pieces to `(rows, 5)` raw scores in the order of HEADS."""

    def __init__(self, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.bert = BertModel.from_pretrained(source_folder(), attn_implementation="eager", add_pooling_layer=False)
        self.dropout = torch.nn.Dropout(dropout)
        self.heads = torch.nn.Linear(self.bert.config.hidden_size, len(HEADS))
        torch.nn.init.normal_(self.heads.weight, std=0.02)
        torch.nn.init.zeros_(self.heads.bias)

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        tokens = self.bert(input_ids=input_ids, token_type_ids=token_type_ids, attention_mask=mask).last_hidden_state
        return self.heads(self.dropout(tokens[:, 0]))


def padded(rows: Sequence[Encoded]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The rows as one batch: word pieces, types, and which places are not padding."""
    longest = max(len(row.ids) for row in rows)
    ids, types, mask = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(3))
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
        types[place, : len(row.ids)] = torch.tensor(row.types)
        mask[place, : len(row.ids)] = 1
    return ids, types, mask


def score(network: EvidenceNetwork, rows: Sequence[Encoded], *, batch: int = 64) -> NDArray[np.float32]:
    """`(len(rows), 5)`: what the network says of each row, rows of like length read together, in bfloat16."""
    found = np.zeros((len(rows), len(HEADS)), dtype=np.float32)
    network.eval()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for places in _like_lengths(rows, batch):
            found[places] = network(*padded([rows[place] for place in places])).float().numpy()
    return found


def _like_lengths(rows: Sequence[Encoded], batch: int) -> Iterator[list[int]]:
    order = sorted(range(len(rows)), key=lambda place: len(rows[place].ids))
    for begin in range(0, len(order), batch):
        yield order[begin : begin + batch]


def load_weights(network: EvidenceNetwork, path: Path) -> None:
    """The network has the weights of the file."""
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
