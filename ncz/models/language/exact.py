"""The exact file: a language model as integers, ready to run.

A safetensors file with int8 weights and one float32 scale per output channel, the norms'
float32 weights, rotary tables in 1/32768, and the vocabulary. Its SHA-256 is the model's
identity: the header of every file coded with it names that digest. One metadata entry,
``ncz``, holds the hyperparameters as JSON.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ncz.codec.errors import ModelError
from ncz.models.language.source import Shape

REVISION = 1
LONGEST = 16384
"""Positions that rotary tables are made for: no window is longer."""

WIDEST = 8192
"""Terms of any product: 12-bit activations times weights up to 127 then sum up below 2^31."""
_WIDEST_HEAD = 1024  # whose products of int8 sum up below 2^24


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

    @property
    def size(self) -> int:
        """Bytes of the layers' matrices."""
        return sum(
            linear.weight.nbytes
            for layer in self.layers
            for linear in (layer.qkv, layer.out, layer.gate_up, layer.down)
        )


def load(path: Path) -> Exact:
    """The model in the exact file at `path`. The caller has checked its digest.

    Raises:
        ModelError: this is no exact file, or one of another revision, or its parts do not
            belong together.
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
    try:
        return assemble(head, tensors)
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"{path} lacks a part of the model ({error}); fetch it again with ncz models pull"
        ) from None


def assemble(head: dict[str, Any], tensors: dict[str, np.ndarray]) -> Exact:
    """The model of an exact file's metadata and tensors.

    Raises:
        ModelError: it is too wide for exact sums, or its parts do not belong together.
        KeyError, TypeError: a part is missing.
    """
    shape = Shape(**head["shape"])
    check(shape)

    def linear(name: str) -> Linear:
        return Linear(tensors[f"{name}.weight"], tensors[f"{name}.scale"])

    layers = []
    for i in range(shape.layers):
        at = f"layer.{i}"
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
                sliding=shape.sliding if shape.slides(i) else 0,
            )
        )
    model = Exact(
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
    _check_parts(model)
    return model


def check(shape: Shape) -> None:
    """Whether the exact engine can run models of this shape.

    Raises:
        ModelError: it cannot.
    """
    terms = max(shape.width, shape.hidden, shape.heads * shape.head_width)
    if terms > WIDEST or shape.head_width > _WIDEST_HEAD:
        raise ModelError(
            f"the model is {terms} numbers wide with heads of {shape.head_width}, and sums are "
            f"exact up to {WIDEST} and {_WIDEST_HEAD}; choose a smaller model, or use the "
            "llama.cpp engine"
        )
    sizes = (shape.layers, shape.width, shape.hidden, shape.heads, shape.kv_heads)
    widths = (shape.width, shape.hidden, shape.head_width)
    sound = min(sizes) > 0 and not any(width % 2 or width < 1 for width in widths)
    if not sound or shape.heads % shape.kv_heads or not shape.epsilon > 0 or shape.context < 1:
        raise ModelError(
            "the model's numbers of heads, their width, its context or its epsilon cannot be; "
            "fetch the model again"
        )
    bases = (shape.rope_base, shape.rope_base_local)
    if not all(1 <= base < math.inf for base in bases):  # below, the angles are of no use
        raise ModelError(
            "the base of the model's rotary embedding cannot be; fetch the model again"
        )
    if shape.sliding < 0 or shape.sliding_period < 1:
        raise ModelError("the model's layers cannot slide as it says; fetch the model again")


def _check_parts(model: Exact) -> None:
    """Compiled code does not look where an array ends, so all must be as large as they claim."""
    shape = model.shape
    width, head_width, attended = shape.width, shape.head_width, shape.heads * shape.head_width
    tokens = model.vocabulary["offsets"].size - 1
    wanted = [(model.norm, (width,))]
    tables = [model.embedding] + ([] if model.head is None else [model.head])
    if any(len(table.weight) < tokens for table in tables):  # more are padding
        raise _unfitting()
    linear = [(table, (len(table.weight), width)) for table in tables]
    for layer in model.layers:
        linear += [
            (layer.qkv, (attended + 2 * shape.kv_heads * head_width, width)),
            (layer.out, (width, attended)),
            (layer.gate_up, (2 * shape.hidden, width)),
            (layer.down, (width, shape.hidden)),
        ]
        wanted += [(layer.norm_in, (width,)), (layer.norm_mid, (width,))]
        for norm, size in (
            (layer.norm_q, head_width),
            (layer.norm_k, head_width),
            (layer.norm_attention, width),
            (layer.norm_feed, width),
        ):
            if norm is not None:
                wanted.append((norm, (size,)))
        if (layer.norm_q is None) != (layer.norm_k is None):
            raise _unfitting()
    for product, place in linear:
        if product.weight.dtype != np.int8 or product.weight.shape != place:
            raise _unfitting()
        wanted.append((product.scale, place[:1]))
    if any(a.dtype != np.float32 or a.shape != place for a, place in wanted):
        raise _unfitting()
    if not all(np.isfinite(a).all() for a, _ in wanted):
        raise ModelError("the model holds numbers that are infinite or none; fetch it again")
    _check_vocabulary(model)
    turns = [model.rotary] + ([] if model.rotary_local is None else [model.rotary_local])
    half = (2, shape.context, head_width // 2)
    if any(table.dtype != np.int16 or table.shape != half for table in turns):
        raise _unfitting()


_VOCABULARY: dict[str, tuple[np.dtype[Any], int]] = {  # and the number of axes
    "bytes": (np.dtype(np.uint8), 1),
    "offsets": (np.dtype(np.int64), 1),
    "kind": (np.dtype(np.uint8), 1),
    "merges": (np.dtype(np.int32), 2),
    "scores": (np.dtype(np.float32), 1),
}


def _check_vocabulary(model: Exact) -> None:
    found, shape = model.vocabulary, model.shape
    if not {*_VOCABULARY} - {"scores"} <= found.keys() <= {*_VOCABULARY}:
        raise _unfitting()
    if any((found[name].dtype, found[name].ndim) != _VOCABULARY[name] for name in found):
        raise _unfitting()
    if found["merges"].shape[1] != 2 or not isinstance(shape.pre, str):
        raise _unfitting()


def _unfitting() -> ModelError:
    return ModelError("the parts of the model do not fit together; fetch it again")
