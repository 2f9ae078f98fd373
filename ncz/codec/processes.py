"""Workers that are processes of this machine: for what threads share and should not.

A process has a language model, compiled code and an interpreter to itself, can be bound to one
GPU, and takes nobody with it when it dies. Each is started when its first task comes, and once
more if it was killed. It talks through its standard input and output, so that it sees at once
when its parent is gone, and ends; that also keeps it from running the parent's main program, as
``multiprocessing`` would.

Both sides are the same ncz on the same machine, and what passes between them is pickled. None of
it comes from a file.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

from ncz.codec import crew, meter, notice
from ncz.codec.crew import Crew, WorkerLost

_EVERY_S = 0.2  # between reports of how far a task is


class Process:
    """A worker in a process of its own.

    Args:
        name: for messages.
        cores: how many it may use.
        prepare: called there first; it has to be importable, as functions of modules are.
    """

    def __init__(
        self, name: str, cores: int = 1, prepare: Callable[[], object] | None = None
    ) -> None:
        self.name = name
        self._cores = cores
        self._prepare = prepare
        self._child: subprocess.Popen[bytes] | None = None
        self._knows: Callable[[Any], Any] | None = None  # the work it was told last
        self._closed = False

    def run(self, work: Callable[[Any], Any], item: Any) -> Any:
        """See :meth:`ncz.codec.crew.Worker.run`."""
        at = 0
        try:
            child = self._started()
            assert child.stdin is not None and child.stdout is not None
            if self._knows is not work:
                _send(child.stdin, ("work", work))
                self._knows = work
            _send(child.stdin, ("item", item))
            with meter.counted(lambda: at):
                while True:
                    kind, value = _receive(child.stdout)
                    if kind == "at":
                        at = value
                    elif kind == "say":
                        notice.say(value)
                    elif kind == "raise":
                        raise value
                    else:
                        return value
        except (OSError, EOFError, pickle.UnpicklingError):
            raise WorkerLost(self._how_it_ended()) from None

    def close(self) -> None:
        """Kill the process."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._child = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
            self._knows = None
            if self._closed:  # meanwhile
                self._child.kill()
            assert self._child.stdin is not None
            _send(self._child.stdin, (self._cores, self._prepare))
        return self._child

    def _how_it_ended(self) -> str:
        child, self._child = self._child, None
        if child is None:
            return f"{self.name} could not be started"
        with contextlib.suppress(OSError):  # what it did not take is not to be said again
            assert child.stdin is not None
            child.stdin.close()
        child.kill()
        code = child.wait()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if code == -signal.SIGKILL:
            how += ", as the system does where memory runs out: use fewer, or a lower level"
        return f"{self.name} {how}"


def processes(count: int, prepare: Callable[[], object] | None = None) -> Crew:
    """A crew of so many processes, which share this machine's cores; 0 means one per core."""
    count = count or crew.cores()
    each = max(1, crew.cores() // count)
    return Crew([Process(f"process {i + 1}", each, prepare) for i in range(count)])


def _send(pipe: IO[bytes], message: object) -> None:
    packed = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    pipe.write(len(packed).to_bytes(8, "little"))
    pipe.write(packed)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    size = pipe.read(8)
    if len(size) < 8:
        raise EOFError
    packed = pipe.read(int.from_bytes(size, "little"))
    return pickle.loads(packed)


def _serve() -> None:
    """What the process does: the other side of :meth:`Process.run`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not break into the conversation
    lock = threading.Lock()
    inbox = _Inbox(source)

    def send(kind: str, value: object) -> None:
        with lock:
            _send(sink, (kind, value))

    notice.set_notice(lambda sentence: send("say", sentence))
    cores, prepare = inbox.next()
    crew.use_cores(cores)
    failed: BaseException | None = None
    if prepare is not None:
        try:
            prepare()
        except BaseException as error:
            failed = error
    work: Callable[[Any], Any] | None = None
    while True:
        kind, value = inbox.next()
        if kind == "work":
            work = value
            continue
        assert work is not None
        try:
            if failed is not None:
                raise failed
            with _reporting(send):
                result = work(value)
        except BaseException as error:
            send("raise", error)
        else:
            send("done", result)
        del value


class _Inbox:
    """What the parent says, read by a thread that ends the process where the parent is gone."""

    def __init__(self, source: IO[bytes]) -> None:
        import queue

        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(source,), daemon=True).start()

    def next(self) -> Any:
        return self._messages.get()

    def _read(self, source: IO[bytes]) -> None:
        try:
            while True:
                self._messages.put(_receive(source))
        except BaseException:
            os._exit(0)


class _reporting:
    """Around a task: says from time to time how far it is."""

    def __init__(self, send: Callable[[str, object], None]) -> None:
        self._send = send
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _report(self) -> None:
        last = 0
        while not self._over.wait(_EVERY_S):
            at = meter.in_flight()
            if at != last:
                self._send("at", at)
                last = at


if __name__ == "__main__":
    _serve()
