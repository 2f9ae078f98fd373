"""Independent tasks done side by side, their results taken in the order they were given.

This is the one scheduler of ncz. It promises three things: results and errors come in the
order of the tasks, so output never depends on who works; at most a stated number of tasks is held
at a time, so memory does not grow with the input; and stopping is immediate. Who does the work
is a :class:`ncz.codec.crew.Crew`.

Tasks run on daemon threads, which costs about 50 µs a task, also when only one is asked for:
a coder is a long call into compiled code that no signal interrupts, so the caller's thread has to
be free to hear Ctrl-C. A thread cannot be killed either; what a stopped pipeline leaves running
is a daemon, which the end of the process does not wait for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from ncz.codec import crew as crews
from ncz.codec.crew import Crew, Task

T = TypeVar("T")
R = TypeVar("R")

_WAIT_S = 0.5  # Windows delivers Ctrl-C only between waits; elsewhere this costs nothing


def in_flight(workers: int) -> int:
    """How many tasks a pipeline holds at most: one is read while others are worked on."""
    return workers + 1 if workers > 1 else 1


class Pipeline(Generic[T, R]):
    """Calls `work` on items, some at a time; for a caller that pushes.

    One thread gives it items and takes results::

        pipeline = Pipeline(work, threads=2)
        for item in items:
            if pipeline.full:
                use(pipeline.take())
            pipeline.submit(item)
        while pipeline.pending:
            use(pipeline.take())
        pipeline.close()

    Args:
        work: what to do with each item.
        threads: how many at a time; 0 means one per core.
        crew: who does it; `threads` of this process where None. A crew that is given is left
            running, and `threads` is how many of its workers this pipeline keeps busy at most,
            0 for all.
    """

    def __init__(self, work: Callable[[T], R], threads: int = 1, crew: Crew | None = None) -> None:
        self._work = work
        self._crew = crew or crews.threads(threads)
        self._owns = crew is None
        wanted = min(threads or self._crew.size, self._crew.size)
        # One is read ahead only where all are at work: an idle worker would begin it.
        self._limit = in_flight(wanted) if wanted >= self._crew.size else wanted
        self._tasks: deque[Task] = deque()
        self._closed = False

    @property
    def pending(self) -> int:
        """Items given whose results were not yet taken."""
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """No item may be given before a result is taken."""
        return len(self._tasks) >= self._limit

    @property
    def ready(self) -> bool:
        """:meth:`take` would not wait."""
        return bool(self._tasks) and self._tasks[0].done.is_set()

    def submit(self, item: T) -> None:
        """Give one item; the work starts as soon as a worker is free.

        Raises:
            RuntimeError: the pipeline is full, or closed.
        """
        if self.full or self._closed:
            raise RuntimeError("the pipeline is full" if self.full else "the pipeline is closed")
        task = Task(self._work, item)
        self._tasks.append(task)
        self._crew.submit(task)

    def wait(self, seconds: float | None = None) -> bool:
        """Until :attr:`ready`, or nothing is pending; False if it is not in so many seconds."""
        if not self._tasks:
            return True
        if seconds is not None:
            return self._tasks[0].done.wait(seconds)
        while not self._tasks[0].done.wait(_WAIT_S):
            pass
        return True

    def take(self) -> R:
        """The result of the oldest item, waiting for it; or the exception that `work` raised."""
        self.wait()
        task = self._tasks.popleft()
        if task.error is not None:
            raise task.error
        result: R = task.result[0]
        return result

    def close(self) -> None:
        """Drop what was not begun, and forget the rest. Waits for nothing; may be repeated."""
        self._closed = True
        for task in self._tasks:
            self._crew.drop(task)
        self._tasks.clear()
        if self._owns:
            self._crew.close()


def once(work: Callable[[T], R], item: T, crew: Crew) -> R:
    """``work(item)``, done by one of the crew."""
    (result,) = ordered_map(work, [item], 1, crew)
    return result


def ordered_map(
    work: Callable[[T], R], items: Iterable[T], threads: int = 1, crew: Crew | None = None
) -> Iterator[R]:
    """``map(work, items)`` done by `threads` threads, or a crew; for a caller that pulls.

    Looks ahead in `items` by as much as is in flight. An exception, of the work or of `items`
    itself, surfaces after the results of everything before it.

    >>> list(ordered_map(str.upper, ["a", "b"], threads=2))
    ['A', 'B']
    """
    pipeline: Pipeline[T, R] = Pipeline(work, threads, crew)
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
