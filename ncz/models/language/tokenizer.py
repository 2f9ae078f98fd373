"""Text to tokens, the way the model was trained to see it.

The encoder asks; any tokens that spell the text decode to it. (A decoder asks about single
tokens of another model's, see ``whole``.) But a model has only ever
seen one tokenization of each text, so that one costs least. Works on bytes: what no token can
say becomes an escape, and the text of control tokens is text like any other.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from ncz.codec.errors import ModelError
from ncz.codec.jit import jit
from ncz.models.language import merges as bpe
from ncz.models.language import pretokenizer, vocabulary
from ncz.models.language.merges import Merges
from ncz.models.language.pretokenizer import character
from ncz.models.language.vocabulary import ORDINARY, UNUSED, WHOLE, Vocabulary, find

FAMILIES = ("gpt2", "spm")

_PIECE, _WHOLE = 1, 2  # what begins at a cut: text to merge, or a token of kind WHOLE


class Tokenizer:
    """Cuts bytes into tokens: byte-level BPE ("gpt2"), or SentencePiece BPE ("spm").

    Attributes:
        vocabulary: the sorted tokens.
        merges: their merges.
        kinds: uint8[n] by entry; an escape is of no use to the tokenizer, so UNUSED.
        by_character: whether merging starts from characters or from bytes.
        way: how text is cut before it is merged; nothing is said where it is by character.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], family: str, pre: str) -> None:
        """Take the ``vocab.`` tensors of an exact file.

        Args:
            tensors: ``vocab.bytes``, ``.offsets``, ``.kind``, ``.merges``.
            family: one of :data:`FAMILIES`.
            pre: llama.cpp's name of the pre-tokenizer; GPT-2's if it has no such name.

        Raises:
            ModelError: an unknown family, or a damaged vocabulary.
        """
        if family not in FAMILIES:
            raise ModelError(f"a tokenizer of the family {family!r} is not known; update ncz")
        kinds = tensors["vocab.kind"]
        data, offsets = tensors["vocab.bytes"], tensors["vocab.offsets"]
        self.vocabulary = vocabulary.build(data, offsets, kinds)
        self.merges = bpe.build(self.vocabulary, tensors["vocab.merges"], family == "spm")
        self.by_character = family == "spm"
        self.way = pretokenizer.NAMES.get(pre, pretokenizer.GPT2)
        self.kinds = np.full(self.vocabulary.order.size, UNUSED, np.uint8)
        said = self.vocabulary.order >= 0
        self.kinds[said] = kinds[self.vocabulary.order[said]]
        self._has_wholes = bool((self.kinds == WHOLE).any())
        self._begins = np.zeros(1 << 16, np.uint8)
        self._joined = np.zeros(1 << 16, np.uint8)
        _survey(self.vocabulary, self.kinds, self._begins, self._joined)

    def encode(
        self, data: bytes | bytearray | memoryview | np.ndarray, whole: bool = False
    ) -> np.ndarray:
        """The tokens of `data`, int32[n]; -1 - byte is a byte that no token says.

        With `whole`, it is one piece. So a decoder has to see it where it asks at all: what a
        letter is, and so where pieces end, depends on the version of Unicode.

        In memory a small multiple of the data, at worst some 70 times, where it is one word.
        """
        raw = np.frombuffer(bytearray(data), np.uint8)
        if raw.size == 0:
            return np.empty(0, np.int32)
        cuts = np.zeros(raw.size + 1, np.uint8)
        if self._has_wholes:
            _mark_wholes(self.vocabulary, self.kinds, self._begins, raw, cuts)
        if self.by_character:
            _cut_where_nothing_joins(raw, self._joined, cuts)
        elif not whole:
            self._cut(raw, cuts)
        out = np.empty(raw.size, np.int32)
        count = _encode(
            self.vocabulary,
            self.merges,
            raw,
            cuts,
            self.by_character,
            self.way == pretokenizer.LLAMA3,
            out,
        )
        return self.vocabulary.order[out[:count]]

    def entries(
        self, data: bytes | bytearray | memoryview | np.ndarray, whole: bool = False
    ) -> np.ndarray:
        """The same as entries of the vocabulary, int32[n]."""
        tokens = self.encode(data, whole)
        said = self.vocabulary.rank[np.maximum(tokens, 0)]
        escaped = self.vocabulary.escapes[np.clip(-1 - tokens, 0, 255)]
        return np.where(tokens >= 0, said, escaped).astype(np.int32)

    def decode(self, tokens: np.ndarray) -> bytes:
        """The bytes that `tokens` spell, escapes too; the inverse of :meth:`encode`.

        Raises:
            ValueError: one of them is no usable token.
        """
        entries = np.where(
            tokens >= 0,
            self.vocabulary.rank[np.maximum(tokens, 0)],
            self.vocabulary.escapes[np.clip(-1 - tokens, 0, 255)],
        )
        if (entries < 0).any():
            raise ValueError("tokens that stand for nothing cannot be decoded")
        v = self.vocabulary
        whole = v.bytes.tobytes()
        starts, lengths = v.start[entries].tolist(), v.length[entries].tolist()
        return b"".join(
            whole[start : start + length] for start, length in zip(starts, lengths, strict=True)
        )

    def _cut(self, raw: np.ndarray, cuts: np.ndarray) -> None:
        """Cut what lies between the tokens found whole as the pre-tokenizer does."""
        table = pretokenizer.classes()
        bounds = [*np.flatnonzero(cuts).tolist(), raw.size] if cuts.any() else [0, raw.size]
        if bounds[0] > 0:
            bounds.insert(0, 0)
        for start, stop in itertools.pairwise(bounds):
            if cuts[start] != _WHOLE and start < stop:
                after = cuts[stop]
                pretokenizer.cut(raw[start:stop], self.way, table, cuts[start : stop + 1])
                cuts[stop] = max(after, _PIECE)


