"""Files of pictures come back byte for byte, good, odd and broken ones."""

import contextlib
import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncz
from ncz.codec.coder import CoderSpec
from ncz.codec.errors import FormatError, NczError
from ncz.formats import coders, levels
from ncz.formats.encode import Encoder
from ncz.formats.options import CompressOptions
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
        "npy16": _npy(deep),  # whose first block is better off without
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
    assert from_params(b"\1").spec == CODER.spec
    assert CODER.spec.id == coders.PIXELS == 7
    with pytest.raises(NczError, match="newer ncz"):
        from_params(b"\2")


def _others() -> dict[str, bytes]:
    """Files of kinds that are rare."""
    deep = _RGBA.astype(np.uint16) * 257
    rows = np.ascontiguousarray(np.repeat(_RGB, 3, 0))
    grey16 = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep[..., 0])
    head = struct.pack(">IIBBBBB", 36, 40, 16, 0, 0, 0, 0)
    chunks = (b"IHDR" + head, b"IDAT" + zlib.compress(grey16), b"IEND")
    return {
        "palette of 4 bits": _saved(_RGB, "PNG", "P", bits=4),
        "palette of 2 bits": _saved(_RGB // 64 * 64, "PNG", "P", bits=2),
        "grey and opacity": _saved(_RGBA, "PNG", "LA"),
        "deep grey": b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks
        ),
        "bmp of indices": _saved(_RGB, "BMP", "P"),
        "bmp of grey": _saved(_RGB[..., 0].copy(), "BMP"),
        "bmp with opacity": _saved(_RGBA, "BMP"),
        "tiff in strips": _saved(rows, "TIFF", strip_size=900),
        "tiff of 16 bits": _saved(deep[..., 0].copy(), "TIFF"),
        "tiff with opacity": _saved(_RGBA, "TIFF"),
        "tiff of indices": _saved(_RGB, "TIFF", "P"),
        "npy of pictures": _npy(np.stack([_RGB, _RGB[::-1]])),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(_others()))
def test_rare_kinds(name: str) -> None:
    raw = _others()[name]
    coded = CODER.encode(raw)
    assert coded is not None
    assert CODER.decode(coded, len(raw)) == raw


def _not_taken() -> dict[str, bytes]:
    """Pictures that are coded as other content is."""
    return {
        "packed tiff": _saved(_RGB, "TIFF", compression="tiff_deflate"),
        "bmp of bits": _saved(_RGB, "BMP", "1"),
        "npy of floats": _npy(_SMOOTH),
        "webp": _saved(_RGB, "WEBP", lossless=True),
        "gif": _saved(_RGB, "GIF", "P"),
    }


@pytest.mark.parametrize("name", sorted(_not_taken()))
def test_what_is_not_taken_is_said(name: str) -> None:
    raw = _not_taken()[name]
    assert CODER.encode(raw) is None
    coded = ncz.compress(raw, level=5)
    assert ncz.decompress(coded) == raw
    (block,) = ncz.info(coded).blocks
    assert block.coder in ("contextmix-5", "store")


def _jpegs() -> list[bytes]:
    return [
        _saved(_RGB, "JPEG"),
        _saved(_RGB, "JPEG", quality=98, progressive=True, optimize=True),
        _saved(_RGBA[..., 0].copy(), "JPEG", exif=b"Exif\0\0" + bytes(range(200))),
        _saved(_RGB, "JPEG")[:-90],
    ]


@pytest.mark.parametrize("level", range(2, 7))
def test_jpeg_files_are_no_larger_than_as_bytes(level: int) -> None:
    plan = levels.plan(level)
    alone = replace(plan, coders=(plan.coders[0], coders.contextmix(level)), pictures=False)
    for raw in _jpegs():
        coded = ncz.compress(raw, level=level)
        encoder = Encoder(alone)
        assert len(coded) <= len(b"".join([*encoder.feed(raw), *encoder.finish()]))
        assert ncz.decompress(coded) == raw
        # And if pictures were looked for in it.
        _, made = levels.encode(levels.with_pictures(plan), raw)
        assert len(made) <= len(levels.encode(alone, raw)[1])


