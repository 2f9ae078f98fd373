"""Workers in processes of their own: what passes, what does not, and how they end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ncz.codec import crew as crews
from ncz.codec import meter, notice
from ncz.codec.crew import Crew, WorkerGone, WorkerLost
from ncz.codec.errors import CorruptBlock, ModelMissing, NczError
from ncz.codec.pipeline import Pipeline, once, ordered_map
from ncz.codec.processes import OVERHEAD, Process, processes

from . import chores

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture(scope="module")
def pair() -> Iterator[Crew]:
    """Two processes that several tests use."""
    with processes(2) as crew:
        yield crew


def ids(crew: Crew) -> list[int]:
    """Of its processes."""
    children = [worker._child for worker in crew.workers if isinstance(worker, Process)]
    return [child.pid for child in children if child is not None]


def alive(pid: int) -> bool:
    """Whether there is such a process that is no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return not Path("/proc/self").exists()
    return False


def test_results_come_in_order_from_other_processes(pair: Crew) -> None:
    assert list(ordered_map(chores.double, range(20), 0, pair)) == [2 * n for n in range(20)]
    ids = set(ordered_map(chores.slowly, [0.2] * 4, 0, pair))
    assert len(ids) == 2
    assert os.getpid() not in ids


def test_megabytes_pass(pair: Crew) -> None:
    pieces = [bytes([n]) * 3_000_000 for n in range(4)]
    assert list(ordered_map(chores.double, pieces, 0, pair)) == [piece * 2 for piece in pieces]


def test_an_exception_comes_back_as_itself(pair: Crew) -> None:
    with pytest.raises(CorruptBlock) as caught:
        once(chores.corrupt, 3, pair)
    error = caught.value
    assert (error.index, error.offset, error.raw_start, error.raw_end) == (3, 5, 10, 20)
    assert error.reason == "just so"
    assert str(error) == str(CorruptBlock(3, 5, 10, 20, "just so"))
    assert "in corrupt" in str(error.__cause__), "and says where it was raised"
    with pytest.raises(ModelMissing) as other:
        once(chores.missing, None, pair)
    assert (other.value.digest, other.value.name) == ("ab" * 32, "a model")


def test_an_error_of_the_system_is_no_death(pair: Crew) -> None:
    before = ids(pair)
    with pytest.raises(FileNotFoundError, match="weights"):
        once(chores.no_file, "weights", pair)
    assert once(chores.whoami, None, pair) in before
    assert ids(pair) == before


def test_what_cannot_be_pickled_is_said_and_harms_nobody(pair: Crew) -> None:
    before = ids(pair)
    with pytest.raises(Exception, match="pickle"):
        once(lambda item: item, 1, pair)
    with pytest.raises(TypeError, match="pickle"):
        once(chores.double, (n for n in range(3)), pair)
    with pytest.raises(TypeError, match="pickle"):
        once(chores.thread_lock, None, pair)
    with pytest.raises(NczError, match="Awkward: 1 and 2"):
        once(chores.awkward, None, pair)
    assert once(chores.whoami, None, pair) in before
    assert ids(pair) == before


def test_what_cannot_be_imported_there_is_said(pair: Crew) -> None:
    """A function of a module that only this process has."""
    module = type(sys)("only_here")
    exec("def work(item): return item", module.__dict__)
    sys.modules["only_here"] = module
    try:
        with pytest.raises(ModuleNotFoundError, match="only_here"):
            once(module.work, 1, pair)
    finally:
        del sys.modules["only_here"]
    assert once(chores.double, 1, pair) == 2


def test_a_worker_that_is_killed_costs_only_time(pair: Crew, tmp_path: Path) -> None:
    tasks = [(n, tmp_path / "mark") for n in range(8)]
    assert list(ordered_map(chores.killed_where, tasks, 0, pair)) == list(range(8))
    assert (tmp_path / "mark").exists()


def test_a_worker_that_is_killed_from_outside_is_replaced() -> None:
    with processes(1) as crew:
        first = once(chores.whoami, None, crew)
        os.kill(first, signal.SIGKILL)
        second = once(chores.whoami, None, crew)
        assert second not in (first, os.getpid())


def test_a_task_that_kills_three_workers_fails_with_a_sentence(pair: Crew) -> None:
    with pytest.raises(WorkerLost, match=r"^process \d was ended by signal 9, as the system does"):
        once(chores.killed, None, pair)
    assert once(chores.double, 1, pair) == 2


