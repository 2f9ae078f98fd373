"""``make demo``: in two or three minutes, what ncz does and why one would want it.

First a table: ncz beside the usual compressors on real files that this machine has anyway,
every round trip checked. Then prose with the language model, if that is here or can be fetched.
Then the command itself: a file, a pipe, and a damaged copy. Run as ``python -m ncz.corpora.demo``.
"""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import ncz
from ncz.codec.errors import ModelError
from ncz.codec.notice import set_notice
from ncz.corpora import builtin
from ncz.corpora.peers import PEERS, Library, ncz_at
from ncz.formats.levels import DEFAULT_TEXT
from ncz.formats.options import CompressOptions
from ncz.formats.stream import compress_stream
from ncz.models import weights

_SLICE = 200_000  # bytes of each file: enough to tell compressors apart, and soon done
_PROSE = "manual.txt"
_PROSE_START, _PROSE_SIZE = 100_000, 32_000  # bytes: what the model restores in half a minute
_STREAMS = 8  # restored side by side; a text of this size has 1 unless told otherwise
_FILES = ("manual.txt", "stdlib.py", "bom.json", "stocks.csv", "generator.so", "photo.ppm")
_PEERS = ("lzma-9e", "zstd-22", "brotli-11", "ppmd-o16")
_TITLES = {
    "lzma-9e": "xz -9e",
    "zstd-22": "zstd -22",
    "brotli-11": "brotli -11",
    "ppmd-o16": "PPMd",
}
_WIDTH = 11


@dataclass
class _Sum:
    """What one codec did over all files."""

    raw: int = 0
    coded: int = 0
    encode_s: float = 0.0
    decode_s: float = 0.0


def main() -> None:
    """Prints the demonstration. Ends with an exception if anything in it is not so."""
    set_notice(_say_once)
    peers = [
        peer
        for peer in PEERS
        if isinstance(peer, Library) and peer.name in _PEERS and peer.available
    ]
    paths = builtin.paths("builtin")
    print(f"ncz {ncz.__version__} beside the usual compressors, on files of this machine.")
    print(
        f"The first {_SLICE:,} bytes of each; sizes in bytes; every one decompressed and compared."
    )
    files = {name: paths[name].read_bytes()[:_SLICE] for name in _FILES if name in paths}
    _table([*peers, ncz_at(3), ncz_at(6)], files)
    _prose(peers, paths)
    _command()


def _prose(peers: Sequence[Library], paths: Mapping[str, Path]) -> None:
    """The second table, or why there is none."""
    if _PROSE not in paths:
        return
    print("\nProse, which the language model of level 7 predicts word by word:")
    prose = paths[_PROSE].read_bytes()[_PROSE_START:][:_PROSE_SIZE]
    try:
        weights.ensure(weights.default().name)
        _table([*peers, ncz_at(6), _with_model()], {_PROSE: prose})
    except ModelError as error:
        print(f"    left out: {error}")


def _with_model() -> Library:
    """ncz at level 7, its text in several streams."""

    def encode(raw: bytes) -> bytes:
        coded = io.BytesIO()
        compress_stream(io.BytesIO(raw), coded, CompressOptions(DEFAULT_TEXT, streams=_STREAMS))
        return coded.getvalue()

    return replace(ncz_at(DEFAULT_TEXT), encode=encode)


def _table(codecs: Sequence[Library], files: Mapping[str, bytes]) -> None:
    """Sizes of every file by every codec, the sums, and how the last codec does against others."""
    print()
    _line("file", ["raw", *(_title(codec.name) for codec in codecs)])
    sums = {codec.name: _Sum() for codec in codecs}
    for name, raw in files.items():
        sizes = [_measure(codec, raw, sums[codec.name]) for codec in codecs]
        _line(name, [f"{len(raw):,}", *(f"{size:,}" for size in sizes)])
    every = [sums[codec.name] for codec in codecs]
    print()
    if len(files) > 1:
        raw_sum = sum(map(len, files.values()))
        _line("all", [f"{raw_sum:,}", *(f"{one.coded:,}" for one in every)])
    _line("bits per byte", ["8", *(f"{8 * one.coded / one.raw:.3f}" for one in every)])
    _line("in kB/s", ["", *(_pace(one.raw, one.encode_s) for one in every)])
    _line("out kB/s", ["", *(_pace(one.raw, one.decode_s) for one in every)])
    ours = codecs[-1].name
    saved = {name: 1 - sums[ours].coded / one.coded for name, one in sums.items() if name != ours}
    print()
    together = ", all files together" if len(files) > 1 else ""
    print(f"{_title(ours)} against the others{together}:")
    print("   ".join(f"{_title(name)} {-100 * part:+.1f} %" for name, part in saved.items()))


