"""Children of this process: a trial that may hang or crash, and the command, to be killed.

A process that is forked has everything loaded, so that the command is at work in a few
milliseconds, and hundreds of them can be killed in a minute. It runs ``python -m ncz`` as it
stands, in a folder of its own and with files for its standard streams. POSIX only.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import runpy
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from ncz.codec.errors import NczError

T = TypeVar("T")

_POLL_S = 0.002
_AWAKE = 0.002  # of the time, for who only looks whether there is something to do
_READ = 1 << 16


class Lost(NczError):
    """A child ended without a result, or had none in time."""


def alone(work: Callable[[], T], seconds: float) -> T:
    """What `work` returns in a child that has so many seconds.

    Raises:
        Lost: it was not done by then and was killed, or the child died; the message says which.
    """
    reader, writer = os.pipe()
    child = _fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            with os.fdopen(writer, "wb") as out:
                pickle.dump(work(), out)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    data, end = bytearray(), time.monotonic() + seconds
    with os.fdopen(reader, "rb", buffering=0) as results:
        while select.select([results], [], [], max(0.0, end - time.monotonic()))[0]:
            piece = results.read(_READ)
            if not piece:
                break
            data += piece
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise Lost(f"it was not done after {seconds:.0f} s")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise Lost(f"its process ended with {code}")
    result: T = pickle.loads(bytes(data))  # of our own making
    return result


@dataclass
class Child:
    """A command that runs, or has run.

    Attributes:
        pid: its process.
        started: when, by the clock that only goes forward.
        code: exit code once it has ended; negative: the signal that ended it.
    """

    pid: int
    started: float
    code: int | None = None

    def wait(self, seconds: float) -> int | None:
        """Its exit code, or None if it is still at work after so many seconds."""
        end = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= end:
                return None
            else:
                time.sleep(min(_POLL_S, max(0.0, end - time.monotonic())))
        return self.code

    def patiently(self, seconds: float, still: float) -> int | None:
        """Its exit code, or None if it hangs, however slow a machine with other work is.

        Args:
            seconds: of processor time that it may take.
            still: seconds in which it takes next to none, for it waits for what never comes.
        """
        used = processor_time(self.pid)
        while self.wait(still) is None:
            before, used = used, processor_time(self.pid)
            # What waits may wake up now and then to see whether it waits in vain.
            if used > seconds or used - before < still * _AWAKE:
                return None
        return self.code

    def kill(self) -> int:
        """End it by SIGKILL if it still runs; its exit code."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)
        return self.code


def processor_time(pid: int) -> float:
    """Seconds that a process has computed, as its own clock says; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii")
    except OSError:
        return 0.0
    user, system = status.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def command(
    args: Sequence[str],
    folder: Path,
    *,
    stdin: Path | None = None,
    stdout: Path | None = None,
    stderr: Path | None = None,
    inside: Callable[[], None] | None = None,
) -> Child:
    """Start ``ncz ARGS`` in `folder` as a child of this process.

    Args:
        args: without ``ncz``.
        folder: where it works.
        stdin, stdout, stderr: files; nothing where None.
        inside: called in the child before anything else.
    """
    pid = _fork()
    if pid:
        return Child(pid, time.monotonic())
    try:
        for number, path in enumerate((stdin, stdout, stderr)):
            how = os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY
            os.dup2(os.open(path or os.devnull, how, 0o600), number)
        os.chdir(folder)
        _run(args, inside)
    finally:
        os._exit(70)  # unreachable but for a mistake here


def warm(args: Sequence[str]) -> None:
    """Run ``ncz ARGS`` in this process, so that its children have loaded what it needs.

    Raises:
        Lost: it failed.
    """
    import threading

    codes: list[int] = []

    def run() -> None:
        # Signals stay this process's own: only in the main thread are they the command's.
        codes.append(_main(args))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if codes != [0]:
        raise Lost(f"ncz {' '.join(args)} ended with {codes}")


def _run(args: Sequence[str], inside: Callable[[], None] | None) -> NoReturn:
    code = 70
    try:
        # Those of the parent may have been replaced, and hold what it has not written.
        sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False))  # noqa: SIM115
        sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False))  # noqa: SIM115
        sys.stderr = io.TextIOWrapper(open(2, "wb", closefd=False), line_buffering=True)  # noqa: SIM115
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if inside is not None:
            inside()
        code = _main(args)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def _main(args: Sequence[str]) -> int:
    before = sys.argv
    sys.argv = ["ncz", *args]
    try:
        runpy.run_module("ncz", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    return 0


def _fork() -> int:
    import warnings

    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with warnings.catch_warnings():
        # Threads of this process, idle ones of a library, do not go on in the child.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
