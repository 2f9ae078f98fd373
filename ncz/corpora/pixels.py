"""Pictures without loss, beside WebP, JPEG XL and an optimised PNG: bytes and seconds of each.

``python -m ncz.corpora.pixels --data DIR --out FILE`` codes every picture of a folder with every
codec, restores and compares it, and writes a row for each into FILE, as JSON. What is there already
is not measured again, so that work can be interrupted, and folders or codecs added. ``--peers
FILE`` takes rows of such a file in place of measuring peers. ``python -m ncz.corpora.publish
--lossless FILE`` writes the page.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from ncz.codec.cache import write_whole
from ncz.codec.errors import MissingExtra, NczError
from ncz.corpora import machine
from ncz.corpora.registry import CorpusError
from ncz.formats import levels
from ncz.formats.pixels import coder, raster

PIXELS, FILES, PLAIN = "ncz", "ncz, the files", "ncz, Photo CDs as RGB"
"""Of the pixels alone; of the files as they are; of the pixels, without the planes of Photo CDs."""
OURS = (PIXELS, FILES, PLAIN)
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG optimised": ("PNG", {"optimize": True}),
    "WebP lossless": ("WEBP", {"lossless": True, "quality": 100, "method": 6}),
    "JPEG XL": ("JXL", {"lossless": True, "effort": 7}),
}
"""Name, Pillow's name of the format, and options. JPEG XL needs the plugin pillow_jxl."""
SUFFIXES = frozenset({".bmp", ".pgm", ".png", ".ppm", ".tif", ".tiff"})

_LEVEL = 6
_SIDE = 48  # of what is coded before the clock runs


