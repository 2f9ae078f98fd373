"""``ncz decompress``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import click

from ncz.cli import exits, names, options
from ncz.cli.crews import Workers
from ncz.cli.exits import Failure
from ncz.cli.inputs import named_or_piped, refuse_typing
from ncz.cli.quantities import size_between
from ncz.cli.reporting import Reporter, announce_waiting
from ncz.cli.transfer import Destination, Direction, Transfer
from ncz.codec.errors import CorruptBlock, TruncatedError

if TYPE_CHECKING:
    from ncz.formats.stream import Progress, StreamStats


@click.command("decompress")
@options.files
@options.output
@options.resume
@click.option(
    "--keep-going",
    is_flag=True,
    help="Past a damaged block, go on: save the others, put zero bytes in its place, name it, "
    "and exit 3.",
)
@options.workers
@options.gguf
@options.memlimit
@click.option(
    "--max-output",
    type=size_between(0),
    metavar="SIZE",
    help="Refuse to write more than this for one file.",
)
@options.reports
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    output: str | None,
    stdout: bool,
    force: bool,
    remove: bool,
    resume: bool,
    keep_going: bool,
    workers: Workers,
    memlimit: int | None,
    max_output: int | None,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
    records: bool,
) -> None:
    """Restore files.

    Each FILE.ncz becomes FILE beside it, with the same time and mode; FILE.ncz is kept.
    Without FILES, or with '-', standard input goes to standard output.
    """
    inputs = named_or_piped(files, "decompress")
    refuse_typing(inputs)
    destination = Destination(output, stdout, force, remove, resume)
    destination.check(inputs)
    on_stdout = any(destination.is_stdout(name) for name in inputs)
    reporter = Reporter(quiet, verbose, records, on_stdout)

    def run(
        src: BinaryIO,
        dst: BinaryIO,
        progress: Callable[[Progress], None] | None,
        kept: BinaryIO | None,
    ) -> StreamStats:
        from ncz.formats.options import DecompressOptions
        from ncz.formats.stream import decompress_stream

        how = DecompressOptions(
            threads=workers.threads,
            memlimit=memlimit,
            keep_going=keep_going,
            max_output=max_output,
        )
        try:
            stats = decompress_stream(src, dst, how, progress, workers.crew, kept)
        except (CorruptBlock, TruncatedError) as error:
            raise Failure(f"{error}; --keep-going saves what is whole", exits.DAMAGED) from error
        if stats.damage and stats.raw_size == 0:
            raise Failure(f"{stats.damage[0]}; there is nothing to save", exits.DAMAGED)
        return stats

    announce_waiting(reporter)
    direction = Direction(False, names.restored_name, lambda name, source: (source, run))
    ctx.exit(Transfer(direction, destination, reporter, not no_progress).run(inputs))
