import io

from hypothesis import given
from hypothesis import strategies as st

from ncz.formats import sample
from ncz.formats.sample import Sample, read, spread


@given(st.binary(max_size=300), st.integers(1, 300), st.integers(2, 9))
def test_parts_are_in_order_and_reach_from_the_start_to_the_end(data, size, parts):
    found = spread(data, size, parts)
    if len(data) <= size:
        assert found == data
        return
    each = max(1, size // parts)
    assert len(found) == each * parts
    assert found.startswith(data[:each]) and found.endswith(data[-each:])
    at = 0
    for k in range(parts):
        at = data.find(found[k * each : (k + 1) * each], at)
        assert at >= 0


def test_a_file_of_some_megabytes_is_read_whole():
    data = bytes(range(256)) * 50
    found = read(io.BytesIO(data), len(data))
    assert (found, found.whole) == (Sample(len(data), data), True)
    assert found.take(len(data)) == data
    assert len(found.take(800)) == 800


def test_of_a_longer_one_pieces_are_read(monkeypatch):
    monkeypatch.setattr(sample, "PIECE", 10)
    data = bytes(range(100))
    found = read(io.BytesIO(data), 100)
    assert (found.size, found.whole) == (100, False)
    assert found.data == bytes([*range(10), *range(30, 40), *range(60, 70), *range(90, 100)])


def test_a_file_that_became_shorter_is_taken_as_it_is():
    assert read(io.BytesIO(b"abc"), 5) == Sample(3, b"abc")
