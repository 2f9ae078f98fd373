"""Independent tasks done side by side, their results taken in the order they were given.

This is the one scheduler of ncz. It promises three things: results and errors come in the
order of the tasks, so output never depends on the number of workers; at most a stated number of
tasks is held at a time, so memory does not grow with the input; and stopping is immediate.

Tasks run on daemon threads, which costs about 50 µs a task, also when only one is asked for:
a coder is a long call into compiled code that no signal interrupts, so the caller's thread has to
be free to hear Ctrl-C. A thread cannot be killed either; what a stopped pipeline leaves running
is a daemon, which the end of the process does not wait for.
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_WAIT_S = 0.5  # Windows delivers Ctrl-C only between waits; elsewhere this costs nothing


def cores() -> int:
    """The number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_flight(threads: int) -> int:
    """How many tasks a pipeline of `threads` holds at most: one is read while others run."""
    return threads + 1 if threads > 1 else 1


class Pipeline(Generic[T, R]):
    """Calls `work` on items, `threads` at a time; for a caller that pushes.

    One thread gives it items and takes results::

        pipeline = Pipeline(work, threads=2)
        for item in items:
            if pipeline.full:
                use(pipeline.take())
            pipeline.submit(item)
        while pipeline.pending:
            use(pipeline.take())
        pipeline.close()
    """

    def __init__(self, work: Callable[[T], R], threads: int = 1) -> None:
        self._work = work
        self._threads = threads
        self._limit = in_flight(threads)
        self._slots: deque[_Slot[T, R]] = deque()
        self._shared: _Shared[T, R] = _Shared()
        self._started = 0
        self._stop = weakref.finalize(self, _Shared.stop, self._shared)
        self._stop.atexit = False

    @property
    def pending(self) -> int:
        """Items given whose results were not yet taken."""
        return len(self._slots)

    @property
    def full(self) -> bool:
        """No item may be given before a result is taken."""
        return len(self._slots) >= self._limit

    @property
    def ready(self) -> bool:
        """:meth:`take` would not wait."""
        return bool(self._slots) and self._slots[0].done.is_set()

    def submit(self, item: T) -> None:
        """Give one item; the work starts as soon as a worker is free.

        Raises:
            RuntimeError: the pipeline is full, or closed.
        """
        if self.full or self._shared.stopped:
            raise RuntimeError("the pipeline is full" if self.full else "the pipeline is closed")
        slot: _Slot[T, R] = _Slot(item)
        self._slots.append(slot)
        self._shared.queue.put(slot)
        if self._started < min(self._threads, len(self._slots)):
            self._started += 1
            threading.Thread(
                target=_run, args=(self._work, self._shared), name="ncz-worker", daemon=True
            ).start()

    def take(self) -> R:
        """The result of the oldest item, waiting for it; or the exception that `work` raised."""
        slot = self._slots[0]
        while not slot.done.wait(_WAIT_S):
            pass
        self._slots.popleft()
        if slot.error is not None:
            raise slot.error
        return slot.result[0]

    def close(self) -> None:
        """Drop what was not begun, and forget the rest. Waits for nothing; may be repeated."""
        self._slots.clear()
        self._stop()


def ordered_map(work: Callable[[T], R], items: Iterable[T], threads: int = 1) -> Iterator[R]:
    """``map(work, items)`` done by `threads` threads; for a caller that pulls.

    Looks ahead in `items` by as much as is in flight. An exception, of the work or of `items`
    itself, surfaces after the results of everything before it.

    >>> list(ordered_map(str.upper, ["a", "b"], threads=2))
    ['A', 'B']
    """
    pipeline: Pipeline[T, R] = Pipeline(work, threads)
    failure: BaseException | None = None
    try:
        source = iter(items)
        while True:
            try:
                item = next(source)
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            if pipeline.full:
                yield pipeline.take()
            pipeline.submit(item)
        while pipeline.pending:
            yield pipeline.take()
        if failure is not None:
            raise failure
    finally:
        pipeline.close()


class _Slot(Generic[T, R]):
    """One item on its way to becoming a result."""

    def __init__(self, item: T) -> None:
        self.item: list[T] = [item]
        self.result: list[R] = []
        self.error: BaseException | None = None
        self.done = threading.Event()


class _Shared(Generic[T, R]):
    """What workers hold: never the pipeline, so that dropping it stops them."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[_Slot[T, R] | None] = queue.SimpleQueue()
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True
        self.queue.put(None)


def _run(work: Callable[[T], R], shared: _Shared[T, R]) -> None:
    while True:
        slot = shared.queue.get()
        if slot is None or shared.stopped:
            shared.queue.put(None)  # for the next worker
            return
        try:
            slot.result.append(work(slot.item.pop()))
        except BaseException as error:
            slot.error = error
        slot.done.set()
        del slot
