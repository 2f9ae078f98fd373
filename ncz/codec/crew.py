"""Who does the work: a crew of workers, in this process or in others, with one list of tasks.

Each worker has a thread here that hands it one task after another. What the task is, a function
that can be called and an item, is all that a worker is told, so the same task gives the same
result whoever does it; a worker elsewhere gets both by pickle, and so the function has to be
importable there.

A worker may be lost: its process was killed, or its machine is gone. Its task then goes to the
front of the list, for whoever is free next, and the worker is asked for its next one as if
nothing had happened, since most can be replaced. A task that has cost several workers fails.

A task that nobody wants any more is given a moment to end. Then its worker is stopped and replaced,
if it is one that can be, since what is left of the task may be an hour.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ncz.codec.errors import NczError

_MOST_LOST = 3  # workers that a task may cost
_GRACE_S = 2.0  # for a task that nobody wants: about what it takes to replace a worker

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

    def abandon(self) -> None:
        """Give up the task at hand, if that can be done: its :meth:`run` then raises WorkerLost.

        May be called from any thread.
        """

    def close(self) -> None:
        """Stop at once, whatever it is doing. May be called from any thread, and repeatedly."""


class Here:
    """A thread of this process."""

    name = "thread"

    def run(self, work: Callable[[Any], Any], item: Any) -> Any:
        """``work(item)``."""
        return work(item)

    def abandon(self) -> None:
        """A thread cannot be stopped: what it does ends by itself, or with the process."""

    def close(self) -> None:
        """As :meth:`abandon`."""


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
    """Workers with one list of tasks, which several files may share, one after another or at once.

    Use as a context manager, or :meth:`close` it; a crew that is dropped closes by itself. A worker
    starts when it is first needed.

    Args:
        workers: who they are.
        overhead: bytes of memory that each of them takes besides its tasks.
        together: how many of them share the memory of one machine, at most; 0 for all.
    """

    def __init__(self, workers: Sequence[Worker], overhead: int = 0, together: int = 0) -> None:
        self.workers = tuple(workers)
        self.overhead = overhead
        self.together = together or len(self.workers)
        self._shared = _Shared(self.workers)
        self._stop = weakref.finalize(self, self._shared.stop)
        self._stop.atexit = False  # then it is for `leave`
        # After what the workers need was loaded, and so called before that is taken down.
        atexit.register(self._shared.leave)

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

    def drop(self, task: Task) -> None:
        """Nobody wants the task any more. Waits for nothing."""
        self._shared.drop(task)

    def close(self) -> None:
        """Stop all workers at once; what was not done fails. May be repeated."""
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

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._tasks: deque[Task] = deque()
        self._current: dict[Worker, Task] = {}
        self._grace: dict[Worker, threading.Timer] = {}
        self._started = 0  # workers that have a thread, or had one
        self._left = len(workers)  # those that are not gone
        self._idle = 0  # threads that wait for a task, or are about to
        self._stopped = False
        self._leaving = False  # this process is coming to its end
        self._changed = threading.Condition()

    def put(self, task: Task) -> None:
        with self._changed:
            if self._stopped:
                raise RuntimeError("the crew is closed")
            if self._left:
                self._tasks.append(task)
                self._call()
                return
        task.fail(WorkerGone("no worker is left; see why they ended, and start again"))

    def get(self, worker: Worker) -> Task | None:
        """The next task, waiting for it; None once the crew is closed."""
        with self._changed:
            while not self._stopped:
                while self._tasks:
                    task = self._tasks.popleft()
                    if not task.dropped:
                        self._idle -= 1
                        self._current[worker] = task
                        return task
                self._changed.wait()
        return None

    def over(self, worker: Worker) -> None:
        """The worker's task has come to an end, or the worker has."""
        with self._changed:
            del self._current[worker]
            grace = self._grace.pop(worker, None)
            self._idle += 1
        if grace is not None:
            grace.cancel()

    def lost(self, task: Task, why: WorkerLost) -> None:
        """A worker died over `task`, which may be given to another."""
        with self._changed:
            task.lost += 1
            if task.lost < _MOST_LOST and not (task.dropped or self._stopped):
                self._tasks.appendleft(task)
                self._call()
                return
        self.failed(task, why)

    def gone(self, task: Task, why: WorkerGone) -> None:
        """A worker is gone for good; only if it was the last one, its task is, too."""
        with self._changed:
            self._left -= 1
            self._idle -= 1  # it waits for nothing any more
            self._tasks.appendleft(task)
            if self._left and not self._stopped:
                self._call()
                return
            waiting = list(self._tasks)
            self._tasks.clear()
        for each in waiting:
            self.failed(each, why)

    def drop(self, task: Task) -> None:
        with self._changed:
            task.dropped = True
            worker = next((w for w, current in self._current.items() if current is task), None)
            if worker is not None:
                timer = threading.Timer(_GRACE_S, self._abandon, [worker, task])
                timer.daemon = True
                timer.start()
                self._grace[worker] = timer

    def stop(self) -> None:
        atexit.unregister(self.leave)
        with self._changed:
            self._stopped = True
            waiting = list(self._tasks)
            self._tasks.clear()
            self._changed.notify_all()
        for task in waiting:
            self.failed(task, WorkerGone("the workers were stopped before this was done"))
        for worker in self._workers:
            worker.close()

    def leave(self) -> None:
        """Stop, for the process ends: threads that still wait for a task end without a word."""
        self._leaving = True
        self.stop()

    def failed(self, task: Task, error: BaseException) -> None:
        """A task came to an error, which may be no more than the end of this process."""
        task.fail(SystemExit() if self._leaving else error)

    def _abandon(self, worker: Worker, task: Task) -> None:
        with self._changed:
            if self._current.get(worker) is task:
                worker.abandon()

    def _call(self) -> None:
        """See that somebody comes for what was put on the list."""
        if len(self._tasks) > self._idle and self._started < len(self._workers):
            worker = self._workers[self._started]
            threading.Thread(
                target=_serve, args=(worker, self), name="ncz-worker", daemon=True
            ).start()
            self._started += 1
            self._idle += 1
        else:
            self._changed.notify()


def _serve(worker: Worker, shared: _Shared) -> None:
    while True:
        task = shared.get(worker)
        if task is None:
            return
        result: list[Any] = []
        error: BaseException | None = None
        try:
            result.append(worker.run(task.work, task.item[0]))
        except BaseException as raised:
            error = raised
        shared.over(worker)  # first, lest whoever waits for the task finds nobody idle after it
        if isinstance(error, WorkerLost):
            shared.lost(task, error)
        elif isinstance(error, WorkerGone):
            shared.gone(task, error)
            return
        elif error is not None:
            shared.failed(task, error)
        else:
            task.succeed(result[0])
        del task, result, error
