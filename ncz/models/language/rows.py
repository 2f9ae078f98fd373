"""What happens between products, token by token, compiled.

Every function works on rows `first` to `last` of its arrays, each row by itself, so rows may
be shared out among threads or batched in any way. Activations go into products as 12-bit
integers in two limbs, with one scale per row: a matrix of limbs has the high limbs of all
rows first and then all low limbs, and its product comes back in the same order.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language.arithmetic import (
    BYTE,
    LARGEST,
    LIMB,
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
def _limbs(values: np.ndarray, limbs: np.ndarray, row: int, rows: int) -> float:
    """Put float32[n] into limbs; what a unit is worth."""
    most = largest(values)
    if most < SMALLEST:
        limbs[row] = 0
        limbs[rows + row] = 0
        return np.float32(0)
    turn = LARGEST / most
    high_row = limbs[row]
    low_row = limbs[rows + row]
    for c in range(values.size):
        q = np.int32(nearest(values[c] * turn))
        high = np.int32((q + np.int32(LIMB // 2)) >> np.int32(4))
        high_row[c] = np.int8(high)
        low_row[c] = np.int8(q - np.int32(high << np.int32(4)))
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
    limbs: np.ndarray,
    scale: np.ndarray,
    first: int,
    last: int,
) -> None:
    """RMS norm of float32[rows, n] into limbs int8[2 rows, n], with scale float32[rows].

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
    """
    y = np.empty(x.shape[1], np.float32)
    for r in range(first, last):
        row = x[r]
        for c in range(row.size):
            y[c] = row[c] * weight[c]
        unit = _limbs(y, limbs, r, x.shape[0])
        scale[r] = unit * _inverse_rms(row, epsilon)


@jit
def plain_limbs(x: np.ndarray, limbs: np.ndarray, scale: np.ndarray, first: int, last: int) -> None:
    """float32[rows, n] into limbs, as it is."""
    for r in range(first, last):
        scale[r] = _limbs(x[r], limbs, r, x.shape[0])


@jit
def _value(product: np.ndarray, row: int, c: int) -> float:
    rows = product.shape[0] >> 1
    both = np.int32(np.int32(product[row, c] * np.int32(LIMB)) + product[rows + row, c])
    return np.float32(both)


@jit
def values(product: np.ndarray, unit: float, scale: np.ndarray, row: int, out: np.ndarray) -> None:
    """One row of a product, int32[2 rows, n], as float32[n]."""
    rows = product.shape[0] >> 1
    high = product[row]
    low = product[rows + row]
    for c in range(out.size):
        both = np.int32(np.int32(high[c] * np.int32(LIMB)) + low[c])
        v = np.float32(both) * unit
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
        values(product, units[r], scale, r, y)
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
    limbs: np.ndarray,
    out_scale: np.ndarray,
    first: int,
    last: int,
) -> None:
    """The gated unit: product int32[2 rows, 2 n], gate first, to limbs int8[2 rows, n].

    Source: Shazeer, "GLU Variants Improve Transformer" (2020).
    """
    n = product.shape[1] >> 1
    rows = product.shape[0] >> 1
    both = np.empty(2 * n, np.float32)
    y = np.empty(n, np.float32)
    for r in range(first, last):
        values(product, units[r], scale, r, both)
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
        out_scale[r] = _limbs(y, limbs, r, rows)


@jit
def _bytes(values: np.ndarray, out: np.ndarray) -> float:
    """float32[n] as int8[n]; what a unit is worth."""
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
        product: int32[2 rows, (heads + 2 kv_heads) width].
        units, scale: of the product's rows and columns.
        width: of a head.
        rotary: int16[2, positions, width / 2].
        position: int64[rows].
        norm_q, norm_k: float32[width], or empty where heads are not normed.
        epsilon: of that norm.
        queries, query_scale: int8[heads, rows, width] and float32[heads, rows], written.
        keys, key_scale, kept_values, value_scale: likewise for the kv_heads.
        first, last: rows.
    """
    count = queries.shape[0]
    kv = keys.shape[0]
    all_values = np.empty(scale.size, np.float32)
    turned = np.empty(width, np.float32)
    normed = np.empty(width, np.float32)
    for r in range(first, last):
        values(product, units[r], scale, r, all_values)
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
                query_scale[h, r] = _bytes(turned, queries[h, r])
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
