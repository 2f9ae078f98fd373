"""The loop over FILES: one that fails is reported and does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ncz.cli import exits
from ncz.cli.gather import Input, Skip
from ncz.cli.reporting import Reporter
from ncz.codec.together import Steps, together

Record = dict[str, Any]


@dataclass
class Outcome:
    """What came of a file, told once its turn has come.

    Attributes:
        name: of the file.
        record: for programs.
        code: exit code.
        lines: what says something to people.
    """

    name: str
    record: Record = field(default_factory=dict)
    code: int = exits.OK
    lines: list[Callable[[Reporter], None]] = field(default_factory=list)

    def say(self, line: Callable[[Reporter], None]) -> None:
        """Have `line` called with the reporter."""
        self.lines.append(line)

    def fail(self, error: BaseException) -> None:
        """Note what ended the work. Broken pipes end everything, and are left to the caller."""
        if isinstance(error, BrokenPipeError):
            raise error
        if isinstance(error, Skip):
            reason = self.record["skipped"] = str(error)
            self.say(lambda reporter: reporter.note(self.name, reason))
            return
        if os.environ.get("NCZ_DEBUG"):
            raise error
        self.code, sentence = exits.explain(error)
        said = self.record["error"] = sentence.removeprefix(f"{self.name} ")  # it starts the line
        self.say(lambda reporter: reporter.error(self.name, said))

    def tell(self, reporter: Reporter) -> int:
        """Say everything; the exit code."""
        for line in self.lines:
            line(reporter)
        ok = self.code == exits.OK
        reporter.record({"file": self.name, **self.record, "ok": ok, "exit": self.code})
        return self.code


def each_file(
    files: Sequence[str], reporter: Reporter, action: Callable[[str, Record], int]
) -> int:
    """Call `action` with each name and the record to fill in; return the highest code.

    Errors become one sentence each. A broken pipe ends everything and is left to the caller.
    """
    code = exits.OK
    for name in files:
        outcome = Outcome(name)
        try:
            outcome.code = action(name, outcome.record)
        except Exception as error:
            outcome.fail(error)
        code = max(code, outcome.tell(reporter))
    return code


def each_together(
    inputs: Iterable[Input],
    reporter: Reporter,
    action: Callable[[Input, Outcome], Steps[int]],
    tasks: int,
) -> int:
    """The same for jobs, which begin when there is room among so many tasks; told in order."""
    jobs = (_job(given, action) for given in inputs)
    return max((outcome.tell(reporter) for outcome in together(jobs, tasks)), default=exits.OK)


def _job(given: Input, action: Callable[[Input, Outcome], Steps[int]]) -> Steps[Outcome]:
    outcome = Outcome(given.name)
    try:
        outcome.code = yield from action(given, outcome)
    except Exception as error:
        outcome.fail(error)
    return outcome
