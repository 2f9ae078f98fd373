"""Which code runs a language model here: compiled for the CPU, or plain operations on a GPU.

Both give the same bits. A GPU has to show it first: it computes some tokens of the very model
beside the CPU, and is not used where a bit differs, since what it compressed could be read
nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ncz.codec.errors import NczError
from ncz.codec.notice import say
from ncz.models.language import devices
from ncz.models.language.exact import Exact, Linear
from ncz.models.language.network import Engine, Network

if TYPE_CHECKING:
    from ncz.models.language import plain

_TRIED = 40  # tokens that both compute
_OUTPUTS = 500  # of the vocabulary


def make(model: Exact, threads: int = 1, device: str | None = None) -> Engine:
    """A network on `device`, or on the one that was chosen, or on the best there is.

    Args:
        model: the weights.
        threads: of the CPU's.
        device: a name, as for :func:`devices.named`.

    Raises:
        NczError: there is no such device here, it computes wrongly, or it has too little memory.
    """
    wanted = devices.wanted() if device is None else devices.named(device)
    chosen = wanted or devices.usable()[0]
    compiled = Network(model, threads)
    if chosen == devices.CPU:
        return compiled
    from ncz.models.language import plain

    try:
        fast = plain.Network(model, devices.torch_name(chosen), budget=devices.budget(chosen))
        differs = None if agree(compiled, fast) else "computes other bits than the CPU"
    except RuntimeError as error:  # torch's own: out of memory, say
        differs = f"fails ({str(error).splitlines()[0]})"
    except NczError as error:
        if wanted:
            raise
        differs = f"fails ({error})"
    if differs is None:
        return fast
    if wanted:
        raise NczError(f"the device {chosen} {differs}; use the device cpu")
    say(f"the device {chosen} {differs}; the CPU works instead")
    return compiled


def agree(one: Network | plain.Network, other: Network | plain.Network) -> bool:
    """Whether both give the same bits for some tokens, at once, one by one, and of the output."""
    model = one.model
    draw = np.random.Generator(np.random.PCG64(1))
    count = min(_TRIED, model.shape.context)
    tokens = draw.integers(0, model.embedding.scale.size, count)
    some_outputs = Linear(model.embedding.weight[:_OUTPUTS], model.embedding.scale[:_OUTPUTS])
    results = []
    for network in (one, other):
        cache = network.cache(2, count)
        whole = network.read(cache, 0, tokens)  # type: ignore[arg-type]
        some = network.read(cache, 1, tokens[: count // 2])  # type: ignore[arg-type]
        places = np.array([count - 1, count // 2])
        step = network.step(cache, np.arange(2), tokens[places], places)  # type: ignore[arg-type]
        product, units = network.product(whole, network.prepare(some_outputs), model.norm)
        outputs = np.ascontiguousarray(product[:, : some_outputs.scale.size])
        results.append([part.tobytes() for part in (whole, some, step, outputs, units)])
    return results[0] == results[1]
