"""Colours of cost, for terminals and pages, that tell cheap from dear without telling hues.

Brightness alone says how much: from the background, which is cheapest, away to its opposite
(after ColorBrewer's YlOrBr and PuOr, made for colour-blind readers). Every text has at least
4.5 times the contrast of its background; a test computes both.
"""

from __future__ import annotations

import bisect
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass

EDGES = (0.25, 1.0, 2.0, 4.0, 8.0, 12.0)
"""Bits at which the next class of cost begins; the first class has no colour."""

CHANGES = (-4.0, -1.0, -0.25, 0.25, 1.0, 4.0)
"""Bits saved at which the next class of change begins; the middle one has no colour."""


@dataclass(frozen=True)
class Colour:
    """``#rrggbb`` of a background and of the text on it."""

    behind: str
    text: str


_BLACK, _WHITE = "#111111", "#ffffff"

LIGHT = (
    Colour("#fdeea2", _BLACK),
    Colour("#fdd877", _BLACK),
    Colour("#feba45", _BLACK),
    Colour("#f98f22", _BLACK),
    Colour("#c44a02", _WHITE),
    Colour("#662506", _WHITE),
)
"""On a light background, for all classes of cost but the first."""

DARK = (
    Colour("#33230f", _WHITE),
    Colour("#5a2b08", _WHITE),
    Colour("#8c3404", _WHITE),
    Colour("#c44a02", _WHITE),
    Colour("#fe9929", _BLACK),
    Colour("#fee391", _BLACK),
)
"""The same on a dark one."""

LIGHT_CHANGES = (
    Colour("#a04e05", _WHITE),
    Colour("#f1a340", _BLACK),
    Colour("#fee0b6", _BLACK),
    Colour("#d8daeb", _BLACK),
    Colour("#a79dcc", _BLACK),
    Colour("#542788", _WHITE),
)
"""On a light background, for all classes of change but the middle one: orange costs more."""

DARK_CHANGES = (
    Colour("#fdb863", _BLACK),
    Colour("#a35a05", _WHITE),
    Colour("#4a2c0c", _WHITE),
    Colour("#332a52", _WHITE),
    Colour("#6a55a3", _WHITE),
    Colour("#c9c1ea", _BLACK),
)
"""The same on a dark one."""


def level(bits: float) -> int:
    """The class of a cost, 0 to ``len(EDGES)``."""
    return bisect.bisect_right(EDGES, bits)


def change(saved: float) -> int:
    """The class of bits saved, 0 to ``len(CHANGES)``; negative where more was paid."""
    return bisect.bisect_right(CHANGES, saved)


def labels(edges: tuple[float, ...]) -> list[str]:
    """What each class is called: ``< 0.25``, ``0.25–1``, …, ``≥ 12``."""
    pairs = itertools.pairwise(edges)
    inner = [f"{a:g}–{b:g}" if a >= 0 else f"{a:g} to {b:g}" for a, b in pairs]
    return [f"< {edges[0]:g}", *inner, f"≥ {edges[-1]:g}"]


class Painter:
    """Writes text on the background of a class of cost, as a terminal understands it.

    Args:
        environment: of the process; COLORTERM says whether the terminal knows all colours, and
            COLORFGBG, where it is set, whether it is light.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        exact = environment.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        light = environment.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
        form = _exact if exact else _indexed
        self._starts = [""] + [
            f"\x1b[{form(48, colour.behind)};{form(38, colour.text)}m"
            for colour in (LIGHT if light else DARK)
        ]

    def paint(self, text: str, number: int) -> str:
        """`text`, which has no line's end, in the colours of class `number`."""
        start = self._starts[number]
        return f"{start}{text}\x1b[0m" if start else text


def wanted(asked: bool | None, terminal: bool) -> bool:
    """Whether to use colours.

    Args:
        asked: what the command line says, None for nothing.
        terminal: whether a person sees the output.
    """
    if asked is not None:
        return asked
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _exact(which: int, colour: str) -> str:
    red, green, blue = _rgb(colour)
    return f"{which};2;{red};{green};{blue}"


def _indexed(which: int, colour: str) -> str:
    """The nearest of the 216 colours of xterm's cube, whose steps are 0, 95, 135, … 255."""
    steps = (0, 95, 135, 175, 215, 255)
    red, green, blue = (min(range(6), key=lambda k: abs(steps[k] - c)) for c in _rgb(colour))
    return f"{which};5;{16 + 36 * red + 6 * green + blue}"
