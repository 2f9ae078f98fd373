"""Products of int16 rows by an int8 matrix, compiled: the sums behind everything the engine does.

The matrix lies in panels of :data:`LANES` outputs, its terms in pairs: what one vector
instruction multiplies lies side by side. Processors multiply pairs of 16-bit numbers and add
both in one step, so a 12-bit activation goes in whole. A panel is read once for up to 24 rows
and is then still at hand for more, which is why a few rows cost hardly more than one: they wait
for the memory, not for each other.

Sums are of integers and stay below 2³¹ (:data:`ncz.models.language.exact.WIDEST`), so neither
their order nor the vectors' width can change them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from ncz.codec.jit import jit

LANES = 16
"""Outputs of a panel."""

_BESIDE = 2  # panels that lie side by side in a matrix: a pair of all their outputs is 64 bytes

_BYTE, _SHORT, _INT = (ir.IntType(bits) for bits in (8, 16, 32))
_SUMS = ir.VectorType(_INT, LANES)
_PAIRS = ir.VectorType(_SHORT, 2 * LANES)
_WEIGHTS = ir.VectorType(_BYTE, 2 * LANES)


def pack(matrix: np.ndarray) -> np.ndarray:
    """int8[outputs, terms] as int8[blocks, pairs, panels, LANES, 2]; what is lacking is 0."""
    outputs, terms = matrix.shape
    wide, pairs = columns(outputs), -(-terms // 2)
    if (wide, pairs * 2) != matrix.shape:
        whole = np.zeros((wide, pairs * 2), np.int8)
        whole[:outputs, :terms] = matrix
        matrix = whole
    split = matrix.reshape(-1, _BESIDE, LANES, pairs, 2)
    return np.ascontiguousarray(split.transpose(0, 3, 1, 2, 4))


def columns(outputs: int) -> int:
    """How many columns a product by such a matrix has: whole blocks of them."""
    block = _BESIDE * LANES
    return -(-outputs // block) * block


def wide() -> bool:
    """Whether this processor has the instructions that panels are made for, and no better ones.

    Those are units for products of whole tiles, which libraries know how to use.
    """
    has = features().split(",")
    return "+avx2" in has and "+amx-int8" not in has


def features() -> str:
    """What the compiler may use, as numba has it: a user may have told it to leave some alone."""
    asked: str | None = numba.config.CPU_FEATURES  # type: ignore[attr-defined]
    return str(get_host_cpu_features()) if asked is None else asked


def _summed_pairs(builder: Any, a: Any, b: Any) -> Any:
    """<32 x i16> times <32 x i16>, neighbours' products summed: <16 x i32>."""
    has = features().split(",")
    if "+avx512bw" in has:
        name, parts = "llvm.x86.avx512.pmaddw.d.512", 1
    elif "+avx2" in has:
        name, parts = "llvm.x86.avx2.pmadd.wd", 2
    else:
        return _summed_anywhere(builder, a, b)
    half, sums = ir.VectorType(_SHORT, 2 * LANES // parts), ir.VectorType(_INT, LANES // parts)
    multiply = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(sums, (half, half)), name
    )
    if parts == 1:
        return builder.call(multiply, (a, b))

    def piece(vector: Any, k: int) -> Any:
        return _chosen(builder, vector, list(range(LANES * k, LANES * (k + 1))))

    low, high = (builder.call(multiply, (piece(a, k), piece(b, k))) for k in range(2))
    return builder.shuffle_vector(low, high, _numbers(list(range(LANES))))


def _summed_anywhere(builder: Any, a: Any, b: Any) -> Any:
    """The same in the compiler's own terms, for any processor."""
    sums = []
    for first in (0, 1):
        every_other = list(range(first, 2 * LANES, 2))
        some = [builder.sext(_chosen(builder, v, every_other), _SUMS) for v in (a, b)]
        sums.append(builder.mul(*some))
    return builder.add(*sums)


def _prefetch(builder: Any, at: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), (at.type, _INT, _INT, _INT))
    fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(fetch, (at, *(ir.Constant(_INT, n) for n in (0, 3, 1))))


def _numbers(values: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INT, len(values)), values)


def _chosen(builder: Any, vector: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), _numbers(lanes))


def _start(context: Any, builder: Any, kind: Any, array: Any, at: Any, element: Any) -> Any:
    """A pointer to element `at` of an array."""
    from numba.np.arrayobj import make_array

    data = make_array(kind)(context, builder, array).data
    return builder.gep(builder.bitcast(data, element.as_pointer()), [at])


# Rows and panels whose sums are in registers together. Of 32 there, 24 sums leave enough for the
# rest; with fewer than 8, each waits for its own last step.
_ROWS = (24, 20, 16, 12, 8, 4, 3, 2, 1)
_PANELS = {24: (1,), 20: (1,), 16: (1,), 12: (1, 2), 8: (1, 2)} | dict.fromkeys(
    range(1, 5), (1, 2, 4)
)


