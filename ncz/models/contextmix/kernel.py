"""The engine: predict a bit, code it, learn from it, eight times a byte.

For each bit every active context looks up its bit history; an adaptive map turns that
into a probability; a mixer layer of several weight sets, each picked by a small context,
combines all of them in the logistic domain; a second mixer combines the sets; adaptive
probability maps correct the result. Encoder and decoder run the same code and differ only
in where the bit comes from. Everything is integer arithmetic.

Sources: Mahoney, "Adaptive weighing of context models for lossless data compression"
(2005), and the ZPAQ specification; the code, tables and contexts are this project's own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec import rangecoder as rc
from ncz.codec.jit import jit, lean
from ncz.codec.tables import LIMIT, RECIPROCAL, SQUASH24, STRETCH12
from ncz.models.contextmix import binary, machine, textual
from ncz.models.contextmix.hashing import find_line, mix
from ncz.models.contextmix.states import COUNTS, NEXT
from ncz.models.contextmix.textual import LAST4, LAST8

CONTEXTS = 30  # slots for contexts, the larger of both kinds
PER_CONTEXT = 3  # mixer inputs of one context
MATCHES = 2  # match models
SETS = 8  # weight sets
SET_ROWS = (256, 2048, 768, 512, 2048, 4096, 2048, 2048)
SET_START = np.array([0, *np.cumsum(SET_ROWS)], np.int64)
MATCH_BUCKETS = 32
FINAL_ROWS = 256 + MATCH_BUCKETS  # by the bits of this byte so far; by the match's length
_SHORT, _LONG = 5, 12  # least lengths of the two match models: a shorter match is none

_DETERMINISTIC = ((COUNTS[:, 0] == 0) != (COUNTS[:, 1] == 0)).astype(np.int64)
_BIAS = 256

# Indices into Model.setup.
KIND, ROW, CELL, ACTIVE, ACTIVE_SETS, LINE_BITS, MATCH_BITS, AT = range(8)
KINDS = TEXT, BINARY, MACHINE32, MACHINE64 = range(4)


class Model(NamedTuple):
    """All state of one model. Made by :func:`ncz.models.contextmix.state.fresh`."""

    setup: np.ndarray  # int64[8]: see the indices above
    active: np.ndarray  # int64[n]: the contexts in use
    active_sets: np.ndarray  # int64[k]: the weight sets in use
    table: np.ndarray  # uint8[2^LINE_BITS * 16]: bit histories
    maps: np.ndarray  # uint32[CONTEXTS, 256]: history -> probability << 10 | count
    weights: np.ndarray  # int32[rows, inputs]: first layer, 65536 is one
    final: np.ndarray  # int32[FINAL_ROWS, SETS]: second layer, two mixers averaged
    match_maps: np.ndarray  # uint32[MATCHES, MATCH_BUCKETS]
    match_table: np.ndarray  # int32[MATCHES, 2^MATCH_BITS]
    apm0: np.ndarray  # int32[256 * MATCH_BUCKETS, 33]: 22-bit probabilities
    apm1: np.ndarray  # int32[65536, 33]
    apm2: np.ndarray  # int32[65536, 33]
    rates: np.ndarray  # int64[4]: see below


# Indices into Model.rates.
RATE, RATE_START, RATE_FINAL, MAP_LIMIT = range(4)


@lean
def squash(x: int) -> int:
    """2²⁴ · squash(x / 256), x clamped to the table."""
    return np.int64(SQUASH24[min(max(x, -LIMIT), LIMIT) + LIMIT + 1])


@lean
def see(data: np.ndarray, pos: int, v: np.ndarray, after1: np.ndarray, after2: np.ndarray) -> None:
    """Take the byte before `pos` into the history that all kinds share.

    `after1` and `after2` keep the last bytes that followed each byte and each pair.
    """
    if pos == 0:
        return
    c = np.int64(data[pos - 1])
    if pos >= 2:
        b = np.int64(data[pos - 2])
        after1[b] = (after1[b] << 8 | c) & 0xFFFFFF
        if pos >= 3:
            b |= np.int64(data[pos - 3]) << 8
            after2[b] = (after2[b] << 8 | c) & 0xFFFF
    v[LAST8] = (v[LAST8] << 8 | v[LAST4] >> 24) & 0xFFFFFFFF
    v[LAST4] = (v[LAST4] << 8 | c) & 0xFFFFFFFF


@lean
def _follow_match(
    data: np.ndarray, pos: int, ptr: int, length: int, table: np.ndarray, slot: int, least: int
) -> tuple[int, int]:
    if length > 0 and data[ptr] == data[pos - 1]:
        length = min(length + 1, 65535)
        ptr += 1
    else:
        length = 0
        ptr = np.int64(table[slot])
        if ptr > 0:
            while (
                length < 400 and ptr > length and data[ptr - length - 1] == data[pos - length - 1]
            ):
                length += 1
            if length < least:
                length = 0
    table[slot] = pos
    return ptr, length


@lean
def bucket_of(length: int) -> int:
    """The class of a match's length, 0 to MATCH_BUCKETS - 1."""
    if length < 16:
        return length
    if length < 32:
        return 16 + ((length - 16) >> 2)
    if length < 96:
        return 20 + ((length - 32) >> 4)
    return 24 + min((length - 96) >> 6, 7)


