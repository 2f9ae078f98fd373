"""How long a job takes on machines that are not here, reckoned from what one worker does.

The model. A job is cut into blocks; each goes to a worker that is free and comes back coded, or the
other way. Workers do not know of each other, so their rates add up, with three limits:

- there are only so many blocks, and the last round of them may leave workers idle;
- everything goes through the one machine that reads and writes, by its network;
- each worker starts once, and loads its model.

Nothing else costs time in this model: no queue, no lost worker, no slow disk. What is measured
beside it (the scheduler's overhead, two processes against one) says how far that holds on one
machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Setup:
    """Some workers.

    Attributes:
        name: of the whole, for tables.
        workers: how many.
        rate: raw bytes a second of each, in this direction.
        network: bytes a second through the machine that reads and writes; None where nothing
            travels.
        start_s: until a worker works.
    """

    name: str
    workers: int
    rate: float
    network: float | None = None
    start_s: float = 0.0


@dataclass(frozen=True)
class Job:
    """What there is to do.

    Attributes:
        raw_size: bytes of content.
        block_size: of them in a block.
        ratio: coded bytes for each raw one.
    """

    raw_size: int
    block_size: int
    ratio: float


@dataclass(frozen=True)
class Reckoned:
    """What comes out.

    Attributes:
        seconds: for the whole job.
        shipped: bytes that travel.
        bound: what decides: ``workers``, ``blocks`` or ``network``.
    """

    seconds: float
    shipped: int
    bound: str


def reckon(job: Job, setup: Setup) -> Reckoned:
    """Time and traffic of a job.

    >>> reckon(Job(1000, 10, 0.2), Setup("ten", 10, rate=10.0))
    Reckoned(seconds=10.0, shipped=0, bound='workers')
    """
    blocks = math.ceil(job.raw_size / job.block_size)
    rounds = math.ceil(blocks / setup.workers)
    working = rounds * min(job.block_size, job.raw_size) / setup.rate
    even = job.raw_size / (setup.workers * setup.rate)
    shipped = 0 if setup.network is None else round(job.raw_size * (1 + job.ratio))
    travelling = shipped / setup.network if setup.network else 0.0
    if travelling > working:
        bound = "network"
    else:
        bound = "blocks" if working > 1.25 * even else "workers"
    return Reckoned(setup.start_s + max(working, travelling), shipped, bound)
