"""Small networks over many places, with their gradients, a tile of places at a time.

A decoder fitted to one picture (fitted.py) has a thousand weights and half a million places. Layer
by layer, torch would write and read every hidden value of every place, and memory would be all that
it waits for. Here a tile goes through all layers while it lies in the nearest cache, and what its
gradients need is computed again instead of kept. Floats, in whatever order is quickest: nothing
here is written to a file.

Arrays are float32 and contiguous. Tiles are rows of `TILE` places, of which the first `n` are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

TILE = 128
REACH = 3
"""Rows above, and columns on either side, that a context sees."""

CONTEXT = np.array(
    [
        (0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2),
        (-2, -1), (-2, 1), (-2, -2), (-2, 2), (0, -3), (-3, 0), (-1, -3), (-1, 3),
    ]
)  # fmt: skip
"""The 16 nearest that are decoded before: (rows, columns) from here."""


def _fast(function: Any) -> Any:
    return njit(fastmath=True, nogil=True, cache=True)(function)


@_fast
def _exp(x):  # type: ignore[no-untyped-def]
    """e^x to 1e-6, in steps that a processor does for sixteen at once."""
    x = min(max(x * np.float32(1.44269504), np.float32(-126)), np.float32(126))
    whole = np.floor(x + np.float32(0.5))
    f = x - whole
    p = np.float32(0.00961813) + f * (np.float32(0.00133336) + f * np.float32(0.00015404))
    p = np.float32(0.24022651) + f * (np.float32(0.05550411) + f * p)
    p = np.float32(1) + f * (np.float32(0.69314718) + f * p)
    return p * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@_fast
def _tile(rows):  # type: ignore[no-untyped-def]
    return np.empty((rows, TILE), np.float32)


@_fast
def _product(out, weight, x, n):  # type: ignore[no-untyped-def]
    """out += weight @ x, four inputs at a time: a sum is loaded and stored once for four."""
    for o in range(weight.shape[0]):
        to = out[o]
        k = 0
        while k + 4 <= weight.shape[1]:
            a, b, c, d = weight[o, k], weight[o, k + 1], weight[o, k + 2], weight[o, k + 3]
            xa, xb, xc, xd = x[k], x[k + 1], x[k + 2], x[k + 3]
            for j in range(n):
                to[j] += a * xa[j] + b * xb[j] + c * xc[j] + d * xd[j]
            k += 4
        while k < weight.shape[1]:
            a, xa = weight[o, k], x[k]
            for j in range(n):
                to[j] += a * xa[j]
            k += 1


@_fast
def _outer(out, g, x, n):  # type: ignore[no-untyped-def]
    """out += g @ x.T, four at a time."""
    zero = np.float32(0)
    for o in range(out.shape[0]):
        go = g[o]
        k = 0
        while k + 4 <= out.shape[1]:
            xa, xb, xc, xd = x[k], x[k + 1], x[k + 2], x[k + 3]
            a, b, c, d = zero, zero, zero, zero
            for j in range(n):
                a += go[j] * xa[j]
                b += go[j] * xb[j]
                c += go[j] * xc[j]
                d += go[j] * xd[j]
            out[o, k] += a
            out[o, k + 1] += b
            out[o, k + 2] += c
            out[o, k + 3] += d
            k += 4
        while k < out.shape[1]:
            xa, a = x[k], zero
            for j in range(n):
                a += go[j] * xa[j]
            out[o, k] += a
            k += 1


@_fast
def _start(out, bias, n):  # type: ignore[no-untyped-def]
    for o in range(bias.shape[0]):
        for j in range(n):
            out[o, j] = bias[o]


@_fast
def _positive(x, n):  # type: ignore[no-untyped-def]
    for o in range(x.shape[0]):
        for j in range(n):
            x[o, j] = max(x[o, j], np.float32(0))


@_fast
def _masked(g, x, n):  # type: ignore[no-untyped-def]
    """The gradient before `_positive`."""
    for o in range(x.shape[0]):
        for j in range(n):
            g[o, j] = g[o, j] if x[o, j] > 0 else np.float32(0)


@_fast
def _total(out, g, n):  # type: ignore[no-untyped-def]
    for o in range(out.shape[0]):
        more = np.float32(0)
        for j in range(n):
            more += g[o, j]
        out[o] += more


@_fast
def law(plane, offsets, weights, g, gweights):  # type: ignore[no-untyped-def]
    """What a plane of latents costs by a Laplace law that its neighbours decide, in nats.

    Two hidden layers, and a straight way past them, give a centre and a log scale.

    Args:
        plane: (REACH + h, REACH + w + REACH), latents with zeros around.
        offsets: where the neighbours lie in the flattened plane, from here.
        weights: matrices and biases of three layers, and the matrix of the straight way.
        g: of the plane's shape; its gradient is added here.
        gweights: shaped as `weights`; theirs are added here.
    """
    w1, b1, w2, b2, w3, b3, w4 = weights
    g1, c1, g2, c2, g3, c3, g4 = gweights
    r1, r2, r3, r4 = w1.T.copy(), w2.T.copy(), w3.T.copy(), w4.T.copy()
    stride = plane.shape[1]
    height, width = plane.shape[0] - REACH, plane.shape[1] - 2 * REACH
    flat, gflat = plane.reshape(-1), g.reshape(-1)
    inputs, hidden = offsets.shape[0], b1.shape[0]
    x, gx, y, gy = _tile(inputs), _tile(inputs), _tile(2), _tile(2)
    h1, gh1, h2, gh2 = _tile(hidden), _tile(hidden), _tile(hidden), _tile(hidden)
    mass, past = np.empty(TILE, np.float32), np.empty(TILE, np.float32)
    zero, half, one = np.float32(0), np.float32(0.5), np.float32(1)
    nats = 0.0
    for row in range(height):
        for left in range(0, width, TILE):
            n = min(TILE, width - left)
            at = (row + REACH) * stride + REACH + left
            for k in range(inputs):
                x[k, :n] = flat[at + offsets[k] : at + offsets[k] + n]
            _start(h1, b1, n)
            _product(h1, w1, x, n)
            _positive(h1, n)
            _start(h2, b2, n)
            _product(h2, w2, h1, n)
            _positive(h2, n)
            _start(y, b3, n)
            _product(y, w3, h2, n)
            _product(y, w4, x, n)
            for j in range(n):
                rest = flat[at + j] - y[0, j]
                far = abs(rest)
                inverse = _exp(min(max(-y[1, j], np.float32(-4)), np.float32(5)))
                # Of the ends of a latent's interval. Where both are on one side of the centre, they
                # are divided by e^-past, so that a latent far away keeps its gradient.
                past[j] = max(far - half, zero) * inverse
                inner = _exp(-max(half - far, zero) * inverse)
                outer = _exp(-(min(far, half) + half) * inverse)
                mass[j] = one - half * (inner + outer) if far < half else half * (inner - outer)
                share = half * inverse / mass[j]
                push = share * (inner - outer)
                gy[0, j] = -push if rest > 0 else push
                gy[1, j] = share * ((half - far) * inner + (half + far) * outer)
                gflat[at + j] -= gy[0, j]
            for j in range(n):
                nats += past[j] - np.log(mass[j])
            _total(c3, gy, n)
            _outer(g3, gy, h2, n)
            _outer(g4, gy, x, n)
            gh2[:] = 0
            _product(gh2, r3, gy, n)
            _masked(gh2, h2, n)
            _total(c2, gh2, n)
            _outer(g2, gh2, h1, n)
            gh1[:] = 0
            _product(gh1, r2, gh2, n)
            _masked(gh1, h1, n)
            _total(c1, gh1, n)
            _outer(g1, gh1, x, n)
            gx[:] = 0
            _product(gx, r1, gh1, n)
            _product(gx, r4, gy, n)
            for k in range(inputs):
                to, more = gflat[at + offsets[k] : at + offsets[k] + n], gx[k]
                for j in range(n):
                    to[j] += more[j]
    return nats


@_fast
def mix(x, weights, out):  # type: ignore[no-untyped-def]
    """A hidden layer, and a straight way past it, of each place.

    Args:
        x: (inputs, places).
        weights: matrices and biases of two layers, and the matrix of the straight way.
        out: (outputs, places); written.
    """
    w1, b1, w2, b2, w3 = weights
    here, h, to = _tile(x.shape[0]), _tile(b1.shape[0]), _tile(b2.shape[0])
    for at in range(0, x.shape[1], TILE):
        n = min(TILE, x.shape[1] - at)
        here[:, :n] = x[:, at : at + n]
        _start(h, b1, n)
        _product(h, w1, here, n)
        _positive(h, n)
        _start(to, b2, n)
        _product(to, w2, h, n)
        _product(to, w3, here, n)
        out[:, at : at + n] = to[:, :n]


@_fast
def mix_back(x, weights, g, gx, gweights):  # type: ignore[no-untyped-def]
    """Gradients of `mix`: `g` of what came out; `gx` is written, `gweights` are added to."""
    w1, b1, w2, _, w3 = weights
    g1, c1, g2, c2, g3 = gweights
    r1, r2, r3 = w1.T.copy(), w2.T.copy(), w3.T.copy()
    here, to, g_here = _tile(x.shape[0]), _tile(x.shape[0]), _tile(g.shape[0])
    h, gh = _tile(b1.shape[0]), _tile(b1.shape[0])
    for at in range(0, x.shape[1], TILE):
        n = min(TILE, x.shape[1] - at)
        here[:, :n] = x[:, at : at + n]
        g_here[:, :n] = g[:, at : at + n]
        _start(h, b1, n)
        _product(h, w1, here, n)
        _positive(h, n)
        _total(c2, g_here, n)
        _outer(g2, g_here, h, n)
        _outer(g3, g_here, here, n)
        gh[:] = 0
        _product(gh, r2, g_here, n)
        _masked(gh, h, n)
        _total(c1, gh, n)
        _outer(g1, gh, here, n)
        to[:] = 0
        _product(to, r1, gh, n)
        _product(to, r3, g_here, n)
        gx[:, at : at + n] = to[:, :n]


@_fast
def filtered(x, weight, out):  # type: ignore[no-untyped-def]
    """A 3 x 3 filter of few channels: (c, h + 2, w + 2) is added to (o, h, w)."""
    n = out.shape[2]
    for row in range(out.shape[1]):
        for o in range(weight.shape[0]):
            to = out[o, row]
            for c in range(weight.shape[1]):
                for i in range(3):
                    r = x[c, row + i]
                    a, b, d = weight[o, c, i, 0], weight[o, c, i, 1], weight[o, c, i, 2]
                    for j in range(n):
                        to[j] += a * r[j] + b * r[j + 1] + d * r[j + 2]


@_fast
def filtered_back(x, g, gweight):  # type: ignore[no-untyped-def]
    """The gradient of the filter's weights is added."""
    n = g.shape[2]
    for row in range(g.shape[1]):
        for o in range(gweight.shape[0]):
            go = g[o, row]
            for c in range(gweight.shape[1]):
                for i in range(3):
                    r = x[c, row + i]
                    a, b, d = np.float32(0), np.float32(0), np.float32(0)
                    for j in range(n):
                        a += go[j] * r[j]
                        b += go[j] * r[j + 1]
                        d += go[j] * r[j + 2]
                    gweight[o, c, i, 0] += a
                    gweight[o, c, i, 1] += b
                    gweight[o, c, i, 2] += d


