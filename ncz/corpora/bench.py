"""Running codecs on files, each measurement in a process of its own, every decode verified.

A codec that fails the round trip, whatever way, is a row with an error and never a size.
Measurements run one after another unless told otherwise: side by side they share caches and
memory, which costs each of them some speed (processor seconds hide waiting, not that).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ncz.corpora import rows
from ncz.corpora.peers import Peer, Program
from ncz.corpora.registry import CorpusError
from ncz.corpora.rows import Row
from ncz.corpora.select import Item

ROWS = "rows.jsonl"
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Plan:
    """What to measure, and how.

    Attributes:
        items: the files.
        codecs: ncz's levels and its peers.
        repeat: measurements of each, of which the best counts; at least 1.
        jobs: how many measurements may run side by side; at least 1.
        limit_s: seconds after which one measurement counts as failed.
    """

    items: tuple[Item, ...]
    codecs: tuple[Peer, ...]
    repeat: int = 1
    jobs: int = 1
    limit_s: float = 3600.0


def run(
    plan: Plan,
    folder: Path | None = None,
    *,
    resume: bool = False,
    notice: Callable[[int, int, Row], None] | None = None,
) -> list[Row]:
    """Measures what the plan says.

    Args:
        plan: the files and codecs.
        folder: where rows are kept as they come; None keeps none.
        resume: skip what the folder already has without an error.
        notice: called after each row with how many are done, how many there are, and the row.

    Returns:
        A row for every file and codec, in the order of the plan.

    Raises:
        CorpusError: the folder has rows and `resume` does not say to go on with them.
    """
    asked = [_empty_row(item, codec, plan.repeat) for item in plan.items for codec in plan.codecs]
    done = {row.key: row for row in _earlier(folder, resume) if row.ok}
    work = [
        (item, codec)
        for item in plan.items
        for codec in plan.codecs
        if _empty_row(item, codec, plan.repeat).key not in done
    ]
    total, children = len(work), _Children()
    pool = ThreadPoolExecutor(plan.jobs, thread_name_prefix="ncz-bench")
    try:
        futures = [pool.submit(_measure, item, codec, plan, children) for item, codec in work]
        for count, future in enumerate(as_completed(futures), 1):
            row = future.result()
            done[row.key] = row
            if folder is not None:
                rows.append(folder / ROWS, row)
            if notice is not None:
                notice(count, total, row)
    except BaseException:
        children.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [done[row.key] for row in asked]


def _earlier(folder: Path | None, resume: bool) -> list[Row]:
    if folder is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / ROWS
    if kept.exists() and not resume:
        raise CorpusError(
            f"{kept} holds the rows of an earlier run; "
            "go on with them by --resume, or choose another --out"
        )
    return rows.load(kept)


def _empty_row(item: Item, codec: Peer, repeat: int) -> Row:
    version = _versions.setdefault(codec.name, "") or codec.version
    _versions[codec.name] = version
    return Row(item.group, item.name, item.size, item.sha256, codec.name, version, repeat)


_versions: dict[str, str] = {}  # asking a command for its version takes a process


def _measure(item: Item, codec: Peer, plan: Plan, children: _Children) -> Row:
    row = _empty_row(item, codec, plan.repeat)
    best: Row | None = None
    for _ in range(plan.repeat):
        measured = _round_trip(row, item, codec, plan.limit_s, children)
        if not measured.ok:
            return measured
        best = measured if best is None else _better(best, measured)
    assert best is not None
    return best


def _better(one: Row, other: Row) -> Row:
    faster_in, faster_out = (
        min((one, other), key=lambda row: row.encode_cpu_s),
        min((one, other), key=lambda row: row.decode_cpu_s),
    )
    return replace(
        faster_in,
        decode_cpu_s=faster_out.decode_cpu_s,
        decode_wall_s=faster_out.decode_wall_s,
        decode_peak_bytes=faster_out.decode_peak_bytes,
        decode_warm_up_s=faster_out.decode_warm_up_s,
    )


def _round_trip(row: Row, item: Item, codec: Peer, limit_s: float, children: _Children) -> Row:
    suffix = codec.program if isinstance(codec, Program) else "coded"
    with _scratch() as (there, back):
        raw, coded, restored = there / "raw", there / f"coded.{suffix}", back / "raw"
        shutil.copyfile(item.path, raw)
        request = {"codec": codec.name, "raw_size": item.size, "scratch": str(there.parent)}
        encoding = {**request, "direction": "encode", "source": str(raw), "target": str(coded)}
        encoded = children.ask(encoding, limit_s)
        if "error" in encoded:
            return replace(row, error=f"compressing: {encoded['error']}")
        decoding = {**request, "direction": "decode", "source": str(coded), "target": str(restored)}
        decoded = children.ask(decoding, limit_s)
        if "error" in decoded:
            return replace(row, error=f"decompressing: {decoded['error']}")
        if decoded["sha256"] != item.sha256:
            return replace(row, error="other bytes came back")
    return replace(
        row,
        coded_size=encoded["size"],
        tokens=encoded.get("tokens", 0),
        **{f"encode_{name}": encoded[name] for name in _COSTS},
        **{f"decode_{name}": decoded[name] for name in _COSTS},
    )


_COSTS = ("cpu_s", "wall_s", "peak_bytes", "warm_up_s")


@contextmanager
def _scratch() -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory(prefix="ncz-bench-") as name:
        there, back = Path(name, "there"), Path(name, "back")
        there.mkdir()
        back.mkdir()
        yield there, back


class _Children:
    """The measuring processes that run now, so that none outlives an interrupted run."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def ask(self, request: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """What one measurement says; an "error" in it if it says nothing."""
        with self._lock:
            if self._stopped:
                return {"error": "interrupted"}
            theirs, ours = os.pipe()
            child = subprocess.Popen(
                [sys.executable, "-m", "ncz.corpora.measure", json.dumps(request)],
                stdin=theirs,  # which ends when this process does, however that comes
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **_ONE_THREAD},
                start_new_session=True,  # the peers that are commands end with it
            )
            os.close(theirs)
            self._running.add(child)
        try:
            said, complained = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            _end(child)
            child.communicate()
            return {"error": f"took more than {limit_s:.0f} s"}
        finally:
            os.close(ours)
            with self._lock:
                self._running.discard(child)
        if child.returncode:
            last = (complained.strip().splitlines() or ["no message"])[-1]
            return {"error": f"the measuring process ended with {child.returncode}: {last}"}
        answer: dict[str, Any] = json.loads(said.splitlines()[-1])
        return answer

    def stop(self) -> None:
        """Ends them all, and lets no other start."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                _end(child)


def _end(child: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        child.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
