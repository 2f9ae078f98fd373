"""The names of files: what compressing appends and decompressing strips, and how they print."""

from __future__ import annotations

import os
from pathlib import Path

from ncz.cli.exits import Failure

SUFFIX = ".ncz"
NO_NAMES = ("", ".", "..")  # of files: the last two are folders
STDIO = "-"  # standard input as a FILE, standard output after -o
STDOUT_NAMES = (STDIO, "/dev/stdout")  # opening the second by name would truncate what is there


def is_compressed(path: Path) -> bool:
    """Whether the name says that the file is an .ncz file."""
    return path.name.lower().endswith(SUFFIX)


def compressed_name(path: Path) -> Path:
    """Where the compressed file goes: beside the file."""
    return path.with_name(path.name + SUFFIX)


def restored_name(path: Path) -> Path:
    """Where the decompressed file goes: beside the compressed one, without the suffix.

    Raises:
        Failure: the name does not end in the suffix, or what is left is no name of a file.
    """
    stem = path.name[: -len(SUFFIX)]
    if not is_compressed(path) or stem in NO_NAMES:
        raise Failure(f"unknown suffix, expected {SUFFIX}: name the output with -o, or use -c")
    return path.with_name(stem)


def shown(name: str | os.PathLike[str]) -> str:
    """`name` for a terminal: control characters and undecodable bytes as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fspath(name))
