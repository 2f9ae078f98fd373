"""How the work scales, measured: processes, the scheduler's cost, streams, memory by size.

Everything that is compared is measured in one run, turn by turn, the best of some repetitions
counting, because what else a machine does changes from minute to minute. The parts can be run one
by one; what each found goes into the same ``scaling.json``. ``make scale`` makes ``docs/scale.md``
of it (:mod:`ncz.corpora.scale_page`).
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from ncz.codec.crew import Crew
from ncz.codec.pipeline import ordered_map
from ncz.codec.processes import processes
from ncz.corpora import machine, measure, peers
from ncz.corpora.registry import CorpusError
from ncz.corpora.synthetic import Synthetic
from ncz.formats import levels
from ncz.formats.options import CompressOptions
from ncz.formats.stream import compress_stream, decompress_stream

RESULTS = "scaling.json"
_MODULE = "ncz.corpora.scaling"  # this one, which may be running as a script
_WARM = 100_000  # bytes

Found = dict[str, Any]


def by_processes(
    text: bytes, level: int = 6, blocks: int = 8, block_size: int = 1 << 20, repeat: int = 2
) -> Found:
    """Seconds that one process and two take for the same blocks, in and out."""
    data = _repeated(text, blocks * block_size)
    how = CompressOptions(level, block_size=block_size)
    coded = io.BytesIO()
    plan = levels.plan(level, block_size)
    crews = {count: processes(count) for count in (1, 2)}

    def encode(crew: Crew) -> None:
        coded.seek(0)
        compress_stream(io.BytesIO(data), coded, how, crew=crew)

    def decode(crew: Crew) -> None:
        decompress_stream(io.BytesIO(coded.getvalue()), None, crew=crew)

    try:
        for count, crew in crews.items():
            _warm(partial(levels.encode, plan), text, crew, count)
        seconds = {
            direction: _best({str(n): partial(work, crew) for n, crew in crews.items()}, repeat)
            for direction, work in (("encode", encode), ("decode", decode))
        }
    finally:
        for crew in crews.values():
            crew.close()
    return {
        "level": level,
        "blocks": blocks,
        "block_size": block_size,
        "coded_size": len(coded.getvalue()),
        **seconds,
    }


def overhead(
    text: bytes, level: int = 3, blocks: int = 64, block_size: int = 1 << 14, repeat: int = 15
) -> Found:
    """Seconds that a plain loop takes over some blocks, and the scheduler with one worker.

    What is looked for is smaller than what a machine's speed wavers by from second to second. So
    the turns are short and many, and the scheduler is timed by itself, too: the same blocks, to
    which nothing is done.
    """
    data = _repeated(text, blocks * block_size)
    raws = [data[at : at + block_size] for at in range(0, len(data), block_size)]
    work = partial(levels.encode, levels.plan(level, block_size))

    def loop() -> None:
        for raw in raws:
            work(raw)

    def thread(work: Callable[[bytes], object] = work) -> None:
        for _ in ordered_map(work, raws, 1):
            pass

    with processes(1) as crew:
        _warm(work, text, crew, 1)
        work(text[:block_size])

        def process(work: Callable[[bytes], object] = work) -> None:
            for _ in ordered_map(work, raws, 0, crew):
                pass

        seconds = _best({"loop": loop, "thread": thread, "process": process}, repeat)
        works = {"thread": partial(thread, bytes), "process": partial(process, bytes)}
        alone = _best(works, repeat)
    found = {"level": level, "blocks": blocks, "block_size": block_size, "alone": alone}
    return found | seconds


def by_streams(text: bytes, few: int = 1 << 14, many: int = 1 << 18, streams: int = 32) -> Found:
    """Tokens a second that the default model restores in one stream and in many, and how it reads.

    Args:
        text: a text.
        few: bytes of it to code in one stream, which is slow,
        many: and in many, each of which has to be longer than the prefix.
        streams: how many those are.

    Raises:
        CorpusError: the text is too short for so many.
    """
    from ncz.models.text import layout
    from ncz.models.text.coder import TextCoder

    found: Found = {}
    for count, size in ((1, few), (streams, many)):
        raw = _repeated(text, size)
        coder = levels.plan(7, streams=count).coders[-1]
        assert isinstance(coder, TextCoder)
        coder.encode(raw[:64])  # which loads and compiles everything
        coded, encode_s = _timed(partial(coder.encode, raw))
        if coded is None or len(layout.parse(coded, len(raw))[0].ends) != count:
            raise CorpusError(f"{size} bytes of this text do not make {count} streams; take more")
        again, decode_s = _timed(partial(coder.decode, coded, len(raw)))
        if again != raw:
            raise CorpusError("a text did not come back, which is a bug: please report it")
        tokens = peers.tokens(raw)
        found[str(count)] = {
            "bytes": size,
            "coded_size": len(coded),
            "tokens": tokens,
            "encode_tokens_s": tokens / encode_s,
            "decode_tokens_s": tokens / decode_s,
        }
    return found


def memory(text: Path, sizes: list[int], level: int = 3, threads: int = 2) -> Found:
    """The most memory that compressing texts of these sizes takes, each in a process of its own."""
    peaks = {}
    for size in [_WARM, *sizes]:  # the first one compiles, which takes memory of its own
        command = [sys.executable, "-m", _MODULE, "peak", str(text)]
        options = [f"--size={size}", f"--level={level}", f"--threads={threads}"]
        done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise CorpusError(f"compressing {size:,} bytes failed; what it said is above")
        peaks[str(size)] = json.loads(done.stdout)
    del peaks[str(_WARM)]
    return {"level": level, "threads": threads, "peaks": peaks}


def _peak(text: Path, size: int, level: int, threads: int) -> Found:
    source = io.BufferedReader(Synthetic(text.read_bytes(), size))
    how = CompressOptions(level, threads=threads)
    stats, seconds = _timed(partial(compress_stream, source, _Nowhere(), how))
    return {
        "raw_size": stats.raw_size,
        "coded_size": stats.coded_size,
        "seconds": seconds,
        "peak_bytes": measure.peak_memory(),
    }


class _Nowhere(io.BytesIO):
    """Takes everything and keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


