"""Making the state of a block of text: what it starts from before a byte is seen."""

from __future__ import annotations

import numpy as np

from ncz.codec import rangecoder as rc
from ncz.models.contextmix import kernel as cm
from ncz.models.contextmix import prior
from ncz.models.contextmix import state as contexts
from ncz.models.contextmix.presets import PRESETS
from ncz.models.text import kernel
from ncz.models.text.logistic import squash

PRESET = 6
"""The preset of context mixing whose contexts, memory and trained start are used."""

_TUNE = np.array(  # fmt: skip
    (6, 10, 3, 7, 4, 4, 4, 4, 12, 255, 6, 8, 4, 4, 1, 90, 1000, 298411, 697, 30, 50, 1),
    np.int64,
)


def fresh(raw_size: int, starts: np.ndarray, ends: np.ndarray) -> kernel.State:
    """The state for `raw_size` bytes in streams from `starts` to `ends`, int64[S]."""
    streams = starts.size
    model = contexts.fresh(PRESETS[PRESET], cm.TEXT, raw_size, 1, 1, prior.for_kind(cm.TEXT))
    used = len(model.active) * cm.PER_CONTEXT + 2 * cm.MATCHES + 1
    inputs = -(-(used + 2 + kernel.RECALLS + kernel.RESIDUES) // 8) * 8
    weights = np.zeros((int(kernel.SET_START[-1]), inputs), np.int32)
    for a in range(8):
        first, last = int(kernel.SET_START[a]), int(kernel.SET_START[a + 1])
        old = model.weights[int(cm.SET_START[a]) : int(cm.SET_START[a + 1])]
        weights[first:last, : old.shape[1]] = np.tile(old, (2, 1))[: last - first] >> 2
    for a in range(8, kernel.SETS):
        first, last = int(kernel.SET_START[a]), int(kernel.SET_START[a + 1])
        weights[first:last] = weights[: int(kernel.SET_START[1])].mean(axis=0).astype(np.int32)
    weights[:, used] = 50000
    weights[:, 1 : used - 5 : 3] = 1500
    weights[:, used + 2 : used + 2 + kernel.RECALLS] = 5000
    weights[:, used + 2 + kernel.RECALLS : used + 2 + kernel.RECALLS + kernel.RESIDUES] = 10000
    final = np.full((int(kernel.FINAL_START[-1]), kernel.FINAL_INPUTS), 65536 // 12, np.int32)
    stop_weights = np.zeros((int(kernel.STOP_START[-1]), kernel.STOP_INPUTS), np.int32)
    stop_weights[:, 0 : 2 * kernel.STOPS : 2] = 3000
    stop_weights[:, 2 * kernel.STOPS] = 50000
    stop_weights[:, 2 * kernel.STOPS + 3 : 2 * kernel.STOPS + 3 + kernel.RECALLS] = 5000
    bits = min(max(raw_size.bit_length(), 12), 20)
    coder = np.zeros(6, np.int64)
    rc.start_encoder(coder)
    return kernel.State(
        model=model,
        coder=coder,
        tune=_TUNE.copy(),
        seen=np.zeros(2, np.int64),
        start=starts.astype(np.int64),
        end=ends.astype(np.int64),
        at=starts.astype(np.int64),
        opened=np.full(streams, -1, np.int64),
        known=np.zeros(raw_size, np.uint8),
        history=np.zeros((streams, 64), np.int64),
        words=np.zeros((streams, 256), np.int64),
        after1=np.zeros(256, np.int64),
        after2=np.zeros(65536, np.int64),
        contexts=np.zeros((streams, cm.CONTEXTS), np.int64),
        select=np.zeros((streams, cm.SETS), np.int64),
        match=np.zeros((streams, 4, cm.MATCHES), np.int64),
        before=np.full((streams, 4), -1, np.int64),
        weights=weights,
        final=final,
        map0=_maps(kernel.MAP_ROWS[0]),
        map1=_maps(kernel.MAP_ROWS[1]),
        map2=_maps(kernel.MAP_ROWS[2]),
        meant=np.zeros((cm.CONTEXTS, 256 * kernel.SURE), np.int32),
        residues=np.zeros((kernel.RESIDUES, 1 << bits), np.int32),
        recall=np.zeros((kernel.RECALLS, 1 << bits), np.int64),
        recall_maps=np.full(
            (kernel.RECALLS, 2 * kernel.COUNTS_KEPT * kernel.SURE), 1 << 31, np.uint32
        ),
        stop_table=np.full((kernel.STOPS, 1 << bits), 1 << 31, np.uint32),
        stop_weights=stop_weights,
        stop_map0=_maps(kernel.STOP_MAP_ROWS[0]),
        stop_map1=_maps(kernel.STOP_MAP_ROWS[1]),
    )


def _maps(rows: int) -> np.ndarray:
    """int32[rows, CELLS]: maps that change nothing, in 22 bits."""
    at = (np.arange(kernel.CELLS) - kernel.CELLS // 2) * 128
    line = np.array([int(squash(int(x))) >> 2 for x in at], np.int32)
    return np.tile(line, (rows, 1))
