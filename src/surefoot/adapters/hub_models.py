"""How a model that torch runs is opened, from a folder or from the hub, which is left alone offline."""

import os
from collections.abc import Callable
from typing import TypeVar

from surefoot.core.errors import MissingModel

Model = TypeVar("Model")


def opened(what: str, name: str, make: Callable[[], Model], *, threads: int, offline: bool) -> Model:
    """What `make` opens, on the CPU and with so many threads (0: torch's own choice). `make` imports what it needs itself, since
    the hub's client reads the environment when it is imported. Raises MissingModel, saying `what` cannot be opened.
    """
    if offline:
        # The client may have been imported before, so `make` has to ask for local files as well.
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    import torch

    if threads > 0:
        torch.set_num_threads(threads)
    try:
        return make()
    except (OSError, ValueError) as error:
        raise MissingModel(
            f"The {what} {name!r} cannot be opened; name a folder or a model of the hub"
            f"{', or download it once without SUREFOOT_OFFLINE' if offline else ''}."
        ) from error
