"""All targets, one after another, each for some seconds: ``python -m fuzz.run --seconds 60``.

A target runs in a process of its own with libFuzzer (:mod:`fuzz.target`). Its corpus is kept under
``bench-out/fuzz`` from run to run, and made minimal at the end: inputs that reach nothing that
others do not reach are dropped. An input that ends in an error is kept beside it; the way to
have it fail again is printed, and the way to stay free of it is a file in ``tests/fuzz/crashes``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click

from fuzz import record, targets

RESULTS = "fuzz.json"
_HANG_S = 300  # of the clock for one input, on a machine that may have other work
_MEMORY_MB = 3000  # torch and the compiler are in it
_PATIENCE_S = 900  # beside the time for the search: compiling, with bounds checks, takes minutes
_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_COVERED = re.compile(r"\bcov: (\d+) ft: (\d+)")


@dataclass(frozen=True)
class Found:
    """What a run of a target came to.

    Attributes:
        runs: inputs that were tried.
        seconds: that this took.
        edges: of Python code that were reached.
        inputs: in the corpus, made minimal.
        crashes: files of inputs that ended in an error, a hang or too much memory.
        failed: the last lines of a process that could not do its work.
    """

    runs: int
    seconds: float
    edges: int
    inputs: int
    crashes: tuple[Path, ...]
    failed: str = ""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(targets.NAMES), metavar="[TARGET]...")
@click.option("--seconds", default=60, show_default=True, help="For each target.")
@click.option(
    "--corpora",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-out/fuzz"),
    show_default=True,
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-out/reliability"),
    show_default=True,
)
def main(names: tuple[str, ...], seconds: int, corpora: Path, out: Path) -> None:
    """Attack TARGETs, all if none is named, and count what comes of it.

    Ends with 1 if one was broken, or could not run.
    """
    bad = False
    for name in names or targets.NAMES:
        found = attack(name, seconds, corpora.resolve())
        if found.failed:
            click.echo(f"{name}: it could not run:\n{found.failed}", err=True)
            bad = True
            continue
        counted = {"runs": found.runs, "seconds": found.seconds, "crashes": len(found.crashes)}
        most = {"edges": found.edges}
        record.add(
            out / RESULTS,
            {**counted, "by_target": {name: counted}},
            {"by_target": {name: most | {"corpus": found.inputs}}},
        )
        click.echo(
            f"{name}: {found.runs:,} runs, {found.edges:,} edges, {found.inputs} inputs, "
            f"{len(found.crashes)} crashes",
            err=True,
        )
        for path in found.crashes:
            click.echo(f"  python -m fuzz.target {name} {path.parent.parent} {path}", err=True)
        bad = bad or bool(found.crashes)
    sys.exit(1 if bad else 0)


def attack(name: str, seconds: int, corpora: Path) -> Found:
    """Search for inputs that break a target for so long, then make its corpus minimal."""
    folder = corpora / name
    folder.mkdir(parents=True, exist_ok=True)
    before = set(_crashes(folder))
    began = time.monotonic()
    options = [f"-max_total_time={seconds}", f"-timeout={_HANG_S}", f"-rss_limit_mb={_MEMORY_MB}"]
    said = _libfuzzer(name, folder, seconds, [*options, "-print_final_stats=1"])
    took = time.monotonic() - began
    crashes = tuple(path for path in _crashes(folder) if path not in before)
    runs, covered = _RUNS.findall(said), _COVERED.findall(said)
    if not runs and not crashes:
        return Found(0, took, 0, 0, (), "\n".join(said.splitlines()[-15:]))
    inputs = _minimize(name, folder, seconds)
    edges = max((int(edges) for edges, _ in covered), default=0)
    return Found(int(runs[-1]) if runs else 0, took, edges, inputs, crashes)


def _minimize(name: str, folder: Path, seconds: int) -> int:
    """Keep of the corpus what all of its coverage needs; how many inputs that are."""
    corpus, fewer = folder / "corpus", folder / "fewer"
    shutil.rmtree(fewer, ignore_errors=True)
    fewer.mkdir()
    said = _libfuzzer(name, folder, seconds, ["-merge=1", str(fewer), str(corpus)])
    kept = len(list(fewer.iterdir()))
    if "MERGE-OUTER: consumed" in said and kept:
        shutil.rmtree(corpus)
        fewer.rename(corpus)
    else:
        shutil.rmtree(fewer)
    return len(list(corpus.iterdir()))


def _libfuzzer(name: str, folder: Path, seconds: int, options: list[str]) -> str:
    """Everything that a target's process says."""
    # Compiled code with bounds checks is another program: it gets a cache of its own.
    compiled = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(folder.parent / "numba")}
    if name in targets.UNCHECKED:
        compiled = {}
    command = [sys.executable, "-m", "fuzz.target", name, str(folder), *options]
    with subprocess.Popen(
        command,
        env=os.environ | compiled,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds + _PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
    text = said.decode(errors="replace")
    (folder / "log").write_text(text, "utf-8")
    return text


def _crashes(folder: Path) -> list[Path]:
    """Inputs that failed; libFuzzer notes slow ones there, too, and those are no failure."""
    return [path for path in sorted((folder / "crashes").glob("*")) if "slow-unit" not in path.name]


if __name__ == "__main__":
    main()
