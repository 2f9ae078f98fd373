"""What a block holds, found from its bytes alone: text, records, machine code, or noise.

The encoder decides; the decision stands in the coded block. A wrong one costs size, never
correctness. Where statistics leave a doubt, a small model codes samples both ways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncz.codec.jit import jit
from ncz.models.contextmix import branches, state
from ncz.models.contextmix.kernel import BINARY, KINDS, MACHINE32, MACHINE64, TEXT, code_block
from ncz.models.contextmix.presets import PRESETS

MAX_ROW = 4096
_MAX_CELL = 8
_SAMPLE = 16 << 10  # bytes of one sample
_TRIAL_PRESET = PRESETS[3]
_MOST_CONTROL = 0.01  # share of control bytes in text
_NOISE_BITS = 7.9  # order-0 entropy above which a block may be beyond compressing
_PIECES, _PIECE = 16, 512  # where repeats are counted: so many pieces of so many bytes
_STRONG_ROW = 0.5  # agreement beyond chance at one distance that makes text a table
_FAVOUR = 0.97  # the full models of text and code gain more over the trial's than records do
_WORTH_IT = 0.995  # a trial that leaves more than this is a waste


@dataclass(frozen=True)
class Content:
    """How to model a block.

    Attributes:
        kind: one of the kernel's kinds.
        row: length of a record or picture row in bytes, 1 to :data:`MAX_ROW`.
        cell: length of an element in bytes, 1 to 8.
        absolute: whether branch targets are made absolute first.
    """

    kind: int
    row: int = 1
    cell: int = 1
    absolute: bool = False


def looks_compressed(raw: bytes) -> bool:
    """True if a block is so near to noise that modelling it would be wasted time."""
    data = np.frombuffer(bytearray(raw), np.uint8)
    if _entropy(data) < _NOISE_BITS * min(1.0, data.size / 4096):
        return False
    samples = _samples(data, 2, _SAMPLE)
    return _trial(samples, Content(BINARY)) > _WORTH_IT * samples.size


def is_text(raw: bytes) -> bool:
    """Whether `raw`, not empty, holds next to no control bytes, and no records as in tables."""
    data = np.frombuffer(bytearray(raw), np.uint8)
    counts = _counts(data)
    if not _printable(counts, data.size) or counts[0] > data.size // 1000:
        return False
    return _lengths(data, counts)[2] < _STRONG_ROW


def content(raw: np.ndarray) -> Content:
    """The best guess for `raw`, uint8[n], n > 0."""
    counts = _counts(raw)
    # Tar files and the like fill up text with zeros.
    printable = _printable(counts, raw.size) and counts[0] <= raw.size // 4
    row, cell, strength = _lengths(raw, counts)
    if printable and counts[0] <= raw.size // 1000 and strength < _STRONG_ROW:
        return Content(TEXT)
    candidates = {Content(BINARY, row, cell): 1.0}
    if printable:
        candidates[Content(TEXT)] = _FAVOUR
    elif counts[[0xE8, 0xE9]].sum() > raw.size // 400:
        kind = MACHINE64 if _wide_moves(raw) > raw.size // 400 else MACHINE32
        candidates[Content(kind, absolute=True)] = _FAVOUR
        candidates[Content(kind)] = _FAVOUR
    if len(candidates) == 1:
        return Content(BINARY, row, cell)
    samples = _samples(raw, 4, _SAMPLE)
    return min(candidates, key=lambda found: candidates[found] * _trial(samples, found))


def memory(raw_size: int) -> int:
    """Bytes of working memory that finding out takes, copies of the block aside."""
    return max(state.size(_TRIAL_PRESET, kind, min(raw_size, 4 * _SAMPLE)) for kind in KINDS)


def _counts(data: np.ndarray) -> np.ndarray:
    """int64[256]: how often each byte occurs."""
    counts = np.zeros(256, np.int64)
    for start in range(0, data.size, _SAMPLE):  # bincount makes eight bytes of each
        counts += np.bincount(data[start : start + _SAMPLE], minlength=256)
    return counts


def _printable(counts: np.ndarray, size: int) -> bool:
    control = int(counts[1:32].sum() - counts[[9, 10, 12, 13, 27]].sum() + counts[127])
    return control <= _MOST_CONTROL * size


def _entropy(data: np.ndarray) -> float:
    counts = _counts(data)
    p = counts[counts > 0] / data.size
    return float(-(p * np.log2(p)).sum())


def _samples(data: np.ndarray, pieces: int, size: int) -> np.ndarray:
    """Up to `pieces` pieces of `size` bytes, evenly spread, end to end."""
    if data.size <= pieces * size:
        return data
    starts = [(data.size - size) * k // (pieces - 1) for k in range(pieces)]
    return np.concatenate([data[start : start + size] for start in starts])


def _trial(samples: np.ndarray, candidate: Content) -> int:
    """Coded size of `samples` with a small model."""
    if candidate.absolute:
        samples = samples.copy()
        branches.to_absolute(samples)
    model = state.fresh(
        _TRIAL_PRESET, candidate.kind, samples.size, candidate.row, candidate.cell, None
    )
    return int(code_block(model, samples, np.empty(0, np.uint8), False))


def _wide_moves(raw: np.ndarray) -> int:
    """How often a 64-bit operand prefix stands before a move or an address computation."""
    after = raw[1:][raw[:-1] == 0x48]
    return int(np.isin(after, (0x89, 0x8B, 0x8D, 0x83, 0x85)).sum())


def _lengths(raw: np.ndarray, counts: np.ndarray) -> tuple[int, int, float]:
    """Row and cell length with the best agreement, and how much the row's exceeds chance."""
    most = min(MAX_ROW, raw.size // 4)
    if most <= _MAX_CELL + 1:
        return 1, 1, 0.0
    hits = np.zeros(most + 1, np.int64)
    seen = _count_repeats(raw, hits)
    share = counts / raw.size
    chance = float((share * share).sum())
    cell = int(np.argmax(hits[1 : _MAX_CELL + 1])) + 1
    row = int(np.argmax(hits[_MAX_CELL + 1 :])) + _MAX_CELL + 1
    return row, cell, (hits[row] / seen - chance) / max(1.0 - chance, 1e-6)


@jit
def _count_repeats(raw: np.ndarray, hits: np.ndarray) -> int:
    """Count, over samples, how often a byte equals the one at each distance before it."""
    most = hits.size - 1
    room = raw.size - most
    pieces = min(_PIECES, max(1, room // _PIECE))
    length = min(_PIECE, room)
    for k in range(pieces):
        start = most + (room - length) * k // max(pieces - 1, 1)
        for i in range(start, start + length):
            c = raw[i]
            for back in range(1, most + 1):
                if raw[i - back] == c:
                    hits[back] += 1
    return pieces * length
