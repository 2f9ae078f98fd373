"""Files of pictures come back byte for byte, good, odd and broken ones."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncz
from ncz.codec.coder import CoderSpec
from ncz.codec.errors import FormatError, NczError
from ncz.formats import coders, levels
from ncz.formats.pixels.coder import PixelsCoder, from_params

_RNG = np.random.default_rng(5)
_Y, _X = np.mgrid[:40, :36]
_SMOOTH = np.stack([(90 + 50 * np.sin(_X / 9 + c) + 40 * np.cos(_Y / 7)) for c in range(4)], 2)
_RGBA = (_SMOOTH + _RNG.normal(0, 1.5, _SMOOTH.shape)).clip(0, 255).astype(np.uint8)
_RGB = np.ascontiguousarray(_RGBA[..., :3])
CODER = PixelsCoder()


def _saved(pixels: np.ndarray, kind: str, mode: str | None = None, **options: object) -> bytes:
    image = pytest.importorskip("PIL.Image").fromarray(pixels)
    out = io.BytesIO()
    (image.convert(mode) if mode else image).save(out, kind, **options)
    return out.getvalue()


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


_PPM = b"P6\n# made\n36 40\n255\n" + _RGB.tobytes()
_PAM = b"P7\nWIDTH 36\nHEIGHT 40\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"


def _with_stream(png: bytes, stream: bytes) -> bytes:
    """A file of one IDAT chunk, with another one in its place."""
    at = png.index(b"IDAT")
    (size,) = struct.unpack_from(">I", png, at - 4)
    chunk = b"IDAT" + stream
    check = struct.pack(">I", zlib.crc32(chunk))
    return png[: at - 4] + struct.pack(">I", len(stream)) + chunk + check + png[at + 8 + size :]


def _of_two_levels(png: bytes) -> bytes:
    """The same pixels, by a stream that no level makes."""
    at = png.index(b"IDAT")
    (size,) = struct.unpack_from(">I", png, at - 4)
    plain = zlib.decompress(png[at + 4 : at + 4 + size])
    made = zlib.compressobj(9)
    stream = made.compress(plain[:2000]) + made.flush(zlib.Z_FULL_FLUSH)
    return _with_stream(png, stream + made.compress(plain[2000:]) + made.flush())


def _files() -> dict[str, bytes]:
    deep = _RGBA[..., 0].astype(np.uint16) * 200
    return {
        "ppm": _PPM,
        "pgm": b"P5 36 40 255\n" + _RGBA[..., 1].tobytes(),
        "pgm16": b"P5 36 40 65535\n" + deep.astype(">u2").tobytes(),
        "pam": _PAM + _RGBA.tobytes(),
        "npy": _npy(_RGB),
        "npy16": _npy(deep),
        "cut": _PPM[:3000],
        "more": _PPM + bytes(range(200)),
        "bmp": _saved(_RGB[:, :35], "BMP"),
        "tiff": _saved(_RGB, "TIFF"),
        "png": _saved(_RGB, "PNG"),
        "two levels": _of_two_levels(_saved(_RGB, "PNG")),
        "stored": _with_stream(
            _saved(_RGB, "PNG"), zlib.compress(b"".join(b"\0" + row.tobytes() for row in _RGB), 0)
        ),
        "rgba": _saved(_RGBA, "PNG", optimize=True),
        "level1": _saved(_RGB, "PNG", compress_level=1),
        "grey": _saved(_RGBA[..., 0].copy(), "PNG"),
        "palette": _saved(_RGB, "PNG", "P"),
        "bits": _saved(_RGB, "PNG", "1"),
    }


@pytest.mark.parametrize("name", sorted(_files()))
def test_round_trip(name: str) -> None:
    raw = _files()[name]
    coded = CODER.encode(raw)
    assert coded is not None
    assert CODER.decode(coded, len(raw)) == raw
    assert CODER.memory_of(coded, len(raw)) > len(raw)
    assert CODER.encode(raw) == coded


def test_pixels_are_found_to_be_pixels() -> None:
    coded = CODER.encode(_PPM)
    assert coded is not None and len(coded) < 0.5 * len(_PPM)


def _broken_pngs() -> dict[str, bytes]:
    good = _saved(_RGB, "PNG")
    at = good.index(b"IDAT")
    head = bytearray(good)
    head[16:24] = struct.pack(">II", 1 << 30, 1 << 30)
    interlaced = bytearray(good)
    interlaced[28] = 1
    return {
        "cut off": good[:-40],
        "head only": good[:33],
        "wrong check": good[: at + 9] + b"\xff" + good[at + 10 :],
        "bomb": bytes(head),
        "interlaced": bytes(interlaced),
    }


@pytest.mark.parametrize("name", sorted(_broken_pngs()))
def test_others_are_left_to_others(name: str) -> None:
    raw = _broken_pngs()[name]
    assert CODER.encode(raw) is None
    assert ncz.decompress(ncz.compress(raw, level=6)) == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"P6 99999999 99999999 255\nxyz",
        b"P6 0 5 255\n" + bytes(200),
        b"P6",
        b"BM" + bytes(60),
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0" + bytes(80),
        b"\x93NUMPY\1\0\x20\0{'descr': __import__('os')}   ",
        b"P7\nWIDTH 5",
    ],
)
def test_heads_that_lie(raw: bytes) -> None:
    assert CODER.encode(raw) is None
    assert ncz.decompress(ncz.compress(raw, level=5)) == raw


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_ends(data: st.DataObject) -> None:
    raw = _files()[data.draw(st.sampled_from(["ppm", "png", "palette", "two levels"]))]
    coded = bytearray(CODER.encode(raw) or b"")
    place = data.draw(st.integers(0, min(len(coded) - 1, 60)))
    coded[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(FormatError):
        assert len(CODER.decode(bytes(coded), len(raw))) == len(raw)


def test_no_revision_but_one() -> None:
    assert from_params(b"\2").spec == from_params(b"\1").spec == CODER.spec
    assert CODER.spec.id == coders.PIXELS == 7
    with pytest.raises(NczError, match="newer ncz"):
        from_params(b"\3")


def test_levels() -> None:
    for level in (4, 5, 6):
        coded = ncz.compress(_PPM, level=level)
        assert ncz.decompress(coded) == _PPM
        used = [spec.id for spec in _header(coded)]
        assert (coders.PIXELS in used) == (level >= 5)
    assert coders.PIXELS not in [spec.id for spec in _header(ncz.compress(b"text " * 99))]
    plan = levels.plan(6)
    assert levels.pictured(plan, b"text") is plan


def _header(coded: bytes) -> tuple[CoderSpec, ...]:
    from ncz.formats import header

    return header.parse(coded)[0].coders
