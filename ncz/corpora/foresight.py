"""How far ``ncz plan`` is off: its estimates beside what compressing and restoring then take.

``python -m ncz.corpora.foresight [--levels 1,3,6] FILE…`` prints a table in Markdown, with the
mean and the largest error of sizes. Times are worth reading on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ncz
from ncz.formats.estimate import Calibration, Estimate
from ncz.formats.options import CompressOptions
from ncz.formats.sample import Sample


@dataclass(frozen=True)
class Outcome:
    """An estimate, and what came of it.

    Attributes:
        file: its name.
        estimate: which numbers are known of.
        size: bytes that the file was compressed to.
        seconds_in, seconds_out: that this took, and restoring it.
    """

    file: str
    estimate: Estimate
    size: int
    seconds_in: float
    seconds_out: float

    @property
    def off(self) -> float:
        """By what part of the size the estimate is too large; below zero: too small."""
        return (self.estimate.size or 0) / self.size - 1


def outcomes(path: Path, levels: tuple[int, ...]) -> Iterator[Outcome]:
    """Estimate and do it, level by level; those whose model is not here are left out.

    Raises:
        NczError: what was compressed did not come back.
    """
    data = path.read_bytes()
    calibration = Calibration(Sample(len(data), data))
    for level in levels:
        estimate = calibration.estimate(CompressOptions(level))
        if estimate.size is None:
            continue
        started = time.perf_counter()
        coded = ncz.compress(data, level)
        between = time.perf_counter()
        if ncz.decompress(coded) != data:
            raise ncz.NczError(f"{path} did not come back at level {level}")
        ended = time.perf_counter()
        yield Outcome(path.name, estimate, len(coded), between - started, ended - between)


def table(found: list[Outcome]) -> list[str]:
    """Lines of Markdown, the errors of sizes last."""
    lines = [
        "| file | level | estimated bytes | bytes | off | estimated s in | s in | estimated s out "
        "| s out |",
        "| --- |" + " ---: |" * 8,
    ]
    for one in found:
        guess = one.estimate
        lines.append(
            f"| {one.file} | {guess.level} | {guess.size:,} | {one.size:,} "
            f"| {100 * one.off:+.0f} % | {guess.seconds_in:.2g} | {one.seconds_in:.2g} "
            f"| {guess.seconds_out:.2g} | {one.seconds_out:.2g} |"
        )
    errors = [abs(100 * one.off) for one in found]
    if errors:
        mean = sum(errors) / len(errors)
        lines += [
            "",
            f"Sizes are off by {mean:.1f} % on average and by {max(errors):.0f} % at most.",
        ]
    return lines


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ncz.corpora.foresight")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--levels", default="1,3,6", help="by comma")
    options = parser.parse_args(arguments)
    levels = tuple(int(level) for level in options.levels.split(","))
    found = [one for path in options.files for one in outcomes(path, levels)]
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
