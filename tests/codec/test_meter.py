import importlib
from contextlib import contextmanager

from ncz.codec.meter import in_flight, metered


def test_blocks_in_flight_count_by_their_share_of_the_input():
    assert in_flight() == 0
    with metered(lambda: 30, 100, 50):
        assert in_flight() == 15
        with metered(lambda: 200, 100, 7):
            assert in_flight() == 15 + 7, "never more than the whole block"
        assert in_flight() == 15
    assert in_flight() == 0


def test_a_block_that_fails_is_not_in_flight_any_more():
    try:
        with metered(lambda: 1, 1, 1):
            raise ValueError
    except ValueError:
        pass
    assert in_flight() == 0


def test_the_context_mixing_coder_leaves_its_position(monkeypatch):
    # By name: the package has a function that is called as this module is.
    module = importlib.import_module("ncz.models.contextmix.coder")
    seen = []

    @contextmanager
    def watch(position, end, input_size):
        before = position()
        yield
        seen.append((before, position(), end, input_size))

    monkeypatch.setattr(module, "metered", watch)
    raw = b"the same words again " * 20
    coded = module.coder(2).encode(raw)
    assert module.coder(2).decode(coded, len(raw)) == raw
    last = len(raw) - 1
    assert seen == [(0, last, len(raw), len(raw)), (0, last, len(raw), len(coded))]
