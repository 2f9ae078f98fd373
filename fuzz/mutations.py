"""The campaign of mutated containers: ``python -m fuzz.mutations --count 1000000``.

Mutants are numbered. A run takes the next ones after those that were done before, and adds what
came of them to ``mutations.json``, so that runs of any length add up. What is bad is kept as a
file, with its number, its seed and what happened: ``python -m fuzz.mutations --again NUMBER``
decodes it once more, in this process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

from fuzz import record, seeds, workers
from fuzz.judge import BAD, ERROR, RIGHT, judge, way_of
from fuzz.mutators import REBUILT, RESEALED, mutant
from fuzz.seeds import Seed
from fuzz.workers import Tally
from ncz.corpora import machine

RESULTS = "mutations.json"


@click.command()
@click.option("--count", default=20_000, show_default=True, help="How many mutants.")
@click.option("--first", type=int, help="Number of the first.  [default: the next ones]")
@click.option("--processes", default=2, show_default=True)
@click.option("--models/--no-models", default=True, help="With the text coder, or without torch.")
@click.option("--again", type=int, metavar="NUMBER", help="Decode that mutant alone, here.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-out/reliability"),
    show_default=True,
)
def main(
    count: int, first: int | None, processes: int, models: bool, again: int | None, out: Path
) -> None:
    """Decode mutated containers and count what comes of them.

    Ends with 1 if anything is wrong.
    """
    with tempfile.TemporaryDirectory() as folder, seeds.tiny_model(Path(folder)):
        found = seeds.every(models)
        if again is not None:
            sys.exit(_again(found, again))
        done = record.load(out / RESULTS)
        if first is None:
            first = int(done.get("next", 0))
        bad = campaign(found, (first, first + count), processes, Path(folder), out)
    sys.exit(1 if bad else 0)


def campaign(
    found: list[Seed],
    span: workers.Span,
    processes: int,
    cache: Path,
    out: Path,
    step: int = 100,
) -> int:
    """Decode the mutants from ``span[0]`` to before ``span[1]``; how many bad ones there were.

    What is done is recorded every few seconds, so that a run may be stopped at any time; the next
    one does no number twice.
    """
    began, todo, bad = time.monotonic(), span[1] - span[0], 0
    held, said = Tally(), began
    left = todo
    for tally in workers.run(found, span, processes, cache, step):
        _merge(held, tally)
        bad += len(tally.bad)
        left -= tally.counts.total()
        for number, verdict in tally.bad:
            _keep(out, found, number, verdict.kind, verdict.detail)
        if time.monotonic() - said > 10 or left == 0:
            took, said = time.monotonic() - said, time.monotonic()
            record.add(out / RESULTS, _recorded(held, took), _peaks(held))
            held = Tally()
            speed = (todo - left) / (said - began)
            click.echo(f"{todo - left:,} of {todo:,}, {speed:,.0f} a second, {bad} bad", err=True)
    return bad


def _merge(total: Tally, more: Tally) -> None:
    total.counts += more.counts
    total.most_bytes = max(total.most_bytes, more.most_bytes)
    total.most_seconds = max(total.most_seconds, more.most_seconds)
    total.stop = max(total.stop, more.stop)


def _recorded(tally: Tally, seconds: float) -> dict[str, Any]:
    """What is added to the record."""
    verdicts: Counter[str] = Counter()
    by: dict[str, dict[str, Counter[str]]] = {n: {} for n in ("tier", "kind", "seed", "way")}
    for (tier, kind, seed, way, verdict), count in tally.counts.items():
        verdicts[verdict] += count
        for name, value in (("tier", tier), ("kind", kind), ("seed", seed), ("way", way)):
            by[name].setdefault(value, Counter())[verdict] += count
    return {
        "containers": verdicts.total(),
        **{name: verdicts[name] for name in (RIGHT, ERROR, *BAD)},
        "content_checks_as_made": verdicts.total() - by["tier"].get(REBUILT, Counter()).total(),
        "reached_behind_checks": by["tier"].get(RESEALED, Counter()).total(),
        "seconds": seconds,
        **{f"by_{name}": counted for name, counted in by.items()},
    }


def _peaks(tally: Tally) -> dict[str, float]:
    return {
        "most_memory_bytes": tally.most_bytes,
        "most_processor_seconds": tally.most_seconds,
        "next": tally.stop,
    }


def _keep(out: Path, found: list[Seed], number: int, kind: str, detail: str) -> None:
    one = mutant(found, number)
    folder = out / "bad-mutants"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{kind}-{number}.ncz").write_bytes(one.data)
    lines = [
        f"{kind}: mutant {number} of ncz {machine.describe()['ncz']}",
        f"seed {one.seed.name!r}, {one.tier}, {one.kind}, decoded by {way_of(number)!r}",
        detail,
    ]
    (folder / f"{kind}-{number}.txt").write_text("\n".join(lines) + "\n", "utf-8")


def _again(found: list[Seed], number: int) -> int:
    one = mutant(found, number)
    click.echo(f"{one.seed.name}, {one.tier}, {one.kind}, {len(one.data)} bytes, {way_of(number)}")
    verdict = judge(one, way_of(number))
    click.echo(f"{verdict.kind}\n{verdict.detail}".rstrip())
    return 1 if verdict.kind in BAD else 0


if __name__ == "__main__":
    main()
