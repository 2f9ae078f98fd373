"""``ncz test``."""

from __future__ import annotations

import time

import click

from ncz.cli import exits, options, quantities
from ncz.cli.crews import Workers
from ncz.cli.each import Record, each_file
from ncz.cli.inputs import named_or_piped, refuse_typing
from ncz.cli.progress import bar
from ncz.cli.pulling import bringing
from ncz.cli.reporting import Reporter, announce_waiting, damage_record, label, stats_record
from ncz.cli.sources import open_source


@click.command("test")
@options.files
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
    workers: Workers,
    pull: bool,
    memlimit: int | None,
    max_output: int | None,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
    records: bool,
) -> None:
    """Check that files are whole.

    Decodes everything and writes nothing. Each damaged block gets a line with its number, its
    offset in the file and the range of the content that it held; the exit code is then 3.
    """
    inputs = named_or_piped(files, "test")
    refuse_typing(inputs)
    reporter = Reporter(quiet, verbose, records)

    def check(name: str, record: Record) -> int:
        from ncz.formats.options import DecompressOptions
        from ncz.formats.stream import decompress_stream

        bring = bringing(reporter, progress=not no_progress) if pull else None
        how = DecompressOptions(workers.threads, memlimit, True, max_output, bring, pieces=True)
        started = time.monotonic()
        with (
            open_source(name) as source,
            bar(label(name), source.size, shown=reporter.animated and not no_progress) as progress,
        ):
            stats = decompress_stream(source.file, None, how, progress, workers.crew)
            source.check_unchanged()
        seconds = time.monotonic() - started
        record.update(stats_record(stats, seconds))
        record["damage"] = [damage_record(damage) for damage in stats.damage]
        for damage in stats.damage:
            reporter.error(name, str(damage))
        if stats.damage:
            return exits.DAMAGED
        blocks = "1 block" if stats.blocks == 1 else f"{stats.blocks} blocks"
        pace = quantities.timing(stats.raw_size, seconds)
        reporter.result(name, f"whole, {stats.raw_size:,} bytes in {blocks}, {pace}")
        return exits.OK

    announce_waiting(reporter)
    ctx.exit(each_file(inputs, reporter, check))
