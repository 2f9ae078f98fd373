"""Threads that compute models, each piece of work by itself from beginning to end."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def _alone() -> None:
    """Keep torch from starting further threads in this one: each thread has its own setting."""
    torch = sys.modules.get("torch")  # if nobody has asked for it by now, nobody will
    if torch is not None:
        torch.set_num_threads(1)


class Sharing:
    """Some threads that wait for work.

    Args:
        threads: how many.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._made = os.getpid(), ThreadPoolExecutor(threads, "ncz-model", _alone)

    @property
    def _pool(self) -> ThreadPoolExecutor:
        """The threads of this process: a fork has the pool, and none of its threads."""
        process, pool = self._made
        if process != os.getpid():
            pool = ThreadPoolExecutor(self.threads, "ncz-model", _alone)
            self._made = os.getpid(), pool
        return pool

    def all(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """What `function` makes of each of the items. One is computed in the caller's thread."""
        first, *others = list(items)
        waiting = [self._pool.submit(function, item) for item in others]
        return [function(first), *(future.result() for future in waiting)]

    def ahead(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The same one after another, while some of the following are being computed."""
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(function, item))
                if len(waiting) > 2 * self.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
