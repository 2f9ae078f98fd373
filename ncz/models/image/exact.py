"""What decides the probabilities of latents, in integers: the same on every machine.

`Integers` is the trained `Predictor` (network.py) with weights of 12 bits, activations of 12 bits
and centres in 64ths of a step. Products are made of integers in binary64, whose sums stay far below
2^53 and are therefore exact in any order; between them stand single additions, products,
floors and comparisons of binary64, each its own step (docs/exactness.md).

A picture's latents are its `Grid`: places by channels, as kernels like them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ncz.codec.jit import jit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

FRACTION = 6
"""Bits of a centre, and of a latent, after the point."""
UNIT = 1 << FRACTION
STEPS = 4
SCALES = 64
LOWEST, HIGHEST = -3.4, 4.4
"""Natural logarithms of the scales that the first and the last index stand for."""
STEP_OF_SCALE = (HIGHEST - LOWEST) / (SCALES - 1)
"""From the logarithm of one scale to the next."""
BETWEEN = 36
"""Qualities from one anchor to the next."""
WEIGHT = 2047
ACTIVATION = 4095
REACH = 511
"""Of a latent and of a centre from zero, in steps."""
LARGEST = 2 * REACH
"""Of a latent's distance from its centre, in steps."""


@dataclass(frozen=True)
class Layer:
    """Weights of a product, and what its sums are multiplied with.

    Args:
        weight: float64 (inputs, outputs), integers within ±2047; for what stands around a place,
            inputs are places by channels.
        scale: float64 (outputs,), with 24 bits.
        offset: float64 (outputs,), of what comes out.
    """

    weight: Floats
    scale: Floats
    offset: Floats

    def of(self, x: Floats) -> Floats:
        """Out of (places, inputs), what comes out before it is cut, (places, outputs)."""
        y = x @ self.weight
        y *= self.scale
        y += self.offset
        return y

    def activated(self, x: Floats) -> Floats:
        """The same, in integers 0 … 4095."""
        return _cut(self.of(x))


def _cut(y: Floats) -> Floats:
    y += 0.5
    np.floor(y, out=y)
    return np.clip(y, 0, ACTIVATION, out=y)


@dataclass(frozen=True)
class Step:
    """The integers of one of the four steps."""

    told: Layer  # of what the hyperprior says
    known: Layer | None  # of the latents known, at a gain of one; no offset of its own
    around: Ints  # (5, 5, context)
    around_scale: Floats
    around_offset: Floats
    mixed: Layer
    out: tuple[Layer, ...]  # for each place in a 2 x 2 square: the centres, then the scales


