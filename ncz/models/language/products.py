"""Exact products of integer matrices, the fastest way that a machine has.

Sums of integers are the same in any order, so a product may be tiled, batched, threaded or
sent to a GPU without changing a bit, as long as no intermediate value is rounded. There are
several ways to have that: int8 with int32 sums; floats, where everything stays below 2^24 in
magnitude and is therefore exact. Which of them really are exact is not taken on trust:
some int8 kernels saturate 16-bit intermediates on processors without dot-product
instructions. Each way is tried on the largest values that can occur before it is used.

An activation has 12 bits. It enters as two int8 limbs, ``16 · high + low``, stacked one
below the other, so that one product does both.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ncz.codec.errors import NczError

_FLOAT_TERMS = 1024  # of products of int8: 1024 · 128 · 127 is below 2^24
# Rows, terms, outputs. Attention multiplies by as many keys as there are, odd numbers included.
_PROBE_SHAPES = ((2, 576, 64), (64, 1536, 192), (256, 64, 256), (4, 1, 64), (6, 17, 64), (1, 64, 3))
_SPEED_SHAPE = (64, 576, 1536)
_CLEARLY = 2.0  # so many times faster must a later way be: a busy machine measures badly
_TRIALS = 16  # the best counts: whatever else runs can only slow one down


class Product(Protocol):
    """A way to multiply by a fixed matrix. Tensors are torch's, on the device of the way."""

    name: str
    splits: bool
    """Whether its parts are best shared out among threads of our own, one thread each: those of a
    library wait for each other by spinning, and stand still where another process runs."""

    def prepare(self, weight: Any) -> Any:
        """What :meth:`by` takes: the int8[outputs, terms] tensor in the way's own form."""

    def by(self, left: Any, prepared: Any, out: Any = None) -> Any:
        """int32[rows, outputs], `out` if given: int8[rows, terms] times the matrix transposed."""


class Int8:
    """``torch._int_mm``: int8 with int32 sums, on the CPU and on CUDA."""

    name = "int8"
    splits = True

    def prepare(self, weight: Any) -> Any:
        """The matrix as it is, seen as its transpose."""
        return weight.contiguous().t()

    def by(self, left: Any, prepared: Any, out: Any = None) -> Any:
        """int32[rows, outputs]."""
        import torch

        if left.is_cuda:
            return _padded_int_mm(left, prepared)
        if left.shape[1] == 1:  # torch 2.13 leaves such a product unwritten
            return torch.mul(left.int(), prepared.int(), out=out)
        return torch._int_mm(left, prepared, out=out)


class Float32:
    """float32 products over at most some 1,000 terms at a time."""

    name = "float32"
    splits = False

    def prepare(self, weight: Any) -> Any:
        """The matrix as floats, in pieces of few enough terms."""
        return [piece.float().t().contiguous() for piece in weight.split(_FLOAT_TERMS, dim=1)]

    def by(self, left: Any, prepared: Any, out: Any = None) -> Any:
        """int32[rows, outputs]."""
        import torch

        total, start = None, 0
        for piece in prepared:
            part = left[:, start : start + piece.shape[0]].float() @ piece
            total = part.to(torch.int32) if total is None else total + part.to(torch.int32)
            start += piece.shape[0]
        return total if out is None else out.copy_(total)


class BFloat16(Float32):
    """bfloat16 products with float32 sums, where the library has them: on CUDA."""

    name = "bfloat16"

    def prepare(self, weight: Any) -> Any:
        """The matrix in bfloat16, which holds every int8, in pieces of few enough terms."""
        import torch

        pieces = weight.split(_FLOAT_TERMS, dim=1)
        return [piece.to(torch.bfloat16).t().contiguous() for piece in pieces]

    def by(self, left: Any, prepared: Any, out: Any = None) -> Any:
        """int32[rows, outputs]."""
        import torch

        total, start = None, 0
        for piece in prepared:
            columns = left[:, start : start + piece.shape[0]].to(torch.bfloat16)
            part = torch.mm(columns, piece, out_dtype=torch.float32).to(torch.int32)
            total = part if total is None else total + part
            start += piece.shape[0]
        return total if out is None else out.copy_(total)


WAYS: tuple[Callable[[], Product], ...] = (Int8, BFloat16, Float32)


@functools.cache
def best(device: str = "cpu") -> Product:
    """The fastest way on `device` that is exact there, an earlier one of :data:`WAYS` in doubt.

    Raises:
        NczError: none is, which only a broken library can explain.
    """
    chosen: Product | None = None
    for way in (make() for make in WAYS):
        if not is_exact(way, device):
            continue
        if chosen is None or _seconds(way, device) * _CLEARLY < _seconds(chosen, device):
            chosen = way
    if chosen is None:
        raise NczError(
            f"no matrix product of this torch is exact on {device}; install another build of torch"
        )
    return chosen


def is_exact(way: Product, device: str = "cpu") -> bool:
    """Whether `way` gives the right integers for the largest values and for random ones."""
    import torch

    draw = np.random.Generator(np.random.PCG64(1))
    for rows, terms, outputs in _PROBE_SHAPES:
        for largest in (True, False):
            if largest:
                left = np.full((rows, terms), -128, np.int8)
                left[::2] = 127
                right = np.full((outputs, terms), 127, np.int8)
                right[::2] = -127
            else:
                left = draw.integers(-128, 128, (rows, terms)).astype(np.int8)
                right = draw.integers(-127, 128, (outputs, terms)).astype(np.int8)
            wanted = left.astype(np.float64) @ right.T.astype(np.float64)  # far below 2^53
            try:
                prepared = way.prepare(torch.from_numpy(right).to(device))
                got = way.by(torch.from_numpy(left).to(device), prepared)
            except (RuntimeError, NotImplementedError, TypeError):
                return False  # this library has no such product for this device
            if not np.array_equal(got.cpu().numpy().astype(np.float64), wanted):
                return False
    return True


def _seconds(way: Product, device: str) -> float:
    import torch

    rows, terms, outputs = _SPEED_SHAPE
    left = torch.ones((rows, terms), dtype=torch.int8, device=device)
    prepared = way.prepare(torch.ones((outputs, terms), dtype=torch.int8, device=device))
    times = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        way.by(left, prepared).cpu()
        times.append(time.perf_counter() - start)
    return min(times)


def _padded_int_mm(left: Any, right: Any) -> Any:
    """CUDA's product wants more than 16 rows, and terms and outputs in eights."""
    import torch
    from torch.nn.functional import pad

    rows, terms = left.shape
    outputs = right.shape[1]
    more_rows, more_terms, more_outputs = max(32 - rows, -rows % 8), -terms % 8, -outputs % 8
    if more_rows or more_terms:
        left = pad(left, (0, more_terms, 0, more_rows))
    if more_terms or more_outputs:
        right = pad(right.t(), (0, more_terms, 0, more_outputs)).contiguous().t()
    return torch._int_mm(left, right)[:rows, :outputs]
