"""Text is cut where the regular expressions cut it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ncz.models.language import pretokenizer
from tests.models.language.making import peer_pieces

LETTERS = "aZsStTdmrevlLéßдя日本"
TRICKY = st.text(st.sampled_from(LETTERS + "0127²½" + " \n\r\t\u00a0\u3000" * 3 + "''.,-$+€“—_"))


def pieces(raw: bytes, pre: str) -> list[bytes]:
    cuts = np.zeros(len(raw) + 1, np.uint8)
    data = np.frombuffer(bytearray(raw), np.uint8)
    pretokenizer.cut(data, pretokenizer.NAMES[pre], pretokenizer.classes(), cuts)
    at = np.flatnonzero(cuts).tolist()
    return [raw[a:b] for a, b in itertools.pairwise(at)]


@pytest.mark.parametrize("pre", ["gpt2", "smollm", "llama-bpe", "qwen2", "default"])
@settings(max_examples=150, deadline=None)
@given(text=TRICKY)
@example(text="I'll say don't'S 'such  as\n\n  this\t\tis 12345 = 1½ ...\r\n\r\n x")
@example(text="a  b \n c\n\nd\n  \n e   ")
def test_as_the_expressions_do(pre: str, text: str) -> None:
    spans = [span for _, span in peer_pieces(pre).pre_tokenize_str(text)]
    expected = [text[a:b].encode() for a, b in spans]
    assert pieces(text.encode(), pre) == expected


@settings(max_examples=150, deadline=None)
@given(st.binary() | st.lists(st.sampled_from([b"a", b"\xc3", b"\xa9", b" ", b"\xf0\x9f"])))
def test_any_bytes_are_cut(raw: bytes | list[bytes]) -> None:
    raw = raw if isinstance(raw, bytes) else b"".join(raw)
    for pre in pretokenizer.NAMES:
        assert b"".join(pieces(raw, pre)) == raw


@given(st.binary(max_size=6))
def test_characters_are_those_of_valid_utf8(raw: bytes) -> None:
    data = np.frombuffer(raw + b"\0", np.uint8)
    at = 0
    while at < len(raw):
        code, length = pretokenizer.character(data, at, len(raw))
        if code >= 0:
            assert raw[at : at + length] == chr(code).encode()
        else:
            assert length == 1
            for size in range(1, 5):
                with pytest.raises(UnicodeDecodeError):
                    raw[at : at + size].decode()
        at += length
