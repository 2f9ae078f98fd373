"""``docs/results-lossless-images.md``: what :mod:`ncz.corpora.pixels` measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ncz.corpora.pixels import FILES, OURS, PIXELS, PLAIN, Row
from ncz.corpora.registry import CorpusError
from ncz.corpora.report import table
from ncz.formats.pixels.coder import PHOTO_CD

AGAINST = ("JPEG XL", "WebP lossless")
"""What others are held against."""

_MOST_NAMED = 32  # pictures of a folder that has a table of each
_HEAD = """\
# Results on images without loss

Written by `make results-lossless-images`, not by hand; {pictures}.
Every file was restored and compared before its size was written. Codecs are given the pixels alone,
ncz as a PAM file; PNG as Pillow optimises it, WebP lossless at quality 100 and method 6, JPEG XL at
effort 7. Sizes of ncz are of the coded block, without the header and the checks of a file, about
100 bytes.
[images.md](images.md#without-loss) says what is done to pictures.

"""
_FILES = """\
## PNG files

The same pictures as the files that they came in, given back byte for byte: what was compressed is
the PNG, whose own compressed stream is made anew. A file whose stream ncz cannot make is coded as
any other content is.

"""
_SPEED = """\
## Speed

Kilobytes of samples for each second of one core ({processor}, {date}). Coding with ncz includes
what is tried beside and not taken.

"""


def page(rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """The document.

    Raises:
        CorpusError: there are no rows of ncz.
    """
    counts = [
        f"{len(ours)} picture{'s' * (len(ours) > 1)} of {group}, "
        f"{sum(row.pixels for row in ours) / 1e6:.1f} megapixels"
        for group, some in _groups(rows).items()
        if (ours := _of(some, PIXELS))
    ]
    speed = _SPEED.format(**machine)
    parts = [
        _HEAD.format(pictures="; ".join(counts)).rstrip(),
        f"## Sizes\n\n{sizes(rows)}",
        _photo_cds(rows),
        f"{_FILES}{_files(rows)}",
        f"{speed}{_speeds(rows)}",
        *(_each(group, some) for group, some in _groups(rows).items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def sizes(rows: Sequence[Row]) -> str:
    """A table of totals, the folders side by side.

    Raises:
        CorpusError: there are no rows of ncz.
    """
    groups = _groups(rows)
    head = [""]
    for group in groups:
        head += [f"{group}: bytes", "bpp", *(f"against {name}, %" for name in AGAINST)]
    lines = []
    for codec in _codecs(rows):
        line = [_named(codec)]
        for some in groups.values():
            mine = _of(some, codec)
            line += _size(mine if len(mine) == len(_of(some, PIXELS)) else [], some)
        own = _of(rows, codec)
        lines.append((sum(row.bytes for row in own) / max(sum(row.pixels for row in own), 1), line))
    return table(head, [line for _, line in sorted(lines)])


def _size(mine: Sequence[Row], some: Sequence[Row]) -> list[str]:
    total, pixels = sum(row.bytes for row in mine), sum(row.pixels for row in mine)
    if not mine:
        return ["–"] * (2 + len(AGAINST))
    line = [f"{total:,}", f"{8 * total / pixels:.3f}"]
    for name in AGAINST:
        other = sum(row.bytes for row in _of(some, name))
        line.append(_percent(total / other - 1) if other else "–")
    return line


def _photo_cds(rows: Sequence[Row]) -> str:
    """What is owed to how pictures were made."""
    said = []
    for group, some in _groups(rows).items():
        ours, plain = _of(some, PIXELS), _of(some, PLAIN)
        total, without = sum(row.bytes for row in ours), sum(row.bytes for row in plain)
        found = sum(row.way == PHOTO_CD for row in ours)
        if not found:
            said.append(f"Of {group}, no picture is one.")
            continue
        if len(plain) < len(ours):
            said.append(f"Of {group}, {found} of {len(ours)} are.")
            continue
        line = (
            f"Of {group}, {found} of {len(ours)} are. With this switched off, they take "
            f"{without:,} bytes for {total:,}"
        )
        other = sum(row.bytes for row in _of(some, AGAINST[0]))
        if other:
            whole, rest = 1 - total / other, 1 - without / other
            line += (
                f": of the {100 * whole:.1f} % that ncz takes less than {AGAINST[0]}, "
                f"{100 * rest:.1f} % are left and {100 * (whole - rest):.1f} % come from how the "
                "scans were made"
            )
        said.append(line + ".")
    body = "\n".join(f"- {line}" for line in said)
    return (
        "## What comes from Photo CDs\n\nPictures that were decoded from a Photo CD hold values "
        "that never were in it, and ncz\ncodes the planes that the disc had "
        f"([images.md](images.md#without-loss)).\n\n{body}"
    )


def _files(rows: Sequence[Row]) -> str:
    lines = []
    for group, some in _groups(rows).items():
        files, pixels = _of(some, FILES), _of(some, PIXELS)
        stored, total = sum(row.stored for row in files), sum(row.bytes for row in files)
        apart = sum(row.way is not None for row in files)
        measured = {row.file for row in files}
        beside = sum(row.bytes for row in pixels if row.file in measured)
        if files:
            lines.append(
                [
                    group,
                    str(len(files)),
                    str(apart),
                    f"{stored:,}",
                    f"{total:,}",
                    _percent(total / stored - 1),
                    _percent(total / beside - 1),
                ]
            )
    head = ["", "files", "coded by their pixels", "bytes", "ncz", "ncz, %", "against pixels, %"]
    return table(head, lines)


def _speeds(rows: Sequence[Row]) -> str:
    lines = []
    for codec in [*_codecs(rows), FILES]:
        own = [row for row in rows if row.codec == codec and (codec != FILES or row.way)]
        if own:
            values = sum(row.values for row in own)
            seconds = (math.fsum(getattr(r, name) for r in own) for name in _CLOCKS)
            speeds = [f"{values / 1000 / max(s, 1e-3):,.0f}" for s in seconds]
            lines.append([_named(codec), *speeds])
    return table(["", "encoding", "decoding"], lines)


_CLOCKS = ("encode_s", "decode_s")


def _each(group: str, rows: Sequence[Row]) -> str:
    files = sorted({row.file for row in rows})
    if len(files) > _MOST_NAMED:
        return ""
    codecs = _codecs(rows)
    found = {codec: {row.file: row for row in _of(rows, codec)} for codec in codecs}
    lines = []
    for file in files:
        line = [file]
        for codec in codecs:
            row = found[codec].get(file)
            line.append(f"{8 * row.bytes / row.pixels:.3f}" if row else "–")
        lines.append(line)
    return f"## {group}, bits per pixel\n\n{table(['', *map(_named, codecs)], lines)}"


def _groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each folder, of the pictures whose pixels every codec has; Kodak and all others by
    name."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.group, []).append(row)
    kept = {}
    for group in sorted(found, key=lambda name: (name != "kodak", name)):
        some = found[group]
        codecs = {row.codec for row in some} - {PLAIN, FILES}
        names = [{row.file for row in some if row.codec == codec} for codec in codecs]
        both = set.intersection(*names) if names else set()
        kept[group] = [row for row in some if row.file in both]
    if not any(row.codec == PIXELS for some in kept.values() for row in some):
        raise CorpusError("there are no rows of ncz; run: python -m ncz.corpora.pixels")
    return kept


def _codecs(rows: Sequence[Row]) -> list[str]:
    """What codes pixels, in the order of the names."""
    peers = sorted({row.codec for row in rows} - set(OURS))
    return [PIXELS, PLAIN, *peers]


def _of(rows: Sequence[Row], codec: str) -> list[Row]:
    """Rows of a codec; where no Photo CD was found, the pixels were coded without."""
    own = [row for row in rows if row.codec == codec]
    if codec == PLAIN:
        own += [row for row in rows if row.codec == PIXELS and row.way != PHOTO_CD]
    return own


def _named(codec: str) -> str:
    return f"**{codec}**" if codec in OURS else codec


def _percent(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")
