"""Sizes and ranges as people write and read them: ``16MiB``, ``1k:2k``, ``152,089``.

Binary suffixes are powers of 1024 (KiB, MiB, GiB, or K, M, G alone as in xz and zstd),
``kB``, ``MB`` and ``GB`` powers of 1000.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import click

_UNITS = {
    "": 1,
    "b": 1,
    **{
        f"{prefix}{tail}": 1024**power
        for power, prefix in enumerate("kmgt", 1)
        for tail in ("", "ib")
    },
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", 1)},
}


def parse_size(text: str) -> int:
    """Bytes in `text`.

    Raises:
        ValueError: it is no size.

    Example:
        >>> parse_size("64KiB"), parse_size("1.5M"), parse_size("2kB")
        (65536, 1572864, 2000)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower(), re.ASCII)
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a size: write bytes, or a number with KiB, MiB or GiB")
    number, unit = match[1], _UNITS[match[2]]
    return int(number) * unit if number.isdigit() else int(float(number) * unit)


def parse_range(text: str) -> tuple[int, int | None]:
    """Start and end (None: to the end) of ``A:B``, as Python slices bytes, or ``A:+SIZE``.

    Negative numbers count from the end and stay negative here.

    Raises:
        ValueError: it is no range.

    Example:
        >>> parse_range("1KiB:"), parse_range(":-5"), parse_range("1KiB:+1")
        ((1024, None), (0, -5), (1024, 1025))
    """
    first, colon, last = (part.strip() for part in text.partition(":"))
    if not colon:
        raise ValueError(f"{text!r} is not a range: write START:END, START: or :END")
    start = _signed(first) if first else 0
    if last.startswith("+"):
        end = start + parse_size(last[1:])
        return start, None if start < 0 <= end else end
    return start, _signed(last) if last else None


def _signed(text: str) -> int:
    return -parse_size(text[1:]) if text.startswith("-") else parse_size(text)


def size_between(smallest: int, largest: int = 2**63 - 1) -> Callable[[str], int]:
    """The type of a click option that takes a size within limits."""

    def size(text: str) -> int:
        try:
            value = parse_size(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        if not smallest <= value <= largest:
            limits = f"{readable(smallest)} to {readable(largest)}"
            raise click.BadParameter(f"{text} is out of range: {limits}")
        return value

    return size


def extent(text: str) -> tuple[int, int | None]:
    """The type of a click option that takes a range."""
    try:
        return parse_range(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def readable(size: int) -> str:
    """`size` in the largest unit that keeps it whole: ``1 GiB``, ``1536 KiB``, ``17 bytes``."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power} {unit}"
    return "1 byte" if size == 1 else f"{size:,} bytes"


def saving(raw: int, coded: int, seconds: float) -> str:
    """What compression achieved, in one line.

    Example:
        >>> saving(152089, 36012, 2.11)
        '152,089 -> 36,012 bytes (23.68 %, 1.894 bpb), 2.1 s, 72 kB/s'
    """
    share = f" ({100 * coded / raw:.2f} %, {8 * coded / raw:.3f} bpb)" if raw else ""
    return f"{raw:,} -> {coded:,} bytes{share}, {timing(raw, seconds)}"


def timing(raw: int, seconds: float) -> str:
    """Time, and the speed in raw bytes: ``2.1 s, 72 kB/s``."""
    pace = raw / max(seconds, 1e-9)
    units = ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s"))
    unit, name = next((u for u in units if pace >= u[0]), units[-1])
    digits = 1 if pace / unit < 10 else 0
    return f"{seconds:.1f} s, {pace / unit:.{digits}f} {name}"


def duration(seconds: float) -> str:
    """A time to come, as roughly as it is known.

    Example:
        >>> duration(0.2), duration(95), duration(9000)
        ('about 1 second', 'about 2 minutes', 'about 2.5 hours')
    """
    if seconds < 90:
        number = max(1, round(seconds))
        return f"about {number} second{'s' * (number > 1)}"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:.1f} hours"


def rounded(value: float) -> float:
    """The same with two digits, as far as an estimate is known; an integer stays one.

    Example:
        >>> rounded(1234), rounded(0.0678), rounded(99.9)
        (1200, 0.068, 100.0)
    """
    return type(value)(float(f"{value:.2g}"))


def brief_time(seconds: float) -> str:
    """A time in two digits and the unit that suits it.

    Example:
        >>> brief_time(0.0678), brief_time(12.3), brief_time(99.6), brief_time(6000)
        ('0.068 s', '12 s', '1.7 min', '1.7 h')
    """
    if seconds < 0.001:
        return "0 s"
    for unit, name in ((3600, "h"), (60, "min"), (1, "s")):
        if rounded(seconds) >= 1.5 * unit or unit == 1:
            return f"{rounded(seconds / unit):g} {name}"
    raise AssertionError


def brief_size(count: int) -> str:
    """Bytes in two digits and powers of 1000.

    Example:
        >>> brief_size(38), brief_size(152089), brief_size(999999), brief_size(1_234_000_000)
        ('38 B', '150 kB', '1 MB', '1.2 GB')
    """
    short = rounded(count)
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if short >= unit:
            return f"{short / unit:g} {name}"
    return f"{short:g} B"
