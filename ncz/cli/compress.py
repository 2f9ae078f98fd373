"""``ncz compress``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ncz.cli import names, options
from ncz.cli.each import Skip
from ncz.cli.exits import Failure
from ncz.cli.inputs import named_or_piped
from ncz.cli.quantities import size_between
from ncz.cli.reporting import Reporter, announce_waiting
from ncz.cli.transfer import Destination, Direction, Transfer

if TYPE_CHECKING:
    from ncz.formats.stream import Progress, StreamStats


@click.command("compress")
@options.files
@options.level
@options.output
@options.threads
@click.option(
    "--block-size",
    type=size_between(1024, 2**30),
    metavar="SIZE",
    help="Cut the content into blocks of this size: larger ones compress better, smaller ones "
    "give finer random access.  [default: 8 MiB for -1 to -4, 16 MiB for -5 to -9]",
)
@options.memlimit
@options.reports
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    level: int | None,
    output: str | None,
    stdout: bool,
    force: bool,
    remove: bool,
    threads: int,
    block_size: int | None,
    memlimit: int | None,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
    records: bool,
) -> None:
    """Compress files.

    Each FILE becomes FILE.ncz beside it, with the same time and mode; FILE itself is kept.
    Without FILES, or with '-', standard input goes to standard output.
    """
    inputs = named_or_piped(files, "compress")
    destination = Destination(output, stdout, force, remove)
    destination.check(inputs)
    on_stdout = any(destination.is_stdout(name) for name in inputs)
    reporter = Reporter(quiet, verbose, records, on_stdout)

    def run(
        src: BinaryIO, dst: BinaryIO, progress: Callable[[Progress], None] | None
    ) -> StreamStats:
        from ncz.formats.levels import DEFAULT
        from ncz.formats.options import CompressOptions
        from ncz.formats.stream import compress_stream

        how = CompressOptions(
            level=level or DEFAULT,
            threads=threads,
            block_size=block_size,
            memlimit=memlimit,
        )
        return compress_stream(src, dst, how, progress)

    def restore(
        src: BinaryIO, dst: BinaryIO, progress: Callable[[Progress], None] | None
    ) -> StreamStats:
        from ncz.formats.options import DecompressOptions
        from ncz.formats.stream import decompress_stream

        return decompress_stream(
            src, dst, DecompressOptions(threads=threads, memlimit=memlimit), progress
        )

    def derive(path: Path) -> Path:
        if names.is_compressed(path) and not force:
            raise Skip(f"ends in {names.SUFFIX} already, left alone (-f compresses it again)")
        if not path.name:
            raise Failure("has no name to derive one from: name the output with -o")
        return names.compressed_name(path)

    announce_waiting(reporter)
    direction = Direction(True, derive, run, restore)
    ctx.exit(Transfer(direction, destination, reporter, not no_progress).run(inputs))
