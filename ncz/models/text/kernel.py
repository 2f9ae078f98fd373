"""The engine of text: at every decision language models and contexts, mixed and coded.

Text is coded in streams, side by side, with one context mixer and one range coder shared by
all. A token is a path of decisions (:mod:`ncz.models.language.vocabulary`): the eight bits of
each byte, and before each byte but the first whether the token stops there. Decisions on which
the vocabulary leaves no choice are not coded. For the rest the language model says a
probability, and a second model may say another; contexts join in
(:mod:`ncz.models.text.together` for bits, :mod:`ncz.models.text.stops`).

Bytes can also be coded by contexts alone (:mod:`ncz.models.text.alone`), where the language
model does not pay. Everything is integer arithmetic, but for one exact division of integers
(:func:`ncz.models.language.vocabulary.probability`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec import rangecoder as rc
from ncz.codec.errors import FormatError
from ncz.codec.jit import lean
from ncz.models.contextmix import kernel as cm
from ncz.models.contextmix.hashing import mix
from ncz.models.contextmix.textual import LINE
from ncz.models.language import vocabulary as vocab
from ncz.models.language.vocabulary import STEPS, Vocabulary
from ncz.models.text import alone, opinions, reading, stops, together, walk
from ncz.models.text.alone import Alone
from ncz.models.text.logistic import stretch24
from ncz.models.text.opinions import Opinions, sure_class
from ncz.models.text.reading import EXPECTED, Reading, Streams
from ncz.models.text.stops import FIRST_OPINION, Stops
from ncz.models.text.together import Together


class State(NamedTuple):
    """All state of one block. Made by :func:`ncz.models.text.state.fresh`."""

    coder: np.ndarray  # int64[6]: the range coder
    at: np.ndarray  # int64[S]: the next byte of each stream
    start: np.ndarray  # int64[S]: its first
    end: np.ndarray  # int64[S]: the byte after its last
    streams: Streams
    model: cm.Model  # memory of contexts, and their weights alone
    reading: Reading
    alone: Alone
    together: Together
    stops: Stops
    opinions: Opinions


def encode_tokens(
    state: State,
    vocabulary: Vocabulary,
    data: np.ndarray,
    code: np.ndarray,
    streams: np.ndarray,
    entries: np.ndarray,
    trace: np.ndarray,
    costs: np.ndarray | None = None,
    second_trace: np.ndarray | None = None,
) -> None:
    """Code tokens in the order given.

    Args:
        state: of the block.
        vocabulary: of the first model.
        data: uint8[n], the whole block.
        code: uint8[m], to be written; what does not fit is counted, see :func:`finish`.
        streams: int64[k]: the stream of each token.
        entries: int32[k]: the tokens, as entries of the vocabulary.
        trace: uint32[...]: probabilities of side 1 of the decisions on their paths, end to end,
            see :func:`trace`.
        costs: float64[k, 4], to be written: bits that each token cost; what the first model
            alone would have taken; and both once more, of stop decisions only.
        second_trace: uint32[...]: what a second model says of the same decisions, 0 for nothing;
            only for a state made for two.

    Raises:
        ValueError: the tokens are not what stands in `data`, or a trace is too short.
    """
    asked = _Asked(
        vocabulary,
        trace,
        _NO_TRACE if second_trace is None else second_trace,
        _NO_SUMS,
        _NO_VOCABULARY,
        _NO_SUMS,
    )
    costs = _NO_COSTS if costs is None else costs
    done = _run(state, asked, data, code, streams, entries, np.int64(-1), False, costs)
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
    second_vocabulary: Vocabulary | None = None,
    second_cumulative: np.ndarray | None = None,
) -> None:
    """Decode one token for each of `streams`, into `data` and `entries`, int32[k].

    Args:
        state: of the block, after :func:`start_decoder`.
        vocabulary: of n entries.
        data: uint8[n], what is decoded so far.
        code: uint8[m].
        streams: int64[k].
        cumulative: int64[k, n + 1], the model's cumulative sum for the next token of each.
        entries: int32[k or more], to be written.
        second_vocabulary: a second model's, of n' entries.
        second_cumulative: int64[k, n' + 1]; a row that ends in 0 says nothing.

    Raises:
        FormatError: a token goes on past the end of its stream: the code is damaged.
    """
    asked = _Asked(
        vocabulary,
        _NO_TRACE,
        _NO_TRACE,
        cumulative,
        second_vocabulary or _NO_VOCABULARY,
        _NO_SUMS if second_cumulative is None else second_cumulative,
    )
    done = _run(state, asked, data, code, streams, entries, np.int64(-1), True, _NO_COSTS)
    if done != streams.size:
        raise FormatError("a token goes on past the end of its stream")


def encode_bytes(state: State, data: np.ndarray, code: np.ndarray, stream: int, count: int) -> None:
    """Code the next `count` bytes of `stream` by contexts alone.

    Raises:
        FormatError: the stream has fewer bytes left.
    """
    _bytes(state, data, code, stream, count, False)


def decode_bytes(state: State, data: np.ndarray, code: np.ndarray, stream: int, count: int) -> None:
    """The inverse of :func:`encode_bytes`."""
    _bytes(state, data, code, stream, count, True)


def start_decoder(state: State, code: np.ndarray) -> None:
    """Prepare a fresh state for decoding uint8[m]."""
    rc.start_decoder(state.coder, code)


def finish(state: State, code: np.ndarray) -> int:
    """Write the last bytes of the code; return its size, which may exceed ``code.size``."""
    return int(rc.finish_encoder(state.coder, code))


@lean
def trace(vocabulary: Vocabulary, cumulative: np.ndarray, entry: int, out: np.ndarray) -> int:
    """Probabilities of side 1 along the path to `entry` into `out`, uint32; how many."""
    node = np.int64(vocabulary.root[0])
    count = 0
    while node >= 0:
        out[count] = vocab.probability(vocabulary, cumulative, node)
        count += 1
        node = np.int64(vocabulary.child[node, vocab.side(node, entry)])
    return count


class _Asked(NamedTuple):
    """What the language models say: traces where tokens are known, cumulative sums elsewhere."""

    vocabulary: Vocabulary
    trace: np.ndarray
    second_trace: np.ndarray
    sums: np.ndarray
    second_vocabulary: Vocabulary
    second_sums: np.ndarray


_NO_TRACE = np.zeros(0, np.uint32)
_NO_SUMS = np.zeros((0, 0), np.int64)
_NO_COSTS = np.zeros((0, 4), np.float64)
_NO_VOCABULARY = vocab.build(np.zeros(0, np.uint8), np.zeros(1, np.int64), np.zeros(0, np.uint8))
_NO_MODELS = _Asked(_NO_VOCABULARY, _NO_TRACE, _NO_TRACE, _NO_SUMS, _NO_VOCABULARY, _NO_SUMS)


def _bytes(
    state: State, data: np.ndarray, code: np.ndarray, stream: int, count: int, decode: bool
) -> None:
    streams = np.array([stream], np.int64)
    entries = np.zeros(1, np.int32)
    done = _run(state, _NO_MODELS, data, code, streams, entries, np.int64(count), decode, _NO_COSTS)
    if done != 1:
        raise FormatError("a run of bytes goes on past the end of its stream")


@lean
def _bits(y: int, p1: int) -> float:
    """What coding `y` costs. For reports: no decision hangs on it."""
    return 24 - np.log2(np.float64(p1 if y else (1 << 24) - p1))


@lean
def _run(
    state: State,
    asked: _Asked,
    data: np.ndarray,
    code: np.ndarray,
    streams: np.ndarray,
    entries: np.ndarray,
    count: int,
    decode: bool,
    costs: np.ndarray,
) -> int:
    """Code one token for each of `streams`, or `count` ≥ 0 bytes each by contexts alone.

    Returns how many of `streams` were coded to the end.
    """
    coder = state.coder
    model = state.model
    now = state.reading
    vocabulary = asked.vocabulary
    by_bytes = count >= 0
    two = asked.second_trace.size > 0 or asked.second_sums.shape[0] > 0
    traced = np.int64(0)

    for k in range(streams.size):
        s = streams[k]
        v = state.streams.history[s]
        ctx = state.streams.contexts[s]
        select = state.streams.select[s]
        match = state.streams.match[s]
        before = state.streams.before[s]
        node = np.int64(0) if by_bytes else np.int64(vocabulary.root[0])
        place = np.int64(asked.second_vocabulary.root[0])  # where the second model stands
        entry = np.int64(entries[k])
        prefix = np.int64(0)
        depth = np.int64(0)
        if not by_bytes:
            opinions.begin_token(state.opinions, before)
        while True:
            at = state.at[s]
            reading.open_byte(model, state.streams, data, s)
            if by_bytes:
                if depth == count:
                    break
            else:
                column = at - state.start[s] - v[LINE]
                opinions.begin_byte(state.opinions, v, before, column)
            byte = np.int64(data[at]) if at < state.end[s] and not (decode and by_bytes) else 0
            c0 = np.int64(1)
            leaf = np.int64(1)
            going = True
            # Step 0 is the stop, the others are bits; by bytes alone, there are bits only.
            for step in range(1 if by_bytes else 0, STEPS):
                if step > 0:
                    if step == 1 and at >= state.end[s]:
                        return k
                    if step == 1 or step == 5:
                        reading.open_half(model, now, ctx, c0)
                        leaf = np.int64(1)
                    reading.expect(now, match, step - 1, c0)
                if by_bytes:
                    reading.read(model, now, match, leaf)
                    p1 = alone.predict(model, state.alone, now, v, select, match, step - 1, c0)
                    if decode:
                        y = np.int64(rc.decode_bit(coder, code, p1))
                    else:
                        y = (byte >> (STEPS - 1 - step)) & 1
                        rc.encode_bit(coder, code, y, p1)
                    alone.learn(model, state.alone, now, y)
                elif node >= 0 and vocabulary.step[node] == STEPS * depth + step:
                    p2 = np.int64(0)
                    if decode:
                        p = vocab.probability(vocabulary, asked.sums[k], node)
                        if two:
                            p2 = walk.opinion(
                                asked.second_vocabulary,
                                asked.second_sums[k],
                                place,
                                STEPS * depth + step,
                            )
                    else:
                        if traced >= asked.trace.size:
                            return k
                        p = np.int64(asked.trace[traced])
                        if two:
                            if traced >= asked.second_trace.size:
                                return k
                            p2 = np.int64(asked.second_trace[traced])
                        traced += 1
                    st = stretch24(p)
                    st2 = stretch24(p2) if p2 else np.int64(0)
                    both = (st + st2) >> 1 if p2 else st
                    sure = sure_class(both)
                    if step == 0:
                        stops.hear(state.stops, st, p, st2, p2)
                        x = state.stops.mixer.x
                        opinions.say(state.opinions, vocabulary, node, 0, sure, x, FIRST_OPINION)
                        p1 = stops.predict(
                            state.stops, v, prefix, depth, before, match[EXPECTED, 0], sure
                        )
                    else:
                        reading.read(model, now, match, leaf)
                        first = together.hear(
                            state.together, model, now, leaf, st, p, st2, p2, sure
                        )
                        x = state.together.mixer.x
                        opinions.say(state.opinions, vocabulary, node, c0, sure, x, first)
                        p1 = together.predict(
                            state.together, now, v, select, match, depth, step - 1, c0, sure
                        )
                    if decode:
                        y = np.int64(rc.decode_bit(coder, code, p1))
                    else:
                        y = vocab.side(node, entry)
                        rc.encode_bit(coder, code, y, p1)
                    if costs.shape[0] > 0:
                        costs[k, 0] += _bits(y, p1)
                        costs[k, 1] += _bits(y, p)
                        if step == 0:
                            costs[k, 2] += _bits(y, p1)
                            costs[k, 3] += _bits(y, p)
                    opinions.learn(state.opinions, both, y)
                    if step == 0:
                        stops.learn(state.stops, y)
                    else:
                        together.learn(state.together, model, both, y)
                    node = np.int64(vocabulary.child[node, y])
                else:
                    y = vocab.agreed(vocabulary, node, STEPS * depth + step)
                if two and decode:
                    place = walk.advance(
                        asked.second_vocabulary,
                        asked.second_sums[k],
                        place,
                        STEPS * depth + step,
                        y,
                    )
                if step == 0:
                    if y == 0:
                        going = False
                        break
                else:
                    reading.learn(model, now, match, leaf, y)
                    c0 = c0 << 1 | y
                    leaf = leaf << 1 | y
            if not going:
                break
            if decode:
                data[at] = c0 & 0xFF
            elif c0 & 0xFF != byte:
                return k
            state.streams.known[at] = 1
            state.at[s] = at + 1
            prefix = mix(prefix, c0)
            depth += 1
        if not by_bytes:
            entries[k] = ~node
            opinions.end_token(state.opinions, before, ~node)
    return streams.size
