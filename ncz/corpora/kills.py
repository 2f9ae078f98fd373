"""Kills without warning, at any moment of the command's work, and what is left then.

Each try lays out a folder, starts the command in it, ends it by SIGKILL, and looks: every content
is there, in its input or in a whole output, nothing half-written has a final name, what else is
there has the name of a temporary file; and the same command again finishes the work. With
``--resume`` it may be killed several times before.

Half of the kills come by the clock, anywhere in the time that an undisturbed run takes. The other
half come at a step, before or after a call that touches a file, most of them among the last ones,
where outputs get their names and inputs are removed. Most commands run in a forked child of a
process that has everything loaded, some in a process of their own, start-up included.

``python -m ncz.corpora.kills --count N`` adds to ``bench-out/reliability/kills.json``. Each try
has a seed, which is said with a failure and plays it again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click

from ncz.codec.errors import NczError
from ncz.corpora import steps, tally
from ncz.corpora.forked import command, warm
from ncz.corpora.scenes import Scene, any_scene

PART = "kills"
LEVELS = (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3)
"""What is drawn from: the cheap ones, mostly."""

_SIZES = (0, 100, 5_000, 60_000, 400_000)  # bytes of input, roughly
_SMALL = (0, 100, 4_000)  # the same where each block takes long
_TIMES = 6  # that work is begun anew and killed
_OWN = 0.02  # of the kills in a process of their own
_PATIENCE_S = 120.0  # for a run; more than any takes on a busy machine
_LAST = 50  # steps at the end of a run in which names are given
_AGAIN = 3  # kills of one piece of work with --resume, at most
_SAVED = 30  # tries after which counts are written


@dataclass
class Killed:
    """What came of kills.

    Attributes:
        counts: of kills, by work and by moment; of runs that ended before; of reruns, losses.
        failures: a sentence for each loss.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Run:
    """An undisturbed run: how long it took, how many steps it had."""

    seconds: float
    steps: int


def ready(levels: tuple[int, ...], folder: Path) -> None:
    """Load and compile what the command needs, so that its children begin at once.

    Raises:
        Lost: the command does not work here.
    """
    sample, made = folder / "warm", folder / "warm.ncz"
    sample.write_bytes(b"some words to begin with " * 100)
    for level in sorted(set(levels)):
        warm(["compress", f"-{level}", "-f", "-q", str(sample), "-o", str(made)])
        warm(["decompress", "-f", "-q", str(made), "-o", str(sample)])
    for path in (sample, made):
        path.unlink()


def attempt(seed: int, folder: Path, levels: tuple[int, ...] = LEVELS) -> Killed:
    """One piece of work, killed once, or several times with ``--resume``, and then finished.

    Args:
        seed: decides everything but the moment on the clock.
        folder: whose content is replaced.
        levels: what is drawn from.
    """
    chance, killed = random.Random(seed), Killed()
    level = chance.choice(levels)
    scene = any_scene(chance, level, chance.choice(_SIZES if level == 1 else _SMALL))
    own = chance.random() < _OWN

    def check(found: list[str], when: str) -> None:
        for loss in found:
            killed.counts["lost"] += 1
            killed.failures.append(f"seed {seed}: {scene.name}, {when}: {loss}")

    undisturbed = _measure(scene, folder, own)
    check(scene.losses(folder) + scene.unfinished(folder), "undisturbed")
    for _ in range(_TIMES):
        scene.lay(folder)
        for _ in range(chance.randint(1, _AGAIN) if scene.resumes else 1):
            moment = _kill(scene, folder, chance, undisturbed, own)
            if moment is None:
                killed.counts["ended_before_the_kill"] += 1
            else:
                killed.counts["kills"] += 1
                killed.counts[f"kills_{moment}"] += 1
                killed.counts[f"kills of {scene.name}"] += 1
                killed.counts["temporaries_left"] += bool(scene.leftovers(folder))
            check(scene.losses(folder), f"killed {moment}")
        killed.counts["begun"] += 1
        killed.counts["reruns"] += _left_to_do(scene, folder)
        check(_finish(scene, folder), "run again")
    return killed


def _measure(scene: Scene, folder: Path, own: bool) -> _Run:
    scene.lay(folder)
    started = time.monotonic()
    if own:
        _command(scene.args, folder).wait(_PATIENCE_S)
        return _Run(time.monotonic() - started, 0)
    with tempfile.TemporaryFile() as counted:
        _to_its_end(scene.args, folder, partial(steps.count_into, counted.fileno()))
        seconds = time.monotonic() - started
        return _Run(seconds, int(os.pread(counted.fileno(), 20, 0) or b"0"))