@intrinsic
def _sums_of(
    typing_context: Any,
    rows: Any,
    panels: Any,
    left: Any,
    left_at: Any,
    left_step: Any,
    right: Any,
    right_at: Any,
    panel_step: Any,
    pair_step: Any,
    pairs: Any,
    out: Any,
    out_at: Any,
    out_step: Any,
) -> Any:
    """As :func:`times`, for numbers of rows and panels that stand in :data:`_PANELS`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        rows, panels, _, left_at, left_step, _, right_at, *steps, _, out_at, out_step = arguments
        first = _start(context, builder, kinds[2], arguments[2], left_at, _SHORT)
        matrix = _start(context, builder, kinds[5], arguments[5], right_at, _BYTE)
        into = _start(context, builder, kinds[10], arguments[10], out_at, _INT)
        end = builder.append_basic_block("summed")
        which = builder.add(builder.mul(rows, rows.type(_CASE)), panels)
        switch = builder.switch(which, end)
        for n, choices in _PANELS.items():
            for m in choices:
                case = builder.append_basic_block(f"{n} rows, {m} panels")
                switch.add_case(rows.type(n * _CASE + m), case)
                builder.position_at_end(case)
                _case(builder, n, m, first, left_step, matrix, steps, into, out_step)
                builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    i = types.int64
    return types.void(i, i, left, i, i, right, i, i, i, i, out, i, i), generate


_CASE = 8  # more than panels at once
_AHEAD = 8192  # bytes: what is multiplied next is fetched while the processor still multiplies
_sums: Any = _sums_of


def _case(
    builder: Any,
    rows: int,
    panels: int,
    first: Any,
    left_step: Any,
    matrix: Any,
    steps: list[Any],
    into: Any,
    out_step: Any,
) -> None:
    """Write the code for so many rows and panels."""
    panel_step, pair_step, pairs = steps

    def place(begin: Any, step: Any, k: int, kind: Any) -> Any:
        at = builder.mul(step, step.type(k))
        return builder.bitcast(builder.gep(begin, [at]), kind.as_pointer())

    activations = [place(first, left_step, k, _INT) for k in range(rows)]
    starts = [place(matrix, panel_step, k, _BYTE) for k in range(panels)]
    zero = ir.Constant(_SUMS, None)
    totals = [
        [cgutils.alloca_once_value(builder, zero) for _ in range(panels)] for _ in range(rows)
    ]
    for of_row in totals:
        for total in of_row:
            builder.store(zero, total)
    with cgutils.for_range(builder, pairs) as loop:
        at = builder.mul(loop.index, pair_step)
        weights = []
        for start in starts:
            both = builder.load(builder.bitcast(builder.gep(start, [at]), _WEIGHTS.as_pointer()))
            both.align = 1
            weights.append(builder.sext(both, _PAIRS))
        for line in range(max(1, panels // 2)):
            # Panels lie side by side or one after the other: their bytes are next to each other.
            step = at if panels == 1 else builder.mul(loop.index, pairs.type(2 * LANES * panels))
            ahead = builder.gep(builder.gep(starts[0], [step]), [_INT(_AHEAD + 64 * line)])
            _prefetch(builder, ahead)
        for row, of_row in zip(activations, totals, strict=True):
            pair = builder.load(builder.gep(row, [loop.index]))
            pair.align = 2
            one = builder.insert_element(zero, pair, _INT(0))
            all_lanes = builder.bitcast(_chosen(builder, one, [0] * LANES), _PAIRS)
            for panel, total in zip(weights, of_row, strict=True):
                products = _summed_pairs(builder, panel, all_lanes)
                builder.store(builder.add(builder.load(total), products), total)
    for k, of_row in enumerate(totals):
        row = place(into, out_step, k, _INT)
        for panel, total in enumerate(of_row):
            at = builder.bitcast(builder.gep(row, [_INT(LANES * panel)]), _SUMS.as_pointer())
            written = builder.store(builder.load(total), at)
            written.align = 4


@jit
def times(
    left: np.ndarray,
    left_at: int,
    left_step: int,
    rows: int,
    right: np.ndarray,
    right_at: int,
    panels: int,
    panel_step: int,
    pair_step: int,
    pairs: int,
    out: np.ndarray,
    out_at: int,
    out_step: int,
) -> None:
    """Sums of some rows with some panels: :data:`LANES` numbers for each.

    Args:
        left: int16, any shape in one piece; rows begin at `left_at` and every `left_step` after.
        rows: how many.
        right: int8, any shape; panels begin at `right_at` and every `panel_step` after.
        panels: how many.
        pair_step: from one pair of terms of all :data:`LANES` outputs to the next.
        pairs: of terms.
        out: int32; rows begin at `out_at` and every `out_step` after, panels follow each other.
    """
    r = 0
    while r < rows:
        a, o = left_at + r * left_step, out_at + r * out_step
        take = _rows_at_once(rows - r)
        p = 0
        while p < panels:
            some = 1
            if take < 16 and panels - p >= 2:
                some = 4 if take < 8 and panels - p >= 4 else 2
            _sums(
                take,
                some,
                left,
                a,
                left_step,
                right,
                right_at + p * panel_step,
                panel_step,
                pair_step,
                pairs,
                out,
                o + p * LANES,
                out_step,
            )
            p += some
        r += take


@jit
def _rows_at_once(rows: int) -> int:
    for most in _ROWS:
        if rows >= most:
            return most
    return 1


@jit
def multiply(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    """A product of few enough rows to stay in a cache while all panels pass.

    Args:
        left: int16[rows, 2 · pairs], magnitudes up to 2,047.
        right: from :func:`pack`.
        out: int32[rows, outputs in whole blocks], written; see :func:`columns`.
    """
    blocks, pairs = right.shape[0], right.shape[1]
    width, both = left.shape[1], 2 * LANES
    for block in range(blocks):
        times(
            left,
            0,
            width,
            left.shape[0],
            right,
            block * pairs * _BESIDE * both,
            _BESIDE,
            both,
            _BESIDE * both,
            pairs,
            out,
            block * _BESIDE * LANES,
            out.shape[1],
        )
