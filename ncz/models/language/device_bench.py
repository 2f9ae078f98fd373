"""How fast a device reads and steps through a language model, beside what the device could do.

``python -m ncz.models.language.device_bench --device cuda:0 [--model NAME]`` prints, for several
batch sizes, tokens a second with the output's end included: reading as the encoder does, window
beside window, and stepping as the decoder does, stream beside stream, at half a window. Beside
them stand the operations of its integer products and the bytes that a token moves at the least
(weights once a batch, its past once, its logits), and the larger share of the device's limits
that these make up. The limits, a plain product of int8 matrices and a plain copy, are measured
in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ncz.models.language import devices, exact, room
from ncz.models.language.canonical import Mask
from ncz.models.language.exact import Exact
from ncz.models.language.head import Head
from ncz.models.language.plain import Network
from ncz.models.language.plain_head import Top
from ncz.models.language.replay import Replay
from ncz.models.language.tokenizer import Tokenizer

_LIMBS = 2  # an activation of 12 bits is multiplied as two of int8
_SEED = 1


@dataclass(frozen=True)
class Limits:
    """What the device does at most, as measured.

    Attributes:
        operations: of int8, a second; a product and a sum are two.
        bytes: a second, read and written.
    """

    operations: float
    bytes: float


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: ``reading`` or ``stepping``.
        batch: windows, or streams.
        tokens: a second.
        operations, bytes: a token's.
        share: of the limit that is nearer, 0 to 1.
    """

    work: str
    batch: int
    tokens: float
    operations: float
    bytes: float
    share: float


def measure(
    model: Exact,
    device: str,
    batches: Sequence[int],
    window: int,
    seconds: float,
    side: int = 8192,
) -> tuple[Limits, list[Row]]:
    """Measure a model.

    Args:
        model: the weights.
        device: its name.
        batches: how many windows or streams.
        window: tokens of each.
        seconds: that each measurement takes at the least.
        side: of the square matrix that is multiplied and copied for the limits.

    Raises:
        NczError: the device is not here, or too small for a window.
    """
    name = devices.torch_name(devices.named(device))
    budget = devices.budget(device)
    network = Network(model, name, budget=budget)
    top = _top(network)
    limits = _limits(network, seconds, side)
    rows = []
    most = network.room(window).windows
    for batch in batches:
        if batch <= most:
            rate = _reading(network, top, batch, window, seconds)
            rows.append(_row("reading", batch, rate, model, window, batch * window, limits))
        if room.going(model, batch, window) + network.held <= budget:
            rate = _stepping(network, top, batch, window, seconds)
            rows.append(_row("stepping", batch, rate, model, window, batch, limits))
    return limits, rows


def _top(network: Network) -> Top:
    model = network.model
    tensors = {f"vocab.{name}": tensor for name, tensor in model.vocabulary.items()}
    mask = Mask(Tokenizer(tensors, model.shape.tokenizer, model.shape.pre))
    return Top(Head(network), mask)


def _row(
    work: str, batch: int, rate: float, model: Exact, window: int, at_once: int, limits: Limits
) -> Row:
    operations = _operations(model, window)
    moved = _moved(model, window, at_once, stepping=work == "stepping")
    share = max(rate * operations / limits.operations, rate * moved / limits.bytes)
    return Row(work, batch, rate, operations, moved, share)


def _operations(model: Exact, window: int) -> float:
    """Of a token, in the products of integers; half a window is its past."""
    shape = model.shape
    attended = shape.heads * shape.head_width * (window / 2)
    # Weights of attention have 14 bits and go in as two limbs, scores take one.
    attention = shape.layers * attended * (1 + _LIMBS)
    return 2 * (_LIMBS * (model.size + model.embedding.weight.size) + attention)


def _moved(model: Exact, window: int, at_once: int, *, stepping: bool) -> float:
    """Bytes of a token that pass between the device's memory and its processors, at the least."""
    weights = (model.size + model.embedding.weight.nbytes) / at_once
    shape = model.shape
    # A step reads the past of each stream; a window's keys and values serve all its tokens.
    past = room.cache(model, window) / 2 if stepping else room.cache(model, 1)
    residuals = 8 * shape.layers * shape.width
    return weights + past + residuals + 8 * model.embedding.scale.size


