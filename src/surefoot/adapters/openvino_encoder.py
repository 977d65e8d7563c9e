"""The shipped model on OpenVINO, for machines where it is the installed engine; needs the extra `openvino`."""

import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from surefoot.adapters.minilm import MODEL_FOLDER, MiniLmEncoder, Network, TokenIds
from surefoot.adapters.model_folder import available_cpus
from surefoot.core.errors import MissingDependency
from surefoot.ports import Vectors

if TYPE_CHECKING:
    from openvino import Model, Node, Output

# How OpenVINO's ONNX reader spells the path from an integer product's activations back to the numbers they came from.
_QUANTISATION_OF_ACTIVATIONS = ("Subtract", "Convert", "Convert", "Clamp", "Add", "Round", "Divide", "Multiply")


class OpenVinoEncoder(MiniLmEncoder):
    """An Encoder on OpenVINO. Raises MissingDependency when the package is not installed.

    Its vectors differ a little from the default encoder's (activations are rounded by OpenVINO's own rules), and so does
    its fingerprint.
    """

    def __init__(self, *, threads: int = 0, cache_size: int = 4096, folder: Path = MODEL_FOLDER) -> None:
        if find_spec("openvino") is None:
            raise MissingDependency("The encoder 'openvino' needs a package: pip install 'surefoot[openvino]'.")
        streams = threads or available_cpus()
        super().__init__(
            "openvino", lambda model: open_compiled(model, streams), threads=threads, cache_size=cache_size, folder=folder
        )


def open_compiled(model: bytes, streams: int) -> Network:
    """The model compiled for `streams` texts at once, one thread each; every calling thread has its own request."""
    import openvino

    core = openvino.Core()
    graph = core.read_model(model, b"")
    use_weight_only_products(graph)
    # Full precision keeps vectors alike on CPUs with and without bf16 units.
    options = {"INFERENCE_NUM_THREADS": streams, "NUM_STREAMS": streams, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(graph, "CPU", options)
    own = threading.local()

    def run(ids: TokenIds) -> Vectors:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return np.array(own.request.infer({"input_ids": ids})[0][0], dtype=np.float32)

    return run


def use_weight_only_products(graph: "Model") -> None:
    """Every integer matrix product of the graph is a float product with the same int8 weights and their scales.

    OpenVINO has no fast kernel for ONNX's MatMulInteger (26 chunks a second on a core), but it has one for compressed
    weights (58), which rounds activations itself. Raises MissingDependency when OpenVINO spells the graph in another way.
    """
    from openvino import Type, opset13

    for product in [op for op in graph.get_ordered_ops() if op.get_type_name() == "MatMul"]:
        if product.get_output_element_type(0) != Type.i32:
            continue
        activations = _source(product, _QUANTISATION_OF_ACTIVATIONS)
        weights = _constant(product.input_value(1))
        scaled = _only_consumer(_only_consumer(product))
        scales = next(_constant(i) for i in _inputs(scaled) if i.get_node().get_type_name() == "Multiply")
        compressed = opset13.multiply(
            opset13.convert(opset13.constant(np.ascontiguousarray(weights.T)), "f32"),
            opset13.constant(scales.astype(np.float32).reshape(-1, 1)),
        )
        scaled.output(0).replace(opset13.matmul(activations, compressed, False, True).output(0))
    graph.validate_nodes_and_infer_types()


def _inputs(node: "Node") -> list["Output"]:
    return [node.input_value(position) for position in range(node.get_input_size())]


def _source(product: "Node", path: tuple[str, ...]) -> "Output":
    """The tensor at the far end of the path, following at each step the input that is not a scalar."""
    value = product.input_value(0)
    for expected in path:
        node = value.get_node()
        if node.get_type_name() != expected:
            raise _unknown_spelling(f"{node.get_type_name()} where {expected} was expected")
        value = max(_inputs(node), key=lambda tensor: tensor.get_partial_shape().rank.get_length())
    return value


def _constant(value: "Output") -> Any:
    """The numbers of the one non-scalar constant above this tensor."""
    node = value.get_node()
    while node.get_type_name() != "Constant":
        above = [tensor for tensor in _inputs(node) if tensor.get_partial_shape().rank.get_length() > 0]
        if not above:
            raise _unknown_spelling(f"no constant above {node.get_friendly_name()!r}")
        node = above[0].get_node()
    return node.get_data()


def _only_consumer(node: "Node") -> "Node":
    consumers = list(node.output(0).get_target_inputs())
    if len(consumers) != 1:
        raise _unknown_spelling(f"{len(consumers)} consumers of {node.get_friendly_name()!r}")
    return consumers[0].get_node()


def _unknown_spelling(found: str) -> MissingDependency:
    import openvino

    return MissingDependency(
        f"OpenVINO {openvino.__version__!r} reads the shipped model in an unknown form ({found}); "
        "pip install 'openvino>=2026.4,<2026.5', or use the default encoder."
    )
