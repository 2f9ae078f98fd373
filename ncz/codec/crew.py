"""Who does the work: a crew of workers, in this process or in others, with one list of tasks.

Each worker has a thread here that hands it one task after another. What the task is, a function
that can be called and an item, is all that a worker is told, so the same task gives the same
result whoever does it; a worker elsewhere gets both by pickle, and so the function has to be
importable there.

A worker may be lost: its process was killed, or its machine is gone. Its task then goes to the
front of the list, for whoever is free next, and the worker is asked for its next one as if
nothing had happened, since most can be replaced. A task that has cost several workers fails.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ncz.codec.errors import NczError

_MOST_LOST = 3  # workers that a task may cost

_cores: int | None = None


def cores() -> int:
    """The number of cores this process may use."""
    if _cores is not None:
        return _cores
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def use_cores(count: int) -> None:
    """Have :func:`cores` say `count`, for a process that shares its machine with others."""
    global _cores
    _cores = max(1, count)


class WorkerLost(NczError):
    """A worker is gone in the midst of a task; another may do it."""


class WorkerGone(NczError):
    """A worker is gone, and there is none in its place."""


class Worker(Protocol):
    """Does one task at a time.

    Attributes:
        name: for messages.
    """

    name: str

    def run(self, work: Callable[[Any], Any], item: Any) -> Any:
        """``work(item)``, or the exception that it raises.

        Raises:
            WorkerLost: the worker died; the next call may find it replaced.
            WorkerGone: and there is no other.
        """

    def close(self) -> None:
        """Stop at once, whatever it is doing. May be called from any thread, and repeatedly."""


class Here:
    """A thread of this process."""

    name = "thread"

    def run(self, work: Callable[[Any], Any], item: Any) -> Any:
        """``work(item)``."""
        return work(item)

    def close(self) -> None:
        """A thread cannot be stopped: what it does ends with it, or with the process."""


class Task:
    """One item on its way to becoming a result."""

    def __init__(self, work: Callable[[Any], Any], item: Any) -> None:
        self.work = work
        self.item: list[Any] = [item]
        self.result: list[Any] = []
        self.error: BaseException | None = None
        self.lost = 0
        self.dropped = False
        self.done = threading.Event()

    def fail(self, error: BaseException) -> None:
        """End with an error."""
        self.error = error
        self._end()

    def succeed(self, result: Any) -> None:
        """End with a result."""
        self.result.append(result)
        self._end()

    def _end(self) -> None:
        self.item.clear()
        self.done.set()


class Crew:
    """Workers with one list of tasks, which several pipelines may share.

    Use as a context manager, or :meth:`close` it; a crew that is dropped closes by itself.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = tuple(workers)
        self._shared = _Shared(len(self.workers))
        self._started = 0
        self._start = threading.Lock()
        self._stop = weakref.finalize(self, _Shared.stop, self._shared, self.workers)

    @property
    def size(self) -> int:
        """How many tasks can be worked on at once."""
        return len(self.workers)

    def submit(self, task: Task) -> None:
        """Put a task on the list; it begins as soon as a worker is free.

        Raises:
            RuntimeError: the crew is closed.
        """
        self._shared.put(task)
        with self._start:
            if self._started < self.size and self._shared.short_of_hands():
                worker = self.workers[self._started]
                self._started += 1
                self._shared.free()
                threading.Thread(
                    target=_serve, args=(worker, self._shared), name="ncz-worker", daemon=True
                ).start()

    def close(self) -> None:
        """Stop all workers at once. May be repeated."""
        self._stop()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def threads(count: int) -> Crew:
    """A crew of so many threads of this process; 0 means one per core."""
    return Crew([Here() for _ in range(count or cores())])


class _Shared:
    """What the threads hold: never the crew, so that dropping it stops them."""

    def __init__(self, workers: int) -> None:
        self.tasks: deque[Task] = deque()
        self.idle = 0  # threads that are waiting, or about to
        self.stopped = False
        self._left = workers
        self._changed = threading.Condition()

    def short_of_hands(self) -> bool:
        with self._changed:
            return len(self.tasks) > self.idle

    def put(self, task: Task, first: bool = False) -> None:
        with self._changed:
            if self.stopped:
                raise RuntimeError("the crew is closed")
            if self._left == 0:
                task.fail(_nobody_left())
                return
            if first:
                self.tasks.appendleft(task)
            else:
                self.tasks.append(task)
            self._changed.notify()

    def get(self) -> Task | None:
        """The next task, waiting for it; None once the crew is closed."""
        with self._changed:
            while True:
                if self.stopped:
                    return None
                while self.tasks:
                    task = self.tasks.popleft()
                    if not task.dropped:
                        self.idle -= 1
                        return task
                self._changed.wait()

    def free(self) -> None:
        with self._changed:
            self.idle += 1

    def gone(self, task: Task, why: BaseException) -> None:
        """A worker is gone for good, and `task` with it, unless others are left."""
        with self._changed:
            self._left -= 1
            if self._left:
                self.tasks.appendleft(task)
                self._changed.notify()
                return
            waiting = [task, *self.tasks]
            self.tasks.clear()
        for each in waiting:
            each.fail(why)

    def stop(self, workers: Sequence[Worker]) -> None:
        with self._changed:
            self.stopped = True
            self.tasks.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.close()


def _nobody_left() -> NczError:
    return WorkerGone("no worker is left; look at why they ended, and start again")


def _serve(worker: Worker, shared: _Shared) -> None:
    while True:
        task = shared.get()
        if task is None:
            return
        try:
            task.succeed(worker.run(task.work, task.item[0]))
        except WorkerLost as error:
            task.lost += 1
            if task.lost < _MOST_LOST and not shared.stopped:
                shared.put(task, first=True)
            else:
                task.fail(error)
        except WorkerGone as error:
            shared.gone(task, error)
            return
        except BaseException as error:
            task.fail(error)
        shared.free()
        del task
