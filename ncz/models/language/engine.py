"""Which code runs a language model here: compiled for the CPU, or plain operations on a GPU.

Both give the same bits, so the choice is the machine's and no file records it. A GPU has to show
it first: it computes some tokens of the very model beside the CPU, and is not used where a bit
differs, since what it compressed could be read nowhere else.
"""

from __future__ import annotations

import os
from ctypes.util import find_library
from typing import TYPE_CHECKING

import numpy as np

from ncz.codec.errors import NczError
from ncz.codec.notice import say
from ncz.models.language import products
from ncz.models.language.exact import Exact
from ncz.models.language.network import Engine, Network

if TYPE_CHECKING:
    from ncz.models.language import plain

DEVICE = "NCZ_DEVICE"
"""The environment variable that says ``cpu`` or ``cuda``; unset, a GPU that works is used."""

_TRIED = 40  # tokens that both compute


def make(model: Exact, threads: int = 1, device: str | None = None) -> Engine:
    """A network on `device`, or on what :data:`DEVICE` says, or on the best there is.

    Args:
        model: the weights.
        threads: of the CPU's.
        device: ``cpu`` or ``cuda``.

    Raises:
        NczError: there is no such device here, or it computes wrongly.
    """
    wanted = device or os.environ.get(DEVICE) or ""
    if wanted not in ("", "cpu", "cuda"):
        raise NczError(f"{DEVICE} is {wanted!r}, which is neither cpu nor cuda")
    compiled = Network(model, threads)
    if wanted == "cpu" or not (wanted or _sees_cuda()):
        return compiled
    if not _sees_cuda():
        raise NczError(f"this torch sees no CUDA device; set {DEVICE}=cpu")
    from ncz.models.language import plain

    try:
        fast = plain.Network(model, "cuda")
        differs = None if agree(compiled, fast) else "computes other bits than the CPU"
    except (NczError, RuntimeError) as error:  # torch's own are RuntimeErrors: out of memory, say
        differs = f"fails ({str(error).splitlines()[0]})"
    if differs is None:
        return fast
    if wanted:
        raise NczError(f"the CUDA device {differs}; set {DEVICE}=cpu")
    say(f"the CUDA device {differs}; the CPU works instead")
    return compiled


def _sees_cuda() -> bool:
    """Whether torch can use a GPU; without its driver's library, torch is not even loaded."""
    if not (find_library("cuda") or find_library("nvcuda")):
        return False
    return bool(products.library().cuda.is_available())


def agree(one: Network | plain.Network, other: Network | plain.Network) -> bool:
    """Whether both give the same bits for some tokens, at once and one by one."""
    shape = one.model.shape
    draw = np.random.Generator(np.random.PCG64(1))
    count = min(_TRIED, shape.context)
    tokens = draw.integers(0, one.model.embedding.scale.size, count)
    results = []
    for network in (one, other):
        cache = network.cache(2, count)
        whole = network.read(cache, 0, tokens)  # type: ignore[arg-type]
        some = network.read(cache, 1, tokens[: count // 2])  # type: ignore[arg-type]
        places = np.array([count - 1, count // 2])
        step = network.step(cache, np.arange(2), tokens[places], places)  # type: ignore[arg-type]
        results.append(whole.tobytes() + some.tobytes() + step.tobytes())
    return results[0] == results[1]
