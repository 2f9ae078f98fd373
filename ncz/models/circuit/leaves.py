"""Which symbols stand for a variable's values.

A variable with few values has a symbol for each. One with many has a symbol for each of some
ranges of them, about equally full in the data; where in its range a value is, is coded as if all
were alike. Where a variable may have any number, there are symbols, too, for what lies between
and beyond the data's values, farther ones for more of them: counters count on, days follow. The
last symbol of each variable is for whatever is left: then the whole value follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MAX_SYMBOLS = 256
_FAR = 1 << 62  # no range is wider
_WIDE = 1 << 20  # values that a variable has to have for the escape to be dear
_BEYOND = 8  # ranges on either side of the data,
_WIDER = 16  # each so many times as wide as the one before it,
_NEXT = 0.25  # and the first this part of what the data spans,
_LEAST_NEXT = 16  # or so many values
_GAPS = 32  # between them, the widest; a symbol takes 16 bytes of a circuit's file and more


@dataclass(frozen=True)
class Leaves:
    """The symbols of all variables, one after another.

    Attributes:
        start: int64[D + 1]; where the symbols of each variable start.
        lows: int64[S]; the least value of each symbol. In order within a variable, but for the
            last of each, which is for all other values.
        widths: int64[S]; how many values it stands for; 0 for all that 64 bits hold.
    """

    start: Ints
    lows: Ints
    widths: Ints

    def __len__(self) -> int:
        return len(self.start) - 1

    def symbols(self, values: Ints) -> tuple[NDArray[np.int32], Ints]:
        """Values as symbols and what is to be known beyond them.

        Args:
            values: int64[N, D].

        Returns:
            int32[N, D] from 0 for each variable, and int64[N, D] from 0 below the widths.

        Raises:
            ValueError: a value is outside of what its variable's last symbol stands for.
        """
        symbols = np.empty(values.shape, np.int32)
        extra = np.empty(values.shape, np.int64)
        for column in range(values.shape[1]):
            first, last = int(self.start[column]), int(self.start[column + 1]) - 1
            value = np.ascontiguousarray(values[:, column])
            lows, widths = self.lows[first:last], self.widths[first:last]
            found = np.searchsorted(lows, value, "right") - 1
            inside = found >= 0
            if len(lows):
                at = np.maximum(found, 0)
                # Of unsigned, lest the distance of far values overflows.
                beyond = value.view(np.uint64) - lows[at].view(np.uint64)
                inside &= beyond < widths[at].view(np.uint64)
            symbol = np.where(inside, found, last - first)
            rest = value - self.lows[first + symbol]
            width = int(self.widths[last])
            if width and ((rest < 0) | (rest >= self.widths[first + symbol])).any():
                raise ValueError(f"variable {column} has values outside of its type")
            symbols[:, column] = symbol
            extra[:, column] = rest
        return symbols, extra

    def values(self, symbols: NDArray[np.int32], extra: Ints) -> Ints:
        """What :meth:`symbols` was given."""
        low = self.lows[self.start[:-1] + symbols]
        return low + extra

    def hold(self, symbols: NDArray[np.int32], extra: Ints) -> bool:
        """Whether all of `extra` are below the widths."""
        widths = self.widths[self.start[:-1] + symbols]
        return bool(((widths == 0) | ((extra >= 0) & (extra < widths))).all())

    def bits_beyond(self, symbols: NDArray[np.int32]) -> NDArray[np.float64]:
        """What a value takes to be known beyond its symbol, in bits, float64[N, D]."""
        widths = self.widths[self.start[:-1] + symbols].astype(np.float64)
        bits: NDArray[np.float64] = np.log2(np.where(widths == 0, 2.0**64, widths))
        return bits

    def of(self, order: Ints) -> Leaves:
        """Those of the variables in another order."""
        sizes = np.diff(self.start)[order]
        start = np.concatenate([[0], np.cumsum(sizes)])
        take = np.concatenate([np.arange(self.start[one], self.start[one + 1]) for one in order])
        return Leaves(start, self.lows[take], self.widths[take])


def learn(
    values: Ints, domains: list[tuple[int, int]], most: int = MAX_SYMBOLS, ranges: int = 64
) -> Leaves:
    """Symbols for data.

    Args:
        values: int64[N, D], N at least 1.
        domains: the least value that each variable may have, and how many there are from there; 0
            for all that 64 bits hold.
        most: so many values have a symbol each; where there are more, ranges do.
        ranges: how many of them, about.
    """
    lows: list[Ints] = []
    widths: list[Ints] = []
    for column, (least, count) in enumerate(domains):
        known, times = np.unique(values[:, column], return_counts=True)
        if len(known) <= most:
            low, width = known, np.ones(len(known), np.int64)
        else:
            low, width = _ranges(known, times, ranges)
        lows.append(np.append(low, least))
        widths.append(np.append(width, count))
    start = np.concatenate([[0], np.cumsum([len(one) for one in lows])])
    return Leaves(start, np.concatenate(lows), np.concatenate(widths))


def is_wide(domain: tuple[int, int]) -> bool:
    """Whether a variable may have so many values that it pays to be ready for those unseen."""
    return domain[1] == 0 or domain[1] > _WIDE


def reaching(found: Leaves, domains: list[tuple[int, int]], which: list[bool]) -> Leaves:
    """With symbols for what lies between and beyond the values of wide variables.

    Args:
        found: by :func:`learn`.
        domains: as there.
        which: variables whose near values are alike, and that have new ones.
    """
    lows: list[Ints] = []
    widths: list[Ints] = []
    for column, domain in enumerate(domains):
        first, last = int(found.start[column]), int(found.start[column + 1]) - 1
        own = list(
            zip(found.lows[first:last].tolist(), found.widths[first:last].tolist(), strict=True)
        )
        if which[column] and is_wide(domain):
            own = sorted(own + _unseen(own, *domain))
        lows.append(np.array([*(low for low, _ in own), found.lows[last]], np.int64))
        widths.append(np.array([*(width for _, width in own), found.widths[last]], np.int64))
    start = np.concatenate([[0], np.cumsum([len(one) for one in lows])])
    return Leaves(start, np.concatenate(lows), np.concatenate(widths))


def _unseen(own: list[tuple[int, int]], least: int, count: int) -> list[tuple[int, int]]:
    """Ranges, as low and width, between and beyond those of a variable."""
    room = MAX_SYMBOLS - len(own) - 2 * _BEYOND
    if room < 0 or not own:
        return []
    gaps = [(low + width, after - low - width) for (low, width), (after, _) in pairwise(own)]
    gaps = sorted((gap for gap in gaps if 0 < gap[1] <= _FAR), key=lambda gap: -gap[1])[
        : min(room, _GAPS)
    ]
    low, high = own[0][0], sum(own[-1])
    step = max(_LEAST_NEXT, int(_NEXT * (high - low)))
    least, top = (least, least + count) if count else (-(1 << 63), 1 << 63)
    out = gaps
    for number in range(_BEYOND):
        width = min(step * _WIDER**number, _FAR)
        if high < top:
            out.append((high, min(width, top - high)))
            high += out[-1][1]
        if low > least:
            out.append((max(least, low - width), min(width, low - least)))
            low = out[-1][0]
    return out


def _ranges(known: Ints, times: Ints, count: int) -> tuple[Ints, Ints]:
    share = times.sum() / count
    cuts = np.searchsorted(np.cumsum(times), np.arange(1, count) * share, "left")
    heavy = np.flatnonzero(times > share)
    first = np.unique(np.concatenate([[0], cuts, heavy, heavy + 1]))
    first = first[first < len(known)]
    low, last = _ends(known, first)
    # Of unsigned, lest the distance of far values overflows.
    if (last.view(np.uint64) - low.view(np.uint64) >= _FAR).any():
        first = np.union1d(first, np.searchsorted(known, [-_FAR, 0, _FAR]))
        low, last = _ends(known, first[first < len(known)])
    # A range ends with its last value: between ranges there may be nothing.
    return low, last - low + 1


def _ends(known: Ints, first: Ints) -> tuple[Ints, Ints]:
    return known[first], known[np.append(first[1:], len(known)) - 1]
