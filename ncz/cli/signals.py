"""Ending early without leaving anything half-written.

SIGINT, SIGTERM and SIGHUP remove what is unfinished and then end the process as they would
have done anyway, so that a shell knows that it was interrupted (it shows 130, 143 or 129).
They work at once because coding runs beside the main thread, see :mod:`ncz.codec.pipeline`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

from ncz.cli import temporaries

_HANDLED = ("SIGINT", "SIGTERM", "SIGHUP")


def install() -> None:
    """Handle the signals from now on, except those the caller of the command ignores."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _HANDLED:
        number = getattr(signal, name, None)
        # nohup and background jobs of a script start us with a signal ignored.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def broken_pipe() -> NoReturn:
    """Nobody reads standard output any more: end quietly, as other tools do."""
    temporaries.abandon()
    _die(getattr(signal, "SIGPIPE", signal.SIGTERM))


def _end(number: int, frame: FrameType | None) -> NoReturn:
    if temporaries.abandon():
        with contextlib.suppress(OSError):
            os.write(2, b"\nncz: interrupted; the unfinished output was removed\n")
    _die(number)


def _die(number: int) -> NoReturn:
    if os.name == "posix":
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(128 + number)  # elsewhere, and as the first process of a container
