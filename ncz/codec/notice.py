"""Where slow one-off work, such as compiling, announces itself to whoever is waiting.

Apart from :mod:`ncz.codec.jit`, so that a caller can listen without importing a compiler.
"""

from __future__ import annotations

from collections.abc import Callable

_notice: Callable[[str], None] | None = None


def set_notice(notice: Callable[[str], None] | None) -> None:
    """Have `notice` called with one sentence when work has to wait; None for silence.

    The call may come from any thread.
    """
    global _notice
    _notice = notice


def say(sentence: str) -> None:
    """Hand `sentence` to the listener, if there is one."""
    if _notice is not None:
        _notice(sentence)
