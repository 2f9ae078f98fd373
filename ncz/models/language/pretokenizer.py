"""Where text is cut before tokens are merged: the regular expressions of GPT-2 and its heirs.

Byte-pair merges never cross these cuts. The expressions are those of llama.cpp, by the names
it gives them; here they are small scanners over classes of characters, so that a megabyte
takes milliseconds and any bytes will do: one that is no part of valid UTF-8 is a character
of its own, neither letter, number nor space.

Only the encoder cuts text. Letters are what this Python's Unicode tables say; another version
may cut a new script differently, and the file decodes all the same.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np

from ncz.codec.jit import jit

# Classes of characters, \p{L}, \p{N}, \s, \p{P} with some signs, and the rest.
LETTER, NUMBER, SPACE, SIGN, OTHER = range(5)
# Ways to cut.
GPT2, SMOLLM, LLAMA3, QWEN2, DEFAULT = range(5)
NAMES = {
    "gpt-2": GPT2,
    "gpt2": GPT2,
    "smollm": SMOLLM,
    "starcoder": SMOLLM,
    "refact": SMOLLM,
    "command-r": SMOLLM,
    "llama-bpe": LLAMA3,
    "llama3": LLAMA3,
    "llama-v3": LLAMA3,
    "qwen2": QWEN2,
    "deepseek-r1-qwen": QWEN2,
    "default": DEFAULT,
}

_LAST = 0x323B0  # past the last letter or number that any version of Unicode has
_SPACES = (*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029)
SPACES = (*_SPACES, 0x202F, 0x205F, 0x3000)  # \s
CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
_SIGNS = "$+<=>^~|"  # which llama.cpp's default cuts off as it does punctuation


@cache
def classes() -> np.ndarray:
    """uint8[_LAST]: the class of each code point."""
    of = {"L": LETTER, "N": NUMBER, "P": SIGN}
    category = unicodedata.category
    table = np.array([of.get(category(chr(c))[0], OTHER) for c in range(_LAST)], np.uint8)
    table[[ord(sign) for sign in _SIGNS]] = SIGN
    table[[*SPACES]] = SPACE
    return table


@jit
def character(data: np.ndarray, at: int, stop: int) -> tuple[int, int]:
    """The code point at `at` and its length in bytes; -1 and 1 where the UTF-8 is not valid."""
    first = np.int64(data[at])
    if first < 0x80:
        return first, 1
    if first < 0xC2 or first > 0xF4:
        return -1, 1
    length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if at + length > stop:
        return -1, 1
    code = first & (0x7F >> length)
    for k in range(1, length):
        byte = np.int64(data[at + k])
        if byte >> 6 != 2:
            return -1, 1
        code = code << 6 | byte & 0x3F
    least = 0x80 if length == 2 else 0x800 if length == 3 else 0x10000
    if code < least or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        return -1, 1
    return code, length


@jit
def cut(data: np.ndarray, way: int, table: np.ndarray, cuts: np.ndarray) -> None:
    """Mark where pieces begin.

    Args:
        data: uint8[n], any bytes.
        way: one of :data:`NAMES`'s values.
        table: see :func:`classes`.
        cuts: uint8[n + 1], zeros; becomes 1 at the first byte of each piece and at the end.
    """
    size = data.size
    kinds = np.full(size + 1, 255, np.uint8)  # by byte; 255 inside of a character and at the end
    at = 0
    while at < size:
        code, length = character(data, at, size)
        kinds[at] = OTHER if code < 0 or code >= table.size else table[code]
        at += length
    cuts[0] = 1
    cuts[size] = 1
    if way == SMOLLM:
        _cut_each(kinds, NUMBER, cuts)
    elif way == DEFAULT:
        _cut_runs(kinds, SIGN, cuts)
    start = 0
    for stop in range(1, size + 1):
        if cuts[stop]:
            if way in (LLAMA3, QWEN2):
                _cut_llama3(data, kinds, start, stop, 3 if way == LLAMA3 else 1, cuts)
            else:
                _cut_gpt2(data, kinds, start, stop, cuts)
            start = stop
    if way == DEFAULT:
        _cut_runs(kinds, NUMBER, cuts)
        _cut_threes(data, cuts)


@jit
def _cut_each(kinds: np.ndarray, kind: int, cuts: np.ndarray) -> None:
    """Make a piece of every character of this class."""
    for at in range(kinds.size - 1):
        if kinds[at] == kind:
            cuts[at] = 1
            cuts[_next(kinds, at)] = 1


@jit
def _cut_runs(kinds: np.ndarray, kind: int, cuts: np.ndarray) -> None:
    """Make a piece of every run of characters of this class."""
    inside = False
    for at in range(kinds.size - 1):
        if kinds[at] != 255 and (kinds[at] == kind) != inside:
            cuts[at] = 1
            inside = not inside


@jit
def _cut_threes(data: np.ndarray, cuts: np.ndarray) -> None:
    """Cut off three digits at a time, from the left of each piece that begins with digits."""
    digits = 0
    for at in range(data.size):
        if cuts[at]:
            digits = 0
        if data[at] < 48 or data[at] > 57:
            digits = 0
            continue
        digits += 1
        if digits == 3:
            cuts[at - 2] = 1
            cuts[at + 1] = 1
            digits = 0


@jit
def _next(kinds: np.ndarray, at: int) -> int:
    """Where the next character begins, or the end."""
    at += 1
    while at < kinds.size - 1 and kinds[at] == 255:
        at += 1
    return at


@jit
def _run(kinds: np.ndarray, at: int, stop: int, kind: int, most: int) -> int:
    """Past up to `most` characters of this class."""
    while at < stop and most > 0 and kinds[at] == kind:
        at = _next(kinds, at)
        most -= 1
    return at


@jit
def _run_of_others(kinds: np.ndarray, at: int, stop: int) -> int:
    """Past all that is neither letter, number nor space."""
    while at < stop and (kinds[at] == SIGN or kinds[at] == OTHER):
        at = _next(kinds, at)
    return at


@jit
def _contraction(data: np.ndarray, at: int, stop: int, fold: bool) -> int:
    """Length of 's, 't, 're, 've, 'm, 'll or 'd at `at`, else 0; `fold`: in any case."""
    if data[at] != 39 or at + 1 >= stop:
        return 0
    case = np.uint8(32 if fold else 0)
    a = data[at + 1] | case
    if a == 115 or a == 116 or a == 109 or a == 100:  # s t m d
        return 2
    if at + 2 >= stop:
        return 0
    b = data[at + 2] | case
    if (b == 101 and (a == 114 or a == 118)) or (a == 108 and b == 108):  # re ve ll
        return 3
    return 0


