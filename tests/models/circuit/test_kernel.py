"""What the kernel promises of its numbers, at the extremes of what a circuit can be."""

from __future__ import annotations

import numpy as np
import pytest

from ncz.models.circuit import kernel
from tests.models.circuit import making

FULL = (1 << kernel.EDGE_BITS) - 1
SIZES = [1, 2, 3, 128, pytest.param(1024, marks=pytest.mark.slow)]


def edges(size: int) -> dict[str, np.ndarray]:
    """Rows as a file's may be: none adds up to more than 2^15 - 1."""
    one = np.zeros((size, size), np.uint16)
    one[:, 0] = FULL
    return {
        "all-to-one": one,
        "each-to-itself": (np.eye(size) * FULL).astype(np.uint16),
        "even": np.full((size, size), FULL // size, np.uint16),
        "nothing": np.zeros((size, size), np.uint16),
    }


def vectors(size: int, most: int) -> dict[str, np.ndarray]:
    first = np.zeros(size, np.int32)
    first[0] = most
    last = first[::-1].copy()
    return {
        "all": np.full(size, most, np.int32),
        "first": first,
        "last": last,
        "least": np.ones(size, np.int32),
        "nothing": np.zeros(size, np.int32),
    }


@pytest.mark.parametrize("size", SIZES)
def test_up(size: int) -> None:
    room = np.zeros(size, np.int64)
    for edge in edges(size).values():
        for inside in vectors(size, FULL).values():
            for start in vectors(size, FULL).values():
                above = start.copy()
                kernel._go_up(edge, inside, above, room)
                sums = edge.astype(object) @ inside.astype(object)
                both = [int(one) * int(a) for one, a in zip(sums, start, strict=True)]
                if not any(both):
                    assert (above == FULL).all()
                    continue
                shift = max(both).bit_length() - 15
                assert above.tolist() == [
                    one >> shift if shift >= 0 else one << -shift for one in both
                ]
                assert 1 << 14 <= int(above.max()) <= FULL


def outsides(size: int) -> dict[str, np.ndarray]:
    """Such as a root and an edge give: they add up to about 2^20 and not much more."""
    most = 1 << 20
    found = vectors(size, most)
    found["all"] = np.full(size, most // size, np.int32)
    return found


@pytest.mark.parametrize("size", SIZES)
def test_belief_and_down(size: int) -> None:
    belief, outside = np.zeros(size, np.int32), np.zeros(size, np.int32)
    for above in outsides(size).values():
        for inside in vectors(size, FULL).values():
            kernel._belief(above, inside, belief)
            parts = [int(a) * int(b) for a, b in zip(above, inside, strict=True)]
            if any(parts):
                scale = (1 << 46) // sum(parts)
                assert belief.tolist() == [(part * scale + (1 << 30)) >> 31 for part in parts]
            else:
                assert (belief == (1 << 15) // size).all()
            assert int(belief.min()) >= 0
            assert int(belief.astype(np.int64).sum()) <= (1 << 15) + size // 2
            for edge in edges(size).values():
                kernel._go_down(edge, belief, outside)
                sums = belief.astype(object) @ edge.astype(object)
                assert all(0 <= int(one) < (1 << 31) - 512 for one in sums)
                assert outside.tolist() == [(int(one) + 512) >> 10 for one in sums]
                assert int(outside.astype(np.int64).sum()) < 1.04 * (1 << 20)


@pytest.mark.parametrize("size", SIZES)
def test_sums_and_bounds(size: int) -> None:
    """The largest sums there are, beside Python's integers."""
    for outside in outsides(size).values():
        largest = np.minimum(outside.astype(np.int64) + outside // 25, 1 << 21).astype(np.int32)
        for share in (1 << 30, (1 << 30) - 1, 1, 0):
            shares = np.full(size, share, np.uint32)
            total = int(kernel._sum(largest, shares))
            assert total == sum(int(one) * share for one in largest) >> 13
            assert total * (1 << 24) < 1 << 63
            if total:
                for count in (1, 2, 257):
                    assert kernel._bound(0, total, 0, count) == 0
                    assert kernel._bound(total, total, count, count) == 1 << 24
                    ends = [int(kernel._bound(total, total, i, count)) for i in range(count)]
                    assert ends == [i + (1 << 24) - count for i in range(count)]


WIDTHS = [2, 3, 255, 1 << 16, (1 << 16) + 1, 100_000, 1 << 32, (1 << 32) + 1, (1 << 63) - 1, 0]


@pytest.mark.parametrize("width", WIDTHS)
def test_numbers(width: int) -> None:
    from ncz.codec.rangecoder import finish_encoder, start_decoder, start_encoder

    whole = width or 1 << 64
    tried = [0, 1, whole // 3, whole // 2, whole - 2, whole - 1]
    values = np.array(tried, np.uint64).view(np.int64)
    state, out = np.zeros(6, np.int64), np.zeros(10_000, np.uint8)
    start_encoder(state)
    for _ in range(200):
        for value in values:
            kernel._encode_number(state, out, value, np.int64(width))
    size = int(finish_encoder(state, out))
    ideal = 200 * len(values) * np.log2(float(whole)) / 8
    assert size <= ideal * 1.003 + 2, "next to nothing goes to what cannot be"
    start_decoder(state, out[:size])
    for _ in range(200):
        for value in values:
            assert int(kernel._decode_number(state, out[:size], np.int64(width))) == int(value)


def test_a_symbol_is_never_impossible() -> None:
    """Whatever is held for impossible takes 24 bits and a little, in place of any number."""
    from ncz.models.circuit import exact, rows

    known = np.arange(6).reshape(3, 2)
    codes = making.codes(known, 2, 1)
    start = codes.leaves.start
    codes.symbols[:] = exact.NOTHING
    codes.symbols[start[:-1]] = 0  # the first symbol of each is certain
    circuit = exact.compiled(codes, b"")
    assert rows.encode(circuit, np.tile(known[:1], (500, 1)), 500)[2:] == b""
    size = len(rows.encode(circuit, np.tile(known[2:], (50, 1)), 50)) - 3
    assert 50 * 2 * 3 * 0.99 <= size <= 50 * 2 * 25 / 8 + 2


@pytest.mark.parametrize("latents", [1, 2, 128])
def test_few_and_many_states(latents: int) -> None:
    from ncz.models.circuit import exact, rows

    dice = np.random.default_rng(latents)
    known = dice.integers(0, 300, (40, 5))
    for power in (0.0, 200.0):
        codes = making.codes(known, latents, 2, power)
        for change in ("none", "eye", "nothing"):
            if change != "none":
                codes.edges[:] = exact.NOTHING
            if change == "eye":
                codes.edges[:, np.arange(latents), np.arange(latents)] = 0
            circuit = exact.compiled(codes, b"")
            coded = rows.encode(circuit, known, 9)
            assert np.array_equal(rows.opened(circuit, coded, 40, 9).read(0, 40), known)
