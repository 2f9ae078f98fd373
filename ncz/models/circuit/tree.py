"""The tree that a circuit's latent variables form, and how it is found in data.

A Chow-Liu tree: of all trees over the variables, the one whose edges have the largest sum of
mutual information (Chow and Liu 1968). A circuit has a latent variable for each variable, and
these form the same tree (hidden Chow-Liu tree; Liu and Van den Broeck 2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_BLOCK = 1 << 24  # numbers in a table of what occurs together, and in what it is made of
MOST_VARIABLES = 1 << 14
"""Variables that a tree is found for: the information of all pairs then takes 2 GiB."""


@dataclass(frozen=True)
class Tree:
    """A rooted tree over variables.

    Attributes:
        order: int64[D]; the variables, each after its parent: the order they are coded in. What
            stands below a variable follows it without a gap.
        parent: int64[D]; at each *place* of `order`, the place of the parent; -1 at place 0.
    """

    order: Ints
    parent: Ints

    @property
    def depth(self) -> Ints:
        """int64[D]; how far each place is from the root."""
        depth = np.zeros(len(self.parent), np.int64)
        for place in range(1, len(depth)):
            depth[place] = depth[self.parent[place]] + 1
        return depth


def chow_liu(symbols: NDArray[np.integer], bins: int = 8, rows: int = 20_000) -> Tree:
    """The Chow-Liu tree of data, rooted at its centre.

    Args:
        symbols: [N, D], values from 0; near ones are alike, for they share a bin.
        bins: per variable, about equally full; information is that between bins.
        rows: how many of the N are looked at, spread evenly.
    """
    taken = symbols[:: max(1, -(-len(symbols) // rows))]
    information = mutual_information(binned(taken, bins), bins)
    return rooted(spanning(information))


def binned(symbols: NDArray[np.integer], bins: int) -> NDArray[np.uint8]:
    """The bin of each value, uint8[N, D] below `bins`, which are about equally full."""
    out = np.empty(symbols.shape, np.uint8)
    for column in range(symbols.shape[1]):
        values, inverse, counts = np.unique(
            symbols[:, column], return_inverse=True, return_counts=True
        )
        # The middle of each value's share of all; a value of half of the data has a bin alone.
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()
        bin_of = np.minimum((middle * bins).astype(np.int64), bins - 1)
        if len(values) <= bins:
            bin_of = np.arange(len(values))
        out[:, column] = bin_of[inverse.reshape(-1)]
    return out


def mutual_information(binned: NDArray[np.uint8], bins: int) -> NDArray[np.float64]:
    """Between all pairs of columns, in nats, float64[D, D]. Beside that, memory is bounded."""
    count, width = binned.shape
    step = max(1, min(_BLOCK // max(1, count), math.isqrt(_BLOCK)) // bins)  # columns at once
    summed = np.empty((width, width))
    for first in range(0, width, step):
        one = _Hot(binned[:, first : first + step])
        for second in range(first, width, step):
            other = one if second == first else _Hot(binned[:, second : second + step])
            part = _shared(one, other)
            summed[first : first + step, second : second + step] = part
            summed[second : second + step, first : first + step] = part.T
    return summed


class _Hot:
    """Columns with one of ones and zeros for each bin that occurs: most have few.

    Attributes:
        columns: float32[N, B].
        starts: of each variable in B.
        share: float64[B]; of the rows in each bin.
    """

    def __init__(self, binned: NDArray[np.uint8]) -> None:
        import torch

        used = [np.unique(column) for column in binned.T]
        sizes = np.array([len(one) for one in used])
        self.starts = np.cumsum(sizes) - sizes
        owner = np.repeat(np.arange(len(used)), sizes)
        self.columns = torch.from_numpy(binned[:, owner] == np.concatenate(used)[None]).float()
        self.share = self.columns.sum(0).double().numpy() / len(binned)


def _shared(one: _Hot, other: _Hot) -> NDArray[np.float64]:
    """The mutual information of each variable of one with each of the other."""
    joint = (one.columns.T @ other.columns).double().numpy() / len(one.columns)
    with np.errstate(divide="ignore", invalid="ignore"):
        likely = joint / np.outer(one.share, other.share)
        part = np.where(joint > 0, joint * np.log(likely), 0.0)
    part = np.add.reduceat(part, one.starts, axis=0)
    found: NDArray[np.float64] = np.add.reduceat(part, other.starts, axis=1)
    return found


def spanning(weight: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The edges of the spanning tree of the largest weight, by Prim's algorithm."""
    size = len(weight)
    best = weight[0].copy()
    link = np.zeros(size, np.int64)
    open_ = np.ones(size, bool)
    open_[0] = False
    edges = []
    for _ in range(size - 1):
        new = int(np.argmax(np.where(open_, best, -np.inf)))
        edges.append((int(link[new]), new))
        open_[new] = False
        nearer = open_ & (weight[new] > best)
        best[nearer] = weight[new][nearer]
        link[nearer] = new
    return edges


def rooted(edges: list[tuple[int, int]]) -> Tree:
    """The tree of these edges over variables 0 to len(edges), rooted where it is least deep."""
    near: list[list[int]] = [[] for _ in range(len(edges) + 1)]
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    path = _farthest(near, _farthest(near, 0)[0])
    root = path[len(path) // 2]
    order: list[int] = []
    parent: list[int] = []
    open_ = [(root, -1)]
    while open_:
        variable, above = open_.pop()
        place = len(order)
        order.append(variable)
        parent.append(above)
        from_ = order[above] if above >= 0 else -1
        open_ += [(other, place) for other in sorted(near[variable]) if other != from_]
    return Tree(np.array(order, np.int64), np.array(parent, np.int64))


def _farthest(near: list[list[int]], start: int) -> list[int]:
    """The longest path that ends at `start`, from its other end."""
    came = {start: -1}
    line = [start]
    for variable in line:
        for other in near[variable]:
            if other not in came:
                came[other] = variable
                line.append(other)
    path, at = [], line[-1]
    while at >= 0:
        path.append(at)
        at = came[at]
    return path
