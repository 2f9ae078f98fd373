"""The whole network as one compiled function: some tokens in, their residuals out.

Nothing in it waits for another thread, so whoever has several streams or windows to compute
gives each thread its own. All weights lie in the order in which they are read, layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language import attention, rows
from ncz.models.language.exact import Exact, Linear
from ncz.models.language.panels import multiply, pack

MATRICES = ("qkv", "out", "gate_up", "down")
"""Of a layer, by their names."""


class Weights(NamedTuple):
    """A model's layers, one above the other.

    Attributes:
        qkv, out, gate_up, down: int8[layers, blocks, pairs, panels, LANES, 2].
        qkv_scale, out_scale, gate_up_scale, down_scale: float32[layers, outputs].
        norm_in, norm_mid: float32[layers, width].
        norm_q, norm_k: float32[layers, head_width], or of no width.
        norm_attention, norm_feed: float32[layers, width], or of no width.
        sliding: int64[layers]: keys that a query sees, 0 for all.
        rotary: int16[2, 2, positions, head_width / 2]: for layers that see all, and that slide.
        head_width: numbers in a head.
        epsilon: of the norms.
        factor: of scores.
        with_gelu: whether the gated unit's gate is a GELU.
    """

    qkv: np.ndarray
    out: np.ndarray
    gate_up: np.ndarray
    down: np.ndarray
    qkv_scale: np.ndarray
    out_scale: np.ndarray
    gate_up_scale: np.ndarray
    down_scale: np.ndarray
    norm_in: np.ndarray
    norm_mid: np.ndarray
    norm_q: np.ndarray
    norm_k: np.ndarray
    norm_attention: np.ndarray
    norm_feed: np.ndarray
    sliding: np.ndarray
    rotary: np.ndarray
    head_width: int
    epsilon: float
    factor: np.float32
    with_gelu: bool


class Past(NamedTuple):
    """Keys and values of all layers; shapes as in :func:`attention.attend`, layers first."""

    keys: np.ndarray
    values: np.ndarray
    key_scale: np.ndarray
    value_scale: np.ndarray
    most: np.ndarray
    shared: np.ndarray


def weights_of(model: Exact) -> Weights:
    """The layers of `model`, packed."""
    layers, shape = model.layers, model.shape

    def packed(name: str) -> np.ndarray:
        first = pack(getattr(layers[0], name).weight)
        out = np.empty((len(layers), *first.shape), np.int8)
        for i, layer in enumerate(layers):
            out[i] = pack(getattr(layer, name).weight)
        return out

    def scales(name: str) -> np.ndarray:
        linears: list[Linear] = [getattr(layer, name) for layer in layers]
        return np.stack([linear.scale for linear in linears])

    def norms(name: str) -> np.ndarray:
        found = [getattr(layer, name) for layer in layers]
        none = np.empty(0, np.float32)
        return np.stack([none if norm is None else norm for norm in found])

    local = model.rotary if model.rotary_local is None else model.rotary_local
    products = [packed(name) for name in MATRICES]
    of_rows = [scales(name) for name in MATRICES]
    some = ("norm_in", "norm_mid", "norm_q", "norm_k", "norm_attention", "norm_feed")
    arrays = products + of_rows + [norms(name) for name in some]
    fixed = (shape.head_width, shape.epsilon, attention.query_factor(shape.head_width))
    return Weights._make(
        (
            *arrays,
            np.array([layer.sliding for layer in layers], np.int64),
            np.stack([model.rotary, local]),
            *fixed,
            shape.architecture == "gemma3",
        )
    )


class Between(NamedTuple):
    """What passes from step to step, some rows of it; `units` always belong to the last one."""

    units: np.ndarray
    inner: np.ndarray
    qkv: np.ndarray
    queries: np.ndarray
    query_scale: np.ndarray
    keys: np.ndarray
    key_scale: np.ndarray
    values: np.ndarray
    value_scale: np.ndarray
    attended: np.ndarray
    short: np.ndarray
    added: np.ndarray
    both: np.ndarray
    gated: np.ndarray


@jit
def _columns(packed: np.ndarray) -> int:
    """Of a product by one of these matrices."""
    return packed.shape[1] * packed.shape[3] * packed.shape[4]


@jit
def between(weights: Weights, past: Past, count: int) -> Between:
    """Room for so many rows."""
    width = weights.norm_in.shape[1]
    head_width = weights.head_width
    kv = past.keys.shape[2]
    heads = weights.qkv_scale.shape[1] // head_width - 2 * kv
    return Between(
        np.empty(count, np.float32),
        np.empty((count, width), np.int16),
        np.empty((count, _columns(weights.qkv)), np.int32),
        np.empty((kv, count, heads // kv, head_width), np.int16),
        np.empty((kv, count, heads // kv), np.float32),
        np.empty((kv, count, head_width), np.int8),
        np.empty((kv, count), np.float32),
        np.empty((kv, count, head_width), np.int8),
        np.empty((kv, count), np.float32),
        np.empty((count, heads * head_width), np.float32),
        np.empty((count, heads * head_width), np.int16),
        np.empty((count, _columns(weights.out)), np.int32),
        np.empty((count, _columns(weights.gate_up)), np.int32),
        np.empty((count, weights.gate_up_scale.shape[1] >> 1), np.int16),
    )


@jit
def forward(
    weights: Weights, past: Past, streams: np.ndarray, position: np.ndarray, x: np.ndarray
) -> None:
    """Take tokens through all layers.

    Args:
        weights: of the model.
        past: holds what precedes each token, and the tokens themselves afterwards.
        streams, position: int64[rows]: whose token a row is, and where it stands. Rows of one
            stream follow each other.
        x: float32[rows, width]: their embeddings, made into the last layer's residuals.
    """
    b = between(weights, past, x.shape[0])
    for i in range(weights.sliding.size):
        before_attention(weights, i, x, b)
        multiply(b.inner, weights.qkv[i], b.qkv)
        attention_of(weights, past, i, streams, position, b)
        multiply(b.short, weights.out[i], b.added)
        after_attention(weights, i, x, b)
        multiply(b.inner, weights.gate_up[i], b.both)
        unit(weights, i, b)
        multiply(b.gated, weights.down[i], b.added)
        after_unit(weights, i, x, b)


def step_by_step(
    weights: Weights,
    past: Past,
    streams: np.ndarray,
    position: np.ndarray,
    x: np.ndarray,
    product: Callable[[np.ndarray, str, int, np.ndarray], None],
) -> None:
    """As :func:`forward`, with products by others.

    Args:
        weights, past, streams, position, x: as there.
        product: writes a product: of these rows, by this matrix of this layer, to there. Of
            columns beyond the matrix's outputs nothing is expected.
    """
    b = between(weights, past, x.shape[0])
    for i in range(weights.sliding.size):
        before_attention(weights, i, x, b)
        product(b.inner, "qkv", i, b.qkv)
        attention_of(weights, past, i, streams, position, b)
        product(b.short, "out", i, b.added)
        after_attention(weights, i, x, b)
        product(b.inner, "gate_up", i, b.both)
        unit(weights, i, b)
        product(b.gated, "down", i, b.added)
        after_unit(weights, i, x, b)


@jit
def before_attention(weights: Weights, i: int, x: np.ndarray, b: Between) -> None:
    """From the residual to what queries, keys and values are made of."""
    rows.norm(x, weights.norm_in[i], weights.epsilon, b.inner, b.units, 0, x.shape[0])


@jit
def attention_of(
    weights: Weights, past: Past, i: int, streams: np.ndarray, position: np.ndarray, b: Between
) -> None:
    """From queries, keys and values to what the heads bring."""
    sliding = weights.sliding[i]
    rows.heads(
        b.qkv,
        b.units,
        weights.qkv_scale[i],
        weights.head_width,
        weights.rotary[1 if sliding else 0],
        position,
        weights.norm_q[i],
        weights.norm_k[i],
        weights.epsilon,
        b.queries,
        b.query_scale,
        b.keys,
        b.key_scale,
        b.values,
        b.value_scale,
        0,
        position.size,
    )
    attention.keep(
        b.keys,
        b.key_scale,
        b.values,
        b.value_scale,
        streams,
        position,
        past.keys[i],
        past.key_scale[i],
        past.values[i],
        past.value_scale[i],
        past.most[i],
    )
    attention.attend(
        b.queries,
        b.query_scale,
        past.keys[i],
        past.key_scale[i],
        past.values[i],
        past.value_scale[i],
        past.most[i],
        past.shared[i],
        streams,
        position,
        weights.factor,
        sliding,
        b.attended,
    )
    rows.short(b.attended, b.short, b.units, 0, position.size)


@jit
def after_attention(weights: Weights, i: int, x: np.ndarray, b: Between) -> None:
    """Add what attention brought, and norm for the gated unit."""
    after = weights.norm_attention[i]
    count = x.shape[0]
    rows.add(x, b.added, b.units, weights.out_scale[i], after, weights.epsilon, 0, count)
    rows.norm(x, weights.norm_mid[i], weights.epsilon, b.inner, b.units, 0, count)


@jit
def unit(weights: Weights, i: int, b: Between) -> None:
    """The gated unit."""
    scale = weights.gate_up_scale[i]
    rows.gated(b.both, b.units, scale, weights.with_gelu, b.gated, b.units, 0, b.units.size)


@jit
def after_unit(weights: Weights, i: int, x: np.ndarray, b: Between) -> None:
    """Add what the gated unit brought."""
    after, scale = weights.norm_feed[i], weights.down_scale[i]
    rows.add(x, b.added, b.units, scale, after, weights.epsilon, 0, x.shape[0])
