"""Ending a process at an exact step: before or after its n-th call that touches a file.

A clock hits the long parts of a run, and hardly ever the moments between two calls at its end,
where a file is synced, named and another removed. Here a process counts its own calls of the
system, as Python sees them, and kills itself at one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

TOUCHING = frozenset(
    {"open", "write", "flush", "truncate", "fsync", "close", "link", "rename", "replace", "unlink"}
    | {"utime", "chmod", "fchmod", "fchown", "mkdir", "flock", "seek"}
)
"""Functions whose calls count as steps."""


def count_into(descriptor: int) -> None:
    """Have this process count its steps; it writes their number to `descriptor` at each."""
    _Steps(0, descriptor).watch()


def end_at(step: int) -> None:
    """Have this process end by SIGKILL at a step, from 1: each call is one before and one after."""
    _Steps(step, None).watch()


class _Steps:
    def __init__(self, last: int, descriptor: int | None) -> None:
        self._last = last
        self._descriptor = descriptor
        self._count = 0
        self._lock = threading.Lock()

    def watch(self) -> None:
        threading.setprofile(self._event)
        sys.setprofile(self._event)

    def _event(self, frame: FrameType, event: str, arg: Any) -> None:
        if event not in ("c_call", "c_return", "c_exception"):
            return
        if getattr(arg, "__name__", "") not in TOUCHING:
            return
        with self._lock:
            self._count += 1
            if self._count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
            if self._descriptor is not None:
                os.pwrite(self._descriptor, b"%d" % self._count, 0)