@dataclass(frozen=True)
class Row:
    """One picture by one codec.

    Attributes:
        group: the folder's name.
        file: the picture's.
        codec: one of :data:`OURS` or :data:`PEERS`.
        pixels: of the picture.
        values: samples, all below 256.
        stored: bytes of the file as it is.
        bytes: coded.
        encode_s: seconds of all processors.
        decode_s: the same of decoding.
        coder: of ncz, which one was taken.
        way: of ncz, how that told the pixels, if it is the coder of pixels.
    """

    group: str
    file: str
    codec: str
    pixels: int
    values: int
    stored: int
    bytes: int
    encode_s: float
    decode_s: float
    coder: str | None = None
    way: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What no two rows share."""
        return self.group, self.file, self.codec


@dataclass(frozen=True)
class Job:
    """A picture to code, and by what."""

    group: str
    path: Path
    codec: str


def measure(job: Job) -> Row:
    """Code, restore, compare.

    Raises:
        MissingExtra: Pillow is not here.
        CorpusError: what came back is something else, or the picture is none of 8 bits.
    """
    stored = job.path.read_bytes()
    mode, width, height, raw = _pixels(stored, job.path)
    channels = len(raw) // (width * height)
    if job.codec in PEERS:
        found = _peer(job, mode, (width, height), raw)
    elif job.codec == FILES:
        found = _ncz(job, stored, True)
    else:
        # Peers keep the pixels alone, so these are coded alone, too.
        found = _ncz(job, raster.pam(width, height, channels) + raw, job.codec == PIXELS)
    count = width * height
    return Row(job.group, job.path.name, job.codec, count, len(raw), len(stored), **found)


def jobs(folders: Iterable[Path], codecs: Sequence[str], count: int | None = None) -> list[Job]:
    """Every picture of the folders, `count` of each at most, by every codec.

    Raises:
        CorpusError: a folder has no pictures, or two have one name.
    """
    found: dict[str, list[Job]] = {}
    for folder in folders:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        group = folder.resolve().name
        if not paths or group in found:
            why = "has the name of another one" if paths else "has no pictures in it"
            raise CorpusError(f"{folder} {why}; name folders of pictures with names of their own")
        found[group] = [Job(group, path, codec) for path in paths[:count] for codec in codecs]
    return [job for each in found.values() for job in each]


def here() -> list[str]:
    """The peers that this machine has."""
    jxl = importlib.util.find_spec("pillow_jxl") is not None
    return [name for name, (kind, _) in PEERS.items() if jxl or kind != "JXL"]


def read(path: Path) -> tuple[list[Row], dict[str, Any]]:
    """Rows, and the machine that they were measured on; nothing of a file that is not there.

    Raises:
        CorpusError: it holds something else.
    """
    if not path.is_file():
        return [], {}
    try:
        found = json.loads(path.read_text("utf-8"))
        return [Row(**row) for row in found["rows"]], dict(found["machine"])
    except (ValueError, TypeError, KeyError):
        raise CorpusError(
            f"{path} holds no rows of pictures; name a file that `python -m {__name__}` wrote"
        ) from None


def write(path: Path, rows: Iterable[Row]) -> None:
    """Rows as :func:`read` has them, each on a line, and this machine."""
    lines = [
        json.dumps({k: v for k, v in dataclasses.asdict(row).items() if v is not None})
        for row in sorted(rows, key=lambda row: (row.group, row.file))
    ]
    described = json.dumps(machine.describe())
    listed = ",\n".join(lines)
    write_whole(path, f'{{"machine": {described}, "rows": [\n{listed}\n]}}\n'.encode())


def _pixels(stored: bytes, path: Path) -> tuple[str, int, int, bytes]:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("media", "reading pictures") from None
    with Image.open(io.BytesIO(stored)) as picture:
        picture.load()
        if picture.mode not in ("L", "RGB", "RGBA", "P", "1", "LA"):
            raise CorpusError(f"{path} is not of 8 bits, grey or RGB: leave it out")
        plain = picture if picture.mode in ("L", "RGBA") else picture.convert("RGB")
        return plain.mode, plain.width, plain.height, plain.tobytes()


def _ncz(job: Job, raw: bytes, photo_cd: bool) -> dict[str, Any]:
    plan = levels.pictured(levels.plan(_LEVEL), raw)
    plan = dataclasses.replace(
        plan,
        coders=tuple(
            coder.PixelsCoder(photo_cd=photo_cd) if isinstance(one, coder.PixelsCoder) else one
            for one in plan.coders
        ),
    )
    used: list[int] = []

    def encode() -> bytes:
        number, coded = levels.encode(plan, raw)
        used.append(number)
        return coded

    coded, found = _timed(
        job, encode, lambda coded: plan.coders[used[-1]].decode(coded, len(raw)) == raw
    )
    best = plan.coders[used[-1]]
    told = {"way": coder.way(coded)} if isinstance(best, coder.PixelsCoder) else {}
    return found | {"coder": best.name} | told


def _peer(job: Job, mode: str, size: tuple[int, int], raw: bytes) -> dict[str, Any]:
    from PIL import Image

    kind, options = PEERS[job.codec]
    if kind == "JXL":
        import pillow_jxl  # noqa: F401
    picture = Image.frombytes(mode, size, raw)

    def encode() -> bytes:
        out = io.BytesIO()
        picture.save(out, kind, **options)
        return out.getvalue()

    def same(coded: bytes) -> bool:
        with Image.open(io.BytesIO(coded)) as found:
            return bool(found.convert(mode).tobytes() == raw)

    return _timed(job, encode, same)[1]


def _timed(
    job: Job, encode: Callable[[], bytes], same: Callable[[bytes], bool]
) -> tuple[bytes, dict[str, Any]]:
    start = time.process_time()
    coded = encode()
    between = time.process_time()
    if not same(coded):
        raise CorpusError(f"{job.codec} did not give {job.path} back")
    seconds = round(between - start, 4), round(time.process_time() - between, 4)
    return coded, {"bytes": len(coded), "encode_s": seconds[0], "decode_s": seconds[1]}


def _warm() -> None:
    """Have everything compiled before the clock runs."""
    y, x, channel = np.mgrid[:_SIDE, :_SIDE, :3]
    rgb = (x * y // (9 + channel) + 20 * channel).astype(np.uint8)
    _ncz(
        Job("", Path("the first picture"), PIXELS),
        raster.pam(_SIDE, _SIDE, 3) + rgb.tobytes(),
        True,
    )


def _measured(todo: Sequence[Job], processes: int) -> Iterator[Row]:
    """Rows as they come, from so many processes."""
    if processes == 1:
        _warm()
        yield from map(measure, todo)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _warm) as pool:
        yield from pool.imap_unordered(measure, todo)


def _run(
    folders: Sequence[Path],
    out: Path,
    peers: Path | None,
    processes: int,
    count: int | None,
    codecs: Sequence[str],
) -> list[Row]:
    rows = {row.key: row for row in read(out)[0]}

    def do(todo: Sequence[Job]) -> None:
        left = [job for job in todo if (job.group, job.path.name, job.codec) not in rows]
        for row in _measured(left, processes) if left else ():
            rows[row.key] = row
            write(out, rows.values())
            click.echo(f"{row.codec}, {row.file}: {8 * row.bytes / row.pixels:.3f} bpp")

    others = [] if peers is not None else here()
    for codec in codecs:
        if codec in PEERS and peers is None and codec not in others:
            raise CorpusError(
                f"{codec} is not here: pip install pillow-jxl-plugin, or name a file with --peers"
            )
    if peers is not None:
        known = {(job.group, job.path.name) for job in jobs(folders, [PIXELS], count)}
        for row in read(peers)[0]:
            if row.codec in PEERS and (row.group, row.file) in known:
                rows[row.key] = row
    wanted = [codec for codec in (*others, PIXELS, FILES) if not codecs or codec in codecs]
    do(jobs(folders, wanted, count))
    # Where no planes were found, looking for none changes nothing.
    scans = {row.key[:2] for row in rows.values() if row.way == coder.PHOTO_CD}
    again = jobs(folders, [PLAIN] if not codecs or PLAIN in codecs else [], count)
    do([job for job in again if (job.group, job.path.name) in scans])
    write(out, rows.values())
    return list(rows.values())


@click.command()
@click.option(
    "--data",
    "folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    multiple=True,
    help="A folder of pictures; repeatable.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option(
    "--peers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take rows of peers from this file, and measure none.",
)
@click.option("--jobs", "processes", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--codec",
    "codecs",
    type=click.Choice([*OURS, *PEERS]),
    multiple=True,
    help="Only this one; repeatable.",
)
@click.option("--limit", "count", type=click.IntRange(min=1), help="Only so many of each folder.")
def main(
    folders: tuple[Path, ...],
    out: Path,
    peers: Path | None,
    processes: int,
    count: int | None,
    codecs: tuple[str, ...],
) -> None:
    """Measure pictures without loss, and add rows to OUT."""
    from ncz.corpora import pixels_page

    try:
        click.echo(pixels_page.sizes(_run(folders, out, peers, processes, count, codecs)))
    except NczError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
