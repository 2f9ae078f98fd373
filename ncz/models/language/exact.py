"""The exact file: a language model as integers, ready to run.

A safetensors file with int8 weights and one float32 scale per output channel, the norms'
float32 weights, rotary tables in 1/32768, and the vocabulary. Its SHA-256 is the model's
identity: the header of every file coded with it names that digest. One metadata entry,
``ncz``, holds the hyperparameters as JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ncz.codec.errors import ModelError
from ncz.models.language.source import Shape

REVISION = 1
LONGEST = 8192
"""Positions that rotary tables are made for: no window is longer."""


@dataclass(frozen=True)
class Linear:
    """A matrix product y = x W^T by integers.

    Attributes:
        weight: int8[outputs, inputs].
        scale: float32[outputs], what one unit of each row is worth.
    """

    weight: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class Layer:
    """One transformer layer. The norms after the sublayers are Gemma's, None elsewhere.

    Attributes:
        qkv: queries, keys and values in one product, in this order.
        out: from the attention's heads to the residual.
        gate_up: both inputs of the gated unit, the gate first.
        down: back to the residual.
        norm_in, norm_mid: float32[width], before attention and before the feed-forward part.
        norm_q, norm_k: float32[head_width] or None.
        norm_attention, norm_feed: float32[width] or None, after each of both.
        sliding: keys that a query sees, itself included; 0 for all.
    """

    qkv: Linear
    out: Linear
    gate_up: Linear
    down: Linear
    norm_in: np.ndarray
    norm_mid: np.ndarray
    norm_q: np.ndarray | None
    norm_k: np.ndarray | None
    norm_attention: np.ndarray | None
    norm_feed: np.ndarray | None
    sliding: int


@dataclass(frozen=True)
class Exact:
    """A whole model, as arrays of the main memory.

    Attributes:
        name: what the file calls itself.
        shape: its hyperparameters.
        embedding: int8[tokens, width] with a scale per token: the input's rows, and the
            output's where `head` is None.
        head: the output's rows, or None where they are the embedding's.
        layers: in order.
        norm: float32[width], before the output.
        rotary, rotary_local: int16[2, positions, head_width / 2], cosines and sines in 1/32768;
            the local one for layers that slide.
        vocabulary: tensors by their names without ``vocab.``.
    """

    name: str
    shape: Shape
    embedding: Linear
    head: Linear | None
    layers: tuple[Layer, ...]
    norm: np.ndarray
    rotary: np.ndarray
    rotary_local: np.ndarray | None
    vocabulary: dict[str, np.ndarray]


def load(path: Path) -> Exact:
    """The model in the exact file at `path`. The caller has checked its digest.

    Raises:
        ModelError: this is no exact file, or one of another revision.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            head = json.loads((file.metadata() or {}).get("ncz", "{}"))
            if head.get("revision") != REVISION:
                raise ModelError(
                    f"{path} is no exact model of revision {REVISION}; remove it and fetch the "
                    "model again with ncz models pull"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise ModelError(
            f"{path} is no whole model file ({error}); fetch it again with ncz models pull"
        ) from None
    return _assemble(head, tensors)


def _assemble(head: dict[str, object], tensors: dict[str, np.ndarray]) -> Exact:
    shape = Shape(**head["shape"])  # type: ignore[arg-type]

    def linear(name: str) -> Linear:
        return Linear(tensors[f"{name}.weight"], tensors[f"{name}.scale"])

    layers = []
    for i in range(shape.layers):
        at = f"layer.{i}"
        slides = shape.sliding > 0 and (i + 1) % shape.sliding_period != 0
        layers.append(
            Layer(
                qkv=linear(f"{at}.qkv"),
                out=linear(f"{at}.out"),
                gate_up=linear(f"{at}.gate_up"),
                down=linear(f"{at}.down"),
                norm_in=tensors[f"{at}.norm_in"],
                norm_mid=tensors[f"{at}.norm_mid"],
                norm_q=tensors.get(f"{at}.norm_q"),
                norm_k=tensors.get(f"{at}.norm_k"),
                norm_attention=tensors.get(f"{at}.norm_attention"),
                norm_feed=tensors.get(f"{at}.norm_feed"),
                sliding=shape.sliding if slides else 0,
            )
        )
    return Exact(
        name=str(head["name"]),
        shape=shape,
        embedding=linear("embedding"),
        head=linear("head") if "head.weight" in tensors else None,
        layers=tuple(layers),
        norm=tensors["norm"],
        rotary=tensors["rotary"],
        rotary_local=tensors.get("rotary_local"),
        vocabulary={
            name.removeprefix("vocab."): tensor
            for name, tensor in tensors.items()
            if name.startswith("vocab.")
        },
    )