def _reading(network: Network, top: Top, batch: int, window: int, seconds: float) -> float:
    """Tokens a second."""
    model = network.model
    sizes = network.room(window)
    cache = network.cache(batch, window)
    draw = np.random.Generator(np.random.PCG64(_SEED))
    tokens = draw.integers(0, model.embedding.scale.size, (batch, window))
    entries = draw.integers(0, top.entries, batch * window).astype(np.int32)

    def once() -> None:
        x = network.read_many(cache, list(tokens), np.arange(batch), sizes=sizes)
        top.paths(x.flatten(0, 1), tokens.reshape(-1), entries, sizes.outputs)

    return batch * window * _rate(once, network, seconds)


def _stepping(network: Network, top: Top, batch: int, window: int, seconds: float) -> float:
    """Tokens a second; sums are taken back as the decoder takes them."""
    import torch

    cache = network.cache(batch, window)
    replay = Replay(network, top, cache)
    draw = np.random.Generator(np.random.PCG64(_SEED))
    tokens = draw.integers(0, network.model.embedding.scale.size, batch)
    streams, position = np.arange(batch), np.full(batch, window // 2)
    shape = (batch, top.entries + 1)
    out = torch.empty(shape, dtype=torch.int64, pin_memory=replay.records)

    def once() -> None:
        out.copy_(replay.step(streams, tokens, position)[1])

    return batch * _rate(once, network, seconds)


def _limits(network: Network, seconds: float, side: int) -> Limits:
    import torch

    left = torch.ones((side, side), dtype=torch.int8, device=network.device)
    right = torch.ones_like(left).t()
    other = torch.empty_like(left)
    products = _rate(lambda: torch._int_mm(left, right), network, seconds)
    copies = _rate(lambda: other.copy_(left), network, seconds)
    return Limits(2 * side**3 * products, 2 * side**2 * copies)


def _rate(work: Callable[[], object], network: Network, seconds: float) -> float:
    """How often a second `work` is done; the first time, which prepares much, does not count."""
    with network.here():
        work()
        _wait(network)
        start, count = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds or not count:
            work()
            _wait(network)
            count += 1
    return count / spent


def _wait(network: Network) -> None:
    import torch

    if network.device.startswith("cuda"):
        torch.cuda.synchronize(network.device)


def table(limits: Limits, rows: Sequence[Row]) -> str:
    """The measurements as lines of text."""
    lines = [
        f"limits: {limits.operations / 1e12:.3g} T int8 operations/s, "
        f"{limits.bytes / 1e9:.4g} GB/s",
        f"{'work':<10}{'batch':>6}{'tokens/s':>12}{'Mop/token':>11}{'kB/token':>10}{'share':>8}",
    ]
    lines += [
        f"{row.work:<10}{row.batch:>6}{row.tokens:>12,.0f}{row.operations / 1e6:>11.1f}"
        f"{row.bytes / 1e3:>10.1f}{row.share:>8.1%}"
        for row in rows
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    from ncz.models import weights

    parser = argparse.ArgumentParser(prog="python -m ncz.models.language.device_bench")
    parser.add_argument("--device", default=devices.usable()[0], help="cuda:0, or plain")
    parser.add_argument("--model", default=weights.default().name, help="by name, installed")
    parser.add_argument("--batches", default="1,4,16,64,256", help="windows, and streams")
    parser.add_argument("--window", type=int, default=2048, help="tokens")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--side", type=int, default=8192, help="of the matrix for the limits")
    given = parser.parse_args(arguments)
    installed = weights.have(given.model)
    if installed is None:
        parser.error(f"{given.model} is not here; run: ncz models pull {given.model}")
    device = devices.PLAIN if given.device == devices.CPU else given.device
    batches = [int(batch) for batch in given.batches.split(",")]
    model = exact.load(installed.path)
    limits, rows = measure(model, device, batches, given.window, given.seconds, given.side)
    print(f"{given.model} on {device}, windows of {given.window} tokens")
    print(table(limits, rows))


if __name__ == "__main__":
    main()
