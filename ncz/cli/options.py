"""Options that several subcommands share, so that they are spelled and explained once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ncz.cli.quantities import size_between
from ncz.formats.levels import DEFAULT, DEFAULT_TEXT, LEVELS
from ncz.models.text.windows import MAX_STREAMS

F = TypeVar("F", bound=Callable[..., Any])


class _LevelOption(click.Option):
    """One of -1 to -9; the first explains all."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        if self.opts != ["-1"]:
            return None
        return (
            "-1 .. -9",
            "Level: 1 is fast (zstandard), 2 to 4 are small context-mixing models, 5 and 6 the "
            "full one; 7 to 9 add a language model, 8 with a longer window, 9 in one stream."
            f"  [default: -{DEFAULT_TEXT} for text, -{DEFAULT} for everything else]",
        )


def level(function: F) -> F:
    """-1 … -9 as `level`, None if not given."""
    for number in reversed(LEVELS):
        function = click.option(
            f"-{number}", "level", cls=_LevelOption, flag_value=number, type=int, default=None
        )(function)
    return function


def files(function: F) -> F:
    """FILES as `files`: names, ``-`` for standard input; existence is checked one by one."""
    return click.argument("files", nargs=-1, type=click.Path(path_type=str))(function)


def output(function: F) -> F:
    """-o, -c, -f, -k and --rm."""
    for option in reversed(
        [
            click.option(
                "-o",
                "--output",
                metavar="FILE",
                type=click.Path(path_type=str),
                help="Write to FILE ('-' for standard output), or into FILE if it is a directory.",
            ),
            click.option("-c", "--stdout", is_flag=True, help="Write to standard output."),
            click.option(
                "-f",
                "--force",
                is_flag=True,
                help="Overwrite existing outputs; write binary data to a terminal.",
            ),
            click.option(
                "--rm/--keep",
                " /-k",
                "remove",
                default=False,
                help="Remove each input once its output is on disk and was read back and "
                "compared, or keep it.  [default: keep]",
            ),
        ]
    ):
        function = option(function)
    return function


def threads(function: F) -> F:
    """-T as `threads`."""
    return click.option(
        "-T",
        "--threads",
        type=click.IntRange(min=0),
        default=1,
        metavar="N",
        help="Work on N blocks at a time; 0 means one per core. The output does not depend on "
        "it.  [default: 1]",
    )(function)


def streams(function: F) -> F:
    """--streams as `streams`, None to leave it to the level."""
    return click.option(
        "--streams",
        type=click.IntRange(1, MAX_STREAMS),
        metavar="N",
        help="At levels 7 to 9, cut text into N streams that are restored side by side: more are "
        "faster to restore, fewer make smaller files.  [default: 1 to 16, by size; 1 for -9]",
    )(function)


def memlimit(function: F) -> F:
    """--memlimit as `memlimit`, in bytes or None."""
    return click.option(
        "--memlimit",
        type=size_between(1),
        metavar="SIZE",
        help="Keep within this much memory: with fewer threads if that is enough, or refuse.",
    )(function)


def reports(function: F) -> F:
    """-q, -v, --no-progress and --json."""
    for option in reversed(
        [
            click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
            click.option("-v", "--verbose", is_flag=True, help="Say what was done to each file."),
            click.option("--no-progress", is_flag=True, help="Show no progress bar."),
            click.option(
                "--json",
                "records",
                is_flag=True,
                help="Print one JSON object per file on standard output, "
                "or on standard error if data goes to standard output.",
            ),
        ]
    ):
        function = option(function)
    return function
