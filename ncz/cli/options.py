"""Options that several subcommands share, so that they are spelled and explained once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from ncz.cli import crews
from ncz.cli.quantities import size_between
from ncz.formats.levels import DEFAULT, DEFAULT_TEXT, LEVELS
from ncz.models.text.windows import MAX_STREAMS

F = TypeVar("F", bound=Callable[..., Any])

_GGUF = click.Path(exists=True, dir_okay=False, path_type=Path)


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


class _LevelsOption(_LevelOption):
    """One of -1 to -9, of which there may be several."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        first = super().get_help_record(ctx)
        return (
            (first[0], "A level to estimate; may be repeated.  [default: all]") if first else None
        )


def levels(function: F) -> F:
    """-1 … -9 as `levels`, a sorted tuple; left out if none is given."""

    def add(ctx: click.Context, param: click.Parameter, value: int | None) -> None:
        if value is not None:
            ctx.params["levels"] = tuple(sorted({*ctx.params.get("levels", ()), value}))

    for number in reversed(LEVELS):
        function = click.option(
            f"-{number}",
            f"level{number}",
            cls=_LevelsOption,
            flag_value=number,
            type=int,
            default=None,
            expose_value=False,
            callback=add,
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
                help="Remove each input once its output was verified, is on disk and was read back "
                "from there, or keep it.  [default: keep]",
            ),
        ]
    ):
        function = option(function)
    return function


def many(function: F) -> F:
    """-r, --filelist and -0 as `recursive`, `filelist` and `null`."""
    for option in reversed(
        [
            click.option(
                "-r",
                "--recursive",
                is_flag=True,
                help="For a directory among FILES, take every file beneath it, each on its own; "
                "-o DIRECTORY gets the same tree. Symbolic links to directories are not followed.",
            ),
            click.option(
                "--filelist",
                metavar="LIST",
                type=click.Path(path_type=str),
                help="Take the files named in LIST, too, one a line; '-' is standard input.",
            ),
            click.option(
                "-0",
                "--null",
                is_flag=True,
                help="Names in LIST end with NUL, as find -print0 does.",
            ),
        ]
    ):
        function = option(function)
    return function


def verify(function: F) -> F:
    """--verify and --no-verify as `verify`, None to leave it to the engine."""
    return click.option(
        "--verify/--no-verify",
        default=None,
        help="Decode each block and compare it with the input before it is written, or do not; "
        "--rm does.  [default: only with --engine llama]",
    )(function)


def resume(function: F) -> F:
    """--resume as `resume`."""
    return click.option(
        "--resume",
        is_flag=True,
        help="Keep what is done if the work is interrupted, and go on from what an interrupted run "
        "with this option has left, after checking that it is of the same input.",
    )(function)


def workers(function: F) -> F:
    """-T, --processes, --devices, --device-memory and --cluster as `workers`."""

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        names = ("threads", "processes", "devices", "device_memory", "cluster")
        workers = crews.chosen(*(given.pop(name) for name in names))
        return function(*args, workers=workers, **given)

    for option in reversed(
        [
            click.option(
                "-T",
                "--threads",
                type=click.IntRange(min=0),
                metavar="N",
                help="Work on N blocks at a time; 0 means one per core. The output depends neither "
                "on this nor on the next four.  [default: 1]",
            ),
            click.option(
                "--processes",
                type=click.IntRange(min=0),
                metavar="N",
                help="Work in N processes, a block in each, instead of threads; 0 means one per "
                "core. For language models: each process has one to itself.",
            ),
            click.option(
                "--devices",
                metavar="LIST",
                help="Work in a process for each device of LIST, such as cuda:0,cuda:1 or cpu, "
                "which runs language models there; 'auto' is all GPUs, or the CPU.",
            ),
            click.option(
                "--device-memory",
                type=size_between(1),
                metavar="SIZE",
                help="With --devices: how much of a GPU's memory a language model may take.  "
                "[default: most of what is free]",
            ),
            click.option(
                "--cluster",
                metavar="ADDRESS",
                help="Work on the nodes of a Ray cluster; 'auto' is the one of this machine. "
                "--processes is then how many on each node.",
            ),
        ]
    ):
        call = option(call)
    return cast(F, call)


