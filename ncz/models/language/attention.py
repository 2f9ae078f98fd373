"""Attention in integers: the same sums whether one query is computed or a thousand.

Scores are int8 products, exact. A weight is 2^(score - largest), rounded to 14 bits after it
took in the scale of its value vector; the weights' sum is kept at 20 bits. Values are int8, so
what is summed up is integers again. Queries of a whole chunk go through matrix products
(:func:`weigh` between them), a few queries with long pasts through :func:`attend`.

Source: Vaswani et al., "Attention Is All You Need" (2017); grouped queries: Ainslie et al.,
"GQA" (2023).
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language.arithmetic import LOWEST, exp2, nearest
from ncz.models.language.rows import highest

WEIGHT = np.float32(16383)  # of the largest weight: two limbs of seven bits
BLOCK = 64  # numbers that a compiled loop takes at once: widths of heads are mostly multiples
_SUM_ONE = np.float32(1 << 20)  # of the weights' sum
_LOG2_E = 1.4426950408889634


def query_factor(head_width: int) -> np.float32:
    """What scores are multiplied by: log2(e) / √width, so that weights are powers of two."""
    return np.float32(_LOG2_E / float(head_width) ** 0.5)


@jit
def keep(
    new_keys: np.ndarray,
    new_key_scale: np.ndarray,
    new_values: np.ndarray,
    new_value_scale: np.ndarray,
    streams: np.ndarray,
    position: np.ndarray,
    keys: np.ndarray,
    key_scale: np.ndarray,
    kept_values: np.ndarray,
    value_scale: np.ndarray,
    most: np.ndarray,
) -> None:
    """Put the keys and values of new tokens where :func:`attend` and the products find them.

    ``most`` keeps the largest scale of all values up to a position. Shapes as in :func:`attend`,
    new ones int8[kv_heads, rows, width] and float32[kv_heads, rows].
    """
    for r in range(streams.size):
        s = streams[r]
        at = position[r]
        for h in range(new_keys.shape[0]):
            keys[s, h, at] = new_keys[h, r]
            kept_values[s, h, at] = new_values[h, r]
            key_scale[s, h, at] = new_key_scale[h, r]
            scale = new_value_scale[h, r]
            value_scale[s, h, at] = scale
            most[s, h, at] = scale if at == 0 else max(most[s, h, at - 1], scale)


@jit
def _softmax(
    scores: np.ndarray,
    key_scale: np.ndarray,
    value_scale: np.ndarray,
    query_unit: float,
    most_value: float,
    exponents: np.ndarray,
) -> float:
    """Weights in place of int32[keys] scores; what a unit is worth. The rest is float32[keys]."""
    # All arrays begin at 0 and are of one size: loops over them are vectorized.
    for j in range(scores.size):
        t = np.float32(scores[j]) * key_scale[j]
        exponents[j] = t * query_unit
    top = highest(exponents)
    turn = np.float32(0)
    if most_value > np.float32(0):
        turn = WEIGHT / most_value
    total = np.int64(0)
    for j in range(scores.size):
        p = exp2(max(exponents[j] - top, LOWEST))
        total += np.int64(np.int32(nearest(p * np.float32(1048576.0))))
        v = value_scale[j] * turn
        scores[j] = np.int32(nearest(p * v))
    unit = most_value / WEIGHT
    share = np.float32(total) / np.float32(1048576.0)
    return unit / share


@jit
def weigh(
    scores: np.ndarray,
    key_scale: np.ndarray,
    value_scale: np.ndarray,
    most: np.ndarray,
    query_scale: np.ndarray,
    factor: float,
    start: int,
    sliding: int,
    limbs: np.ndarray,
    units: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Turn a chunk's scores into the weights' limbs.

    Args:
        scores: int32[group, rows, keys], overwritten.
        key_scale, value_scale, most: float32[keys].
        query_scale: float32[group, rows].
        factor: see :func:`query_factor`.
        start: position of the first row; row r sees the keys up to start + r.
        sliding: how many of them, or 0 for all.
        limbs: int8[2, group, rows, keys], written: weight = 128 · first + second.
        units: float32[group, rows], written.
        first, last: rows.
    """
    keys = scores.shape[2]
    exponents = np.empty(keys, np.float32)
    for g in range(scores.shape[0]):
        for r in range(first, last):
            end = start + r + 1
            begin = max(0, end - sliding) if sliding else 0
            row = scores[g, r, begin:end]
            units[g, r] = _softmax(
                row,
                key_scale[begin:end],
                value_scale[begin:end],
                query_scale[g, r] * factor,
                most[end - 1],
                exponents[begin:end],
            )
            limbs[0, g, r, :begin] = 0
            limbs[1, g, r, :begin] = 0
            limbs[0, g, r, end:] = 0
            limbs[1, g, r, end:] = 0
            high = limbs[0, g, r, begin:end]
            low = limbs[1, g, r, begin:end]
            for j in range(row.size):
                high[j] = np.int8(row[j] >> np.int32(7))
                low[j] = np.int8(row[j] & np.int32(127))


