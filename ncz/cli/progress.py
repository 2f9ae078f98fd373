"""A bar with speed and time left, on stderr, only where a person watches.

Blocks finish seconds or minutes apart, so the bar is drawn by a clock and not by the work, and
counts what the unfinished ones have done so far.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncz.formats.stream import Progress

_PERIOD_S = 0.2
_SILENCE_S = 0.5  # shorter work shows no bar


@contextmanager
def bar(
    label: str, total: int | None, *, shown: bool
) -> Iterator[Callable[[Progress], None] | None]:
    """What to hand the library as its progress callback while the block runs.

    Args:
        label: the name in front.
        total: input bytes to come, None if unknown.
        shown: false for no bar, and then the callback is None.
    """
    if not shown:
        yield None
        return
    done = threading.Event()
    latest = [0, 0]

    def report(progress: Progress) -> None:
        latest[:] = progress.bytes_in, progress.kept_in

    clock = threading.Thread(target=_draw, args=(label, total, latest, done), daemon=True)
    clock.start()
    try:
        yield report
    finally:
        done.set()
        clock.join()


class Sum:
    """The progress of several files as that of one, for `report`."""

    def __init__(self, report: Callable[[Progress], None]) -> None:
        self._report = report
        self._over = 0  # bytes of input of files that are done with
        self._kept = 0
        self._parts: dict[str, Progress] = {}

    def part(self, name: str) -> Callable[[Progress], None]:
        """What is to be told how far the file of that name is."""

        def report(progress: Progress) -> None:
            self._parts[name] = progress
            self._tell()

        return report

    def over(self, name: str, size: int) -> None:
        """The file of that name is done with, well or not; it counts for `size` bytes."""
        last = self._parts.pop(name, None)
        self._kept += last.kept_in if last else 0
        self._over += size
        self._tell()

    def _tell(self) -> None:
        from ncz.formats.stream import Progress

        parts = self._parts.values()
        done = self._over + sum(part.bytes_in for part in parts)
        self._report(Progress(done, 0, 0, self._kept + sum(part.kept_in for part in parts)))


def _draw(label: str, total: int | None, latest: list[int], done: threading.Event) -> None:
    if done.wait(_SILENCE_S):
        return
    from tqdm import tqdm

    from ncz.codec.meter import in_flight

    with tqdm(
        desc=label,
        total=total,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        leave=False,
        **shape(),
        miniters=0,
    ) as shown:
        shown.start_t -= _SILENCE_S
        while not done.wait(_PERIOD_S):
            shown.initial = latest[1]  # an earlier run's, so no part of the speed
            shown.n = max(shown.n, latest[0] + in_flight())
            shown.refresh()


def shape() -> dict[str, Any]:
    """A bar as wide as the terminal, where it knows: serial lines and some containers say 0."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except OSError:
        known = False
    return {"dynamic_ncols": True} if known else {"ncols": 80, "nrows": 24}
