"""Workers on the machines of a Ray cluster: for jobs that one machine would take days over.

Each worker is a Ray actor, a process that is tied to its node and keeps what it was told last,
so that a node loads a model once per worker. What travels is blocks: an item goes through Ray's
object store, its result comes back the same way, and neither stays there. So the store holds
blocks in flight, whatever the size of the file.

A worker or a whole node may be lost. Its task is done elsewhere, as with any crew, and the worker
is made anew on a node that is alive. Every worker says first which ncz and which Python it is;
where one differs from this process, nothing begins.

Ray passes Python objects, so whoever can reach the cluster can run any code on it, and its nodes
are trusted as this machine is.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ncz.codec import cluster_link, cluster_node, meter, notice
from ncz.codec.cluster_link import Link, Node
from ncz.codec.crew import Crew, WorkerGone, WorkerLost
from ncz.codec.errors import FormatError, NczError

_START_S = 60  # for a worker to be there, which takes some seconds
_EVERY_S = 0.5  # between questions how far a task is: none where it is done sooner
_ASIDE = "aside"  # Ray's calls of this group are answered while the worker works


def cluster(
    address: str, *, per_node: int = 0, prepare: Callable[[], object] | None = None
) -> Crew:
    """A crew on all machines that a Ray cluster has now, all of them started.

    This machine has to be a node of the cluster, too; one that offers no CPUs (``ray start
    --num-cpus=0``) gets no workers. Ray is asked for none of the CPUs, since a worker may have
    to move: on a cluster that others use, say `per_node`.

    Args:
        address: HOST:PORT of the head node, or ``auto`` on one of the nodes.
        per_node: workers on each node, which share its CPUs; 0 means one for each CPU. A
            language model is loaded by each of them and uses all CPUs that its worker has, so 1
            is best for it. Context mixing uses one.
        prepare: called first by each worker; it has to be importable, as functions of modules are.

    Raises:
        MissingExtra: Ray is not installed.
        NczError: the cluster cannot be reached or has no node for work; a node has no ncz, or
            another version of it or of Python; or `prepare` raised it.
    """
    if per_node < 0:
        raise ValueError(f"workers per node are 0 (one for each CPU) or more, not {per_node}")
    link = cluster_link.enter(address)
    workers: list[Remote] = []
    try:
        seats = _Seats(link, per_node)
        workers += [Remote(link, seats, node, prepare) for node in seats.all()]
        _start(workers)
        return Crew(workers, together=max(seats.taken.values()))
    except BaseException:
        for worker in workers:
            worker.close()
        raise
    finally:
        link.leave()  # each worker has entered by itself


class Remote:
    """A worker on some node: an actor, and another one where that is lost."""

    def __init__(
        self, link: Link, seats: _Seats, node: Node, prepare: Callable[[], object] | None
    ) -> None:
        self.name = node.name
        self._link = link.share()
        self._ray = link.ray
        self._seats = seats
        self._node = node
        self._prepare = prepare
        self._actor: Any = None
        self._knows: Callable[[Any], Any] | None = None  # the work it was told last
        self._stays = False  # it was stopped here, and its node is none the worse for it
        self._closed = False
        self._closing = threading.Lock()

    def run(self, work: Callable[[Any], Any], item: Any) -> Any:
        """See :meth:`ncz.codec.crew.Worker.run`."""
        with self._link.call():
            if self._actor is not None:
                there = self._ask("versions")  # answered before it begins
                try:
                    return self._do(work, item)
                except WorkerLost:
                    if self._answered(there):
                        raise
            # It was lost with its node while it had nothing to do, which is not the task's fault.
            self._move()
            return self._do(work, item)

    def abandon(self) -> None:
        """Kill the actor; the next task has a new one, on the same node."""
        self._stays = True
        self._kill()

    def close(self) -> None:
        """Kill the actor."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._kill()
        self._link.leave()

    def make(self) -> None:
        """Have Ray start the actor; it is there when it has said its :meth:`versions`."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._check_up()
        self._knows = None
        # Soft: where the node is dead and Ray does not know it yet, the actor comes up elsewhere.
        here = NodeAffinitySchedulingStrategy(self._node.id, soft=True)
        self._actor = self._seats.actors.options(scheduling_strategy=here).remote()
        if self._closed:  # meanwhile
            self._kill()
            self._check_up()

    def versions(self) -> Any:
        """Ask for the versions: a reference for :meth:`check`."""
        return self._ask("versions")

    def check(self, answer: Any, until: float) -> None:
        """Wait for the answer, until that monotonic time.

        Raises:
            NczError: the actor cannot run ncz, or runs another one than this process.
            WorkerLost: it did not start.
        """
        theirs = self._hear(answer, until)
        for what, ours in cluster_node.versions().items():
            if theirs.get(what) != ours:
                raise NczError(
                    f"{self.name} has {what} {theirs.get(what)} and this machine {ours}; "
                    "install the same version on both"
                )

    def begin(self) -> Any:
        """Tell the actor what it may use: a reference for :meth:`prepared`."""
        return self._ask("begin", self._seats.cores(self._node), self._prepare)

    def prepared(self, answer: Any, until: float) -> None:
        """Wait for the answer; raises what `prepare` raised."""
        error = self._hear(answer, until)
        if error is not None:
            raise _from(self.name, error)

    def _move(self) -> None:
        """Come up on a node that is alive, rather not the one where it was lost."""
        self._check_up()
        self._node = self._seats.another(self._node, self._stays)
        self._stays = False
        self.name = self._node.name
        self.make()
        until = time.monotonic() + _START_S
        self.check(self.versions(), until)
        self.prepared(self.begin(), until)

    def _do(self, work: Callable[[Any], Any], item: Any) -> Any:
        """A task, by an actor that is there."""
        answer = self._ask("run", item, None if self._knows is work else work)
        self._knows = work
        self._watch(answer)
        done, value, sentences = self._hear(answer)
        for sentence in sentences:
            notice.say(sentence)
        if done:
            return value
        raise _from(self.name, value)

    def _answered(self, answer: Any) -> bool:
        """A call that came before the one that was lost came through."""
        try:
            return bool(self._ray.wait([answer], timeout=1)[0]) and bool(self._ray.get(answer))
        except self._ray.exceptions.RayError:
            return False

    def _watch(self, answer: Any) -> None:
        """Pass on how far the task is, until there is an answer."""
        at = 0
        asked = None
        with meter.counted(lambda: at):
            while not self._ray.wait([answer], timeout=_EVERY_S)[0]:
                if asked is None:
                    asked = self._ask("at", aside=True)
                elif self._ray.wait([asked], timeout=0)[0]:
                    at, sentences = self._hear(asked)
                    asked = None
                    for sentence in sentences:
                        notice.say(sentence)

    def _ask(self, method: str, *args: Any, aside: bool = False) -> Any:
        """Call the actor's method: a reference to what it will return."""
        call = getattr(self._actor, method, None)
        if call is None:  # closed meanwhile
            raise WorkerLost(f"the worker on {self.name} was stopped")
        errors = self._ray.exceptions
        try:
            return (call.options(concurrency_group=_ASIDE) if aside else call).remote(*args)
        except (errors.ObjectStoreFullError, errors.OutOfDiskError):
            raise _store_full() from None
        except errors.RayError as error:
            raise self._lost(error) from None

    def _hear(self, answer: Any, until: float | None = None) -> Any:
        """What a call returned."""
        errors = self._ray.exceptions
        try:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not self._ray.wait([answer], timeout=left)[0]:
                self._kill()
                raise WorkerLost(
                    f"{self.name} starts no worker within {_START_S} seconds; "
                    "look at the cluster with: ray status"
                )
            return self._ray.get(answer)
        except (errors.ObjectStoreFullError, errors.OutOfDiskError):
            raise _store_full() from None
        except errors.RayTaskError as error:  # before it came to what is asked, or after it
            why = str(error).strip().splitlines()[-1]
            raise NczError(
                f"{self.name} cannot take part ({why}); check that the same ncz is installed there"
            ) from None
        except errors.RayError as error:
            raise self._lost(error) from None

    def _lost(self, error: BaseException) -> WorkerLost:
        self._kill()  # where it was only out of reach
        memory = isinstance(error, self._ray.exceptions.OutOfMemoryError)
        return WorkerLost(
            f"the worker on {self.name} was lost"
            + (": its memory ran out; use fewer per node, or a lower level" if memory else "")
        )

    def _kill(self) -> None:
        actor, self._actor = self._actor, None
        if actor is not None and self._link.up:
            with contextlib.suppress(Exception):  # it may be dead, and so may its cluster
                self._ray.kill(actor)

    def _check_up(self) -> None:
        if self._closed or not self._link.up:
            raise WorkerGone("the connection to the cluster was closed")


