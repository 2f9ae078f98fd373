"""Which code runs a language model here: compiled for the CPU, or plain operations on a GPU.

Both give the same bits, so the choice is the machine's and no file records it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ncz.codec.errors import NczError
from ncz.models.language.exact import Exact
from ncz.models.language.network import Network

if TYPE_CHECKING:
    from ncz.models.language import plain

DEVICE = "NCZ_DEVICE"
"""The environment variable that says ``cpu`` or ``cuda``; unset, a GPU that works is used."""


def make(model: Exact, threads: int = 1, device: str | None = None) -> Network | plain.Network:
    """A network on `device`, or on what :data:`DEVICE` says, or on the best there is.

    Args:
        model: the weights.
        threads: of the CPU's.
        device: ``cpu`` or ``cuda``.

    Raises:
        NczError: there is no such device here.
    """
    import torch

    wanted = device or os.environ.get(DEVICE) or ("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cpu":
        return Network(model, threads)
    if wanted != "cuda":
        raise NczError(f"{DEVICE} is {wanted!r}, which is neither cpu nor cuda")
    if not torch.cuda.is_available():
        raise NczError(f"this torch sees no CUDA device; set {DEVICE}=cpu")
    from ncz.models.language import plain

    return plain.Network(model, "cuda")