@jit
def _spaces(kinds: np.ndarray, at: int, stop: int) -> int:
    """``\\s+(?!\\S)|\\s+``: a run of spaces, less the last one where something else follows."""
    end = at
    last = at
    while end < stop and kinds[end] == SPACE:
        last = end
        end = _next(kinds, end)
    return last if end < stop and last > at else end


@jit
def _cut_gpt2(data: np.ndarray, kinds: np.ndarray, at: int, stop: int, cuts: np.ndarray) -> None:
    """``'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+``."""
    many = stop - at
    while at < stop:
        cuts[at] = 1
        word = _contraction(data, at, stop, False)
        if word:
            at += word
            continue
        head = at + 1 if data[at] == 32 and at + 1 < stop else at
        kind = kinds[head]
        if kind == SPACE:
            at = _spaces(kinds, at, stop)
        elif kind in (LETTER, NUMBER):
            at = _run(kinds, head, stop, kind, many)
        else:
            at = _run_of_others(kinds, head, stop)


@jit
def _cut_llama3(
    data: np.ndarray, kinds: np.ndarray, at: int, stop: int, digits: int, cuts: np.ndarray
) -> None:
    r"""Llama 3's expression, with `digits` numbers together at most.

    ``(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
    ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+``
    """
    many = stop - at
    while at < stop:
        cuts[at] = 1
        word = _contraction(data, at, stop, True)
        if word:
            at += word
            continue
        kind = kinds[at]
        after = _next(kinds, at)
        line_end = data[at] == 10 or data[at] == 13
        if kind == LETTER:
            at = _run(kinds, at, stop, LETTER, many)
            continue
        if kind == NUMBER:
            at = _run(kinds, at, stop, NUMBER, digits)
            continue
        if not line_end and after < stop and kinds[after] == LETTER:
            at = _run(kinds, after, stop, LETTER, many)
            continue
        head = at + 1 if data[at] == 32 and at + 1 < stop else at
        if kinds[head] == SIGN or kinds[head] == OTHER:
            at = _run_of_others(kinds, head, stop)
            while at < stop and (data[at] == 10 or data[at] == 13):
                at += 1
            continue
        end = at
        line = at
        while end < stop and kinds[end] == SPACE:
            if data[end] == 10 or data[end] == 13:
                line = end + 1
            end = _next(kinds, end)
        at = line if line > at else _spaces(kinds, at, stop)
