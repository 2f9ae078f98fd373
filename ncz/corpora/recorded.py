"""What circuits reach on records, beside what else there is for them.

``python -m ncz.corpora.recorded measure CORPORA --out OUT`` codes the test sets of MNIST and
Fashion-MNIST by the circuits that ship, and the second halves of tables by circuits trained on the
first; ``python -m ncz.corpora.publish --records OUT`` writes the page. CORPORA is a folder laid out
as :mod:`ncz.corpora.registry` has it. Everything that is coded is decoded and compared.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import json
import lzma
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from ncz.corpora import machine

RESULTS = "records.json"
Found = dict[str, Any]

_IMAGES = {"mnist": "mnist/mnist", "fashion-mnist": "mnist/fashion"}
_TABLES = ("lossless/population.1MB.csv", "lossless/HDFS_2k.log")
_SINGLE = 100  # records that are taken alone
_DICTIONARY = 112_640  # bytes, as the zstd command has it


def images(name: str, folder: Path) -> Found:
    """A test set by the circuit of its training set.

    Args:
        name: of the circuit.
        folder: with the set's IDX files, packed by gzip.
    """
    from ncz.models.circuit import files

    content = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    training = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    size = 28 * 28
    known = [training[i : i + size] for i in range(16, len(training), size)]
    records = [content[i : i + size] for i in range(16, len(content), size)]
    path = files.resolve(name)
    found = _coded(content, path)
    bits = model_bits(path, np.frombuffer(content[16:], np.uint8).reshape(-1, size))
    found |= {
        "name": name,
        "raw_size": len(content),
        "records": len(records),
        "values": len(content) - 16,
        "circuit_size": path.stat().st_size,
        "model_bytes": bits / 8,
        "log": files.find(files.offer(path)).codes.notes["log"],
    }
    found["others"] = dict(_others(content, known, records)) | dict(_pictures(records))
    return found


def table(path: Path, out: Path) -> Found:
    """The second half of a table by a circuit of the first."""
    from ncz.formats.records import coder, read
    from ncz.models.circuit import exact, training

    lines = path.read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    first, second = out / f"first.{path.name}", b"".join(lines[half:])
    first.write_bytes(b"".join(lines[:half]))
    found = read.read(first)
    values = coder.closed(found.values, found.layout.variables)
    began = time.perf_counter()
    codes = training.train(
        values,
        coder.domains(found.layout.variables),
        training.Plan(latents=training.suited(len(values))),
        {"layout": found.layout.pack().hex()},
        ordered=[variable.kind == "number" for variable in found.layout.variables],
    )
    took = time.perf_counter() - began
    made = out / f"{path.name}.circuit"
    exact.save(codes, made)
    return {
        "name": path.name,
        "raw_size": len(second),
        "records": len(lines) - half,
        "circuit_size": made.stat().st_size,
        "training_s": took,
        "others": dict(_others(second, lines[:half], lines[half:])),
        **_coded(second, made),
    }


def model_bits(path: Path, rows: np.ndarray[Any, np.dtype[Any]]) -> float:
    """What rows cost by the probabilities that a circuit's file has, in floating point."""
    import torch

    from ncz.models.circuit import exact
    from ncz.models.circuit.network import Network, restored

    codes = exact.load(path).codes
    parameters = restored(codes)
    network = Network(codes.tree, "cpu")
    ordered = np.ascontiguousarray(rows[:, codes.tree.order], np.int64)
    symbols, _ = codes.leaves.symbols(ordered)
    bits = float(codes.leaves.bits_beyond(symbols).sum())
    for some in torch.split(torch.from_numpy(symbols), 500):
        bits -= float(network.likelihood(parameters, some.long()).sum()) / np.log(2)
    return bits


