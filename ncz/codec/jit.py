"""How the compiled parts of ncz are compiled, and how a user hears of the wait.

Everything compiled is integer arithmetic, so the compiler's freedom (vector width, order
of sums) cannot change a result. Machine code is cached beside the source, or in the
user's cache directory where that is read-only, so that only the first run waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba

from ncz.codec.notice import say, set_notice

__all__ = ["compiling", "jit", "set_notice"]

_NOTICE_AFTER_S = 1.0  # loading from the cache is faster than this; compiling never is


@contextmanager
def compiling(what: str) -> Iterator[None]:
    """Around a first call of compiled code: says so if it takes long enough to wonder."""
    timer = threading.Timer(_NOTICE_AFTER_S, _say, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _say(what: str) -> None:
    say(f"compiling {what} for this machine, once; later runs start at once")


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` on first call: no Python objects, no GIL, no bounds checks, cached."""
    return numba.njit(cache=True, nogil=True, boundscheck=False)(function)
