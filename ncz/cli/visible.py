"""Bytes of any kind as text that can be read and that does nothing: no escapes, no gaps.

A token may end within a character, so what is shown are *pieces*: the shortest runs of tokens
that begin and end between characters. What cannot be seen or would act on a terminal or a page
is shown as a *mark*: ``↵`` before a line's end, ``→`` before a tab, ``←`` for a carriage return,
``⟨1B⟩`` for other control characters and for bytes that are no UTF-8, ``⟨U+200B⟩`` for characters
that nobody sees. These signs are in every font, as Unicode's pictures of controls are not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_NAMED = {"\n": "↵", "\t": "→", "\r": "←"}
SPACING = ("\n", "\t")
"""Parts that come after their marks, to be left out where all is to be on one line."""

_LONE = 0xDC00  # what ``surrogateescape`` adds to a byte


@dataclass(frozen=True)
class Piece:
    """Some whole characters.

    Attributes:
        text: them; a byte that is no UTF-8 is a lone surrogate, as with ``surrogateescape``.
        first: number of the first token they are in.
        last: number after the last one.
    """

    text: str
    first: int
    last: int


def pieces(tokens: Sequence[bytes]) -> list[Piece]:
    """`tokens`, joined where they share a character."""
    text = b"".join(tokens).decode("utf-8", "surrogateescape")
    sizes = [len(c.encode("utf-8", "surrogateescape")) for c in text]
    ends = {0: 0} | {end: k for k, end in enumerate(itertools.accumulate(sizes), 1)}
    found: list[Piece] = []
    first = start = at = 0
    for number, token in enumerate(tokens, 1):
        at += len(token)
        if at in ends:
            found.append(Piece(text[start : ends[at]], first, number))
            first, start = number, ends[at]
    return found


def marked(text: str) -> Iterator[tuple[str, bool]]:
    """`text` in parts, each with whether it is a mark. Line ends and tabs come after theirs.

    >>> list(marked("a\\tb\\n"))
    [('a', False), ('→', True), ('\\t', False), ('b', False), ('↵', True), ('\\n', False)]
    """
    for plain, run in itertools.groupby(text, lambda c: c.isprintable()):
        if plain:
            yield "".join(run), False
            continue
        for c in run:
            yield _mark(c), True
            if c in SPACING:
                yield c, False


def line(token: bytes) -> str:
    """A token on one line: a character that it has only a part of is shown as bytes."""
    text = token.decode("utf-8", "surrogateescape")
    return "".join(part for part, _ in marked(text) if part not in SPACING)


def _mark(c: str) -> str:
    code = ord(c)
    if c in _NAMED:
        return _NAMED[c]
    if code < 0x20 or code == 0x7F or _LONE <= code <= _LONE + 0xFF:
        return f"⟨{code & 0xFF:02X}⟩"
    return f"⟨U+{code:04X}⟩"
