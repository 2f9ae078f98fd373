"""Latents as bits: each a few decisions, whose probabilities are the network's and learn.

A latent's distance from its centre is zero or not, has a sign, and is one more or not until it
stops. The network gives each decision a probability by its scale, from a table; maps that learn
in the picture itself (by scale, by channel, by what neighbours of the same channel turned out to
be) are mixed with it in the logistic domain. A latent whose scale is below `SILENT` is not coded
at all: it lies at its centre.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ncz.codec.jit import jit, lean
from ncz.codec.rangecoder import (
    decode_bit,
    encode_bit,
    finish_encoder,
    start_decoder,
    start_encoder,
)
from ncz.codec.tables import RECIPROCAL
from ncz.models.image.exact import LARGEST, SCALES
from ncz.models.image.tables import DECISIONS, LAW
from ncz.models.text.logistic import WIDE, squash, stretch24

SILENT = 5
"""Scales below this one say that a latent is at its centre, and nobody asks."""

INPUTS = 5
_LIMIT = 255  # of the count behind an adaptive probability
_RATE = 10
_NEAR = 12  # classes of neighbours
_EVEN = 1 << 23


class State(NamedTuple):
    """What learns while a picture's latents are coded."""

    by_scale: np.ndarray  # uint32[SCALES, DECISIONS]: probabilities of 22 bits, then a count
    by_channel: np.ndarray  # uint32[channels, SCALES / 4, DECISIONS]
    by_near: np.ndarray  # uint32[NEAR, SCALES / 2, DECISIONS]
    weights: np.ndarray  # int32[SCALES, DECISIONS, INPUTS]: 65536 is one
    inputs: np.ndarray  # int64[INPUTS]
    coder: np.ndarray  # int64[6]: the range coder's
    cost: np.ndarray  # float64[1]: bits by the probabilities, where asked; float64[0] elsewhere


def state(channels: int, counts: bool = False) -> State:
    """One that has seen nothing: maps say what the network's law says.

    Args:
        channels: of the latents.
        counts: whether to add up what the decisions cost.
    """
    start = (LAW.astype(np.int64) >> 2 << 10).astype(np.uint32)
    quarter = np.repeat(start[None, 2::4], channels, axis=0).copy()
    half = np.repeat(start[None, 1::2], _NEAR, axis=0).copy()
    weights = np.zeros((SCALES, DECISIONS, INPUTS), np.int32)
    weights[:] = np.array([24000, 16000, 12000, 16000, 0])
    return State(
        start.copy(),
        quarter,
        half,
        weights,
        np.zeros(INPUTS, np.int64),
        np.zeros(6, np.int64),
        np.zeros(int(counts)),
    )


@lean
def _input(cell: int) -> int:
    return stretch24(max(min(np.int64(cell >> 10) << 2, (1 << 24) - 4), 4))


@lean
def _moved(cell: int, bit: int) -> int:
    count = np.int64(cell & 1023)
    p = np.int64(cell >> 10)
    p += (((bit << 22) - p) * np.int64(RECIPROCAL[count])) >> 16
    p = min(max(p, 1), (1 << 22) - 1)
    return (p << 10) | min(count + 1, _LIMIT)


@lean
def _decide(
    s: State, data: np.ndarray, writes: bool, bit: int, scale: int, channel: int, near: int, d: int
) -> int:
    """One decision `d` of a latent: codes `bit`, or finds and returns it; learns."""
    x = s.inputs
    by_scale = np.int64(s.by_scale[scale, d])
    by_channel = np.int64(s.by_channel[channel, scale >> 2, d])
    by_near = np.int64(s.by_near[near, scale >> 1, d])
    x[0] = stretch24(np.int64(LAW[scale, d]))
    x[1] = _input(by_scale)
    x[2] = _input(by_channel)
    x[3] = _input(by_near)
    x[4] = 256
    dot = np.int64(0)
    for i in range(INPUTS):
        dot += np.int64(s.weights[scale, d, i]) * x[i]
    dot = min(max(dot >> 16, -WIDE), WIDE)
    p = min(max(squash(dot), 1), (1 << 24) - 1)
    if writes:
        encode_bit(s.coder, data, bit, p)
    else:
        bit = decode_bit(s.coder, data, p)
    if s.cost.size:
        s.cost[0] -= math.log2((p if bit else (1 << 24) - p) / (1 << 24))
    error = ((bit << 16) - (p >> 8)) * _RATE
    for i in range(INPUTS):
        s.weights[scale, d, i] += (x[i] * error + (1 << 19)) >> 20
    s.by_scale[scale, d] = _moved(by_scale, bit)
    s.by_channel[channel, scale >> 2, d] = _moved(by_channel, bit)
    s.by_near[near, scale >> 1, d] = _moved(by_near, bit)
    return bit


