"""What the coder of pictures writes, the decoder written from docs/coders.md reads."""

import io

import numpy as np
import pytest

from ncz.formats.pixels import coder
from ncz.formats.pixels.coder import PixelsCoder
from ncz.models.pixels import planes
from tests.independent import pixels as independent
from tests.independent.test_contextmix import shipped_priors
from tests.pictures import photo_cd

CODER = PixelsCoder()


def _smooth(height: int, width: int, channels: int, most: int) -> np.ndarray:
    rng = np.random.default_rng(height * width)
    y, x, c = np.mgrid[:height, :width, :channels]
    wave = 0.5 + 0.3 * np.sin((x + 2 * c) / 3) + 0.2 * np.cos(y / 2 + c)
    noisy = most * (wave + rng.normal(0, 0.01, wave.shape))
    return noisy.clip(0, most).astype(np.uint16 if most > 255 else np.uint8)


def _decoded(coded: bytes, size: int) -> bytes:
    return independent.decode(coded, size, shipped_priors())


def _pnm(pixels: np.ndarray) -> bytes:
    height, width, channels = pixels.shape
    most = 65535 if pixels.dtype == np.uint16 else 255
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {most}\nENDHDR\n"
    return head.encode() + (pixels.astype(">u2") if most > 255 else pixels).tobytes()


@pytest.mark.parametrize(
    ("height", "width", "channels", "most"),
    [(8, 11, 1, 255), (9, 7, 3, 255), (5, 4, 4, 255), (8, 8, 2, 65535), (1, 90, 1, 255)],
)
def test_samples(height: int, width: int, channels: int, most: int) -> None:
    raw = _pnm(_smooth(height, width, channels, most))
    coded = CODER.encode(raw)
    assert coded is not None and coder.way(coded) == "planes"
    assert _decoded(coded, len(raw)) == raw


def test_little_endian_samples_and_what_lies_between() -> None:
    out = io.BytesIO()
    np.save(out, _smooth(6, 12, 1, 65535)[..., 0])
    coded = CODER.encode(out.getvalue())
    assert coded is not None
    assert _decoded(coded, len(out.getvalue())) == out.getvalue()
    head = b"BM" + bytes(8) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    head += (9).to_bytes(4, "little") + (6).to_bytes(4, "little") + b"\1\0\x18\0" + bytes(24)
    rows = _smooth(6, 9, 3, 255).reshape(6, 27)
    raw = head + b"".join(row.tobytes() + b"\xee" for row in rows) + b"after"
    coded = CODER.encode(raw)
    assert coded is not None
    assert _decoded(coded, len(raw)) == raw


def test_extremes() -> None:
    values = np.random.default_rng(2).choice([0, 255, 254, 1], (3, 6, 7)).astype(np.int32)
    coded = planes.encode(values, 255)
    assert independent.decode_planes(coded, 3, 6, 7, 255) == values.tolist()
    flat = np.full((2, 9, 13), 7, np.int32)
    assert independent.decode_planes(planes.encode(flat, 319), 2, 9, 13, 319) == flat.tolist()


def test_mixed_contexts() -> None:
    few = np.tile(np.array([[3, 3, 200, 9]], np.uint8).repeat(12, 0), (1, 4))
    raw = _pnm(few[..., None])
    coded = CODER.encode(raw)
    assert coded is not None and coder.way(coded) == "context mixing"
    assert _decoded(coded, len(raw)) == raw


def test_photo_cds() -> None:
    rgb = photo_cd(32, 34)
    rgb[3:5, 7, 1] ^= 1
    raw = _pnm(rgb)
    coded = CODER.encode(raw)
    assert coded is not None and coder.way(coded) == "Photo CD"
    assert _decoded(coded, len(raw)) == raw


def test_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert planes._BAND == independent.BAND
    monkeypatch.setattr(planes, "_BAND", 60)
    values = _smooth(12, 6, 2, 255).transpose(2, 0, 1).astype(np.int32)
    coded = planes.encode(np.ascontiguousarray(values), 255)
    monkeypatch.setattr(independent, "BAND", 60)
    assert independent.decode_planes(coded, 2, 12, 6, 255) == values.tolist()


def test_rows_of_png_files() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = _smooth(7, 9, 3, 255)
    out = io.BytesIO()
    image.fromarray(pixels).save(out, "PNG")
    coded = CODER.encode(out.getvalue())
    assert coded is not None
    assert _decoded(coded, len(out.getvalue())) == pixels.tobytes()
