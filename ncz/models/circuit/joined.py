"""How much a circuit would help context mixing on small images: an experiment, in floating point.

    python -m ncz.models.circuit.joined mnist t10k-images-idx3-ubyte.gz

A circuit knows what images like these are, context mixing what the images before this one were; the
one codes in the order of its tree, the other from left to right. Here a circuit is asked in the
other's order, P(x_i | x_1 ... x_{i-1}), and a small mixer joins what both say of each bit. Nothing
is coded: what is printed is the sum of the logarithms, for each alone and for both. The result is
in ``docs/circuits.md``.
"""

from __future__ import annotations

import gzip
import time
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncz.models.circuit import exact, files
from ncz.models.circuit.network import Parameters, restored
from ncz.models.circuit.tree import Tree

Floats = NDArray[np.float32]

_TINY = 1e-30
_BATCH = 250  # images at once: two messages stand at each edge for each of them
_LEVEL = 6
_BYTE = 256
_SURE = 16.0  # what a mixer hears at most, in nats of the logistic domain
_STEPS = 24  # into which that is cut to choose weights


def beliefs(
    tree: Tree, parameters: Parameters, rows: Tensor, order: Sequence[int]
) -> Iterator[tuple[int, Tensor]]:
    """What variables say of each other in any order, that of the tree or not.

    Messages along the edges are kept, and only those on the way from one variable to the next are
    made anew.

    Args:
        tree: of D places.
        parameters: on the CPU.
        rows: int64[B, D], symbols at places.
        order: places.

    Yields:
        each place of `order`, and float32[B, M], what those before it say of its latent variable:
        probabilities.
    """
    near: list[list[int]] = [[] for _ in tree.parent]
    for place, above in enumerate(tree.parent.tolist()):
        if above >= 0:
            near[place].append(above)
            near[above].append(place)
    said: dict[tuple[int, int], Tensor] = {}
    seen: dict[int, Tensor] = {}

    def heard(at: int, but: int = -1) -> Tensor:
        found = parameters.root[None] if at == 0 else torch.ones(1, parameters.latents)
        if at in seen:
            found = found * seen[at]
        for other in near[at]:
            if other != but:
                found = found * said[other, at]
                found = found / found.amax(-1, keepdim=True).clamp_min(_TINY)
        return found

    def tell(at: int, to: int) -> None:
        edge = parameters.edges[max(at, to)]  # of the child, which has the later place
        told = heard(at, to) @ (edge.T if at > to else edge)
        said[at, to] = told / told.amax(-1, keepdim=True).clamp_min(_TINY)

    for place in range(len(near) - 1, 0, -1):
        tell(place, int(tree.parent[place]))
    for place in range(1, len(near)):
        tell(int(tree.parent[place]), place)
    now = order[0]
    for next_ in order:
        for at, to in _steps(tree, now, next_):
            tell(at, to)
        now = next_
        belief = heard(now).clamp_min(_TINY)
        yield now, (belief / belief.sum(-1, keepdim=True)).expand(len(rows), -1)
        seen[now] = parameters.leaves[parameters.start[now] + rows[:, now]]


def circuit_bits(codes: exact.Codes, images: NDArray[np.uint8]) -> Floats:
    """What a circuit says of each bit from left to right and from the top.

    Args:
        codes: of D variables, which are bytes.
        images: uint8[N, D].

    Returns:
        float32[N, D, 8]; of each bit, the highest first, the logarithm of how many times as likely
        a 1 is as a 0.
    """
    parameters = restored(codes)
    place_of = np.argsort(codes.tree.order)
    tables = _of_bytes(codes, parameters)
    out = np.empty((*images.shape, 8), np.float32)
    for first in range(0, len(images), _BATCH):
        some = images[first : first + _BATCH]
        symbols, _ = codes.leaves.symbols(some[:, codes.tree.order].astype(np.int64))
        rows = torch.from_numpy(symbols).long()
        for place, belief in beliefs(codes.tree, parameters, rows, place_of.tolist()):
            column = int(codes.tree.order[place])
            share = (belief @ tables[place].T).double().numpy()
            out[first : first + _BATCH, column] = _bits(share, some[:, column])
    return out