@jit
def byte_entries(v: Vocabulary) -> np.ndarray:
    """int32[256]: the entry of each byte, which is a token or an escape."""
    entries = np.empty(256, np.int32)
    single = np.empty(1, np.uint8)
    for byte in range(256):
        single[0] = byte
        entries[byte] = find(v, single, 0, 1)
    return entries


@jit
def spell(
    v: Vocabulary,
    letters: np.ndarray,
    by_character: bool,
    data: np.ndarray,
    start: int,
    stop: int,
    symbols: np.ndarray,
) -> int:
    """Write what merging starts from to `symbols`: bytes, or characters; returns how many."""
    size = 0
    at = start
    while at < stop:
        length = 1
        if by_character and data[at] >= 0x80:
            length = character(data, at, stop)[1]
            entry = find(v, data, at, length)
            if entry >= 0:
                symbols[size] = entry
                size += 1
                at += length
                continue
        for k in range(length):
            symbols[size] = letters[data[at + k]]
            size += 1
        at += length
    return size


@jit
def _encode(
    v: Vocabulary,
    merges: Merges,
    data: np.ndarray,
    cuts: np.ndarray,
    by_character: bool,
    try_whole: bool,
    out: np.ndarray,
) -> int:
    """Write the entries of all pieces to `out`, int32[as many as bytes]; returns how many."""
    longest = 0
    start = 0
    for stop in range(1, data.size + 1):
        if stop == data.size or cuts[stop]:
            longest = max(longest, stop - start)
            start = stop
    room = np.empty(6 * longest, np.int64)
    letters = byte_entries(v)
    count = 0
    start = 0
    for stop in range(1, data.size + 1):
        if stop < data.size and not cuts[stop]:
            continue
        if cuts[start] == _WHOLE or try_whole:
            entry = find(v, data, start, stop - start)
            if entry >= 0:
                out[count] = entry
                count += 1
                start = stop
                continue
        size = spell(v, letters, by_character, data, start, stop, out[count:])
        count += bpe.apply(merges, out[count:], size, 1, room)
        start = stop
    return count


@jit
def _survey(v: Vocabulary, kinds: np.ndarray, begins: np.ndarray, joined: np.ndarray) -> None:
    """Note the pairs of bytes that begin a WHOLE token, and that meet inside ordinary ones.

    Where a WHOLE token has only one byte, that byte begins one with any after it. By character,
    pairs inside of one character count as well: nothing is cut there.
    """
    for entry in range(v.order.size):
        start = v.start[entry]
        if kinds[entry] == WHOLE:
            pair = np.int64(v.bytes[start]) << 8
            if v.length[entry] > 1:
                begins[pair | v.bytes[start + 1]] = 1
            else:
                begins[pair : pair + 256] = 1
        elif kinds[entry] == ORDINARY:
            for k in range(1, v.length[entry]):
                joined[np.int64(v.bytes[start + k - 1]) << 8 | v.bytes[start + k]] = 1


@jit
def _mark_wholes(
    v: Vocabulary, kinds: np.ndarray, begins: np.ndarray, data: np.ndarray, cuts: np.ndarray
) -> None:
    """From left to right, mark the longest WHOLE token that begins at each place, and its end."""
    longest = 0
    for entry in range(v.order.size):
        if kinds[entry] == WHOLE:
            longest = max(longest, np.int64(v.length[entry]))
    at = 0
    while at < data.size:
        length = 0
        second = np.int64(data[at + 1]) if at + 1 < data.size else 0
        if begins[np.int64(data[at]) << 8 | second]:
            length = min(longest, data.size - at)
            while length > 0:
                entry = find(v, data, at, length)
                if entry >= 0 and kinds[entry] == WHOLE:
                    break
                length -= 1
        if length > 0:
            cuts[at] = _WHOLE
            cuts[at + length] = _PIECE
        at += max(length, 1)


@jit
def _cut_where_nothing_joins(data: np.ndarray, joined: np.ndarray, cuts: np.ndarray) -> None:
    """Cut between bytes that meet in no token; inside of characters never."""
    at = 0
    while at < data.size:
        if cuts[at] == _WHOLE:
            at += 1
            while cuts[at] == 0:
                at += 1
            continue
        if at > 0 and cuts[at] == 0:
            cuts[at] = 1 - joined[np.int64(data[at - 1]) << 8 | data[at]]
        at += character(data, at, data.size)[1]
