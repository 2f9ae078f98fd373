"""``ncz cat``."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from ncz.cli import exits, options
from ncz.cli.crews import Workers
from ncz.cli.each import Record, each_file
from ncz.cli.exits import Failure
from ncz.cli.inputs import named_or_piped, refuse_typing
from ncz.cli.pulling import bringing
from ncz.cli.quantities import extent as range_type
from ncz.cli.reporting import Reporter, announce_waiting
from ncz.cli.sources import open_source
from ncz.cli.targets import stdout_is_terminal, stdout_target
from ncz.codec.errors import OutputLimitError

if TYPE_CHECKING:
    from ncz.formats.options import DecompressOptions

_DIGITS = 18  # of the number of a record


@click.command("cat")
@options.files
@click.option(
    "--range",
    "extent",
    type=range_type,
    metavar="A:B",
    help="Only bytes A up to B of the content, decoding only the blocks they are in. Like a "
    "slice in Python: either may be left out, negative ones count from the end, and A:+N is N "
    "bytes from A. Units such as KiB and MiB are understood.",
)
@click.option(
    "--record",
    "wanted",
    metavar="N|A:B",
    help="Only record number N, counted from 0, or those from A up to B, of a file that was "
    "compressed with a circuit.",
)
@click.option("-f", "--force", is_flag=True, help="Write binary data to a terminal.")
@options.workers
@options.gguf
@options.pull
@options.memlimit
@options.max_output
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    extent: tuple[int, int | None] | None,
    wanted: str | None,
    force: bool,
    workers: Workers,
    pull: bool,
    memlimit: int | None,
    max_output: int | None,
    quiet: bool,
) -> None:
    """Write the content of files, or a range of it.

    It goes to standard output. Of a range, only the blocks it touches are decoded.

    \b
      ncz cat --range 1MiB:+64KiB log.ncz
      ncz cat --range -1000: log.ncz
    """
    span = _span(wanted)
    if span is not None and extent is not None:
        raise click.UsageError("--range is of bytes and --record of records: take one of them")
    inputs = named_or_piped(files, "show")
    refuse_typing(inputs)
    reporter = Reporter(quiet=quiet, data_on_stdout=True)

    def show(name: str, record: Record) -> int:
        from ncz.formats.options import DecompressOptions
        from ncz.formats.stream import decompress_stream, read_range

        bring = bringing(reporter) if pull else None
        how = DecompressOptions(workers.threads, memlimit, max_output=max_output, bring=bring)
        with open_source(name) as source, stdout_target() as sink:
            if stdout_is_terminal() and not force:
                sink.refuse_binary()
            if span is not None:
                _write_records(source.file, span, sink.as_file(), how)
            elif extent is None:
                decompress_stream(source.file, sink.as_file(), how, crew=workers.crew)
            else:
                start, end = _from_start(source.file, *extent)
                read_range(source.file, start, end, sink.as_file(), how, workers.crew)
        return exits.OK

    announce_waiting(reporter)
    ctx.exit(each_file(inputs, reporter, show))


def _span(wanted: str | None) -> tuple[int, int | None] | None:
    """The numbers that --record means."""
    if wanted is None:
        return None
    first, colon, stop = wanted.partition(":")
    if not colon and _number(first):
        return int(first), int(first) + 1
    if colon and all(not part or _number(part) for part in (first, stop)):
        return int(first or 0), int(stop) if stop else None
    raise click.UsageError(f"{wanted} is no number of a record, and no A:B of two")


def _number(part: str) -> bool:
    return part.isdecimal() and len(part) <= _DIGITS


def _write_records(
    file: BinaryIO, span: tuple[int, int | None], out: BinaryIO, how: DecompressOptions
) -> None:
    from ncz.formats.records.reader import RecordReader

    if not file.seekable():
        raise Failure("--record needs a file that can be sought, not a pipe: save it first")
    reader = RecordReader(file, how)
    first, stop = span
    written = 0
    for record in reader.read(first, stop):
        written += len(record)
        if how.max_output is not None and written > how.max_output:
            raise OutputLimitError(how.max_output)
        out.write(record)
    if not written and (stop is None or stop > first):
        raise Failure(f"has no record {first}: there are {len(reader):,}")


def _from_start(file: BinaryIO, start: int, end: int | None) -> tuple[int, int | None]:
    """The range with both ends counted from the start of the content.

    Raises:
        Failure: `file` cannot be sought.
    """
    if not file.seekable():
        raise Failure("--range needs a file that can be sought, not a pipe: save it first")
    if start < 0 or (end is not None and end < 0):
        import ncz

        size = ncz.info(file).raw_size
        start = max(0, size + start) if start < 0 else start
        end = max(0, size + end) if end is not None and end < 0 else end
    if end is not None and end < start:
        end = start
    return start, end