@lean
def learn(entry: int, target22: int, limit: int) -> int:
    """An adaptive probability, 22 bits, with its count in the low ten, moved to `target22`."""
    count = entry & 1023
    p = entry >> 10
    p += ((target22 - p) * np.int64(RECIPROCAL[count])) >> 16
    return p << 10 | min(count + 1, limit)


@jit
def code_block(model: Model, data: np.ndarray, code: np.ndarray, decode: bool) -> int:
    """Code the whole of `data`, uint8[n], into or out of `code`, uint8[m].

    Returns the number of coded bytes when encoding; above m, it did not fit.
    """
    setup = model.setup
    kind = setup[KIND]
    table = model.table
    maps = model.maps
    weights = model.weights
    final = model.final
    active = model.active
    active_sets = model.active_sets
    match_maps = model.match_maps
    match_table = model.match_table
    apm0 = model.apm0
    apm1 = model.apm1
    apm2 = model.apm2
    contexts_on = setup[ACTIVE]
    sets_on = setup[ACTIVE_SETS]
    line_mask = (np.int64(1) << setup[LINE_BITS]) - 1
    match_mask = (np.int64(1) << setup[MATCH_BITS]) - 1
    inputs = weights.shape[1]
    map_limit = model.rates[MAP_LIMIT]

    coder = np.zeros(6, np.int64)
    if decode:
        rc.start_decoder(coder, code)
    else:
        rc.start_encoder(coder)
    v = np.zeros(64, np.int64)
    words = np.zeros(256, np.int64)
    after1 = np.zeros(256, np.int64)
    after2 = np.zeros(65536, np.int64)
    ctx = np.zeros(CONTEXTS, np.int64)
    line = np.zeros(CONTEXTS, np.int64)
    x = np.zeros(inputs, np.int32)
    select = np.zeros(SETS, np.int64)
    row = np.zeros(SETS, np.int64)
    out = np.zeros(SETS, np.int64)
    ptr = np.zeros(MATCHES, np.int64)
    length = np.zeros(MATCHES, np.int64)
    bucket = np.zeros(MATCHES, np.int64)
    expected = np.zeros(MATCHES, np.int64)
    expects = np.zeros(MATCHES, np.int64)  # -1 none, else the expected bit
    seen = np.int64(0)
    high_orders = 7 if kind == TEXT else 5

    for pos in range(data.size):
        setup[AT] = pos  # for whoever watches
        see(data, pos, v, after1, after2)
        if kind == TEXT:
            textual.contexts(data, pos, v, words, after1, after2, ctx, select)
        elif kind >= MACHINE32:
            machine.contexts(data, pos, v, kind == MACHINE64, after2, ctx, select)
        else:
            binary.contexts(data, pos, v, setup[ROW], setup[CELL], after1, after2, ctx, select)
        for a in range(contexts_on):
            i = active[a]
            ctx[i] = mix(ctx[i], i + 1)
        c4 = v[LAST4]
        c1 = c4 & 0xFF
        if pos >= 16:
            short = mix(c4, v[LAST8] & 0xFF)
            long = mix(c4, v[LAST8])
            for j in range(9, 13):
                long = mix(long, np.int64(data[pos - j]))
            for m in range(MATCHES):
                slot = ((short if m == 0 else long) >> 20) & match_mask
                ptr[m], length[m] = _follow_match(
                    data, pos, ptr[m], length[m], match_table[m], slot, _SHORT if m == 0 else _LONG
                )
        for m in range(MATCHES):
            expected[m] = 0
            bucket[m] = 0
            if length[m] > 0:
                expected[m] = np.int64(data[ptr[m]]) | 256
                bucket[m] = bucket_of(length[m])
        byte = np.int64(0) if decode else np.int64(data[pos])
        c0 = np.int64(1)
        hash3 = mix(c4 & 0xFFFFFF, 0)
        for half in range(2):
            order = np.int64(0)
            for a in range(contexts_on):
                i = active[a]
                z = ctx[i]
                if half == 1:
                    z = mix(z, c0)
                at = find_line(table, (z >> 8) & line_mask, (z >> 40) & 0xFF)
                line[a] = at
                if i < high_orders and table[at + 1] != 0:
                    order += 1
            node = np.int64(1)
            for k in range(4):
                bit_at = half * 4 + k
                for a in range(contexts_on):
                    s = table[line[a] + node]
                    j = a * PER_CONTEXT
                    if s == 0:
                        x[j] = 0
                        x[j + 1] = 0
                        x[j + 2] = 0
                    else:
                        p = np.int64(maps[active[a], s]) >> 20
                        st = STRETCH12[p]
                        x[j] = st
                        x[j + 1] = (p - 2048) >> 1
                        x[j + 2] = st if _DETERMINISTIC[s] else 0
                j = contexts_on * PER_CONTEXT
                for m in range(MATCHES):
                    expects[m] = -1
                    x[j] = 0
                    x[j + 1] = 0
                    if length[m] > 0 and expected[m] >> (8 - bit_at) == c0:
                        bit = (expected[m] >> (7 - bit_at)) & 1
                        expects[m] = bit
                        p = np.int64(match_maps[m, bucket[m]]) >> 20
                        st = np.int64(STRETCH12[p])
                        if bit:
                            x[j] = st
                            x[j + 1] = (p - 2048) >> 1
                        else:
                            x[j] = -st
                            x[j + 1] = (2048 - p) >> 1
                    j += 2
                x[j] = _BIAS

                matched = bucket[0] if expects[0] >= 0 else np.int64(0)
                row[0] = c0
                row[1] = order * 256 + c0
                row[2] = (expects[0] + 1) * 256 + c0
                row[3] = (matched * 2 + (expects[1] >= 0)) * 8 + bit_at
                for k2 in range(4, SETS):
                    row[k2] = select[k2] * 8 + bit_at
                total0 = np.int64(0)
                total1 = np.int64(0)
                for a in range(sets_on):
                    r = SET_START[active_sets[a]] + row[active_sets[a]]
                    dot = np.int64(0)
                    for j in range(inputs):
                        dot += np.int64(weights[r, j]) * np.int64(x[j])
                    dot = min(max(dot >> 16, -2047), 2047)
                    out[a] = dot
                    total0 += dot * np.int64(final[c0, a])
                    total1 += dot * np.int64(final[256 + matched, a])
                total0 = min(max(total0 >> 16, -LIMIT), LIMIT)
                total1 = min(max(total1 >> 16, -LIMIT), LIMIT)
                total = (total0 + total1) >> 1
                mixed = squash(total)
                scale = min(max(total, -2047), 2047) + 2048
                cell = scale >> 7
                part = np.int64(scale & 127)  # 64 bits for the sums of q, also where not compiled
                i0 = matched << 8 | c0
                i1 = c1 << 8 | c0
                i2 = (mix(hash3, c0) >> 20) & 0xFFFF
                q0 = apm0[i0, cell] * (128 - part) + apm0[i0, cell + 1] * part
                q1 = apm1[i1, cell] * (128 - part) + apm1[i1, cell + 1] * part
                q2 = apm2[i2, cell] * (128 - part) + apm2[i2, cell + 1] * part
                # The maps hold 22 bits and their cells are 128 wide: >> 7 + 3, << 2.
                p1 = ((mixed * 2) >> 3) + ((q0 + 2 * q1 + 3 * q2) >> 8)
                p1 = min(max(p1, 1), (1 << 24) - 1)
                if decode:
                    y = rc.decode_bit(coder, code, p1)
                else:
                    y = (byte >> (7 - bit_at)) & 1
                    rc.encode_bit(coder, code, y, p1)

                target = y << 22
                cell += part >> 6
                apm0[i0, cell] += (target - apm0[i0, cell]) >> 6
                apm1[i1, cell] += (target - apm1[i1, cell]) >> 6
                apm2[i2, cell] += (target - apm2[i2, cell]) >> 6
                seen += 1
                rate = model.rates[RATE] + model.rates[RATE_START] * 4096 // (4096 + seen)
                for a in range(sets_on):
                    r = SET_START[active_sets[a]] + row[active_sets[a]]
                    error = ((y << 16) - (squash(out[a]) >> 8)) * rate
                    for j in range(inputs):
                        weights[r, j] += (np.int64(x[j]) * error + (1 << 19)) >> 20
                error0 = ((y << 16) - (squash(total0) >> 8)) * model.rates[RATE_FINAL]
                error1 = ((y << 16) - (squash(total1) >> 8)) * model.rates[RATE_FINAL]
                for a in range(sets_on):
                    final[c0, a] += (out[a] * error0 + (1 << 19)) >> 20
                    final[256 + matched, a] += (out[a] * error1 + (1 << 19)) >> 20
                for a in range(contexts_on):
                    at = line[a] + node
                    s = table[at]
                    i = active[a]
                    maps[i, s] = learn(np.int64(maps[i, s]), target, map_limit)
                    table[at] = NEXT[2 * np.int64(s) + y]
                for m in range(MATCHES):
                    if expects[m] >= 0:
                        hit = np.int64(1) << 22 if expects[m] == y else np.int64(0)
                        match_maps[m, bucket[m]] = learn(
                            np.int64(match_maps[m, bucket[m]]), hit, 1023
                        )
                        if expects[m] != y:
                            length[m] = 0
                c0 = c0 << 1 | y
                node = node << 1 | y
        if decode:
            data[pos] = c0 & 0xFF
    return np.int64(0) if decode else rc.finish_encoder(coder, code)
