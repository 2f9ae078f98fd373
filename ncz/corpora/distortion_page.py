"""``docs/results-images.md``: what :mod:`ncz.corpora.distortion` measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ncz.corpora import lossy
from ncz.corpora.curves import Row, by_codec, decibels, held, means, whole
from ncz.corpora.report import table

ANCHOR = "avif_s6_420"
PICTURE = "images/rate-distortion.svg"

_HEAD = """\
# Results on images

Written by `make results-images`, not by hand. {count}, {where} in all; PSNR is over red, green and
blue and averaged over pictures, MS-SSIM on red, green and blue ([images.md](images.md#comparing)).
Everything was decoded, and what came back was measured. Sizes of ncz are of the coded picture,
without the header and the checks of a file.{elsewhere}

![Rate against distortion](images/rate-distortion.svg)

"""
_RATE = """\
## Bits for equal quality

The Bjøntegaard rate: how many more bits than {anchor} for the same quality, over the qualities that
both reach; below zero is better. Held against it on the pictures that both have at all qualities.

"""


def page(rows: Sequence[Row], machine: dict[str, Any], anchor: str = ANCHOR) -> str:
    """The document.

    Raises:
        CorpusError: there are no rows of the anchor.
    """
    names = {row.img for row in rows}
    count = f"{len(names)} picture{'s' if len(names) > 1 else ''}"
    sizes = {row.img: row.pixels for row in rows}
    where = f"{sum(sizes.values()) / 1e6:.1f} megapixels"
    head = _HEAD.format(count=count, where=where, elsewhere=_elsewhere(rows)).rstrip()
    parts = [head, _rates(rows, anchor)]
    parts += [part for part in (_speeds(rows, machine), _estimates(rows)) if part]
    parts.append(_means(rows))
    return "\n\n".join(parts) + "\n"


def _elsewhere(rows: Sequence[Row]) -> str:
    """Which codecs were not measured in this run."""
    taken = {
        lossy.about(codec)
        for codec, own in by_codec(rows).items()
        if all(row.encode_s is None for row in own)
    }
    if not taken:
        return ""
    return f"\nRows of {', '.join(sorted(taken))} come from a file of earlier measurements."


def _rates(rows: Sequence[Row], anchor: str) -> str:
    lines = [
        [_named(one.codec), str(one.images), _percent(one.psnr), _percent(one.ms_ssim)]
        for one in held(rows, anchor)
    ]
    head = _RATE.format(anchor=lossy.about(anchor)).rstrip()
    return f"{head}\n\n{table(['', 'pictures', 'PSNR, %', 'MS-SSIM, %'], lines)}"


def _speeds(rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """Megapixels a second, where they were measured: the time of all pictures at all qualities."""
    lines = []
    for codec, own in by_codec(rows).items():
        timed = [(r.pixels, r.encode_s, r.decode_s) for r in own if r.encode_s and r.decode_s]
        if timed:
            pixels, encoding, decoding = (math.fsum(column) for column in zip(*timed, strict=True))
            into, out = pixels / encoding / 1e6, pixels / decoding / 1e6
            lines.append([_named(codec), f"{into:.2f}", f"{out:.2f}"])
    if not lines:
        return ""
    return (
        "## Speed\n\n"
        f"Megapixels a second on the clock ({machine['processor']}, {machine['cores']} cores, "
        f"{machine['date']}), pictures one after the other.\n\n"
        + table(["", "encoding", "decoding"], lines)
    )


def _estimates(rows: Sequence[Row]) -> str:
    lines = []
    for codec, own in by_codec(rows).items():
        known = [(8 * row.bytes, row.estimate) for row in own if row.estimate]
        if known:
            real, estimated = (math.fsum(column) for column in zip(*known, strict=True))
            most = max(abs(bits / guess - 1) for bits, guess in known)
            lines.append(
                [_named(codec), _percent(100 * (real / estimated - 1), 2), f"{100 * most:.2f}"]
            )
    if not lines:
        return ""
    return (
        "## Real against estimated bits\n\nWhat files take beyond what the network's own "
        "probabilities say, in floating point.\n\n"
        + table(["", "in all, %", "most of one picture, %"], lines)
    )


def _means(rows: Sequence[Row]) -> str:
    lines = []
    for codec, own in by_codec(rows).items():
        for mean in means(own, whole(own)):
            similar = (
                ["–", "–"]
                if mean.msssim is None
                else [f"{mean.msssim:.4f}", f"{decibels(mean.msssim):.2f}"]
            )
            lines.append(
                [
                    _named(codec),
                    f"{mean.q:g}",
                    str(mean.images),
                    f"{mean.bpp:.3f}",
                    f"{mean.psnr:.2f}",
                    *similar,
                ]
            )
    head = ["", "quality", "pictures", "bpp", "PSNR, dB", "MS-SSIM", "dB"]
    return (
        "## Means\n\nQuality is in each codec's own terms; pictures are those that it has at all "
        f"of them.\n\n{table(head, lines)}"
    )


def _named(codec: str) -> str:
    name = lossy.about(codec)
    return f"**{name}**" if codec.startswith(lossy.OURS) else name


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "−")
