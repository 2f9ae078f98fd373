"""What runs on a node of a cluster: the other side of :mod:`ncz.codec.cluster`.

It does not know Ray, which makes an actor of it. Two of its methods may run at once: one of the
work, and one that says how far that is.
"""

from __future__ import annotations

import contextlib
import pickle
import platform
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from ncz.codec import crew, meter, notice
from ncz.codec.errors import NczError


class Actor:
    """Does one task at a time, and keeps what it was told last."""

    def __init__(self) -> None:
        self._work: Callable[[Any], Any] | None = None
        self._sentences: deque[str] = deque()

    def versions(self) -> dict[str, str]:
        """Of this process."""
        return versions()

    def begin(self, cores: int, prepare: Callable[[], object] | None) -> BaseException | None:
        """Make ready for work; what `prepare` raised."""
        notice.set_notice(self._sentences.append)
        crew.use_cores(cores)
        try:
            if prepare is not None:
                prepare()
        except BaseException as error:
            return _portable(error)
        return None

    def run(
        self, item: Any, work: Callable[[Any], Any] | None = None
    ) -> tuple[bool, Any, list[str]]:
        """True and what the work returns, or False and what it raises; and notices.

        Args:
            item: what to work on.
            work: what to do, None for the same as before.
        """
        if work is not None:
            self._work = work
        assert self._work is not None
        try:
            done, value = True, self._work(item)
        except BaseException as error:
            done, value = False, _portable(error)
        return done, value, self._said()

    def at(self) -> tuple[int, list[str]]:
        """How far the task is, as :func:`ncz.codec.meter.in_flight` says; and notices."""
        return meter.in_flight(), self._said()

    def _said(self) -> list[str]:
        said: list[str] = []
        with contextlib.suppress(IndexError):  # both methods may be at it
            while True:
                said.append(self._sentences.popleft())
        return said


def versions() -> dict[str, str]:
    """Of this process, what has to be the same in all: what one pickles, another unpickles."""
    version: str = sys.modules[__name__.partition(".")[0]].__version__  # the package's own
    return {"ncz": version, "Python": ".".join(platform.python_version_tuple()[:2])}


def _portable(error: BaseException) -> BaseException:
    """The error itself, or what can be said of it where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return NczError(f"{type(error).__name__}: {error}")
    return error.with_traceback(None)
