"""Jobs that share workers: in order, bounded, and none keeps the others from going on."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import crew as crews
from ncz.codec.pipeline import Pipeline, in_flight
from ncz.codec.together import Wait, alone, elsewhere, together, waited


def job(crew, name, blocks, log, work=str, limit=None):
    """`blocks` tasks, as many at once as the crew takes."""
    log.append(f"+{name}")
    pipeline = Pipeline(work, limit or crew.size, crew)
    done = []
    try:
        for block in range(blocks):
            if pipeline.full:
                if not pipeline.ready:
                    yield Wait(pipeline, last=False)
                done.append(pipeline.take())
            pipeline.submit((name, block))
        while pipeline.pending:
            if not pipeline.ready:
                yield Wait(pipeline)
            done.append(pipeline.take())
        log.append(f"-{name}")
        return done
    finally:
        pipeline.close()


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(1, 3), st.integers(1, 5))
def test_results_are_those_of_jobs_alone_and_in_order(sizes, workers, tasks):
    with crews.threads(workers) as crew:
        one_by_one = [alone(job(crew, n, size, [])) for n, size in enumerate(sizes)]
        jobs = (job(crew, n, size, []) for n, size in enumerate(sizes))
        assert list(together(jobs, tasks)) == one_by_one
    assert one_by_one == [
        [str((n, block)) for block in range(size)] for n, size in enumerate(sizes)
    ]


def test_with_one_task_jobs_come_in_sequence():
    log = []
    with crews.threads(2) as crew:
        list(together((job(crew, n, 2, log) for n in range(3)), 1))
    assert log == ["+0", "-0", "+1", "-1", "+2", "-2"]


def test_small_jobs_are_at_work_at_once():
    both = threading.Barrier(2, timeout=30)

    def meet(item):
        both.wait()
        return item

    with crews.threads(2) as crew:
        jobs = (job(crew, n, 1, [], meet) for n in range(6))
        assert list(together(jobs, in_flight(2))) == [[(n, 0)] for n in range(6)]


def test_one_that_takes_long_does_not_keep_the_others_and_results_stay_in_order():
    may_end = threading.Event()

    def work(item):
        if item[0] == 0:
            assert may_end.wait(30)
        return item

    log = []

    def jobs(crew):
        for n in range(50):
            if n == 49:
                may_end.set()
            yield job(crew, n, 1, log, work)

    with crews.threads(2) as crew:
        results = list(together(jobs(crew), in_flight(2)))
    assert results == [[(n, 0)] for n in range(50)]
    assert log.index("-40") < log.index("-0")


def test_what_is_in_flight_is_bounded():
    most = 0
    running = 0
    lock = threading.Lock()

    def jobs(crew):
        nonlocal running, most
        for n in range(30):
            with lock:
                running += 1
                most = max(most, running)
            yield counted(crew, n)

    def counted(crew, n):
        nonlocal running
        result = yield from job(crew, n, 1, [])
        with lock:
            running -= 1
        return result

    with crews.threads(2) as crew:
        list(together(jobs(crew), in_flight(2)))
    assert most <= in_flight(2) + 1


def test_a_job_with_more_to_give_lets_none_begin():
    log = []
    with crews.threads(2) as crew:
        list(together((job(crew, n, 50, log) for n in range(2)), in_flight(2)))
    assert log[0] == "+0"
    assert log.index("-0") < log.index("-1")


def test_closing_closes_what_has_begun():
    log = []
    may_end = threading.Event()

    def waiting(name):
        pipeline = Pipeline(lambda _: may_end.wait(30))
        pipeline.submit(name)
        log.append(f"begun {name}")
        try:
            yield Wait(pipeline)
        finally:
            log.append(f"over {name}")
            pipeline.close()

    def ending():
        may_end.set()
        yield from ()

    results = together(iter([waiting(0), waiting(1), ending(), waiting(2)]), 3)
    next(results)
    results.close()
    assert log[:2] == ["begun 0", "begun 1"]
    names = [line[-1] for line in log]
    assert all(names.count(name) == 2 for name in names), "whatever has begun was ended"


def test_an_error_ends_all():
    log = []

    def broken():
        yield from ()
        raise ZeroDivisionError

    with crews.threads(2) as crew, pytest.raises(ZeroDivisionError):
        list(together(iter([job(crew, 0, 3, log), broken()]), 10))


def test_elsewhere_and_waited():
    with crews.threads(1) as disk:
        steps = list(elsewhere(lambda: 1, disk))
        assert all(isinstance(step, Wait) and step.light for step in steps)
        assert alone(elsewhere(lambda: 7, disk)) == 7
        with pytest.raises(OSError, match="full"):
            alone(elsewhere(lambda: _full(), disk))
        pipeline = Pipeline(str)
        pipeline.submit(1)
        assert list(waited([b"a", Wait(pipeline), b"b"])) == [b"a", b"b"]
        assert pipeline.ready


def _full():
    raise OSError("full")
