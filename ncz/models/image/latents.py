"""The latents of a picture: integers, made by rounding, coded, and restored, the same everywhere.

Encoder and decoder walk the same way: hyper latents first, what they say, then four steps, each
of which knows those before. What the walk asks for is whoever holds the latents: the rounding of
a transform's floats, the latents to be coded, or a decoder's bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.codec.jit import compiling, prove
from ncz.models.image import kernel
from ncz.models.image.exact import LARGEST, REACH, SCALES, STEPS, UNIT, Integers, Ints, spread
from ncz.models.image.tables import THRESHOLDS

REVISION = 1
STRIDE, HYPER_STRIDE = 16, 64
LARGEST_SIDE = 1 << 16
"""Of what is coded at once, in pixels."""
_DAMAGED = "the latents of a picture are damaged"

Shorts = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Latents:
    """What stands for the pixels of a picture or a part of one.

    Args:
        height, width: pixels.
        quality: 0 … qualities - 1 of the network.
        hyper: int16 (h, w, channels), distances from their centres; h and w a 64th, rounded up.
        known: int16 (h, w, channels) in 64ths; h and w a 16th, rounded up.
    """

    height: int
    width: int
    quality: int
    hyper: Shorts
    known: Shorts

    def packed(self) -> bytes:
        """All of it, in a form that depends on nothing else."""
        head = bytes([REVISION]) + varint.encode(self.quality)
        head += varint.encode(self.height) + varint.encode(self.width)
        return head + self.hyper.astype("<i2").tobytes() + self.known.astype("<i2").tobytes()

    @classmethod
    def unpacked(cls, data: bytes, integers: Integers) -> Latents:
        """The inverse.

        Raises:
            FormatError: these are no latents of that network.
        """
        height, width, quality, at = head_of(data, integers)
        first, second = shapes(height, width, integers)
        size = 2 * int(np.prod(first)), 2 * int(np.prod(second))
        if len(data) != at + sum(size):
            raise FormatError(_DAMAGED)
        hyper = np.frombuffer(data, "<i2", size[0] // 2, at).astype(np.int16).reshape(first)
        known = np.frombuffer(data, "<i2", size[1] // 2, at + size[0])
        return cls(height, width, quality, hyper, known.astype(np.int16).reshape(second))


def head_of(data: bytes, integers: Integers) -> tuple[int, int, int, int]:
    """Height, width, quality and where the rest begins.

    Raises:
        FormatError: it is damaged.
    """
    if not data or data[0] != REVISION:
        raise FormatError(_DAMAGED)
    try:
        quality, at = varint.decode(data, 1)
        height, at = varint.decode(data, at)
        width, at = varint.decode(data, at)
    except (ValueError, varint.Incomplete):
        raise FormatError(_DAMAGED) from None
    sides = 1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE
    if quality >= integers.qualities or not sides:
        raise FormatError(_DAMAGED)
    return height, width, quality, at


def shapes(
    height: int, width: int, integers: Integers
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Shapes of the hyper latents and the latents of so many pixels."""
    hyper = -(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE), integers.hyper_channels
    known = -(-height // STRIDE), -(-width // STRIDE), integers.latents
    return hyper, known


Found = Callable[[int, Shorts, npt.NDArray[np.uint8], npt.NDArray[np.int64]], Shorts]
"""Given a step, its centres, scales and first channels, the distances (h, w, channels of a step)
of its latents."""


def walk(
    integers: Integers, hyper: Shorts, quality: int, height: int, width: int, found: Found
) -> Shorts:
    """The latents (height, width, channels) in 64ths, as `found` says them step by step."""
    centre, _ = integers.hyper_law(quality)
    features = integers.features(hyper.astype(np.int32) * UNIT + centre, quality)
    features = np.ascontiguousarray(features[:height, :width])
    known = np.zeros((height, width, integers.latents), np.int32)
    most = np.iinfo(np.int16).max  # which only damage reaches
    for index in range(STEPS):
        centres, scales = integers.law(index, features, known, quality)
        firsts = integers.first_channel(index)
        rests = found(index, centres, scales, firsts)
        latents = centres.astype(np.int32) + rests.astype(np.int32) * UNIT
        put(known, latents.clip(-most, most), firsts)
    return known.astype(np.int16)


def put(whole: Ints | Shorts, part: Ints | Shorts, firsts: npt.NDArray[np.int64]) -> None:
    """Puts the channels of a step, by place, where they belong."""
    mine = part.shape[2]
    for i in range(2):
        for j in range(2):
            first = firsts[i, j]
            whole[i::2, j::2, first : first + mine] = part[i::2, j::2]


def taken(whole: npt.NDArray, firsts: npt.NDArray[np.int64], mine: int) -> npt.NDArray:  # type: ignore[type-arg]
    """The channels of a step out of all, by place: the inverse of :func:`put`."""
    part = np.empty((*whole.shape[:2], mine), whole.dtype)
    for i in range(2):
        for j in range(2):
            first = firsts[i, j]
            part[i::2, j::2] = whole[i::2, j::2, first : first + mine]
    return part


def rounded(
    integers: Integers,
    y: npt.NDArray[np.float32],
    z: npt.NDArray[np.float32],
    quality: int,
    size: tuple[int, int],
) -> Latents:
    """Latents near what a transform says, nearer zero where that saves more than it spoils.

    Args:
        integers: of the network.
        y, z: floats (h, w, channels), at least as large as the picture needs.
        quality: 0 … qualities - 1.
        size: height and width of the picture, in pixels.
    """
    _ready()
    first, second = shapes(*size, integers)
    centre, _ = integers.hyper_law(quality)
    hyper = np.rint(z[: first[0], : first[1]] - centre / UNIT)
    hyper = np.clip(hyper, -LARGEST, LARGEST).astype(np.int16)
    wanted = y[: second[0], : second[1]].clip(-REACH, REACH)

    def found(
        index: int, centres: Shorts, scales: npt.NDArray[np.uint8], firsts: npt.NDArray[np.int64]
    ) -> Shorts:
        rest = taken(wanted, firsts, centres.shape[2]) - centres / UNIT
        return kernel.settle(rest.astype(np.float32), scales, THRESHOLDS)

    known = walk(integers, hyper, quality, second[0], second[1], found)
    return Latents(size[0], size[1], quality, hyper, known)


class _Coding:
    """One run of the kernel over hyper latents and four steps, either way."""

    def __init__(
        self, integers: Integers, data: npt.NDArray[np.uint8], writes: bool, counts: bool = False
    ) -> None:
        self.integers, self.data, self.writes = integers, data, writes
        self.hyper_state = kernel.state(integers.hyper_channels, counts)
        shared = {"coder": self.hyper_state.coder, "cost": self.hyper_state.cost}
        self.state = kernel.state(integers.latents)._replace(**shared)
        self.rests: Shorts | None = None
        kernel.begin(self.state, data, writes)

    def hyper(self, values: Shorts, quality: int) -> Shorts:
        """Codes `values`, or finds what has their shape."""
        _, index = self.integers.hyper_law(quality)
        scales = np.broadcast_to(index.astype(np.uint8), values.shape)
        rests = np.zeros_like(values)
        first = np.zeros((1, 1), np.int64)
        kernel.code_step(
            self.hyper_state, self.data, self.writes, values, rests, scales.copy(), first
        )
        return rests

    def step(
        self, values: Shorts | None, scales: npt.NDArray[np.uint8], firsts: npt.NDArray[np.int64]
    ) -> Shorts:
        """Codes the distances `values` of a step, or finds them."""
        shape = (*scales.shape[:2], self.integers.latents)
        if self.rests is None:
            self.rests = np.zeros(shape, np.int16)
        whole = self.rests
        if values is not None:
            whole = np.zeros(shape, np.int16)
            put(whole, values, firsts)
        kernel.code_step(self.state, self.data, self.writes, whole, self.rests, scales, firsts)
        found: Shorts = taken(self.rests, firsts, scales.shape[2])
        return found


def encode(integers: Integers, latents: Latents) -> bytes | None:
    """Coded bytes; None for latents that no rounding makes, which are then kept as they are."""
    found = _encoded(integers, latents, False)
    return None if found is None else found[0]


def estimate(integers: Integers, latents: Latents) -> float:
    """Bits that latents made by rounding take, by the probabilities of their decisions alone."""
    found = _encoded(integers, latents, True)
    assert found is not None, "made by rounding"
    return found[1]


def _encoded(integers: Integers, latents: Latents, counts: bool) -> tuple[bytes, float] | None:
    data = np.zeros(1024 + 2 * (latents.hyper.size + latents.known.size), np.uint8)
    right = bool((np.abs(latents.hyper.astype(np.int32)) <= LARGEST).all())
    _ready()
    coding = _Coding(integers, data, True, counts)
    coding.hyper(latents.hyper, latents.quality)

    def found(
        index: int,
        centres: Shorts,
        scales: npt.NDArray[np.uint8],
        firsts: npt.NDArray[np.int64],
    ) -> Shorts:
        nonlocal right
        rest = taken(latents.known, firsts, centres.shape[2]).astype(np.int32) - centres
        steps = rest // UNIT
        right &= bool((steps * UNIT == rest).all() and (np.abs(steps) <= LARGEST).all())
        right &= not steps[scales < kernel.SILENT].any()
        values = steps.astype(np.int16)
        if right:
            coding.step(values, scales, firsts)
        return values

    height, width = latents.known.shape[:2]
    walk(integers, latents.hyper, latents.quality, height, width, found)
    size = kernel.end(coding.state, data)
    if not right or size > len(data):
        return None
    head = varint.encode(latents.quality)
    head += varint.encode(latents.height) + varint.encode(latents.width)
    cost = float(coding.state.cost[0]) if counts else 0.0
    return bytes([REVISION]) + head + data[:size].tobytes(), cost


def decode(integers: Integers, coded: bytes) -> Latents:
    """The inverse of :func:`encode`; damage that breaks no rule gives other latents.

    Raises:
        FormatError: the head is damaged.
    """
    height, width, quality, at = head_of(coded, integers)
    first, second = shapes(height, width, integers)
    data = np.frombuffer(coded, np.uint8, offset=at) if at < len(coded) else np.zeros(1, np.uint8)
    _ready()
    coding = _Coding(integers, data.copy(), False)
    hyper = coding.hyper(np.zeros(first, np.int16), quality)
    known = walk(
        integers,
        hyper,
        quality,
        second[0],
        second[1],
        lambda index, centres, scales, firsts: coding.step(None, scales, firsts),
    )
    return Latents(height, width, quality, hyper, known)


_PROBE_CODED = (
    "55ec526d01b2798a48d555f2fa709f825ff9800124099335758ff42535c97a0b767287da0035464b2d692132"
    "e99ae935aab857fdf9214dedaf64166499000000000011b7eec70f81d284cf0a6e4428b69b2467d610e77bc0"
    "3a0002676fd1f51bfead03e063b5fb455b659340cdc06f5be9c285ac0b4f422ba2"
)


@functools.cache
def _ready() -> None:
    """Have everything compiled, and see that it computes rightly.

    Raises:
        NczError: compiled code gives other bytes than it must.
    """
    with compiling("the image codec"):
        coded = _probe()
    prove("image codec", coded, bytes.fromhex(_PROBE_CODED))


def _probe() -> bytes:
    """What a few numbers are coded to, after all that is compiled had its part in them."""
    count = 4 * 4 * 8
    mixed = (np.arange(count, dtype=np.int32) * 2654435 % 1009).reshape(4, 4, 8)
    weight = (np.arange(5 * 5 * 8, dtype=np.int32) % 7 - 3).reshape(5, 5, 8)
    spreads = spread(mixed, weight)
    scales = (spreads % SCALES).astype(np.uint8)
    rests = (mixed / np.float32(100) - np.float32(5)).astype(np.float32)
    values = kernel.settle(rests, scales, THRESHOLDS)
    data = np.zeros(1024, np.uint8)
    state, firsts = kernel.state(8), np.zeros((2, 2), np.int64)
    kernel.begin(state, data, True)
    kernel.code_step(state, data, True, values, np.zeros_like(values), scales, firsts)
    return data[: kernel.end(state, data)].tobytes()
