"""Making a model's state: what it starts from before it has seen a byte."""

from __future__ import annotations

import numpy as np

from ncz.codec.tables import LIMIT, SQUASH24
from ncz.models.contextmix import kernel
from ncz.models.contextmix.hashing import LINE
from ncz.models.contextmix.presets import Preset, matches
from ncz.models.contextmix.prior import Prior
from ncz.models.contextmix.states import COUNTS

_FIRST_WEIGHT = 6000  # of 65536, for each context's main input
_RATES = (10, 24, 5, 1023)  # see the kernel: first layer, its start, second layer, maps
_RATES_PRIMED = (10, 0, 5, 1023)
_CELLS = 33  # of an adaptive probability map: every 128 of ±2048 in the logistic domain
_APM_ROWS = (256 * kernel.MATCH_BUCKETS, 1 << 16, 1 << 16)
_CACHE_LINE = 64


def fresh(
    preset: Preset, kind: int, raw_size: int, row: int, cell: int, start: Prior | None
) -> kernel.Model:
    """The state for a block of `raw_size` bytes, from the prior `start` or from nothing."""
    contexts = preset.contexts(kind)
    line_bits = preset.lines(kind, raw_size)
    match_bits = matches(raw_size)
    setup = np.zeros(8, np.int64)
    setup[: kernel.MATCH_BITS + 1] = (
        kind,
        row,
        cell,
        len(contexts),
        len(preset.sets),
        line_bits,
        match_bits,
    )
    weights = np.zeros((int(kernel.SET_START[-1]), inputs(len(contexts))), np.int32)
    weights[:, 0 : kernel.PER_CONTEXT * len(contexts) : kernel.PER_CONTEXT] = _FIRST_WEIGHT
    apms = [np.tile(straight_line(), (rows, 1)) for rows in _APM_ROWS]
    model = kernel.Model(
        setup=setup,
        active=np.array(contexts, np.int64),
        active_sets=np.array(preset.sets, np.int64),
        table=_aligned_zeros(LINE << line_bits),
        maps=np.tile(_history_guess(), (kernel.CONTEXTS, 1)),
        weights=weights,
        final=np.full((kernel.FINAL_ROWS, kernel.SETS), 65536 // len(preset.sets), np.int32),
        match_maps=np.full((kernel.MATCHES, kernel.MATCH_BUCKETS), 1 << 31, np.uint32),
        match_table=np.zeros((kernel.MATCHES, 1 << match_bits), np.int32),
        apm0=apms[0],
        apm1=apms[1],
        apm2=apms[2],
        rates=np.array(_RATES if start is None else _RATES_PRIMED, np.int64),
    )
    if start is not None:
        start.apply(model, preset.number)
    return model


def carry(source: kernel.Model, target: kernel.Model) -> None:
    """Take over all that is learned but the bit histories, between models of one preset."""
    for name in ("maps", "weights", "final", "match_maps", "apm0", "apm1", "apm2"):
        getattr(target, name)[:] = getattr(source, name)
    target.rates[kernel.RATE_START] = 0


def inputs(contexts: int) -> int:
    """Inputs of the mixer for so many contexts, filled up to a multiple of eight."""
    used = contexts * kernel.PER_CONTEXT + 2 * kernel.MATCHES + 1
    return -(-used // 8) * 8


def size(preset: Preset, kind: int, raw_size: int) -> int:
    """Bytes that :func:`fresh` allocates."""
    rows = int(kernel.SET_START[-1])
    return (
        (LINE << preset.lines(kind, raw_size))
        + 4 * rows * inputs(len(preset.contexts(kind)))
        + 4 * kernel.MATCHES * (1 << matches(raw_size))
        + 4 * _CELLS * sum(_APM_ROWS)
        + (1 << 20)
    )


def _aligned_zeros(size: int) -> np.ndarray:
    """uint8[size] that starts at a cache line, so that a bucket never straddles two."""
    room = np.zeros(size + _CACHE_LINE, np.uint8)
    skip = -room.ctypes.data % _CACHE_LINE
    return room[skip : skip + size]


def _history_guess() -> np.ndarray:
    """uint32[256]: (n1 + 1/2) / (n0 + n1 + 1) for every bit history, with a count of 0."""
    zeros = COUNTS[:, 0].astype(np.int64)
    ones = COUNTS[:, 1].astype(np.int64)
    p = ((2 * ones + 1) << 22) // (2 * (zeros + ones) + 2)
    return (p << 10).astype(np.uint32)


def straight_line() -> np.ndarray:
    """int32[33]: the map that changes nothing, in 22 bits."""
    at = np.clip((np.arange(_CELLS) - _CELLS // 2) * 128, -LIMIT, LIMIT)
    return (SQUASH24[at + LIMIT + 1] >> 2).astype(np.int32)
