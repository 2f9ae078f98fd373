"""Processes that decode mutants, and the one that watches them.

A worker makes the mutants of its numbers itself and says of each, before it begins, which one it
is and when. So where a worker dies or does not come back, its number is known: it is counted, the
worker is replaced, and the numbers around it are done again.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from fuzz import seeds
from fuzz.judge import BAD, MARGIN, TIME_LIMIT_S, Verdict, judge, way_of
from fuzz.mutators import AS_MADE, DECODE, Mutant, mutant
from fuzz.seeds import Seed
from ncz.corpora import forked

Span = tuple[int, int]


@dataclass
class Tally:
    """What came of some mutants.

    Attributes:
        counts: by tier, kind of mutation, name of the seed, way of decoding and verdict.
        bad: numbers of the bad ones, with what is to be known of them.
        most_bytes: the largest growth of a process's memory while one was decoded.
        most_seconds: of processor time, the longest that one took.
        stop: no number from here on was begun.
    """

    counts: Counter[tuple[str, str, str, str, str]] = field(default_factory=Counter)
    bad: list[tuple[int, Verdict]] = field(default_factory=list)
    most_bytes: int = 0
    most_seconds: float = 0.0
    stop: int = 0

    def add(self, one: Mutant, number: int, verdict: Verdict) -> None:
        """Count one."""
        self.stop = max(self.stop, number + 1)
        self.counts[one.tier, one.kind, one.seed.name, way_of(number), verdict.kind] += 1
        if verdict.kind in BAD:
            self.bad.append((number, verdict))


def run(found: list[Seed], span: Span, processes: int, cache: Path, step: int) -> Iterator[Tally]:
    """Decode the mutants from ``span[0]`` to before ``span[1]``; a tally for every few of them.

    Args:
        found: the seeds.
        span: numbers of mutants.
        processes: how many work at a time.
        cache: where the tiny model is installed.
        step: how many mutants a worker is given at once.
    """
    first, stop = span
    left = deque((at, min(at + step, stop)) for at in range(first, stop, step))
    workers = [_Worker(found, cache) for _ in range(processes)]
    try:
        while left or any(worker.span for worker in workers):
            for worker in workers:
                if left and worker.span is None:
                    worker.give(left.popleft())
            # Waiting for all at once; a second at most, to see who takes too long.
            wait([end for worker in workers for end in worker.ends], timeout=1)
            for k, worker in enumerate(workers):
                tally = worker.taken()
                if tally is not None:
                    yield tally
                elif (verdict := worker.lost()) is not None:
                    at, (start, end) = worker.number, worker.span or (0, 0)
                    worker.kill()
                    workers[k] = _Worker(found, cache)
                    left.extendleft(part for part in ((at + 1, end), (start, at)) if _some(part))
                    tally = Tally()
                    tally.add(mutant(found, at), at, verdict)
                    yield tally
    finally:
        for worker in workers:
            worker.kill()


def _some(span: Span) -> bool:
    return span[0] < span[1]


class _Worker:
    """One process, seen from outside."""

    def __init__(self, found: list[Seed], cache: Path, serve: Callable[..., None] | None = None):
        context = multiprocessing.get_context("spawn")
        self._slot = context.Array(
            "d", 3, lock=False
        )  # which mutant, since when, at what processor time
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve or _serve, args=(theirs, self._slot, found, str(cache)), daemon=True
        )
        self._process.start()
        theirs.close()
        self.span: Span | None = None

    @property
    def ends(self) -> list[Any]:
        """What to wait for."""
        return [self._pipe, self._process.sentinel] if self.span else []

    @property
    def number(self) -> int:
        """The mutant that it began last."""
        return int(self._slot[0])

    def give(self, span: Span) -> None:
        """Have it decode these."""
        # A new process may have to compile everything before its first mutant.
        self._slot[0], self._slot[1], self._slot[2] = span[0], time.monotonic(), math.inf
        self._pipe.send(span)
        self.span = span

    def taken(self) -> Tally | None:
        """What it has done, if it is done."""
        try:
            if self.span is None or not self._pipe.poll():
                return None
            tally: Tally = self._pipe.recv()
        except (EOFError, OSError):
            return None
        self.span = None
        return tally

    def lost(self) -> Verdict | None:
        """What to say of the mutant at hand if the process died or takes too long."""
        if self.span is None:
            return None
        if not self._process.is_alive():
            return Verdict("crash", f"the process ended with {self._process.exitcode}")
        if forked.processor_time(self._process.pid or 0) - self._slot[2] > TIME_LIMIT_S:
            return Verdict("hang", f"more than {TIME_LIMIT_S:.0f} s of processor time")
        if time.monotonic() - self._slot[1] > _STUCK_S:
            return Verdict("hang", f"more than {_STUCK_S:.0f} s, most of them doing nothing")
        return None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


_STUCK_S = 1800.0  # on a machine that has other work, too, or that has to compile everything


def _serve(pipe: Connection, slot: Any, found: list[Seed], cache: str) -> None:
    with seeds.tiny_model(Path(cache)):
        for seed in found:  # imports and compiles all that there is
            judge(_unchanged(seed), "decompress")
        while True:
            try:
                first, stop = pipe.recv()
            except EOFError:
                return
            tally = Tally()
            for number in range(first, stop):
                one, way = mutant(found, number), way_of(number)
                before = _fresh_peak()
                began = time.process_time()
                slot[0], slot[1], slot[2] = number, time.monotonic(), began
                verdict = judge(one, way)
                tally.most_seconds = max(tally.most_seconds, time.process_time() - began)
                grown = _memory("VmHWM:") - before
                tally.most_bytes = max(tally.most_bytes, grown)
                if grown > one.seed.memlimit + MARGIN:
                    verdict = Verdict("memory", f"{grown:,} bytes for {one.seed.memlimit:,}")
                tally.add(one, number, verdict)
            pipe.send(tally)


def _unchanged(seed: Seed) -> Mutant:
    return Mutant(seed, AS_MADE, "nothing", seed.data, seed.content, DECODE)


def _memory(line: str) -> int:
    """Bytes that a line of the process's status says: held now, or at most so far."""
    for said in Path("/proc/self/status").read_text("ascii").splitlines():
        if said.startswith(line):
            return int(said.split()[1]) * 1024
    raise RuntimeError(f"this system does not say {line}")


def _fresh_peak() -> int:
    """Bytes held now, from which on the peak counts: what an allocator keeps is not this one's."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS:")