@lean
def _even(s: State, data: np.ndarray, writes: bool, bit: int) -> int:
    if s.cost.size:
        s.cost[0] += 1
    if writes:
        encode_bit(s.coder, data, bit, _EVEN)
        return bit
    return decode_bit(s.coder, data, _EVEN)


@lean
def _symbol(
    s: State, data: np.ndarray, writes: bool, value: int, scale: int, channel: int, near: int
) -> int:
    """One latent's distance from its centre."""
    if not _decide(s, data, writes, np.int64(value != 0), scale, channel, near, 0):
        return 0
    negative = _even(s, data, writes, np.int64(value < 0))
    size = abs(value)
    found = 1
    while found < LARGEST:
        d = min(found, DECISIONS - 1)
        if not _decide(s, data, writes, np.int64(size > found), scale, channel, near, d):
            break
        found += 1
    return -found if negative else found


@lean
def _class(rests: np.ndarray, i: int, j: int, c: int) -> int:
    """How large the neighbours of the same channel are that are known."""
    height, width = rests.shape[0], rests.shape[1]
    total = 0
    for a in range(max(i - 1, 0), min(i + 2, height)):
        for b in range(max(j - 1, 0), min(j + 2, width)):
            size = abs(np.int64(rests[a, b, c]))
            total += min(size, 8) * (2 if a == i or b == j else 1)
    if i > 1:
        total += min(abs(np.int64(rests[i - 2, j, c])), 8)
    if j > 1:
        total += min(abs(np.int64(rests[i, j - 2, c])), 8)
    if total < 6:
        return total
    if total < 10:
        return 6 + (total - 6) // 2
    if total < 24:
        return 8 + (total - 10) // 7
    return 10 + min((total - 24) // 24, 1)


@jit
def settle(rests: np.ndarray, scales: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Distances from the centres as integers: zero at scales nobody asks, and else the one above
    where the rest beyond the one below reaches its threshold.

    Args:
        rests: float32 (h, w, channels).
        scales: uint8, the same.
        thresholds: float64 (SCALES, n), by scale and by the integer below, the last for all after.
    """
    height, width, channels = rests.shape
    found = np.zeros((height, width, channels), np.int16)
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                if scales[i, j, c] < SILENT:
                    continue
                size = min(abs(np.float64(rests[i, j, c])), np.float64(LARGEST))
                below = int(size)
                last = min(below, thresholds.shape[1] - 1)
                if size - below >= thresholds[scales[i, j, c], last]:
                    below += 1
                found[i, j, c] = -below if rests[i, j, c] < 0 else below
    return found


@jit
def code_step(
    s: State,
    data: np.ndarray,
    writes: bool,
    values: np.ndarray,
    rests: np.ndarray,
    scales: np.ndarray,
    firsts: np.ndarray,
) -> None:
    """Codes the latents of one step, or finds them.

    Args:
        s: goes on from the step before.
        data: uint8, where coded bytes go to or come from.
        writes: which of both.
        values: int16 (h, w, channels), distances from the centres; read only where `writes`.
        rests: the same, those of the steps before; those of this one are put in.
        scales: uint8 (h, w, channels of a step).
        firsts: int64 (n, n), where these channels begin, by place modulo n.
    """
    height, width, mine = scales.shape
    turns = firsts.shape[0]
    for i in range(height):
        for j in range(width):
            first = firsts[i % turns, j % turns]
            for c in range(mine):
                scale = np.int64(scales[i, j, c])
                if scale < SILENT:
                    continue
                at = first + c
                near = _class(rests, i, j, at)
                value = np.int64(values[i, j, at]) if writes else 0
                rests[i, j, at] = _symbol(s, data, writes, value, scale, at, near)


@jit
def begin(s: State, data: np.ndarray, writes: bool) -> None:
    """Makes the range coder ready."""
    if writes:
        start_encoder(s.coder)
    else:
        start_decoder(s.coder, data)


@jit
def end(s: State, data: np.ndarray) -> int:
    """Writes the last bytes; how many there are in all, which may be more than `data` holds."""
    return finish_encoder(s.coder, data)