def test_notices_come_through_and_prints_do_not_break_in(
    pair: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(notice, "_notice", said.append)
    once(chores.talk, "compiling something", pair)
    assert said == ["compiling something"]


def test_progress_is_summed_over_workers(pair: Crew, tmp_path: Path) -> None:
    pipeline: Pipeline[Path, None] = Pipeline(chores.halfway, 0, pair)
    marks = [tmp_path / "one", tmp_path / "two"]
    for each in marks:
        pipeline.submit(each)
    chores.wait_for(lambda: meter.in_flight() == 14)
    for each in marks:
        each.touch()
    assert [pipeline.take(), pipeline.take()] == [None, None]
    assert meter.in_flight() == 0
    pipeline.close()


def test_each_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "_cores", 5)
    with processes(2, chores.mark) as crew:
        assert list(ordered_map(chores.with_cores, range(4), 0, crew)) == [2] * 4
        assert list(ordered_map(chores.marks, range(4), 0, crew)) == [["prepared"]] * 4
    assert processes(0).size == 5
    assert processes(0).overhead == OVERHEAD
    with pytest.raises(ValueError, match="processes"):
        processes(-1)


def test_a_preparation_that_fails_fails_every_task() -> None:
    with processes(1, chores.refuse) as crew:
        for _ in range(2):
            with pytest.raises(ModelMissing, match="a device"):
                once(chores.double, 1, crew)


def test_closing_ends_a_task_at_once() -> None:
    crew = processes(2)
    pipeline: Pipeline[float, int] = Pipeline(chores.slowly, 0, crew)
    children = list(ordered_map(chores.slowly, [0.2, 0.2], 0, crew))
    pipeline.submit(60.0)
    started = time.monotonic()
    crew.close()
    with pytest.raises((WorkerLost, WorkerGone)):
        pipeline.take()
    assert time.monotonic() - started < 30
    assert not any(map(alive, children))
    with pytest.raises(WorkerGone, match="stopped"):
        crew.workers[0].run(chores.double, 1)


def test_a_dropped_task_frees_its_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(crews, "_GRACE_S", 0.05)
    with processes(1) as crew:
        first = once(chores.whoami, None, crew)
        pipeline: Pipeline[Path, None] = Pipeline(chores.halfway, 1, crew)
        pipeline.submit(tmp_path / "never")
        chores.wait_for(lambda: meter.in_flight() == 7)
        pipeline.close()
        assert once(chores.whoami, None, crew) != first


def test_the_current_folder_is_not_searched_before_everything(tmp_path: Path) -> None:
    """Where somebody else's files lie, no module is taken from among them."""
    (tmp_path / "queue.py").write_text("raise SystemExit('taken from the current folder')")
    root = Path(__file__).parents[2]
    script = f"""
import sys
sys.path[:] = [{str(root)!r}, *filter(None, sys.path)]
from ncz.codec.processes import processes
from ncz.codec.pipeline import once
import math
with processes(1) as crew:
    print(once(math.sqrt, 4, crew))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("2.0\n", "")


def test_a_program_that_waits_for_nothing_ends_quietly(tmp_path: Path) -> None:
    """One that neither closes its crew nor takes the results, while a thread waits for them."""
    root = Path(__file__).parents[2]
    script = f"""
import sys, threading, time
sys.path.insert(0, {str(root)!r})
from ncz.codec.processes import processes
from ncz.codec.pipeline import ordered_map
from tests.codec import chores
crew = processes(1)
results = ordered_map(chores.slowly, [0.0, 600.0, 600.0], 3, crew)
assert next(results) == crew.workers[0]._child.pid
threading.Thread(target=list, args=(results,), daemon=True).start()
time.sleep(0.2)
print(crew.workers[0]._child.pid)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.stderr, done.returncode) == ("", 0)
    chores.wait_for(lambda: not alive(int(done.stdout)))


def _parent(tmp_path: Path, early: bool) -> tuple[subprocess.Popen[str], list[int]]:
    """A process with two busy workers, in a group of their own, and their ids."""
    root = Path(__file__).parents[2]
    script = f"""
import sys, threading
sys.path.insert(0, {str(root)!r})
from ncz.codec.processes import processes
from ncz.codec.pipeline import Pipeline, ordered_map
from tests.codec import chores
crew = processes(2)
if not {early}:
    list(ordered_map(chores.slowly, [0.2, 0.2], 0, crew))
pipeline = Pipeline(chores.slowly, 0, crew)
pipeline.submit(600.0)
pipeline.submit(600.0)
chores.wait_for(lambda: all(worker._child for worker in crew.workers))
try:
    # Whoever reads the line may interrupt at once, before the next one here is reached.
    print(*(worker._child.pid for worker in crew.workers), flush=True)
    pipeline.take()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, [int(word) for word in process.stdout.readline().split()]


@pytest.mark.parametrize("early", [False, True])
def test_an_interrupt_of_all_leaves_no_child_and_no_traceback(tmp_path: Path, early: bool) -> None:
    """As Ctrl-C does; also while they are starting."""
    process, children = _parent(tmp_path, early)
    assert len(children) == 2
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)
    chores.wait_for(lambda: not any(map(alive, children)))


def test_a_parent_that_is_killed_leaves_no_child(tmp_path: Path) -> None:
    process, children = _parent(tmp_path, early=False)
    assert all(map(alive, children))
    process.kill()
    _, err = process.communicate(timeout=60)
    chores.wait_for(lambda: not any(map(alive, children)))
    assert err == ""
