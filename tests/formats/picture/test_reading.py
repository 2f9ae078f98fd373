"""Every kind of picture comes in, and every bad one is one sentence."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ncz.codec.errors import MemoryLimitError, NczError, PictureError
from ncz.formats.picture import reading
from ncz.formats.picture.image import Picture

from .making import SRGB, XMP, array, exif, png, saved, tiff

RGB = array(17, 31)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM"])
@pytest.mark.parametrize("samples", [1, 3])
def test_exact_kinds_give_the_pixels(kind: str, samples: int) -> None:
    values = array(17, 31, samples)
    data = saved(Image.fromarray(values.squeeze()), kind)
    found = reading.read(data)
    assert (found.array() == values).all()
    assert found.depth == 8
    assert not found.notes


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_kinds_give_what_pillow_gives(kind: str) -> None:
    data = saved(Image.fromarray(RGB), kind)
    assert (reading.read(data).pixels == np.asarray(Image.open(io.BytesIO(data)))).all()


def test_alpha_and_palettes() -> None:
    values = array(5, 7, 4)
    image = Image.fromarray(values)
    for data in (
        saved(image, "PNG"),
        saved(image, "TIFF"),
        saved(image, "WEBP", lossless=True, exact=True),
    ):
        assert (reading.read(data).array() == values).all()
    grey = array(5, 7, 2)
    assert (reading.read(saved(Image.fromarray(grey, "LA"), "PNG")).array() == grey).all()
    palette = Image.fromarray(RGB).quantize(7)
    found = reading.read(saved(palette, "PNG"))
    assert found.alpha is None
    assert (found.pixels == np.asarray(palette.convert("RGB"))).all()
    clear = reading.read(saved(palette, "PNG", transparency=3))
    assert clear.alpha is not None
    assert set(np.unique(clear.alpha)) == {0, 255}
    keyed = reading.read(
        saved(Image.fromarray(RGB), "PNG", transparency=tuple(map(int, RGB[3, 4])))
    )
    assert keyed.alpha is not None
    assert keyed.alpha[3, 4] == 0


def test_one_bit() -> None:
    bits = (array(5, 9, 1)[:, :, 0] > 100).astype(np.uint8) * 255
    image = Image.fromarray(bits).convert("1", dither=Image.Dither.NONE)
    for kind in ("PNG", "TIFF", "PPM", "BMP"):
        assert (reading.read(saved(image, kind)).pixels[:, :, 0] == bits).all()


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_png_of_16_bits(samples: int) -> None:
    values = array(9, 11, samples, 16)
    out = io.BytesIO()
    Picture.of(values).save(out)
    found = reading.read(out.getvalue())
    assert found.depth == 16
    assert (found.array() == values).all()


@settings(max_examples=20)
@given(st.data(), st.integers(1, 9), st.integers(1, 9), st.sampled_from([2, 3, 4, 6]))
def test_filters_and_interlacing_of_16_bits(data: Any, height: int, width: int, kind: int) -> None:
    """Against Pillow, which sees the upper 8 of the 16 bits."""
    samples = {2: 3, 3: 1, 4: 2, 6: 4}[kind]
    colour = 0 if kind == 3 else kind
    laced = data.draw(st.booleans())
    steps = (
        [
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        ]
        if laced
        else [(0, 0, 1, 1)]
    )
    body = b""
    for left, top, across, down in steps:
        columns, rows = len(range(left, width, across)), len(range(top, height, down))
        for _ in range(rows if columns else 0):
            size = columns * samples * 2
            body += bytes([data.draw(st.integers(0, 4))])
            body += data.draw(st.binary(min_size=size, max_size=size))
    file = png(body, width, height, 16, colour, int(laced))
    found = reading.read(file).array()
    with Image.open(io.BytesIO(file)) as image:
        seen = np.asarray(image)
    if seen.dtype == np.uint8:
        taken = [0, -1] if samples == 2 else list(range(samples))  # grey with alpha comes as RGBA
        assert (found >> 8 == seen[:, :, taken]).all()
    else:
        assert (found[:, :, 0] == seen).all()


def test_ppm_of_16_bits() -> None:
    for samples in (1, 3):
        values = array(9, 11, samples, 16)
        out = io.BytesIO()
        Picture.of(values).save(out, "ppm")
        assert (reading.read(out.getvalue()).array() == values).all()
    commented = b"P5\n# a comment\n2 1\n1023\n" + struct.pack(">HH", 1023, 0)
    assert reading.read(commented).pixels.ravel().tolist() == [65535, 0]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("samples", [3, 4])
def test_tiff_of_16_bits(order: str, deflate: bool, predictor: int, samples: int) -> None:
    values = array(7, 5, samples, 16)
    found = reading.read(tiff(values, order, deflate, predictor))
    assert (found.array() == values).all()
    assert not found.notes


def test_metadata_comes_along() -> None:
    image = Image.fromarray(RGB)
    made = {"icc_profile": SRGB, "exif": b"Exif\0\0" + exif(6)}
    for kind, more in (("JPEG", {"xmp": XMP}), ("WEBP", {"xmp": XMP}), ("PNG", {})):
        found = reading.read(saved(image, kind, **made, **more))
        assert found.icc == SRGB
        assert found.exif == exif(6)
        assert found.orientation == 6
        assert (found.width, found.height) == (31, 17)
        assert found.xmp == more.get("xmp", b"")


def test_orientation_of_a_tiff() -> None:
    made = Image.Exif()
    made[274] = 8
    data = saved(Image.fromarray(RGB), "TIFF", exif=made)
    found = reading.read(data)
    assert found.orientation == 1  # Pillow has turned it
    assert (found.pixels == np.rot90(RGB)).all()
    assert not reading.read(saved(Image.fromarray(RGB), "TIFF")).exif


def refused(data: bytes, what: str, memlimit: int | None = None) -> None:
    with pytest.raises(NczError, match=what) as raised:
        reading.read(data, memlimit)
    assert "\n" not in str(raised.value)


def test_what_is_no_picture() -> None:
    refused(b"", "no picture")
    refused(b"some text", "no picture")
    refused(b"GIF89a" + bytes(100), "no picture")
    refused(b"\x89PNG\r\n\x1a\n", "picture")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM"])
def test_cut_off(kind: str) -> None:
    data = saved(Image.fromarray(array(40, 40)), kind)
    for size in (10, len(data) // 2, len(data) - 30):
        refused(data[:size], "picture")


def test_cut_off_with_16_bits() -> None:
    values = array(20, 20, 3, 16)
    for kind in ("png", "ppm"):
        out = io.BytesIO()
        Picture.of(values).save(out, kind)
        refused(out.getvalue()[: len(out.getvalue()) // 2], "cut off|damaged")
    refused(tiff(values)[:900], "picture")


def test_bombs() -> None:
    refused(png(b"", 200_000, 200_000, 8, 2), "200,000 x 200,000 pixels")
    refused(png(b"", 200_000, 200_000, 16, 2), "200,000 x 200,000 pixels")
    refused(png(b"", 2_000_000, 1, 8, 2), "sides")
    refused(b"P6 100000 100000 255\n", "100,000 x 100,000")
    with pytest.raises(MemoryLimitError):
        reading.read(saved(Image.fromarray(array(100, 100)), "PNG"), 1000)


def test_colours_for_printing() -> None:
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    refused(saved(cmyk, "JPEG"), "CMYK")
    refused(saved(cmyk, "TIFF"), "CMYK")


def test_animations() -> None:
    frames = [Image.fromarray(array(8, 8, seed=seed)) for seed in range(3)]
    for kind in ("PNG", "WEBP", "TIFF"):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        refused(data, "3 pictures")


def test_modes_without_meaning_here() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    refused(saved(Image.fromarray(values), "TIFF"), "mode F")
    refused(saved(Image.fromarray((values * 1e9).astype(np.int32)), "TIFF"), "32 bits")


@settings(max_examples=40)
@given(st.data(), st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "16"]))
def test_damage_is_a_sentence_or_a_picture(data: Any, kind: str) -> None:
    if kind == "16":
        whole = tiff(array(6, 6, 3, 16), deflate=True)
    else:
        whole = saved(Image.fromarray(array(6, 6)), kind)
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        reading.read(bytes(broken), 1 << 28)
    except NczError as error:
        assert "\n" not in str(error)


def test_arrays() -> None:
    assert Picture.of(array(3, 4, 1)[:, :, 0]).channels == 1
    assert Picture.of(array(3, 4, 2)).alpha is not None
    for bad in (
        array(3, 4).astype(np.float32),
        np.zeros((0, 3, 3), np.uint8),
        np.zeros((2, 2, 5), np.uint8),
    ):
        with pytest.raises(PictureError):
            Picture.of(bad)
