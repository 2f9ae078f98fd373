"""A folder of pictures of one size, as records of their pixels.

Pictures that are all PGM, all PPM or all BMP are taken as their bytes stand; for others Pillow
decodes them to rows of grey or RGB from the top, as they stand in PGM and PPM files. (A BMP file
stores blue first and the lowest row first, so a model of other pictures does not fit it.)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ncz.codec.errors import MissingExtra, NoRecords
from ncz.formats.records import fixed, heads
from ncz.formats.records.fixed import Field, Fixed
from ncz.formats.records.layout import MAX_VARIABLES

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
_MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}  # what Pillow finds: what it is taken as
_HEAD = 4096  # bytes of a picture that its head is within
_BARE = frozenset({".bmp", ".pgm", ".pnm", ".ppm"})


def read(folder: Path, limit: int) -> tuple[Fixed, NDArray[np.integer], str]:
    """Layout, values uint8 or uint16[pictures, elements], and what they are.

    The pictures are all files of the folder and those below it with the suffix of a picture, in
    the order of their paths; hidden ones are left out.

    Raises:
        NoRecords: there are none, or of several sizes or kinds, or too large ones.
        MissingExtra: they need Pillow, and it is not here.
        OSError: reading fails.
    """
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    if not paths:
        raise NoRecords(f"{folder.name} has no pictures in it; give data to learn from")
    bare = _bare(paths[0]) if all(path.suffix.lower() in _BARE for path in paths) else None
    found = _stored(paths, bare) if bare else _decoded(paths)
    layout, first = next(found)
    if len(paths) * layout.record_size > limit:
        raise NoRecords(f"the pictures of {folder.name} have more than {limit} bytes; take fewer")
    values = np.empty((len(paths), first.size), first.dtype)
    values[0] = first
    for row, path, (other, pixels) in zip(values[1:], paths[1:], found, strict=True):
        if other != layout:
            raise NoRecords(
                f"{path.name} is {_size(other)} and {paths[0].name} is {_size(layout)}; give "
                "pictures of one size and kind"
            )
        row[:] = pixels
    return layout, values, f"{folder.name} is {len(paths)} pictures of {_size(layout)}"


def _size(layout: Fixed) -> str:
    return " x ".join(map(str, layout.shape)) + f" {layout.fields[0].dtype}"


def _bare(path: Path) -> str | None:
    """The type of a picture whose pixels stand in its file as they are."""
    with path.open("rb") as file:
        try:
            return heads.parse(file.read(_HEAD)).what
        except heads.NoHead:
            return None


def _stored(paths: list[Path], what: str) -> Iterator[tuple[Fixed, NDArray[np.integer]]]:
    for path in paths:
        data = path.read_bytes()
        try:
            head = heads.parse(data)
            layout = fixed.of(head)
        except heads.NoHead as error:
            raise NoRecords(f"{path.name} cannot be read: {error}") from None
        if head.what != what:
            raise NoRecords(f"{path.name} is {head.what} and others are {what}; give one kind")
        pixels = data[head.size : head.size + head.record_size]
        if len(pixels) < head.record_size:
            raise NoRecords(f"{path.name} is cut off; give whole pictures")
        yield layout, layout.values(pixels)[0]


def _decoded(paths: list[Path]) -> Iterator[tuple[Fixed, NDArray[np.integer]]]:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("media", "reading pictures") from None
    for path in paths:
        try:
            with Image.open(path) as picture:
                mode = _MODES.get(picture.mode)
                if mode is None:
                    raise NoRecords(
                        f"{path.name} is of mode {picture.mode}; convert it to grey or RGB"
                    )
                shape = (picture.height, picture.width) + (3,) * (mode == "RGB")
                if picture.width * picture.height * len(mode) > MAX_VARIABLES:
                    raise NoRecords(
                        f"{path.name} has more than {MAX_VARIABLES} values; give small pictures"
                    )
                pixels = np.asarray(picture.convert(mode), np.uint8).ravel()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise NoRecords(f"{path.name} cannot be read: {error}") from None
        yield Fixed((Field("u1", pixels.size),), shape), pixels
