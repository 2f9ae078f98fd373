"""``ncz decompress``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import click

from ncz.cli import exits, names, options
from ncz.cli.crews import Workers
from ncz.cli.exits import Failure
from ncz.cli.gather import gather
from ncz.cli.inputs import named_or_listed, refuse_typing
from ncz.cli.pulling import bringing
from ncz.cli.reporting import Reporter, announce_waiting
from ncz.cli.transfer import Destination, Direction, Transfer, side_by_side
from ncz.codec.errors import CorruptBlock, TruncatedError
from ncz.codec.together import Steps

if TYPE_CHECKING:
    from ncz.formats.stream import Progress, StreamStats


@click.command("decompress")
@options.files
@options.many
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
@options.pull
@options.memlimit
@options.max_output
@options.reports
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    recursive: bool,
    filelist: str | None,
    null: bool,
    output: str | None,
    stdout: bool,
    force: bool,
    remove: bool,
    resume: bool,
    keep_going: bool,
    workers: Workers,
    pull: bool,
    memlimit: int | None,
    max_output: int | None,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
    records: bool,
) -> None:
    """Restore files.

    Each FILE.ncz becomes FILE beside it, with the same time and mode; FILE.ncz is kept.
    With -r, FILE may be a directory.
    Without FILES, or with '-', standard input goes to standard output.
    """
    named = named_or_listed(files, "decompress", recursive, filelist, null)
    refuse_typing(named)
    destination = Destination(output, stdout, force, remove, resume, recursive)
    destination.check(named)
    on_stdout = any(destination.is_stdout(name) for name in named)
    reporter = Reporter(quiet, verbose, records, on_stdout)

    inputs = gather(named, compressing=False, recursive=recursive, avoid=output)
    workers, tasks = side_by_side(workers, memlimit, inputs, destination)

    def run(
        src: BinaryIO,
        dst: BinaryIO,
        progress: Callable[[Progress], None] | None,
        kept: BinaryIO | None,
    ) -> Steps[StreamStats]:
        from ncz.formats.options import DecompressOptions
        from ncz.formats.stream import decompressing

        how = DecompressOptions(
            threads=workers.threads,
            memlimit=memlimit,
            keep_going=keep_going,
            max_output=max_output,
            bring=bringing(reporter, progress=not no_progress) if pull else None,
        )
        try:
            stats = yield from decompressing(src, dst, how, progress, workers.crew, kept)
        except (CorruptBlock, TruncatedError) as error:
            raise Failure(f"{error}; --keep-going saves what is whole", exits.DAMAGED) from error
        if stats.damage and stats.raw_size == 0:
            raise Failure(f"{stats.damage[0]}; there is nothing to save", exits.DAMAGED)
        return stats

    announce_waiting(reporter)
    direction = Direction(False, names.restored_name, lambda name, source: (source, run))
    transfer = Transfer(direction, destination, reporter, not no_progress, tasks)
    ctx.exit(transfer.run(inputs))