@jit
def gather(product: np.ndarray, units: np.ndarray, out: np.ndarray, first: int, last: int) -> None:
    """The heads' results: int32[2, group, rows, width] to float32[rows, group · width]."""
    width = product.shape[3]
    for g in range(product.shape[1]):
        for r in range(first, last):
            high = product[0, g, r]
            low = product[1, g, r]
            target = out[r, g * width : (g + 1) * width]
            for c in range(width):
                both = np.int64(high[c]) * 128 + np.int64(low[c])
                target[c] = np.float32(both) * units[g, r]


@jit
def _scores(query: np.ndarray, keys: np.ndarray, scores: np.ndarray) -> None:
    """int32[keys]: products of int8[blocks, BLOCK] with int8[keys, blocks, BLOCK]."""
    for b in range(query.shape[0]):
        # A loop of a length that the compiler knows becomes a few instructions.
        q = query[b]
        for j in range(scores.size):
            key = keys[j, b]
            dot = np.int32(0)
            for c in range(BLOCK):
                dot = np.int32(dot + np.int32(q[c]) * np.int32(key[c]))
            scores[j] = dot if b == 0 else np.int32(scores[j] + dot)


@jit
def _sums(weights: np.ndarray, values: np.ndarray, part: np.ndarray) -> None:
    """Add int8[keys, blocks, BLOCK] values, weighted, to int32[blocks, BLOCK]."""
    fours = weights.size >> 2
    for b in range(part.shape[0]):
        sums = part[b]
        for i in range(fours):
            j = 4 * i
            v0, v1, v2, v3 = values[j, b], values[j + 1, b], values[j + 2, b], values[j + 3, b]
            w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
            for c in range(BLOCK):
                s = np.int32(np.int32(w0 * np.int32(v0[c])) + np.int32(w1 * np.int32(v1[c])))
                t = np.int32(np.int32(w2 * np.int32(v2[c])) + np.int32(w3 * np.int32(v3[c])))
                sums[c] = np.int32(sums[c] + np.int32(s + t))
        for j in range(4 * fours, weights.size):
            value = values[j, b]
            weight = weights[j]
            for c in range(BLOCK):
                sums[c] = np.int32(sums[c] + np.int32(weight * np.int32(value[c])))


@jit
def attend(
    queries: np.ndarray,
    query_scale: np.ndarray,
    keys: np.ndarray,
    key_scale: np.ndarray,
    kept_values: np.ndarray,
    value_scale: np.ndarray,
    most: np.ndarray,
    streams: np.ndarray,
    position: np.ndarray,
    factor: float,
    sliding: int,
    out: np.ndarray,
    first: int,
    last: int,
) -> None:
    """One query per row, each with its own stream's past.

    Args:
        queries, query_scale: int8[heads, rows, width] and float32[heads, rows].
        keys, kept_values: int8[streams, kv_heads, positions, width].
        key_scale, value_scale, most: float32[streams, kv_heads, positions].
        streams, position: int64[rows]: which stream, and where in it; keys up to there count.
        factor, sliding: as in :func:`weigh`.
        out: float32[rows, heads · width], written.
        first, last: of the rows · kv_heads pieces of work, the rows' index running slower.
    """
    kv = keys.shape[1]
    whole_blocks = keys.shape[3] % BLOCK == 0
    width = keys.shape[3]
    group = queries.shape[0] // kv
    capacity = keys.shape[2]
    exponents = np.empty(capacity, np.float32)
    scores = np.empty((group, capacity), np.int32)
    total = np.empty((group, width), np.int32)
    for piece in range(first, last):
        r = piece // kv
        h = piece % kv
        s = streams[r]
        end = position[r] + 1
        begin = max(0, end - sliding) if sliding else 0
        if whole_blocks:
            seen_keys = keys[s, h, begin:end].reshape(end - begin, width // BLOCK, BLOCK)
            for g in range(group):
                query = queries[h * group + g, r].reshape(width // BLOCK, BLOCK)
                _scores(query, seen_keys, scores[g, begin:end])
        else:
            for j in range(begin, end):
                key = keys[s, h, j]
                for g in range(group):
                    query = queries[h * group + g, r]
                    dot = np.int32(0)
                    for c in range(width):
                        dot = np.int32(dot + np.int32(np.int32(query[c]) * np.int32(key[c])))
                    scores[g, j] = dot
        for g in range(group):
            unit = _softmax(
                scores[g, begin:end],
                key_scale[s, h, begin:end],
                value_scale[s, h, begin:end],
                query_scale[h * group + g, r] * factor,
                most[s, h, end - 1],
                exponents[begin:end],
            )
            target = out[r, (h * group + g) * width : (h * group + g + 1) * width]
            exact = np.zeros(width, np.int64)
            at = begin
            while at < end:
                # 14-bit weights times 7-bit values: 1,024 of them stay below 2^31.
                stop = min(at + 1024, end)
                total[g] = 0
                part = total[g]
                if whole_blocks:
                    seen = kept_values[s, h, at:stop].reshape(stop - at, width // BLOCK, BLOCK)
                    _sums(scores[g, at:stop], seen, part.reshape(width // BLOCK, BLOCK))
                else:
                    for j in range(at, stop):
                        weight = scores[g, j]
                        value = kept_values[s, h, j]
                        for c in range(width):
                            part[c] = np.int32(part[c] + np.int32(weight * np.int32(value[c])))
                for c in range(width):
                    exact[c] += np.int64(part[c])
                at = stop
            for c in range(width):
                target[c] = np.float32(exact[c]) * unit
