"""What the mixer of text knows before it has seen a byte: a trained start.

Weights, charts and meanings that were learned on other texts, all of them integers, kept as
what moved from a state that knows nothing. They take about 1 % off. They are part of the coder's
definition: the digest is pinned here and checked at load. Made by :mod:`ncz.models.text.train`.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from ncz.models.contextmix.prior import pinned

if TYPE_CHECKING:
    from ncz.models.text.kernel import State

FILES = {
    1: ("start.safetensors", "f85969e9fe977bb1ca47f0016bd7dfe0d7424e21770d39dbabc1096a996517ab"),
    2: ("pair.safetensors", "12c564700ad8e1f744dc1ad2842e693c17374da758c7a051580e2d427f9937a9"),
}
"""For one language model and for two: the name and the SHA-256, in hex."""

_WEIGHT_SHIFT = 4  # moves of weights are kept in steps of 16 / 65536
_CELL_SHIFT = 8  # of charts' cells in steps of 256 / 2^22
_COUNTS_KEPT = 30  # counts are cut to this, so that what is learned goes on adapting

Tensors = dict[str, np.ndarray]


@functools.cache
def load(models: int = 1) -> Tensors:
    """The start that comes with this ncz, for so many language models.

    Raises:
        NczError: its file is missing, or not the one it should be.
    """
    name, digest = FILES[models]
    return pinned(resources.files(__package__) / "starts" / name, digest)


def apply(state: State, tensors: Tensors) -> None:
    """Give a `state` that knows nothing what was learned."""
    for name, (moved, shift) in moving(state).items():
        rows = tensors[f"{name}.rows"]
        moved[rows] += tensors[f"{name}.moved"].astype(np.int32) << shift
    state.together.meanings[:] = tensors["meanings"].astype(np.int32) << 20
    state.together.meanings[:] |= tensors["meanings.count"]
    state.opinions.trust[:] = tensors["trust"]


def keep(learned: State, nothing: State) -> Tensors:
    """The inverse: what `learned` has that `nothing`, which knows nothing, has not."""
    tensors = {}
    before = moving(nothing)
    for name, (moved, shift) in moving(learned).items():
        steps = (moved - before[name][0] + (1 << shift - 1)) >> shift
        steps = np.clip(steps, -32768, 32767).astype(np.int16)
        rows = np.flatnonzero(steps.any(axis=1)).astype(np.uint32)
        tensors[f"{name}.rows"] = rows
        tensors[f"{name}.moved"] = steps[rows]
    meanings = learned.together.meanings
    tensors["meanings"] = (meanings >> 20).astype(np.int16)
    tensors["meanings.count"] = np.minimum(meanings & 1023, _COUNTS_KEPT).astype(np.uint8)
    trust = learned.opinions.trust
    counts = np.minimum(trust & 1023, _COUNTS_KEPT)
    tensors["trust"] = (trust & ~np.uint32(1023)) | counts
    return tensors


def moving(state: State) -> dict[str, tuple[np.ndarray, int]]:
    """What moves, int32[rows, columns], and by what steps it is kept."""
    together, stops = state.together, state.stops
    return {
        "weights": (together.mixer.weights, _WEIGHT_SHIFT),
        "final": (together.final.weights, _WEIGHT_SHIFT),
        "charts": (together.charts.cells, _CELL_SHIFT),
        "stops.weights": (stops.mixer.weights, _WEIGHT_SHIFT),
        "stops.charts": (stops.charts.cells, _CELL_SHIFT),
    }
