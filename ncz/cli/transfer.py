"""What ``compress`` and ``decompress`` do with each file, from its name to its exit code.

The order keeps everything recoverable: look before working, write under a temporary name,
check that the input stood still, read the output back if the input is to go, name the
output, and only then remove the input. One file that fails does not stop the others.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ncz.cli import exits, quantities
from ncz.cli.crews import Workers
from ncz.cli.each import Outcome, each_together
from ncz.cli.exits import Failure
from ncz.cli.gather import Input, Skip
from ncz.cli.names import STDIO, STDOUT_NAMES, shown
from ncz.cli.progress import Sum, bar
from ncz.cli.reporting import Reporter, damage_record, label, stats_record
from ncz.cli.sources import Source, Tally, open_source
from ncz.cli.targets import (
    Sink,
    check_free,
    is_special,
    special_target,
    stdout_is_terminal,
    stdout_target,
    unfinished_target,
)
from ncz.codec import crew as crews
from ncz.codec.crew import Crew
from ncz.codec.pipeline import in_flight
from ncz.codec.together import Steps
from ncz.formats import temporaries

if TYPE_CHECKING:
    from ncz.formats.stream import Progress, StreamStats

Report = Callable[["Progress"], None]
Stream = Callable[[BinaryIO, BinaryIO, "Report | None", "BinaryIO | None"], "Steps[StreamStats]"]
"""A job of the library: from, to, progress, and what an earlier run has left."""

_PIECE = 1 << 20  # bytes read at a time
_DISK = 8  # outputs that are synced side by side: that takes longer than a small file


@dataclass(frozen=True)
class Direction:
    """What makes compressing and decompressing different.

    Attributes:
        compressing: which of the two it is.
        derive: the output's name from the input's; raises Skip or Failure.
        prepare: gets ready for an input that will be read, before its output is begun: returns
            it, to be read in the place of what was given, and the library's stream function
            with its options.
    """

    compressing: bool
    derive: Callable[[Path], Path]
    prepare: Callable[[str, Source], tuple[Source, Stream]]


@dataclass(frozen=True)
class Destination:
    """Where the user wants the output, and what may happen to files on the way."""

    output: str | None = None
    stdout: bool = False
    force: bool = False
    remove: bool = False
    resume: bool = False
    recursive: bool = False

    @property
    def folder(self) -> bool:
        """Whether the output is a folder for outputs, or to become one."""
        if self.output is None or self.output in STDOUT_NAMES:
            return False
        return self.recursive or Path(self.output).is_dir()

    def one_by_one(self, files: Sequence[str]) -> bool:
        """Whether outputs have to be written in sequence, into one place."""
        return any(map(self.is_stdout, files)) or not (self.output is None or self.folder)

    def is_stdout(self, name: str) -> bool:
        """Whether the data of input `name` goes to standard output."""
        if self.output is not None:
            return self.output in STDOUT_NAMES
        return self.stdout or name == STDIO

    def check(self, files: Sequence[str]) -> None:
        """Refuse what cannot be meant.

        Raises:
            click.UsageError: with the sentence for the user.
        """
        if files.count(STDIO) > 1:
            raise click.UsageError("standard input can be read only once")
        if self.stdout and self.output is not None and self.output not in STDOUT_NAMES:
            raise click.UsageError("-c and -o contradict each other: give one of them")
        if self.remove and any(self.is_stdout(name) for name in files):
            raise click.UsageError("--rm needs an output file: it cannot verify standard output")
        if self.resume and any(self.is_stdout(name) for name in files):
            raise click.UsageError("--resume needs an output file: it cannot go on with a stream")
        if self.output is None or self.output in STDOUT_NAMES:
            return
        directory = self.folder
        if directory and Path(self.output).exists() and not Path(self.output).is_dir():
            raise click.UsageError(f"{shown(self.output)} is not a directory, and -r needs one")
        if self.output.endswith(("/", os.sep)) and not directory:
            raise click.UsageError(f"{shown(self.output)} is not a directory")
        if directory and STDIO in files:
            raise click.UsageError("standard input has no name: give -o a file, not a directory")
        if len(files) > 1 and not directory and not is_special(Path(self.output)):
            raise click.UsageError(
                "-o with several inputs must name a directory; -c writes them one after another"
            )


@dataclass
class Transfer:
    """A run over several files.

    Attributes:
        tasks: how many may be in work when another file is begun; 1: files come in sequence.
        made: what this run writes: input by output, so that one never replaces another.
        disk: who waits until outputs are on the disk.
        sum: of the progress of all files, if there are several and a bar is shown.
    """

    direction: Direction
    destination: Destination
    reporter: Reporter
    progress: bool
    tasks: int = 1
    made: dict[str, Source] = field(default_factory=dict)
    disk: Crew | None = None
    sum: Sum | None = None

    def run(self, inputs: Sequence[Input]) -> int:
        """Work through `inputs` and return the exit code."""
        if len(inputs) < 2:
            return each_together(inputs, self.reporter, self._transfer, self.tasks)
        shown = self.progress and self.reporter.animated
        total = sum(given.size for given in inputs) if shown else 0
        with (
            crews.threads(_DISK) as self.disk,
            bar(f"{len(inputs):,} files", total, shown=shown) as report,
        ):
            self.sum = Sum(report) if report else None
            return each_together(inputs, self.reporter, self._transfer, self.tasks)

    def _transfer(self, given: Input, outcome: Outcome) -> Steps[int]:
        try:
            return (yield from self._one(given, outcome))
        finally:
            if self.sum is not None:
                self.sum.over(given.name, given.size)

    def _one(self, given: Input, outcome: Outcome) -> Steps[int]:
        if given.problem is not None:
            raise given.problem
        started = time.monotonic()
        name, record = given.name, outcome.record
        to_stdout = self.destination.is_stdout(name)
        derived = not to_stdout and (self.destination.output is None or self.destination.folder)
        with open_source(name, must_be_regular=derived) as source:
            path = None if to_stdout else self._path(source, given)
            record["output"] = STDIO if path is None else str(path)
            self._look(source, path)
            try:
                reading, run = self.direction.prepare(name, source)
                stats = yield from self._copy(name, reading, path, run)
            except BaseException:
                if path is not None:
                    del self.made[_key(path)]
                raise
            if self.destination.remove and not stats.damage:
                _remove(source, path)
        seconds = time.monotonic() - started
        record.update(stats_record(stats, seconds))
        if stats.damage:
            record["damage"] = [damage_record(damage) for damage in stats.damage]
            for damage in stats.damage:
                outcome.say(methodcaller("error", name, str(damage)))
            return exits.DAMAGED
        outcome.say(lambda reporter: self._tell(reporter, name, stats, seconds))
        return exits.OK

    def _path(self, source: Source, given: Input) -> Path:
        if self.destination.output is None or self.destination.folder:
            assert source.path is not None  # Destination.check refused standard input here
            path = self.direction.derive(source.path)
            if self.destination.output is not None:
                return Path(self.destination.output, given.folder, path.name)
            return path
        return Path(self.destination.output)

    def _look(self, source: Source, path: Path | None) -> None:
        """Everything that can be refused before any work; the output is then this input's."""
        if path is None:
            if self.direction.compressing and stdout_is_terminal() and not self.destination.force:
                raise Failure(
                    "compressed data is not shown on a terminal: use -o, a redirection, or -f",
                    exits.USAGE,
                )
            _refuse_loop(source, 1)
            return
        if _key(path) in self.made:
            if _same(self.made[_key(path)], source):
                raise Skip("named twice, done once")
            raise Failure(f"would overwrite {shown(path)}, which this run has just written")
        _refuse_loop(source, path)
        if self.destination.resume:
            if is_special(path):
                raise Failure(f"--resume needs an output that can be read back: {shown(path)}")
            if not self.destination.force and _made_from(source, path):
                temporaries.tidy(path)
                raise Skip(f"was done before: {shown(path)} is there, with the same time")
        check_free(path, force=self.destination.force)
        if self.destination.remove:
            if is_special(path):
                raise Failure(f"--rm needs an output that can be read back: {shown(path)} cannot")
            if source.path is not None and source.path.is_symlink() and not self.destination.force:
                raise Failure("is a symbolic link, and --rm would remove only the link: use --keep")
        self.made[_key(path)] = source

    def _copy(
        self, name: str, source: Source, path: Path | None, run: Stream
    ) -> Steps[StreamStats]:
        compressing, remove = self.direction.compressing, self.destination.remove
        tally = Tally(source.file) if remove and compressing else None

        def verify(written: BinaryIO, sink: Sink) -> None:
            """Of what was compressed every block was decoded before it was written."""
            from ncz.formats.readback import framed

            back = Tally(written)
            if tally is None:
                while back.read(_PIECE):
                    pass
                intact = True
            else:
                intact = framed(back.as_file(), *tally.fingerprint)
            if not intact or back.fingerprint != sink.fingerprint:
                raise Failure("the output read back from disk is not what was written; input kept")

        target = None
        with contextlib.ExitStack() as stack:
            if path is None:
                sink = stack.enter_context(stdout_target())
                if not compressing and stdout_is_terminal() and not self.destination.force:
                    sink.refuse_binary()
            elif is_special(path):
                sink = stack.enter_context(special_target(path))
            else:
                if self.destination.recursive and self.destination.folder:
                    temporaries.make_folder(path.parent)
                target = stack.enter_context(
                    unfinished_target(
                        path,
                        force=self.destination.force,
                        hashed=remove,
                        like=source.status,
                        verify=verify if remove else None,
                        resume=self.destination.resume,
                    )
                )
                sink = target.sink
            with self._of_one(name, source.size) as progress:
                reading = source.file if tally is None else tally.as_file()
                job = run(reading, sink.as_file(), self._noting(name, progress), sink.kept)
                stats = yield from job
            source.check_unchanged(stats.raw_size if compressing else None)
            if target is not None:
                yield from target.complete(self.disk)
            return stats

    def _of_one(
        self, name: str, total: int | None
    ) -> contextlib.AbstractContextManager[Report | None]:
        """Where a file's progress goes: to its own bar, or into the sum."""
        if self.sum is not None:
            return contextlib.nullcontext(self.sum.part(name))
        return self._bar(label(name), total)

    def _bar(
        self, text: str, total: int | None
    ) -> contextlib.AbstractContextManager[Report | None]:
        alone = self.progress and self.reporter.animated and self.disk is None
        return bar(text, total, shown=alone)

    def _noting(self, name: str, progress: Report | None) -> Report | None:
        """The same, and where the work goes on is said once, if it does not begin at the start."""
        if not self.destination.resume:
            return progress
        said = False

        def report(now: Progress) -> None:
            nonlocal said
            if now.kept_blocks and not said:
                said = True
                self.reporter.result(name, f"resumed at block {now.kept_blocks}")
            if progress is not None:
                progress(now)

        return report

    def _tell(self, reporter: Reporter, name: str, stats: StreamStats, seconds: float) -> None:
        if self.direction.compressing:
            line = quantities.saving(stats.raw_size, stats.coded_size, seconds)
            reporter.result(name, line)
        elif reporter.verbose:
            pace = quantities.timing(stats.raw_size, seconds)
            line = f"{stats.coded_size:,} -> {stats.raw_size:,} bytes, {pace}"
            reporter.result(name, line)