def _repeated(text: bytes, size: int) -> bytes:
    """`size` bytes of the text, drawn anew where it is shorter."""
    if len(text) >= size:
        return text[:size]
    return io.BufferedReader(Synthetic(text, size)).read()


def _warm(work: Callable[[bytes], object], text: bytes, crew: Crew, count: int) -> None:
    """Have each of the crew start and compile, which is no part of the work."""
    for _ in ordered_map(work, [text[: 1 << 16]] * (2 * count), 0, crew):
        pass


def _best(works: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Seconds of each at its best, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeat):
        for name, work in works.items():
            taken[name].append(_timed(work)[1])
    return {name: min(seconds) for name, seconds in taken.items()}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


PARTS = ("processes", "overhead", "streams", "memory")


@click.group()
def main() -> None:
    """Measure how the work scales."""


@main.command("measure")
@click.argument("text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Not all of them.")
@click.option("--block-size", default=1 << 20, show_default=True, help="For processes.")
@click.option("--few", default=1 << 14, show_default=True, help="Bytes of text in one stream.")
@click.option("--many", default=1 << 18, show_default=True, help="Bytes of text in 32 streams.")
@click.option("--repeat", default=3, show_default=True)
@click.option("--sizes", default="200000000,2000000000", show_default=True, help="For memory.")
@click.option("--threads", default=2, show_default=True, help="For memory.")
def _measure(
    text: Path,
    out: Path,
    parts: tuple[str, ...],
    block_size: int,
    few: int,
    many: int,
    repeat: int,
    sizes: str,
    threads: int,
) -> None:
    """Measure with TEXT and write OUT/scaling.json, or what is new of it.

    Memory takes hours at its full sizes, streams some minutes.
    """
    content = text.read_bytes()
    measures: dict[str, Callable[[], Found]] = {
        "processes": lambda: by_processes(content, block_size=block_size, repeat=repeat),
        "overhead": lambda: overhead(content, block_size=block_size // 64, repeat=5 * repeat),
        "streams": lambda: by_streams(content, few, many),
        "memory": lambda: memory(text, [int(size) for size in sizes.split(",")], threads=threads),
    }
    path = out / RESULTS
    out.mkdir(parents=True, exist_ok=True)
    for part in parts or PARTS:
        found = measures[part]()
        known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        known[part] = found
        known["machine"] = machine.describe()
        path.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
        click.echo(f"{part}: {json.dumps(found)}")


@main.command("peak", hidden=True)
@click.argument("text", type=click.Path(exists=True, path_type=Path))
@click.option("--size", type=int, required=True)
@click.option("--level", type=int, required=True)
@click.option("--threads", type=int, required=True)
def _peak_of(text: Path, size: int, level: int, threads: int) -> None:
    click.echo(json.dumps(_peak(text, size, level, threads)))


if __name__ == "__main__":
    main()
