"""``ncz plan``: what each level would take for a file, on this machine, before any is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ncz.cli import exits, options, quantities
from ncz.cli.each import Record, each_file
from ncz.cli.exits import Failure
from ncz.cli.names import STDIO
from ncz.cli.reporting import Reporter, announce_waiting, label
from ncz.cli.sources import open_source
from ncz.formats.levels import LEVELS, MODEL_LEVELS

if TYPE_CHECKING:
    from ncz.formats.estimate import Estimate
    from ncz.formats.options import CompressOptions
    from ncz.formats.sample import Sample

_COLUMNS = (("compress", 9), ("restore", 9), ("ready", 8), ("memory", 8), ("size", 8), ("", 8))
_HEAD = "level device" + "".join(f"{name:>{width}}" for name, width in _COLUMNS) + "  based on"

_NUMBERS = ("seconds_in", "seconds_out", "seconds_ready", "memory", "size")


@click.command("plan")
@options.files
@options.levels
@click.option(
    "-T",
    "--threads",
    type=click.IntRange(min=0),
    default=1,
    metavar="N",
    help="Reckon with N blocks at a time; 0 means one per core.  [default: 1]",
)
@options.circuit
@options.memlimit
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors and what is asked for.")
@click.option("--json", "records", is_flag=True, help="Print one JSON object per file.")
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    threads: int,
    circuit: Path | None,
    memlimit: int | None,
    quiet: bool,
    records: bool,
    levels: tuple[int, ...] = (),
) -> None:
    """Estimate time, memory and size of every level.

    Some parts of each FILE are compressed and restored here and now, with what else is going on
    on this machine: ten or twenty seconds for all levels, and nothing is written. Name levels to
    have only them.

    \b
      ncz plan report.txt
      ncz plan -6 -7 --json report.txt
      ncz plan -6 --model readings.circuit readings.csv
    """
    if not files:
        raise click.UsageError("nothing to plan: name a file")
    plain = [level for level in levels or LEVELS if level not in MODEL_LEVELS]
    if circuit is not None and not plain:
        raise click.UsageError("a circuit is for -1 to -6: name one of them, too")
    reporter = Reporter(quiet=quiet, records=records)
    announce_waiting(reporter)

    def one(name: str, record: Record) -> int:
        from ncz.formats.options import CompressOptions

        sample = _read(name)
        chosen = [CompressOptions(level, threads, memlimit=memlimit) for level in levels or LEVELS]
        if circuit is not None:
            chosen += [replace(how, circuit=circuit) for how in chosen if how.level == max(plain)]
        rows = _estimates(sample, chosen)
        if records:
            record.update(size=sample.size, estimates=[_record(row) for row in rows])
            return exits.OK
        click.echo(f"{label(name)}: {quantities.readable(sample.size)}, about")
        click.echo(f"  {_HEAD}")
        for row in rows:
            click.echo(f"  {_line(row, sample.size)}")
        return exits.OK

    ctx.exit(each_file(files, reporter, one))


def _read(name: str) -> Sample:
    """Parts of the file.

    Raises:
        Failure: it is none that parts can be read of.
    """
    from ncz.formats import sample

    if name == STDIO:
        raise Failure("is not a file, and parts of one are tried: save it first")
    path = Path(name)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise Failure("is not a regular file: save what it gives, and plan for that")
    with open_source(name) as source:
        found = sample.read(source.file, source.size or 0)
        source.check_unchanged()
    return found


def _estimates(sample: Sample, chosen: Sequence[CompressOptions]) -> Iterator[Estimate]:
    """One for each way and device that makes a difference to it, as they are found."""
    from ncz.formats.estimate import Calibration

    with_model = [how for how in chosen if how.level in MODEL_LEVELS]
    calibration = Calibration(sample, "cpu")
    for how in chosen:
        yield calibration.estimate(how)
    for device in _others() if with_model else ():
        calibration = calibration.on(device)
        for how in with_model:
            yield calibration.estimate(how)


def _others() -> list[str]:
    """The devices beside the CPU."""
    from ncz.models.language import devices

    return [device for device in devices.usable() if device != devices.CPU]


def _record(row: Estimate) -> dict[str, Any]:
    """For JSON: no more digits than are known."""
    return {
        name: quantities.rounded(value) if name in _NUMBERS and value is not None else value
        for name, value in asdict(row).items()
    }


def _line(row: Estimate, size: int) -> str:
    start = f"-{row.level:<4} {row.device:<6}"
    if row.size is None:
        return f"{start}  {row.how}"
    cells = [
        *map(
            quantities.brief_time,
            (row.seconds_in or 0, row.seconds_out or 0, row.seconds_ready or 0),
        ),
        *map(quantities.brief_size, (row.memory or 0, row.size)),
        f"{quantities.rounded(100 * row.size / size):g} %" if size else "",
    ]
    shown = (f"{cell:>{width}}" for cell, (_, width) in zip(cells, _COLUMNS, strict=True))
    return f"{start}{''.join(shown)}  {row.how}"
