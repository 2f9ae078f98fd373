"""Contexts for text."""

from __future__ import annotations

from ncz.models.contextmix import textual as t
from ncz.models.contextmix.kernel import TEXT
from tests.models.contextmix.making import Reader, read

ORDER2, WORD, TWO_WORDS, ABOVE, SKIPPED, COLUMN, MASKED = 1, 7, 8, 15, 21, 23, 27  # contexts


def after(text: str) -> Reader:
    return read(text.encode(), TEXT)


def test_the_last_bytes_newest_lowest() -> None:
    reader = after("abcdefgh")
    assert reader.history[t.LAST4] == int.from_bytes(b"efgh", "big")
    assert reader.history[t.LAST8] == int.from_bytes(b"abcd", "big")
    assert reader.contexts[ORDER2] == int.from_bytes(b"gh", "big")


def test_a_word_is_one_word_in_any_case() -> None:
    assert after("a HOUse").contexts[WORD] == after("a hoUse").contexts[WORD]
    assert after("a house").contexts[WORD] != after("a mouse").contexts[WORD]
    assert after("red house ").history[t.WORD1] == after("blue House, ").history[t.WORD1] != 0


def test_letters_beyond_ascii_hold_a_word_together() -> None:
    history = after("ein schönes").history
    assert history[t.LENGTH] == len("schönes".encode())
    assert history[t.WORD1] == after("ein ").history[t.WORD1]


def test_words_before_move_up() -> None:
    one, two = after("alpha "), after("alpha beta ")
    three, four = after("alpha beta gamma "), after("alpha beta gamma delta ")
    first = one.history[t.WORD1]
    assert first == two.history[t.WORD2] == three.history[t.WORD3] != 0
    assert four.history[t.WORD3] == two.history[t.WORD1]
    assert after("x alpha").contexts[TWO_WORDS] != after("y alpha").contexts[TWO_WORDS]


def test_initials_are_those_of_the_last_four_words() -> None:
    assert after("Every Good boy deserves fudge").history[t.INITIALS] == int.from_bytes(
        b"gbdf", "big"
    )


def test_lines_and_what_stands_above() -> None:
    text = "name: value\nother: x\nabc"
    history = after(text).history
    assert history[t.LINE] == text.rindex("\n") + 1
    assert history[t.LINE_BEFORE] == text.index("\n") + 1
    assert history[t.FIRST] == 0, "this line's first word is not at its end yet"
    # "e" stands above the next byte of both, and "c" before it.
    assert after("other\nabc").contexts[ABOVE] == after("....e\nxyzc\nnonce\n..cc").contexts[ABOVE]
    assert after("other\nabc").contexts[ABOVE] != after("othor\nabc").contexts[ABOVE]
    assert after("no line before").contexts[ABOVE] == after("nor here").contexts[ABOVE]


def test_a_field_looks_up_the_same_field_of_lines_before() -> None:
    one, other = after("ann bob\neve "), after("ann rob\neve ")
    assert one.history[t.FIELD] == other.history[t.FIELD] == 1
    assert one.contexts[SKIPPED] != other.contexts[SKIPPED]


def test_the_column_counts_from_the_line() -> None:
    assert after("a longer line before\nab").contexts[COLUMN] == after("x\nab").contexts[COLUMN]
    assert after("x\nab").contexts[COLUMN] != after("x\n.ab").contexts[COLUMN]


def test_digits_are_alike_where_they_are_masked() -> None:
    assert after("on 2023-11-").contexts[MASKED] == after("on 1987-02-").contexts[MASKED]
    assert after("on 2023-11-").contexts[MASKED] != after("on 2023/11/").contexts[MASKED]
