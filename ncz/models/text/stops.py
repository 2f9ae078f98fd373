"""Does the token stop here? What is mixed at a decision between two bytes.

Beside the language model: how often tokens stopped in contexts of their own, most of which
know the token's beginning; the opinions that all decisions have; and charts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec.jit import lean
from ncz.codec.tables import STRETCH12
from ncz.models.contextmix import kernel as cm
from ncz.models.contextmix import textual
from ncz.models.contextmix.hashing import mix
from ncz.models.contextmix.textual import LAST4, LAST8
from ncz.models.text import mixing
from ncz.models.text.mixing import Charts, Mixer
from ncz.models.text.opinions import OPINIONS, SURE

CONTEXTS = 10
_SETS = (SURE, 64, 64)
_START = mixing.starts(_SETS)
_CHARTS = (1 << 12, 1 << 12)
_CHART_START = mixing.starts(_CHARTS)
_LM = 2 * CONTEXTS  # index of the first input of the language models
_BIAS = _LM + 4
FIRST_OPINION = _BIAS + 1
_INPUTS = FIRST_OPINION + OPINIONS
_RATE = 12
_SHARE = 2  # of the mix, beside one of each chart
_LIMIT = 255


class Stops(NamedTuple):
    """All that is learned of stops."""

    mixer: Mixer
    charts: Charts
    table: np.ndarray  # uint32[CONTEXTS, 2^k]: probability << 10 | count
    at: np.ndarray  # int64[CONTEXTS]


@lean
def predict(
    stops: Stops,
    v: np.ndarray,
    prefix: int,
    depth: int,
    before: np.ndarray,
    expected: int,
    sure: int,
) -> int:
    """Probability in 24 bits of going on, after inputs of the models and opinions are set.

    Args:
        stops: what is learned.
        v: the history, see textual.
        prefix: hash of the token so far.
        depth: its length.
        before: the last entries.
        expected: the byte that the match model expects next, | 256, or 0.
        sure: class of what the language model says.
    """
    at = stops.at
    x = stops.mixer.x
    w0 = v[textual.WORD0]
    c1 = v[LAST4] & 0xFF
    at[0] = prefix
    at[1] = mix(prefix, before[0])
    at[2] = mix(prefix, expected)
    at[3] = mix(w0, v[textual.WORD1])
    at[4] = mix(w0, 0)
    at[5] = v[LAST4] & 0xFFFFFF
    at[6] = mix(v[LAST4], v[LAST8] & 0xFF)
    at[7] = mix(prefix, sure)
    at[8] = mix(c1, min(depth, 15) * SURE + sure)
    at[9] = mix(mix(prefix, before[0]), before[1])
    for j in range(CONTEXTS):
        at[j] = (mix(at[j], j + 101) >> 20) & (stops.table.shape[1] - 1)
        entry = np.int64(stops.table[j, at[j]])
        x[2 * j] = 0
        x[2 * j + 1] = 0
        if entry & 1023:
            p = entry >> 20
            x[2 * j] = STRETCH12[p]
            x[2 * j + 1] = (p - 2048) >> 1
    x[_BIAS] = 256
    seen = min((np.int64(stops.table[0, at[0]]) & 1023) // 2, 3)
    row = stops.mixer.row
    row[0] = _START[0] + sure
    row[1] = _START[1] + min(depth, 15) * 4 + seen
    row[2] = _START[2] + (v[textual.SHAPE] & 63)
    row = stops.charts.row
    row[0] = _CHART_START[0] + ((mix(prefix, 0) >> 20) & 4095)
    row[1] = _CHART_START[1] + ((mix(c1, sure) >> 20) & 4095)
    return mixing.refine(stops.charts, mixing.mix(stops.mixer), _SHARE)


@lean
def hear(stops: Stops, st: int, p: int, st2: int, p2: int) -> None:
    """Set what the language models say, in the logistic domain and in 24 bits."""
    x = stops.mixer.x
    x[_LM] = st
    x[_LM + 1] = (p - (1 << 23)) >> 13
    x[_LM + 2] = st2
    x[_LM + 3] = (p2 - (1 << 23)) >> 13 if p2 else 0


@lean
def learn(stops: Stops, y: int) -> None:
    """Learn that the token went on, 1, or stopped, 0."""
    mixing.learn_charts(stops.charts, y)
    mixing.learn_mix(stops.mixer, y, _RATE)
    for j in range(CONTEXTS):
        entry = np.int64(stops.table[j, stops.at[j]])
        stops.table[j, stops.at[j]] = cm.learn(entry, y << 22, _LIMIT)


def share(stops: Stops) -> None:
    """Give a second language model half of what the first one has to say."""
    weights = stops.mixer.weights
    weights[:, _LM : _LM + 2] >>= 1
    weights[:, _LM + 2 : _LM + 4] = weights[:, _LM : _LM + 2]


def fresh(bits: int) -> Stops:
    """What stops begin with, with 2^bits places for each context."""
    weights = np.zeros((sum(_SETS), -(-_INPUTS // 8) * 8), np.int32)
    weights[:, 0:_LM:2] = 3000
    weights[:, _LM] = 50000
    weights[:, FIRST_OPINION : FIRST_OPINION + OPINIONS] = 8000
    return Stops(
        mixing.mixer(weights, len(_SETS)),
        mixing.charts(_CHARTS),
        np.full((CONTEXTS, 1 << bits), 1 << 31, np.uint32),
        np.zeros(CONTEXTS, np.int64),
    )
