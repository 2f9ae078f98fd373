"""Two pictures in one HTML file that needs nothing else, with a line to move between them.

Both are in the page as their pixels are, without loss. Without scripts they stand one below the
other. The policy is that of :mod:`ncz.cli.page`: nothing but what the page brings along.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ncz.cli.page.parts import cells, filled, own
from ncz.cli.visible import line

if TYPE_CHECKING:
    from ncz.corpora.picture import Picture

_WEBP_SIDE = 16_383  # pixels that WebP has at most on a side; browsers show PNG beyond that
_WEBP_METHOD = 2  # of 6: half the time of 4, and some 2 % larger
_TO_8_BITS = 257  # 65535 / 255


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: of its file.
        picture: what is in it.
    """

    name: str
    picture: Picture


def page(
    first: Side,
    second: Side,
    summary: str,
    measures: Sequence[tuple[str, str]],
    notes: Sequence[str],
) -> str:
    """The page of two pictures of one size.

    Args:
        first: on the left of the line.
        second: on the right.
        summary: a sentence or two.
        measures: what they are called, and what was found.
        notes: sentences about what was left out.
    """
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return filled(
        "beside.html",
        own("beside.css"),
        own("beside.js"),
        first=_name(first),
        second=_name(second),
        summary=escape(summary),
        width=str(first.picture.width),
        height=str(first.picture.height),
        first_data=_address(first.picture),
        second_data=_address(second.picture),
        measures="".join(cells(*measure) for measure in measures),
        files=_file(first) + _file(second),
        notes=f'<ul class="notes">{items}</ul>' if items else "",
    )


def _name(side: Side) -> str:
    return escape(line(side.name.encode("utf-8", "surrogateescape")))


def _file(side: Side) -> str:
    picture = side.picture
    name = line(side.name.encode("utf-8", "surrogateescape"))
    return cells(name, picture.kind, f"{picture.size:,}", f"{picture.bpp:.3f}")


def _address(picture: Picture) -> str:
    """Its pixels as a data URL, as 8 bits."""
    from PIL import Image, features

    pixels = picture.pixels
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + _TO_8_BITS // 2) // _TO_8_BITS).astype(np.uint8)
    image = Image.fromarray(pixels)
    out = io.BytesIO()
    if max(image.size) <= _WEBP_SIDE and features.check("webp"):
        kind = "webp"
        image.save(out, "WEBP", lossless=True, method=_WEBP_METHOD)
    else:
        kind = "png"
        image.save(out, "PNG")
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"
