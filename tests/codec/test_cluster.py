"""Workers on a Ray cluster: a real one, of three nodes on this machine.

What real nodes cannot be made to do at will is in ``test_cluster_link.py``.
"""

from __future__ import annotations

import importlib.util
import io
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

import ncz
from ncz.codec import cluster_node, meter, notice
from ncz.codec.cluster import _Seats, cluster
from ncz.codec.cluster_link import Link, Node
from ncz.codec.crew import Crew, WorkerLost
from ncz.codec.errors import CorruptBlock, ModelMissing, NczError
from ncz.codec.pipeline import ordered_map
from ncz.formats.options import CompressOptions, DecompressOptions
from ncz.formats.stream import compress_stream, decompress_stream

from . import cluster_work as work
from . import ray_nodes
from .ray_nodes import Nodes, alive

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or not Path("/proc").is_dir(),
    reason="needs the extra `cluster`, and Linux",
)


def slow(test: object) -> object:
    return pytest.mark.slow(needs_ray(test))


def text(size: int, seed: int = 0) -> bytes:
    """Some words in no order."""
    words = ["block", "worker", "node", "of", "the", "a", "lost", "and", "made", "anew.", "\n"]
    chosen = random.Random(seed).choices(words, k=size // 3)
    return " ".join(chosen).encode()[:size]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with ray_nodes.started(3) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def shared(nodes: Nodes) -> Iterator[Crew]:
    """A crew of three for tests that leave it whole."""
    with cluster(nodes.address) as crew:
        yield crew


@needs_ray
def test_nothing_listens_there() -> None:
    import ray  # noqa: F401  # which may take longer

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        began = time.monotonic()
        with pytest.raises(NczError, match="no Ray cluster can be reached at 127") as caught:
            cluster(f"127.0.0.1:{taken.getsockname()[1]}")
        assert time.monotonic() - began < 10
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("stays", "where"), [(True, "b"), (False, "c")])
def test_a_new_worker_comes_up_where_there_is_room(stays: bool, where: str) -> None:
    nodes = [Node(name, name, 2) for name in "abc"]
    ray = SimpleNamespace(remote=lambda **_: lambda made: made)
    seats = _Seats(cast(Link, SimpleNamespace(ray=ray, nodes=lambda: nodes)), 1)
    assert seats.all() == nodes
    del nodes[0]
    assert seats.another(nodes[0], stays).name == where
    gone = nodes.pop(0)
    assert seats.another(gone, stays).name == "c"


@slow
def test_what_listens_is_no_cluster() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        script = (
            "from ncz.codec import cluster, cluster_link; cluster_link._JOIN_S = 2\n"
            f"try: cluster.cluster({address!r})\n"
            "except Exception as error: print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
    assert "does not answer as a Ray cluster does" in done.stdout
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


@slow
@pytest.mark.parametrize("level", [1, 3])
def test_the_bytes_are_those_of_one_thread(shared: Crew, level: int) -> None:
    raw = text(200_000, level) + random.Random(level).randbytes(30_000)
    coded, back = io.BytesIO(), io.BytesIO()
    how = CompressOptions(level=level, block_size=16384, verify=level == 3)
    compress_stream(io.BytesIO(raw), coded, how, crew=shared)
    assert coded.getvalue() == ncz.compress(raw, level, block_size=16384)
    coded.seek(0)
    decompress_stream(coded, back, DecompressOptions(), crew=shared)
    assert back.getvalue() == raw


@slow
def test_results_come_in_order_from_all_nodes(shared: Crew) -> None:
    assert shared.size == 3
    assert list(ordered_map(work.double, range(50), 3, shared)) == [2 * i for i in range(50)]
    assert len(set(ordered_map(work.pid, [1.0] * 3, 3, shared))) == 3
    assert list(ordered_map(work.cores, range(3), 3, shared)) == [1, 1, 1]


@slow
def test_functions_made_of_others(shared: Crew) -> None:
    assert list(ordered_map(partial(pow, 2), range(9), 3, shared)) == [2**i for i in range(9)]


@slow
def test_the_object_store_holds_what_is_in_flight(shared: Crew) -> None:
    """Stores have 80 MiB: more than that goes through each, and nothing is held or spilled.

    Ray keeps what nobody needs any more as long as there is room.
    """
    pytest.importorskip("grpc", reason="Ray asks its own stores by grpcio")
    from ray._private.internal_api import memory_summary

    block = bytes(8 << 20)
    for result in ordered_map(work.identity, (block for _ in range(40)), 3, shared):
        assert result == block
    del result
    summary = memory_summary(stats_only=True)
    assert ", 0.0% needed" in summary
    assert "Spilled" not in summary


@slow
def test_errors_come_back_as_they_are(shared: Crew) -> None:
    with pytest.raises(CorruptBlock) as damage:
        list(ordered_map(work.fail, ["damage"], 3, shared))
    found = damage.value
    assert (found.index, found.offset, found.raw_start, found.raw_end) == (3, 1000, 5, 6)
    assert str(found).startswith("block 3 at offset 1000")
    with pytest.raises(ZeroDivisionError, match=r"^a test$"):
        list(ordered_map(work.fail, ["other"], 3, shared))
    with pytest.raises(NczError, match=r"ValueError: .*it has a lambda"):
        list(ordered_map(work.fail, ["unpicklable"], 3, shared))
    assert list(ordered_map(work.double, [4], 3, shared)) == [8]


@slow
def test_a_node_without_the_model_is_named(shared: Crew) -> None:
    with pytest.raises(ModelMissing, match=r"^on node .*: this file needs the model") as caught:
        list(ordered_map(work.fail, ["model"], 3, shared))
    assert caught.value.name == "small"


@slow
def test_what_cannot_be_sent(shared: Crew) -> None:
    with pytest.raises(TypeError):
        list(ordered_map(work.identity, [threading.Lock()], 3, shared))  # type: ignore[list-item]
    assert list(ordered_map(work.double, [4], 3, shared)) == [8]


@slow
def test_progress_and_notices_come_through(shared: Crew) -> None:
    heard: list[str] = []
    seen = set()
    notice.set_notice(heard.append)
    try:
        results = ordered_map(work.meter_and_say, [4.0, 4.0], 3, shared)
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.05):
                seen.add(meter.in_flight())

        clock = threading.Thread(target=look)
        clock.start()
        assert list(results) == ["done", "done"]
        over.set()
        clock.join()
    finally:
        notice.set_notice(None)
    assert 100 in seen
    assert meter.in_flight() == 0
    assert sorted(heard) == ["a sentence", "a sentence", "another", "another"]


