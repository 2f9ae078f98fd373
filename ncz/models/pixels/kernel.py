"""The engine: guess a pixel many times, ask where it lies, decision by decision, and learn.

Guesses of a pixel come from least squares of three reaches and from simple rules. Each has a
spread, learned from how far such guesses were off where errors nearby were like this, so each is a
logistic distribution over values. The pixel is then told by decisions: above the blended guess or
not, how far out, in steps that fit the spread, and which value within the last step. What every
distribution says of a decision, what contexts have learned to add to that, and what counters have
seen of it are mixed in the logistic domain and coded. Encoder and decoder run the same code.

Values below are integers but where :mod:`~ncz.models.pixels.squares` says otherwise. Guesses and
errors have :data:`FINE` bits below a pixel's unit.

Sources: Wu and Memon, CALIC (1997); Meyer and Tischer, TMW and Glicbawls; Mahoney, PAQ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec import rangecoder as rc
from ncz.codec.jit import jit, lean
from ncz.codec.tables import LIMIT, RECIPROCAL
from ncz.models.pixels import squares
from ncz.models.pixels.squares import Reach
from ncz.models.text.logistic import WIDE, squash, stretch24

PAD = 4
"""Rows and columns around a plane that repeat its edge."""
FINE = 6
ONE = 1 << FINE
REACHES = 3
GUESSES = REACHES + 4
BLEND = GUESSES  # the last of all guesses is made of the others
LEVELS = 24  # of an error's size
OTHER_LEVELS = 12  # of errors in other planes
CONTEXTS = 12  # that correct what the blend says
CONTEXT_ROWS = 512
COUNTERS = 12
COUNTER_BITS = 19
NODES = 128
STEPS = 8  # binary logarithms of a step
INPUTS = GUESSES + 1 + 1 + CONTEXTS + COUNTERS
SET_ROWS = (STEPS * NODES, LEVELS * 8 * 4, 343 * 4, OTHER_LEVELS * STEPS * 16)
SETS = len(SET_ROWS)
SET_START = np.array([0, *np.cumsum(SET_ROWS)], np.int64)
CHARTS = 2
CHART_ROWS = (STEPS * NODES, 343 * 4)
CHART_CELLS = 33
BIASES = 128 * OTHER_LEVELS

_CHART_STEP = 192  # 1/256 nat
_CHART_SHIFT = 6
_LEAST_SPREAD = 200  # 1/4096
_LARGEST = 32767
_BEYOND = 1 << 20  # further than any distance, in 1/256 of a spread

# Indices into State.rates.
MIX, CORRECT, CORRECT_LIMIT, COUNT_LIMIT, SPREAD_LIMIT = range(5)


class State(NamedTuple):
    """All that is learned of one plane but the sums of squares."""

    spreads: np.ndarray  # int64[(GUESSES + 1) * LEVELS * OTHER_LEVELS]: 1/4096 << 10 | count
    corrections: np.ndarray  # int32[CONTEXTS * CONTEXT_ROWS * NODES]: 22 bits << 10 | count
    counters: np.ndarray  # uint32[COUNTERS << COUNTER_BITS]: 22-bit probability << 10 | count
    weights: np.ndarray  # int32[rows, INPUTS]: 65536 is one
    charts: np.ndarray  # int32[rows, CHART_CELLS]: 22-bit probabilities
    bias: np.ndarray  # int64[BIASES, 2]: sum of errors, and how many
    rates: np.ndarray  # int64[5]


class Scratch(NamedTuple):
    """What is known of the pixel at hand, and of the errors about it."""

    guess: np.ndarray  # int64[GUESSES + 1]
    near: np.ndarray  # int64[GUESSES + 1]: errors about it, of each
    slot: np.ndarray  # int64[GUESSES + 1]: its spread
    inverse: np.ndarray  # int64[GUESSES + 1]: 2^30 over the spread
    miss: np.ndarray  # int64[2, GUESSES + 1, stride]: sizes of errors, of two rows
    signed: np.ndarray  # int64[2, stride]: errors of the blend
    context: np.ndarray  # int64[CONTEXTS]
    textures: np.ndarray  # int64[4]
    hashes: np.ndarray  # int64[COUNTERS]
    corrected: np.ndarray  # int64[CONTEXTS]: places in use
    counted: np.ndarray  # int64[COUNTERS]
    row: np.ndarray  # int64[SETS]
    out: np.ndarray  # int64[SETS]
    x: np.ndarray  # int32[INPUTS]


@lean
def level(x: int) -> int:
    """The size of an error ≥ 0 in steps of half an octave, 0 to LEVELS - 1."""
    if x < 8:
        return 0
    n = np.int64(1)
    while x >= 16:
        x >>= 1
        n += 2
    if x >= 12:
        n += 1
    return min(n, LEVELS - 1)


@lean
def seven(t: int) -> int:
    """A distance in 1/256 of a spread, in seven classes."""
    a = abs(t)
    if a < 90:
        return 3
    n = 1 if a < 320 else (2 if a < 900 else 3)
    return 3 + n if t > 0 else 3 - n


@lean
def _fixed(x: float, most: int) -> int:
    """x with FINE bits below the unit, from 0 to `most`."""
    x = x * ONE + 0.5
    if not x > 0.0:  # which is so of what is no number, too
        return 0
    if not x < most:
        return most
    return np.int64(np.floor(x))


@lean
def _bounded(x: int, most: int) -> int:
    return min(max(x, 0), most)


@lean
def _hash(a: int, b: int) -> int:
    h = (np.uint64(a) + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD6E8FEB86659FD93)
    h ^= h >> np.uint64(32)
    h = (h + np.uint64(b)) * np.uint64(0xD6E8FEB86659FD93)
    h ^= h >> np.uint64(29)
    return np.int64(h >> np.uint64(1))


@lean
def _rules(flat: np.ndarray, at: int, stride: int, other: int, most: int, s: Scratch) -> None:
    """The simple guesses: of the plane, or of its difference from the one at distance `other`."""
    w, n, nw, ne = flat[at - 1], flat[at - stride], flat[at - stride - 1], flat[at - stride + 1]
    west, north, north_west, north_east = np.int64(w), np.int64(n), np.int64(nw), np.int64(ne)
    ww, nn = np.int64(flat[at - 2]), np.int64(flat[at - 2 * stride])
    here = np.int64(0)
    dw, dn, dnw, dne = west, north, north_west, north_east
    if other != 0:
        o = at + other
        here = np.int64(flat[o])
        dw -= np.int64(flat[o - 1])
        dn -= np.int64(flat[o - stride])
        dnw -= np.int64(flat[o - stride - 1])
        dne -= np.int64(flat[o - stride + 1])
    median = min(max(dw + dn - dnw, min(dw, dn)), max(dw, dn))
    s.guess[REACHES] = _bounded((median + here) << FINE, most)
    slanted = ((dw + dn) << 1) + dne - dnw + (here << 2)
    s.guess[REACHES + 1] = _bounded(slanted << (FINE - 2), most)
    along = here + dn if other != 0 else west + north_east - north
    s.guess[REACHES + 2] = _bounded(along << FINE, most)
    onward = 3 * (west - ww) + ((north + north_east) << 1) + west - nn
    s.guess[REACHES + 3] = _bounded(onward << (FINE - 2), most)


@lean
def _errors_near(s: Scratch, now: int, p: int) -> None:
    """How large errors about the pixel were, for each guess."""
    before = 1 - now
    for c in range(GUESSES + 1):
        s.near[c] = (
            2 * s.miss[now, c, p - 1]
            + 2 * s.miss[before, c, p]
            + s.miss[before, c, p - 1]
            + s.miss[before, c, p + 1]
            + s.miss[now, c, p - 2]
        )


@lean
def _blended(s: Scratch) -> int:
    """The mean of all guesses, by how good each was nearby."""
    weights = np.int64(0)
    total = np.int64(0)
    for c in range(GUESSES):
        q = s.near[c] + 40
        w = (np.int64(1) << 44) // (q * q * q) + 1
        weights += w
        total += w * s.guess[c]
    return total // weights


@lean
def _say(s: Scratch, c: int, low: int, split: int, high: int, top: int) -> int:
    """The chance of `split` or more within low … high - 1, by guess `c`, in the logistic domain."""
    guess = s.guess[c] + (ONE >> 1)  # a value's share starts half a unit below it
    inverse = s.inverse[c]
    at = (((split << FINE) - guess) * inverse) >> 16
    start = -_BEYOND if low == 0 else (((low << FINE) - guess) * inverse) >> 16
    stop = _BEYOND if high > top else (((high << FINE) - guess) * inverse) >> 16
    # Shares are taken from the side on which they are small, and so precise.
    if at > 0:
        here = squash(-at)
        beyond = np.int64(0) if stop == _BEYOND else squash(-stop)
        up = max(here - beyond, 1)
        every = max(squash(-start) - beyond, up + 1)
        chance = (up << 24) // every
    else:
        here = squash(at)
        before = np.int64(0) if start == -_BEYOND else squash(start)
        down = max(here - before, 1)
        every = max(squash(stop) - before, down + 1)
        chance = (1 << 24) - (down << 24) // every
    return stretch24(min(max(chance, 64), (1 << 24) - 64))


@lean
def _see(
    flat: np.ndarray,
    at: int,
    stride: int,
    others: np.ndarray,
    misses: np.ndarray,
    place: int,
    top: int,
    now: int,
    p: int,
    s: Scratch,
    state: State,
) -> int:
    """Blend the guesses, look up spreads, and find all contexts. Returns a place in State.bias.

    Args:
        others: int64[k], distances to the planes that are known, k ≤ 2.
        misses: int16, what the blend missed by in every plane; `place` is this pixel's in it, and
            distances are as in `flat`.
    """
    most = top << FINE
    before = 1 - now
    west, north = np.int64(flat[at - 1]), np.int64(flat[at - stride])
    north_west, north_east = np.int64(flat[at - stride - 1]), np.int64(flat[at - stride + 1])
    ww, nn = np.int64(flat[at - 2]), np.int64(flat[at - 2 * stride])
    here, here1, slope = np.int64(0), np.int64(0), np.int64(0)
    missed, missed1, around = np.int64(0), np.int64(0), np.int64(0)
    if others.size > 0:
        o = others[0]
        here = np.int64(flat[at + o])
        slope = here - np.int64(flat[at + o - 1])
        missed = np.int64(misses[place + o])
        around = 2 * abs(missed) + abs(np.int64(misses[place + o + 1]))
        around += abs(np.int64(misses[place + o + stride]))
        if others.size > 1:
            o = others[1]
            here1 = np.int64(flat[at + o])
            missed1 = np.int64(misses[place + o])
            around += 2 * abs(missed1) + abs(np.int64(misses[place + o + 1]))
            around += abs(np.int64(misses[place + o + stride]))
            around >>= 1
    _errors_near(s, now, p)
    blend = _blended(s)
    other_level = level(around) >> 1
    own_level = level(s.near[BLEND])

    value = blend >> FINE
    texture = np.int64(west > value) | np.int64(north > value) << 1
    texture |= np.int64(north_west > value) << 2 | np.int64(north_east > value) << 3
    texture |= np.int64(ww > value) << 4 | np.int64(nn > value) << 5
    if others.size > 0:
        texture |= np.int64(slope > value - west) << 6
    bias_at = texture * OTHER_LEVELS + (own_level >> 1)
    count = state.bias[bias_at, 1]
    if count > 3:
        blend = _bounded(blend + (state.bias[bias_at, 0] + (count >> 1)) // count, most)
    s.guess[BLEND] = blend
    value = blend >> FINE
    for c in range(GUESSES + 1):
        slot = (c * LEVELS + level(s.near[c])) * OTHER_LEVELS + other_level
        s.slot[c] = slot
        s.inverse[c] = (np.int64(1) << 30) // max(state.spreads[slot] >> 10, _LEAST_SPREAD)
    spread = max(state.spreads[s.slot[BLEND]] >> 10, _LEAST_SPREAD)
    k = np.int64(0)
    while (6144 << k) < spread and k < STEPS - 1:
        k += 1

    inverse = s.inverse[BLEND]
    fraction = (blend & (ONE - 1)) >> (FINE - 3)
    error_w = seven((s.signed[now, p - 1] * inverse) >> 16)
    error_n = seven((s.signed[before, p] * inverse) >> 16)
    error_ne = seven((s.signed[before, p + 1] * inverse) >> 16)
    error_nw = np.int64(s.signed[before, p - 1] > 0)
    error_other = seven((missed * inverse) >> 16)
    error_other1 = seven((missed1 * inverse) >> 16)
    to_w = seven((((west << FINE) - blend) * inverse) >> 16)
    to_n = seven((((north << FINE) - blend) * inverse) >> 16)
    to_ne = seven((((north_east << FINE) - blend) * inverse) >> 16)
    to_nw = seven((((north_west << FINE) - blend) * inverse) >> 16)
    to_nn = seven((((nn << FINE) - blend) * inverse) >> 16)
    to_ww = seven((((ww << FINE) - blend) * inverse) >> 16)
    # Guesses lie nearer to the blend than pixels do.
    to_0 = seven(((s.guess[0] - blend) * inverse) >> 14)
    to_1 = seven(((s.guess[1] - blend) * inverse) >> 14)
    to_2 = seven(((s.guess[2] - blend) * inverse) >> 14)
    to_3 = seven(((s.guess[3] - blend) * inverse) >> 15)
    to_4 = seven(((s.guess[4] - blend) * inverse) >> 15)

    ctx = s.context
    ctx[0] = own_level * 8 + fraction
    ctx[1] = (error_other * 7 + error_other1) * 7 + error_w
    ctx[2] = error_n * 7 + error_w
    ctx[3] = (to_0 * 7 + to_1) * 7 + to_2
    ctx[4] = (to_w * 7 + to_n) * 7 + to_3
    ctx[5] = (to_ne * 7 + to_nw) * 7 + to_n
    ctx[6] = (to_nn * 7 + to_ww) * 7 + to_w
    ctx[7] = own_level * OTHER_LEVELS + other_level
    ctx[8] = (to_3 * 7 + to_4) * 7 + error_ne
    ctx[9] = texture * 2 + error_nw
    ctx[10] = level(s.near[0]) * 16 + (level(s.near[1]) >> 1)
    ctx[11] = value * CONTEXT_ROWS // (top + 1)
    h = s.hashes
    h[0] = ctx[7] * 8 + fraction
    h[1] = ctx[1] * 7 + to_0
    h[2] = ctx[3] * 8 + k
    h[3] = ctx[4] * 8 + k
    h[4] = ctx[5] * 8 + k
    h[5] = _hash(west << 16 | north, north_east << 16 | north_west)
    h[6] = _hash(here << 16 | here1, west)
    h[7] = _hash(west, here)
    h[8] = _hash(north, here + (1 << 17))
    h[9] = _hash(west, north + (1 << 18))
    h[10] = _hash(s.guess[0] >> (FINE - 1), k)
    h[11] = _hash(s.guess[0] >> FINE, s.guess[2] >> FINE)
    s.textures[0] = k
    s.textures[1] = own_level * 8 + min(other_level, 7)
    s.textures[2] = ctx[2] * 7 + to_0
    s.textures[3] = other_level * STEPS + k
    return bias_at


@lean
def _predict(
    s: Scratch, state: State, low: int, split: int, high: int, top: int, node: int, kind: int
) -> int:
    """The mean of all sets for a decision, in the logistic domain; `s.x` has what went into it."""
    x = s.x
    said = np.int64(0)
    for c in range(GUESSES + 1):
        said = _say(s, c, low, split, high, top)
        x[c] = said
    n = GUESSES + 1
    x[n] = 256
    n += 1
    for c in range(CONTEXTS):
        at = (c * CONTEXT_ROWS + s.context[c]) * NODES + node
        s.corrected[c] = at
        correction = np.int64(state.corrections[at]) >> 20
        x[n] = min(max(said + correction, -WIDE), WIDE)
        n += 1
    place = _hash(low, split)
    for c in range(COUNTERS):
        if c < 5:
            at = s.hashes[c] * NODES + node
        else:
            at = _hash(s.hashes[c], place)
        at = (c << COUNTER_BITS) + (at & ((1 << COUNTER_BITS) - 1))
        s.counted[c] = at
        entry = np.int64(state.counters[at])
        count = entry & 1023
        x[n] = 0
        if count > 0:
            st = stretch24(min(max((entry >> 10) << 2, 64), (1 << 24) - 64))
            x[n] = (st * min(count + 1, 32)) >> 5
        n += 1
    s.row[0] = SET_START[0] + s.textures[0] * NODES + node
    s.row[1] = SET_START[1] + s.textures[1] * 4 + (kind & 3)
    s.row[2] = SET_START[2] + s.textures[2] * 4 + (kind & 3)
    s.row[3] = SET_START[3] + s.textures[3] * 16 + kind
    mean = np.int64(0)
    for a in range(SETS):
        r = s.row[a]
        dot = np.int64(0)
        for j in range(INPUTS):
            dot += np.int64(state.weights[r, j]) * np.int64(x[j])
        dot = min(max(dot >> 16, -WIDE), WIDE)
        s.out[a] = dot
        mean += dot
    return mean // SETS


@lean
def _learn(s: Scratch, state: State, bit: int) -> None:
    rates = state.rates
    said = np.int64(s.x[BLEND])
    for a in range(SETS):
        r = s.row[a]
        error = ((bit << 16) - (squash(s.out[a]) >> 8)) * rates[MIX]
        for j in range(INPUTS):
            state.weights[r, j] += (np.int64(s.x[j]) * error + (1 << 19)) >> 20
    for c in range(CONTEXTS):
        at = s.corrected[c]
        entry = np.int64(state.corrections[at])
        count = entry & 1023
        correction = entry >> 10
        error = (bit << 16) - (squash(said + (correction >> 10)) >> 8)
        correction += (error * (np.int64(RECIPROCAL[count]) * rates[CORRECT] // 16)) >> 14
        correction = min(max(correction, -(1 << 20)), 1 << 20)
        state.corrections[at] = correction << 10 | min(count + 1, rates[CORRECT_LIMIT])
    for c in range(COUNTERS):
        at = s.counted[c]
        entry = np.int64(state.counters[at])
        count = entry & 1023
        p = entry >> 10
        p += (((bit << 22) - p) * np.int64(RECIPROCAL[count])) >> 16
        state.counters[at] = p << 10 | min(count + 1, rates[COUNT_LIMIT])


@lean
def _after(s: Scratch, state: State, value: int, now: int, p: int, bias_at: int) -> None:
    """The pixel is known."""
    fine = value << FINE
    for c in range(GUESSES + 1):
        error = abs(fine - s.guess[c])
        s.miss[now, c, p] = min(error, 64 << FINE)
        entry = state.spreads[s.slot[c]]
        count = entry & 1023
        spread = entry >> 10
        # The mean error of a logistic distribution is 2 ln 2 of its spread.
        spread += (((error * 185 >> 2) - spread) * np.int64(RECIPROCAL[count])) >> 16
        state.spreads[s.slot[c]] = spread << 10 | min(count + 1, state.rates[SPREAD_LIMIT])
    error = fine - s.guess[BLEND]
    s.signed[now, p] = error
    total, count = state.bias[bias_at, 0], state.bias[bias_at, 1]
    if count > 3:
        error += (total + (count >> 1)) // count
    total += error
    count += 1
    if count >= 64:
        total >>= 1
        count >>= 1
    state.bias[bias_at, 0] = total
    state.bias[bias_at, 1] = count


@jit
def code_plane(
    flat: np.ndarray,
    shape: np.ndarray,
    others: np.ndarray,
    reach0: Reach,
    reach1: Reach,
    reach2: Reach,
    state: State,
    s: Scratch,
    misses: np.ndarray,
    coder: np.ndarray,
    code: np.ndarray,
    decode: bool,
    at_row: np.ndarray,
) -> None:
    """Code a plane into or out of `code`, uint8[m], going on with `coder`.

    Args:
        flat: int32, all planes one after the other, PAD more at each edge; those of planes that
            are known are filled.
        shape: int64[4]: where the plane starts in `flat`, its height, its width, its largest value.
        others: int64[k], k ≤ 2: distances in `flat` to the planes that are known.
        misses: int16, as large as `flat`: what the blend missed by, in every plane coded so far.
        at_row: int64[1], how many rows are done, for whoever watches.
    """
    start, height, width, top = shape[0], shape[1], shape[2], shape[3]
    stride = width + 2 * PAD
    most = top << FINE
    middle = (top + 1) >> 1
    for i in range(start, start + PAD * stride):
        flat[i] = middle
    first = start + PAD * stride + PAD
    other = others[0] if others.size > 0 else np.int64(0)
    for y in range(height):
        now = y & 1
        line = first + y * stride
        for i in range(1, PAD + 1):
            flat[line - i] = flat[line - stride]
        squares.begin_row(reach0)
        squares.begin_row(reach1)
        squares.begin_row(reach2)
        for i in range(PAD):
            for c in range(GUESSES + 1):
                s.miss[now, c, i] = s.miss[1 - now, c, PAD]
            s.signed[now, i] = 0
        for col in range(width):
            at = line + col
            s.guess[0] = _fixed(squares.guess(reach0, flat, at, col), most)
            s.guess[1] = _fixed(squares.guess(reach1, flat, at, col), most)
            s.guess[2] = _fixed(squares.guess(reach2, flat, at, col), most)
            _rules(flat, at, stride, other, most, s)
            p = PAD + col
            bias_at = _see(flat, at, stride, others, misses, at, top, now, p, s, state)
            step = np.int64(1) << s.textures[0]
            value = np.int64(0) if decode else np.int64(flat[at])
            low = np.int64(0)
            high = top + 1
            side = np.int64(-1)  # below the blended guess, or above
            outward = np.int64(0)  # steps out from there
            inner = np.int64(0)  # place in the tree within a step; 0 on the way out
            while high - low > 1:
                if side < 0:
                    split = min(max((s.guess[BLEND] >> FINE) + 1, 1), top)
                    node = np.int64(0)
                    kind = np.int64(0)
                elif inner == 0:
                    far = step if outward == 0 else step << (outward - 1)
                    if outward > 10 or far >= high - low:
                        inner = np.int64(1)
                        continue
                    split = low + far if side == 1 else high - far
                    node = 1 + side * 12 + outward
                    kind = np.int64(1)
                else:
                    split = (low + high) >> 1
                    node = 25 + side * 48 + min(outward, 2) * 16 + min(inner, 15)
                    kind = np.int64(2 if high - low > 2 else 3)
                kind |= min(outward, 3) << 2
                mean = _predict(s, state, low, split, high, top, node, kind)
                # Two charts correct it.
                place = min(max(mean, -LIMIT), LIMIT) + LIMIT + 1
                cell = place // _CHART_STEP
                part = place % _CHART_STEP
                chart0 = s.textures[0] * NODES + node
                chart1 = CHART_ROWS[0] + s.context[1] * 4 + (kind & 3)
                before = np.int64(state.charts[chart0, cell]) + state.charts[chart1, cell]
                behind = np.int64(state.charts[chart0, cell + 1]) + state.charts[chart1, cell + 1]
                charted = before * (_CHART_STEP - part) + behind * part
                p1 = (squash(mean) * 2 + (charted << 2) // _CHART_STEP) >> 2
                p1 = min(max(p1, 32), (1 << 24) - 32)
                if decode:
                    bit = np.int64(rc.decode_bit(coder, code, p1))
                else:
                    bit = np.int64(value >= split)
                    rc.encode_bit(coder, code, bit, p1)
                cell += 1 if 2 * part >= _CHART_STEP else 0
                goal = bit << 22
                state.charts[chart0, cell] += (goal - state.charts[chart0, cell]) >> _CHART_SHIFT
                state.charts[chart1, cell] += (goal - state.charts[chart1, cell]) >> _CHART_SHIFT
                _learn(s, state, bit)
                if bit:
                    low = split
                else:
                    high = split
                if side < 0:
                    side = bit
                elif inner > 0:
                    inner = inner * 2 + bit
                elif bit == side:
                    outward += 1
                else:
                    inner = np.int64(1)
            flat[at] = low
            _after(s, state, low, now, p, bias_at)
            misses[at] = min(max(s.signed[now, p], -_LARGEST), _LARGEST)
            difference = low - np.int64(flat[at - 1])
            squares.learn(reach0, difference, col)
            squares.learn(reach1, difference, col)
            squares.learn(reach2, difference, col)
        for i in range(PAD):
            flat[line + width + i] = flat[line + width - 1]
            for c in range(GUESSES + 1):
                s.miss[now, c, PAD + width + i] = s.miss[now, c, PAD + width - 1]
            s.signed[now, PAD + width + i] = 0
        squares.end_row(reach0)
        squares.end_row(reach1)
        squares.end_row(reach2)
        at_row[0] += 1
    last = start + (PAD + height - 1) * stride
    for y in range(1, PAD + 1):
        for i in range(stride):
            flat[last + y * stride + i] = flat[last + i]