def _kill(
    scene: Scene, folder: Path, chance: random.Random, undisturbed: _Run, own: bool
) -> str | None:
    """Start the work and end it; how the moment was chosen, or None if the work ended before."""
    if own:
        process = _command(scene.args, folder)
        try:
            process.wait(chance.uniform(0, 1.1) * undisturbed.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        return "in_a_process_of_its_own" if process.wait() == -signal.SIGKILL else None
    if chance.random() < 0.5:
        child = command(scene.args, folder)
        child.wait(chance.uniform(0, 0.95) * undisturbed.seconds)
        return "by_the_clock" if child.kill() == -signal.SIGKILL else None
    first = max(1, undisturbed.steps - _LAST) if chance.random() < 0.7 else 1
    step = chance.randint(first, max(first, undisturbed.steps))
    child = command(scene.args, folder, inside=partial(steps.end_at, step))
    if child.wait(_PATIENCE_S) is None:
        child.kill()
        raise NczError(f"{' '.join(scene.args)} was not done after {_PATIENCE_S:.0f} s")
    return "at_a_step" if child.code == -signal.SIGKILL else None


def _finish(scene: Scene, folder: Path) -> list[str]:
    """Run the command again; what is wrong afterwards."""
    args = list(scene.args)
    if not _left_to_do(scene, folder):
        return scene.losses(folder) + scene.unfinished(folder)
    if not scene.resumes and any(scene.whole(folder, name) for name in scene.outputs):
        args.insert(1, "-f")  # else it refuses, rightly, what it has made already
        if scene.among:
            # With -f, outputs that lie among the inputs would be inputs: name those instead.
            sources = sorted(output.source for output in scene.outputs.values())
            args = [one for one in args if one not in ("-r", scene.among)]
            args += [name for name in sources if (folder / name).exists()]
    code, said = _to_its_end(args, folder)
    if code:
        return [f"it ended with {code}: {said}"]
    return scene.losses(folder) + scene.unfinished(folder)


def _left_to_do(scene: Scene, folder: Path) -> bool:
    """Whether any input is there, which --rm may have removed."""
    return any((folder / output.source).exists() for output in scene.outputs.values())


def _to_its_end(
    args: list[str] | tuple[str, ...], folder: Path, inside: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Exit code, and what was said."""
    with tempfile.NamedTemporaryFile() as said:
        child = command(args, folder, stderr=Path(said.name), inside=inside)
        if child.wait(_PATIENCE_S) is None:
            child.kill()
        return child.code or 0, said.read().decode(errors="replace").strip()


def _command(args: tuple[str, ...], folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ncz", *args],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@click.command()
@click.option("--count", default=1000, show_default=True, help="Kills to make.")
@click.option("--seed", type=int, help="Of the first try; each next one has the next number.")
@click.option("--levels", default=",".join(map(str, LEVELS)), show_default=True)
@click.option("--folder", type=click.Path(exists=True, path_type=Path), help="On the disk to test.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="bench-out/reliability",
    show_default=True,
)
def main(count: int, seed: int | None, levels: str, folder: Path | None, out: Path) -> None:
    """Kill the command COUNT times, and add what comes of it to OUT/kills.json."""
    chosen = tuple(int(level) for level in levels.split(","))
    seed = time.time_ns() // 1_000_000 % 2**32 if seed is None else seed
    made, failed, since = 0, False, Killed()
    with tempfile.TemporaryDirectory(prefix="ncz-kills-", dir=folder) as work:
        ready(chosen, Path(work))
        started = time.monotonic()
        while made < count:
            killed = attempt(seed, Path(work) / "scene", chosen)
            seed += 1
            made += killed.counts["kills"]
            failed = failed or bool(killed.failures)
            since.counts.update(killed.counts)
            since.failures += killed.failures
            for failure in killed.failures:
                click.echo(failure, err=True)
            if made >= count or since.counts["begun"] >= _SAVED:
                _save(out, since, time.monotonic() - started)
                since, started = Killed(), time.monotonic()
                click.echo(f"{made:,} kills", nl=True)
    raise SystemExit(1 if failed else 0)


def _save(out: Path, killed: Killed, seconds: float) -> None:
    always = dict.fromkeys(("kills", "begun", "reruns", "lost"), 0)
    rest = {"failures": killed.failures, "seconds": round(seconds, 1)}
    tally.add(out, PART, {**always, **killed.counts, **rest})


if __name__ == "__main__":
    main()
