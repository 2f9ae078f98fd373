"""Windows cover every token once, and never see more than they may."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.models.text.windows import MAX_STREAMS, Windows, default_streams


@given(st.integers(2, 3000), st.data())
def test_spans(window, data):
    hop = data.draw(st.integers(1, window - 1))
    spans = list(itertools.islice(Windows(window, hop, 0).spans(), 6))
    assert spans[0].first == spans[0].context == 0
    for before, after in itertools.pairwise(spans):
        assert after.first == before.last
        assert after.last - after.first == hop
    # The beginning and what comes before the last token of the window.
    assert all(span.last - span.context <= window for span in spans)


@pytest.mark.parametrize(
    "numbers", [(1, 1, 0), (10, 10, 0), (10, 0, 0), (10, 5, 10), (1 << 17, 5, 0)]
)
def test_refused(numbers):
    with pytest.raises(ValueError, match="no windows"):
        Windows(*numbers)


def test_long_texts_have_many_streams_and_short_ones_few():
    counts = [default_streams(size, 2048) for size in (1, 10_000, 40_000, 100_000, 1 << 24)]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert 10 <= counts[3] <= counts[4] <= MAX_STREAMS
    assert default_streams(1 << 24, 4096) == 2
    assert default_streams(1 << 24, 16) == counts[4]
    assert default_streams(1 << 24, 1 << 16) == 1
