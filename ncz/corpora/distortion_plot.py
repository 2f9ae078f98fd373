"""Rate against distortion as a picture: PSNR and MS-SSIM over bits per pixel, ncz beside its peers.

Up is better, and so is left. Only codecs that were measured on as many pictures as any are drawn:
means over others would lie elsewhere for no reason of the codec's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ncz.corpora import lossy, plot
from ncz.corpora.curves import Mean, Row, by_codec, decibels, means, whole

_INK, _FAINT = "#1e293b", "#e2e8f0"
_OURS = ("#c2410c", "#f59e0b", "#7c2d12", "#fb923c")
_THEIRS = ("#2563eb", "#0f766e", "#7c3aed", "#64748b", "#be185d", "#4d7c0f", "#0891b2", "#a16207")
_MARKS = "osD^vP*X"
_RATES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draws the picture as an SVG; equal rows give equal files.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    plot.require()
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawn = comparable(rows)
    with matplotlib.rc_context({"svg.hashsalt": "ncz", "svg.fonttype": "none"}):
        figure = Figure(figsize=(11, 6.2))
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2)
        _panel(left, drawn, "PSNR, dB", lambda mean: mean.psnr)
        _panel(right, drawn, "MS-SSIM, −10 log₁₀(1 − x) dB", _similar)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=4,
            frameon=False,
            fontsize=9,
            labelcolor=_INK,
        )
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def comparable(rows: Sequence[Row]) -> dict[str, list[Mean]]:
    """Means of the codecs that have as many pictures as any, ours last."""
    of_codec = by_codec(rows)
    counts = {codec: len(whole(own)) for codec, own in of_codec.items()}
    most = max(counts.values(), default=0)
    found = {
        codec: means(own, whole(own)) for codec, own in of_codec.items() if counts[codec] == most
    }
    return dict(sorted(found.items(), key=lambda item: item[0].startswith(lossy.OURS)))


def _similar(mean: Mean) -> float | None:
    return None if mean.msssim is None else decibels(mean.msssim)


def _panel(
    axes: Any, drawn: dict[str, list[Mean]], name: str, quality: Callable[[Mean], float | None]
) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("bits per pixel  (left is better)", color=_INK)
    axes.set_title(f"{name}  (up is better)", color=_INK, fontsize=11)
    axes.grid(which="major", color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, which="both", labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    ours = theirs = 0
    for codec, curve in drawn.items():
        mine = codec.startswith(lossy.OURS)
        points = [(mean.bpp, at) for mean in curve if (at := quality(mean)) is not None]
        number = ours if mine else theirs
        axes.plot(
            [rate for rate, _ in points],
            [at for _, at in points],
            color=(_OURS if mine else _THEIRS)[number % (len(_OURS) if mine else len(_THEIRS))],
            linewidth=2.4 if mine else 1.2,
            marker=_MARKS[number % len(_MARKS)],
            markersize=6 if mine else 4,
            markeredgecolor="white",
            markeredgewidth=0.5,
            zorder=3 if mine else 2,
            label=lossy.about(codec),
        )
        ours, theirs = ours + mine, theirs + (not mine)
    axes.set_xticks(_RATES, [f"{rate:g}" for rate in _RATES])
    axes.minorticks_off()
    rates = [mean.bpp for curve in drawn.values() for mean in curve]
    if rates:
        axes.set_xlim(0.85 * min(rates), 1.15 * max(rates))
