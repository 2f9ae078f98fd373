"""What training starts from: states that tell apart what is near a variable.

Random starts make states alike for long. Here each latent variable's states are clusters of the
variable's surroundings: its own value and those of the variables it has most to do with. Rows
are given to clusters, and counted; this is the distillation of latent variables (Liu, Zhang and
Van den Broeck 2023) with k-means as the teacher.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncz.models.circuit.network import Parameters
from ncz.models.circuit.tree import Tree

_MOST_NEAR = 64  # in a tree that is a star, all are near


def counted(
    tree: Tree,
    rows: NDArray[np.integer],
    start: NDArray[np.int64],
    latents: int,
    generator: torch.Generator,
    sample: int = 20_000,
    near: int = 3,
    rounds: int = 6,
) -> Parameters:
    """Counts of states and symbols, as expectation maximization would have them.

    Args:
        tree: of D places.
        rows: [N, D], symbols at places.
        start: int64[D + 1], where the symbols of each place start.
        latents: M.
        generator: for the first centres.
        sample: how many rows are looked at.
        near: how far in the tree what surrounds a variable may be.
        rounds: of k-means.
    """
    taken = np.ascontiguousarray(rows[:: max(1, -(-len(rows) // sample))])
    scaled = torch.from_numpy(_ranked(taken))
    around = _surroundings(tree, near)
    states = torch.empty(taken.shape[1], len(taken), dtype=torch.int64)
    for place, (others, weight) in enumerate(around):
        features = scaled[:, others] * torch.tensor(weight)
        states[place] = _clusters(features, latents, rounds, generator)
    symbols = torch.from_numpy(taken.astype(np.int64)).T + torch.from_numpy(start[:-1])[:, None]
    leaves = torch.zeros(int(start[-1]) * latents)
    leaves.index_add_(0, (symbols * latents + states).reshape(-1), torch.ones(symbols.numel()))
    edges = torch.zeros(len(states), latents * latents)
    for place in range(1, len(states)):
        pair = states[tree.parent[place]] * latents + states[place]
        edges[place] = torch.bincount(pair, minlength=latents * latents).float()
    root = torch.bincount(states[0], minlength=latents).float()
    return Parameters(
        root,
        edges.view(-1, latents, latents),
        leaves.view(-1, latents),
        torch.from_numpy(start),
    )


def _ranked(rows: NDArray[np.integer]) -> NDArray[np.float32]:
    """Values by their rank among all of their column, 0 to 1: alike for any scale of numbers."""
    out = np.empty(rows.shape, np.float32)
    for column in range(rows.shape[1]):
        _, inverse, counts = np.unique(rows[:, column], return_inverse=True, return_counts=True)
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()
        value = np.arange(len(counts)) / max(1, len(counts) - 1)
        out[:, column] = ((middle + value) / 2)[inverse.reshape(-1)]
    return out


def _surroundings(tree: Tree, near: int) -> list[tuple[list[int], list[float]]]:
    """For each place those within `near` steps, at most so many, and how much each counts."""
    beside: list[list[int]] = [[] for _ in tree.parent]
    for place, above in enumerate(tree.parent.tolist()):
        if above >= 0:
            beside[place].append(above)
            beside[above].append(place)
    found = []
    for place in range(len(beside)):
        steps = {place: 0}
        line = [place]
        for at in line:
            if steps[at] < near:
                for other in beside[at]:
                    if other not in steps and len(line) < _MOST_NEAR:
                        steps[other] = steps[at] + 1
                        line.append(other)
        weight = [(1.0, 0.7, 0.5, 0.35, 0.25)[min(steps[at], 4)] for at in line]
        found.append((line, weight))
    return found


def _clusters(features: Tensor, count: int, rounds: int, generator: torch.Generator) -> Tensor:
    """The cluster of each row, int64[N], by k-means."""
    chosen = torch.randperm(len(features), generator=generator)[:count]
    centres = features[chosen]
    if len(centres) < count:
        more = torch.randint(len(features), (count - len(centres),), generator=generator)
        centres = torch.cat([centres, features[more]])
    centres = centres + 0.02 * torch.randn(centres.shape, generator=generator)
    for left in range(rounds, -1, -1):
        nearest = (centres.square().sum(1) - 2 * (features @ centres.T)).argmin(1)
        if left:
            sums = torch.zeros_like(centres).index_add_(0, nearest, features)
            sizes = torch.bincount(nearest, minlength=count)
            centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp_min(1)[:, None], centres)
            empty = sizes == 0
            if empty.any():  # a row that is anybody's, moved a little
                fresh = torch.randint(len(features), (int(empty.sum()),), generator=generator)
                centres[empty] = features[fresh]
    return nearest
