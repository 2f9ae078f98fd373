"""A toy vocabulary, a language model that guesses at random, and blocks through the engine."""

from __future__ import annotations

import functools

import numpy as np

from ncz.models.language import vocabulary as vocab
from ncz.models.language.vocabulary import Vocabulary
from ncz.models.text import kernel, state, walk

WORDS = (b" the", b" and", b"he", b"th", b"the", b"then", b"in", b"ing", b"\r\n", b"  ", b"aaaa")
SECOND = (b" then", b"a", b"an", b"and", b"ng", b"\r", b"e ", b"the", b"aaa")
TOKENS = WORDS + tuple(bytes([byte]) for byte in range(32, 120))


@functools.cache
def vocabulary() -> Vocabulary:
    offsets = np.cumsum([0, *map(len, TOKENS)], dtype=np.int64)
    data = np.frombuffer(b"".join(TOKENS), np.uint8)
    return vocab.build(data, offsets, np.zeros(len(TOKENS), np.uint8))


@functools.cache
def _entries() -> dict[bytes, int]:
    v = vocabulary()
    said = (v.bytes[v.start[k] : v.start[k] + v.length[k]] for k in range(v.order.size))
    return {one.tobytes(): k for k, one in enumerate(said)}


def tokens_of(raw: bytes) -> list[int]:
    """The longest token that fits, from the left, as entries."""
    known, found, at = _entries(), [], 0
    while at < len(raw):
        piece = next(raw[at : at + k] for k in range(4, 0, -1) if raw[at : at + k] in known)
        found.append(known[piece])
        at += len(piece)
    return found


def array(raw: bytes) -> np.ndarray:
    """A uint8 array that may be written to."""
    return np.frombuffer(bytearray(raw), np.uint8)


class Guess:
    """Cumulative sums that depend on the stream and the token's number alone."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, stream: int, number: int) -> np.ndarray:
        random = np.random.default_rng((self._seed, stream, number % 5))
        count = vocabulary().order.size
        weights = random.integers(1, 1 << 30, count) >> random.integers(0, 30, count)
        return np.concatenate([[0], np.cumsum(np.maximum(weights, 1))]).astype(np.int64)


def bounds(size: int, cuts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Where streams start and end, from cuts anywhere."""
    at = np.array([0, *sorted(cut % (size + 1) for cut in cuts), size], np.int64)
    return at[:-1], at[1:]


@functools.cache
def second_vocabulary() -> Vocabulary:
    """Another one, which parts from the first in the midst of tokens."""
    offsets = np.cumsum([0, *map(len, SECOND)], dtype=np.int64)
    return vocab.build(
        np.frombuffer(b"".join(SECOND), np.uint8), offsets, np.zeros(len(SECOND), np.uint8)
    )


def second_sums(stream: int, number: int) -> np.ndarray:
    """What a second model says; each fourth time nothing."""
    random = np.random.default_rng((stream, number % 3))
    weights = random.integers(1, 1 << 20, second_vocabulary().order.size)
    sums = np.concatenate([[0], np.cumsum(weights)]).astype(np.int64)
    return sums * (number % 4 != 3)


def follow(entry: int, sums: np.ndarray) -> list[int]:
    """The second model's opinions along the path to `entry` of the first vocabulary."""
    first, other = vocabulary(), second_vocabulary()
    node, place, step, out = np.int64(first.root[0]), np.int64(other.root[0]), 0, []
    while node >= 0:
        if first.step[node] == step:
            out.append(int(walk.opinion(other, sums, place, step)))
            taken = vocab.side(node, entry)
            node = np.int64(first.child[node, taken])
        else:
            taken = vocab.agreed(first, node, step)
        place = walk.advance(other, sums, place, step, taken)
        step += 1
    return out


def encode(
    raw: bytes, cuts: list[int], guess: Guess, plain: int = 0, second: bool = False
) -> bytes:
    """Code streams in lockstep, the first `plain` bytes of each by contexts alone."""
    data, v = array(raw), vocabulary()
    starts, ends = bounds(len(raw), cuts)
    block = state.fresh(len(raw), starts, ends, 1 + second)
    code = np.zeros(3 * len(raw) + 100, np.uint8)
    paths = []
    for s, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        skip = min(plain, end - start)
        kernel.encode_bytes(block, data, code, s, skip)
        paths.append(tokens_of(raw[start + skip : end]))
    for number in range(max(map(len, paths))):
        live = [s for s, path in enumerate(paths) if number < len(path)]
        entries = np.array([paths[s][number] for s in live], np.int32)
        room = np.zeros(64 * len(live), np.uint32)
        used = 0
        for s, entry in zip(live, entries, strict=True):
            used += kernel.trace(v, guess(s, number), entry, room[used:])
        beside = None
        if second:
            said = [
                follow(int(e), second_sums(s, number)) for s, e in zip(live, entries, strict=True)
            ]
            beside = np.concatenate([np.array(one, np.uint32) for one in said])
        kernel.encode_tokens(
            block,
            v,
            data,
            code,
            np.array(live, np.int64),
            entries,
            room[:used].copy(),
            None,
            beside,
        )
    return code[: kernel.finish(block, code)].tobytes()


def decode(
    coded: bytes,
    size: int,
    cuts: list[int],
    guess: Guess,
    plain: int = 0,
    second: bool = False,
) -> bytes:
    """The inverse of :func:`encode`."""
    data, v, code = np.zeros(size, np.uint8), vocabulary(), array(coded)
    starts, ends = bounds(size, cuts)
    block = state.fresh(size, starts, ends, 1 + second)
    kernel.start_decoder(block, code)
    for s in range(starts.size):
        kernel.decode_bytes(block, data, code, s, min(plain, int(ends[s] - starts[s])))
    number = 0
    while (block.at < block.end).any():
        live = np.flatnonzero(block.at < block.end)
        entries = np.zeros(live.size, np.int32)
        sums = np.array([guess(int(s), number) for s in live])
        beside = np.array([second_sums(int(s), number) for s in live]) if second else None
        other = second_vocabulary() if second else None
        kernel.decode_tokens(block, v, data, code, live, sums, entries, other, beside)
        number += 1
    return data.tobytes()
