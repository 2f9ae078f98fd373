"""A bit by contexts alone: mixed as the coder of context mixing does, with its own weights.

The arithmetic is that of :mod:`ncz.models.contextmix.kernel`, so a text costs the same in both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec.jit import lean
from ncz.codec.tables import LIMIT
from ncz.models.contextmix import kernel as cm
from ncz.models.contextmix.hashing import mix
from ncz.models.contextmix.kernel import squash
from ncz.models.contextmix.textual import LAST4
from ncz.models.text.reading import BUCKET, Reading

_MATCHED, _C0, _TOTAL0, _TOTAL1, _CELL, _APM1, _APM2 = range(7)


class Alone(NamedTuple):
    """What was predicted last."""

    row: np.ndarray  # int64[SETS]
    out: np.ndarray  # int64[SETS]: what each weight set says
    now: np.ndarray  # int64[7]: see the indices


@lean
def predict(
    model: cm.Model,
    alone: Alone,
    reading: Reading,
    v: np.ndarray,
    select: np.ndarray,
    match: np.ndarray,
    bit_at: int,
    c0: int,
) -> int:
    """Probability in 24 bits that bit `bit_at` of a byte, after those in `c0`, is 1."""
    x = reading.x
    row = alone.row
    matched = match[BUCKET, 0] if reading.expects[0] >= 0 else np.int64(0)
    row[0] = c0
    row[1] = reading.order[0] * 256 + c0
    row[2] = (reading.expects[0] + 1) * 256 + c0
    row[3] = (matched * 2 + (reading.expects[1] >= 0)) * 8 + bit_at
    for a in range(4, cm.SETS):
        row[a] = select[a] * 8 + bit_at
    total0 = np.int64(0)
    total1 = np.int64(0)
    for a in range(cm.SETS):
        row[a] += cm.SET_START[a]
        r = row[a]
        dot = np.int64(0)
        for j in range(x.size):
            dot += np.int64(model.weights[r, j]) * np.int64(x[j])
        dot = min(max(dot >> 16, -2047), 2047)
        alone.out[a] = dot
        total0 += dot * np.int64(model.final[c0, a])
        total1 += dot * np.int64(model.final[256 + matched, a])
    total0 = min(max(total0 >> 16, -LIMIT), LIMIT)
    total1 = min(max(total1 >> 16, -LIMIT), LIMIT)
    total = (total0 + total1) >> 1
    scale = min(max(total, -2047), 2047) + 2048
    cell = scale >> 7
    part = scale & 127
    c4 = v[LAST4]
    i0 = matched << 8 | c0
    i1 = (c4 & 0xFF) << 8 | c0
    i2 = (mix(mix(c4 & 0xFFFFFF, 0), c0) >> 20) & 0xFFFF
    q0 = model.apm0[i0, cell] * (128 - part) + model.apm0[i0, cell + 1] * part
    q1 = model.apm1[i1, cell] * (128 - part) + model.apm1[i1, cell + 1] * part
    q2 = model.apm2[i2, cell] * (128 - part) + model.apm2[i2, cell + 1] * part
    now = alone.now
    now[_MATCHED] = matched
    now[_C0] = c0
    now[_TOTAL0] = total0
    now[_TOTAL1] = total1
    now[_CELL] = cell + (part >> 6)
    now[_APM1] = i1
    now[_APM2] = i2
    p1 = ((squash(total) * 2) >> 3) + ((q0 + 2 * q1 + 3 * q2) >> 8)
    return min(max(p1, 1), (1 << 24) - 1)


@lean
def learn(model: cm.Model, alone: Alone, reading: Reading, y: int) -> None:
    """Learn that the bit was `y`."""
    x = reading.x
    now = alone.now
    matched = now[_MATCHED]
    c0 = now[_C0]
    cell = now[_CELL]
    target = y << 22
    i0 = matched << 8 | c0
    model.apm0[i0, cell] += (target - model.apm0[i0, cell]) >> 6
    model.apm1[now[_APM1], cell] += (target - model.apm1[now[_APM1], cell]) >> 6
    model.apm2[now[_APM2], cell] += (target - model.apm2[now[_APM2], cell]) >> 6
    for a in range(cm.SETS):
        r = alone.row[a]
        error = ((y << 16) - (squash(alone.out[a]) >> 8)) * model.rates[cm.RATE]
        for j in range(x.size):
            model.weights[r, j] += (np.int64(x[j]) * error + (1 << 19)) >> 20
    error0 = ((y << 16) - (squash(now[_TOTAL0]) >> 8)) * model.rates[cm.RATE_FINAL]
    error1 = ((y << 16) - (squash(now[_TOTAL1]) >> 8)) * model.rates[cm.RATE_FINAL]
    for a in range(cm.SETS):
        model.final[c0, a] += (alone.out[a] * error0 + (1 << 19)) >> 20
        model.final[256 + matched, a] += (alone.out[a] * error1 + (1 << 19)) >> 20


def fresh() -> Alone:
    """Nothing predicted yet."""
    return Alone(np.zeros(cm.SETS, np.int64), np.zeros(cm.SETS, np.int64), np.zeros(7, np.int64))