@cache
def _say_once(sentence: str) -> None:
    print(f"({sentence})", flush=True)


def _measure(codec: Library, raw: bytes, so_far: _Sum) -> int:
    some = raw[: codec.warm_up]
    codec.decode(codec.encode(some), len(some))  # loading machine code is not its speed
    start = time.process_time()
    coded = codec.encode(raw)
    between = time.process_time()
    restored = codec.decode(coded, len(raw))
    end = time.process_time()
    if restored != raw:
        raise AssertionError(f"{codec.name} did not bring the same bytes back")
    so_far.raw += len(raw)
    so_far.coded += len(coded)
    so_far.encode_s += max(between - start, 1e-6)
    so_far.decode_s += max(end - between, 1e-6)
    return len(coded)


def _command() -> None:
    source = next(iter(builtin.paths("builtin-text").values()))
    with tempfile.TemporaryDirectory(prefix="ncz-demo-") as name:
        folder = Path(name)
        original = source.read_bytes()
        (folder / source.name).write_bytes(original)
        coded, copy = folder / f"{source.name}.ncz", folder / "copy"
        print("\nThe command, on a whole file:\n")
        _say(folder, f"ncz compress -3 {source.name}")
        print(f"    {len(original):,} bytes became {coded.stat().st_size:,}")
        _say(folder, f"ncz decompress -o {copy.name} {coded.name}")
        _must(copy.read_bytes() == original, "the file came back as other bytes")
        print("    the same bytes came back")

        print("\nThrough a pipe, where nothing can seek:\n")
        print(f"  $ ncz compress -3 < {source.name} | ncz decompress | cmp - {source.name}")
        _must(_piped(folder / source.name) == original, "the pipe brought other bytes back")
        print("    the same bytes came back")

        print("\nA copy with one bit flipped in the middle:\n")
        damaged = bytearray(coded.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (folder / "damaged.ncz").write_bytes(damaged)
        code = _say(folder, "ncz test damaged.ncz", fails=True)
        _must(code != 0, "the damage was not caught")
        print(f"    caught, exit code {code}; no damaged byte is ever passed off as good")


def _say(folder: Path, line: str, *, fails: bool = False) -> int:
    print(f"  $ {line}", flush=True)
    done = subprocess.run(
        [*_NCZ, *shlex.split(line)[1:]], cwd=folder, capture_output=True, text=True
    )
    for said in (done.stdout + done.stderr).splitlines():
        print(f"    {said}")
    _must(fails or done.returncode == 0, f"{line} ended with {done.returncode}")
    return done.returncode


def _piped(source: Path) -> bytes:
    with (
        source.open("rb") as content,
        subprocess.Popen([*_NCZ, "compress", "-3"], stdin=content, stdout=subprocess.PIPE) as first,
    ):
        return subprocess.run(
            [*_NCZ, "decompress"], stdin=first.stdout, stdout=subprocess.PIPE, check=True
        ).stdout


def _line(first: str, cells: Sequence[str]) -> None:
    print(f"{first:<14}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells), flush=True)


def _pace(size: int, seconds: float) -> str:
    pace = size / seconds / 1000
    return f"{pace:,.0f}" if pace >= 10 else f"{pace:.2f}"


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("-", " -"))


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


_NCZ = [sys.executable, "-m", "ncz"]

if __name__ == "__main__":
    main()
