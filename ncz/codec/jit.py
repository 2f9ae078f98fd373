"""How the compiled parts of ncz are compiled, and how a user hears of the wait.

Everything compiled is integer arithmetic, so the compiler's freedom (vector width, order
of sums) cannot change a result, with one exception to write around: numba declares that
signed sums, differences and products never overflow. Where one may, it must be unsigned
(see ``mix`` in :mod:`ncz.models.contextmix.hashing`). Machine code is cached beside the
source, or in the user's cache directory where that is read-only, so that only the first run
waits.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
from numba.core import event

from ncz.codec.errors import NczError
from ncz.codec.notice import say

# numpy's division asks nobody whether the divisor is zero, which lets loops be vectorized.
_OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",
}
_NOTICE_AFTER_S = 1.0


class _Compiles(event.Listener):
    """Starts a timer at the first function that is compiled, and not loaded from the cache."""

    def __init__(self, timer: threading.Timer) -> None:
        self.timer = timer

    def on_start(self, event: Any) -> None:
        """numba begins."""
        if not self.timer.is_alive() and not self.timer.finished.is_set():
            self.timer.start()

    def on_end(self, event: Any) -> None:
        """numba is done with one function; others may follow."""


@contextmanager
def compiling(what: str) -> Iterator[None]:
    """Around first calls of compiled code: says so if compiling takes long enough to wonder."""
    timer = threading.Timer(_NOTICE_AFTER_S, _say, [what])
    timer.daemon = True
    with event.install_listener("numba:compile", _Compiles(timer)):
        try:
            yield
        finally:
            timer.cancel()


def prove(what: str, made: bytes, wanted: bytes) -> None:
    """See that compiled code computes rightly on this machine.

    Args:
        what: it is of.
        made: bytes that it made now.
        wanted: what they have to be.

    Raises:
        NczError: they are others, on this machine or because the compiler's cache holds what an
            older ncz left there.
    """
    if made != wanted:
        raise NczError(
            f"the compiled {what} fails its self-test on this machine; delete the __pycache__ "
            "folders of the ncz package and the numba cache, and try again"
        )


def _say(what: str) -> None:
    say(f"making {what} ready; the first run on a machine compiles it, later ones start at once")


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` on first call: no Python objects, no GIL, no bounds checks, cached.

    numba renews a cached function when its own file changes. What is compiled into it from
    elsewhere, other functions and constant tables, is watched here, so that an upgrade of
    ncz never runs old machine code.
    """
    return _compiled(function, _OPTIONS)


def lean(function: Callable[..., Any]) -> Any:
    """As :func:`jit`, without counting references to arrays; `function` may make none.

    Counting takes a third of the time where small functions hand many arrays to each other,
    bit by bit.
    """
    return _compiled(function, _OPTIONS | {"_nrt": False})


def _compiled(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    compiled = numba.njit(**options)(function)
    digest = hashlib.sha256(Path(function.__code__.co_filename).read_bytes())
    digest.update(repr(options).encode())
    _OWN[id(compiled)] = function, digest.digest()
    file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if file is not None:  # None where compiling is switched off
        kind: Any = type(file)
        file.__class__ = _stamped(kind)
        file.compiled = compiled
    return compiled


# Of compiled functions, which live as long as the process: what they were made of, and a digest
# of their file as it was then.
_OWN: dict[int, tuple[Callable[..., Any], bytes]] = {}
_KNOWN: dict[int, bytes] = {}


@functools.cache
def _stamped(kind: Any) -> Any:
    """numba's index of a function's machine code, with a stamp that has the fingerprint, too.

    It is asked for when the function is first called: only then is everything there that the
    function uses, some of which may stand below it.
    """

    class Stamped(kind):  # type: ignore[misc]
        @property
        def _source_stamp(self) -> tuple[Any, bytes]:
            return vars(self)["_source_stamp"], fingerprint(self.compiled)

    return Stamped


def fingerprint(compiled: Any, within: frozenset[int] = frozenset()) -> bytes:
    """A digest of all that is compiled into a function: its file, its callees, its constants.

    Args:
        compiled: made by :func:`jit` or :func:`lean`.
        within: functions on the way to this one, as they call each other.
    """
    me = id(compiled)
    if me not in _KNOWN:
        function, own = _OWN[me]
        digest = hashlib.sha256(own)
        for value in _globals_used(function):
            if id(value) in _OWN:
                if id(value) not in within | {me}:
                    digest.update(fingerprint(value, within | {me}))
            elif isinstance(value, np.ndarray):
                digest.update(value.tobytes())
            elif isinstance(value, (int, tuple, np.generic)):
                digest.update(repr(value).encode())
        _KNOWN[me] = digest.digest()
    return _KNOWN[me]


def _globals_used(function: Callable[..., Any]) -> Iterator[Any]:
    """Values of the global names in `function`, and of the names it takes from modules."""
    names = function.__code__.co_names
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            yield from (vars(value)[inner] for inner in names if inner in vars(value))
        else:
            yield value
