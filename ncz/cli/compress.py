"""``ncz compress``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ncz.cli import beforehand, names, options, pictures
from ncz.cli.crews import Workers
from ncz.cli.exits import Failure
from ncz.cli.gather import Skip, gather
from ncz.cli.inputs import named_or_listed
from ncz.cli.quantities import size_between
from ncz.cli.reporting import Reporter, announce_waiting
from ncz.cli.sources import Ahead, Source
from ncz.cli.transfer import (
    Destination,
    Direction,
    Stream,
    Transfer,
    side_by_side,
)
from ncz.codec.together import Steps
from ncz.formats.levels import DEFAULT, MODEL_LEVELS

if TYPE_CHECKING:
    from ncz.formats.picture.targets import Lossy
    from ncz.formats.stream import Progress, StreamStats


@click.command("compress", cls=pictures.LossyCommand)
@options.files
@options.level
@options.many
@options.output
@options.resume
@options.workers
@click.option(
    "--block-size",
    type=size_between(1024, 2**30),
    metavar="SIZE",
    help="Cut the content into blocks of this size: larger ones compress better, smaller ones "
    "give finer random access.  [default: 8 MiB for -1 to -4, 16 MiB for -5 to -9 or "
    "all of a PNG file]",
)
@options.verify
@options.streams
@options.engine
@pictures.lossy
@options.memlimit
@options.reports
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    level: int | None,
    recursive: bool,
    filelist: str | None,
    null: bool,
    output: str | None,
    stdout: bool,
    force: bool,
    remove: bool,
    resume: bool,
    workers: Workers,
    block_size: int | None,
    verify: bool | None,
    streams: int | None,
    engine: str,
    model: str | None,
    only_model: bool,
    lossy: Lossy | None,
    memlimit: int | None,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
    records: bool,
) -> None:
    """Compress files.

    Each FILE becomes FILE.ncz beside it, with the same time and mode; FILE itself is kept.
    With -r, FILE may be a directory.
    Without FILES, or with '-', standard input goes to standard output.

    Levels 7 to 9 predict text by a language model, which is fetched when it is first needed:
    the smallest files, and minutes for what -6 does in seconds. Restoring needs the same model
    and as much time.

    With --lossy, FILES are pictures, and what comes back is a picture like them.
    """
    if lossy is not None:
        if remove:
            raise click.UsageError(
                "--rm would leave only a lossy copy: look at it, and remove the original yourself"
            )
        pictures.refuse_lossless(
            {
                f"-{level}": level is not None,
                "--resume": resume,
                "--block-size": block_size is not None,
                "--streams": streams is not None,
                "--engine": engine != "exact",
                "--model": model is not None,
                "--only-model": only_model,
                "a crew of workers": workers.crew is not None,
            }
        )
    if streams is not None and level is not None and level not in MODEL_LEVELS:
        raise click.UsageError(f"--streams is for levels 7 to 9, and -{level} has none")
    gguf = options.existing(model) if engine == "llama" and model is not None else None
    if gguf is None and engine == "llama":
        raise click.UsageError("--engine llama needs a GGUF file: --model FILE")
    circuit = options.offered_circuit(model) if engine == "exact" and model is not None else None
    if circuit is not None and level is not None and level in MODEL_LEVELS:
        raise click.UsageError(f"a circuit is for -1 to -6, and -{level} has a language model")
    if circuit is not None and resume:
        raise click.UsageError(
            "--resume does not go with a circuit, whose place in the file the first block decides "
            "and which takes seconds: leave out --resume"
        )
    if only_model and circuit is None:
        raise click.UsageError("--only-model needs a circuit: --model FILE")
    if gguf is not None and level is not None and level not in MODEL_LEVELS:
        raise click.UsageError(f"--engine llama is for levels 7 to 9, and -{level} has no model")
    if gguf is not None and streams is not None:
        raise click.UsageError("--engine llama makes one stream: leave out --streams")
    if remove and verify is False:
        raise click.UsageError("--rm removes only what was verified: leave out --no-verify")
    named = named_or_listed(files, "compress", recursive, filelist, null)
    destination = Destination(output, stdout, force, remove, resume, recursive)
    destination.check(named)
    on_stdout = any(destination.is_stdout(name) for name in named)
    reporter = Reporter(quiet, verbose, records, on_stdout)
    inputs = gather(named, compressing=True, recursive=recursive, avoid=output)
    workers, tasks = side_by_side(workers, memlimit, inputs, destination)
    language = beforehand.Model(reporter, progress=not no_progress)

    def prepare(name: str, source: Source) -> tuple[Source, Stream]:
        from ncz.formats.options import CompressOptions
        from ncz.formats.stream import compressing

        if lossy is not None:
            return pictures.coding(
                name, source, lossy, memlimit, bool(verify), workers.most, reporter
            )
        size, reading = source.size, Ahead(source.file)
        how = CompressOptions(
            level=level
            or (DEFAULT if circuit else beforehand.level_for(reading.head(beforehand.HEAD))),
            threads=workers.threads,
            block_size=block_size,
            memlimit=memlimit,
            streams=streams,
            verify=remove or verify,
            circuit=circuit,
            only=only_model,
        )
        if how.level in MODEL_LEVELS:
            if gguf is not None:
                how = replace(how, gguf=gguf)
            else:
                language.bring()
            if size is not None and reporter.talks:
                head = reading.head(beforehand.HEAD)
                say = partial(reporter.note, name)
                beforehand.estimate(how, head, size, say, workers.crew)

        def run(
            src: BinaryIO,
            dst: BinaryIO,
            progress: Callable[[Progress], None] | None,
            kept: BinaryIO | None,
        ) -> Steps[StreamStats]:
            return compressing(src, dst, how, progress, workers.crew, kept)

        return replace(source, file=reading.as_file()), run

    def derive(path: Path) -> Path:
        if names.is_compressed(path) and not force:
            raise Skip(f"ends in {names.SUFFIX} already, left alone (-f compresses it again)")
        if not path.name:
            raise Failure("has no name to derive one from: name the output with -o")
        return names.compressed_name(path)

    announce_waiting(reporter)
    direction = Direction(True, derive, prepare)
    transfer = Transfer(direction, destination, reporter, not no_progress, tasks)
    ctx.exit(transfer.run(inputs))
