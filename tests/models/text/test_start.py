"""The trained start: the shipped one is what it should be, and what is kept comes back."""

from __future__ import annotations

import numpy as np
import pytest

from ncz.codec.errors import NczError
from ncz.models.contextmix.prior import pack, unpack
from ncz.models.text import kernel, start, state, train
from tests.golden.make import text
from tests.models.text.making import Guess, tokens_of, vocabulary


def practised() -> state.State:
    raw = text(4000)
    entries = np.array(tokens_of(raw), np.int32)
    room = np.zeros(64 * entries.size, np.uint32)
    used = 0
    sums = Guess(1)(0, 0)
    for entry in entries:
        used += kernel.trace(vocabulary(), sums, entry, room[used:])
    said = train.Said(entries, room[:used], room[:0])
    learned, size = train.practise(vocabulary(), raw, said, None)
    again, smaller = train.practise(vocabulary(), raw, said, learned)
    assert smaller < size
    return again


def blank() -> state.State:
    return state.fresh(10, np.zeros(1, np.int64), np.full(1, 10), trained=None)


def test_what_is_kept_comes_back() -> None:
    learned = practised()
    tensors = unpack(pack(start.keep(learned, blank()), {}))
    given = blank()
    start.apply(given, tensors)
    for name, (found, shift) in start.moving(given).items():
        wanted = start.moving(learned)[name][0]
        assert np.abs(found - wanted).max() <= 1 << shift, name
    meanings = given.together.meanings, learned.together.meanings
    assert (meanings[0] >> 20 == meanings[1] >> 20).all()
    assert (given.opinions.trust >> 10 == learned.opinions.trust >> 10).all()


@pytest.mark.parametrize("models", [1, 2])
def test_the_shipped_one_is_there_and_changes_something(models: int) -> None:
    bounds = (np.zeros(1, np.int64), np.full(1, 10))
    given = state.fresh(10, *bounds, models)
    nothing = state.fresh(10, *bounds, models, trained=None)
    for name, (found, _) in start.moving(given).items():
        assert (found != start.moving(nothing)[name][0]).any(), name


def test_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    name, _ = start.FILES[1]
    start.load.cache_clear()
    monkeypatch.setitem(start.FILES, 1, (name, "00"))
    with pytest.raises(NczError, match="install ncz again"):
        start.load()
    monkeypatch.setitem(start.FILES, 1, ("missing.safetensors", "00"))
    with pytest.raises(NczError, match="cannot be read"):
        start.load()
    start.load.cache_clear()
