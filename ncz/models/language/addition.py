"""What ncz adds to the weights of a published model before it converts them.

A small model that was cut to four bits, or tuned to instructions, has lost some of what it knew of
plain text. A low-rank sum for every matrix of its layers, and new norms, bring much of it back:
see :mod:`ncz.models.language.tune`, which trains them. They come with ncz, and the digest of the
exact file covers what they make of a model.

The sum is one of integers, exact in any order in float64. It is then added to the weights by one
operation and rounded by another, so that every machine makes the same exact file.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021).
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import numpy as np

from ncz.codec.errors import ModelError
from ncz.models.contextmix.prior import pinned
from ncz.models.language.source import Source

FILES = {
    "smollm2-135m-instruct-q4_1": (
        "smollm2-135m-instruct-q4_1.safetensors",
        "953d59fcf23bc0131abbb28c976c1eaf03169e14f6bc6f3ccb57ba01ba4c57ea",
    ),
    "gemma3-270m": (
        "gemma3-270m.safetensors",
        "498fd0105f780480aed6c50a67a8385b3c9841d83dc935064229c9129b54ddbd",
    ),
}
"""By the name of the model: the file, and its SHA-256 in hex."""

_MOST_APART = 24  # between shifts: 2^24 · 127 · 127 times the rank is far below 2^53

Tensors = dict[str, np.ndarray]


def load(name: str) -> Tensors | None:
    """What is added to the model of that name, if anything is.

    Raises:
        NczError: the file is missing, or not the one it should be.
    """
    if name not in FILES:
        return None
    file, digest = FILES[name]
    return pinned(resources.files(__package__) / "additions" / file, digest)


def add(source: Source, tensors: Tensors) -> Source:
    """`source` with an addition.

    Args:
        source: a model.
        tensors: for every matrix by its Hugging Face name without ``model.`` and ``.weight``,
            int8 ``.up`` [outputs, rank], int8 ``.down`` [rank, inputs] and int8 ``.shift`` [rank];
            and float32 norms, by name.

    Raises:
        ModelError: they do not fit the model.
    """
    known = {name.removeprefix("model.").removesuffix(".weight") for name in source.names}
    unknown = {name.removesuffix(".shift") for name in tensors if name.endswith(".shift")} - known
    if unknown:
        raise ModelError(f"the model has no {min(unknown)}, to which something is to be added")

    def tensor(name: str) -> np.ndarray:
        weight = source.tensor(name)
        short = name.removeprefix("model.").removesuffix(".weight")
        if short in tensors:
            return _fitting(name, weight, tensors[short])
        if f"{short}.shift" not in tensors:
            return weight
        up, down, shift = (tensors[f"{short}.{part}"] for part in ("up", "down", "shift"))
        return total(weight, _fitting(name, weight, product(up, down, shift)))

    return replace(source, tensor=tensor)


def product(up: np.ndarray, down: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """float64[outputs, inputs]: the sum over r of ``up[:, r] * down[r] * 2**shift[r]``, exactly.

    Raises:
        ModelError: shifts too far apart for that.
    """
    least = int(shift.min())
    if int(shift.max()) - least > _MOST_APART:
        raise ModelError(
            f"shifts of {least} to {shift.max()} are too far apart to be added exactly"
        )
    steps = up.astype(np.float64) * np.exp2(shift.astype(np.float64) - least)
    out: np.ndarray = (steps @ down.astype(np.float64)) * 2.0**least
    return out


def total(weight: np.ndarray, added: np.ndarray) -> np.ndarray:
    """float32: a float32 array and a float64 array, added in float64 and then rounded."""
    return (weight.astype(np.float64) + added).astype(np.float32)


def _fitting(name: str, weight: np.ndarray, other: np.ndarray) -> np.ndarray:
    if other.shape != weight.shape:
        raise ModelError(f"{name} is {weight.shape}, and what belongs to it is {other.shape}")
    return other
