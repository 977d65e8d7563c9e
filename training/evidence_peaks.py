"""How large each channel of the evidence network becomes before a matrix product: what int8 has to leave room for.

A few texts are enough: the channels that stand out do so at the first token of every pair, whatever it says.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from surefoot.adapters.onnx_session import open_session
from training.evidence_graph import Exact, Nodes, Peaks, Product, States, Weights, evidence_graph
from training.evidence_pieces import Encoded, PairReader

# A question, a claim and key words beside prose, steps, and what has nothing to do with them.
PAIRS = (
    (
        "How long is an API key valid?",
        "API keys\nA key is valid for 90 days. An owner of the workspace can renew it before it ends, under Settings > Keys; "
        "requests with a key that has ended are refused with status 401.",
    ),
    (
        "Invoices can be exported by every member of the team.",
        "Only owners and admins export invoices. Members see them in the list, but the button is hidden.",
    ),
    (
        "webhook retry timeout",
        "Webhooks\nEach event is sent up to five times, after 1, 5, 30 and 120 minutes. An endpoint that does not answer within "
        "10 seconds counts as failed. Turn retries off with `retries: 0` in the configuration file.",
    ),
    (
        "what are the side effects of the new drug",
        "1. Install the package.\n2. Run `app init --region eu`.\n3. Open http://localhost:8080 and sign in.",
    ),
    (
        "Treatment with aspirin did not lower the risk of stroke in patients over 65.",
        "RESULTS In 1,204 patients aged 66 to 80 the incidence of stroke was 3.1% with aspirin and 3.0% with placebo "
        "(hazard ratio 1.03, 95% CI 0.81-1.31). CONCLUSIONS Aspirin gave no benefit in this group.",
    ),
    ("Who wrote the first chapter?", "The tower was finished in 1889 and is 330 metres tall."),
)


class Watched(Exact):
    """In fp32, and knows what each product was taken of."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}

    def products(self, nodes: Nodes, states: States, wanted: Sequence[Product]) -> list[str]:
        self.states |= {name: states.told for name, _, _ in wanted}
        return super().products(nodes, states, wanted)


def peaks(weights: Weights, pairs: Sequence[Encoded] | None = None) -> Peaks:
    """For each product, by its name in the graph, the largest magnitude of each channel before it; of PAIRS unless given."""
    watched = Watched()
    model = onnx.load_from_string(evidence_graph(weights, watched))
    names = list(dict.fromkeys(watched.states.values()))
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = open_session(model.SerializeToString())

    def largest(pair: Encoded) -> list[NDArray[np.float32]]:
        given = {"input_ids": np.array([pair.ids]), "token_type_ids": np.array([pair.types])}
        return [np.abs(states).max(axis=(0, 1)) for states in session.run(names, given)]

    read = PairReader().read(PAIRS) if pairs is None else pairs
    found = dict(zip(names, (np.max(each, axis=0) for each in zip(*map(largest, read), strict=True)), strict=True))
    return {product: found[name] for product, name in watched.states.items()}
