"""Which devices there are, which one is to run language models, and how much of it they may fill.

A device is ``cpu``, where compiled code runs, or ``cuda:N``, a GPU by torch's number. All give
the same bits, so the choice is the machine's or the user's, and no file records it. It is one
for a process: whoever has several GPUs starts a process for each.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextvars import ContextVar
from ctypes.util import find_library

from ncz.codec.errors import NczError
from ncz.models.language import products

CPU = "cpu"
PLAIN = "plain"
"""The GPU's code on the CPU, through torch: for tests, as it is several times slower."""

DEVICE = "NCZ_DEVICE"
"""The environment variable that names a device where :func:`use` does not."""

_SHARE = 0.8  # of the memory that is free on a GPU: others' programs, and torch's own, want some
_ON_HOST = 1 << 30  # bytes, for PLAIN

_used: str | None = None
_limit: int | None = None
_within: ContextVar[str | None] = ContextVar("ncz_device", default=None)


def usable() -> list[str]:
    """The devices of this machine, GPUs first, ``cpu`` last. Loads torch only beside a driver."""
    return [*(f"cuda:{number}" for number in range(_gpus())), CPU]


def named(name: str) -> str:
    """The device that a user means by `name`: ``cuda`` is the first GPU.

    Raises:
        NczError: there is no such device here.
    """
    if name in (CPU, PLAIN):
        return name
    whole = "cuda:0" if name == "cuda" else name
    if not re.fullmatch(r"cuda:(0|[1-9][0-9]*)", whole):
        raise NczError(f"{name!r} is no device; choose from {', '.join(usable())}")
    if whole not in (here := usable()):
        raise NczError(f"there is no device {whole} here; choose from {', '.join(here)}")
    return whole


def use(name: str | None) -> None:
    """Have the models that this process makes ready from now on run there; None: on the best.

    Raises:
        NczError: there is no such device here.
    """
    global _used
    _used = None if name is None else named(name)


@contextlib.contextmanager
def using(name: str) -> Iterator[None]:
    """The same within a ``with`` statement, in this thread, whatever else was chosen."""
    token = _within.set(named(name))
    try:
        yield
    finally:
        _within.reset(token)


def wanted() -> str | None:
    """The device that was chosen, by the environment too, or None where nobody has.

    Raises:
        NczError: the environment names one that is not here.
    """
    chosen = _within.get() or _used
    if chosen is None and os.environ.get(DEVICE):
        try:
            chosen = named(os.environ[DEVICE])
        except NczError as error:
            raise NczError(f"{DEVICE}: {error}") from None
    return chosen


def limit(size: int | None) -> None:
    """Have models that are made ready from now on take at most `size` bytes of a device each.

    None stands for most of what is free there. The CPU's memory has other limits.
    """
    global _limit
    if size is not None and size <= 0:
        raise ValueError(f"{size} bytes of a device")
    _limit = size


def budget(device: str) -> int:
    """Bytes that a model may take of `device`, as there are now."""
    if _limit is not None:
        return _limit
    if not device.startswith("cuda"):
        return _ON_HOST
    free, _ = products.library().cuda.mem_get_info(device)
    return int(_SHARE * free)


def torch_name(device: str) -> str:
    """What torch calls it."""
    return CPU if device == PLAIN else device


def _gpus() -> int:
    """How many torch can use; without their driver's library, torch is not even loaded."""
    if not (find_library("cuda") or find_library("nvcuda")):
        return 0
    cuda = products.library().cuda
    return int(cuda.device_count()) if cuda.is_available() else 0
