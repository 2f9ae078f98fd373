"""FILES of a command line and of a list: what is meant when there are none."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from ncz.cli.gather import read_list
from ncz.cli.names import STDIO


def named_or_piped(files: Sequence[str], verb: str) -> list[str]:
    """`files`, or standard input if there are none and something is piped in.

    Raises:
        click.UsageError: nothing was named and a person would have to type the data.
    """
    if not files:
        if sys.stdin is None or sys.stdin.isatty():
            raise click.UsageError(f"nothing to {verb}: name a file, or pipe data in")
        return [STDIO]
    return list(files)


def named_or_listed(
    files: Sequence[str], verb: str, recursive: bool, filelist: str | None, null: bool
) -> list[str]:
    """The same with the names in a list.

    Raises:
        click.UsageError: the options do not go together, or the list cannot be read.
    """
    if null and filelist is None:
        raise click.UsageError("-0 is for --filelist")
    if filelist is not None:
        if filelist == STDIO and STDIO in files:
            raise click.UsageError("standard input can be read only once")
        return [*files, *read_list(filelist, null)]
    if recursive and not files:
        raise click.UsageError(f"nothing to {verb}: -r needs a directory")
    return named_or_piped(files, verb)


def refuse_typing(files: Sequence[str]) -> None:
    """Compressed data is never typed.

    Raises:
        click.UsageError: standard input is named and is a terminal.
    """
    if STDIO in files and sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError("compressed data is not read from a terminal: name a file")
