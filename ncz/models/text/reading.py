"""What contexts know about the next byte of each stream: those of context mixing for text.

The memory (bit histories, maps, match tables) is shared by all streams; what came before is each
stream's own. A match may lie in any stream, but only where bytes are coded already, so that a
decoder knows them, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec.jit import lean
from ncz.codec.tables import STRETCH12
from ncz.models.contextmix import kernel as cm
from ncz.models.contextmix import textual
from ncz.models.contextmix.hashing import LINE, find_line, mix
from ncz.models.contextmix.states import COUNTS, NEXT
from ncz.models.contextmix.textual import LAST4, LAST8

PTR, LENGTH, BUCKET, EXPECTED = range(4)
"""Rows of Streams.match: where it points, how long it is, as a class, the byte there | 256."""

_LEAST = np.array([5, 12])  # lengths of the two match models: a shorter match is none
_LONGEST = 400  # that is verified
_HIGH_ORDERS = 7  # contexts of orders 1 to 6 and 8: how many of them are known is a weight set
_DETERMINISTIC = ((COUNTS[:, 0] == 0) != (COUNTS[:, 1] == 0)).astype(np.int64)
_BIAS = 256


class Streams(NamedTuple):
    """Where S streams of n bytes stand, and what came before in each."""

    start: np.ndarray  # int64[S]: first byte
    end: np.ndarray  # int64[S]: the byte after the last
    at: np.ndarray  # int64[S]: next byte
    opened: np.ndarray  # int64[S]: the byte that contexts are computed for, or -1
    known: np.ndarray  # uint8[n]: 1 where coded
    history: np.ndarray  # int64[S, 64]: see textual
    words: np.ndarray  # int64[S, 256]: words of the line before
    before: np.ndarray  # int64[S, 4]: the last tokens, as entries, the newest first
    contexts: np.ndarray  # int64[S, CONTEXTS]: hashes
    select: np.ndarray  # int64[S, SETS]: rows of weight sets
    match: np.ndarray  # int64[S, 4, MATCHES]
    after1: np.ndarray  # int64[256]: what followed each byte, in any stream
    after2: np.ndarray  # int64[65536]: and each pair of bytes


class Reading(NamedTuple):
    """What contexts say about the bit at hand."""

    line: np.ndarray  # int64[CONTEXTS]: places in the table of bit histories
    x: np.ndarray  # int32[inputs]: as context mixing has them
    expects: np.ndarray  # int64[MATCHES]: the expected bit, or -1
    order: np.ndarray  # int64[1]: how many high orders know this half of the byte


@lean
def open_byte(model: cm.Model, streams: Streams, data: np.ndarray, s: int) -> None:
    """Compute the contexts of the next byte of stream `s`, once."""
    at = streams.at[s]
    if streams.opened[s] == at or at >= streams.end[s]:
        return
    streams.opened[s] = at
    start = streams.start[s]
    own = data[start : streams.end[s]]
    pos = at - start
    v = streams.history[s]
    ctx = streams.contexts[s]
    cm.see(own, pos, v, streams.after1, streams.after2)
    textual.contexts(
        own, pos, v, streams.words[s], streams.after1, streams.after2, ctx, streams.select[s]
    )
    for a in range(model.active.size):
        i = model.active[a]
        ctx[i] = mix(ctx[i], i + 1)
    match = streams.match[s]
    if pos >= 16:
        c4 = v[LAST4]
        long = mix(c4, v[LAST8])
        for j in range(9, 13):
            long = mix(long, np.int64(own[pos - j]))
        _find_match(model, streams.known, data, start, at, match, 0, mix(c4, v[LAST8] & 0xFF))
        _find_match(model, streams.known, data, start, at, match, 1, long)
    for m in range(cm.MATCHES):
        match[EXPECTED, m] = 0
        match[BUCKET, m] = 0
        if match[LENGTH, m] > 0:
            match[EXPECTED, m] = np.int64(data[match[PTR, m]]) | 256
            match[BUCKET, m] = cm.bucket_of(match[LENGTH, m])


@lean
def _find_match(
    model: cm.Model,
    known: np.ndarray,
    data: np.ndarray,
    start: int,
    at: int,
    match: np.ndarray,
    m: int,
    z: int,
) -> None:
    """Follow match model `m` of the stream that starts at `start`, or look up the hash `z`."""
    table = model.match_table[m]
    slot = (z >> 20) & (table.size - 1)
    ptr = match[PTR, m]
    length = match[LENGTH, m]
    if length > 0 and data[ptr] == data[at - 1]:
        length = min(length + 1, 65535)
        ptr += 1
    else:
        length = 0
    if length == 0 or ptr >= data.size or known[ptr] == 0:
        length = 0
        ptr = np.int64(table[slot])
        if ptr > 0 and known[ptr] != 0:
            while (
                length < _LONGEST
                and ptr > length
                and at - start > length
                and known[ptr - length - 1] != 0
                and data[ptr - length - 1] == data[at - length - 1]
            ):
                length += 1
            if length < _LEAST[m]:
                length = 0
    table[slot] = at
    match[PTR, m] = ptr
    match[LENGTH, m] = length


@lean
def open_half(model: cm.Model, reading: Reading, ctx: np.ndarray, c0: int) -> None:
    """Find the lines of half a byte, whose bits so far are `c0`, with a leading one."""
    table = model.table
    mask = np.int64(table.size // LINE - 1)
    order = np.int64(0)
    for a in range(model.active.size):
        i = model.active[a]
        z = ctx[i]
        if c0 > 1:
            z = mix(z, c0)
        place = find_line(table, (z >> 8) & mask, (z >> 40) & 0xFF)
        reading.line[a] = place
        if i < _HIGH_ORDERS and table[place + 1] != 0:
            order += 1
    reading.order[0] = order


@lean
def expect(reading: Reading, match: np.ndarray, bit_at: int, c0: int) -> None:
    """See what bit the match models expect, number `bit_at` of its byte."""
    for m in range(cm.MATCHES):
        reading.expects[m] = -1
        e = match[EXPECTED, m]
        if match[LENGTH, m] > 0 and e >> (8 - bit_at) == c0:
            reading.expects[m] = (e >> (7 - bit_at)) & 1


@lean
def read(model: cm.Model, reading: Reading, match: np.ndarray, leaf: int) -> None:
    """Compute the mixer inputs of the bit at `leaf` of its half."""
    x = reading.x
    j = 0
    for a in range(model.active.size):
        h = model.table[reading.line[a] + leaf]
        if h == 0:
            x[j] = 0
            x[j + 1] = 0
            x[j + 2] = 0
        else:
            p = np.int64(model.maps[model.active[a], h]) >> 20
            st = STRETCH12[p]
            x[j] = st
            x[j + 1] = (p - 2048) >> 1
            x[j + 2] = st if _DETERMINISTIC[h] else 0
        j += cm.PER_CONTEXT
    for m in range(cm.MATCHES):
        x[j] = 0
        x[j + 1] = 0
        if reading.expects[m] >= 0:
            p = np.int64(model.match_maps[m, match[BUCKET, m]]) >> 20
            st2 = np.int64(STRETCH12[p])
            if reading.expects[m]:
                x[j] = st2
                x[j + 1] = (p - 2048) >> 1
            else:
                x[j] = -st2
                x[j + 1] = (2048 - p) >> 1
        j += 2
    x[j] = _BIAS


@lean
def learn(model: cm.Model, reading: Reading, match: np.ndarray, leaf: int, y: int) -> None:
    """Take the bit into histories, maps and match models."""
    table = model.table
    limit = model.rates[cm.MAP_LIMIT]
    for a in range(model.active.size):
        place = reading.line[a] + leaf
        h = table[place]
        i = model.active[a]
        model.maps[i, h] = cm.learn(np.int64(model.maps[i, h]), y << 22, limit)
        table[place] = NEXT[2 * np.int64(h) + y]
    for m in range(cm.MATCHES):
        if reading.expects[m] >= 0:
            hit = np.int64(1) << 22 if reading.expects[m] == y else np.int64(0)
            bucket = match[BUCKET, m]
            entry = np.int64(model.match_maps[m, bucket])
            model.match_maps[m, bucket] = cm.learn(entry, hit, 1023)
            if reading.expects[m] != y:
                match[LENGTH, m] = 0


def used(contexts: int) -> int:
    """Inputs that so many contexts fill."""
    return contexts * cm.PER_CONTEXT + 2 * cm.MATCHES + 1


def fresh_streams(size: int, starts: np.ndarray, ends: np.ndarray) -> Streams:
    """Streams of `size` bytes together, at their starts."""
    count = starts.size
    return Streams(
        start=starts.astype(np.int64),
        end=ends.astype(np.int64),
        at=starts.astype(np.int64),
        opened=np.full(count, -1, np.int64),
        known=np.zeros(size, np.uint8),
        history=np.zeros((count, 64), np.int64),
        words=np.zeros((count, 256), np.int64),
        before=np.full((count, 4), -1, np.int64),
        contexts=np.zeros((count, cm.CONTEXTS), np.int64),
        select=np.zeros((count, cm.SETS), np.int64),
        match=np.zeros((count, 4, cm.MATCHES), np.int64),
        after1=np.zeros(256, np.int64),
        after2=np.zeros(65536, np.int64),
    )


def fresh_reading(model: cm.Model) -> Reading:
    """Of a model of context mixing."""
    return Reading(
        line=np.zeros(cm.CONTEXTS, np.int64),
        x=np.zeros(model.weights.shape[1], np.int32),
        expects=np.full(cm.MATCHES, -1, np.int64),
        order=np.zeros(1, np.int64),
    )
