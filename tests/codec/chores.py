"""Tasks for workers in other processes, which import them from here: little, so it is quick."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ncz.codec import crew, meter, notice
from ncz.codec.errors import CorruptBlock, ModelMissing

marked: list[str] = []


class Awkward(Exception):
    """Can be pickled, and not be made again from what was."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def double(item: Any) -> Any:
    return item * 2


def whoami(_: object = None) -> int:
    return os.getpid()


def slowly(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def corrupt(index: int) -> None:
    raise CorruptBlock(index, 5, 10, 20, "just so")


def missing(_: object) -> None:
    raise ModelMissing("ab" * 32, "a model", "get it")


def no_file(name: str) -> None:
    raise FileNotFoundError(2, "No such file or directory", name)


def awkward(_: object) -> None:
    raise Awkward(1, 2)


def thread_lock(_: object) -> Any:
    return threading.Lock()


def killed(_: object = None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_once(mark: Path) -> str:
    """Dies the first time."""
    if not mark.exists():
        mark.touch()
        killed()
    return "done"


def killed_where(task: tuple[int, Path]) -> int:
    """Its number, after one of all workers has died over the fourth one."""
    number, mark = task
    if number == 3:
        killed_once(mark)
    return number


def talk(sentence: str) -> None:
    notice.say(sentence)
    print("this is no part of the conversation")
    sys.stdin.read()


def halfway(mark: Path) -> None:
    """Is 7 bytes far until the file appears."""
    with meter.counted(lambda: 7):
        wait_for(mark.exists)


def with_cores(_: object) -> int:
    return crew.cores()


def mark() -> None:
    marked.append("prepared")


def marks(_: object) -> list[str]:
    return marked


def refuse() -> None:
    raise ModelMissing("", "a device")


def wait_for(condition: Callable[[], Any]) -> None:
    """Until it holds; fails after a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.01)
