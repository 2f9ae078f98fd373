"""What is attacked, by name. Each is a function of bytes that returns, or raises what is a bug.

Only Python code guides the search: what numba compiles shows no coverage, and instrumented it
would not compile. Compiled coders run with bounds checks instead, so that reading or writing
outside of an array is an error to be seen, and not silent luck.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Attack = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """Something to attack.

    Attributes:
        prepare: makes the attack; it may use a folder of its own, which is empty.
        seeds: inputs to start from.
        longest: bytes of input that are of use.
    """

    prepare: Callable[[Path], Attack]
    seeds: Callable[[], list[bytes]]
    longest: int


NAMES = (
    "container",
    "header",
    "zstd",
    "contextmix",
    "text",
    "circuit",
    "pixels",
    "latents",
    "llama",
    "gguf",
    "safetensors",
    "config",
    "tokenizer",
    "exact",
    "records",
    "command",
)


UNCHECKED = ("container", "header", "records", "command")
"""Those that run compiled code as everybody does, without bounds checks: what they attack is not
compiled, and with such checks machine code is another, which takes minutes to make."""


def target(name: str) -> Target:
    """The target of that name. Imports what it attacks.

    Raises:
        KeyError: there is none.
    """
    from fuzz.targets import coders, command, containers, models, records

    known = containers.TARGETS | coders.TARGETS | models.TARGETS | records.TARGETS | command.TARGETS
    return known[name]
