"""How long the text coder will take, measured on a little of the text before the work begins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ncz.models.text.windows import Windows, default_streams

if TYPE_CHECKING:
    from ncz.codec.coder import Coder
    from ncz.models.text.coder import TextCoder

SAMPLE = 2048
"""Bytes that are enough to measure on: some 500 tokens, which are read at once."""

_FIRST = 64  # bytes that load and compile everything
TOKEN = 4.0
"""Bytes of a usual token."""


def seconds(coder: TextCoder, sample: bytes, size: int) -> float:
    """Seconds to encode a block of `size` bytes that goes on like `sample`, as measured here.

    Args:
        coder: which has to do it; it is made ready, and codes the sample.
        sample: some :data:`SAMPLE` bytes.
        size: of the block.
    """
    streams = coder.streams or default_streams(size, coder.windows.window)
    each = size / TOKEN / streams
    # The sample is one window, for one thread; those of a block are computed side by side.
    windows = streams * (1 + max(0.0, each - coder.windows.window) // coder.windows.hop)
    alone = measured(coder, sample, size) * readings(each, coder.windows)
    return alone / min(coder.threads, windows)


def measured(coder: Coder, sample: bytes, size: int) -> float:
    """Seconds to encode `size` bytes if time grows with them, from a run on `sample`."""
    coder.encode(sample[:_FIRST])
    started = time.perf_counter()
    coder.encode(sample)
    return (time.perf_counter() - started) * size / len(sample)


def readings(tokens: float, windows: Windows) -> float:
    """How often the model reads each of a stream's tokens on average, at least 1."""
    later = max(0.0, tokens - windows.window) / windows.hop
    return (min(tokens, windows.window) + later * windows.window) / tokens
