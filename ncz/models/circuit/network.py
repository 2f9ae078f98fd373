"""A hidden Chow-Liu tree in floating point: likelihoods and expected counts of many rows at once.

This is for training alone; what codes is integers (:mod:`ncz.models.circuit.exact`). A latent
variable with `latents` states stands beside each variable; they form the tree, and each variable
hangs on its own. One pass up the tree gives the likelihood, a pass down the posteriors, and with
them the counts that expectation maximization divides by their sums.

Latent variables of one depth are worked on at once, as a batch of matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncz.models.circuit import exact
from ncz.models.circuit.tree import Tree

_TINY = 1e-30
_RANKS = 4  # children whose messages are multiplied before the product might get too small


@dataclass(frozen=True)
class Level:
    """Places of one depth.

    Attributes:
        places: int64[n], of the tree.
        above: int64[n]; where their parents stand in the level above.
        ranks: of children: for each r, which of `places` are the r-th child of their parent, and
            where that stands above. No parent is twice in one of them.
    """

    places: Tensor
    above: Tensor
    ranks: list[tuple[Tensor, Tensor]]


@dataclass
class Parameters:
    """Probabilities.

    Attributes:
        root: float32[M].
        edges: float32[D, M, M]; at each place but 0, rows are the parent's states.
        leaves: float32[S, M]; a row for each symbol of each place: the states' probabilities of it.
        start: int64[D + 1]; where the symbols of each place start in `leaves`.
    """

    root: Tensor
    edges: Tensor
    leaves: Tensor
    start: Tensor

    @property
    def latents(self) -> int:
        """M."""
        return len(self.root)

    def map(self, other: Parameters, how: Callable[[Tensor, Tensor], Tensor]) -> Parameters:
        """``how(a, b)`` of each tensor of probabilities and its like in `other`."""
        return Parameters(
            how(self.root, other.root),
            how(self.edges, other.edges),
            how(self.leaves, other.leaves),
            self.start,
        )

    def to(self, device: torch.device | str) -> Parameters:
        """The same on a device."""
        parts = (self.root, self.edges, self.leaves, self.start)
        return Parameters(*(part.to(device) for part in parts))

    def empty(self) -> Parameters:
        """Zeros of the same shapes."""
        return self.map(self, lambda a, b: torch.zeros_like(a))


class Network:
    """Passes over a tree.

    Args:
        tree: of D places.
        device: to compute on.
    """

    def __init__(self, tree: Tree, device: torch.device | str = "cpu") -> None:
        self.tree = tree
        self.device = torch.device(device)
        self.levels = [_level.to(device) for _level in _levels(tree)]

    def likelihood(self, parameters: Parameters, rows: Tensor) -> Tensor:
        """Natural logarithms of the probabilities of rows.

        Args:
            parameters: on the same device.
            rows: int64[B, D]; symbols at the tree's places.

        Returns:
            float64[B].
        """
        return self._up(parameters, rows)[2]

    def counts(self, parameters: Parameters, rows: Tensor, into: Parameters) -> Tensor:
        """Add the expected counts of `rows` to `into`, whose edges still lack the factor of the
        edges' probabilities (see :func:`finished`), and return the likelihoods."""
        beliefs, messages, likelihood = self._up(parameters, rows)
        top = beliefs[0] * parameters.root
        above = top / top.sum(-1, keepdim=True).clamp_min(_TINY)
        into.root += above[0].sum(0)
        self._see(into, self.levels[0], above, rows)
        for level, belief, message in zip(self.levels[1:], beliefs[1:], messages[1:], strict=True):
            outside = above[level.above] / message.clamp_min(_TINY)
            into.edges[level.places] += outside.transpose(1, 2) @ belief
            above = (outside @ parameters.edges[level.places]).mul_(belief)
            self._see(into, level, above, rows)
        return likelihood

    def _up(
        self, parameters: Parameters, rows: Tensor
    ) -> tuple[list[Tensor], list[Tensor], Tensor]:
        beliefs: list[Tensor] = [torch.empty(0)] * len(self.levels)
        messages: list[Tensor] = [torch.empty(0)] * len(self.levels)
        total = torch.zeros(len(rows), dtype=torch.float64, device=self.device)
        below: Level | None = None
        for number in range(len(self.levels) - 1, -1, -1):
            level = self.levels[number]
            symbol = rows.T[level.places] + parameters.start[level.places, None]
            belief = parameters.leaves[symbol]  # [n, B, M]
            if below is not None:
                for rank, (which, where) in enumerate(below.ranks):
                    belief[where] *= messages[number + 1][which]
                    if rank % _RANKS == _RANKS - 1:
                        part = belief[where]
                        largest = part.amax(-1, keepdim=True).clamp_min(_TINY)
                        belief[where] = part / largest
                        total += largest[..., 0].log().double().sum(0)
            largest = belief.amax(-1, keepdim=True).clamp_min(_TINY)
            belief /= largest
            total += largest[..., 0].log().double().sum(0)
            beliefs[number] = belief
            if number:
                messages[number] = belief @ parameters.edges[level.places].transpose(1, 2)
            below = level
        whole = (beliefs[0][0] @ parameters.root).clamp_min(_TINY)
        return beliefs, messages, total + whole.log().double()

    def _see(self, into: Parameters, level: Level, posterior: Tensor, rows: Tensor) -> None:
        symbol = rows.T[level.places] + into.start[level.places, None]
        if posterior.is_cuda:
            into.leaves.index_add_(0, symbol.reshape(-1), posterior.flatten(0, 1))
            return
        from ncz.models.circuit import sums

        sums.add_rows(into.leaves.numpy(), symbol.numpy(), posterior.numpy())


