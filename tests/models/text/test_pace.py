"""The reckoning of times, beside counting every token."""

from types import SimpleNamespace

import pytest

from ncz.formats import levels
from ncz.models.text import pace
from ncz.models.text.pace import Reading, Restoring
from ncz.models.text.windows import Windows

WORDS = b"it was the best of times and worst of all that you with his age in foolishness".split()
TEXT = b" ".join(WORDS[k * k % 97 % len(WORDS)] for k in range(160)) + b".\n"


def coder(windows, streams):
    return SimpleNamespace(windows=windows, streams=streams)


def counted(windows, tokens):
    """For each window of a stream, the places of tokens that are read, and those coded."""
    for span in windows.spans():
        if span.first >= tokens:
            return
        last = min(span.last, tokens)
        yield range(last - span.context), range(span.first - span.context, last - span.context)


@pytest.mark.parametrize("tokens", [1, 50, 64, 65, 1000])
@pytest.mark.parametrize("streams", [1, 3])
def test_coding_is_the_sum_of_all_that_is_read_and_coded(tokens, streams):
    windows = Windows(64, 48, 0)
    reading = Reading(threads=1, token=1.0, read=3.0, further=0.5, code=2.0)
    expected = streams * sum(
        sum(3.0 + 0.5 * place for place in read) + 2.0 * len(coded)
        for read, coded in counted(windows, tokens)
    )
    found = reading.seconds(coder(windows, streams), tokens * streams)
    assert found == pytest.approx(expected, rel=0.3 if tokens == 1 else 0.02)


@pytest.mark.parametrize("tokens", [50, 64, 65, 1000])
def test_restoring_is_the_sum_of_steps_and_of_what_is_read_again(tokens):
    windows = Windows(64, 48, 16)
    reading = Reading(threads=1, token=1.0, read=3.0, further=0.5, code=2.0)
    expected = 16 * 0.25 * 7.0 + sum(
        sum(7.0 + 0.25 * place for place in coded)
        + 4 * sum(3.0 + 0.5 * place for place in read if place < coded[0])
        for read, coded in counted(windows, tokens)
    )
    restoring = Restoring(step=7.0, further=0.25, alone=0.25)
    found = restoring.seconds(coder(windows, 4), reading, tokens * 4)
    assert found == pytest.approx(expected, rel=0.02)


def test_threads_help_as_far_as_there_are_windows():
    windows = Windows(64, 48, 0)
    slow, quick = (Reading(threads, 1.0, 3.0, 0.0, 2.0) for threads in (1, 4))
    assert slow.seconds(coder(windows, 1), 50) == 50 * 5
    # Costs are those of all threads at work, of which three have nothing to do here.
    assert quick.seconds(coder(windows, 1), 50) == 4 * 50 * 5
    assert quick.seconds(coder(windows, 4), 200) == 200 * 5


def test_a_model_is_timed(tiny_default_model):
    text = levels.plan(7).coders[-1]
    pace.prepare(text)
    coding = pace.coding(text, TEXT * 9)
    assert coding.size == len(TEXT * 9) and 0 < coding.tokens <= coding.size
    reading = pace.reading(text, coding)
    assert reading.token == coding.size / coding.tokens
    assert min(reading.read, reading.seconds(text, 100_000)) > 0
    restoring = pace.restoring(text, TEXT * 9, reading.token, 4)
    assert restoring.step > 0 and 0 < restoring.alone <= 1
    few, many = (restoring.seconds(text, reading, size) for size in (10_000, 10_000_000))
    assert 0 < few < many


def test_what_is_no_text_is_not_timed(tiny_default_model):
    text = levels.plan(7).coders[-1]
    noise = bytes(range(256)) * 40
    assert pace.modelled(text, noise) == b""
    assert pace.coding(text, noise) is None
    assert pace.modelled(text, TEXT) == TEXT
