"""What happens between products, token by token, compiled.

Every function works on rows `first` to `last` of its arrays, each row by itself, so rows may
be shared out among threads or batched in any way. Activations go into products as 12-bit
integers, int16 with one scale per row. A product may have more columns than are meant: those
after the outputs that it is of are not looked at.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language.arithmetic import (
    BYTE,
    LARGEST,
    SMALLEST,
    WIDE,
    gelu,
    nearest,
    sigmoid,
)


@jit
def largest(values: np.ndarray) -> float:
    """The largest magnitude in float32[n]. As integers: their order is the same, and faster."""
    bits = values.view(np.int32)
    most = np.int32(0)
    for c in range(bits.size):
        most = max(most, np.int32(bits[c] & np.int32(0x7FFFFFFF)))
    whole = np.empty(1, np.int32)
    whole[0] = most
    return whole.view(np.float32)[0]


@jit
def highest(values: np.ndarray) -> float:
    """The largest of float32[n], by integers in the same order: negative ones are turned round."""
    bits = values.view(np.int32)
    best = np.int32(-0x7FFFFFFF)
    for c in range(bits.size):
        b = bits[c]
        best = max(best, np.int32(b ^ np.int32((b >> np.int32(31)) & np.int32(0x7FFFFFFF))))
    whole = np.empty(1, np.int32)
    whole[0] = best ^ np.int32((best >> np.int32(31)) & np.int32(0x7FFFFFFF))
    return whole.view(np.float32)[0]


@jit
def _short(values: np.ndarray, out: np.ndarray) -> float:
    """float32[n] as int16[n] of 12 bits; what a unit is worth."""
    most = largest(values)
    if most < SMALLEST:
        out[:] = 0
        return np.float32(0)
    turn = LARGEST / most
    for c in range(values.size):
        out[c] = np.int16(np.int32(nearest(values[c] * turn)))
    return most / LARGEST


@jit
def _inverse_rms(values: np.ndarray, epsilon: float) -> float:
    """1 / √(mean square + epsilon) of float32[n], from exact sums."""
    most = largest(values)
    if most < SMALLEST:
        return np.float32(1.0 / np.sqrt(epsilon))
    turn = WIDE / most
    total = np.int64(0)
    for c in range(values.size):
        q = np.int32(nearest(values[c] * turn))
        total += np.int64(np.int32(q * q))
    unit = np.float64(most / WIDE)
    mean = np.float64(total) / np.float64(values.size)
    square = unit * unit
    square = mean * square
    square = square + epsilon
    return np.float32(1.0 / np.sqrt(square))


@jit
def norm(
    x: np.ndarray,
    weight: np.ndarray,
    epsilon: float,
    out: np.ndarray,
    scale: np.ndarray,
    first: int,
    last: int,
) -> None:
    """RMS norm of float32[rows, n] as int16[rows, n], with scale float32[rows].

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
    """
    y = np.empty(x.shape[1], np.float32)
    for r in range(first, last):
        row = x[r]
        for c in range(row.size):
            y[c] = row[c] * weight[c]
        unit = _short(y, out[r])
        scale[r] = unit * _inverse_rms(row, epsilon)


@jit
def short(x: np.ndarray, out: np.ndarray, scale: np.ndarray, first: int, last: int) -> None:
    """float32[rows, n] as int16[rows, n], as it is, with scale float32[rows]."""
    for r in range(first, last):
        scale[r] = _short(x[r], out[r])


@jit
def values(product: np.ndarray, unit: float, scale: np.ndarray, out: np.ndarray) -> None:
    """One row of a product, int32[n or more], as float32[n]."""
    for c in range(out.size):
        v = np.float32(product[c]) * unit
        out[c] = v * scale[c]


@jit
def add(
    x: np.ndarray,
    product: np.ndarray,
    units: np.ndarray,
    scale: np.ndarray,
    after: np.ndarray,
    epsilon: float,
    first: int,
    last: int,
) -> None:
    """Add a product to the residual float32[rows, n]; normed first where `after` is not empty."""
    y = np.empty(x.shape[1], np.float32)
    for r in range(first, last):
        values(product[r], units[r], scale, y)
        row = x[r]
        if after.size:
            factor = _inverse_rms(y, epsilon)
            for c in range(y.size):
                v = y[c] * factor
                v = v * after[c]
                row[c] = row[c] + v
        else:
            for c in range(y.size):
                row[c] = row[c] + y[c]


@jit
def gated(
    product: np.ndarray,
    units: np.ndarray,
    scale: np.ndarray,
    with_gelu: bool,
    out: np.ndarray,
    out_scale: np.ndarray,
    first: int,
    last: int,
) -> None:
    """The gated unit: product int32[rows, 2 n], gate first, as int16[rows, n].

    Source: Shazeer, "GLU Variants Improve Transformer" (2020).
    """
    n = scale.size >> 1
    both = np.empty(2 * n, np.float32)
    y = np.empty(n, np.float32)
    for r in range(first, last):
        values(product[r], units[r], scale, both)
        gate = both[:n]
        up = both[n:]
        if with_gelu:
            for c in range(n):
                y[c] = gelu(gate[c]) * up[c]
        else:
            for c in range(n):
                g = gate[c]
                g = g * sigmoid(g)
                y[c] = g * up[c]
        out_scale[r] = _short(y, out[r])


@jit
def _bytes(values: np.ndarray, out: np.ndarray) -> float:
    """float32[n] as 8 bits in int8[n] or int16[n]; what a unit is worth."""
    most = largest(values)
    if most < SMALLEST:
        out[:] = 0
        return np.float32(0)
    turn = BYTE / most
    for c in range(values.size):
        out[c] = np.int8(np.int32(nearest(values[c] * turn)))
    return most / BYTE


@jit
def _rotate(v: np.ndarray, cosine: np.ndarray, sine: np.ndarray, out: np.ndarray) -> None:
    half = v.size >> 1
    low = v[:half]
    high = v[half:]
    for c in range(half):
        cos = np.float32(cosine[c]) * np.float32(1 / 32768)
        sin = np.float32(sine[c]) * np.float32(1 / 32768)
        a = low[c] * cos
        b = high[c] * sin
        out[c] = a - b
        a = high[c] * cos
        b = low[c] * sin
        out[half + c] = a + b


@jit
def heads(
    product: np.ndarray,
    units: np.ndarray,
    scale: np.ndarray,
    width: int,
    rotary: np.ndarray,
    position: np.ndarray,
    norm_q: np.ndarray,
    norm_k: np.ndarray,
    epsilon: float,
    queries: np.ndarray,
    query_scale: np.ndarray,
    keys: np.ndarray,
    key_scale: np.ndarray,
    kept_values: np.ndarray,
    value_scale: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Queries, keys and values of each token, rotated, as int8 with one scale per head.

    Args:
        product: int32[rows, (heads + 2 kv_heads) width].
        units, scale: of the product's rows and columns.
        width: of a head.
        rotary: int16[2, positions, width / 2].
        position: int64[rows].
        norm_q, norm_k: float32[width], or empty where heads are not normed.
        epsilon: of that norm.
        queries, query_scale: int16[kv_heads, rows, group, width] and float32 of each but the
            last, written; of 8 bits.
        keys, key_scale, kept_values, value_scale: int8[kv_heads, rows, width] and float32 of
            each but the last, written.
        first, last: rows.
    """
    kv = keys.shape[0]
    group = queries.shape[2]
    count = kv * group
    all_values = np.empty(scale.size, np.float32)
    turned = np.empty(width, np.float32)
    normed = np.empty(width, np.float32)
    for r in range(first, last):
        values(product[r], units[r], scale, all_values)
        cosine = rotary[0, position[r]]
        sine = rotary[1, position[r]]
        for h in range(count + kv):
            v = all_values[h * width : (h + 1) * width]
            weight = norm_q if h < count else norm_k
            if weight.size:
                factor = _inverse_rms(v, epsilon)
                for c in range(width):
                    y = v[c] * factor
                    normed[c] = y * weight[c]
                _rotate(normed, cosine, sine, turned)
            else:
                _rotate(v, cosine, sine, turned)
            if h < count:
                k, g = h // group, h % group
                query_scale[k, r, g] = _bytes(turned, queries[k, r, g])
            else:
                key_scale[h - count, r] = _bytes(turned, keys[h - count, r])
        for h in range(kv):
            v = all_values[(count + kv + h) * width : (count + kv + h + 1) * width]
            value_scale[h, r] = _bytes(v, kept_values[h, r])


@jit
def embed(
    tokens: np.ndarray,
    weight: np.ndarray,
    scale: np.ndarray,
    factor: float,
    x: np.ndarray,
    first: int,
    last: int,
) -> None:
    """The residual's start: rows of the embedding, times `factor`."""
    for r in range(first, last):
        unit = scale[tokens[r]] * factor
        row = weight[tokens[r]]
        for c in range(row.size):
            x[r, c] = np.float32(row[c]) * unit
