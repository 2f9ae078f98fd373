"""Exact products of integer matrices, the fastest way that a machine has.

Sums of integers are the same in any order, so a product may be tiled, batched, threaded or
sent to a GPU without changing a bit, as long as no intermediate value is rounded. There are
several ways to have that: int8 with int32 sums; floats, where everything stays below 2^24 in
magnitude and is therefore exact. Which of them really are exact is not taken on trust:
some int8 kernels saturate 16-bit intermediates on processors without dot-product
instructions. Each way is tried on the largest values that can occur before it is used.

An activation has 12 bits. Where a way multiplies bytes or floats, it goes in as two limbs,
``16 · high + low``, stacked one below the other, so that one product does both.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ncz.codec.errors import NczError
from ncz.models.language.panels import columns, multiply, pack, wide

_LIMB = 16  # an activation is _LIMB · high + low, -127 ≤ high ≤ 127 and -8 ≤ low ≤ 7
_FLOAT_TERMS = 1024  # of products of int8: 1024 · 128 · 127 is below 2^24
_PROBE_SHAPES = ((2, 576, 64), (30, 1536, 192), (256, 64, 256), (4, 1, 64), (6, 17, 5), (1, 64, 3))
_SPEED_SHAPE = (96, 576, 1536)
_CLEARLY = 2.0  # so many times faster must a later way be: a busy machine measures badly
_TRIALS = 16  # the best counts: whatever else runs can only slow one down
_LARGEST = 2032  # of an activation, as in :mod:`ncz.models.language.arithmetic`


class Product(Protocol):
    """A way to multiply by a fixed matrix, on tensors of torch on its device if not said."""

    name: str

    def prepare(self, weight: Any) -> Any:
        """What :meth:`by` takes: the int8[outputs, terms] tensor in the way's own form."""

    def by(self, left: Any, prepared: Any) -> Any:
        """int32[rows, outputs]: int16[rows, terms] of 12 bits times the matrix transposed."""


class Panels:
    """Compiled, for the CPU, on numpy's arrays: :mod:`ncz.models.language.panels`."""

    name = "panels"

    def prepare(self, weight: Any) -> tuple[np.ndarray, int]:
        """The matrix in panels, and how many outputs it has."""
        return pack(np.asarray(weight)), weight.shape[0]

    def by(self, left: Any, prepared: tuple[np.ndarray, int]) -> np.ndarray:
        """int32[rows, outputs]."""
        right, outputs = prepared
        whole = np.asarray(left)
        if whole.shape[1] % 2:
            whole = np.pad(whole, ((0, 0), (0, 1)))
        out = np.empty((whole.shape[0], columns(outputs)), np.int32)
        multiply(np.ascontiguousarray(whole), right, out)
        return out[:, :outputs]


class Int8:
    """``torch._int_mm``: int8 with int32 sums, on the CPU and on CUDA."""

    name = "int8"

    def prepare(self, weight: Any) -> Any:
        """The matrix, seen as its transpose and padded where CUDA wants it; and its outputs."""
        outputs = weight.shape[0]
        return (in_eights(weight) if weight.is_cuda else weight).contiguous().t(), outputs

    def by(self, left: Any, prepared: Any) -> Any:
        """int32[rows, outputs]."""
        import torch

        left = limbs(left)
        right, outputs = prepared
        if left.is_cuda:
            return _joined(torch._int_mm(for_cuda(left, right), right)[: len(left), :outputs])
        if left.shape[1] == 1:  # torch 2.13 leaves such a product unwritten
            return _joined(left.int() * right.int())
        return _joined(torch._int_mm(left, right))


class Float32:
    """float32 products over at most some 1,000 terms at a time."""

    name = "float32"

    def prepare(self, weight: Any) -> Any:
        """The matrix as floats, in pieces of few enough terms."""
        return [piece.float().t().contiguous() for piece in weight.split(_FLOAT_TERMS, dim=1)]

    def by(self, left: Any, prepared: Any) -> Any:
        """int32[rows, outputs]."""
        return _by_pieces(limbs(left), prepared, lambda a, b: a.float() @ b)


