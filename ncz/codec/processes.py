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
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import IO, Any

from ncz.codec import crew, meter, notice
from ncz.codec.crew import Crew, WorkerGone, WorkerLost
from ncz.codec.errors import NczError

OVERHEAD = 100 << 20
"""Bytes that a process takes besides what its coders say: 50 MB of its own with numpy and the
compiler, and its part of 90 MB of libraries, which all processes share."""

_EVERY_S = 0.2  # between reports of how far a task is
_DYING_S = 5.0  # for a process that was killed

# The search path is the parent's: by itself -c would put the current folder before everything.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from ncz.codec.processes import serve; serve()"


class Process:
    """A worker in a process of its own.

    Args:
        name: for messages.
        cores: how many it may use.
        prepare: called there first; it has to be importable, as functions of modules are. What it
            raises, every task does.
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
        """See :meth:`ncz.codec.crew.Worker.run`.

        An exception has the worker's traceback as its cause. TypeError, AttributeError and
        pickle.PicklingError are also what an item, or work, that cannot be pickled raises.
        """
        if self._closed:
            raise WorkerGone(f"{self.name} was stopped")
        # Packed before anything is said, so that what cannot be packed leaves no half sentence.
        messages = [(_ITEM, _packed(item))]
        if self._child is None or self._knows is not work:
            messages.insert(0, (_WORK, _packed(work)))
        try:
            good, value = self._told(messages)
        except (OSError, EOFError):
            raise WorkerLost(self._how_it_ended()) from None
        self._knows = work
        if good:
            return value
        error, where = value
        raise error from _There(where)

    def abandon(self) -> None:
        """Kill the process; the next task has a new one."""
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """Kill the process."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_DYING_S)

    def _told(self, messages: list[tuple[bytes, bytes]]) -> tuple[bool, Any]:
        """Whether the task succeeded, and its result, or its exception and where that was."""
        child = self._started()
        assert child.stdin is not None and child.stdout is not None
        for kind, packed in messages:
            _write(child.stdin, kind, packed)
        messages.clear()
        at = 0
        with meter.counted(lambda: at):
            while True:
                kind, packed = _read(child.stdout)
                value = pickle.loads(packed)
                if kind == _AT:
                    at = value
                elif kind == _SAY:
                    notice.say(value)
                else:
                    return kind == _DONE, value

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            with _interrupts_held():
                child = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, *sys.path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "OMP_NUM_THREADS": str(self._cores)},
                )
            self._child = child
            if self._closed:  # meanwhile
                child.kill()
            assert child.stdin is not None
            _write(child.stdin, _START, _packed((self._cores, self._prepare)))
        return self._child

    def _how_it_ended(self) -> str:
        child, self._child = self._child, None
        if child is None:
            return f"{self.name} could not be started"
        child.kill()
        code = child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):  # what it did not take is not to be said again
                assert pipe is not None
                pipe.close()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if code == -_SIGKILL:
            how += ", as the system does where memory runs out: use fewer, or a lower level"
        return f"{self.name} {how}"


def processes(count: int = 0, prepare: Callable[[], object] | None = None) -> Crew:
    """A crew of so many processes, which share this machine's cores; 0 means one per core.

    Raises:
        ValueError: `count` is negative.
    """
    if count < 0:
        raise ValueError(f"the number of processes is 0 (one per core) or more, not {count}")
    count = count or crew.cores()
    each = max(1, crew.cores() // count)
    return Crew([Process(f"process {i + 1}", each, prepare) for i in range(count)], OVERHEAD)


# Kinds of message: to a process,
_START, _WORK, _ITEM = b"s", b"w", b"i"
# and from it.
_AT, _SAY, _DONE, _RAISED = b"@", b"!", b"=", b"x"

_SIGKILL = 9  # Windows has no name for it


class _There(Exception):
    """Shows where in the worker an exception was raised."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """What is started in this while hears of no Ctrl-C until it is ready to ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _packed(message: object) -> bytes:
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def _write(pipe: IO[bytes], kind: bytes, packed: bytes) -> None:
    pipe.write(kind + len(packed).to_bytes(8, "little"))
    pipe.write(packed)
    pipe.flush()


def _read(pipe: IO[bytes]) -> tuple[bytes, bytes]:
    head = pipe.read(9)
    size = int.from_bytes(head[1:], "little")
    packed = pipe.read(size)
    if len(head) < 9 or len(packed) < size:
        raise EOFError
    return head[:1], packed


def serve() -> None:
    """What the process does: the other side of :meth:`Process.run`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Whatever reads or prints must not break into the conversation.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    inbox, outbox = _Inbox(source), _Outbox(sink)
    notice.set_notice(lambda sentence: outbox.send(_SAY, sentence))
    work: Callable[[Any], Any] | None = None
    failures: dict[bytes, BaseException] = {}  # of what tasks need, by kind of message
    while True:
        kind, packed = inbox.next()
        failures.pop(kind, None)
        try:
            if kind == _ITEM:
                for failure in failures.values():
                    raise failure
            message, packed = pickle.loads(packed), b""
            if kind == _START:
                cores, prepare = message
                crew.use_cores(cores)
                if prepare is not None:
                    prepare()
            elif kind == _WORK:
                work = message
            else:
                assert work is not None
                outbox.write(_DONE, _done(work, message, outbox))
        except BaseException as error:
            if kind == _ITEM:
                outbox.write(_RAISED, _told(error))
            else:
                failures[kind] = error
        message = None


def _done(work: Callable[[Any], Any], item: object, outbox: _Outbox) -> bytes:
    with _reporting(outbox):
        result = work(item)
    return _packed(result)


def _told(error: BaseException) -> bytes:
    """An exception and where it was raised, packed so that it can be unpacked."""
    where = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        packed = _packed((error, where))
        pickle.loads(packed)  # not every constructor takes what the exception holds
    except Exception:
        packed = _packed((NczError(f"{type(error).__name__}: {error}"), where))
    return packed


class _Inbox:
    """What the parent says, read by a thread that ends the process where the parent is gone."""

    def __init__(self, source: IO[bytes]) -> None:
        self._messages: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(source,), daemon=True).start()

    def next(self) -> tuple[bytes, bytes]:
        return self._messages.get()

    def _read(self, source: IO[bytes]) -> None:
        try:
            while True:
                self._messages.put(_read(source))
        finally:
            os._exit(0)


class _Outbox:
    """What is said to the parent, by any thread; the process ends where the parent is gone."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self._lock = threading.Lock()

    def send(self, kind: bytes, value: object) -> None:
        self.write(kind, _packed(value))

    def write(self, kind: bytes, packed: bytes) -> None:
        try:
            with self._lock:
                _write(self._sink, kind, packed)
        except OSError:
            os._exit(0)


class _reporting:
    """Around a task: says from time to time how far it is."""

    def __init__(self, outbox: _Outbox) -> None:
        self._outbox = outbox
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
                self._outbox.send(_AT, at)
                last = at