def _coded(content: bytes, circuit: Path) -> Found:
    """Size and times with the circuit named, whatever a file's coder would choose."""
    from ncz.formats.options import CompressOptions, DecompressOptions
    from ncz.formats.records.reader import RecordReader
    from ncz.formats.stream import compress_stream, decompress_stream

    def code(raw: bytes, only: bool) -> bytes:
        out = io.BytesIO()
        compress_stream(
            io.BytesIO(raw), out, CompressOptions(threads=2, circuit=circuit, only=only)
        )
        return out.getvalue()

    code(content, True)  # compiles
    began = time.perf_counter()
    coded = code(content, True)
    encoded = time.perf_counter()
    out = io.BytesIO()
    decompress_stream(io.BytesIO(coded), out, DecompressOptions(threads=2))
    decoded = time.perf_counter()
    if out.getvalue() != content:
        raise click.ClickException(f"{circuit.name}: what was decoded is not what was coded")
    best = code(content, False)
    reader = RecordReader(io.BytesIO(coded))
    chosen = random.Random(1).choices(range(len(reader)), k=_SINGLE)
    times = []
    for number in chosen:
        start = time.perf_counter()
        reader[number]
        times.append(time.perf_counter() - start)
    return {
        "coded_size": len(coded),
        "chosen_size": len(best),
        "embedded": circuit.read_bytes()[:64] in coded,
        "encode_s": encoded - began,
        "decode_s": decoded - encoded,
        "record_ms": statistics.median(times[1:]) * 1000,
        "record_most_ms": max(times[1:]) * 1000,
    }


def _others(content: bytes, known: list[bytes], records: list[bytes]) -> Iterator[tuple[str, int]]:
    import zstandard

    import ncz

    coded = ncz.compress(content, level=6)
    if ncz.decompress(coded) != content:
        raise click.ClickException("-6 did not give back what it was given")
    yield "ncz -6, all at once", len(coded)
    yield "xz -9e, all at once", len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    dictionary = zstandard.train_dictionary(_DICTIONARY, [*known[:20_000]])
    packer = zstandard.ZstdCompressor(
        level=19, dict_data=dictionary, write_checksum=False, write_content_size=False
    )
    unpacker = zstandard.ZstdDecompressor(dict_data=dictionary)
    total = 0
    for record in records:
        frame = packer.compress(record)
        if unpacker.decompress(frame, max_output_size=len(record)) != record:
            raise click.ClickException("zstd did not give back what it was given")
        total += len(frame)
    yield "zstd -19 with a dictionary, each record", total


def _pictures(records: list[bytes]) -> Iterator[tuple[str, int]]:
    from PIL import Image

    ways: dict[str, Callable[[Any, io.BytesIO], None]] = {
        "PNG, each": lambda picture, out: picture.save(out, "PNG", optimize=True),
        "WebP, each": lambda picture, out: picture.convert("RGB").save(
            out, "WEBP", lossless=True, quality=100, method=6
        ),
    }
    with contextlib.suppress(ImportError):
        importlib.import_module(
            "pillow_jxl"
        )  # a plugin of Pillow, for whoever wants the comparison
        ways["JPEG XL, each"] = lambda picture, out: picture.save(
            out, "JXL", lossless=True, effort=7
        )
    for name, save in ways.items():
        total = 0
        for number, record in enumerate(records):
            picture = Image.frombytes("L", (28, 28), record)
            out = io.BytesIO()
            save(picture, out)
            if number % 100 == 0 and Image.open(out).convert("L").tobytes() != record:
                raise click.ClickException(f"{name} did not give back what it was given")
            total += len(out.getvalue())
        yield name, total


@click.group()
def main() -> None:
    """Measure circuits on records."""


@main.command()
@click.argument("corpora", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--only", multiple=True, help="Of that name; repeatable.")
def measure(corpora: Path, out: Path, only: tuple[str, ...]) -> None:
    """Measure, and add to OUT/records.json."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / RESULTS
    found: Found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    for name, folder in _IMAGES.items():
        if not only or name in only:
            found[name] = images(name, corpora / folder)
            click.echo(f"{name}: {found[name]['coded_size']:,}")
    for table_path in _TABLES:
        name = Path(table_path).name
        if not only or name in only:
            found[name] = table(corpora / table_path, out)
            click.echo(f"{name}: {found[name]['coded_size']:,}")
    found["machine"] = machine.describe()
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