@dataclass(frozen=True)
class Integers:
    """All that decides a probability.

    Args:
        order: int64 (2, 2, latents), the step in which a latent is known, by place and channel.
        hyper: float64 (2, anchors, hyper channels): centres in 64ths, and indices of scales in
            64ths, of the hyper latents; integers.
        fine: float64 (1, anchors, hyper channels), integers: what hyper latents are multiplied
            with, in 4096ths.
        up_half, half, up_whole: from hyper latents to features.
        quality: float64 (anchors, features), integers, added to the features.
        gain: float64 (3, qualities), each with 24 bits: how much larger than at a gain of one
            latents are, the inverse, and by how many indices their scales are higher.
        steps: the four.
    """

    order: npt.NDArray[np.int64]
    hyper: Floats
    fine: Floats
    up_half: Layer
    half: Layer
    up_whole: Layer
    quality: Floats
    gain: Floats
    steps: tuple[Step, ...]

    @property
    def latents(self) -> int:
        """Channels of the latents."""
        return self.order.shape[2]

    @property
    def hyper_channels(self) -> int:
        """Channels of the hyper latents."""
        return self.hyper.shape[2]

    @property
    def qualities(self) -> int:
        """How many there are, from 0."""
        return (self.hyper.shape[1] - 1) * BETWEEN + 1

    def hyper_law(self, quality: int) -> tuple[Ints, Ints]:
        """Centres, in 64ths, and indices of scales of the hyper latents' channels."""
        centre, scale = between(self.hyper, quality)
        index = np.clip(np.floor(scale / UNIT + 0.5), 0, SCALES - 1)
        return centre.astype(np.int32), index.astype(np.int32)

    def features(self, hyper: Ints, quality: int) -> Floats:
        """What the hyperprior says.

        Args:
            hyper: (h, w, hyper channels), in 64ths.
            quality: 0 … qualities - 1.

        Returns:
            (4 h, 4 w, features), integers 0 … 4095.
        """
        height, width = hyper.shape[:2]
        x = hyper.reshape(height * width, -1).astype(np.float64)
        x *= between(self.fine, quality)[0] / 4096
        x += 0.5
        np.floor(x, out=x)
        x = unfolded(self.up_half.activated(x), height, width)
        x = self.half.activated(beside(x))
        y = self.up_whole.of(x)
        y = unfolded(y, 2 * height, 2 * width)
        y += between(self.quality[None], quality)[0]
        return _cut(y)

    def law(
        self, index: int, features: Floats, known: Ints, quality: int
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
        """Centres, in 64ths, and indices of scales of the latents of one step.

        Args:
            index: of the step.
            features: (h, w, features).
            known: (h, w, latents) in 64ths, zero where not known.
            quality: 0 … qualities - 1.

        Returns:
            Both (h, w, latents / 4): of those channels of each place that the step is for.
        """
        step = self.steps[index]
        gain, inverse, higher = self.gain[:, quality]
        height, width = known.shape[:2]
        places = height * width
        x = step.told.of(features.reshape(places, -1))
        if step.known is not None:
            seen = step.known.of(known.reshape(places, -1).astype(np.float64))
            seen *= inverse
            x += seen
        near = _cut(x).astype(np.int32).reshape(height, width, -1)
        x = spread(near, step.around).astype(np.float64).reshape(places, -1)
        x *= step.around_scale
        x += step.around_offset
        x = step.mixed.activated(_cut(x)).reshape(height, width, -1)
        mine = self.latents // STEPS
        most = REACH * UNIT
        centres = np.zeros((height, width, mine), np.int16)
        scales = np.zeros((height, width, mine), np.uint8)
        for place, out in enumerate(step.out):
            i, j = divmod(place, 2)
            part = x[i::2, j::2]
            if not part.size:
                continue
            y = out.of(part.reshape(-1, part.shape[2]))
            y[:, :mine] *= gain
            y[:, mine:] += higher
            y += 0.5
            np.floor(y, out=y)
            shape = (*part.shape[:2], mine)
            centres[i::2, j::2] = np.clip(y[:, :mine], -most, most).reshape(shape)
            scales[i::2, j::2] = np.clip(y[:, mine:], 0, SCALES - 1).reshape(shape)
        return centres, scales

    def first_channel(self, index: int) -> npt.NDArray[np.int64]:
        """(2, 2): where the channels begin that a step is for, by place."""
        mine = self.order == index
        return np.argmax(mine, axis=2).astype(np.int64)


def between(table: Floats, quality: int) -> Floats:
    """Rows of (n, anchors, channels) at a quality: (n, channels), integers."""
    anchor, part = divmod(quality, BETWEEN)
    if not part:
        return table[:, anchor].copy()
    mixed = table[:, anchor] * (BETWEEN - part) + table[:, anchor + 1] * part
    return np.floor(mixed / BETWEEN + 0.5)


def unfolded(x: Floats, height: int, width: int) -> Floats:
    """(height * width, 4 c) to (2 height, 2 width, c), as torch's pixel_shuffle does."""
    parts = x.reshape(height, width, -1, 2, 2)
    whole = parts.transpose(0, 3, 1, 4, 2)
    return np.ascontiguousarray(whole).reshape(2 * height, 2 * width, -1)


def beside(x: Floats) -> Floats:
    """(h, w, c) to (h * w, 9 c): of each place the 3 x 3 about it, zeros outside."""
    height, width = x.shape[:2]
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    parts = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.concatenate(parts, 2).reshape(height * width, -1)


@jit
def spread(x: Ints, weight: Ints) -> Ints:
    """Sums over the 5 x 5 about each place, channel by channel; (h, w, c), zeros outside."""
    height, width, channels = x.shape
    out = np.zeros((height, width, channels), np.int32)
    for i in range(height):
        for a in range(max(i - 2, 0), min(i + 3, height)):
            for j in range(width):
                for b in range(max(j - 2, 0), min(j + 3, width)):
                    for c in range(channels):
                        out[i, j, c] += x[a, b, c] * weight[a - i + 2, b - j + 2, c]
    return out