def side_by_side(
    workers: Workers, memlimit: int | None, inputs: Sequence[Input], destination: Destination
) -> tuple[Workers, int]:
    """Who works on `inputs`, and how many tasks may be in work when another of them is begun.

    They share a crew, unless their outputs have to come in sequence. They come so with a limit of
    memory, too: what several would take of it together is not known beforehand.
    """
    alone = destination.one_by_one([given.name for given in inputs])
    if len(inputs) < 2 or alone or memlimit is not None:
        return workers, 1
    crew = workers.crew or crews.threads(workers.threads)
    return Workers(crew=crew, most=workers.most), in_flight(crew.size)


def _made_from(source: Source, path: Path) -> bool:
    """Whether `path` has the time of the input, as an output that is whole has."""
    if source.path is None or source.status is None:
        return False
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns == source.status.st_mtime_ns
    return False


def _key(path: Path) -> str:
    return str(path.parent.resolve() / path.name)


def _same(one: Source, other: Source) -> bool:
    return (
        one.status is not None
        and other.status is not None
        and os.path.samestat(one.status, other.status)
    )


def _refuse_loop(source: Source, output: Path | int) -> None:
    """Refuse an output that is the input: at best nothing would be left to go back to."""
    with contextlib.suppress(OSError):
        status = os.fstat(output) if isinstance(output, int) else output.stat()
        regular = source.size is not None
        if regular and source.status is not None and os.path.samestat(status, source.status):
            raise Failure("input and output are the same file")


def _remove(source: Source, path: Path | None) -> None:
    """Remove the input, unless its name means another file by now."""
    if source.path is None or source.status is None:
        return
    where = shown(path) if path is not None else "the output"
    try:
        now = source.path.stat()
        then = source.status
        if not os.path.samestat(now, then) or now.st_mtime_ns != then.st_mtime_ns:
            raise Failure(f"was not removed: it changed after {where} was made")
        source.path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Failure(
            f"was not removed although {where} is complete: {exits.plain(error)}"
        ) from error
