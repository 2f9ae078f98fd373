"""Who works: processes of this machine, one for each of its GPUs, or the nodes of a cluster.

None of them changes a byte of what is made. What each of them is stands in :mod:`ncz.codec`; here
a user names them.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial

from ncz.codec.crew import Crew, cores

AUTO = "auto"
_CPU = "cpu"


def workers(
    processes: int | None = None,
    *,
    devices: str | Sequence[str] | None = None,
    cluster: str | None = None,
    device_memory: int | None = None,
) -> Crew:
    """Workers for the blocks of any number of files, until they are closed.

    To be handed as `crew` to what compresses and decompresses, in place of threads. A worker has
    models and compiled code to itself, so several are faster than threads where a language model
    works, and take as much more memory. They start when there is something to do, and stay.

    Name one of these; only processes go with a cluster, too:

    Args:
        processes: how many processes of this machine, or of each node of the cluster; 0 means one
            per core.
        devices: a process for each of these, which runs its language models there: ``cpu``,
            ``cuda:0`` and so on, or ``auto`` for all GPUs that are here, the CPU if none is.
        cluster: the address of a Ray cluster, ``auto`` for the one of this machine. A language
            model uses all cores of a node, so one process for each node is best for it.
        device_memory: with devices, bytes that a language model may take on each; None for most
            of what is free there.

    Raises:
        ValueError: none or several were named, or a number is negative.
        NczError: there is no such device, or no such cluster.
        MissingExtra: the package for clusters is not installed.

    >>> import ncz
    >>> with ncz.workers(processes=2) as crew:
    ...     coded = ncz.compress(bytes(5000), level=1, block_size=1024, crew=crew)
    ...     ncz.decompress(coded, crew=crew) == bytes(5000)
    True
    """
    among = processes if cluster is None else cluster
    if (among is None) == (devices is None):
        raise ValueError("name processes, devices or a cluster: one of them")
    if device_memory is not None and devices is None:
        raise ValueError("a limit of devices' memory goes with devices")
    if devices is not None:
        return _on(devices.split(",") if isinstance(devices, str) else devices, device_memory)
    if cluster is not None:
        enter = importlib.import_module("ncz.codec.cluster").cluster
        made: Crew = enter(cluster, per_node=processes or 0)
        return made
    from ncz.codec.processes import processes as start

    return start(processes or 0)


def _on(names: Sequence[str], memory: int | None) -> Crew:
    """A crew of a process for each device.

    Raises:
        ValueError: no device, or one twice.
        NczError: a device is not here.
    """
    from ncz.codec.processes import OVERHEAD, Process

    wanted = [name.strip() for name in names]
    wanted = _all() if wanted == [AUTO] else [_checked(name) for name in wanted]
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError("name each device once, such as cuda:0,cuda:1")
    each = max(1, cores() // len(wanted))
    return Crew([Process(name, each, partial(_use, name, memory)) for name in wanted], OVERHEAD)


def _all() -> list[str]:
    from ncz.models.language import devices

    return [name for name in devices.usable() if name != _CPU] or [_CPU]


def _checked(name: str) -> str:
    from ncz.models.language import devices

    return devices.named(name)


def _use(name: str, memory: int | None) -> None:
    """In the process of a device, before its first task."""
    from ncz.models.language import devices

    devices.use(name)
    devices.limit(memory)
