"""Handing rows of work to several threads, where there are enough of them to pay."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any


def _alone() -> None:
    """Keep torch from starting further threads in this one: each thread has its own setting."""
    import torch

    torch.set_num_threads(1)


class Sharing:
    """Some threads, one of which is the caller's.

    Args:
        threads: how many.
        least: with fewer rows, handing them over costs more than it saves.
    """

    def __init__(self, threads: int, least: int = 32) -> None:
        self._threads = threads
        self._least = least
        self._pool = ThreadPoolExecutor(threads - 1, initializer=_alone) if threads > 1 else None

    def __call__(self, function: Callable[..., Any], count: int, *arguments: Any) -> None:
        """Call ``function(*arguments, first, last)`` for parts of the rows 0 to `count`."""
        if self._pool is None or count < self._least:
            function(*arguments, 0, count)
            return
        cuts = [count * k // self._threads for k in range(self._threads + 1)]
        waiting = [
            self._pool.submit(partial(function, *arguments, a, b))
            for a, b in itertools.pairwise(cuts[1:])
        ]
        function(*arguments, cuts[0], cuts[1])
        for done in waiting:
            done.result()
