"""Ending early without leaving anything half-written.

SIGINT, SIGTERM and SIGHUP must work at once. Python runs its handlers in the main thread
between two of its instructions, so a signal that comes just before a read from a silent pipe
would wait for that pipe. Here a thread waits for the number that the handler in C writes into
a pipe of our own, removes what is unfinished, and lets the signal end the process: a shell
then knows that it was interrupted, ends its loop, and shows 130, 143 or 129.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

from ncz.formats import temporaries

_HANDLED = ("SIGINT", "SIGTERM", "SIGHUP")


def install() -> None:
    """Handle the signals from now on, except those the caller of the command ignores.

    On systems without POSIX signals Python's own way with Ctrl-C stays.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for name in _HANDLED:
        number = getattr(signal, name)
        # nohup and background jobs of a script start us with a signal ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave_it_to_the_watcher)
    os.register_at_fork(after_in_child=_forget)
    threading.Thread(target=_watch, args=(reader,), daemon=True, name="ncz-signals").start()


def broken_pipe() -> NoReturn:
    """Nobody reads standard output any more: end quietly, as other tools do."""
    temporaries.abandon()
    _die(getattr(signal, "SIGPIPE", signal.SIGTERM))


def _watch(reader: int) -> None:
    handled = {int(getattr(signal, name)) for name in _HANDLED}
    while True:
        number = os.read(reader, 1)[0]
        if number in handled:
            break
    removed, kept = temporaries.abandon()
    if removed or kept:
        what = (
            b"what is done is kept for --resume" if kept else b"the unfinished output was removed"
        )
        with contextlib.suppress(OSError):
            os.write(2, b"\nncz: interrupted; " + what + b"\n")
    _die(number)


def _die(number: int) -> NoReturn:
    if os.name == "posix":
        import ctypes

        # signal.signal(number, SIG_DFL), but from any thread.
        ctypes.pythonapi.PyOS_setsig(ctypes.c_int(number), None)
        os.kill(os.getpid(), number)
    os._exit(128 + number)  # elsewhere, and as the first process of a container


def _leave_it_to_the_watcher(number: int, frame: FrameType | None) -> None:
    """Only where Python has a handler does the one in C write to the pipe."""


def _forget() -> None:
    """In a forked worker: the pipe is its parent's, and so would be the end of it."""
    signal.set_wakeup_fd(-1)
    for name in _HANDLED:
        number = getattr(signal, name)
        if signal.getsignal(number) is _leave_it_to_the_watcher:
            default = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(number, default)