def streams(function: F) -> F:
    """--streams as `streams`, None to leave it to the level."""
    return click.option(
        "--streams",
        type=click.IntRange(1, MAX_STREAMS),
        metavar="N",
        help="At levels 7 to 9, cut text into N streams that are restored side by side: more are "
        "faster to restore, fewer make smaller files.  [default: 1 to 16, by size; 1 for -9]",
    )(function)


def engine(function: F) -> F:
    """--engine, --model and --only-model, for commands that compress."""
    for option in reversed(
        [
            click.option(
                "--engine",
                type=click.Choice(["exact", "llama"]),
                default="exact",
                help="What computes the language model of levels 7 to 9: ncz itself, exactly, or "
                "llama.cpp, any GGUF, for this machine only.  [default: exact]",
            ),
            click.option(
                "--model",
                metavar="FILE",
                help="A circuit made by ncz train, or the name of one that comes with ncz, for "
                "records such as it was trained on; with --engine llama, a GGUF file.",
            ),
            click.option(
                "--only-model",
                is_flag=True,
                help="Refuse what is not the records of the circuit, in place of coding it "
                "without.",
            ),
        ]
    ):
        function = option(function)
    return function


def circuit(function: F) -> F:
    """--model as `circuit`, the file of a circuit or None, for commands that try one out."""
    return click.option(
        "--model",
        "circuit",
        metavar="CIRCUIT",
        callback=_existing_circuit,
        help="With a circuit made by ncz train, too, or one that comes with ncz, by its name.",
    )(function)


def _existing_circuit(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    return None if value is None or ctx.resilient_parsing else offered_circuit(value)


def offered_circuit(named: str) -> Path:
    """The circuit of that name, known from now on; a mistake in the call if there is none."""
    from ncz.codec.errors import NczError
    from ncz.models.circuit import files

    try:
        path = files.resolve(named)
        files.offer(path)
    except NczError as error:
        raise click.UsageError(str(error)) from None
    return path


def gguf(function: F) -> F:
    """--model, which makes a GGUF known to whatever restores."""
    return click.option(
        "--model",
        type=_GGUF,
        metavar="FILE",
        expose_value=False,
        callback=_offer,
        help="The circuit, or the GGUF file, that something was compressed with.  [default: where "
        "it was last used]",
    )(function)


def _offer(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        offer_model(value)


def existing(path: str) -> Path:
    """The file at `path`; a mistake in the call if there is none."""
    found: Path = _GGUF.convert(path, None, click.get_current_context())
    return found


def offer_model(path: Path) -> None:
    """Make a GGUF or a circuit known to whatever restores."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError:
        start = b""
    if start == b"GGUF":
        from ncz.models.llama import files

        files.offer(path)
    else:
        from ncz.models.circuit import files as circuits

        circuits.offer(path)


def memlimit(function: F) -> F:
    """--memlimit as `memlimit`, in bytes or None."""
    return click.option(
        "--memlimit",
        type=size_between(1),
        metavar="SIZE",
        help="Keep within this much memory: with fewer workers if that is enough, or refuse.",
    )(function)


def max_output(function: F) -> F:
    """--max-output as `max_output`, in bytes or None."""
    return click.option(
        "--max-output",
        type=size_between(0),
        metavar="SIZE",
        help="Refuse a file whose content is larger than this; for files from strangers.",
    )(function)


def pull(function: F) -> F:
    """--pull as `pull`."""
    return click.option(
        "--pull",
        is_flag=True,
        help="Fetch the language model that a file needs, if it is not here and ncz knows it. "
        "Without this, nothing is fetched.",
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
