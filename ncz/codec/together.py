"""Jobs that share workers: while one waits for its last tasks, the next ones have begun.

A job is a generator that reads, gives tasks to a pipeline and writes what comes of them. Where it
would have to wait for a task it yields a :class:`Wait` instead, and may be gone on with at any
time, at the price of waiting then. So one thread can have several jobs at work: a thousand small
files keep the workers of a crew as busy as the blocks of a large one do.

Jobs begin in their order, and their results come in it. A job begins when there are workers with
nothing to do, and no job before it will have more for them before it is over, so tasks in flight
are about as many as with one job, and what is held is as bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ncz.codec.crew import Crew
from ncz.codec.pipeline import Pipeline

T = TypeVar("T")
R = TypeVar("R")

_LOOK_S = 0.01  # between looks at other jobs, while the oldest one's task takes its time
_FINISHED = 1 << 12  # results that wait for the one of a job before them
_LIGHT = 32  # jobs that wait for the disk, each with a file open


@dataclass(frozen=True)
class Wait:
    """The job goes on when the oldest task of the pipeline is done.

    Attributes:
        pipeline: whose.
        last: it will give no more tasks to workers before those that it has given are done.
        light: the task is not one of the workers', but waits for a disk, and holds next to nothing.
    """

    pipeline: Pipeline[Any, Any]
    last: bool = True
    light: bool = False

    @property
    def over(self) -> bool:
        """There is nothing to wait for."""
        return self.pipeline.ready or not self.pipeline.pending


Steps = Generator[Wait, None, R]


def elsewhere(work: Callable[[], T], crew: Crew) -> Steps[T]:
    """A part of a job that waits for a disk: ``work()``, done by another crew than the tasks."""
    pipeline: Pipeline[Callable[[], T], T] = Pipeline(_call, 1, crew)
    try:
        pipeline.submit(work)
        yield Wait(pipeline, light=True)
        return pipeline.take()
    finally:
        pipeline.close()


def alone(job: Steps[R]) -> R:
    """The result of a job that runs by itself."""
    while True:
        try:
            wait = next(job)
        except StopIteration as end:
            result: R = end.value
            return result
        wait.pipeline.wait()


def waited(steps: Iterable[T | Wait]) -> Iterator[T]:
    """`steps` without the waits, which are waited for here."""
    for step in steps:
        if isinstance(step, Wait):
            step.pipeline.wait()
        else:
            yield step


def together(jobs: Iterable[Steps[R]], tasks: int) -> Iterator[R]:
    """The results of `jobs`, in their order. Closing the iterator closes those that have begun.

    Args:
        jobs: taken one by one, as there is room for them.
        tasks: how many may be in flight when another job begins; with 1, the jobs
            run one after the other.
    """
    waiting = iter(jobs)
    begun: deque[_Job[R]] = deque()  # whose results were not yet taken
    running: list[_Job[R]] = []  # those of them that are not over, in their order
    more = True
    try:
        while True:
            while begun and begun[0].over:
                yield begun.popleft().result[0]
            if more and len(begun) < _FINISHED and _room(running, tasks):
                steps = next(waiting, None)
                if steps is None:
                    more = False
                    continue
                job = _Job(steps)
                begun.append(job)
                running.append(job)
            elif running:
                job = _next(running)
                if not job.wait_for(_LOOK_S if len(running) > 1 else None):
                    continue
            else:
                return
            job.go_on()
            if job.over:
                running.remove(job)
    finally:
        for job in running:
            job.close()


class _Job(Generic[R]):
    """A job that has begun."""

    def __init__(self, steps: Steps[R]) -> None:
        self.result: list[R] = []  # one, once it is over
        self._steps = steps
        self._wait: Wait | None = None

    @property
    def over(self) -> bool:
        return bool(self.result)

    @property
    def ready(self) -> bool:
        return self._wait is None or self._wait.over

    @property
    def last(self) -> bool:
        return self._wait is not None and self._wait.last

    @property
    def light(self) -> bool:
        return self._wait is not None and self._wait.light

    @property
    def tasks(self) -> int:
        return self._wait.pipeline.pending if self._wait and not self.light else 0

    def wait_for(self, seconds: float | None) -> bool:
        return self._wait is None or self._wait.pipeline.wait(seconds)

    def go_on(self) -> None:
        try:
            self._wait = next(self._steps)
        except StopIteration as end:
            self.result.append(end.value)

    def close(self) -> None:
        self._steps.close()


def _next(running: list[_Job[R]]) -> _Job[R]:
    """The oldest job that need not wait; else the oldest of those that wait for workers, if any."""
    ready = next((job for job in running if job.ready), None)
    return ready or next((job for job in running if not job.light), running[0])


def _room(running: list[_Job[R]], tasks: int) -> bool:
    return (
        all(job.last for job in running)
        and sum(job.tasks for job in running) < tasks
        and sum(job.light for job in running) < _LIGHT
    )


def _call(work: Callable[[], T]) -> T:
    return work()
