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
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ncz.cli import exits, quantities
from ncz.cli.each import Record, Skip, each_file
from ncz.cli.exits import Failure
from ncz.cli.names import STDIO, STDOUT_NAMES, shown
from ncz.cli.progress import bar
from ncz.cli.reporting import Reporter, damage_record, label, stats_record
from ncz.cli.sources import Source, Tally, open_source
from ncz.cli.targets import (
    Sink,
    check_free,
    file_target,
    is_special,
    resumed_target,
    special_target,
    stdout_is_terminal,
    stdout_target,
)

if TYPE_CHECKING:
    from ncz.formats.stream import Progress, StreamStats

Stream = Callable[
    [BinaryIO, BinaryIO, "Callable[[Progress], None] | None", "BinaryIO | None"], "StreamStats"
]
"""A stream function of the library: from, to, progress, and what an earlier run has left."""


@dataclass(frozen=True)
class Direction:
    """What makes compressing and decompressing different.

    Attributes:
        compressing: which of the two it is.
        derive: the output's name from the input's; raises Skip or Failure.
        prepare: gets ready for an input that will be read, before its output is begun: returns
            it, to be read in the place of what was given, and the library's stream function
            with its options.
        restore: for `compressing`, decodes what was written; otherwise None.
    """

    compressing: bool
    derive: Callable[[Path], Path]
    prepare: Callable[[str, Source], tuple[Source, Stream]]
    restore: Stream | None = None


@dataclass(frozen=True)
class Destination:
    """Where the user wants the output, and what may happen to files on the way."""

    output: str | None = None
    stdout: bool = False
    force: bool = False
    remove: bool = False
    resume: bool = False

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
        directory = Path(self.output).is_dir()
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
        made: what this run has written: output by input, so that one never replaces another.
    """

    direction: Direction
    destination: Destination
    reporter: Reporter
    progress: bool
    made: dict[str, Source | None] = field(default_factory=dict)

    def run(self, files: Sequence[str]) -> int:
        """Work through `files` and return the exit code."""
        return each_file(files, self.reporter, self._transfer)

    def _transfer(self, name: str, record: Record) -> int:
        started = time.monotonic()
        to_stdout = self.destination.is_stdout(name)
        derived = not to_stdout and (self.destination.output is None or self._into_directory())
        with open_source(name, must_be_regular=derived) as source:
            path = None if to_stdout else self._path(source)
            record["output"] = STDIO if path is None else str(path)
            self._look(source, path)
            reading, run = self.direction.prepare(name, source)
            stats = self._copy(name, reading, path, run)
            if path is not None:
                self.made[_key(path)] = source
            if self.destination.remove and not stats.damage:
                _remove(source, path)
        seconds = time.monotonic() - started
        record.update(stats_record(stats, seconds))
        if stats.damage:
            record["damage"] = [damage_record(damage) for damage in stats.damage]
            for damage in stats.damage:
                self.reporter.error(name, str(damage))
            return exits.DAMAGED
        self._tell(name, stats, seconds)
        return exits.OK

    def _into_directory(self) -> bool:
        return self.destination.output is not None and Path(self.destination.output).is_dir()

    def _path(self, source: Source) -> Path:
        if self.destination.output is None or self._into_directory():
            assert source.path is not None  # Destination.check refused standard input here
            path = self.direction.derive(source.path)
            if self.destination.output is not None:
                return Path(self.destination.output, path.name)
            return path
        return Path(self.destination.output)

    def _look(self, source: Source, path: Path | None) -> None:
        """Everything that can be refused before any work."""
        if path is None:
            if self.direction.compressing and stdout_is_terminal() and not self.destination.force:
                raise Failure(
                    "compressed data is not shown on a terminal: use -o, a redirection, or -f",
                    exits.USAGE,
                )
            _refuse_loop(source, 1)
            return
        if _key(path) in self.made:
            before = self.made[_key(path)]
            if before is not None and _same(before, source):
                raise Skip("named twice, done once")
            raise Failure(f"would overwrite {shown(path)}, which this run has just written")
        _refuse_loop(source, path)
        if self.destination.resume:
            if is_special(path):
                raise Failure(f"--resume needs an output that can be read back: {shown(path)}")
            if not self.destination.force and _made_from(source, path):
                raise Skip(f"was done before: {shown(path)} is there, with the same time")
        check_free(path, force=self.destination.force)
        if self.destination.remove:
            if is_special(path):
                raise Failure(f"--rm needs an output that can be read back: {shown(path)} cannot")
            if source.path is not None and source.path.is_symlink() and not self.destination.force:
                raise Failure("is a symbolic link, and --rm would remove only the link: use --keep")

    def _copy(self, name: str, source: Source, path: Path | None, run: Stream) -> StreamStats:
        compressing, remove = self.direction.compressing, self.destination.remove
        tally = Tally(source.file) if remove and compressing else None

        def verify(written: BinaryIO, sink: Sink) -> None:
            with self._bar(f"verifying {label(name)}", sink.size) as progress:
                if tally is not None and self.direction.restore is not None:
                    check = Sink(None, "", hashed=True)
                    self.direction.restore(written, check.as_file(), progress, None)
                    intact = check.fingerprint == tally.fingerprint
                else:
                    check = Sink(None, "", hashed=True)
                    while piece := written.read(1 << 20):
                        check.write(piece)
                    intact = check.fingerprint == sink.fingerprint
            if not intact:
                raise Failure("the output read back from disk is not what was written; input kept")

        with contextlib.ExitStack() as stack:
            if path is None:
                sink = stack.enter_context(stdout_target())
                if not compressing and stdout_is_terminal() and not self.destination.force:
                    sink.refuse_binary()
            elif is_special(path):
                sink = stack.enter_context(special_target(path))
            else:
                target = resumed_target if self.destination.resume else file_target
                sink = stack.enter_context(
                    target(
                        path,
                        force=self.destination.force,
                        hashed=remove and not compressing,
                        like=source.status,
                        verify=verify if remove else None,
                    )
                )
            with self._bar(label(name), source.size) as progress:
                reading = source.file if tally is None else tally.as_file()
                stats = run(reading, sink.as_file(), self._noting(name, progress), sink.kept)
            source.check_unchanged(stats.raw_size if compressing else None)
            return stats

    def _bar(
        self, text: str, total: int | None
    ) -> contextlib.AbstractContextManager[Callable[[Progress], None] | None]:
        return bar(text, total, shown=self.progress and self.reporter.animated)

    def _noting(
        self, name: str, progress: Callable[[Progress], None] | None
    ) -> Callable[[Progress], None] | None:
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

    def _tell(self, name: str, stats: StreamStats, seconds: float) -> None:
        if self.direction.compressing:
            line = quantities.saving(stats.raw_size, stats.coded_size, seconds)
            self.reporter.result(name, line)
        elif self.reporter.verbose:
            pace = quantities.timing(stats.raw_size, seconds)
            line = f"{stats.coded_size:,} -> {stats.raw_size:,} bytes, {pace}"
            self.reporter.result(name, line)


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
