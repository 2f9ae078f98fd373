"""One measurement: one codec, one file, one direction, in a process of its own.

A fresh process makes the peak of memory mean something: nothing that ran before is in it.
Time is taken around the call alone. Before it, every library codec works on the first few
kilobytes once: that loads its module and ncz's machine code, and is reported apart, because
a user pays it once per process and not per byte.

The few kilobytes, coded, go beside the coded file, so that decoding can warm up on them
without running the encoder, whose memory would count.

A measuring process reads its standard input, which holds nothing, to its end: that is the end
of the process that asked. It then removes the scratch folder and takes its commands with it.

Run as ``python -m ncz.corpora.measure`` with a request as its argument, this prints the
result as one line of JSON. It is how :mod:`ncz.corpora.bench` measures, and no interface.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ncz.corpora.peers import Peer, Program, by_name


@dataclass(frozen=True)
class Timing:
    """What one direction cost.

    Attributes:
        cpu_s: processor seconds, all threads together.
        wall_s: seconds on the clock.
        peak_bytes: the most memory the process held, Python itself and the data included.
        warm_up_s: seconds on the clock that the first call on a few kilobytes took, imports
            and machine code included; 0 for commands.
        tokens: how many tokens a language model was asked about; 0 without one.
    """

    cpu_s: float
    wall_s: float
    peak_bytes: int
    warm_up_s: float
    tokens: int = 0


def timed_encode(codec: Peer, raw: Path, coded: Path) -> Timing:
    """Encodes the file `raw` into the file `coded`, timed."""
    if isinstance(codec, Program):
        return _run(codec, codec.encode(raw, coded), coded, raw.parent)
    content = raw.read_bytes()
    sample, warm_up_s, _ = _timed(lambda: codec.encode(content[: codec.warm_up]))
    _sample_of(coded).write_bytes(sample)
    result, wall_s, cpu_s = _timed(lambda: codec.encode(content))
    coded.write_bytes(result)
    peak = peak_memory()
    return Timing(cpu_s, wall_s, peak, warm_up_s, codec.tokens(content) if codec.tokens else 0)


def timed_decode(codec: Peer, coded: Path, raw: Path, raw_size: int) -> Timing:
    """Decodes the file `coded` that :func:`timed_encode` wrote into the file `raw`, timed."""
    if isinstance(codec, Program):
        return _run(codec, codec.decode(coded, raw), raw, raw.parent)
    content, sample = coded.read_bytes(), _sample_of(coded).read_bytes()
    _, warm_up_s, _ = _timed(lambda: codec.decode(sample, min(raw_size, codec.warm_up)))
    result, wall_s, cpu_s = _timed(lambda: codec.decode(content, raw_size))
    raw.write_bytes(result)
    return Timing(cpu_s, wall_s, peak_memory(), warm_up_s)


def peak_memory() -> int:
    """The most bytes this process ever held in memory."""
    try:
        # getrusage's figure survives exec on Linux and would hold the parent's peak.
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _max_rss(children=False)


def _run(codec: Program, command: list[str], result: Path, folder: Path) -> Timing:
    target = result if codec.stdout else Path(os.devnull)
    cpu_s, wall_s = _children_cpu(), time.perf_counter()
    with target.open("wb") as out:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE
        )
    cpu_s, wall_s = _children_cpu() - cpu_s, time.perf_counter() - wall_s
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {(said or [''])[-1]}")
    return Timing(cpu_s, wall_s, _max_rss(children=True), 0.0)


def _children_cpu() -> float:
    times = os.times()  # whole hundredths of a second on Linux, so only where nothing is finer
    try:
        import resource
    except ImportError:
        return times.children_user + times.children_system
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _max_rss(children: bool) -> int:
    try:
        import resource
    except ImportError:  # not there on Windows
        return 0
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    peak = resource.getrusage(who).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _sample_of(coded: Path) -> Path:
    return coded.with_name(f"{coded.name}.sample")


def _timed(work: Callable[[], bytes]) -> tuple[bytes, float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def _end_with_asker(scratch: Path) -> None:
    while os.read(0, 1):
        pass
    shutil.rmtree(scratch, ignore_errors=True)
    if sys.platform != "win32" and os.getpgid(0) == os.getpid():  # never a group we only joined
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main(argument: str) -> None:
    """Does what the request says and prints the outcome."""
    request = json.loads(argument)
    watch = threading.Thread(target=_end_with_asker, args=(Path(request["scratch"]),), daemon=True)
    watch.start()
    codec = by_name(request["codec"])
    source, target = Path(request["source"]), Path(request["target"])
    outcome: dict[str, object]
    try:
        if request["direction"] == "encode":
            timing = timed_encode(codec, source, target)
        else:
            timing = timed_decode(codec, source, target, request["raw_size"])
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        outcome = {**asdict(timing), "size": target.stat().st_size, "sha256": digest}
    except Exception as error:  # a codec that fails is a result, whatever it raises
        outcome = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(sys.argv[1])
