"""How far the blocks in flight are, for whoever shows it.

A block is one long call into compiled code, minutes for a large one. The code leaves its
position in an array as it goes, and a clock in another thread reads it there: this costs the
work one store a byte, and no call back. The numbers are for showing only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_running: dict[object, Callable[[], int]] = {}
_scale = threading.local()  # numerator and denominator of what this thread's meters count for


@contextmanager
def metered(position: Callable[[], int], end: int, input_size: int) -> Iterator[None]:
    """Around the coding of a block.

    Args:
        position: where it is now, from 0; called from another thread.
        end: where it will be at its end, at least 1.
        input_size: bytes that it takes in, raw or coded.
    """
    with counted(lambda: min(position(), end) * input_size // end):
        yield


@contextmanager
def counted(done: Callable[[], int]) -> Iterator[None]:
    """Around the coding of a block elsewhere: `done` is how much of its input is behind it."""
    key = object()
    part, whole = getattr(_scale, "now", (1, 1))
    _running[key] = done if part == whole else lambda: done() * part // whole
    try:
        yield
    finally:
        del _running[key]


@contextmanager
def scaled(part: int, whole: int) -> Iterator[None]:
    """Around a part of the work on a block: what is metered in it counts `part` in `whole`.

    >>> with scaled(1, 2), metered(lambda: 30, 100, 50):
    ...     in_flight()
    7
    """
    before = getattr(_scale, "now", (1, 1))
    _scale.now = part, whole
    try:
        yield
    finally:
        _scale.now = before


def in_flight() -> int:
    """Bytes of input, estimated, that unfinished blocks of this process have worked through.

    >>> with metered(lambda: 30, 100, 50):
    ...     in_flight()
    15
    """
    return sum(done() for done in list(_running.values()))
