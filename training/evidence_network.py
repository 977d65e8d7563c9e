"""The network of the evidence model: the shipped encoder's transformer with five outputs at its first token, in torch."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertModel

from training.encoder import source_folder
from training.evidence_pieces import HEADS, Encoded

# Added to what padding is worth before the softmax; small enough to be told in bfloat16.
_HIDDEN = -10_000.0


class EvidenceNetwork(torch.nn.Module):
    """`(rows, tokens)` word pieces to `(rows, 5)` raw scores in the order of HEADS."""

    def __init__(self) -> None:
        super().__init__()
        # Everything is read once, so that there is little to overfit, and without dropout twice as much is read in the time.
        self.bert = BertModel.from_pretrained(
            source_folder(),
            attn_implementation="eager",
            add_pooling_layer=False,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        # Rare words keep the meaning they came with, and the optimiser has half as much to carry.
        self.bert.embeddings.word_embeddings.weight.requires_grad_(False)
        self.heads = torch.nn.Linear(self.bert.config.hidden_size, len(HEADS))
        torch.nn.init.normal_(self.heads.weight, std=0.02)
        torch.nn.init.zeros_(self.heads.bias)

    def trained(self) -> list[torch.nn.Parameter]:
        """The weights that training changes, in one order."""
        return [value for value in self.parameters() if value.requires_grad]

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """What BertModel and the heads give, in a seventh less time: of the last layer only the first token is worked out."""
        states = self.bert.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        hidden = None if mask is None else (1 - mask[:, None, None, :].to(states.dtype)) * _HIDDEN
        *layers, last = self.bert.encoder.layer
        for layer in layers:
            states = self._layer(layer, states, states, hidden)
        first = self._layer(last, states[:, :1], states, hidden)
        return self.heads(first[:, 0].to(self.heads.weight.dtype))

    def _layer(
        self, layer: torch.nn.Module, asking: torch.Tensor, states: torch.Tensor, hidden: torch.Tensor | None
    ) -> torch.Tensor:
        """One transformer layer for the tokens `asking`, which attend to all of `states`."""
        attention = layer.attention.self
        scale = attention.attention_head_size**-0.5
        weights = self._by_head(attention.query(asking) * scale) @ self._by_head(attention.key(states)).transpose(2, 3)
        if hidden is not None:
            weights = weights + hidden
        seen = torch.softmax(weights, dim=-1) @ self._by_head(attention.value(states))
        given = layer.attention.output
        asking = given.LayerNorm(given.dense(seen.transpose(1, 2).flatten(2)) + asking)
        grown = torch.nn.functional.gelu(layer.intermediate.dense(asking))
        return layer.output.LayerNorm(layer.output.dense(grown) + asking)

    def _by_head(self, states: torch.Tensor) -> torch.Tensor:
        """`(rows, tokens, width)` to `(rows, heads, tokens, width of a head)`."""
        return states.unflatten(2, (self.bert.config.num_attention_heads, -1)).transpose(1, 2)


def padded(rows: Sequence[Encoded]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The rows as one batch: word pieces, types, and which places are not padding."""
    longest = max(len(row.ids) for row in rows)
    ids, types, mask = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(3))
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
        types[place, : len(row.ids)] = torch.tensor(row.types)
        mask[place, : len(row.ids)] = 1
    return ids, types, mask


def score(network: EvidenceNetwork, rows: Sequence[Encoded], *, batch: int = 16, threads: int = 2) -> NDArray[np.float32]:
    """`(len(rows), 5)`: what the network says of each row, rows of like length read together, in bfloat16."""
    found = np.zeros((len(rows), len(HEADS)), dtype=np.float32)
    network.eval()

    def read(places: list[int]) -> None:
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            found[places] = network(*padded([rows[place] for place in places])).float().numpy()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, _like_lengths(rows, batch)))
    return found


def _like_lengths(rows: Sequence[Encoded], batch: int) -> Iterator[list[int]]:
    order = sorted(range(len(rows)), key=lambda place: len(rows[place].ids))
    for begin in range(0, len(order), batch):
        yield order[begin : begin + batch]


def load_weights(network: EvidenceNetwork, path: Path) -> None:
    """The network has the weights of the file."""
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