def test_photographs_are_not_tried_as_bytes() -> None:
    tried: list[int] = []

    class Mixing:
        spec = CoderSpec(coders.CONTEXTMIX, b"\1\6")

        def encode(self, raw: bytes) -> bytes | None:
            tried.append(len(raw))
            return None

    plan = levels.with_pictures(levels.Plan((coders.store(), Mixing()), 1 << 20))  # type: ignore[arg-type]
    assert levels.encode(plan, _PPM)[0] == 2
    assert not tried
    few = b"P5 60 60 255\n" + bytes(3600)
    levels.encode(plan, few)
    levels.encode(plan, b"no picture")
    assert tried == [len(few), 10]


def _large() -> dict[str, bytes]:
    """Pictures that need several blocks of 4 KiB."""
    tall = np.tile(_RGB, (5, 1, 1))
    tall = np.ascontiguousarray(tall + (np.arange(len(tall)) // 9)[:, None, None].astype(np.uint8))
    deep = (tall[..., 0].astype(np.uint16) << 8) + tall[..., 1]
    return {
        "ppm": b"P6\n# made\n36 200\n255\n" + tall.tobytes(),
        "more": b"P6 36 200 255\n" + tall.tobytes() + bytes(range(256)),
        "cut": b"P6 36 900 255\n" + tall.tobytes()[:13000],
        "npy16": _npy(deep),  # whose first block is better off without
        "bmp": _saved(tall[:, :35], "BMP"),
    }


@pytest.mark.parametrize("name", sorted(_large()))
def test_blocks_of_rows(name: str) -> None:
    raw = _large()[name]
    coded = ncz.compress(raw, level=5, block_size=4096)
    assert ncz.decompress(coded) == raw
    found = ncz.info(coded)
    blocks = found.blocks
    assert len(blocks) >= 4
    assert {block.coder for block in blocks[1:-1]} == {"pixels"}
    assert all(block.raw_size <= 4096 for block in blocks)


def test_blocks_of_rows_are_the_same_whoever_works_and_however_they_come() -> None:
    raw = _large()["ppm"]
    coded = ncz.compress(raw, level=5, block_size=4096)
    assert len(coded) < 1.6 * len(ncz.compress(raw, level=5))
    compressor = ncz.Compressor(5, block_size=4096, threads=2)
    pieces = [compressor.compress(raw[at : at + 1000]) for at in range(0, len(raw), 1000)]
    assert b"".join(pieces) + compressor.flush() == coded


def test_blocks_where_rows_do_not_fit() -> None:
    wide = b"P5 3000 9 255\n" + np.tile(_RGB.reshape(-1)[:3000], 9).tobytes()
    for raw in (wide, b"P5 64 16 255\n" + bytes(1024), _PPM, _PPM[:4096], _PPM[:4097]):
        for size in (1024, 4096):
            assert ncz.decompress(ncz.compress(raw, level=5, block_size=size)) == raw


def test_a_later_block_with_the_head_of_another_file() -> None:
    rows = bytearray(_large()["more"])
    at = next(
        block.raw_start
        for block in ncz.info(ncz.compress(bytes(rows), 5, block_size=4096)).blocks[1:]
    )
    rows[at : at + 14] = b"P6 5 200 255\n "
    coded = ncz.compress(bytes(rows), level=5, block_size=4096)
    assert ncz.decompress(coded) == rows
    assert [block.coder for block in ncz.info(coded).blocks][1] == "pixels"


def test_work_on_blocks_of_rows_is_resumed() -> None:
    raw = _large()["ppm"]
    whole = ncz.compress(raw, level=5, block_size=4096)
    end = ncz.info(whole).blocks[3].offset
    encoder = Encoder.of(CompressOptions(5, 1, 4096), kept=io.BytesIO(whole[:end]))
    again = b"".join([*encoder.feed(raw), *encoder.finish()])
    assert again == whole
    assert encoder.kept_blocks == 3


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
