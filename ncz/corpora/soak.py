"""Use without a pause: files of all kinds, levels, options, pipes, folders, damage and kills.

``python -m ncz.corpora.soak --time 3600`` does rounds until the time is over, in several processes,
and adds to ``bench-out/reliability/soak.json``. What a round does is decided by its seed: one that
fails says it, and ``--seed N --rounds 1`` does it again. The levels are 1 to 6, the fast ones more
often, and now and then 7 where its model is on this machine.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

import ncz
from ncz.codec.errors import ModelError
from ncz.corpora import kills, tally
from ncz.corpora.damage import faults
from ncz.corpora.forked import command, processor_time
from ncz.corpora.kinds import any_content
from ncz.corpora.scenes import any_scene
from ncz.models import weights

PART = "soak"

_LEVELS = {1: 24, 2: 6, 3: 4, 4: 2, 5: 2, 6: 2}  # how often, in relation
_MODEL_LEVEL, _MODEL_OFTEN = 7, 0.02
_SIZES = {1: (0, 300, 20_000, 300_000, 1_500_000), _MODEL_LEVEL: (0, 30, 400)}
_SLOW_SIZES = (0, 300, 3_000, 20_000)  # bytes, at the other levels
_PATIENCE_S = 1200.0  # of processor time for a command; what takes more hangs
_STILL_S = 300.0  # what takes next to no processor time for so long hangs, too
_SAVED_S = 20.0  # between two writes of counts
_SPREAD = 10**9  # from the seeds of one process to those of the next


@dataclass
class Soaked:
    """What came of rounds.

    Attributes:
        counts: of what was done, and of what was lost.
        failures: a sentence for each loss, with the seed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@dataclass
class Round:
    """One round: a folder to work in and its own chance.

    Attributes:
        seed: decides everything.
        folder: an empty one.
        level: of compression.
        soaked: what came of it.
    """

    seed: int
    folder: Path
    level: int
    chance: random.Random
    soaked: Soaked = field(default_factory=Soaked)

    def content(self) -> bytes:
        """Of any kind."""
        made = any_content(self.chance, self.chance.choice(_SIZES.get(self.level, _SLOW_SIZES)))
        self.soaked.counts["files"] += 1
        self.soaked.counts["bytes"] += len(made)
        return made

    def options(self) -> list[str]:
        """Of compression."""
        chosen = [f"-{self.level}"]
        if self.level < _MODEL_LEVEL and self.chance.random() < 0.5:
            # No block of a slow level in the thousands.
            low = 1 if self.level == 1 else 8
            chosen += ["--block-size", f"{self.chance.randint(low, 300)}KiB"]
        return chosen + self.workers()

    def workers(self) -> list[str]:
        """How many threads."""
        return self.chance.choice([[], ["-T", "2"], ["-T", "3"], ["--memlimit", "4GiB"]])

    def ncz(self, *args: str, stdin: bytes | None = None, right: Sequence[int] = (0,)) -> bytes:
        """What ``ncz ARGS`` writes; a failure if it does not end as it should, or not at all."""
        given, out, said = (self.folder / name for name in ("stdin", "stdout", "stderr"))
        given.write_bytes(stdin or b"")
        for path in (out, said):
            path.write_bytes(b"")
        child = command(args, self.folder, stdin=given, stdout=out, stderr=said)
        self.soaked.counts["commands"] += 1
        if child.patiently(_PATIENCE_S, _STILL_S) is None:
            used = processor_time(child.pid)
            child.kill()
            self.fail(f"ncz {' '.join(args)} hangs after {used:.0f} s of processor time")
        elif child.code not in right:
            words = said.read_text("utf-8", "replace").strip()
            self.fail(f"ncz {' '.join(args)} ended with {child.code}: {words}")
        return out.read_bytes()

    def must(self, holds: bool, sentence: str) -> None:
        """A failure unless it holds."""
        self.soaked.counts["comparisons"] += 1
        if not holds:
            self.fail(sentence)

    def fail(self, sentence: str) -> None:
        """Something is lost."""
        self.soaked.counts["lost"] += 1
        self.soaked.failures.append(f"seed {self.seed}, -{self.level}: {sentence}")


