"""What coding takes of a language model: by stream and window, and in the order of coding."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ncz.codec.jit import jit


@dataclass(frozen=True)
class Part:
    """One stream's share of a window: first index, entries, trace and its count per token."""

    stream: int
    first: int
    entries: np.ndarray
    trace: np.ndarray
    counts: np.ndarray
    second: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))


@dataclass(frozen=True)
class Coded:
    """What one window of all streams brings, in the order of coding.

    Attributes:
        rounds: int64[m]: the tokens' index in their streams, the prefix counted.
        streams: int64[m].
        entries: int32[m].
        trace: uint32[...], the tokens' probabilities end to end.
        counts: int64[m]: how many each token has.
        second: uint32[...]: a second model's opinions on the same decisions, or none at all.
    """

    rounds: np.ndarray
    streams: np.ndarray
    entries: np.ndarray
    trace: np.ndarray
    counts: np.ndarray
    second: np.ndarray


def interleave(parts: list[Part]) -> Coded:
    """Round by round, in each round the streams in their order."""
    index = np.concatenate([part.first + np.arange(part.entries.size) for part in parts])
    streams = np.repeat([part.stream for part in parts], [part.entries.size for part in parts])
    order = np.lexsort((streams, index))
    counts = np.concatenate([part.counts for part in parts])
    trace = np.concatenate([part.trace for part in parts])
    starts = np.cumsum(counts) - counts
    out = np.empty_like(trace)
    _gather(trace, starts, counts, order, out)
    second = np.concatenate([part.second for part in parts])
    beside = np.empty_like(second)
    if second.size:
        _gather(second, starts, counts, order, beside)
    entries = np.concatenate([part.entries for part in parts])
    return Coded(
        index[order],
        streams[order].astype(np.int64),
        np.ascontiguousarray(entries[order], np.int32),
        out,
        counts[order],
        beside,
    )


@jit
def _gather(
    trace: np.ndarray, starts: np.ndarray, counts: np.ndarray, order: np.ndarray, out: np.ndarray
) -> None:
    at = 0
    for i in order:
        for k in range(counts[i]):
            out[at + k] = trace[starts[i] + k]
        at += counts[i]
