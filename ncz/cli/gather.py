"""Which files a command line means: those named, those in a list, those beneath a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ncz.cli import names
from ncz.cli.exits import Failure, plain
from ncz.cli.names import STDIO, shown
from ncz.formats.temporaries import SUFFIX as UNFINISHED


class Skip(Exception):
    """There is nothing to do for this file, and that is no failure."""


@dataclass(frozen=True)
class Input:
    """One file to work on.

    Attributes:
        name: its path, or ``-``.
        folder: where its output belongs beneath ``-o DIRECTORY``.
        problem: what was found out about it already.
    """

    name: str
    folder: Path = Path()
    problem: Skip | Failure | None = None

    @property
    def size(self) -> int:
        """Bytes, 0 where that is not known beforehand."""
        try:
            return 0 if self.problem or self.name == STDIO else Path(self.name).stat().st_size
        except (OSError, ValueError):
            return 0


def read_list(source: str, null: bool) -> list[str]:
    """The names in a file or, for ``-``, in standard input: one a line, or each before a NUL.

    Raises:
        click.UsageError: it cannot be read, or has NULs where lines are expected.
    """
    try:
        data = sys.stdin.buffer.read() if source == STDIO else Path(source).read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {shown(source)}: {plain(error)}") from error
    if not null and b"\0" in data:
        raise click.UsageError("the list of files has NUL bytes: -0 says that they end its names")
    found = (os.fsdecode(name) for name in data.split(b"\0" if null else b"\n") if name)
    # In a list this is a file, as for other programs.
    return [f".{os.sep}{name}" if name == STDIO else name for name in found]


def gather(
    files: Sequence[str], *, compressing: bool, recursive: bool, avoid: str | None = None
) -> list[Input]:
    """Every file that is meant, folders replaced by what is beneath them if `recursive`.

    Args:
        files: names from the command line.
        compressing: or only what ends in ``.ncz`` is meant beneath folders.
        recursive: go into folders.
        avoid: the folder of outputs, which are no inputs.
    """
    found: list[Input] = []
    for name in files:
        if recursive and name != STDIO and Path(name).is_dir():
            top = Path(Path(name).name if Path(name).name != ".." else "")
            found += _beneath(Path(name), top, compressing, avoid)
        else:
            found.append(Input(name))
    return found


def _beneath(folder: Path, where: Path, compressing: bool, avoid: str | None) -> Iterator[Input]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Input(str(folder), problem=Failure(f"cannot be listed: {plain(error)}"))
        return
    below: list[os.DirEntry[str]] = []
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            below.append(entry)
        elif entry.name.endswith(UNFINISHED):
            continue
        elif compressing or names.is_compressed(Path(entry.name)):
            yield Input(str(folder / entry.name), where, _problem(entry))
    for entry in below:
        if avoid is None or not _same(entry.path, avoid):
            yield from _beneath(folder / entry.name, where / entry.name, compressing, avoid)


def _problem(entry: os.DirEntry[str]) -> Skip | None:
    """Why a thing beneath a folder that is no folder is left alone, if it is no file either."""
    if entry.is_file():
        return None
    if entry.is_symlink():
        what = "to a folder" if entry.is_dir() else "to no file"
        return Skip(f"is a symbolic link {what}, left alone")
    return Skip("is no regular file, left alone")


def _same(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
