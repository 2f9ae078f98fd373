"""A bit by contexts and language models together.

Contexts say what they say alone, but for one input of each: what its bit history has meant given
how sure the language model is, learned as a correction of the model. With the models' own say and
the opinions that all decisions have, that goes through two layers of mixers and the charts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec.jit import lean
from ncz.models.contextmix import kernel as cm
from ncz.models.contextmix.hashing import mix
from ncz.models.contextmix.textual import LAST4
from ncz.models.text import mixing
from ncz.models.text.mixing import Charts, Mixer, learn_residue
from ncz.models.text.opinions import OPINIONS, SURE
from ncz.models.text.reading import BUCKET, Reading, used

SETS = (512, 512, 2048, 4096, 2048, 3 * 8 * SURE)
"""Rows of the weight sets."""

FINAL_SETS = (256, cm.MATCH_BUCKETS, 8 * SURE)
"""Rows of those of the second layer."""

_START = mixing.starts(SETS)
_FINAL_START = mixing.starts(FINAL_SETS)
_CHARTS = (256 * SURE, 1 << 16, 1 << 16)
_CHART_START = mixing.starts(_CHARTS)
_LIKE = (0, 3, 4, 5, 7, 0)  # the sets of context mixing that these begin as
_RATE = 6
_FINAL_RATE = 3
_SHARE = 1  # of the mix, beside one of each chart
_MEANING_PACE, _MEANING_LIMIT = 30, 1023
MODELS = 4  # inputs of the language models


class Together(NamedTuple):
    """All that is learned of bits with a language model."""

    mixer: Mixer
    final: Mixer
    charts: Charts
    meanings: np.ndarray  # int32[CONTEXTS, 256 * SURE]: see learn_residue
    meant: np.ndarray  # int64[CONTEXTS]: which of them


@lean
def hear(
    together: Together,
    model: cm.Model,
    reading: Reading,
    leaf: int,
    st: int,
    p: int,
    st2: int,
    p2: int,
    sure: int,
) -> int:
    """Set what contexts and language models say; return where opinions go among the inputs."""
    x = together.mixer.x
    contexts = model.active.size
    at = contexts * cm.PER_CONTEXT + 2 * cm.MATCHES + 1
    for j in range(at):
        x[j] = reading.x[j]
    for a in range(contexts):
        h = np.int64(model.table[reading.line[a] + leaf])
        meant = h * SURE + sure
        together.meant[a] = meant
        x[a * cm.PER_CONTEXT + 1] = together.meanings[model.active[a], meant] >> 20 if h else 0
    x[at] = st
    x[at + 1] = (p - (1 << 23)) >> 13
    x[at + 2] = st2
    x[at + 3] = (p2 - (1 << 23)) >> 13 if p2 else 0
    together.final.x[6] = st
    together.final.x[7] = st2
    return at + MODELS


@lean
def predict(
    together: Together,
    reading: Reading,
    v: np.ndarray,
    select: np.ndarray,
    match: np.ndarray,
    depth: int,
    bit_at: int,
    c0: int,
    sure: int,
) -> int:
    """Probability in 24 bits that bit `bit_at` of byte `depth` of a token is 1."""
    c4 = v[LAST4]
    c1 = c4 & 0xFF
    matched = match[BUCKET, 0] if reading.expects[0] >= 0 else np.int64(0)
    row = together.mixer.row
    row[0] = _START[0] + c0 + 256 * (depth > 0)
    row[1] = _START[1] + (matched * 2 + (reading.expects[1] >= 0)) * 8 + bit_at
    row[2] = _START[2] + c1 * 8 + bit_at
    row[3] = _START[3] + select[5] * 8 + bit_at
    row[4] = _START[4] + select[7] * 8 + bit_at
    row[5] = _START[5] + (sure * 3 + reading.expects[0] + 1) * 8 + reading.order[0]
    row = together.final.row
    row[0] = _FINAL_START[0] + c0
    row[1] = _FINAL_START[1] + matched
    row[2] = _FINAL_START[2] + sure * 8 + bit_at
    row = together.charts.row
    row[0] = _CHART_START[0] + (sure << 8 | c0)
    row[1] = _CHART_START[1] + (c1 << 8 | c0)
    row[2] = _CHART_START[2] + ((mix(mix(c4 & 0xFFFFFF, 0), c0) >> 20) & 0xFFFF)
    mixing.mix(together.mixer)
    for a in range(together.mixer.out.size):
        together.final.x[a] = together.mixer.out[a]
    return mixing.refine(together.charts, mixing.mix(together.final), _SHARE)


@lean
def learn(together: Together, model: cm.Model, st: int, y: int) -> None:
    """Learn that the bit was `y` where the language model said `st`."""
    mixing.learn_charts(together.charts, y)
    mixing.learn_mix(together.mixer, y, _RATE)
    mixing.learn_mix(together.final, y, _FINAL_RATE)
    for a in range(model.active.size):
        meanings = together.meanings[model.active[a]]
        learn_residue(meanings, together.meant[a], st, y, _MEANING_PACE, _MEANING_LIMIT)


def share(together: Together, model: cm.Model) -> None:
    """Give a second language model half of what the first one has to say."""
    at = used(model.active.size)
    for weights, first, second in (
        (together.mixer.weights, at, at + 2),
        (together.mixer.weights, at + 1, at + 3),
        (together.final.weights, len(SETS), len(SETS) + 1),
    ):
        weights[:, first] >>= 1
        weights[:, second] = weights[:, first]


def fresh(model: cm.Model) -> Together:
    """What bits begin with: the weights of contexts alone, made small beside a language model."""
    contexts = used(model.active.size)
    inputs = -(-(contexts + MODELS + OPINIONS) // 8) * 8
    weights = np.zeros((sum(SETS), inputs), np.int32)
    for first, rows, like in zip(_START.tolist(), SETS, _LIKE, strict=True):
        old = model.weights[int(cm.SET_START[like]) : int(cm.SET_START[like + 1]), :contexts]
        old = np.tile(old, (-(-rows // old.shape[0]), 1))[:rows] if like else old.mean(0)[None]
        weights[first : first + rows, :contexts] = old.astype(np.int32) >> 2
    weights[:, 1 : contexts - 5 : 3] = 1500
    weights[:, contexts] = 50000
    weights[:, contexts + MODELS : contexts + MODELS + OPINIONS] = 8000
    final = np.full((sum(FINAL_SETS), len(SETS) + 2), 65536 // (len(SETS) + 1), np.int32)
    return Together(
        mixing.mixer(weights, len(SETS)),
        mixing.mixer(final, len(FINAL_SETS)),
        mixing.charts(_CHARTS),
        np.zeros((cm.CONTEXTS, 256 * SURE), np.int32),
        np.zeros(cm.CONTEXTS, np.int64),
    )
