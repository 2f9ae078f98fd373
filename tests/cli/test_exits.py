import errno

import pytest

from ncz.cli import exits
from ncz.cli.exits import Failure, explain
from ncz.codec import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Failure("x"), exits.FAILED),
        (Failure("x", exits.USAGE), exits.USAGE),
        (errors.FormatError("x"), exits.DAMAGED),
        (errors.TruncatedError("x"), exits.DAMAGED),
        (errors.CorruptBlock(1, 2, 3, 4, "x"), exits.DAMAGED),
        (errors.UnsupportedError("x"), exits.MISSING),
        (errors.ModelMissing("00", "x"), exits.MISSING),
        (errors.ModelError("damaged"), exits.MISSING),
        (errors.MemoryLimitError(2, 1), exits.MISSING),
        (errors.MissingExtra("bench", "x"), exits.MISSING),
        (errors.NczError("x"), exits.FAILED),
        (MemoryError(), exits.MISSING),
        (OSError(errno.ENOSPC, "No space left on device"), exits.FAILED),
        (KeyboardInterrupt(), exits.INTERRUPTED),
        (ZeroDivisionError("x"), exits.FAILED),
    ],
)
def test_every_error_has_a_code_and_one_line(error, code):
    found, sentence = explain(error)
    assert found == code
    assert sentence
    assert "\n" not in sentence


def test_an_error_of_ours_says_so():
    assert "internal error" in explain(ZeroDivisionError("x"))[1]
