"""The engine of text: at every decision a language model and contexts, mixed and coded.

Text is coded in streams, side by side, with one context mixer and one range coder shared by
all. A token is a path of decisions (:mod:`ncz.models.language.vocabulary`): the eight bits of
each byte, and before each byte but the first whether the token stops there. Decisions on
which the vocabulary leaves no choice are not coded. For the rest the language model says a
probability; for bits so do the contexts of :mod:`ncz.models.contextmix`, for stops a few
contexts made for them (:mod:`ncz.models.text.stops`). They meet in a mixer of two layers in
the logistic domain, whose weights are picked by how sure the language model is, among other
things; adaptive probability maps correct the result.

Bytes can also be coded by contexts alone, with the weights of context mixing: where the
language model does not pay. Everything is integer arithmetic, but for one exact division of
integers (:func:`probability`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec import rangecoder as rc
from ncz.codec.errors import FormatError
from ncz.codec.jit import jit
from ncz.codec.tables import LIMIT, RECIPROCAL, STRETCH12
from ncz.models.contextmix import kernel as cm
from ncz.models.contextmix import textual
from ncz.models.contextmix.hashing import find_line, mix
from ncz.models.contextmix.states import COUNTS, NEXT
from ncz.models.contextmix.textual import LAST4, LAST8
from ncz.models.language import vocabulary as vocab
from ncz.models.language.vocabulary import STEPS, Vocabulary
from ncz.models.text.logistic import WIDE, squash, stretch24

# Weight sets of the first layer, the first eight picked as in context mixing.
SETS = 11
SET_ROWS = (512, 2048, 768, 512, 2048, 4096, 2048, 2048, 192, 576, 64)
SET_START = np.array([0, *np.cumsum(SET_ROWS)], np.int64)
SURE = 24  # classes of how sure the language model is, and of what
FINAL_INPUTS = SETS + 1  # of the second layer: what the sets say, and the language model
FINAL_ROWS = (256, cm.MATCH_BUCKETS, 8 * SURE)
FINAL_START = np.array([0, *np.cumsum(FINAL_ROWS)], np.int64)
CELLS = 49  # of an adaptive probability map: every half nat from -12 to 12
MAP_ROWS = (256 * SURE, 1 << 16, 1 << 16)

STOPS = 10  # contexts of stops
STOP_INPUTS = 56
STOP_ROWS = (SURE, 64, 64)
STOP_START = np.array([0, *np.cumsum(STOP_ROWS)], np.int64)
STOP_MAP_ROWS = (1 << 12, 1 << 12)

_LM = cm.CONTEXTS * 3  # placeholder, see Mixer.inputs
_DETERMINISTIC = ((COUNTS[:, 0] == 0) != (COUNTS[:, 1] == 0)).astype(np.int64)
_BIAS = 256

# Indices into State.tune.
(
    RATE,
    RATE_START,
    RATE_FINAL,
    MAP_SHIFT,
    W_MIXED,
    W_Q0,
    W_Q1,
    W_Q2,
    STOP_RATE,
    STOP_LIMIT,
    STOP_SHIFT,
    SW_MIXED,
    SW_Q0,
    SW_Q1,
    FORCED_LEARN,
    RES_RATE,
    RES_LOW,
    RES_MASK,
    SET_MASK,
    MEANT_RATE,
    MEANT_LOW,
    MEANT,
) = range(22)


def _sure_classes() -> np.ndarray:
    """uint8[256]: class of a stretch by its top eight bits of 13."""
    edges = np.array([0, 2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96])  # of 1/8 nat
    at = np.arange(256) - 128
    low = np.searchsorted(edges, np.where(at >= 0, at, -1 - at), side="right") - 1
    return np.where(at >= 0, SURE // 2 + low, SURE // 2 - 1 - low).astype(np.uint8)


SURE_CLASS = _sure_classes()


class State(NamedTuple):
    """All state of one block. Made by :func:`ncz.models.text.state.fresh`; S streams, n bytes."""

    model: cm.Model  # tables, maps and weights of contexts alone
    coder: np.ndarray  # int64[6]: the range coder
    tune: np.ndarray  # int64[16]: see above
    seen: np.ndarray  # int64[2]: bits and stops mixed so far
    start: np.ndarray  # int64[S]: each stream's first byte
    end: np.ndarray  # int64[S]: and the byte after its last
    at: np.ndarray  # int64[S]: its next byte
    opened: np.ndarray  # int64[S]: the byte its contexts are computed for, or -1
    known: np.ndarray  # uint8[n]: 1 where coded already
    history: np.ndarray  # int64[S, 64]: of what came before, see textual
    words: np.ndarray  # int64[S, 256]: words of the line
    after1: np.ndarray  # int64[256]: what followed each byte
    after2: np.ndarray  # int64[65536]: each pair of bytes
    contexts: np.ndarray  # int64[S, CONTEXTS]: hashes for the byte at `opened`
    select: np.ndarray  # int64[S, 8]
    match: np.ndarray  # int64[S, 4, MATCHES]: pointer, length, bucket, expected byte | 256
    before: np.ndarray  # int64[S, 4]: the last entries, the newest first
    weights: np.ndarray  # int32[rows, inputs]: first layer with the language model
    final: np.ndarray  # int32[rows, FINAL_INPUTS]: second layer
    map0: np.ndarray  # int32[MAP_ROWS[0], CELLS]
    map1: np.ndarray
    map2: np.ndarray
    recall: np.ndarray  # int64[RECALLS, 2^k]: entry that followed these tokens, << 8 | how often
    recall_maps: np.ndarray  # uint32[RECALLS, 2 * COUNTS_KEPT * SURE]: whether it does again
    meant: np.ndarray  # int32[CONTEXTS, 256 * SURE]: correction << 10 | count
    residues: np.ndarray  # int32[RESIDUES, 2^k]: correction << 10 | count
    stop_table: np.ndarray  # uint32[STOPS, 2^k]: probability << 10 | count
    stop_weights: np.ndarray  # int32[rows, STOP_INPUTS]
    stop_map0: np.ndarray  # int32[STOP_MAP_ROWS[0], CELLS]
    stop_map1: np.ndarray


RESIDUES = 20  # contexts in which the language model's errors are learned
RECALLS = 3  # how many tokens back the token-level models look, at most
COUNTS_KEPT = 16  # of how often a recalled token came true

_PTR, _LENGTH, _BUCKET, _EXPECTED = range(4)


def encode_tokens(
    state: State,
    vocabulary: Vocabulary,
    data: np.ndarray,
    code: np.ndarray,
    streams: np.ndarray,
    entries: np.ndarray,
    trace: np.ndarray,
    costs: np.ndarray | None = None,
) -> None:
    """Code tokens in the order given.

    Args:
        state: of the block.
        vocabulary: of n entries.
        data: uint8[n], the whole block.
        code: uint8[m], to be written; what does not fit is counted, see :func:`finish`.
        streams: int64[k]: the stream of each token.
        entries: int32[k]: the tokens, as entries of the vocabulary.
        trace: uint32[...]: probabilities of side 1 of the decisions on their paths, end to end,
            see :func:`trace`.
        costs: float64[k, 4], to be written: bits that each token cost; what the language model
            alone would have taken; and both once more, of stop decisions only.

    Raises:
        ValueError: the tokens are not what stands in `data`, or the trace is too short.
    """
    done = _run(
        state,
        vocabulary,
        data,
        code,
        streams,
        entries,
        trace,
        _NO_SUMS,
        np.int64(-1),
        False,
        _NO_COSTS if costs is None else costs,
    )
    if done != streams.size:
        raise ValueError(f"token {done} of {streams.size} is not what its stream goes on with")


def decode_tokens(
    state: State,
    vocabulary: Vocabulary,
    data: np.ndarray,
    code: np.ndarray,
    streams: np.ndarray,
    cumulative: np.ndarray,
    entries: np.ndarray,
) -> None:
    """Decode one token for each of `streams`, into `data` and `entries`, int32[k].

    ``cumulative``, int64[k, n + 1], is the language model's cumulative sum for each.

    Raises:
        FormatError: a token goes on past the end of its stream: the code is damaged.
    """
    done = _run(
        state,
        vocabulary,
        data,
        code,
        streams,
        entries,
        _NO_TRACE,
        cumulative,
        np.int64(-1),
        True,
        _NO_COSTS,
    )
    if done != streams.size:
        raise FormatError("a token goes on past the end of its stream")


def encode_bytes(state: State, data: np.ndarray, code: np.ndarray, stream: int, count: int) -> None:
    """Code the next `count` bytes of `stream` by contexts alone."""
    _bytes(state, data, code, stream, count, False)


def decode_bytes(state: State, data: np.ndarray, code: np.ndarray, stream: int, count: int) -> None:
    """The inverse of :func:`encode_bytes`.

    Raises:
        FormatError: the stream has fewer bytes left.
    """
    _bytes(state, data, code, stream, count, True)


def finish(state: State, code: np.ndarray) -> int:
    """Write the last bytes of the code; return its size, which may exceed ``code.size``."""
    return int(rc.finish_encoder(state.coder, code))


def start_decoder(state: State, code: np.ndarray) -> None:
    """Prepare a fresh state for decoding uint8[m]."""
    rc.start_decoder(state.coder, code)


@jit
def probability(vocabulary: Vocabulary, cumulative: np.ndarray, node: int) -> int:
    """Probability of side 1 at `node` in 24 bits, 1 to 2²⁴ - 1, from int64[n + 1], below 2^53."""
    low, high = vocab.weights(vocabulary, cumulative, node)
    p = np.int64(np.floor(np.float64(high) * 16777216.0 / np.float64(low + high)))
    return min(max(p, 1), (1 << 24) - 1)


@jit
def trace(vocabulary: Vocabulary, cumulative: np.ndarray, entry: int, out: np.ndarray) -> int:
    """Probabilities of side 1 along the path to `entry` into `out`, uint32; how many."""
    node = np.int64(vocabulary.root[0])
    count = 0
    while node >= 0:
        out[count] = probability(vocabulary, cumulative, node)
        count += 1
        node = np.int64(vocabulary.child[node, vocab.side(node, entry)])
    return count


_NO_TRACE = np.zeros(0, np.uint32)
_NO_COSTS = np.zeros((0, 4), np.float64)
_NO_SUMS = np.zeros((0, 0), np.int64)
_NO_VOCABULARY = vocab.build(np.zeros(0, np.uint8), np.zeros(1, np.int64), np.zeros(0, np.uint8))


def _bytes(
    state: State, data: np.ndarray, code: np.ndarray, stream: int, count: int, decode: bool
) -> None:
    streams = np.array([stream], np.int64)
    entries = np.zeros(1, np.int32)
    done = _run(
        state,
        _NO_VOCABULARY,
        data,
        code,
        streams,
        entries,
        _NO_TRACE,
        _NO_SUMS,
        np.int64(count),
        decode,
        _NO_COSTS,
    )
    if done != 1:
        raise FormatError("a run of bytes goes on past the end of its stream")


@jit
def _find_match(
    data: np.ndarray,
    known: np.ndarray,
    start: int,
    at: int,
    match: np.ndarray,
    table: np.ndarray,
    slot: int,
    m: int,
) -> None:
    """Follow the match model `m` of the stream that starts at `start` to the byte at `at`.

    A match may lie in any stream, but only in bytes that are coded already.
    """
    least = 5 if m == 0 else 12
    ptr = match[_PTR, m]
    length = match[_LENGTH, m]
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
                length < 400
                and ptr > length
                and at - start > length
                and known[ptr - length - 1] != 0
                and data[ptr - length - 1] == data[at - length - 1]
            ):
                length += 1
            if length < least:
                length = 0
    table[slot] = at
    match[_PTR, m] = ptr
    match[_LENGTH, m] = length


@jit
def _open(
    model: cm.Model,
    data: np.ndarray,
    known: np.ndarray,
    start: int,
    end: int,
    at: int,
    v: np.ndarray,
    words: np.ndarray,
    after1: np.ndarray,
    after2: np.ndarray,
    ctx: np.ndarray,
    select: np.ndarray,
    match: np.ndarray,
) -> None:
    """Compute the contexts of the byte at `at` of a stream, once."""
    own = data[start:end]
    pos = at - start
    cm.see(own, pos, v, after1, after2)
    textual.contexts(own, pos, v, words, after1, after2, ctx, select)
    active = model.active
    for a in range(active.size):
        i = active[a]
        ctx[i] = mix(ctx[i], i + 1)
    if pos >= 16:
        c4 = v[LAST4]
        mask = np.int64(model.match_table.shape[1] - 1)
        long = mix(c4, v[LAST8])
        for j in range(9, 13):
            long = mix(long, np.int64(own[pos - j]))
        short = mix(c4, v[LAST8] & 0xFF)
        _find_match(data, known, start, at, match, model.match_table[0], (short >> 20) & mask, 0)
        _find_match(data, known, start, at, match, model.match_table[1], (long >> 20) & mask, 1)
    for m in range(cm.MATCHES):
        match[_EXPECTED, m] = 0
        match[_BUCKET, m] = 0
        if match[_LENGTH, m] > 0:
            match[_EXPECTED, m] = np.int64(data[match[_PTR, m]]) | 256
            match[_BUCKET, m] = cm.bucket_of(match[_LENGTH, m])


@jit
def _bits(y: int, p1: int) -> float:
    """What coding `y` costs. For reports: no decision hangs on it."""
    return 24 - np.log2(np.float64(p1 if y else (1 << 24) - p1))


@jit
def residue_learn(
    residues: np.ndarray, j: int, z: int, y: int, st: int, rate: int, low: int, limit: int
) -> None:
    """Move a correction, 22 bits with 10 below 1/256 nat, against its error."""
    entry = np.int64(residues[j, z])
    count = entry & 1023
    correction = entry >> 10
    error = (y << 16) - (squash(st + (correction >> 10)) >> 8)
    step = np.int64(RECIPROCAL[count]) * rate // 16 + low
    correction += (error * step) >> 14
    correction = min(max(correction, -(1 << 21)), (1 << 21) - 1)
    residues[j, z] = correction << 10 | min(count + 1, limit)


@jit
def _move(maps: np.ndarray, row: int, cell: int, target: int, shift: int) -> None:
    maps[row, cell] += (target - maps[row, cell]) >> shift


@jit
def _run(
    state: State,
    vocabulary: Vocabulary,
    data: np.ndarray,
    code: np.ndarray,
    streams: np.ndarray,
    entries: np.ndarray,
    probabilities: np.ndarray,
    cumulative: np.ndarray,
    count: int,
    decode: bool,
    costs: np.ndarray,
) -> int:
    """Code one token for each of `streams`, or `count` ≥ 0 bytes each by contexts alone.

    Returns how many of `streams` were coded to the end.
    """
    model = state.model
    coder = state.coder
    tune = state.tune
    known = state.known
    opened = state.opened
    table = model.table
    maps = model.maps
    active = model.active
    match_maps = model.match_maps
    weights = state.weights
    final = state.final
    map0 = state.map0
    map1 = state.map1
    map2 = state.map2
    old_weights = model.weights
    old_final = model.final
    apm0 = model.apm0
    apm1 = model.apm1
    apm2 = model.apm2
    stop_table = state.stop_table
    stop_weights = state.stop_weights
    stop_map0 = state.stop_map0
    stop_map1 = state.stop_map1
    stop_mask = np.int64(stop_table.shape[1] - 1)
    line_mask = np.int64(table.size // 16 - 1)
    map_limit = model.rates[cm.MAP_LIMIT]
    contexts_on = active.size
    inputs = old_weights.shape[1]
    mixed_inputs = weights.shape[1]
    lm_at = contexts_on * cm.PER_CONTEXT + 2 * cm.MATCHES + 1
    plain = count >= 0

    line = np.zeros(cm.CONTEXTS, np.int64)
    x = np.zeros(mixed_inputs, np.int32)
    row = np.zeros(SETS, np.int64)
    out = np.zeros(FINAL_INPUTS, np.int64)
    expects = np.zeros(cm.MATCHES, np.int64)
    stop_at = np.zeros(STOPS, np.int64)
    stop_row = np.zeros(3, np.int64)
    stop_dot = np.zeros(3, np.int64)
    meant = state.meant
    meant_at = np.zeros(cm.CONTEXTS, np.int64)
    residues = state.residues
    residue_mask = np.int64(residues.shape[1] - 1)
    residue_ctx = np.zeros(RESIDUES, np.int64)
    residue_at = np.zeros(RESIDUES, np.int64)
    recall = state.recall
    recall_maps = state.recall_maps
    recall_mask = np.int64(recall.shape[1] - 1)
    recall_at = np.zeros(RECALLS, np.int64)
    recalled = np.zeros(RECALLS, np.int64)  # entry, or -1
    recall_class = np.zeros(RECALLS, np.int64)
    recall_side = np.zeros(RECALLS, np.int64)  # -1 none, else the side it lies on
    final_row = np.zeros(3, np.int64)
    final_dot = np.zeros(3, np.int64)
    traced = np.int64(0)

    for k in range(streams.size):
        s = streams[k]
        v = state.history[s]
        ctx = state.contexts[s]
        select = state.select[s]
        match = state.match[s]
        before = state.before[s]
        node = np.int64(0) if plain else np.int64(vocabulary.root[0])
        entry = np.int64(entries[k])
        prefix = np.int64(0)
        depth = np.int64(0)
        if not plain:
            z = np.int64(0)
            for j in range(RECALLS):
                z = mix(z, before[j] + 1)
                recall_at[j] = (mix(z, j + 1) >> 20) & recall_mask
                recalled[j] = (recall[j, recall_at[j]] >> 8) - 1
        while True:
            at = state.at[s]
            if at < state.end[s] and opened[s] != at:
                _open(
                    model, data, known, state.start[s], state.end[s], at, v, state.words[s],
                    state.after1, state.after2, ctx, select, match,
                )  # fmt: skip
                opened[s] = at
            c4 = v[LAST4]
            c1 = c4 & 0xFF
            w0 = v[textual.WORD0]
            residue_ctx[0] = 0
            residue_ctx[1] = mix(before[0], 1)
            residue_ctx[2] = mix(mix(before[0], 2), before[1])
            residue_ctx[3] = mix(v[textual.WORD1], 3)
            residue_ctx[4] = mix(c4 & 0xFFFFFF, 4)
            residue_ctx[5] = mix(match[_EXPECTED, 0], 5)
            residue_ctx[6] = mix(before[1], 6)
            residue_ctx[7] = 7
            residue_ctx[8] = mix(c4 & 0xFFFF, 8)
            residue_ctx[9] = mix(mix(v[textual.WORD1], 9), v[textual.WORD2])
            residue_ctx[10] = mix(v[textual.SHAPE] & 0xFFF, 10)
            residue_ctx[11] = mix(c4, 11)
            residue_ctx[12] = mix(recalled[0], 12)
            residue_ctx[13] = mix(v[textual.FIRST], 13)
            residue_ctx[14] = mix(mix(mix(before[0], 14), before[1]), before[2])
            residue_ctx[16] = mix(c1, 16)
            residue_ctx[17] = mix(c4 & 0xFFFF, 17)
            residue_ctx[18] = mix(w0, 18)
            residue_ctx[19] = mix(mix(w0, v[textual.WORD1]), 19)
            residue_ctx[15] = mix(state.at[s] - state.start[s] - v[textual.LINE], 15)
            if plain:
                if depth == count:
                    break
            elif depth > 0:
                if node >= 0 and vocabulary.step[node] == STEPS * depth:
                    if decode:
                        lm = probability(vocabulary, cumulative[k], node)
                    else:
                        if traced >= probabilities.size:
                            return k
                        lm = np.int64(probabilities[traced])
                        traced += 1
                    # --- a stop decision
                    st = stretch24(lm)
                    sure = np.int64(SURE_CLASS[(st >> 5) + 128])
                    e0 = match[_EXPECTED, 0]
                    stop_at[0] = prefix
                    stop_at[1] = mix(prefix, before[0])
                    stop_at[2] = mix(prefix, e0)
                    stop_at[3] = mix(w0, v[textual.WORD1])
                    stop_at[4] = mix(w0, 0)
                    stop_at[5] = c4 & 0xFFFFFF
                    stop_at[6] = mix(c4, v[LAST8] & 0xFF)
                    stop_at[7] = mix(prefix, sure)
                    stop_at[8] = mix(c1, min(depth, 15) * SURE + sure)
                    stop_at[9] = mix(mix(prefix, before[0]), before[1])
                    for j in range(STOPS):
                        z = (mix(stop_at[j], j + 101) >> 20) & stop_mask
                        stop_at[j] = z
                        h = np.int64(stop_table[j, z])
                        p = h >> 20
                        if h & 1023 == 0:
                            x[2 * j] = 0
                            x[2 * j + 1] = 0
                        else:
                            x[2 * j] = STRETCH12[p]
                            x[2 * j + 1] = (p - 2048) >> 1
                    x[2 * STOPS] = st
                    x[2 * STOPS + 1] = (lm - (1 << 23)) >> 13
                    x[2 * STOPS + 2] = _BIAS
                    for j in range(RESIDUES):
                        z = (
                            mix(mix(residue_ctx[j], node if j < 16 else 0), sure if j == 7 else 0)
                            >> 20
                        ) & residue_mask
                        residue_at[j] = z
                        x[2 * STOPS + 3 + RECALLS + j] = (
                            (residues[j, z] >> 20) if (tune[RES_MASK] >> j) & 1 else 0
                        )
                    for j in range(RECALLS):
                        recall_side[j] = -1
                        x[2 * STOPS + 3 + j] = 0
                        e = recalled[j]
                        if vocabulary.low[node] <= e < vocabulary.high[node]:
                            recall_side[j] = vocab.side(node, e)
                            towards = sure if recall_side[j] else SURE - 1 - sure
                            times = min(recall[j, recall_at[j]] & 255, COUNTS_KEPT - 1)
                            recall_class[j] = times * SURE + towards
                            h = np.int64(recall_maps[j, recall_class[j]])
                            sp = STRETCH12[h >> 20]
                            x[2 * STOPS + 3 + j] = sp if recall_side[j] else -sp
                    stop_row[0] = STOP_START[0] + sure
                    stop_row[1] = (
                        STOP_START[1]
                        + min(depth, 15) * 4
                        + min((np.int64(stop_table[0, stop_at[0]]) & 1023) // 2, 3)
                    )
                    stop_row[2] = STOP_START[2] + (v[textual.SHAPE] & 63)
                    total = np.int64(0)
                    for a in range(3):
                        dot = np.int64(0)
                        for j in range(STOP_INPUTS):
                            dot += np.int64(stop_weights[stop_row[a], j]) * np.int64(x[j])
                        dot = min(max(dot >> 16, -WIDE), WIDE)
                        stop_dot[a] = dot
                        total += dot
                    total = total // 3
                    mixed = squash(total)
                    scale = min(max(total, -LIMIT), LIMIT) + 3072
                    cell = scale >> 7
                    part = scale & 127
                    i0 = (mix(prefix, 0) >> 20) & 4095
                    i1 = (mix(c1, sure) >> 20) & 4095
                    q0 = stop_map0[i0, cell] * (128 - part) + stop_map0[i0, cell + 1] * part
                    q1 = stop_map1[i1, cell] * (128 - part) + stop_map1[i1, cell + 1] * part
                    p1 = (
                        mixed * tune[SW_MIXED]
                        + ((q0 >> 5) * tune[SW_Q0])
                        + ((q1 >> 5) * tune[SW_Q1])
                    ) >> 4
                    p1 = min(max(p1, 1), (1 << 24) - 1)
                    if decode:
                        y = np.int64(rc.decode_bit(coder, code, p1))
                    else:
                        y = vocab.side(node, entry)
                        rc.encode_bit(coder, code, y, p1)
                    if costs.shape[0] > 0:
                        costs[k, 0] += _bits(y, p1)
                        costs[k, 1] += _bits(y, lm)
                        costs[k, 2] += _bits(y, p1)
                        costs[k, 3] += _bits(y, lm)
                    target = y << 22
                    cell += part >> 6
                    _move(stop_map0, i0, cell, target, tune[STOP_SHIFT])
                    _move(stop_map1, i1, cell, target, tune[STOP_SHIFT])
                    state.seen[1] += 1
                    for a in range(3):
                        r = stop_row[a]
                        error = ((y << 16) - (squash(stop_dot[a]) >> 8)) * tune[STOP_RATE]
                        for j in range(STOP_INPUTS):
                            stop_weights[r, j] += (np.int64(x[j]) * error + (1 << 19)) >> 20
                    for j in range(STOPS):
                        z = stop_at[j]
                        stop_table[j, z] = cm.learn(
                            np.int64(stop_table[j, z]), target, tune[STOP_LIMIT]
                        )
                    for j in range(RESIDUES):
                        residue_learn(
                            residues, j, residue_at[j], y, st, tune[RES_RATE], tune[RES_LOW], 255
                        )
                    for j in range(RECALLS):
                        if recall_side[j] >= 0:
                            h = np.int64(recall_maps[j, recall_class[j]])
                            hit = np.int64(1) << 22 if recall_side[j] == y else np.int64(0)
                            recall_maps[j, recall_class[j]] = cm.learn(h, hit, 255)
                    go = y
                    node = np.int64(vocabulary.child[node, go])
                else:
                    go = vocab.agreed(vocabulary, node, STEPS * depth)
                if go == 0:
                    break
            if at >= state.end[s]:
                return k
            # --- a byte
            c0 = np.int64(1)
            hash3 = mix(c4 & 0xFFFFFF, 0)
            byte = np.int64(0) if decode and plain else np.int64(data[at])
            for half in range(2):
                order = np.int64(0)
                for a in range(contexts_on):
                    i = active[a]
                    z = ctx[i]
                    if half == 1:
                        z = mix(z, c0)
                    place = find_line(table, (z >> 8) & line_mask, (z >> 40) & 0xFF)
                    line[a] = place
                    if i < 7 and table[place + 1] != 0:
                        order += 1
                leaf = np.int64(1)
                for b in range(4):
                    bit_at = half * 4 + b
                    coded = plain or (
                        node >= 0 and vocabulary.step[node] == STEPS * depth + 1 + bit_at
                    )
                    lm = np.int64(0)
                    for m in range(cm.MATCHES):
                        expects[m] = -1
                        e = match[_EXPECTED, m]
                        if match[_LENGTH, m] > 0 and e >> (8 - bit_at) == c0:
                            expects[m] = (e >> (7 - bit_at)) & 1
                    if coded:
                        if plain:
                            lm = np.int64(0)
                        elif decode:
                            lm = probability(vocabulary, cumulative[k], node)
                        else:
                            if traced >= probabilities.size:
                                return k
                            lm = np.int64(probabilities[traced])
                            traced += 1
                        for a in range(contexts_on):
                            h = table[line[a] + leaf]
                            j = a * cm.PER_CONTEXT
                            if h == 0:
                                x[j] = 0
                                x[j + 1] = 0
                                x[j + 2] = 0
                            else:
                                p = np.int64(maps[active[a], h]) >> 20
                                sp = STRETCH12[p]
                                x[j] = sp
                                x[j + 1] = (p - 2048) >> 1
                                x[j + 2] = sp if _DETERMINISTIC[h] else 0
                        j = contexts_on * cm.PER_CONTEXT
                        for m in range(cm.MATCHES):
                            x[j] = 0
                            x[j + 1] = 0
                            if expects[m] >= 0:
                                p = np.int64(match_maps[m, match[_BUCKET, m]]) >> 20
                                sp2 = np.int64(STRETCH12[p])
                                if expects[m]:
                                    x[j] = sp2
                                    x[j + 1] = (p - 2048) >> 1
                                else:
                                    x[j] = -sp2
                                    x[j + 1] = (2048 - p) >> 1
                            j += 2
                        x[j] = _BIAS
                        for j in range(lm_at, inputs):
                            x[j] = 0
                        matched = match[_BUCKET, 0] if expects[0] >= 0 else np.int64(0)
                        row[0] = c0
                        row[1] = order * 256 + c0
                        row[2] = (expects[0] + 1) * 256 + c0
                        row[3] = (matched * 2 + (expects[1] >= 0)) * 8 + bit_at
                        for a in range(4, 8):
                            row[a] = select[a] * 8 + bit_at
                        i1 = c1 << 8 | c0
                        i2 = (mix(hash3, c0) >> 20) & 0xFFFF
                        if plain:
                            # As in context mixing, to the letter.
                            total0 = np.int64(0)
                            total1 = np.int64(0)
                            for a in range(cm.SETS):
                                r = cm.SET_START[a] + row[a]
                                dot = np.int64(0)
                                for j in range(inputs):
                                    dot += np.int64(old_weights[r, j]) * np.int64(x[j])
                                dot = min(max(dot >> 16, -2047), 2047)
                                out[a] = dot
                                total0 += dot * np.int64(old_final[c0, a])
                                total1 += dot * np.int64(old_final[256 + matched, a])
                            total0 = min(max(total0 >> 16, -LIMIT), LIMIT)
                            total1 = min(max(total1 >> 16, -LIMIT), LIMIT)
                            total = (total0 + total1) >> 1
                            mixed = cm.squash(total)
                            scale = min(max(total, -2047), 2047) + 2048
                            cell = scale >> 7
                            part = scale & 127
                            i0 = matched << 8 | c0
                            q0 = apm0[i0, cell] * (128 - part) + apm0[i0, cell + 1] * part
                            q1 = apm1[i1, cell] * (128 - part) + apm1[i1, cell + 1] * part
                            q2 = apm2[i2, cell] * (128 - part) + apm2[i2, cell + 1] * part
                            p1 = ((mixed * 2) >> 3) + ((q0 + 2 * q1 + 3 * q2) >> 8)
                            p1 = min(max(p1, 1), (1 << 24) - 1)
                            if decode:
                                y = np.int64(rc.decode_bit(coder, code, p1))
                            else:
                                y = (byte >> (7 - bit_at)) & 1
                                rc.encode_bit(coder, code, y, p1)
                            target = y << 22
                            cell += part >> 6
                            _move(apm0, i0, cell, target, 6)
                            _move(apm1, i1, cell, target, 6)
                            _move(apm2, i2, cell, target, 6)
                            for a in range(cm.SETS):
                                r = cm.SET_START[a] + row[a]
                                error = ((y << 16) - (cm.squash(out[a]) >> 8)) * model.rates[
                                    cm.RATE
                                ]
                                for j in range(inputs):
                                    old_weights[r, j] += (np.int64(x[j]) * error + (1 << 19)) >> 20
                            rate = model.rates[cm.RATE_FINAL]
                            error0 = ((y << 16) - (cm.squash(total0) >> 8)) * rate
                            error1 = ((y << 16) - (cm.squash(total1) >> 8)) * rate
                            for a in range(cm.SETS):
                                old_final[c0, a] += (out[a] * error0 + (1 << 19)) >> 20
                                old_final[256 + matched, a] += (out[a] * error1 + (1 << 19)) >> 20
                        else:
                            st = stretch24(lm)
                            sure = np.int64(SURE_CLASS[(st >> 5) + 128])
                            if tune[MEANT]:
                                for a in range(contexts_on):
                                    i = active[a]
                                    h = np.int64(table[line[a] + leaf])
                                    z = h * SURE + sure
                                    meant_at[a] = z
                                    x[a * cm.PER_CONTEXT + 1] = meant[i, z] >> 20 if h else 0
                            x[lm_at] = st
                            x[lm_at + 1] = (lm - (1 << 23)) >> 13
                            for j in range(RESIDUES):
                                z = (
                                    mix(
                                        mix(residue_ctx[j], node if j < 16 else c0),
                                        sure if j == 7 else 0,
                                    )
                                    >> 20
                                ) & residue_mask
                                residue_at[j] = z
                                x[lm_at + 2 + RECALLS + j] = (
                                    (residues[j, z] >> 20) if (tune[RES_MASK] >> j) & 1 else 0
                                )
                            for j in range(RECALLS):
                                recall_side[j] = -1
                                x[lm_at + 2 + j] = 0
                                e = recalled[j]
                                if vocabulary.low[node] <= e < vocabulary.high[node]:
                                    recall_side[j] = vocab.side(node, e)
                                    towards = sure if recall_side[j] else SURE - 1 - sure
                                    times = min(recall[j, recall_at[j]] & 255, COUNTS_KEPT - 1)
                                    recall_class[j] = (times + COUNTS_KEPT) * SURE + towards
                                    h = np.int64(recall_maps[j, recall_class[j]])
                                    sp = STRETCH12[h >> 20]
                                    x[lm_at + 2 + j] = sp if recall_side[j] else -sp
                            row[0] += 256 * (depth > 0)
                            row[8] = sure * 8 + bit_at
                            row[9] = (sure * 3 + expects[0] + 1) * 8 + order
                            row[10] = min(depth, 7) * 8 + bit_at
                            final_row[0] = FINAL_START[0] + c0
                            final_row[1] = FINAL_START[1] + matched
                            final_row[2] = FINAL_START[2] + sure * 8 + bit_at
                            for a in range(3):
                                final_dot[a] = st * np.int64(final[final_row[a], SETS])
                            out[SETS] = st
                            for a in range(SETS):
                                out[a] = 0
                                if (tune[SET_MASK] >> a) & 1 == 0:
                                    continue
                                r = SET_START[a] + row[a]
                                dot = np.int64(0)
                                for j in range(mixed_inputs):
                                    dot += np.int64(weights[r, j]) * np.int64(x[j])
                                dot = min(max(dot >> 16, -WIDE), WIDE)
                                out[a] = dot
                                for f in range(3):
                                    final_dot[f] += dot * np.int64(final[final_row[f], a])
                            total = np.int64(0)
                            for f in range(3):
                                final_dot[f] = min(max(final_dot[f] >> 16, -WIDE), WIDE)
                                total += final_dot[f]
                            total = total // 3
                            mixed = squash(total)
                            scale = min(max(total, -LIMIT), LIMIT) + 3072
                            cell = scale >> 7
                            part = scale & 127
                            i0 = sure << 8 | c0
                            q0 = map0[i0, cell] * (128 - part) + map0[i0, cell + 1] * part
                            q1 = map1[i1, cell] * (128 - part) + map1[i1, cell + 1] * part
                            q2 = map2[i2, cell] * (128 - part) + map2[i2, cell + 1] * part
                            # The maps hold 22 bits and their cells are 128 wide: >> 7 - 2.
                            p1 = (
                                mixed * tune[W_MIXED]
                                + ((q0 >> 5) * tune[W_Q0])
                                + ((q1 >> 5) * tune[W_Q1])
                                + ((q2 >> 5) * tune[W_Q2])
                            ) >> 4
                            p1 = min(max(p1, 1), (1 << 24) - 1)
                            if decode:
                                y = np.int64(rc.decode_bit(coder, code, p1))
                            else:
                                y = vocab.side(node, entry)
                                rc.encode_bit(coder, code, y, p1)
                            if costs.shape[0] > 0:
                                costs[k, 0] += _bits(y, p1)
                                costs[k, 1] += _bits(y, lm)
                            target = y << 22
                            cell += part >> 6
                            _move(map0, i0, cell, target, tune[MAP_SHIFT])
                            _move(map1, i1, cell, target, tune[MAP_SHIFT])
                            _move(map2, i2, cell, target, tune[MAP_SHIFT])
                            seen = state.seen[0]
                            state.seen[0] = seen + 1
                            rate = tune[RATE] + tune[RATE_START] * 4096 // (4096 + seen)
                            for a in range(SETS):
                                if (tune[SET_MASK] >> a) & 1 == 0:
                                    continue
                                r = SET_START[a] + row[a]
                                error = ((y << 16) - (squash(out[a]) >> 8)) * rate
                                for j in range(mixed_inputs):
                                    weights[r, j] += (np.int64(x[j]) * error + (1 << 19)) >> 20
                            for f in range(3):
                                error = ((y << 16) - (squash(final_dot[f]) >> 8)) * tune[RATE_FINAL]
                                for a in range(FINAL_INPUTS):
                                    final[final_row[f], a] += (out[a] * error + (1 << 19)) >> 20
                            for j in range(RESIDUES):
                                residue_learn(
                                    residues,
                                    j,
                                    residue_at[j],
                                    y,
                                    st,
                                    tune[RES_RATE],
                                    tune[RES_LOW],
                                    255,
                                )
                            for j in range(RECALLS):
                                if recall_side[j] >= 0:
                                    h = np.int64(recall_maps[j, recall_class[j]])
                                    hit = np.int64(1) << 22 if recall_side[j] == y else np.int64(0)
                                    recall_maps[j, recall_class[j]] = cm.learn(h, hit, 255)
                            if tune[MEANT]:
                                for a in range(contexts_on):
                                    residue_learn(
                                        meant,
                                        active[a],
                                        meant_at[a],
                                        y,
                                        st,
                                        tune[MEANT_RATE],
                                        tune[MEANT_LOW],
                                        1023,
                                    )
                            node = np.int64(vocabulary.child[node, y])
                    else:
                        known_entry = vocab.some_entry(vocabulary, node)
                        y = (
                            np.int64(vocabulary.bytes[vocabulary.start[known_entry] + depth])
                            >> (7 - bit_at)
                        ) & 1
                    target = y << 22
                    learning = coded or tune[FORCED_LEARN] != 0
                    for a in range(contexts_on):
                        place = line[a] + leaf
                        h = table[place]
                        i = active[a]
                        if learning:
                            maps[i, h] = cm.learn(np.int64(maps[i, h]), target, map_limit)
                        table[place] = NEXT[2 * np.int64(h) + y]
                    for m in range(cm.MATCHES):
                        if expects[m] >= 0:
                            if learning:
                                hit = np.int64(1) << 22 if expects[m] == y else np.int64(0)
                                bucket = match[_BUCKET, m]
                                match_maps[m, bucket] = cm.learn(
                                    np.int64(match_maps[m, bucket]), hit, 1023
                                )
                            if expects[m] != y:
                                match[_LENGTH, m] = 0
                    c0 = c0 << 1 | y
                    leaf = leaf << 1 | y
            if decode:
                data[at] = c0 & 0xFF
            elif c0 & 0xFF != byte:
                return k
            known[at] = 1
            state.at[s] = at + 1
            prefix = mix(prefix, c0)
            depth += 1
        if not plain:
            entries[k] = ~node
            for j in range(RECALLS):
                z = recall_at[j]
                h = recall[j, z]
                if recalled[j] == ~node:
                    recall[j, z] = h + (h & 255 < 255)
                elif h & 255 > 3:
                    recall[j, z] = h - ((h & 255) >> 1)
                else:
                    recall[j, z] = (~node + 1) << 8
            before[3] = before[2]
            before[2] = before[1]
            before[1] = before[0]
            before[0] = ~node
    return streams.size