@_fast
def doubled(x, e, out):  # type: ignore[no-untyped-def]
    """Twice the size: (c, h + 4, w + 4), two repeated places around it, to (c, 2 h, 2 w).

    Args:
        e: four weights, of the places at -1.75, -0.75, 0.25 and 1.25; others are their mirror.
    """
    row = np.empty(x.shape[2], np.float32)
    a, b, c, d = e[0], e[1], e[2], e[3]
    for channel in range(x.shape[0]):
        for i in range(out.shape[1]):
            _column(x[channel], e, i, row)
            to = out[channel, i]
            for j in range(x.shape[2] - 4):
                to[2 * j] = a * row[j] + b * row[j + 1] + c * row[j + 2] + d * row[j + 3]
                to[2 * j + 1] = d * row[j + 1] + c * row[j + 2] + b * row[j + 3] + a * row[j + 4]


@_fast
def _column(x, e, i, row):  # type: ignore[no-untyped-def]
    """Row `i` of twice as many, in the width that there is."""
    first = i // 2 + i % 2
    a, b, c, d = e[0], e[1], e[2], e[3]
    if i % 2:
        a, b, c, d = d, c, b, a
    ra, rb, rc, rd = x[first], x[first + 1], x[first + 2], x[first + 3]
    for j in range(row.shape[0]):
        row[j] = a * ra[j] + b * rb[j] + c * rc[j] + d * rd[j]


