"""``ncz decompress``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import click

from ncz.cli import exits, options, pictures
from ncz.cli.crews import Workers
from ncz.cli.exits import Failure
from ncz.cli.gather import gather
from ncz.cli.inputs import named_or_listed, refuse_typing
from ncz.cli.pulling import bringing
from ncz.cli.reporting import Reporter, announce_waiting
from ncz.cli.sources import Source
from ncz.cli.transfer import Destination, Direction, Stream, Transfer, side_by_side
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
@click.option(
    "--thumbnail",
    is_flag=True,
    help="Of a lossy picture, only a small one, within 256 pixels: FILE.thumbnail.png.",
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
    thumbnail: bool,
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

    A lossy picture becomes a PNG file, or what the name after -o says. FILE.jpg.ncz becomes
    FILE.jpg.png, for JPEG would lose more.
    """
    named = named_or_listed(files, "decompress", recursive, filelist, null)
    refuse_typing(named)
    destination = Destination(output, stdout, force, remove, resume, recursive)
    destination.check(named)
    on_stdout = any(destination.is_stdout(name) for name in named)
    reporter = Reporter(quiet, verbose, records, on_stdout)

    inputs = gather(named, compressing=False, recursive=recursive, avoid=output)
    workers, tasks = side_by_side(workers, memlimit, inputs, destination)

    def prepare(name: str, source: Source) -> tuple[Source, Stream]:
        from ncz.formats.options import DecompressOptions
        from ncz.formats.stream import decompressing

        how = DecompressOptions(
            threads=workers.threads,
            memlimit=memlimit,
            keep_going=keep_going,
            max_output=max_output,
            bring=bringing(reporter, progress=not no_progress) if pull else None,
        )
        source, header = pictures.looked_at(source)
        if pictures.params_of(header) is not None:
            job = pictures.rendering(name, how, destination, thumbnail, workers.most, reporter)
        elif thumbnail:
            raise Failure("is no lossy picture, and has no thumbnail")
        else:

            def job(
                src: BinaryIO,
                dst: BinaryIO,
                progress: Callable[[Progress], None] | None,
                kept: BinaryIO | None,
            ) -> Steps[StreamStats]:
                return decompressing(src, dst, how, progress, workers.crew, kept)

        return source, partial(saving, job)

    def saving(
        job: Stream,
        src: BinaryIO,
        dst: BinaryIO,
        progress: Callable[[Progress], None] | None,
        kept: BinaryIO | None,
    ) -> Steps[StreamStats]:
        try:
            stats = yield from job(src, dst, progress, kept)
        except (CorruptBlock, TruncatedError) as error:
            raise Failure(f"{error}; --keep-going saves what is whole", exits.DAMAGED) from error
        if stats.damage and stats.raw_size == 0:
            raise Failure(f"{stats.damage[0]}; there is nothing to save", exits.DAMAGED)
        return stats

    announce_waiting(reporter)
    derive = partial(pictures.restored, thumbnail=thumbnail)
    direction = Direction(False, derive, prepare)
    transfer = Transfer(direction, destination, reporter, not no_progress, tasks)
    ctx.exit(transfer.run(inputs))