def restored(codes: exact.Codes) -> Parameters:
    """The probabilities that a circuit's file has."""
    values = torch.from_numpy(exact.table().astype(np.float32) / float(exact.table()[0]))
    root, edges, leaves = (
        values[torch.from_numpy(part.astype(np.int64))]
        for part in (codes.root, codes.edges, codes.symbols)
    )
    return normalized(Parameters(root, edges, leaves, torch.from_numpy(codes.leaves.start)))


def finished(counts: Parameters, parameters: Parameters) -> Parameters:
    """The counts of :meth:`Network.counts` with the factor that they lack."""
    return Parameters(counts.root, counts.edges * parameters.edges, counts.leaves, counts.start)


def normalized(
    counts: Parameters, states: float = 0.0, symbols: Tensor | float = 0.0
) -> Parameters:
    """Probabilities from counts, or from what is nearly probabilities.

    Args:
        counts: expected ones.
        states: how often each row of an edge is thought to have been seen, beyond data, spread
            over all states.
        symbols: float32[S, 1]: what each state of a leaf is thought to have seen beyond data.
    """
    size = counts.latents
    root = counts.root + states / size
    edges = counts.edges + states / size
    leaves = counts.leaves + symbols
    owner = owners(counts.start)
    sums = torch.zeros(len(counts.start) - 1, size, device=leaves.device)
    sums.index_add_(0, owner, leaves)
    return Parameters(
        root / root.sum(),
        edges / edges.sum(-1, keepdim=True).clamp_min(_TINY),
        leaves / sums[owner],
        counts.start,
    )


def owners(start: Tensor) -> Tensor:
    """int64[S]: the place that each symbol belongs to."""
    sizes = start[1:] - start[:-1]
    return torch.repeat_interleave(torch.arange(len(sizes), device=start.device), sizes)


@dataclass(frozen=True)
class _Plan:
    places: NDArray[np.int64]
    above: NDArray[np.int64]
    ranks: list[tuple[NDArray[np.int64], NDArray[np.int64]]]

    def to(self, device: torch.device | str) -> Level:
        def there(array: NDArray[np.int64]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        ranks = [(there(which), there(where)) for which, where in self.ranks]
        return Level(there(self.places), there(self.above), ranks)


def _levels(tree: Tree) -> list[_Plan]:
    depth = tree.depth
    stands = np.zeros(len(depth), np.int64)
    found = []
    for number in range(int(depth.max()) + 1):
        places = np.flatnonzero(depth == number)
        stands[places] = np.arange(len(places))
        above = stands[tree.parent[places]] if number else np.zeros(1, np.int64)
        rank = np.zeros(len(places), np.int64)
        seen: dict[int, int] = {}
        for i, one in enumerate(above.tolist()):
            rank[i] = seen[one] = seen.get(one, -1) + 1
        ranks = [np.flatnonzero(rank == r) for r in range(int(rank.max()) + 1)]
        found.append(_Plan(places, above, [(which, above[which]) for which in ranks]))
    return found
