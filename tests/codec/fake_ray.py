"""As much of Ray as a cluster of workers calls, in threads of one process.

It knows nodes that die and come, actors that die and do not start, and it counts what is left
behind. Real nodes are in ``ray_nodes.py``; this is for what they cannot be made to do at will.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass, field
from typing import Any

import pytest


class RayError(Exception):
    pass


class RayActorError(RayError):
    pass


class RayTaskError(RayError):
    pass


class OutOfMemoryError(RayError):
    pass


class ObjectStoreFullError(RayError):
    pass


class OutOfDiskError(RayError):
    pass


@dataclass
class Actor:
    """The handle of one, and the thing itself."""

    ray: FakeRay
    node: str
    object: Any
    dead: bool = False
    pools: dict[str | None, ThreadPoolExecutor] = field(default_factory=dict)
    answers: list[Future[Any]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Method:
        if name.startswith("_"):
            raise AttributeError(name)
        return Method(self, name)

    def call(self, name: str, group: str | None, args: tuple[Any, ...]) -> Future[Any]:
        answer: Future[Any] = Future()
        if self.dead:
            answer.set_exception(RayActorError("dead"))
            return answer
        if self.node in self.ray.asleep:
            return answer
        self.answers.append(answer)
        if group not in self.pools:
            self.pools[group] = ThreadPoolExecutor(1)
        self.pools[group].submit(self._do, answer, name, args)
        return answer

    def _do(self, answer: Future[Any], name: str, args: tuple[Any, ...]) -> None:
        error: Exception | None = None
        result = None
        try:
            result = getattr(self.object, name)(*args)
        except Exception as raised:
            error = RayTaskError(f"traceback\n{type(raised).__name__}: {raised}")
        with self.ray.lock:
            if answer.done():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

    def die(self, why: RayError) -> None:
        with self.ray.lock:
            self.dead = True
            for answer in self.answers:
                if not answer.done():
                    answer.set_exception(why)


@dataclass(frozen=True)
class Method:
    actor: Actor
    name: str
    group: str | None = None

    def options(self, concurrency_group: str) -> Method:
        return Method(self.actor, self.name, concurrency_group)

    def remote(self, *args: Any) -> Future[Any]:
        return self.actor.call(self.name, self.group, args)


@dataclass(frozen=True)
class Affinity:
    node_id: str
    soft: bool


@dataclass(frozen=True)
class Class:
    ray: FakeRay
    made_of: Callable[[], Any]
    node: str = ""

    def options(self, scheduling_strategy: Affinity) -> Class:
        return Class(self.ray, self.made_of, scheduling_strategy.node_id)

    def remote(self) -> Actor:
        assert self.ray.initialized
        actor = Actor(self.ray, self.node, self.made_of())
        self.ray.actors.append(actor)
        return actor


class FakeRay(types.ModuleType):
    """The module.

    Attributes:
        cpus: of each node, by its id; take one away, and it is dead.
        asleep: nodes that never answer.
    """

    def __init__(self, cpus: dict[str, int]) -> None:
        super().__init__("ray")
        self.exceptions = sys.modules[__name__]
        self.cpus = cpus
        self.asleep: set[str] = set()
        self.actors: list[Actor] = []
        self.lock = threading.RLock()
        self.initialized = False
        self.address = "10.0.0.1:6379"
        self.fails: Exception | None = None
        self.gone = False

    def init(self, address: str, **_: Any) -> None:
        if self.fails is not None:
            raise self.fails
        self.initialized = True

    def is_initialized(self) -> bool:
        return self.initialized

    def shutdown(self) -> None:
        self.initialized = False

    def get_runtime_context(self) -> Any:
        return types.SimpleNamespace(gcs_address=self.address)

    def nodes(self) -> list[dict[str, Any]]:
        assert self.initialized
        if self.gone:
            raise RayError("no head node")
        return [
            {
                "NodeID": node,
                "Alive": True,
                "NodeManagerAddress": f"10.0.0.{node}",
                "Resources": {"CPU": float(cpus)} if cpus else {},
            }
            for node, cpus in self.cpus.items()
        ]

    def remote(self, **_: Any) -> Callable[[Callable[[], Any]], Class]:
        return lambda made_of: Class(self, made_of)

    def wait(
        self, answers: list[Future[Any]], timeout: float | None
    ) -> tuple[list[Future[Any]], list[Future[Any]]]:
        (answer,) = answers
        try:
            answer.exception(timeout)
        except TimeoutError:
            return [], answers
        return answers, []

    def get(self, answer: Future[Any]) -> Any:
        return answer.result()

    def kill(self, actor: Actor) -> None:
        assert self.initialized
        actor.die(RayActorError("killed"))

    @property
    def living(self) -> list[str]:
        """The nodes of all actors that live."""
        return sorted(actor.node for actor in self.actors if not actor.dead)

    def lose(self, node: str, why: RayError | None = None) -> None:
        """Kill all actors of a node."""
        for actor in list(self.actors):
            if actor.node == node:
                actor.die(why or RayActorError("lost"))


def install(monkeypatch: pytest.MonkeyPatch, cpus: dict[str, int]) -> FakeRay:
    """Have ``import ray`` give such a module."""
    fake = FakeRay(cpus)
    strategies = types.ModuleType("ray.util.scheduling_strategies")
    strategies.NodeAffinitySchedulingStrategy = Affinity  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.util", types.ModuleType("ray.util"))
    monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", strategies)
    return fake
