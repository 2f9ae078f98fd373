"""From the network's last row to the weights of all entries of the vocabulary.

The output's rows are put in the order of the sorted vocabulary, so that logits come out in the
order in which they are summed up. An entry's weight is 2²⁴ · exp(logit - largest logit), cut to
a whole number, at least 1: nothing is impossible.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language.arithmetic import LOG2_E, LOWEST, exp2
from ncz.models.language.exact import Exact, Linear
from ncz.models.language.network import Engine
from ncz.models.language.rows import highest
from ncz.models.language.vocabulary import Vocabulary, build

BATCH = 64  # rows whose logits are held at once
SOFTENED = 10  # bits by which the weight of an entry is lowered that cannot follow


class Head:
    """The output of a network over its sorted vocabulary."""

    def __init__(self, network: Engine) -> None:
        model = network.model
        self.vocabulary = entries(model)
        order = self.vocabulary.order
        self.said = np.flatnonzero(order >= 0)  # int64: entries that are tokens
        table = model.head or model.embedding
        tokens = order[self.said]
        self.scale = table.scale[tokens]  # float32[tokens]
        self.network = network
        self.prepared = network.prepare(Linear(table.weight[tokens], self.scale))

    def tokens(self, entries: np.ndarray) -> np.ndarray:
        """int64: what to feed for `entries`: an escape, which no token says, is the beginning."""
        tokens = self.vocabulary.order[entries].astype(np.int64)
        return np.where(tokens >= 0, tokens, self.network.model.shape.begin)

    def logits(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int32[m, tokens or more] and float32[m] for residual rows float32[m, width]."""
        return self.network.product(x, self.prepared, self.network.model.norm)


def entries(model: Exact) -> Vocabulary:
    """The sorted vocabulary of `model`."""
    tensors = model.vocabulary
    return build(tensors["bytes"], tensors["offsets"], tensors["kind"])


@jit
def cumulate(
    product: np.ndarray,
    units: np.ndarray,
    row: int,
    scale: np.ndarray,
    said: np.ndarray,
    never: np.ndarray,
    powers: np.ndarray,
    out: np.ndarray,
) -> None:
    """One row's weights, summed up.

    Args:
        product: int32[rows, tokens or more].
        units, scale: float32, of its rows and columns.
        row: which.
        said: int64[tokens]: the entry of each column; all others are escapes.
        never: uint8[entries]: 1 for those that cannot follow the token before, so that they
            weigh 2⁻¹⁰ of what the network says; not nothing, lest a text cannot be said.
        powers: float32[tokens], scratch.
        out: int64[entries + 1], written: 0, and sums up to each entry.
    """
    logits = product[row]
    unit = units[row] * LOG2_E
    for c in range(powers.size):
        v = np.float32(logits[c]) * unit
        powers[c] = v * scale[c]
    bits = powers.view(np.int32)
    top = highest(powers)
    for c in range(powers.size):
        p = exp2(max(powers[c] - top, LOWEST))
        bits[c] = max(np.int32(p * np.float32(16777216.0)), np.int32(1))
    total = np.int64(0)
    entry = 0
    column = 0
    while column < powers.size:
        # Columns up to the next escape, found by halving: what is in one piece is vectorized.
        begin = said[column]
        stop, beyond = column + 1, powers.size
        while stop < beyond:
            middle = (stop + beyond) >> 1
            if said[middle] - middle == begin - column:
                stop = middle + 1
            else:
                beyond = middle
        total = _escapes(out, entry, begin, total)
        piece = bits[column:stop]
        lowered = never[begin : begin + piece.size]
        sums = out[begin : begin + piece.size]
        for c in range(piece.size):
            shift = np.int32(SOFTENED) * np.int32(lowered[c])
            piece[c] = max(np.int32(piece[c] >> shift), np.int32(1))
        for c in range(piece.size):
            sums[c] = total
            total += np.int64(piece[c])
        entry = begin + piece.size
        column = stop
    out[out.size - 1] = _escapes(out, entry, out.size - 1, total)


@jit
def _escapes(out: np.ndarray, first: int, last: int, total: int) -> int:
    """Entries that weigh 1 each; the total after them."""
    for entry in range(first, last):
        out[entry] = total
        total += 1
    return total
