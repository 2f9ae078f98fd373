"""Small circuits, trained on nothing, for rows of any integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ncz.models.circuit import exact
from ncz.models.circuit.leaves import learn
from ncz.models.circuit.network import Parameters
from ncz.models.circuit.tree import Tree, rooted

ALL = (0, 0)  # the domain of all that 64 bits hold


def tree(places: int, dice: np.random.Generator) -> Tree:
    """Any tree."""
    return rooted([(int(dice.integers(i)), i) for i in range(1, places)])


def star(places: int) -> Tree:
    return Tree(np.arange(places), np.array([-1] + [0] * (places - 1)))


def chain(places: int) -> Tree:
    return Tree(np.arange(places), np.arange(places) - 1)


def parameters(
    sizes: list[int], latents: int, dice: np.random.Generator, power: float = 1.0
) -> Parameters:
    """Any probabilities, the less alike the larger `power`."""

    def some(*shape: int) -> Any:
        return dice.random(shape).astype(np.float32) ** power + 1e-6

    root, edges = some(latents), some(len(sizes), latents, latents)
    leaves = [part / part.sum(0) for part in (some(size, latents) for size in sizes)]
    start = np.concatenate([[0], np.cumsum(sizes)])
    return Parameters(
        torch.from_numpy(root / root.sum()),
        torch.from_numpy(edges / edges.sum(2, keepdims=True)),
        torch.from_numpy(np.concatenate(leaves)),
        torch.from_numpy(start),
    )


def codes(
    values: npt.NDArray[np.int64],
    latents: int,
    seed: int,
    power: float = 3.0,
    domains: list[tuple[int, int]] | None = None,
    most: int = 256,
) -> exact.Codes:
    """A circuit that knows of these rows no more than what values there are."""
    dice = np.random.default_rng(seed)
    shape = tree(values.shape[1], dice)
    leaves = learn(values, domains or [ALL] * values.shape[1], most, 5).of(shape.order)
    made = parameters(np.diff(leaves.start).tolist(), latents, dice, power)
    parts = (exact.codes_of(part.numpy()) for part in (made.root, made.edges, made.leaves))
    return exact.Codes(shape, leaves, *parts, {"seed": seed})


def circuit(values: npt.NDArray[np.int64], latents: int, seed: int, **more: Any) -> exact.Circuit:
    return exact.compiled(codes(values, latents, seed, **more), b"")
