"""The evidence network as an ONNX graph, node by node: in fp32, and with the matrix products and word embeddings in int8.

The graph takes ONE pair without padding. What is worked out is what the network gives and no more: of the last layer only the
first token; queries, keys and values from activations that are quantised once; no bias of the keys, which moves all the scores
of a query alike and so changes no softmax, and none of the values, which attention passes on as it is, into the next bias.

In int8 a few channels would spoil the rest: at the first token some are ten times as large as all others, and activations have
one scale. Those that a normalisation gives are scaled down there, by powers of two, and the next matrix scales them up again;
those that the activation function gives, one or two of 1,536, are worked out in fp32 beside the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.evidence_integers import integers, integers_by_row
from training.evidence_pieces import HEADS, MAX_TOKENS

# The first with an operator for attention. The product's onnxruntime reads it; its own operators add the int8 products.
OPSET, IR_VERSION = 23, 11
RUNTIME = "com.microsoft"
ATTENTION_HEADS = 12
_EPSILON = 1e-12
_LAYER = "bert.encoder.layer."
# Of what a normalisation gives, channels that go beyond are scaled down to it. Less is lost nowhere between 3 and 5: less would
# cost the weights more than it spares the activations.
_LARGEST_NORMALISED = 4.0
# Of what the activation function gives, units that go beyond are kept in fp32; others stay below 7.
_LARGEST_GROWN = 7.0

Weights = Mapping[str, NDArray[np.float32]]
Peaks = Mapping[str, NDArray[np.float32]]
Matrix = NDArray[np.float32]
Product = tuple[str, Matrix, Matrix | None]


class Nodes:
    """The nodes of a graph in their order, each named after what it does, and the constants that they take."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    @property
    def constants(self) -> list[Any]:
        """Those of the graph, as tensors."""
        return list(self._constants.values())

    def constant(self, name: str, value: Any) -> str:
        """The name of a constant, which is kept once."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def one(self, operator: str, takes: Sequence[str], **attributes: Any) -> str:
        """The name of what the operator gives."""
        return self.several(operator, takes, 1, **attributes)[0]

    def several(self, operator: str, takes: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """The names of all that it gives."""
        name = f"{operator}_{len(self.nodes)}"
        gives = [f"{name}_{place}" for place in range(count)]
        self.nodes.append(helper.make_node(operator, list(takes), gives, name=name, **attributes))
        return gives


@dataclass(frozen=True, slots=True)
class States:
    """What matrices are multiplied with: as it is, and with every channel divided by its `scale`, where that is not one."""

    told: str
    scaled: str
    scale: Matrix | None = None


class Arithmetic(Protocol):
    """How words are looked up and matrix products taken."""

    def words(self, nodes: Nodes, table: Matrix) -> str:
        """The embeddings of `input_ids`."""

    def products(self, nodes: Nodes, states: States, wanted: Sequence[Product]) -> list[str]:
        """Each product of the states with a matrix `(in, out)`, with its bias."""

    def scale(self, product: str) -> Matrix | None:
        """What the channels are to be divided by before this product; None for nothing."""

    def apart(self, product: str) -> list[int]:
        """The channels that are worked out in fp32 and have no part in this product."""


class Exact:
    """Everything in fp32."""

    def words(self, nodes: Nodes, table: Matrix) -> str:
        return nodes.one("Gather", [nodes.constant("words", table), "input_ids"])

    def products(self, nodes: Nodes, states: States, wanted: Sequence[Product]) -> list[str]:
        return [_exact_product(nodes, states.told, *product) for product in wanted]

    def scale(self, product: str) -> Matrix | None:
        return None

    def apart(self, product: str) -> list[int]:
        return []


class Integers:
    """Words with a scale for each, products of u8 activations, scaled over the pair, with int8 weights, scaled by channel.

    `peaks` are the largest activations of each channel that were seen before a product.
    """

    def __init__(self, peaks: Peaks) -> None:
        self._peaks = peaks

    def words(self, nodes: Nodes, table: Matrix) -> str:
        whole, scale = integers_by_row(table)
        found = nodes.one("Gather", [nodes.constant("words", whole), "input_ids"])
        scales = nodes.one("Gather", [nodes.constant("words.scale", scale), "input_ids"])
        return nodes.one("Mul", [nodes.one("Cast", [found], to=TensorProto.FLOAT), scales])

    def products(self, nodes: Nodes, states: States, wanted: Sequence[Product]) -> list[str]:
        activations = nodes.several("DynamicQuantizeLinear", [states.scaled], 3)
        scale = 1 if states.scale is None else states.scale[:, None]
        return [_product(nodes, activations, name, matrix * scale, bias) for name, matrix, bias in wanted]

    def scale(self, product: str) -> Matrix | None:
        scale = np.exp2(np.maximum(np.ceil(np.log2(np.maximum(self._peaks[product], 1e-6) / _LARGEST_NORMALISED)), 0))
        return scale.astype(np.float32) if (scale > 1).any() else None

    def apart(self, product: str) -> list[int]:
        return [int(unit) for unit in np.flatnonzero(self._peaks[product] > _LARGEST_GROWN)]


def _exact_product(nodes: Nodes, states: str, name: str, matrix: Matrix, bias: Matrix | None) -> str:
    found = nodes.one("MatMul", [states, nodes.constant(f"{name}.weight", matrix)])
    return found if bias is None else nodes.one("Add", [found, nodes.constant(f"{name}.bias", bias)])


def _product(nodes: Nodes, activations: Sequence[str], name: str, matrix: Matrix, bias: Matrix | None) -> str:
    whole, scale = integers(matrix)
    states, states_scale, states_zero = activations
    weight, weight_scale = nodes.constant(f"{name}.weight", whole), nodes.constant(f"{name}.scale", scale)
    zero = nodes.constant(f"{name}.zero", np.zeros(len(scale), np.int8))
    added = [] if bias is None else [nodes.constant(f"{name}.bias", bias)]
    takes = [states, weight, states_scale, weight_scale, states_zero, zero, *added]
    return nodes.one("MatMulIntegerToFloat", takes, domain=RUNTIME)


def evidence_graph(weights: Weights, arithmetic: Arithmetic) -> bytes:
    """The ONNX file: `input_ids` and `token_type_ids` `(1, tokens)` int64 to `scores` `(1, 5)` float32.

    `weights` are those of `EvidenceNetwork`, by their names there. The same weights give the same bytes.
    """
    nodes = Nodes()
    layers = 1 + max(int(name.split(".")[3]) for name in weights if name.startswith(_LAYER))
    states = _embedded(nodes, weights, arithmetic)
    for layer in range(layers):
        is_last = layer == layers - 1
        asking = _first_token(nodes, states) if is_last else states
        scale = None if is_last else arithmetic.scale(f"{_LAYER}{layer + 1}.key")
        states = _layer(nodes, weights, arithmetic, f"{_LAYER}{layer}", (asking, states), scale)
    first = nodes.one("Squeeze", [states.told, nodes.constant("tokens axis", np.array([1]))])
    heads = [nodes.constant(f"heads.{part}", weights[f"heads.{part}"]) for part in ("weight", "bias")]
    nodes.nodes.append(helper.make_node("Gemm", [first, *heads], ["scores"], name="heads", transB=1))
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, "tokens"]) for name in ("input_ids", "token_type_ids")]
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, len(HEADS)])
    graph = helper.make_graph(nodes.nodes, "evidence", given, [scores], nodes.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME, 1)]
    model = helper.make_model(graph, producer_name="surefoot", opset_imports=opsets, ir_version=IR_VERSION)
    return bytes(model.SerializeToString(deterministic=True))


def _embedded(nodes: Nodes, weights: Weights, arithmetic: Arithmetic) -> States:
    """Word, type and place of every piece, normalised."""
    prefix = "bert.embeddings"
    words = arithmetic.words(nodes, weights[f"{prefix}.word_embeddings.weight"])
    table = nodes.constant("types", weights[f"{prefix}.token_type_embeddings.weight"])
    types = nodes.one("Gather", [table, "token_type_ids"])
    places = nodes.constant("places", weights[f"{prefix}.position_embeddings.weight"][:MAX_TOKENS])
    zero, count = nodes.constant("zero", np.array([0])), nodes.one("Shape", ["input_ids"], start=1, end=2)
    placed = nodes.one("Slice", [places, zero, count, zero])
    total = nodes.one("Add", [nodes.one("Add", [words, types]), placed])
    return _normalised(nodes, weights, f"{prefix}.LayerNorm", total, arithmetic.scale(f"{_LAYER}0.key"))


def _layer(
    nodes: Nodes,
    weights: Weights,
    arithmetic: Arithmetic,
    prefix: str,
    given: tuple[States, States],
    scale: Matrix | None,
) -> States:
    """One transformer layer for the tokens that ask, which attend to all: those asking and all are `given`."""
    asking, states = given

    def dense(name: str) -> tuple[Matrix, Matrix]:
        return weights[f"{prefix}.{name}.weight"].T, weights[f"{prefix}.{name}.bias"]

    query, key, value = (dense(f"attention.self.{name}") for name in ("query", "key", "value"))
    output = dense("attention.output.dense")
    passed_on = (output[1] + value[1].astype(np.float64) @ output[0]).astype(np.float32)
    wanted = [(f"{prefix}.query", *query), (f"{prefix}.key", key[0], None), (f"{prefix}.value", value[0], None)]
    if asking == states:
        found = arithmetic.products(nodes, states, wanted)
    else:
        found = [*arithmetic.products(nodes, asking, wanted[:1]), *arithmetic.products(nodes, states, wanted[1:])]
    seen = nodes.one("Attention", found, q_num_heads=ATTENTION_HEADS, kv_num_heads=ATTENTION_HEADS)
    (told,) = arithmetic.products(nodes, States(seen, seen), [(f"{prefix}.output", output[0], passed_on)])
    total = nodes.one("Add", [told, asking.told])
    asking = _normalised(nodes, weights, f"{prefix}.attention.output.LayerNorm", total, arithmetic.scale(f"{prefix}.up"))
    total = _fed_forward(nodes, arithmetic, prefix, asking, (*dense("intermediate.dense"), *dense("output.dense")))
    return _normalised(nodes, weights, f"{prefix}.output.LayerNorm", total, scale)


def _fed_forward(
    nodes: Nodes, arithmetic: Arithmetic, prefix: str, states: States, dense: tuple[Matrix, Matrix, Matrix, Matrix]
) -> str:
    """The states and what the two dense layers make of them: matrix and bias of the first, and of the second."""
    up, up_bias, down, down_bias = (matrix.copy() for matrix in dense)
    told, apart = states.told, arithmetic.apart(f"{prefix}.down")
    if apart:
        few = _exact_product(nodes, told, f"{prefix}.up apart", up[:, apart], up_bias[apart])
        found = _exact_product(nodes, nodes.one("Gelu", [few]), f"{prefix}.down apart", down[apart], None)
        told = nodes.one("Add", [told, found])
        up[:, apart], up_bias[apart], down[apart] = 0, 0, 0
    (grown,) = arithmetic.products(nodes, states, [(f"{prefix}.up", up, up_bias)])
    grown = nodes.one("Gelu", [grown])
    (shrunk,) = arithmetic.products(nodes, States(grown, grown), [(f"{prefix}.down", down, down_bias)])
    return nodes.one("Add", [shrunk, told])


def _normalised(nodes: Nodes, weights: Weights, name: str, states: str, scale: Matrix | None) -> States:
    gain, bias = (weights[f"{name}.{part}"] for part in ("weight", "bias"))
    if scale is not None:
        gain, bias = gain / scale, bias / scale
    takes = [states, nodes.constant(f"{name}.weight", gain), nodes.constant(f"{name}.bias", bias)]
    found = nodes.one("LayerNormalization", takes, axis=-1, epsilon=_EPSILON)
    if scale is None:
        return States(found, found)
    return States(nodes.one("Mul", [found, nodes.constant(f"{name}.scale", scale)]), found, scale)


def _first_token(nodes: Nodes, states: States) -> States:
    zero, one = nodes.constant("zero", np.array([0])), nodes.constant("tokens axis", np.array([1]))
    told = nodes.one("Slice", [states.told, zero, one, one])
    if states.scale is None:
        return States(told, told)
    return States(told, nodes.one("Slice", [states.scaled, zero, one, one]), states.scale)