@_fast
def doubled_back(x, e, g, gx, ge):  # type: ignore[no-untyped-def]
    """Gradients of `doubled`: added to `gx` and `ge`."""
    row, grow = np.empty(x.shape[2], np.float32), np.empty(x.shape[2], np.float32)
    n = x.shape[2] - 4
    even, odd = np.empty(n, np.float32), np.empty(n, np.float32)
    for channel in range(x.shape[0]):
        for i in range(g.shape[1]):
            _column(x[channel], e, i, row)
            here = g[channel, i]
            for j in range(n):
                even[j], odd[j] = here[2 * j], here[2 * j + 1]
            grow[:] = 0
            for k in range(4):
                low, high, weight, more = (
                    row[k : k + n],
                    row[4 - k : 4 - k + n],
                    e[k],
                    np.float32(0),
                )
                to = grow[k : k + n]
                for j in range(n):
                    to[j] += weight * even[j]
                    more += even[j] * low[j] + odd[j] * high[j]
                to = grow[4 - k : 4 - k + n]
                for j in range(n):
                    to[j] += weight * odd[j]
                ge[k] += more
            first = i // 2 + i % 2
            for k in range(4):
                at = 3 - k if i % 2 else k
                to, seen, weight, more = (
                    gx[channel, first + k],
                    x[channel, first + k],
                    e[at],
                    np.float32(0),
                )
                for j in range(n + 4):
                    to[j] += weight * grow[j]
                    more += seen[j] * grow[j]
                ge[at] += more


@_fast
def softly(y, noise, size, temperature, out, slope):  # type: ignore[no-untyped-def]
    """Latents rounded softly, moved by noise and rounded softly again, and the slope of that."""
    one, half = np.float32(1), np.float32(0.5)
    two = np.float32(2) / temperature
    whole = half * (one + np.float32(2) / (np.exp(one / temperature) - one))  # 0.5 / tanh(0.5 / t)
    for j in range(y.shape[0]):
        value, by = y[j], one
        for turn in range(2):
            below = np.floor(value)
            t = one - np.float32(2) / (_exp((value - below - half) * two) + one)
            value = below + half + whole * t
            by *= whole * (one - t * t) / temperature
            value += noise[j] * size if turn == 0 else np.float32(0)
        out[j] = value
        slope[j] = by