def soak(seed: int, folder: Path, model: bool = False) -> Soaked:
    """One round, in a folder whose content is replaced.

    Args:
        seed: decides everything.
        folder: where to work.
        model: whether there may be levels with a language model.
    """
    import shutil

    chance = random.Random(seed)
    level = chance.choices(list(_LEVELS), list(_LEVELS.values()))[0]
    if model and chance.random() < _MODEL_OFTEN:
        level = _MODEL_LEVEL
    work = chance.choices(list(_WORKS), list(_WORKS.values()))[0]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    this = Round(seed, folder, level, chance)
    counts = this.soaked.counts
    counts.update(("rounds", f"rounds at level {level}", f"rounds of {work.__name__.strip('_')}"))
    try:
        work(this)
    except Exception as error:
        this.fail(f"{work.__name__.strip('_')}: {type(error).__name__}: {error}")
    return this.soaked


def _files(this: Round) -> None:
    """A file there and back, the original removed on the way or not."""
    raw = this.content()
    path, remove = this.folder / "a file", this.chance.choice([[], ["--rm"], ["--resume"]])
    path.write_bytes(raw)
    this.ncz("compress", *this.options(), *remove, path.name)
    this.must(path.exists() == ("--rm" not in remove), "--rm removes, and nothing else does")
    this.ncz("test", *this.workers(), "a file.ncz")
    path.unlink(missing_ok=True)
    this.ncz("decompress", *this.workers(), *remove, "a file.ncz")
    this.must(path.read_bytes() == raw, "a file came back as another")


def _pipes(this: Round) -> None:
    """Standard input to standard output, two of these one after the other, and a range."""
    one, two = this.content(), this.content()
    coded = this.ncz("compress", *this.options(), stdin=one)
    coded += this.ncz("compress", *this.options(), "-c", stdin=two)
    this.must(this.ncz("decompress", *this.workers(), stdin=coded) == one + two, "a pipe")
    this.must(ncz.decompress(coded) == one + two, "from Python")
    (this.folder / "both.ncz").write_bytes(coded)
    size = len(one + two)
    start = this.chance.randint(0, size)
    end = this.chance.randint(start, size)
    part = this.ncz("cat", "--range", f"{start}:{end}", "both.ncz")
    this.must(part == (one + two)[start:end], f"bytes {start} to {end}")


def _folders(this: Round) -> None:
    """A tree there and back, or whatever else a scene is."""
    scene = any_scene(this.chance, min(this.level, 3), 20_000 if this.level == 1 else 3000)
    this.soaked.counts["files"] += len(scene.outputs)
    this.soaked.counts["bytes"] += sum(len(one.content) for one in scene.outputs.values())
    work = this.folder / "scene"
    scene.lay(work)
    child = command(scene.args, work)
    if child.wait(_PATIENCE_S) != 0:
        this.fail(f"{' '.join(scene.args)} ended with {child.kill()}")
    this.soaked.counts["commands"] += 1
    for loss in scene.losses(work) + scene.unfinished(work):
        this.fail(loss)


def _damage(this: Round) -> None:
    """A damaged file: refused by name, and what is saved is right."""
    raw = any_content(this.chance, this.chance.choice((0, 300, 3000)))
    coded = ncz.compress(raw, min(this.level, 6), block_size=1024)
    every = list(faults(coded, every_byte=False))
    (this.folder / "whole.ncz").write_bytes(coded)
    for fault in this.chance.sample(every, 3):
        this.soaked.counts["faults"] += 1
        (this.folder / "a.ncz").write_bytes(fault.data)
        this.ncz("decompress", "-f", "a.ncz", right=(0, 3, 4) if fault.kind == "forge" else (3, 4))
        made = this.folder / "a"
        this.must(not made.exists() or made.read_bytes() == raw, f"{fault.said}: other bytes")
        made.unlink(missing_ok=True)
        this.ncz("test", "a.ncz", right=(0, 3, 4) if fault.kind == "forge" else (3, 4))
        this.ncz("decompress", "--keep-going", "a.ncz", right=(0, 3, 4))
        made.unlink(missing_ok=True)


