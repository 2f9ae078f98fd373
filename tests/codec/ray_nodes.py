"""A real Ray cluster of several nodes on this machine, for tests.

As ``python -m tests.codec.ray_nodes NUMBER`` it is the process that starts the nodes, and stops
them when its standard input ends: so Ray touches nothing in the process of the tests, and nothing
is left behind if that dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STORE = 80 << 20  # bytes, the least that Ray takes being 75 MiB


@dataclass(frozen=True)
class Node:
    """One node: Ray's id for it, and its raylet, whose children are its workers."""

    id: str
    raylet: int

    def kill(self) -> None:
        """Take the node from the cluster as a power cut would."""
        processes = _descendants(self.raylet)
        for pid in (self.raylet, *processes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True)
class Nodes:
    """A running cluster; the first of its nodes is the head, and this machine's processes join it.

    Every node offers one CPU.
    """

    address: str
    nodes: list[Node]


@contextlib.contextmanager
def started(count: int, environment: dict[str, str] | None = None) -> Iterator[Nodes]:
    """A cluster of so many nodes."""
    root = str(Path(__file__).parents[2])
    child = subprocess.Popen(
        [sys.executable, "-m", __name__, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        env={
            **os.environ,
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": root,
            **(environment or {}),
        },
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        line = child.stdout.readline()
        assert line, "the cluster did not start"
        said = json.loads(line)
        yield Nodes(said["address"], [Node(*node) for node in said["nodes"]])
    finally:
        child.stdin.close()
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            for pid in (*_descendants(child.pid), child.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """There is such a process, and it is no zombie."""
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def _descendants(pid: int) -> list[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(path.name)] = int(_stat(int(path.name))[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def _stat(pid: int) -> list[str]:
    """State, parent and so on of a process."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def _main(count: int) -> None:
    from ray.cluster_utils import Cluster

    say = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints
    cluster = Cluster()
    try:
        nodes = [
            cluster.add_node(
                num_cpus=1,
                object_store_memory=_STORE,
                include_dashboard=False,
                include_log_monitor=False,
                no_monitor=True,
            )
            for _ in range(count)
        ]
        cluster.wait_for_nodes()
        raylets = [node.all_processes["raylet"][0].process.pid for node in nodes]
        ids = [node.node_id for node in nodes]
        found = {"address": cluster.address, "nodes": list(zip(ids, raylets, strict=True))}
        print(json.dumps(found), file=say, flush=True)
        sys.stdin.read()
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
