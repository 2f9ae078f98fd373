"""Connections to a cluster that is not there, and workers on one that does what it is told."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from ncz.codec import cluster as clusters
from ncz.codec import cluster_link, cluster_node, crew, notice
from ncz.codec.cluster import cluster
from ncz.codec.crew import WorkerGone, WorkerLost
from ncz.codec.errors import CorruptBlock, MissingExtra, ModelMissing, NczError
from ncz.codec.pipeline import ordered_map

from . import cluster_work as work
from . import fake_ray
from .fake_ray import FakeRay


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRay]:
    """Two nodes with two CPUs and one, and one without."""
    fake = fake_ray.install(monkeypatch, {"1": 2, "2": 1, "3": 0})
    monkeypatch.setattr(crew, "_cores", None)  # workers, being in this process, set these
    monkeypatch.setattr(notice, "_notice", None)
    yield fake
    assert fake.living == []
    assert cluster_link._link is None


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'ncz\[cluster\]'"):
        cluster("127.0.0.1:6379")


@pytest.mark.parametrize("address", ["", "here", "here:", ":1", "a:b", "a:65536", "ray://a:10001"])
def test_what_is_no_address(ray: FakeRay, address: str) -> None:
    with pytest.raises(NczError, match="is not the address of a Ray cluster"):
        cluster(address)


@pytest.mark.parametrize(
    ("why", "sentence"),
    [
        (ConnectionError("Failed"), "no Ray cluster runs on this machine"),
        (RuntimeError("Version mismatch: Ray\n 1 \nand\n 2"), "runs other versions .* Ray 1 and 2"),
        (OSError("what\never"), r"cannot be joined \(OSError: what ever\)"),
    ],
)
def test_why_it_cannot_be_joined(ray: FakeRay, why: Exception, sentence: str) -> None:
    ray.fails = why
    with pytest.raises(NczError, match=sentence) as caught:
        cluster("auto")
    assert "\n" not in str(caught.value)


def test_joining_takes_too_long(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_link, "_JOIN_S", 0.05)
    release = threading.Event()
    join = ray.init

    def late(address: str, **_: object) -> None:
        release.wait(10)
        join(address)

    monkeypatch.setattr(ray, "init", late)
    with pytest.raises(NczError, match="does not answer as a Ray cluster does"):
        cluster("auto")
    release.set()
    for thread in threading.enumerate():
        if thread.name == "ncz-cluster":
            thread.join()
    assert not ray.initialized, "what was given up and came late is undone"


def test_no_node_for_work(ray: FakeRay) -> None:
    ray.cpus = {"3": 0}
    with pytest.raises(NczError, match="offers a CPU"):
        cluster("auto")
    assert not ray.initialized


@pytest.mark.parametrize(("per_node", "places"), [(0, "112"), (1, "12"), (2, "1122")])
def test_places_and_cores(ray: FakeRay, per_node: int, places: str) -> None:
    with cluster("auto", per_node=per_node) as crew:
        assert ray.living == list(places)
        assert crew.size == len(places)
        assert [worker.name for worker in crew.workers][:2] == ["node 10.0.0.1", "node 10.0.0.2"]
        assert list(ordered_map(work.double, range(20), 9, crew)) == [2 * i for i in range(20)]
    assert not ray.initialized


def test_two_crews_share_a_connection(ray: FakeRay) -> None:
    with cluster("auto") as one:
        with cluster(ray.address, per_node=1) as other:
            assert list(ordered_map(work.double, range(9), 9, other)) == [2 * i for i in range(9)]
        assert ray.initialized
        assert list(ordered_map(work.double, range(9), 9, one)) == [2 * i for i in range(9)]
        with pytest.raises(NczError, match=r"is connected to the Ray cluster at 10\.0\.0\.1:6379"):
            cluster("10.0.0.9:6379")
    assert not ray.initialized


def test_a_connection_of_the_program_is_left(ray: FakeRay) -> None:
    ray.init("auto")
    with cluster("auto"):
        pass
    assert ray.initialized


def test_a_lost_worker_moves_and_its_task_is_done(ray: FakeRay) -> None:
    lost = []

    def once(item: int) -> int:
        if item == 4 and not lost:
            lost.append(item)
            del ray.cpus["2"]
            ray.lose("2")
            ray.lose("1")  # and all that were not at it, too
        return item

    with cluster("auto") as crew:
        assert list(ordered_map(once, range(9), 3, crew)) == list(range(9))
        wait = threading.Barrier(3)
        list(ordered_map(lambda _: wait.wait(10), range(3), 3, crew))  # three are there again
        assert ray.living == ["1", "1", "1"]


def test_what_the_cluster_gained_takes_the_place_of_what_it_lost(ray: FakeRay) -> None:
    with cluster("auto", per_node=1) as crew:
        ray.cpus = {"1": 2, "5": 4}
        ray.lose("2")
        wait = threading.Barrier(2)
        list(ordered_map(lambda _: wait.wait(10), range(2), 2, crew))
        assert ray.living == ["1", "5"]
        assert {worker.name for worker in crew.workers} == {"node 10.0.0.1", "node 10.0.0.5"}


@pytest.mark.parametrize("head", [True, False])
def test_no_node_is_left(ray: FakeRay, head: bool) -> None:
    def end(_: int) -> None:
        if head:
            ray.cpus = {}
        else:
            ray.gone = True
        for node in "12":
            ray.lose(node)

    with cluster("auto") as crew, pytest.raises(WorkerGone, match="no node left"):
        list(ordered_map(end, range(5), 3, crew))


def test_memory_that_ran_out_is_named(ray: FakeRay) -> None:
    def end(_: int) -> None:
        for node in "12":
            ray.lose(node, fake_ray.OutOfMemoryError())

    with cluster("auto", per_node=1) as crew, pytest.raises(WorkerLost, match="memory ran out"):
        list(ordered_map(end, [0], 3, crew))


def test_a_node_that_never_answers(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_START_S", 0.2)
    ray.asleep = {"2"}
    with cluster("auto", per_node=1) as crew:
        assert ray.living == ["1"]
        ray.asleep.clear()
        wait = threading.Barrier(2)
        list(ordered_map(lambda _: wait.wait(10), range(2), 2, crew))
    ray.asleep = {"1", "2"}
    with pytest.raises(WorkerLost, match="starts no worker within"):
        cluster("auto")


def test_another_version_is_refused(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {**cluster_node.versions(), "ncz": "7.8"}
    monkeypatch.setattr(cluster_node.Actor, "versions", lambda self: theirs)
    with pytest.raises(NczError, match=r"^node 10.0.0.1 has ncz 7\.8 and this machine 0.*install"):
        cluster("auto")


def test_a_node_without_ncz(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ModuleNotFoundError("No module named 'ncz'")

    monkeypatch.setattr(cluster_node.Actor, "versions", fail)
    with pytest.raises(NczError, match=r"node 10.0.0.1 cannot take part .*No module named 'ncz'"):
        cluster("auto")


def test_what_prepare_does_and_raises(ray: FakeRay) -> None:
    done = []
    with cluster("auto", prepare=lambda: done.append(1)):
        assert done == [1, 1, 1]
    with pytest.raises(NczError, match=r"^on node 10.0.0.1: there is no such device$"):
        cluster("auto", prepare=work.prepare_badly)


def test_errors_of_tasks(ray: FakeRay) -> None:
    with cluster("auto", per_node=1) as crew:
        with pytest.raises(CorruptBlock, match=r"^block 3 at offset 1000 is damaged"):
            list(ordered_map(work.fail, ["damage"], 1, crew))
        with pytest.raises(ModelMissing, match=r"^on node 10.0.0.\d: this file needs") as caught:
            list(ordered_map(work.fail, ["model"], 1, crew))
        assert caught.value.name == "small"
        with pytest.raises(NczError, match=r"^on node .*: ValueError: .*it has a lambda"):
            list(ordered_map(work.fail, ["unpicklable"], 1, crew))
        assert list(ordered_map(work.double, range(9), 1, crew)) == [2 * i for i in range(9)]


def test_closing_ends_tasks_under_way(ray: FakeRay) -> None:
    release, begun = threading.Event(), threading.Semaphore(0)

    def hang(_: int) -> None:
        begun.release()
        release.wait(20)

    crew = cluster("auto")
    results = ordered_map(hang, range(3), 3, crew)
    failed: list[BaseException] = []

    def take() -> None:
        try:
            next(results)
        except NczError as error:
            failed.append(error)

    taking = threading.Thread(target=take)
    taking.start()
    for _ in range(3):
        assert begun.acquire(timeout=10)
    began = time.monotonic()
    crew.close()
    crew.close()
    taking.join(10)
    assert time.monotonic() - began < 5
    assert len(failed) == 1
    assert not ray.initialized
    release.set()


def test_workers_lost_while_idle_are_not_the_task_s_fault(ray: FakeRay) -> None:
    with cluster("auto", per_node=4) as crew:
        wait = threading.Barrier(8)
        list(ordered_map(lambda _: wait.wait(10), range(8), 8, crew))  # all have had something
        del ray.cpus["2"]
        ray.lose("2")
        ray.lose("1")
        assert list(ordered_map(work.double, range(9), 8, crew)) == [2 * i for i in range(9)]
