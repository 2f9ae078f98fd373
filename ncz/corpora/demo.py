"""``make demo``: in a minute or two, what ncz does and why one would want it.

First a table: ncz beside the usual compressors on real files that this machine has anyway,
every round trip checked. Then the command itself: a file, a pipe, and a damaged copy.
Run as ``python -m ncz.corpora.demo``.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import ncz
from ncz.codec.notice import set_notice
from ncz.corpora import builtin
from ncz.corpora.peers import PEERS, Library, ncz_at

_SLICE = 200_000  # bytes of each file: enough to tell compressors apart, and soon done
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
    codecs = [
        *(peer for peer in PEERS if isinstance(peer, Library) and peer.name in _PEERS),
        ncz_at(3),
        ncz_at(6),
    ]
    _table([codec for codec in codecs if codec.available])
    _command()


def _table(codecs: Sequence[Library]) -> None:
    print(f"ncz {ncz.__version__} beside the usual compressors, on files of this machine.")
    print(
        f"The first {_SLICE:,} bytes of each; sizes in bytes; every one decompressed and compared."
    )
    print()
    _line("file", ["raw", *(_title(codec.name) for codec in codecs)])
    sums = {codec.name: _Sum() for codec in codecs}
    paths = builtin.paths("builtin")
    raw_sum = 0
    for name in _FILES:
        if name in paths:
            raw = paths[name].read_bytes()[:_SLICE]
            raw_sum += len(raw)
            sizes = [_measure(codec, raw, sums[codec.name]) for codec in codecs]
            _line(name, [f"{len(raw):,}", *(f"{size:,}" for size in sizes)])
    every = [sums[codec.name] for codec in codecs]
    print()
    _line("all", [f"{raw_sum:,}", *(f"{one.coded:,}" for one in every)])
    _line("bits per byte", ["8", *(f"{8 * one.coded / one.raw:.3f}" for one in every)])
    _line("in kB/s", ["", *(f"{one.raw / one.encode_s / 1000:,.0f}" for one in every)])
    _line("out kB/s", ["", *(f"{one.raw / one.decode_s / 1000:,.0f}" for one in every)])
    ours = sums["ncz-6"].coded
    saved = {name: 1 - ours / one.coded for name, one in sums.items() if name != "ncz-6"}
    print()
    print("ncz -6 against the others, all files together:")
    print("   ".join(f"{_title(name)} {-100 * part:+.1f} %" for name, part in saved.items()))


@cache
def _say_once(sentence: str) -> None:
    print(f"({sentence})", flush=True)


def _measure(codec: Library, raw: bytes, so_far: _Sum) -> int:
    codec.decode(codec.encode(raw[:4096]), 4096)  # loading machine code is not its speed
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


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("-", " -"))


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


_NCZ = [sys.executable, "-m", "ncz"]

if __name__ == "__main__":
    main()
