"""Size against speed: the picture in which a codec has to earn its place.

Two panels, compressing and decompressing, share the axis of sizes. To the right is faster,
down is smaller; ncz's levels are joined by a line.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ncz.codec.errors import MissingExtra
from ncz.corpora.report import Total

Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels
Point = tuple[Total, float]  # a codec and its speed in kB/s

_OURS, _THEIRS, _INK, _FAINT = "#c2410c", "#64748b", "#1e293b", "#e2e8f0"


def require() -> None:
    """Raises MissingExtra where there is no matplotlib, before any work is done for a plot."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("bench", "the plot")


def draw(totals: Sequence[Total], path: Path) -> None:
    """Draws the picture as a PNG.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    FigureCanvasAgg(figure)
    compress, decompress = figure.subplots(1, 2, sharey=True)
    inward = [(t, t.encode_speed / 1000) for t in totals if t.encode_speed is not None]
    outward = [(t, t.decode_speed / 1000) for t in totals if t.decode_speed is not None]
    _panel(compress, inward, "compressing")
    _panel(decompress, outward, "decompressing")
    compress.set_ylabel("compressed size, bits per byte  (down is better)", color=_INK)
    figure.suptitle(_title(totals), color=_INK, fontsize=13, fontweight="bold")
    figure.draw_without_rendering()  # lays everything out, so that points have their pixels
    figure.set_layout_engine("none")
    _label(compress, inward)
    _label(decompress, outward)
    # No software version in the file: equal numbers should give an equal picture.
    figure.savefig(path, format="png", metadata={"Software": None})


def _title(totals: Sequence[Total]) -> str:
    if not totals:
        return "no codec brought every file back"
    files, size = totals[0].files, totals[0].raw_size / 1e6
    return f"Size against speed, {files} file{'s' if files > 1 else ''}, {size:,.1f} MB"


def _panel(axes: Any, known: Sequence[Point], direction: str) -> None:
    axes.set_xscale("log")
    axes.margins(x=0.14, y=0.12)
    axes.set_title(direction, color=_INK, fontsize=11)
    axes.set_xlabel("kB per processor second, one core  (right is better)", color=_INK)
    axes.grid(which="major", color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, which="both", labelsize=9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    ours = sorted((p for p in known if _is_ours(p[0])), key=lambda p: p[0].codec)
    if ours:
        axes.plot(
            [kilobytes for _, kilobytes in ours],
            [total.bits_per_byte for total, _ in ours],
            color=_OURS,
            linewidth=1.6,
            zorder=2,
        )
    for total, kilobytes in known:
        axes.scatter(
            [kilobytes],
            [total.bits_per_byte],
            s=64 if _is_ours(total) else 36,
            color=_OURS if _is_ours(total) else _THEIRS,
            edgecolor="white",
            linewidth=0.8,
            zorder=3,
        )


def _label(axes: Any, known: Sequence[Point]) -> None:
    """Names every point, on that side of it where the name covers least."""
    dots = [
        axes.transData.transform((kilobytes, total.bits_per_byte)) for total, kilobytes in known
    ]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in dots]
    bounds = axes.get_window_extent().extents
    for i in sorted(range(len(known)), key=lambda i: not _is_ours(known[i][0])):
        total, kilobytes = known[i]
        text = axes.annotate(
            total.codec,
            (kilobytes, total.bits_per_byte),
            xytext=(0, 0),
            textcoords="offset pixels",
            fontsize=9,
            color=_OURS if _is_ours(total) else _INK,
            fontweight="bold" if _is_ours(total) else "normal",
            verticalalignment="bottom",
            zorder=4,
        )
        size = text.get_window_extent()
        options = [
            (offset, _box(dots[i], offset, size.width, size.height))
            for offset in _offsets(size.width, size.height)
        ]
        offset, box = min(
            options,
            key=lambda option: (
                sum(_overlap(option[1], other) for other in taken) + 4 * _outside(option[1], bounds)
            ),
        )
        text.xyann = offset
        taken.append(box)


def _offsets(wide: float, high: float) -> list[tuple[float, float]]:
    """Where a name may stand beside its point, the best looking first, in pixels."""
    right, left, middle = 10.0, -10.0 - wide, -wide / 2
    return [
        (right, -high / 2),
        (left, -high / 2),
        (middle, 9.0),
        (middle, -9.0 - high),
        (right, 6.0),
        (right, -6.0 - high),
        (left, 6.0),
        (left, -6.0 - high),
        (middle, 9.0 + high),
        (middle, -9.0 - 2 * high),
    ]


def _box(dot: tuple[float, float], offset: tuple[float, float], wide: float, high: float) -> Box:
    x, y = dot[0] + offset[0], dot[1] + offset[1]
    return (x, y, x + wide, y + high)


def _outside(box: Box, bounds: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1]) - _overlap(box, bounds)


def _overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)


def _is_ours(total: Total) -> bool:
    return total.codec.startswith("ncz-")