def _steps(tree: Tree, start: int, end: int) -> list[tuple[int, int]]:
    """The edges on the way from one place to another."""
    up, down = [], []
    while start != end:
        if start > end:  # a place is later than its parent
            up.append((start, int(tree.parent[start])))
            start = up[-1][1]
        else:
            down.append((int(tree.parent[end]), end))
            end = down[-1][0]
    return up + down[::-1]


def _of_bytes(codes: exact.Codes, parameters: Parameters) -> list[Tensor]:
    """For each place float32[256, M]: how likely each byte is in each state."""
    every = np.repeat(np.arange(_BYTE, dtype=np.int64)[:, None], len(codes.leaves), axis=1)
    symbols = torch.from_numpy(codes.leaves.symbols(every)[0].T.astype(np.int64))
    tables = []
    for symbol, first in zip(symbols, codes.leaves.start.tolist(), strict=False):
        alike = torch.bincount(symbol)[symbol]  # that share a symbol
        tables.append(parameters.leaves[first + symbol] / alike[:, None])
    return tables


def _bits(share: NDArray[np.float64], values: NDArray[np.uint8]) -> Floats:
    """float32[B, 8] of float64[B, 256]."""
    upto = np.concatenate([np.zeros((len(share), 1)), np.cumsum(share, axis=1)], axis=1)
    row = np.arange(len(share))
    out = np.empty((len(share), 8), np.float32)
    for bit in range(8):
        half = 1 << (7 - bit)
        low = values.astype(np.int64) // (2 * half) * (2 * half)
        middle = upto[row, low + half]
        zero, one = middle - upto[row, low], upto[row, low + 2 * half] - middle
        out[:, bit] = np.log((one + _TINY) / (zero + _TINY))
    return out


def mixing_bits(raw: bytes) -> Floats:
    """The same of context mixing at level 6, for each byte of a block: float32[n, 8]."""
    from ncz.models.contextmix import prior, state
    from ncz.models.contextmix.detect import content
    from ncz.models.contextmix.presets import PRESETS

    data = np.frombuffer(bytearray(raw), np.uint8)
    found = content(data)
    start = prior.for_kind(found.kind)
    model = state.fresh(PRESETS[_LEVEL], found.kind, data.size, found.row, found.cell, start)
    out = np.zeros(data.size * 8, np.uint32)
    _noting()(model, data, out, False)
    share = out.reshape(-1, 8) / float(1 << 24)
    return np.log(share / (1 - share)).astype(np.float32)


def _noting() -> Any:
    """The engine of context mixing, with a range coder that notes what it is told of each bit."""
    from ncz.codec import rangecoder
    from ncz.models.contextmix import kernel

    @numba.njit
    def start_encoder(state: np.ndarray) -> None:
        state[0] = 0

    @numba.njit
    def encode_bit(state: np.ndarray, out: np.ndarray, bit: int, share: int) -> None:
        out[state[0]] = share
        state[0] += 1

    @numba.njit
    def finish_encoder(state: np.ndarray, out: np.ndarray) -> int:
        return np.int64(state[0])

    noting = types.ModuleType("noting")
    vars(noting).update(vars(rangecoder))
    vars(noting).update(
        start_encoder=start_encoder, encode_bit=encode_bit, finish_encoder=finish_encoder
    )
    engine = kernel.code_block.py_func
    return numba.njit(types.FunctionType(engine.__code__, {**vars(kernel), "rc": noting}))


