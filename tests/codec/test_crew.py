"""The list of tasks, with workers that do as they are told."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import crew as crews
from ncz.codec.crew import Crew, Task, WorkerGone, WorkerLost, threads
from ncz.codec.pipeline import Pipeline, in_flight, once, ordered_map

from .chores import double, wait_for


class Mortal:
    """Dies over the tasks whose turn it is, and for good over the last of them if told so."""

    name = "mortal"

    def __init__(self, deaths: list[int] | None = None, gone: int | None = None) -> None:
        self.deaths = deaths or []
        self.gone = gone
        self.turn = 0
        self.closed = 0
        self.abandoned = threading.Event()

    def run(self, work: Callable[[Any], Any], item: Any) -> Any:
        self.turn += 1
        if self.turn == self.gone:
            raise WorkerGone("gone for good")
        if self.turn in self.deaths:
            raise WorkerLost("died")
        return work(item)

    def abandon(self) -> None:
        self.abandoned.set()

    def close(self) -> None:
        self.closed += 1


def done(task: Task) -> Any:
    assert task.done.wait(30)
    if task.error is not None:
        raise task.error
    return task.result[0]


@given(st.data(), st.integers(1, 4), st.integers(0, 12))
def test_deaths_cost_nothing_but_time(data: st.DataObject, size: int, count: int) -> None:
    """However workers die, results are all there, in order; a third death may be a task's last."""
    workers = [Mortal() for _ in range(size)]
    for _ in range(2):
        data.draw(st.sampled_from(workers)).deaths.append(data.draw(st.integers(1, 8)))
    with Crew(workers) as crew:
        assert list(ordered_map(double, range(count), 0, crew)) == [2 * n for n in range(count)]


def test_a_task_may_cost_three_workers() -> None:
    worker = Mortal([1, 2, 3])
    with Crew([worker]) as crew:
        with pytest.raises(WorkerLost, match="died"):
            once(double, 1, crew)
        assert worker.turn == 3
        assert once(double, 1, crew) == 2, "and the crew goes on"


def test_a_task_is_left_to_a_worker_that_was_not_started_yet() -> None:
    first, second = Mortal(gone=1), Mortal()
    with Crew([first, second]) as crew:
        assert once(double, 4, crew) == 8
        assert (first.turn, second.turn) == (1, 1)
        assert once(double, 5, crew) == 10, "by whoever is left"


def test_when_all_are_gone_everything_fails() -> None:
    with Crew([Mortal(gone=1), Mortal(gone=1)]) as crew:
        tasks = [Task(double, n) for n in range(4)]
        for task in tasks:
            crew.submit(task)
        for task in tasks:
            with pytest.raises(WorkerGone):
                done(task)
        with pytest.raises(WorkerGone, match="no worker is left"):
            once(double, 1, crew)


def test_an_exception_is_the_tasks_and_not_the_workers() -> None:
    worker = Mortal()
    with Crew([worker]) as crew:
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                once(lambda n: 1 // n, 0, crew)
        assert worker.turn == 5


def test_two_pipelines_share_a_crew() -> None:
    with threads(2) as crew:
        one: Pipeline[int, int] = Pipeline(double, 0, crew)
        other: Pipeline[int, int] = Pipeline(lambda n: -n, 0, crew)
        for n in range(in_flight(2)):
            one.submit(n)
            other.submit(n)
        assert [other.take() for _ in range(3)] == [0, -1, -2]
        other.close()
        assert [one.take() for _ in range(3)] == [0, 2, 4], "closing one leaves the other alone"
        one.close()


def test_workers_start_when_they_are_needed() -> None:
    workers = [Mortal() for _ in range(3)]
    with Crew(workers) as crew:
        for n in range(20):
            assert once(double, n, crew) == 2 * n
        assert [worker.turn for worker in workers] == [20, 0, 0]


def test_no_more_at_once_than_a_pipeline_asks_for() -> None:
    """Though the crew is larger: the memory limit may stand behind it."""
    lock = threading.Lock()
    running, most = 0, 0

    def work(item: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.005)
        with lock:
            running -= 1
        return item

    with threads(4) as crew:
        assert list(ordered_map(work, range(20), 2, crew)) == list(range(20))
    assert most == 2


def test_closing_fails_what_was_not_begun_and_lets_nobody_wait() -> None:
    begun, release = threading.Event(), threading.Event()

    def work(_: int) -> None:
        begun.set()
        release.wait(30)

    crew = threads(1)
    tasks = [Task(work, n) for n in range(3)]
    for task in tasks:
        crew.submit(task)
    assert begun.wait(30)
    crew.close()
    crew.close()
    for task in tasks[1:]:
        with pytest.raises(WorkerGone, match="stopped before"):
            done(task)
    release.set()
    assert done(tasks[0]) is None, "a thread ends what it does"
    with pytest.raises(RuntimeError, match="closed"):
        crew.submit(Task(work, 0))


def test_a_crew_that_is_dropped_stops_its_workers() -> None:
    worker = Mortal()
    crew = Crew([worker])
    assert once(double, 1, crew) == 2
    del crew
    gc.collect()
    wait_for(lambda: worker.closed == 1)


def test_a_task_that_nobody_wants_is_given_up_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crews, "_GRACE_S", 0.05)
    quick, slow = Mortal(), Mortal()
    begun = threading.Event()

    def work(item: int) -> int:
        begun.set()
        if item:
            assert slow.abandoned.wait(30)
            raise WorkerLost("as a process that was killed")
        return item

    for worker, item in ((quick, 0), (slow, 1)):
        begun.clear()
        with Crew([worker]) as crew:
            pipeline: Pipeline[int, int] = Pipeline(work, 1, crew)
            pipeline.submit(item)
            assert begun.wait(30)
            pipeline.close()
            assert once(double, 3, crew) == 6, "the worker is free again"
            assert worker.turn == 2, "and what it gave up is not done again"
    assert not quick.abandoned.wait(0.1), "what ends by itself in time may do so"


@pytest.mark.parametrize("count", [0, 3])
def test_as_many_threads_as_asked_for(count: int) -> None:
    with threads(count) as crew:
        assert crew.size == (count or crews.cores())
        assert crew.overhead == 0


def test_a_process_may_be_told_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "_cores", None)
    assert crews.cores() >= 1
    crews.use_cores(7)
    assert crews.cores() == 7
    crews.use_cores(0)
    assert crews.cores() == 1