def _kills(this: Round) -> None:
    """As in :mod:`ncz.corpora.kills`."""
    level = min(this.level, 3)
    killed = kills.attempt(this.seed, this.folder / "scene", (level,))
    this.soaked.counts["kills"] += killed.counts["kills"]
    for failure in killed.failures:
        this.fail(failure)


_WORKS: dict[Callable[[Round], None], int] = {
    _files: 8, _pipes: 6, _folders: 4, _damage: 3, _kills: 1,
}  # fmt: skip


def seeds(first: int, rounds: int | None, seconds: float) -> Iterator[int]:
    """Seeds of rounds: so many, or as long as there is time."""
    end = time.monotonic() + seconds
    number = 0
    while number < rounds if rounds is not None else time.monotonic() < end:
        yield first + number
        number += 1


@click.command()
@click.option("--time", "seconds", default=60.0, show_default=True, help="Seconds to go on for.")
@click.option("--rounds", type=int, help="So many rounds in their place.")
@click.option("--seed", type=int, help="Of the first round; each next one has the next number.")
@click.option("--processes", default=1, show_default=True, help="That do rounds at once.")
@click.option("--folder", type=click.Path(exists=True, path_type=Path), help="On the disk to use.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="bench-out/reliability",
    show_default=True,
)
def main(
    seconds: float,
    rounds: int | None,
    seed: int | None,
    processes: int,
    folder: Path | None,
    out: Path,
) -> None:
    """Use ncz in every way for some time, and add what comes of it to OUT/soak.json."""
    seed = time.time_ns() // 1_000_000 % _SPREAD if seed is None else seed
    others = [
        _another(seconds, rounds, seed + number * _SPREAD, folder, out)
        for number in range(1, processes)
    ]
    failed = _go_on(seconds, rounds, seed, folder, out)
    codes = [other.wait() for other in others]
    raise SystemExit(1 if failed or any(codes) else 0)


def _another(
    seconds: float, rounds: int | None, seed: int, folder: Path | None, out: Path
) -> subprocess.Popen[bytes]:
    options = [f"--time={seconds}", f"--seed={seed}", f"--out={out}"]
    options += [f"--rounds={rounds}"] if rounds is not None else []
    options += [f"--folder={folder}"] if folder is not None else []
    return subprocess.Popen([sys.executable, "-m", "ncz.corpora.soak", *options])


def _go_on(seconds: float, rounds: int | None, seed: int, folder: Path | None, out: Path) -> bool:
    """Rounds in this process; whether something was lost."""
    model, failed, since = _has_model(), False, Soaked()
    with tempfile.TemporaryDirectory(prefix="ncz-soak-", dir=folder) as work:
        kills.ready(tuple(_LEVELS), Path(work))
        started = time.monotonic()
        for number in seeds(seed, rounds, seconds):
            soaked = soak(number, Path(work) / "round", model)
            since.counts.update(soaked.counts)
            since.failures += soaked.failures
            failed = failed or bool(soaked.failures)
            for failure in soaked.failures:
                click.echo(failure, err=True)
            if time.monotonic() - started >= _SAVED_S:
                _save(out, since, time.monotonic() - started)
                since, started = Soaked(), time.monotonic()
        _save(out, since, time.monotonic() - started)
    return failed


def _has_model() -> bool:
    try:
        return weights.have(weights.default().name) is not None
    except (ModelError, OSError):
        return False


def _save(out: Path, soaked: Soaked, seconds: float) -> None:
    always = dict.fromkeys(("rounds", "files", "bytes", "faults", "kills", "lost"), 0)
    rest = {"failures": soaked.failures, "seconds": round(seconds, 1)}
    found = tally.add(out, PART, {**always, **soaked.counts, **rest})
    click.echo(f"{os.getpid()}: {found['rounds']:,} rounds in all, {found['lost']:,} lost")


if __name__ == "__main__":
    main()