class BFloat16:
    """bfloat16 products with float32 sums, where the library has them: on CUDA."""

    name = "bfloat16"

    def prepare(self, weight: Any) -> Any:
        """The matrix in bfloat16, which holds every int8, in pieces of few enough terms."""
        import torch

        pieces = weight.split(_FLOAT_TERMS, dim=1)
        return [piece.to(torch.bfloat16).t().contiguous() for piece in pieces]

    def by(self, left: Any, prepared: Any) -> Any:
        """int32[rows, outputs]."""
        import torch

        def multiplied(a: Any, b: Any) -> Any:
            return torch.mm(a.to(torch.bfloat16), b, out_dtype=torch.float32)

        return _by_pieces(limbs(left), prepared, multiplied)


def limbs(left: Any) -> Any:
    """int8[2 rows, terms]: the high limbs of int16[rows, terms] of 12 bits, then the low ones."""
    import torch

    whole = left.int()
    high = (whole + _LIMB // 2) >> 4
    return torch.cat([high, whole - (high << 4)]).to(torch.int8)


def _joined(product: Any) -> Any:
    """int32[rows, outputs] of a product of limbs."""
    high, low = product.chunk(2)
    return high * _LIMB + low


def _by_pieces(left: Any, prepared: Any, multiplied: Callable[[Any, Any], Any]) -> Any:
    """A product of limbs, piece by piece of the terms: each is exact in floats, and their sum."""
    import torch

    total, start = None, 0
    for piece in prepared:
        part = multiplied(left[:, start : start + piece.shape[0]], piece).to(torch.int32)
        total = part if total is None else total + part
        start += piece.shape[0]
    return _joined(total)


WAYS: tuple[Callable[[], Product], ...] = (Int8, BFloat16, Float32)
"""What torch has."""

_asked: str | None = None


def use(name: str | None) -> None:
    """Have the networks that are made from now on multiply that way; None: the fastest.

    For comparing ways, which differ in time alone. Panels are for the CPU, and the plain network
    goes on by the fastest of torch's ways.

    Args:
        name: as a way has it, or ``torch`` for the fastest of torch's.
    """
    global _asked
    _asked = name
    for chosen in (on_cpu, best):
        chosen.cache_clear()


@functools.cache
def batched(device: str) -> Callable[[Any, Any], Any]:
    """How to multiply matrices side by side whose sums stay below 2²⁴, fastest first.

    Both take whole numbers up to 127, of any type, [n, rows, terms] and [n, terms, columns], and
    give float32. Tensor cores take bfloat16 many times as fast as a GPU multiplies float32.
    """
    import torch

    def by_bfloat16(left: Any, right: Any) -> Any:
        return torch.bmm(left.to(torch.bfloat16), right.to(torch.bfloat16), out_dtype=torch.float32)

    def by_float32(left: Any, right: Any) -> Any:
        return torch.bmm(left.float(), right.float())

    if device.startswith("cuda") and _is_exact_batched(by_bfloat16, device):
        return by_bfloat16
    return by_float32


def _is_exact_batched(way: Callable[[Any, Any], Any], device: str) -> bool:
    import torch

    draw = np.random.Generator(np.random.PCG64(2))
    for rows, terms, outputs in ((3, 64, 40), (64, 1024, 64), (9, 1000, 17)):
        left = draw.integers(-127, 128, (2, rows, terms)).astype(np.int8)
        right = draw.integers(-127, 128, (2, terms, outputs)).astype(np.int8)
        left[0], right[0] = 127, 127  # the largest sum, and an odd one beside it
        left[0, :, -1] = 1
        wanted = left.astype(np.float64) @ right.astype(np.float64)
        try:
            got = way(torch.from_numpy(left).to(device), torch.from_numpy(right).to(device))
        except (RuntimeError, NotImplementedError, TypeError):
            return False  # this library has no such product
        if not np.array_equal(got.double().cpu().numpy(), wanted):
            return False
    return True


@functools.cache
def on_cpu() -> Product:
    """The fastest exact way on this processor; where panels are, torch is not even loaded.

    Raises:
        NczError: as for :func:`best`.
    """
    panels = Panels()
    if _asked not in (None, panels.name) or not is_exact(panels):
        return best()
    if _asked or wide() or _seconds(panels, "cpu") < _CLEARLY * _seconds(best(), "cpu"):
        return panels
    return best()


@functools.cache
def best(device: str = "cpu") -> Product:
    """The fastest of torch's ways that is exact on `device`, an earlier one in doubt.

    Raises:
        NczError: none is, which only a broken library can explain, or torch is missing.
    """
    library()
    chosen: Product | None = None
    for way in (make() for make in WAYS):
        if _asked not in (None, "torch", Panels.name, way.name) or not is_exact(way, device):
            continue
        if chosen is None or _seconds(way, device) * _CLEARLY < _seconds(chosen, device):
            chosen = way
    if chosen is None:
        raise NczError(
            f"no matrix product of this torch is exact on {device}; install another build of torch"
        )
    return chosen


def library() -> Any:
    """torch, which takes a second and 200 MB, so that only who needs it asks.

    Raises:
        NczError: it is not installed.
    """
    # Threads that spin while they wait for each other stand still on a machine that is busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import torch
    except ImportError:
        raise NczError(
            "language models need torch on this machine, and it is not installed; "
            "run: pip install torch"
        ) from None
    torch.set_num_threads(1)  # in this thread; ours are as many as there are cores
    return torch


def is_exact(way: Product, device: str = "cpu") -> bool:
    """Whether `way` gives the right integers for the largest values and for random ones."""
    given = _giving(way, device)
    draw = np.random.Generator(np.random.PCG64(1))
    for rows, terms, outputs in _PROBE_SHAPES:
        for largest in (True, False):
            if largest:
                left = np.full((rows, terms), -_LARGEST, np.int16)
                left[::2] = _LARGEST
                left[:, -1] = 1  # an odd sum, so that a float of 24 bits shows it cannot hold it
                right = np.full((outputs, terms), 127, np.int8)
                right[::2] = -127
            else:
                left = draw.integers(-_LARGEST, _LARGEST + 1, (rows, terms)).astype(np.int16)
                right = draw.integers(-127, 128, (outputs, terms)).astype(np.int8)
            wanted = left.astype(np.float64) @ right.T.astype(np.float64)  # far below 2^53
            try:
                got = way.by(given(left), way.prepare(given(right)))
            except (RuntimeError, NotImplementedError, TypeError):
                return False  # this library has no such product for this device
            if not np.array_equal(_taken(got).astype(np.float64), wanted):
                return False
    return True


def _seconds(way: Product, device: str) -> float:
    given = _giving(way, device)
    rows, terms, outputs = _SPEED_SHAPE
    left = given(np.ones((rows, terms), np.int16))
    prepared = way.prepare(given(np.ones((outputs, terms), np.int8)))
    times = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        _taken(way.by(left, prepared))
        times.append(time.perf_counter() - start)
    return min(times)


def _giving(way: Product, device: str) -> Callable[[np.ndarray], Any]:
    """How to hand arrays to a way: as they are, or as tensors."""
    if isinstance(way, Panels) and device == "cpu":
        return lambda array: array
    torch = library()
    return lambda array: torch.from_numpy(array).to(device)


def _taken(result: Any) -> np.ndarray:
    """What came back, as an array."""
    out: np.ndarray = result if isinstance(result, np.ndarray) else result.cpu().numpy()
    return out


def in_eights(weight: Any) -> Any:
    """int8[outputs, terms] with both in eights, as CUDA's product wants them."""
    from torch.nn.functional import pad

    outputs, terms = weight.shape
    return pad(weight, (0, -terms % 8, 0, -outputs % 8))


def for_cuda(left: Any, right: Any) -> Any:
    """int8[rows, terms] in eights of more than 16 rows, and as many terms as `right` has."""
    from torch.nn.functional import pad

    rows, terms = left.shape
    more_rows, more_terms = max(32 - rows, -rows % 8), right.shape[0] - terms
    return pad(left, (0, more_terms, 0, more_rows)) if more_rows or more_terms else left
