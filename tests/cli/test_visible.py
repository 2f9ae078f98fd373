"""Any bytes as text that is whole, can be seen, and does nothing."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from ncz.cli.visible import SPACING, line, marked, pieces


def cut(raw: bytes, sizes: list[int]) -> list[bytes]:
    """`raw` in tokens of these sizes, over and over."""
    tokens, at = [], 0
    while at < len(raw):
        size = sizes[len(tokens) % len(sizes)]
        tokens.append(raw[at : at + size])
        at += size
    return tokens


any_bytes = st.binary(max_size=60) | st.text(max_size=40).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)


@given(any_bytes, st.lists(st.integers(1, 5), min_size=1, max_size=4))
@example("😀".encode(), [1])
def test_pieces_are_all_tokens_and_all_of_the_text(raw: bytes, sizes: list[int]) -> None:
    tokens = cut(raw, sizes)
    found = pieces(tokens)
    assert "".join(piece.text for piece in found).encode("utf-8", "surrogateescape") == raw
    assert [n for piece in found for n in range(piece.first, piece.last)] == [*range(len(tokens))]
    for piece in found:
        whole = b"".join(tokens[piece.first : piece.last])
        assert piece.text.encode("utf-8", "surrogateescape") == whole


def test_tokens_are_joined_only_where_they_share_a_character() -> None:
    found = pieces([b"a", b"b ", "日".encode()[:2], "日".encode()[2:], b"\xff", "é".encode()])
    assert [piece.text for piece in found] == ["a", "b ", "日", "\udcff", "é"]
    assert [(piece.first, piece.last) for piece in found] == [
        (0, 1),
        (1, 2),
        (2, 4),
        (4, 5),
        (5, 6),
    ]


@given(any_bytes)
def test_nothing_that_acts_or_hides_is_left(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    parts = list(marked(text))
    assert all(part.isprintable() for part, _ in parts if part not in SPACING)
    for (before, is_mark), (part, _) in itertools.pairwise(parts):
        if part in SPACING:
            assert is_mark
            assert before in "↵→"
    assert "".join(part for part, is_mark in parts if not is_mark) == "".join(
        c for c in text if c.isprintable() or c in SPACING
    )


def test_signs() -> None:
    shown = line("a\tb\r\n\x00\x1b[1m\x7f\u202e\u200b\xa0".encode() + b"\xf0\x9f")
    assert shown == "a→b←↵⟨00⟩⟨1B⟩[1m⟨7F⟩⟨U+202E⟩⟨U+200B⟩⟨U+00A0⟩⟨F0⟩⟨9F⟩"
