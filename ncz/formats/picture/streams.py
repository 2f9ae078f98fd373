"""Pictures from stream to stream, as the command moves them: file in, .ncz out, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from ncz.codec.errors import MemoryLimitError
from ncz.formats.options import DecompressOptions
from ncz.formats.picture import codecs, reading, targets, writing
from ncz.formats.picture.decode import rendering
from ncz.formats.picture.encode import Encoder
from ncz.formats.picture.image import Picture
from ncz.formats.picture.png import PngWriter
from ncz.formats.picture.targets import Lossy
from ncz.formats.stream import Progress, Report, StreamStats

_ROUNDS = 9  # of a search for a target, at most
_COPIES = 3  # of a picture that are in memory while it is written as anything but PNG

Say = Callable[[str], None]


def compress_picture_stream(
    src: BinaryIO,
    dst: BinaryIO,
    how: Lossy,
    *,
    memlimit: int | None = None,
    verify: bool = False,
    progress: Report | None = None,
    say: Say | None = None,
) -> StreamStats:
    """Code the picture whose file is in `src`, all of it, into `dst`.

    Args:
        src: the file of a picture.
        dst: gets a member of format 1.
        how: how much of it to keep.
        memlimit: bytes that reading it may take.
        verify: decode each block and compare it before anything is written.
        progress: told how much of the work is done, as if it were bytes of `src`.
        say: told what was not taken over from the file.

    Raises:
        PictureError: it is no picture, or no quality gives what was asked for.
        NczError, OSError: as :func:`ncz.formats.stream.compress_stream`.
    """
    data = src.read()
    picture = reading.read(data, memlimit)
    for note in picture.notes:
        if say:
            say(note)
    rounds = 1 if how.quality is not None or not how.asks else _ROUNDS
    done = -1

    def tell(share: float) -> None:
        nonlocal done
        done += share == 0
        if progress:
            progress(Progress(int(len(data) * (done + share) / rounds), 0, 0))

    codec = codecs.load(tune=how.tuned)
    encoder = Encoder(picture, codec, how.effort, tell=tell, verify=verify)
    made = targets.made(encoder, how)
    dst.write(made.data)
    if progress:
        progress(Progress(len(data), len(made.data), made.pieces))
    bpp = 8 * len(made.data) / (picture.width * picture.height)
    about: dict[str, Any] = {
        "width": picture.width,
        "height": picture.height,
        "quality": made.quality,
        "bpp": round(bpp, 4),
    }
    if made.reached is not None:
        about["psnr" if how.psnr is not None else "ms_ssim"] = round(made.reached, 4)
    return StreamStats(len(data), len(made.data), made.pieces, about=about)


def render_stream(
    src: BinaryIO,
    dst: BinaryIO,
    kind: str = writing.PNG,
    options: DecompressOptions | None = None,
    *,
    thumbnail: bool = False,
    progress: Report | None = None,
    say: Say | None = None,
) -> StreamStats:
    """Render the picture in the .ncz file `src` and write it to `dst` as a file of some kind.

    PNG is written as it is rendered, so that memory holds a row of tiles; other kinds need all
    of the picture.

    Args:
        src: a member of format 1, and nothing else.
        dst: gets the file; need not be seekable.
        kind: one of the values of :data:`ncz.formats.picture.writing.SUFFIXES`.
        options: limits, and whether to go on after damage.
        thumbnail: only a small picture.
        progress: told how far it is.
        say: told what the kind does not keep.

    Raises:
        PictureError: `src` holds no picture, or the kind cannot hold it.
        NczError, OSError: as :func:`ncz.formats.stream.decompress_stream`.
    """
    options = options or DecompressOptions()
    out = _Counting(dst)

    def tell(read: int, blocks: int) -> None:
        if progress:
            progress(Progress(read, out.size, blocks))

    made = rendering(src, options, tell)
    notes: list[str] = []
    if thumbnail:
        notes = made.thumbnail().save(out.as_file(), kind)
    elif kind == writing.PNG:
        says, metadata = made.params, made.metadata
        writer = PngWriter(
            out.write,
            says.width,
            says.height,
            says.samples,
            says.depth,
            metadata.icc,
            metadata.exif,
            metadata.xmp,
        )
        for strip in made.strips():
            writer.rows(strip)
        writer.end()
    else:
        needed = _COPIES * made.params.raw_size
        if options.memlimit is not None and needed > options.memlimit:
            raise MemoryLimitError(needed, options.memlimit)
        picture: Picture = made.picture()
        notes = picture.save(out.as_file(), kind)
    for note in notes:
        if say:
            say(note)
    return StreamStats(out.size, made.read, made.blocks, made.damage)


@dataclass
class _Counting:
    """A file that is written to, and how much."""

    file: BinaryIO
    size: int = 0

    def write(self, data: Any) -> int:
        """All of `data`."""
        view = memoryview(data).cast("B")
        self.size += len(view)
        left = view
        while len(left):
            left = left[self.file.write(left) :]
        return len(view)

    def as_file(self) -> BinaryIO:
        """Itself, as the type that writers ask for; they only call write."""
        return cast(BinaryIO, self)
