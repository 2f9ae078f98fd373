"""Rate against distortion: rows of a benchmark, their means, and codecs held against each other.

A row is one picture by one codec at one quality. Means are over the pictures at one quality: of
bits per pixel, of PSNR in dB, and of MS-SSIM, which is turned into dB after that.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncz.corpora.bjontegaard import bd_rate
from ncz.corpora.registry import CorpusError

_LEAST = 1e-9  # of 1 - MS-SSIM: 90 dB


@dataclass(frozen=True)
class Row:
    """One picture by one codec at one quality.

    Attributes:
        codec: its name, with its setting.
        q: the quality, in the codec's own terms.
        img: the file's name.
        bytes: coded.
        bpp: coded bits for each pixel.
        psnr: in dB, of red, green and blue together; at most 100.
        msssim: 0 to 1; None of pictures too small for it.
        encode_s: seconds on the clock, None if not measured.
        decode_s: the same of decoding.
        estimate: bits that the codec's model says it should take, None if it says nothing.
    """

    codec: str
    q: float
    img: str
    bytes: int
    bpp: float
    psnr: float
    msssim: float | None
    encode_s: float | None = None
    decode_s: float | None = None
    estimate: float | None = None

    @property
    def pixels(self) -> int:
        """Of the picture."""
        return round(8 * self.bytes / self.bpp)


@dataclass(frozen=True)
class Mean:
    """One codec at one quality over several pictures.

    Attributes:
        q: the quality.
        images: how many.
        bpp: mean bits for each pixel.
        psnr: mean in dB.
        msssim: mean, None unless all have it.
    """

    q: float
    images: int
    bpp: float
    psnr: float
    msssim: float | None


@dataclass(frozen=True)
class Held:
    """A codec held against the anchor, over the pictures that both have at all qualities.

    Attributes:
        codec: its name.
        images: how many pictures.
        psnr: how many more bits it takes for the same PSNR, in percent; None if it cannot be said.
        ms_ssim: the same for MS-SSIM.
    """

    codec: str
    images: int
    psnr: float | None
    ms_ssim: float | None


def read(path: Path) -> list[Row]:
    """The rows in a file; what a row has beyond what is known here is left out.

    Raises:
        CorpusError: the file is not there, or holds no such rows.
    """
    known = {field.name for field in dataclasses.fields(Row)}
    try:
        found = json.loads(path.read_text("utf-8"))
        return [Row(**{k: v for k, v in row.items() if k in known}) for row in found]
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError):
        raise CorpusError(
            f"{path} holds no rows of images: it has to be a list of objects with codec, q, img, "
            "bytes, bpp, psnr and msssim"
        ) from None


def as_json(rows: Iterable[Row]) -> str:
    """Rows as a file has them, each on a line; what was not measured is left out."""
    lines = []
    for row in rows:
        values: dict[str, Any] = dataclasses.asdict(row)
        kept = {k: v for k, v in values.items() if v is not None or k == "msssim"}
        lines.append(json.dumps(kept))
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def by_codec(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows of each codec, in the order in which they appear."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.codec, []).append(row)
    return found


def whole(rows: Iterable[Row]) -> set[str]:
    """Names of the pictures that rows of one codec have at all its qualities."""
    qualities: dict[str, set[float]] = defaultdict(set)
    for row in rows:
        qualities[row.img].add(row.q)
    every = set().union(*qualities.values()) if qualities else set()
    return {img for img, some in qualities.items() if some == every}


def means(rows: Iterable[Row], images: set[str] | None = None) -> list[Mean]:
    """Of one codec, by quality, the fewest bits first; of those pictures, or of all."""
    groups: dict[float, list[Row]] = defaultdict(list)
    for row in rows:
        if images is None or row.img in images:
            groups[row.q].append(row)
    found = []
    for q, some in groups.items():
        similar = [row.msssim for row in some if row.msssim is not None]
        found.append(
            Mean(
                q,
                len(some),
                _mean([row.bpp for row in some]),
                _mean([row.psnr for row in some]),
                _mean(similar) if len(similar) == len(some) else None,
            )
        )
    return sorted(found, key=lambda mean: mean.bpp)


def decibels(msssim: float) -> float:
    """-10 log10(1 - MS-SSIM), in which equal steps look alike; at most 90.

    Example:
        >>> round(decibels(0.99), 3)
        20.0
    """
    return -10 * math.log10(max(1 - msssim, _LEAST))


def held(rows: Sequence[Row], anchor: str) -> list[Held]:
    """Every other codec against the anchor, the best in PSNR first.

    Raises:
        CorpusError: there are no rows of the anchor.
    """
    of_codec = by_codec(rows)
    if anchor not in of_codec:
        raise CorpusError(f"there are no rows of {anchor} to hold others against")
    theirs = of_codec.pop(anchor)
    found = []
    for codec, own in of_codec.items():
        images = whole(own) & whole(theirs)
        one, other = means(own, images), means(theirs, images)
        found.append(
            Held(
                codec,
                len(images),
                _rate(one, other, lambda mean: mean.psnr),
                _rate(one, other, lambda mean: _similar(mean)),
            )
        )
    return sorted(found, key=lambda held: math.inf if held.psnr is None else held.psnr)


def _rate(
    one: Sequence[Mean], other: Sequence[Mean], quality: Callable[[Mean], float | None]
) -> float | None:
    curves = [
        [(mean.bpp, at) for mean in some if (at := quality(mean)) is not None]
        for some in (one, other)
    ]
    return bd_rate(*curves)


def _similar(mean: Mean) -> float | None:
    return None if mean.msssim is None else decibels(mean.msssim)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
