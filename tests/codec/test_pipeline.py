import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec.pipeline import Pipeline, in_flight, ordered_map


@given(st.lists(st.integers(), max_size=20), st.integers(1, 4))
def test_results_come_in_order(items: list[int], threads: int) -> None:
    assert list(ordered_map(lambda item: item * 2, items, threads)) == [item * 2 for item in items]


def test_order_holds_when_later_tasks_finish_first() -> None:
    release = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert release.wait(10)
        elif item == 2:
            release.set()
        return item

    assert list(ordered_map(work, range(5), threads=2)) == list(range(5))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_looks_ahead_by_what_is_in_flight(threads: int) -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            read.append(item)
            yield item

    results = ordered_map(lambda item: item, items(), threads)
    for taken in range(10):
        assert next(results) == taken
        assert len(read) <= taken + in_flight(threads) + 1
    results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_of_the_work_comes_in_its_place(threads: int) -> None:
    results = ordered_map(lambda item: 1 // item, [1, 1, 0, 1], threads)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_of_the_items_comes_after_what_was_before_it(threads: int) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("unreadable")

    results = ordered_map(lambda item: item, items(), threads)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="unreadable"):
        next(results)


def test_push() -> None:
    pipeline: Pipeline[int, int] = Pipeline(lambda item: -item, threads=2)
    assert (pipeline.pending, pipeline.full, pipeline.ready) == (0, False, False)
    for item in range(in_flight(2)):
        pipeline.submit(item)
    assert pipeline.full
    with pytest.raises(RuntimeError, match="full"):
        pipeline.submit(9)
    assert [pipeline.take() for _ in range(pipeline.pending)] == [0, -1, -2]
    pipeline.close()
    pipeline.close()
    with pytest.raises(RuntimeError, match="closed"):
        pipeline.submit(1)


def test_never_more_at_once_than_threads() -> None:
    lock = threading.Lock()
    running, most = 0, 0

    def work(item: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1
        return item

    assert len(list(ordered_map(work, range(20), threads=3))) == 20
    assert 1 <= most <= 3


def _workers() -> int:
    return sum(thread.name == "ncz-worker" for thread in threading.enumerate())


@pytest.mark.parametrize("how", ["close", "drop"])
def test_leaves_no_thread_behind(how: str) -> None:
    before = _workers()
    pipeline: Pipeline[int, int] = Pipeline(lambda item: item, threads=2)
    pipeline.submit(1)
    pipeline.submit(2)
    assert [pipeline.take(), pipeline.take()] == [1, 2]
    if how == "close":
        pipeline.close()
    del pipeline
    deadline = time.monotonic() + 10
    while _workers() > before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert _workers() <= before


def test_close_drops_what_was_not_begun() -> None:
    release, begun = threading.Event(), []

    def work(item: int) -> int:
        begun.append(item)
        release.wait(10)
        return item

    pipeline: Pipeline[int, int] = Pipeline(work, threads=2)
    for item in range(3):
        pipeline.submit(item)
    while len(begun) < 2:
        time.sleep(0.001)
    pipeline.close()
    release.set()
    time.sleep(0.05)
    assert begun == [0, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_does_not_wait_for_a_long_task(threads: int) -> None:
    script = f"""
import os, signal, threading, time
from ncz.codec.pipeline import ordered_map
def work(item):
    if item == 0:
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
    time.sleep(60)
try:
    list(ordered_map(work, range(5), {threads}))
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)
