"""The end of a block of deflate as zlib writes it: its Huffman codes, and which kind is shortest.

Which code is written follows from how often each symbol occurs, and from how ties are broken in a
heap: here as in zlib's ``trees.c``, so that the same symbols give the same bits.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import lean

LITERALS, DISTANCES, LENGTHS = 286, 30, 19
END = 256
_HEAP = 2 * LITERALS + 1


def _bases() -> tuple[np.ndarray, ...]:
    extra_length = np.array([0] * 8 + [n for n in range(1, 6) for _ in range(4)] + [0], np.int64)
    base_length = np.concatenate([[0], np.cumsum(1 << extra_length[:-1])[:-1], [255]])
    extra_distance = np.array([0, 0] + [n for n in range(14) for _ in range(2)], np.int64)
    base_distance = np.concatenate([[0], np.cumsum(1 << extra_distance)[:-1]])
    code_of_length = np.zeros(257, np.int64)
    for code in range(29):
        code_of_length[base_length[code] :] = code
    code_of_length[256] = 27
    return extra_length, base_length, extra_distance, base_distance, code_of_length


EXTRA_LENGTH, BASE_LENGTH, EXTRA_DISTANCE, BASE_DISTANCE, CODE_OF_LENGTH = _bases()
ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)
_STATIC = np.array([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8, np.int64)
EXTRA_RUN = np.array([0] * 16 + [2, 3, 7], np.int64)


@lean
def distance_code(distance: int) -> int:
    """The code of a distance less one."""
    low = np.int64(0)
    high = np.int64(DISTANCES - 1)
    while low < high:
        middle = (low + high + 1) >> 1
        if BASE_DISTANCE[middle] <= distance:
            low = middle
        else:
            high = middle - 1
    return int(low)


@lean
def put(out: np.ndarray, bits: np.ndarray, value: int, count: int) -> None:
    """Append bits, the lowest first. `bits` is int64[3]: waiting, how many, bytes written."""
    bits[0] |= value << bits[1]
    bits[1] += count
    while bits[1] >= 8:
        if bits[2] < out.size:
            out[bits[2]] = bits[0] & 0xFF
        bits[2] += 1
        bits[0] >>= 8
        bits[1] -= 8


@lean
def align(out: np.ndarray, bits: np.ndarray) -> None:
    """Fill up the byte."""
    if bits[1] > 0:
        put(out, bits, 0, 8 - bits[1])


@lean
def _before(freq: np.ndarray, depth: np.ndarray, a: int, b: int) -> bool:
    return bool(freq[a] < freq[b] or (freq[a] == freq[b] and depth[a] <= depth[b]))


@lean
def _sink(heap: np.ndarray, size: int, k: int, freq: np.ndarray, depth: np.ndarray) -> None:
    v = heap[k]
    j = k << 1
    while j <= size:
        if j < size and _before(freq, depth, heap[j + 1], heap[j]):
            j += 1
        if _before(freq, depth, v, heap[j]):
            break
        heap[k] = heap[j]
        k = j
        j <<= 1
    heap[k] = v


@lean
def build(
    freq: np.ndarray, elements: int, most: int, lens: np.ndarray, codes: np.ndarray, w: np.ndarray
) -> int:
    """Lengths and codes, bits reversed, for how often symbols occur. Returns the last one in use.

    Args:
        freq: int64[2 · LITERALS + 1], of which `elements` count; spoiled.
        most: the longest code.
        lens: int64[2 · LITERALS + 1], zeros where a symbol does not occur.
        codes: int64[elements].
        w: int64[4, 2 · LITERALS + 2], room to work in.
    """
    heap, depth, dad, ends = w[0], w[1], w[2], w[3]
    size = np.int64(0)
    last = np.int64(-1)
    top = np.int64(_HEAP)
    for n in range(elements):
        lens[n] = 0
        if freq[n] != 0:
            size += 1
            heap[size] = n
            last = n
            depth[n] = 0
    while size < 2:
        if last < 2:
            last += 1
            node = last
        else:
            node = np.int64(0)
        size += 1
        heap[size] = node
        freq[node] = 1
        depth[node] = 0
    for n in range(size >> 1, 0, -1):
        _sink(heap, size, n, freq, depth)
    node = np.int64(elements)
    while True:
        n = heap[1]
        heap[1] = heap[size]
        size -= 1
        _sink(heap, size, 1, freq, depth)
        m = heap[1]
        top -= 1
        heap[top] = n
        top -= 1
        heap[top] = m
        freq[node] = freq[n] + freq[m]
        depth[node] = max(depth[n], depth[m]) + 1
        dad[n] = node
        dad[m] = node
        heap[1] = node
        node += 1
        _sink(heap, size, 1, freq, depth)
        if size < 2:
            break
    top -= 1
    heap[top] = heap[1]
    # Lengths, no longer than `most`.
    for n in range(16):
        ends[n] = 0
    lens[heap[top]] = 0
    overflow = np.int64(0)
    h = top + 1
    while h < _HEAP:
        n = heap[h]
        bits = lens[dad[n]] + 1
        if bits > most:
            bits = np.int64(most)
            overflow += 1
        lens[n] = bits
        if n <= last:
            ends[bits] += 1
        h += 1
    if overflow > 0:
        while overflow > 0:
            bits = np.int64(most - 1)
            while ends[bits] == 0:
                bits -= 1
            ends[bits] -= 1
            ends[bits + 1] += 2
            ends[most] -= 1
            overflow -= 2
        h = np.int64(_HEAP)
        for bits in range(most, 0, -1):
            n = ends[bits]
            while n != 0:
                h -= 1
                m = heap[h]
                if m > last:
                    continue
                lens[m] = bits
                n -= 1
    code_all(lens, last + 1, ends, codes)
    return int(last)


@lean
def code_all(lens: np.ndarray, count: int, ends: np.ndarray, codes: np.ndarray) -> None:
    """Codes from lengths; `ends` has how many there are of each length."""
    for n in range(count):
        bits = lens[n]
        if bits == 0:
            continue
        code = np.int64(0)
        for shorter in range(1, bits):
            code = (code + ends[shorter]) << 1
        rank = np.int64(0)
        for before in range(n):
            rank += np.int64(lens[before] == bits)
        code += rank
        reverse = np.int64(0)
        for _ in range(bits):
            reverse = reverse << 1 | (code & 1)
            code >>= 1
        codes[n] = reverse


@lean
def code_lens(lens: np.ndarray, count: int, ends: np.ndarray, codes: np.ndarray) -> None:
    """Codes from lengths alone."""
    for n in range(16):
        ends[n] = 0
    for i in range(count):
        ends[lens[i]] += 1
    code_all(lens, count, ends, codes)


@lean
def static_lens(lens: np.ndarray, far_lens: np.ndarray) -> None:
    """Lengths of the codes that are never sent."""
    for i in range(288):
        lens[i] = _STATIC[i]
    for i in range(DISTANCES):
        far_lens[i] = 5


@lean
def _runs(
    lens: np.ndarray, last: int, freq: np.ndarray, out: np.ndarray, bits: np.ndarray,
    run_lens: np.ndarray, run_codes: np.ndarray, write: bool,
) -> None:  # fmt: skip
    """Count, or write, the lengths of a code as runs."""
    before = np.int64(-1)
    following = lens[0]
    count = np.int64(0)
    most = np.int64(138 if following == 0 else 7)
    least = np.int64(3 if following == 0 else 4)
    for n in range(last + 1):
        current = following
        following = lens[n + 1] if n < last else np.int64(0xFFFF)
        count += 1
        if count < most and current == following:
            continue
        if count < least:
            if write:
                for _ in range(count):
                    put(out, bits, run_codes[current], run_lens[current])
            else:
                freq[current] += count
        else:
            again = count
            if current != 0:
                if current != before:
                    if write:
                        put(out, bits, run_codes[current], run_lens[current])
                    else:
                        freq[current] += 1
                    again -= 1
                symbol = np.int64(16)
                again -= 3
            elif count <= 10:
                symbol = np.int64(17)
                again -= 3
            else:
                symbol = np.int64(18)
                again -= 11
            if write:
                put(out, bits, run_codes[symbol], run_lens[symbol])
                put(out, bits, again, EXTRA_RUN[symbol])
            else:
                freq[symbol] += 1
        count = np.int64(0)
        before = current
        if following == 0:
            most = np.int64(138)
            least = np.int64(3)
        elif current == following:
            most = np.int64(6)
            least = np.int64(3)
        else:
            most = np.int64(7)
            least = np.int64(4)


@lean
def put_tokens(
    tokens: np.ndarray, count: int, out: np.ndarray, bits: np.ndarray,
    lens: np.ndarray, codes: np.ndarray, far_lens: np.ndarray, far_codes: np.ndarray,
) -> None:  # fmt: skip
    """Write tokens, and the end of a block, by these codes."""
    for i in range(count):
        literal = np.int64(tokens[i]) & 0xFFFF
        distance = np.int64(tokens[i]) >> 16
        if distance == 0:
            put(out, bits, codes[literal], lens[literal])
            continue
        code = CODE_OF_LENGTH[literal]
        put(out, bits, codes[code + 257], lens[code + 257])
        most = (np.int64(1) << EXTRA_LENGTH[code]) - 1
        put(out, bits, min(literal - BASE_LENGTH[code], most), EXTRA_LENGTH[code])
        distance -= 1
        code = distance_code(distance)
        put(out, bits, far_codes[code], far_lens[code])
        put(out, bits, distance - BASE_DISTANCE[code], EXTRA_DISTANCE[code])
    put(out, bits, codes[END], lens[END])


@lean
def flush(
    tokens: np.ndarray, count: int, raw: np.ndarray, start: int, stop: int, stores: bool,
    fixed: bool, final: bool, out: np.ndarray, bits: np.ndarray, work: np.ndarray,
) -> None:  # fmt: skip
    """Write a block of `count` tokens, which stand for raw[start:stop].

    Args:
        tokens: a literal, or a length less 3 and the distance from bit 16 on.
        stores: the raw bytes are at hand, so that they may be stored.
        fixed: no code is sent.
        work: int64[14, 2 · LITERALS + 2].
    """
    for a in range(10):
        for i in range(work.shape[1]):
            work[a, i] = 0
    freq, far, lens, far_lens, codes, far_codes, run_freq, run_lens, run_codes, ends = (
        work[0], work[1], work[2], work[3], work[4], work[5], work[6], work[7], work[8], work[9],
    )  # fmt: skip
    heap = work[10:14]
    extra = np.int64(0)
    static = np.int64(7)  # bits of the end's symbol
    for i in range(count):
        literal = tokens[i] & 0xFFFF
        distance = tokens[i] >> 16
        if distance == 0:
            freq[literal] += 1
            static += _STATIC[literal]
            continue
        code = CODE_OF_LENGTH[literal]
        freq[code + 257] += 1
        static += _STATIC[code + 257] + EXTRA_LENGTH[code]
        extra += EXTRA_LENGTH[code]
        code = distance_code(distance - 1)
        far[code] += 1
        static += 5 + EXTRA_DISTANCE[code]
        extra += EXTRA_DISTANCE[code]
    freq[END] = 1
    for i in range(LITERALS):
        ends[i] = freq[i]
    last = build(freq, LITERALS, 15, lens, codes, heap)
    best = extra
    for i in range(last + 1):
        best += ends[i] * lens[i]
    for i in range(DISTANCES):
        ends[i] = far[i]
    far_last = build(far, DISTANCES, 15, far_lens, far_codes, heap)
    for i in range(far_last + 1):
        best += ends[i] * far_lens[i]
    _runs(lens, last, run_freq, out, bits, run_lens, run_codes, False)
    _runs(far_lens, far_last, run_freq, out, bits, run_lens, run_codes, False)
    for i in range(LENGTHS):
        ends[i] = run_freq[i]
    build(run_freq, LENGTHS, 7, run_lens, run_codes, heap)
    for i in range(LENGTHS):
        best += ends[i] * (run_lens[i] + EXTRA_RUN[i])
    sent = np.int64(LENGTHS - 1)
    while sent >= 3 and run_lens[ORDER[sent]] == 0:
        sent -= 1
    best += 3 * (sent + 1) + 14
    best_bytes = (best + 10) >> 3
    static_bytes = (static + 10) >> 3
    if static_bytes <= best_bytes or fixed:
        best_bytes = static_bytes
    flag = np.int64(1 if final else 0)
    size = stop - start
    if size + 4 <= best_bytes and stores:
        put(out, bits, flag, 3)
        align(out, bits)
        put(out, bits, size, 16)
        put(out, bits, size ^ 0xFFFF, 16)
        for i in range(start, stop):
            put(out, bits, np.int64(raw[i]), 8)
    elif static_bytes == best_bytes:
        put(out, bits, flag | 2, 3)
        static_lens(lens, far_lens)
        code_lens(lens, 288, ends, codes)
        code_lens(far_lens, DISTANCES, ends, far_codes)
        put_tokens(tokens, count, out, bits, lens, codes, far_lens, far_codes)
    else:
        put(out, bits, flag | 4, 3)
        put(out, bits, last - 256, 5)
        put(out, bits, far_last, 5)
        put(out, bits, sent - 3, 4)
        for i in range(sent + 1):
            put(out, bits, run_lens[ORDER[i]], 3)
        _runs(lens, last, run_freq, out, bits, run_lens, run_codes, True)
        _runs(far_lens, far_last, run_freq, out, bits, run_lens, run_codes, True)
        put_tokens(tokens, count, out, bits, lens, codes, far_lens, far_codes)
    if final:
        align(out, bits)
