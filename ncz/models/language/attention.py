"""Attention in integers: the same sums whether one query is computed or a thousand.

Scores are int8 products, exact. A weight is 2^(score - largest), rounded to 14 bits after it
took in the scale of its value vector; the weights' sum is kept at 20 bits. Values are int8, so
what is summed up is integers again. Both sums are products by panels
(:mod:`ncz.models.language.panels`), and the cache lies in panels already: keys sixteen
positions to a panel, values sixteen numbers to a panel with the positions as terms, all
panels side by side.

Streams that begin with the same tokens have the same keys and values of these, which are kept
once. Several of their queries go through them at once, for what attention takes is the time to
fetch them; the sums are the same.

Source: Vaswani et al., "Attention Is All You Need" (2017); grouped queries: Ainslie et al.,
"GQA" (2023).
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language.arithmetic import LOWEST, exp2, nearest
from ncz.models.language.panels import LANES, times
from ncz.models.language.rows import highest

WEIGHT = np.float32(16383)  # of the largest weight
_PIECE = 512  # positions whose values are summed up at once: 14 + 7 + 9 bits are below 2³¹
_TOGETHER = 24  # queries that go through what they all see at once
_APART = 32  # numbers between rows, which in steps of 4 KiB would push each other out of the cache
_SUM_ONE = np.float32(1 << 20)  # of the weights' sum
_SUMMED = 1024  # of these, which make less than 2³¹
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
    """Put the keys and values of new tokens where :func:`attend` finds them.

    ``most`` keeps the largest scale of all values up to a position. Shapes as in :func:`attend`,
    new ones int8[kv_heads, rows, width] and float32[kv_heads, rows].
    """
    for r in range(streams.size):
        s = streams[r]
        at = position[r]
        for h in range(new_keys.shape[0]):
            panel = keys[s, h, at // LANES]
            new = new_keys[h, r]
            for c in range(new.size):
                panel[c >> 1, at % LANES, c & 1] = new[c]
            new = new_values[h, r]
            for c in range(new.size):
                kept_values[s, h, at >> 1, c, at & 1] = new[c]
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
    weights: np.ndarray,
) -> float:
    """int32[keys] scores to int16[keys] weights; what a unit is worth. Else float32[keys]."""
    # All arrays begin at 0 and are of one size: loops over them are vectorized.
    for j in range(scores.size):
        t = np.float32(scores[j]) * key_scale[j]
        exponents[j] = t * query_unit
    top = highest(exponents)
    turn = np.float32(0)
    if most_value > np.float32(0):
        turn = WEIGHT / most_value
    total = np.int64(0)
    for first in range(0, scores.size, _SUMMED):
        # Sums of 32 bits are twice as many at once.
        count = min(_SUMMED, scores.size - first)
        e, v, w = exponents[first:], value_scale[first:], weights[first:]
        some = np.int32(0)
        for j in range(count):
            p = exp2(max(e[j] - top, LOWEST))
            some = np.int32(some + np.int32(nearest(p * _SUM_ONE)))
            w[j] = np.int16(np.int32(nearest(p * np.float32(v[j] * turn))))
        total += np.int64(some)
    unit = most_value / WEIGHT
    share = np.float32(total) / _SUM_ONE
    return unit / share


@jit
def attend(
    queries: np.ndarray,
    query_scale: np.ndarray,
    keys: np.ndarray,
    key_scale: np.ndarray,
    kept_values: np.ndarray,
    value_scale: np.ndarray,
    most: np.ndarray,
    shared: np.ndarray,
    streams: np.ndarray,
    position: np.ndarray,
    factor: float,
    sliding: int,
    out: np.ndarray,
) -> None:
    """One query per row and head, each with its own stream's past. Rows may be of one stream.

    Args:
        queries: int16[kv_heads, rows, group, width], of 8 bits.
        query_scale: float32[kv_heads, rows, group].
        keys: int8[streams, kv_heads, panels of positions, width / 2, LANES, 2].
        kept_values: int8[streams, kv_heads, positions / 2, width in whole panels, 2].
        key_scale, value_scale, most: float32[streams, kv_heads, positions].
        shared: int64[streams]: keys and values of the first so many positions are the first
            stream's, and there alone; whole panels, and 0 where `sliding`.
        streams, position: int64[rows]: which stream, and where in it; keys up to there count.
        factor: see :func:`query_factor`.
        sliding: how many of them, or 0 for all.
        out: float32[rows, kv_heads · group · width], written.
    """
    kv, count, group, width = queries.shape
    room = keys.shape[2] * LANES
    wide = kept_values.shape[3]
    most_rows = max(1, _TOGETHER // group)
    step = room + _APART
    scores = np.empty((most_rows * group, step), np.int32)
    weights = np.empty((most_rows * group, step), np.int16)
    units = np.empty(most_rows * group, np.float32)
    exponents = np.empty(room, np.float32)
    part = np.empty((most_rows * group, wide), np.int32)
    exact = np.empty((most_rows * group, wide), np.int64)
    r = 0
    while r < count:
        some = _run(streams, position, r, most_rows)
        lead, joint = streams[r], position[r] + some  # whose keys all of these see, and how many
        if 0 < shared[lead] <= position[r]:
            joint = shared[lead]
            some = _sharing(shared, streams, position, r, most_rows)
            lead = 0
        rows = some * group
        low = max(0, position[r] + 1 - sliding) if sliding else 0
        low -= low % LANES
        for h in range(kv):
            query = (h * count + r) * group * width
            past = (lead * kv + h) * room * width
            times(
                queries,
                query,
                width,
                rows,
                keys,
                past + low * width,
                (joint - low + LANES - 1) // LANES,
                LANES * width,
                2 * LANES,
                width >> 1,
                scores,
                0,
                step,
            )
            for k in range(some):
                now = position[r + k]
                if now < joint:
                    continue
                past = (streams[r + k] * kv + h) * room * width
                times(
                    queries,
                    query + k * group * width,
                    width,
                    group,
                    keys,
                    past + joint * width,
                    (now + LANES - joint) // LANES,
                    LANES * width,
                    2 * LANES,
                    width >> 1,
                    scores,
                    k * group * step + joint - low,
                    step,
                )
            for k in range(rows):
                s, now = streams[r + k // group], position[r + k // group]
                begin = max(0, now + 1 - sliding) if sliding else 0
                end = max(joint, now + 1)
                units[k] = _softmax(
                    scores[k, begin - low : now + 1 - low],
                    key_scale[s, h, begin : now + 1],
                    value_scale[s, h, begin : now + 1],
                    query_scale[h, r + k // group, k % group] * factor,
                    most[s, h, now],
                    exponents[: now + 1 - begin],
                    weights[k, begin - low : now + 1 - low],
                )
                weights[k, : begin - low] = 0
                weights[k, now + 1 - low : end - low + (end & 1)] = 0
            exact[:rows] = 0
            past = (lead * kv + h) * room * wide
            _sum_up(weights, 0, step, rows, kept_values, past, low, low, joint, wide, part, exact)
            for k in range(some):
                now = position[r + k]
                if now < joint:
                    continue
                past = (streams[r + k] * kv + h) * room * wide
                _sum_up(
                    weights,
                    k * group,
                    step,
                    group,
                    kept_values,
                    past,
                    low,
                    joint,
                    now + 1,
                    wide,
                    part,
                    exact,
                )
            for k in range(rows):
                first = (h * group + k % group) * width
                target = out[r + k // group, first : first + width]
                for c in range(width):
                    target[c] = np.float32(exact[k, c]) * units[k]
        r += some


@jit
def _run(streams: np.ndarray, position: np.ndarray, r: int, most: int) -> int:
    """How many rows from `r` on are tokens of one stream that follow each other."""
    some = 1
    while (
        some < most
        and r + some < streams.size
        and streams[r + some] == streams[r]
        and position[r + some] == position[r] + some
    ):
        some += 1
    return some


@jit
def _sharing(
    shared: np.ndarray, streams: np.ndarray, position: np.ndarray, r: int, most: int
) -> int:
    """How many rows from `r` on see as many of the first stream's keys as that one."""
    some = 1
    while (
        some < most
        and r + some < streams.size
        and shared[streams[r + some]] == shared[streams[r]]
        and position[r + some] >= shared[streams[r]]
    ):
        some += 1
    return some


@jit
def _sum_up(
    weights: np.ndarray,
    row: int,
    step: int,
    rows: int,
    kept_values: np.ndarray,
    past: int,
    low: int,
    begin: int,
    end: int,
    wide: int,
    part: np.ndarray,
    exact: np.ndarray,
) -> None:
    """Add values from `begin` to `end`, by weights that begin at `low`, to some of the sums."""
    for at in range(begin, end, _PIECE):
        times(
            weights,
            row * step + at - low,
            step,
            rows,
            kept_values,
            past + at * wide,
            wide // LANES,
            2 * LANES,
            2 * wide,
            (min(_PIECE, end - at) + 1) >> 1,
            part,
            0,
            wide,
        )
        for k in range(rows):
            for c in range(wide):
                exact[row + k, c] += np.int64(part[k, c])