@slow
def test_a_worker_that_dies_costs_only_its_task(shared: Crew, tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    assert list(ordered_map(work.die_once, [mark] * 4, 3, shared)) == ["done"] * 4
    assert len(set(ordered_map(work.pid, [1.0] * 3, 3, shared))) == 3  # three again


@slow
def test_a_task_that_kills_its_workers_fails(shared: Crew) -> None:
    with pytest.raises(WorkerLost, match=r"worker on node .* was lost"):
        list(ordered_map(work.die, [0], 3, shared))
    assert list(ordered_map(work.double, [4], 3, shared)) == [8]


@slow
def test_one_worker_a_node_and_several(shared: Crew, nodes: Nodes) -> None:
    with cluster(nodes.address, per_node=2, prepare=work.prepare) as crew:
        assert crew.size == 6
        assert len({worker.name for worker in crew.workers}) == 3
        assert list(ordered_map(work.prepared, [0], 1, crew)) == ["yes"]
    assert list(ordered_map(work.prepared, range(9), 3, shared)) == [None] * 9


@slow
def test_what_prepare_raises(nodes: Nodes) -> None:
    with pytest.raises(NczError, match=r"^on node .*: there is no such device$"):
        cluster(nodes.address, prepare=work.prepare_badly)


@slow
def test_another_version_is_refused(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {**cluster_node.versions(), "ncz": "7.8"}
    monkeypatch.setattr(cluster_node, "versions", lambda: ours)
    with pytest.raises(NczError, match=r"^node .* has ncz 0\S* and this machine 7\.8; install"):
        cluster(nodes.address)


@slow
def test_one_process_has_one_cluster(shared: Crew, nodes: Nodes) -> None:
    other = "127.0.0.1:1"
    with pytest.raises(NczError, match="is connected to the Ray cluster at"):
        cluster(other)
    with cluster("auto") as crew:
        assert list(ordered_map(work.double, [4], 3, crew)) == [8]


def _script(nodes: Nodes, body: str) -> subprocess.Popen[str]:
    script = f"""
import sys, time
from ncz.codec.cluster import cluster
from ncz.codec.pipeline import ordered_map
from tests.codec import cluster_work as work
address = {nodes.address!r}
if __name__ == "__main__":
{body}
"""
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def _pids(folder: Path, count: int) -> list[int]:
    """The workers that linger, once there are so many."""
    until = time.monotonic() + 120
    while len(found := [int(path.name) for path in folder.iterdir()]) < count:
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


def _ended(pids: list[int]) -> bool:
    until = time.monotonic() + 30
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.1)
    return not any(map(alive, pids))


@slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_job_leaves_no_actor(nodes: Nodes, tmp_path: Path, how: signal.Signals) -> None:
    child = _script(
        nodes,
        f"""
    try:
        with cluster(address) as crew:
            list(ordered_map(work.linger, [{str(tmp_path)!r}] * 9, 3, crew))
    except KeyboardInterrupt:
        print("interrupted")
""",
    )
    pids = _pids(tmp_path, 3)
    began = time.monotonic()
    os.kill(child.pid, how)
    out, err = child.communicate(timeout=60)
    if how == signal.SIGINT:
        assert (out, err, child.returncode) == ("interrupted\n", "", 0)
        assert time.monotonic() - began < 20
    assert _ended(pids)


@slow
def test_ends_quietly_with_work_under_way(nodes: Nodes, tmp_path: Path) -> None:
    """A program that neither closes the crew nor waits for it."""
    child = _script(
        nodes,
        f"""
    crew = cluster(address)
    results = ordered_map(work.linger, [{str(tmp_path)!r}] * 9, 3, crew)
    import threading
    threading.Thread(target=next, args=(results,), daemon=True).start()
    time.sleep(5)
    print("over")
""",
    )
    out, err = child.communicate(timeout=90)
    assert (out, err, child.returncode) == ("over\n", "", 0)
    assert _ended(_pids(tmp_path, 1))


@slow
def test_leaves_ray_as_it_was(nodes: Nodes) -> None:
    child = _script(
        nodes,
        """
    import signal, ray
    handler = signal.getsignal(signal.SIGTERM)
    for _ in range(2):
        with cluster(address) as crew:
            assert list(ordered_map(work.double, [4], 3, crew)) == [8]
            assert ray.is_initialized()
        assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) == handler
    ray.init(address, log_to_driver=False, configure_logging=False, logging_level="ERROR")
    with cluster("auto") as crew:
        assert list(ordered_map(work.double, [4], 3, crew)) == [8]
    assert ray.is_initialized()
    print("good")
""",
    )
    out, err = child.communicate(timeout=120)
    assert (out, child.returncode) == ("good\n", 0), err
