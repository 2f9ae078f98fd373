"""Rate against distortion on a folder of pictures: ncz at its efforts, beside its peers.

``python -m ncz.corpora.distortion FOLDER --out OUT`` encodes and decodes every picture with every
codec at every quality and writes OUT/images.json, one row each. What is there already is not
measured again, so that work can be interrupted, and other codecs added. ``--peers FILE`` takes
rows of such a file in place of measuring peers. ``python -m ncz.corpora.publish --images OUT``
writes the page and the plot.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from ncz.codec.cache import write_whole
from ncz.codec.errors import MissingExtra, NczError
from ncz.corpora import curves, lossy, machine
from ncz.corpora.curves import Row
from ncz.corpora.lossy import Lossy, Rgb
from ncz.corpora.picture import picture_of
from ncz.corpora.registry import CorpusError
from ncz.models.image import quality
from ncz.models.image.weights import TUNED

RESULTS = "images.json"
MACHINE = "machine.json"
SUFFIXES = frozenset({".png", ".ppm", ".bmp", ".tif", ".tiff"})  # of what was never coded lossily
MOST = 100.0
"""dB that are written for equal pictures, so that means stay numbers."""

_WARM = 192  # pixels on a side of what is coded before the clock runs


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, by name.

    Raises:
        CorpusError: there are none.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise CorpusError(f"{folder} has no pictures in it ({' '.join(sorted(SUFFIXES))})")
    return found


def measure(
    paths: Sequence[Path], codecs: Sequence[Lossy], done: Callable[[str, float, str], bool]
) -> Iterator[Row]:
    """One row after the other, of whatever is not `done`: (codec, quality, name of the picture).

    Raises:
        CorpusError: a codec gives back another shape than it got.
        NczError: a picture cannot be read.
    """
    warm: set[str] = set()
    for path in paths:
        rgb: Rgb | None = None
        for codec in codecs:
            for q in codec.qualities:
                if done(codec.name, q, path.name):
                    continue
                if rgb is None:
                    rgb = _rgb(path)
                if codec.name not in warm:
                    codec.decode(codec.encode(np.ascontiguousarray(rgb[:_WARM, :_WARM]), q))
                    warm.add(codec.name)
                yield row(codec, q, path.name, rgb)


def row(codec: Lossy, q: float, name: str, rgb: Rgb) -> Row:
    """What a codec makes of a picture.

    Raises:
        CorpusError: it gives back another shape than it got.
    """
    began = time.perf_counter()
    coded = codec.encode(rgb, q)
    encoded = time.perf_counter()
    back = codec.decode(coded)
    decoded = time.perf_counter()
    if back.shape != rgb.shape or back.dtype != rgb.dtype:
        raise CorpusError(
            f"{codec.name} made {back.dtype}{list(back.shape)} of {name}, which is "
            f"{rgb.dtype}{list(rgb.shape)}"
        )
    try:
        similar: float | None = quality.ms_ssim(rgb, back)
    except quality.NotMeasurable:
        similar = None
    return Row(
        codec.name,
        q,
        name,
        len(coded),
        8 * len(coded) / (rgb.shape[0] * rgb.shape[1]),
        min(quality.psnr(rgb, back), MOST),
        similar,
        encoded - began,
        decoded - encoded,
        codec.estimate(coded) if codec.estimate is not None else None,
    )


def _rgb(path: Path) -> Rgb:
    found = picture_of(path)
    if found.pixels.dtype != np.uint8 or found.alpha is not None:
        raise CorpusError(f"{path.name} is not of 8 bits, opaque: leave it out")
    return np.asarray(found.pixels, np.uint8)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option(
    "--efforts", default="1,7", show_default=True, help="Of ncz, with commas; empty for none."
)
@click.option(
    "--tunes", default="psnr", show_default=True, help="Of ncz, with commas: psnr, ms-ssim."
)
@click.option("--qualities", help="Of ncz, 1 to 100, with commas.  [default: eight]")
@click.option(
    "--measure",
    "measured",
    default="",
    help="Peers to measure, with commas, or 'all' that are here.",
)
@click.option(
    "--peers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take rows of this file for all codecs that are not measured.",
)
@click.option("--count", type=click.IntRange(min=1), help="Only so many pictures, from the first.")
@click.option("--again", is_flag=True, help="Measure anew what OUT has of these codecs.")
def main(
    folder: Path,
    out: Path,
    efforts: str,
    tunes: str,
    qualities: str | None,
    measured: str,
    peers: Path | None,
    count: int | None,
    again: bool,
) -> None:
    """Measure rate against distortion on the pictures in FOLDER, and add to OUT/images.json."""
    try:
        _run(
            pictures(folder)[:count],
            out,
            _codecs(efforts, tunes, qualities, measured),
            curves.read(peers) if peers is not None else [],
            again,
        )
    except (NczError, MissingExtra) as error:
        raise click.ClickException(str(error)) from None


def _run(
    paths: Sequence[Path], out: Path, codecs: Sequence[Lossy], others: Sequence[Row], again: bool
) -> None:
    target = out / RESULTS
    rows = {_key(row): row for row in (curves.read(target) if target.is_file() else [])}
    own = {codec.name for codec in codecs}
    if again:
        rows = {key: row for key, row in rows.items() if row.codec not in own}
    here = {path.name for path in paths}
    for other in others:
        if other.codec not in own and other.img in here:
            rows[_key(other)] = other
    _write(target, rows)
    for found in measure(paths, codecs, lambda *key: key in rows):
        rows[_key(found)] = found
        _write(target, rows)
        click.echo(
            f"{found.codec} {found.q:g} {found.img}: {found.bpp:.3f} bpp, {found.psnr:.2f} dB"
        )
    described = json.dumps(machine.describe(), indent=1) + "\n"
    write_whole(out / MACHINE, described.encode())


def _codecs(efforts: str, tunes: str, qualities: str | None, measured: str) -> list[Lossy]:
    wanted = tuple(_number(each, 100) for each in _parts(qualities or "")) or lossy.QUALITIES
    for tune in _parts(tunes):
        if tune not in TUNED:
            raise click.UsageError(f"{tune!r} is none of {', '.join(TUNED)}")
    codecs = [
        lossy.ncz_at(int(_number(each, max(lossy.EFFORTS))), wanted, tune)
        for each in _parts(efforts)
        for tune in _parts(tunes)
    ]
    if measured == "all":
        return codecs + [peer for peer in lossy.peers() if not peer.missing]
    return codecs + lossy.chosen(measured)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _number(text: str, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number <= most:
        raise click.UsageError(f"{text!r} is no number from 1 to {most:g}")
    return number


def _key(row: Row) -> tuple[str, float, str]:
    return row.codec, row.q, row.img


def _write(target: Path, rows: dict[tuple[str, float, str], Row]) -> None:
    write_whole(target, curves.as_json(rows.values()).encode())


if __name__ == "__main__":
    main()