@numba.njit
def mixed(
    told: np.ndarray, values: np.ndarray, width: int, rate: float
) -> np.ndarray:  # pragma: no cover
    """What is left to be said if both are believed as far as they were right.

    Three sets of weights, chosen by the bits of this byte so far, by the place in the image with
    the number of the bit, and by how sure both are, each make a guess in the logistic domain; the
    mean of the guesses counts.

    Args:
        told: float32[n, 8, 2]; what both say of the bits of each byte.
        values: uint8[n].
        width: bytes of an image.
        rate: how fast weights move.

    Returns:
        float64[n]; bits.
    """
    weights = np.full((3, 1 << 14, 3), 0.5)
    weights[:, :, 2] = 0
    bits = np.zeros(len(values))
    heard = np.ones(3)
    where = np.zeros(3, np.int64)
    guess = np.zeros(3)
    for at in range(len(values)):
        node = 1
        for bit in range(8):
            for i in range(2):
                heard[i] = min(max(told[at, bit, i], -_SURE), _SURE)
            heard[2] = 0.3
            where[0] = node
            where[1] = (at % width) * 8 + bit
            sure0 = int((heard[0] + _SURE) * _STEPS / (2 * _SURE + 1e-9))
            sure1 = int((heard[1] + _SURE) * _STEPS / (2 * _SURE + 1e-9))
            where[2] = (sure0 * _STEPS + sure1) * 8 + bit
            y = (values[at] >> (7 - bit)) & 1
            total = 0.0
            for k in range(3):
                guess[k] = (weights[k, where[k]] * heard).sum()
                total += guess[k] / 3
            share = 1 / (1 + np.exp(-total))
            bits[at] -= np.log2(max(share if y else 1 - share, 1e-9))
            for k in range(3):
                error = y - 1 / (1 + np.exp(-guess[k]))
                weights[k, where[k]] += rate * error * heard
            node = node * 2 + int(y)
    return bits


def cost(told: Floats, values: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Bits that each byte takes by what is said of its bits, float64[n] of float32[n, 8]."""
    bits = np.unpackbits(values[:, None], axis=1)
    signed = np.where(bits == 1, told, -told).astype(np.float64)
    return np.logaddexp(0, -signed).sum(axis=1) / np.log(2)


@click.command()
@click.argument("circuit")
@click.argument("images", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--skip", default=0, show_default=True, help="Images that only context mixing sees.")
@click.option("--count", default=2000, show_default=True, help="Images after these.")
@click.option("--rate", default=0.002, show_default=True, help="Of the mixer.")
def main(circuit: str, images: Path, skip: int, count: int, rate: float) -> None:
    """Say what IMAGES, an IDX file, take by CIRCUIT, by context mixing, and by both."""
    torch.set_num_threads(1)  # the pieces are too small to be shared
    codes = exact.parse(files.read(files.resolve(circuit)))
    width = len(codes.leaves)
    content = gzip.decompress(images.read_bytes())[: 16 + (skip + count) * width]
    values = np.frombuffer(content, np.uint8)[16 + skip * width :]
    began = time.perf_counter()
    one = circuit_bits(codes, values.reshape(-1, width)).reshape(-1, 8)
    click.echo(f"circuit: {cost(one, values).mean():.4f} [{time.perf_counter() - began:.0f} s]")
    began = time.perf_counter()
    other = mixing_bits(content)[-len(values) :]
    click.echo(f"-{_LEVEL}: {cost(other, values).mean():.4f} [{time.perf_counter() - began:.0f} s]")
    both = mixed(np.stack([one, other], axis=2), values, width, rate)
    half = len(values) // width // 2 * width
    click.echo(f"both: {both.mean():.4f}")
    for name, found in (("circuit", cost(one, values)), (f"-{_LEVEL}", cost(other, values))):
        gain = 1 - both.sum() / found.sum()
        late = 1 - both[half:].sum() / found[half:].sum()
        click.echo(f"both save {gain:.2%} of {name}, {late:.2%} in the second half")


if __name__ == "__main__":
    main()
