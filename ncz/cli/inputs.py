"""FILES of a command line: what is meant when there are none."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

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


def refuse_typing(files: Sequence[str]) -> None:
    """Compressed data is never typed.

    Raises:
        click.UsageError: standard input is named and is a terminal.
    """
    if STDIO in files and sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError("compressed data is not read from a terminal: name a file")
