"""What the command says: errors, notes and results on stderr, records for programs as JSON.

Data may go to standard output, so nothing meant for people ever does, except where showing
is the command's purpose (``ncz info``). JSON goes to standard output unless data does.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ncz.cli.names import STDIO, shown
from ncz.codec.errors import CorruptBlock, FormatError

if TYPE_CHECKING:
    from ncz.formats.stream import StreamStats


@dataclass(frozen=True)
class Reporter:
    """Says things, or does not.

    Attributes:
        quiet: errors only.
        verbose: results even when nobody watches.
        records: one JSON object per file.
        data_on_stdout: standard output carries data, so that records go to stderr.
    """

    quiet: bool = False
    verbose: bool = False
    records: bool = False
    data_on_stdout: bool = False

    @property
    def watched(self) -> bool:
        """Whether results are shown to a person: on a terminal, or because asked to."""
        return self.verbose or (not self.quiet and stderr_is_terminal())

    @property
    def animated(self) -> bool:
        """Whether a progress bar may move on stderr."""
        return self.talks and stderr_is_terminal()

    @property
    def talks(self) -> bool:
        """Whether stderr takes lines for people that are no errors."""
        return not self.quiet and not (self.records and self.data_on_stdout)

    def error(self, name: str | None, sentence: str) -> None:
        """Say what is wrong with the file `name`, unless its record on stderr says it."""
        if not (self.records and self.data_on_stdout and name is not None):
            say(f"ncz: {label(name)}: {sentence}" if name is not None else f"ncz: {sentence}")

    def note(self, name: str, sentence: str) -> None:
        """Say something that is no error."""
        if self.talks:
            say(f"ncz: {label(name)}: {sentence}")

    def result(self, name: str, sentence: str) -> None:
        """Say what was achieved, if a person watches."""
        if self.watched and not self.records:
            say(f"{label(name)}: {sentence}")

    def record(self, record: dict[str, Any]) -> None:
        """Print one JSON object on a line of its own, if records are wanted."""
        if self.records:
            click.echo(json.dumps(record), err=self.data_on_stdout)


def say(line: str) -> None:
    """Print `line` on stderr, above a progress bar if one is there."""
    if "tqdm" in sys.modules and stderr_is_terminal():
        from tqdm import tqdm

        tqdm.write(line, file=sys.stderr)
    else:
        click.echo(line, err=True)


def label(name: str) -> str:
    """The name of a file in messages."""
    return "standard input" if name == STDIO else shown(name)


def stderr_is_terminal() -> bool:
    """Whether a person sees stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


def announce_waiting(reporter: Reporter) -> None:
    """Show the library's notices, such as that it compiles, unless silence is asked for."""
    from ncz.codec.notice import set_notice

    set_notice(None if not reporter.talks else lambda sentence: say(f"ncz: {sentence}"))


def stats_record(stats: StreamStats, seconds: float) -> dict[str, Any]:
    """What came of a stream, for JSON; its damage apart."""
    return {
        "raw_size": stats.raw_size,
        "coded_size": stats.coded_size,
        "blocks": stats.blocks,
        "seconds": round(seconds, 3),
        **stats.about,
    }


def damage_record(damage: FormatError) -> dict[str, Any]:
    """One piece of damage for JSON: the sentence, and of a block its number and place."""
    record: dict[str, Any] = {"error": str(damage)}
    if isinstance(damage, CorruptBlock):
        record.update(
            block=damage.index,
            offset=damage.offset,
            raw_start=damage.raw_start,
            raw_end=damage.raw_end,
            reason=damage.reason,
        )
    return record
