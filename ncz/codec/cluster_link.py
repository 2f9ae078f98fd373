"""This process's connection to a Ray cluster: one, whoever uses it, and none when nobody does.

Ray knows one cluster per process. The first to :func:`enter` connects it and the last to leave
disconnects it, unless the program had connected it by itself: then it stays as it was. Ray is
talkative and patient; here it is silent, and what does not answer within seconds is refused.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ncz.codec.errors import MissingExtra, NczError

_ANSWER_S = 5  # for a machine to take a connection
_JOIN_S = 30  # for the cluster to let a process in, which takes one or two
_LEAVE_S = 10  # for calls that are under way to notice that their workers were killed


@dataclass(frozen=True)
class Node:
    """A machine of the cluster.

    Attributes:
        id: Ray's name for it.
        name: for messages.
        cpus: how many it offers, at least 1.
    """

    id: str
    name: str
    cpus: int


class Link:
    """A connection that somebody uses; made by :func:`enter`.

    Attributes:
        ray: the module.
        address: of the cluster, for messages.
    """

    def __init__(self, ray: Any, asked: str, ours: bool) -> None:
        self.ray = ray
        self.address = asked
        self._asked = asked
        self._ours = ours
        self._users = 0
        self._calls = 0
        self._changed = threading.Condition()
        self._logging = logging.getLogger("ray").level

    @property
    def up(self) -> bool:
        """Ray may be called. If not, calling it would start a cluster on this machine."""
        return bool(self._users and self.ray.is_initialized())

    def is_at(self, address: str) -> bool:
        """That address is this cluster's, as far as names tell."""
        return address in (self.address, self._asked, "auto")

    def share(self) -> Link:
        """The same for one more user, who leaves by himself."""
        with _entering:
            self._users += 1
        return self

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Around calls of Ray that wait: disconnecting lets them end first."""
        with self._changed:
            self._calls += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def nodes(self) -> list[Node]:
        """The machines that are alive and offer CPUs, in an order of their own."""
        alive = [node for node in self.ray.nodes() if node["Alive"]]
        addresses = [node["NodeManagerAddress"] for node in alive]
        found = []
        for node, address in zip(alive, addresses, strict=True):
            cpus = int(node["Resources"].get("CPU", 0))
            several = f" ({node['NodeID'][:8]})" if addresses.count(address) > 1 else ""
            if cpus:
                found.append(Node(node["NodeID"], f"node {address}{several}", cpus))
        return sorted(found, key=lambda node: node.id)

    def leave(self) -> None:
        """What :func:`enter` is followed by. The last one disconnects."""
        global _link
        with _entering:
            self._users -= 1
            if self._users or _link is not self:
                return
            _link = None
            if self._ours and self.ray.is_initialized():
                with self._changed:
                    still = self._changed.wait_for(lambda: not self._calls, _LEAVE_S)
                if still:  # else Ray would be torn from under them; it leaves with the process
                    self.ray.shutdown()
                    logging.getLogger("ray").setLevel(self._logging)


_link: Link | None = None
_entering = threading.RLock()  # held again where a crew that is dropped meanwhile leaves


def enter(address: str) -> Link:
    """Connect to the cluster at HOST:PORT, or at ``auto`` to the one that runs on this machine.

    Raises:
        MissingExtra: Ray is not installed.
        NczError: there is no such cluster, this machine is no part of it, its Ray or Python is
            another version, or this process is connected to another cluster.
    """
    global _link
    try:
        import ray
    except ImportError:
        raise MissingExtra("cluster", "work on a cluster") from None
    with _entering:
        if _link is None or not _link.up:
            if ray.is_initialized():
                link = Link(ray, _address(ray), ours=False)
            else:
                link = Link(ray, address, ours=True)
                _connect(ray, address)
                link.address = _address(ray)
            _link = link
        if not _link.is_at(address):
            raise NczError(
                f"this process is connected to the Ray cluster at {_link.address} already; "
                "name that one, or 'auto'"
            )
        return _link.share()


def _connect(ray: Any, address: str) -> None:
    """Connect this process, in a thread that can be given up, and that leaves signals alone."""
    if address != "auto":
        _reach(address)
    logger = logging.getLogger("ray")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    lock = threading.Lock()
    outcome: list[BaseException | None] = []
    given_up = False

    def join() -> None:
        try:
            ray.init(address, log_to_driver=False, configure_logging=False)
            error = None
        except BaseException as raised:
            error = raised
        with lock:
            outcome.append(error)
            if given_up and error is None:
                ray.shutdown()

    thread = threading.Thread(target=join, name="ncz-cluster", daemon=True)
    thread.start()
    try:
        thread.join(_JOIN_S)
    finally:
        with lock:
            given_up = not outcome
            if given_up or outcome[0] is not None:
                logger.setLevel(before)
    if given_up:
        raise NczError(
            f"what listens at {address} does not answer as a Ray cluster does; "
            "look at it there with: ray status"
        )
    if outcome[0] is not None:
        raise NczError(_why_not(address, outcome[0])) from outcome[0]


def _reach(address: str) -> None:
    """Check that something listens there."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not (colon and host and port.isdecimal() and int(port) < 1 << 16):
        raise NczError(
            f"{address!r} is not the address of a Ray cluster; it is HOST:PORT as "
            "`ray start --head` prints it, or 'auto' on one of its machines"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        raise NczError(
            f"no Ray cluster can be reached at {address} ({why}); "
            "start one with: ray start --head, or look at it there with: ray status"
        ) from None


def _why_not(address: str, error: BaseException) -> str:
    whole = " ".join(str(error).split())
    if "ersion mismatch" in whole or "was started with" in whole:
        return (
            f"the Ray cluster at {address} runs other versions of Ray or Python than this "
            f"process; install the same ones: {whole}"
        )
    if isinstance(error, ConnectionError):
        if address == "auto":
            return (
                "no Ray cluster runs on this machine; name one by HOST:PORT, "
                "or start one with: ray start --head"
            )
        return (
            f"this machine is no part of a Ray cluster at {address}; "
            f"let it join with: ray start --num-cpus=0 --address={address}"
        )
    return f"the Ray cluster at {address} cannot be joined ({type(error).__name__}: {whole})"


def _address(ray: Any) -> str:
    address: str = ray.get_runtime_context().gcs_address
    return address
