"""What is written is read by others, and by ourselves, with all that the kind has room for."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ncz.codec.errors import PictureError
from ncz.formats.picture import reading, writing
from ncz.formats.picture.image import Picture

from .making import SRGB, XMP, array, exif


def file_of(picture: Picture, kind: str) -> tuple[bytes, list[str]]:
    out = io.BytesIO()
    notes = picture.save(out, kind)
    return out.getvalue(), notes


@settings(max_examples=20)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 4),
    st.sampled_from([8, 16]),
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.sampled_from([b"", XMP]),
)
def test_png_keeps_everything(
    height: int, width: int, samples: int, depth: int, icc: bytes, tags: bytes, xmp: bytes
) -> None:
    pixels = Picture.of(array(height, width, samples, depth))
    picture = Picture(pixels.pixels, pixels.alpha, icc, exif() + tags if tags else b"", xmp)
    data, notes = file_of(picture, "png")
    found = reading.read(data)
    assert not notes
    assert (found.array() == picture.array()).all()
    assert (found.icc, found.exif, found.xmp) == (picture.icc, picture.exif, picture.xmp)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "tiff"])
def test_tagged_kinds(kind: str) -> None:
    picture = Picture(array(17, 31), None, SRGB, exif(6), XMP)
    data, notes = file_of(picture, kind)
    found = reading.read(data)
    assert not notes
    assert found.icc == SRGB
    assert found.orientation == (1 if kind == "tiff" else 6)  # Pillow turns those
    assert found.xmp == XMP
    if kind != "jpeg":
        assert (found.upright().pixels == picture.upright().pixels).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_kind_without_room_is_turned_upright(orientation: int) -> None:
    picture = Picture(array(5, 7), None, b"", exif(orientation))
    data, notes = file_of(picture, "bmp")
    png, _ = file_of(picture, "png")
    with Image.open(io.BytesIO(png)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert (reading.read(data).pixels == upright).all()
    assert len(notes) == 1
    assert ("upright" in notes[0]) == (orientation != 1)


def test_what_a_kind_loses_is_said() -> None:
    deep = Picture.of(array(5, 7, 4, 16))
    data, notes = file_of(deep, "jpeg")
    assert len(notes) == 2
    data, notes = file_of(deep, "webp")
    assert notes == ["WEBP is written with 8 bits for 16"]
    eight = (deep.array().astype(int) + 128) // 257
    assert (reading.read(data).array() == eight).all()


def test_names(tmp_path: Path) -> None:
    picture = Picture.of(array(5, 7))
    for suffix in writing.SUFFIXES:
        picture.save(tmp_path / f"a{suffix}")
        assert reading.read(tmp_path / f"a{suffix}").width == 7
    for bad in ("a", "a.gif", "a.ncz"):
        with pytest.raises(PictureError, match="name the output"):
            picture.save(tmp_path / bad)
        assert not (tmp_path / bad).exists()
    with pytest.raises(PictureError):
        picture.save(io.BytesIO(), "gif")


def test_too_wide_for_a_kind() -> None:
    with pytest.raises(PictureError, match="too many for WEBP"):
        Picture.of(np.zeros((1, 20_000), np.uint8)).save(io.BytesIO(), "webp")
