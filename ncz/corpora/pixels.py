"""Pictures without loss, beside WebP, JPEG XL and an optimised PNG: bytes and seconds of each.

Every file is restored and compared before a number is written. ``python -m ncz.corpora.pixels
--data DIR --out FILE.json`` goes on where FILE.json ends.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ncz.codec.errors import MissingExtra
from ncz.formats import levels

_SUFFIXES = {".bmp", ".pgm", ".png", ".ppm", ".tif", ".tiff"}
_LEVEL = 6


def measure(path: Path) -> list[dict[str, Any]]:
    """A row for each codec that is here; ncz has one for the pixels, and one for the file.

    Raises:
        MissingExtra: Pillow is not here.
        AssertionError: something did not come back.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("media", "reading pictures") from None
    stored = path.read_bytes()
    with Image.open(io.BytesIO(stored)) as picture:
        picture.load()
        pixels = picture.convert("RGB" if picture.mode not in ("L", "RGBA") else picture.mode)
    channels = len(pixels.getbands())
    count = pixels.width * pixels.height
    # Peers keep the pixels alone, so these are coded alone, too.
    head = (
        f"P7\nWIDTH {pixels.width}\nHEIGHT {pixels.height}\nDEPTH {channels}\nMAXVAL 255\nENDHDR\n"
    )
    rows = [
        _ncz("ncz, its pixels", head.encode() + pixels.tobytes()),
        _ncz("ncz, the file", stored),
    ]
    for name, form, options in _peers():

        def save(form: str = form, options: dict[str, Any] = options) -> bytes:
            out = io.BytesIO()
            pixels.save(out, form, **options)
            return out.getvalue()

        def same(coded: bytes) -> bool:
            with Image.open(io.BytesIO(coded)) as found:
                return bool(found.convert(pixels.mode).tobytes() == pixels.tobytes())

        rows.append(_timed(name, save, same))
    common = {"file": path.name, "pixels": count, "values": count * channels, "stored": len(stored)}
    return [common | row for row in rows]


def _ncz(codec: str, raw: bytes) -> dict[str, Any]:
    plan = levels.pictured(levels.plan(_LEVEL), raw)
    used: list[int] = []

    def encode() -> bytes:
        number, coded = levels.encode(plan, raw)
        used.append(number)
        return coded

    row = _timed(codec, encode, lambda coded: plan.coders[used[-1]].decode(coded, len(raw)) == raw)
    return row | {"coder": plan.coders[used[-1]].name}


def _peers() -> list[tuple[str, str, dict[str, Any]]]:
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("PNG optimised", "PNG", {"optimize": True}),
        ("WebP lossless", "WEBP", {"lossless": True, "quality": 100, "method": 6}),
    ]
    try:
        import pillow_jxl  # noqa: F401
    except ImportError:
        return found
    return [*found, ("JPEG XL", "JXL", {"lossless": True, "effort": 7})]


def _timed(
    codec: str, encode: Callable[[], bytes], same: Callable[[bytes], bool]
) -> dict[str, Any]:
    start = time.process_time()
    coded = encode()
    between = time.process_time()
    if not same(coded):
        raise AssertionError(f"{codec} did not give the picture back")
    seconds = round(between - start, 3), round(time.process_time() - between, 3)
    return {"codec": codec, "bytes": len(coded), "encode_s": seconds[0], "decode_s": seconds[1]}


def summary(rows: list[dict[str, Any]]) -> str:
    """A table of totals: bytes, bits for each pixel, kB of samples for each processor second."""
    lines = ["| codec | files | bytes | bpp | encode kB/s | decode kB/s |", "| --- " * 6 + "|"]
    for codec in dict.fromkeys(row["codec"] for row in rows):
        mine = [row for row in rows if row["codec"] == codec]
        total, pixels, values, encode, decode = (
            sum(row[key] for row in mine)
            for key in ("bytes", "pixels", "values", "encode_s", "decode_s")
        )
        speeds = " | ".join(f"{values / 1000 / max(s, 1e-3):,.0f}" for s in (encode, decode))
        lines.append(f"| {codec} | {len(mine)} | {total:,} | {8 * total / pixels:.3f} | {speeds} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ncz.corpora.pixels", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of pictures")
    parser.add_argument("--out", type=Path, required=True, help="rows, as JSON")
    parser.add_argument("--limit", type=int, help="so many files at most")
    given = parser.parse_args(arguments)
    rows = json.loads(given.out.read_text()) if given.out.exists() else []
    done = {row["file"] for row in rows}
    paths = sorted(p for p in given.data.rglob("*") if p.suffix.lower() in _SUFFIXES)
    for path in paths[: given.limit]:
        if path.name not in done:
            rows += measure(path)
            given.out.write_text(json.dumps(rows, indent=0) + "\n")
    print(summary(rows))


if __name__ == "__main__":
    main()
