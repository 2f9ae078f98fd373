import io
import zlib

import numpy as np
import pytest

from ncz.formats.pixels import raster
from ncz.formats.pixels.glimpse import glimpse
from tests.pictures import scene

Image = pytest.importorskip("PIL.Image")


def pixels_of(part):
    """The samples in a PAM file."""
    found = raster.find(part)
    return found.take(np.frombuffer(part, np.uint8))[0]


def saved(picture, kind="PNG"):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "PPM", "BMP"])
def test_a_small_picture_is_seen_whole(kind):
    picture = scene(100, 90)
    raw = saved(picture, kind)
    seen = glimpse(raw, len(raw))
    assert seen.times == 1
    order = [2, 1, 0] if kind == "BMP" else [0, 1, 2]
    rows = slice(None, None, -1) if kind == "BMP" else slice(None)
    assert np.array_equal(pixels_of(seen.part), picture[rows][..., order])
    assert 0 < seen.beside < 400


def test_of_a_large_one_squares_are_seen():
    picture = np.zeros((512, 300, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(512)[:, None] // 2, np.arange(300) // 2
    raw = saved(picture, "PPM")
    seen = glimpse(raw, len(raw))
    part = pixels_of(seen.part)
    assert part.shape == (256, 256, 3) and seen.times == 512 * 300 / 256**2
    rows, columns = 2 * part[:, 0, 0].astype(int), 2 * part[0, :, 1].astype(int)
    assert all(np.array_equal(np.unique(x), x[::2]) for x in (rows, columns))
    assert (rows[0], rows[64], rows[-1]) == (32, 160, 478) and (columns[0], columns[-1]) == (4, 292)
    # More rows than are there are taken to be like these.
    start = raw[: len(raw) * 3 // 4]
    assert glimpse(start, len(raw)).times == seen.times
    deep = raster.pam(300, 512, 3, True) + picture.astype(">u2").tobytes()
    assert np.array_equal(pixels_of(glimpse(deep, len(deep)).part), part)


def test_what_is_no_picture_for_the_coder():
    png = saved(scene(40, 50))
    assert glimpse(png, len(png) + 1) is None  # the rest of its stream is not there
    assert glimpse(png[:200], 200) is None
    assert glimpse(b"P6 40 40 255\n" + bytes(100), 113) is None
    assert glimpse(zlib.compress(b"no picture"), 18) is None
    assert glimpse(b"", 0) is None