class _Seats:
    """Which nodes the workers are on."""

    def __init__(self, link: Link, per_node: int) -> None:
        self._link = link
        self._per_node = per_node
        self.taken: Counter[str] = Counter()  # workers, by node
        self._lock = threading.Lock()
        # Ray is not to start a worker again by itself: it does not know what that was told.
        self.actors = link.ray.remote(
            num_cpus=0, max_restarts=0, max_task_retries=0, concurrency_groups={_ASIDE: 1}
        )(cluster_node.Actor)

    def all(self) -> list[Node]:
        """A node for each worker of the cluster as it is now.

        Raises:
            NczError: there is none.
        """
        nodes = self._link.nodes()
        if not nodes:
            raise NczError(
                f"no node of the Ray cluster at {self._link.address} offers a CPU; "
                "let some join with: ray start --address=" + self._link.address
            )
        # One on each node first: if there is less to do than there are workers, all nodes share.
        rounds = range(max(self._room(node) for node in nodes))
        seats = [node for i in rounds for node in nodes if i < self._room(node)]
        self.taken.update(node.id for node in seats)
        return seats

    def another(self, last: Node, stays: bool) -> Node:
        """The node for a new worker in place of one that was on `last`.

        If it `stays`, that one while it is alive; else the emptiest, and that one only if there
        is no other, for Ray takes some time to notice that a node is dead.

        Raises:
            WorkerGone: no node is alive, or the cluster itself is gone.
        """
        try:
            alive = self._link.nodes()
        except Exception:
            alive = []
        if not alive:
            raise WorkerGone("the cluster has no node left; look at it with: ray status")
        with self._lock:
            self.taken[last.id] -= 1
            node = min(
                alive,
                key=lambda node: (
                    (node.id == last.id) != stays,
                    self.taken[node.id] / self._room(node),
                ),
            )
            self.taken[node.id] += 1
        return node

    def cores(self, node: Node) -> int:
        """How many a worker there may use."""
        return max(1, node.cpus // self._room(node))

    def _room(self, node: Node) -> int:
        return self._per_node or node.cpus


def _start(workers: Sequence[Remote]) -> None:
    """Start all of them at once. One that is lost meanwhile is made anew with its first task.

    Raises:
        WorkerLost: all of them were.
        NczError: as :func:`cluster`.
    """
    until = time.monotonic() + _START_S
    lost: WorkerLost | None = None
    for worker in workers:
        worker.make()
    asked: list[tuple[Remote, Any]] = [(worker, worker.versions()) for worker in workers]
    begun: list[tuple[Remote, Any]] = []
    ready = 0
    for worker, answer in asked:
        try:
            worker.check(answer, until)
            begun.append((worker, worker.begin()))
        except WorkerLost as error:
            lost = error
    for worker, answer in begun:
        try:
            worker.prepared(answer, until)
            ready += 1
        except WorkerLost as error:
            lost = error
    if lost is not None and not ready:
        raise lost


def _from(where: str, error: BaseException) -> BaseException:
    """An error of a task. One of the machine, such as a model it lacks, says which machine."""
    if isinstance(error, NczError) and not isinstance(error, FormatError):
        error.args = (f"on {where}: {error}",)
    return error


def _store_full() -> NczError:
    return NczError(
        "the object store of the cluster is full; use fewer workers or smaller blocks, "
        "or start its nodes with a larger --object-store-memory"
    )
