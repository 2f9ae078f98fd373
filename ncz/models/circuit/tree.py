"""The tree that a circuit's latent variables form, and how it is found in data.

A Chow-Liu tree: of all trees over the variables, the one whose edges have the largest sum of
mutual information (Chow and Liu 1968). A circuit has a latent variable for each variable, and
these form the same tree (hidden Chow-Liu tree; Liu and Van den Broeck 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_BLOCK = 1 << 24  # numbers in a table of what occurs together


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
    """Between all pairs of columns, in nats, float64[D, D]."""
    import torch

    count, width = binned.shape
    # One column of ones and zeros for each bin that occurs: most variables have few.
    used = [np.unique(binned[:, column]) for column in range(width)]
    sizes = np.array([len(one) for one in used])
    ends = np.cumsum(sizes)
    starts = ends - sizes
    owner = np.repeat(np.arange(width), sizes)
    hot = torch.from_numpy(binned[:, owner] == np.concatenate(used)[None, :]).float()
    single = hot.sum(0).double().numpy() / count
    summed = np.empty((width, width))
    step = max(1, _BLOCK // int(ends[-1]) // bins)  # columns at once, so that memory stays small
    for first in range(0, width, step):
        last = min(width, first + step)
        some = slice(int(starts[first]), int(ends[last - 1]))
        joint = (hot[:, some].T @ hot).double().numpy() / count
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(joint > 0, joint * np.log(joint / np.outer(single[some], single)), 0.0)
        part = np.add.reduceat(part, starts[first:last] - starts[first], axis=0)
        summed[first:last] = np.add.reduceat(part, starts, axis=1)
    return summed


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
