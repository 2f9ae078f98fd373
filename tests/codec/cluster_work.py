"""What workers on a cluster are told to do in tests: importable there without pytest."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ncz.codec import crew, meter, notice
from ncz.codec.errors import CorruptBlock, ModelMissing, NczError


def double(item: int) -> int:
    return 2 * item


def identity(item: bytes) -> bytes:
    return item


def cores(_: object) -> int:
    return crew.cores()


def pid(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def linger(path: str) -> None:
    """Leave a file named after this process in the folder, and take a minute."""
    (Path(path) / str(os.getpid())).touch()
    time.sleep(60)


def die_once(path: str) -> str:
    """Die if nobody did before."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return "done"
    os._exit(1)


def die(_: object) -> None:
    os._exit(1)


def fail(kind: str) -> None:
    if kind == "damage":
        raise CorruptBlock(3, 1000, 5, 6, "it is a test")
    if kind == "model":
        raise ModelMissing("ab" * 32, "small", "get it with: ncz models pull small")
    if kind == "unpicklable":
        raise ValueError("it has a lambda", lambda: None)
    raise ZeroDivisionError("a test")


def meter_and_say(halfway: float) -> str:
    """Be halfway through 100 bytes for some seconds."""
    notice.say("a sentence")
    with meter.counted(lambda: 50):
        time.sleep(halfway)
    notice.say("another")
    return "done"


def prepare() -> None:
    os.environ["NCZ_TEST_PREPARED"] = "yes"


def prepared(_: object) -> str | None:
    return os.environ.get("NCZ_TEST_PREPARED")


def prepare_badly() -> None:
    raise NczError("there is no such device")
