"""What fits into a device's memory is found, and is as much as torch then holds at most."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec.errors import NczError
from ncz.models.language import plain, room
from ncz.models.language.plain_attention import Cache
from ncz.models.language.room import Room
from tests.models.language import tiny


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_the_size_of_a_cache(architecture: str) -> None:
    model = tiny.model(architecture)
    cache = Cache(model, 3, 20)
    kept = (cache.keys, cache.values, cache.key_scale, cache.value_scale, cache.most)
    assert 3 * room.cache(model, 20) == sum(t.numel() * t.element_size() for t in kept)


@given(free=st.integers(0, 1 << 36), places=st.integers(1, 512))
def test_what_is_found_fits(free: int, places: int) -> None:
    model = tiny.model()
    try:
        found = room.find(model, "cuda:0", free, places)
    except NczError as error:
        least = room.scratch(model, Room()) + room.window(model, places)
        assert least > free
        assert str(error) == (
            f"cuda:0 lacks {max(1, (least - free) >> 20)} MiB for the language model and one "
            f"window of {places} tokens; allow more of its memory, or use the device cpu"
        )
        return
    taken = room.scratch(model, found) + found.windows * room.window(model, places)
    assert taken <= free
    assert 1 <= found.windows <= room.MOST_WINDOWS
    if found.windows < room.MOST_WINDOWS:
        assert taken + room.window(model, places) > free


def test_more_memory_is_used() -> None:
    model = tiny.model()
    sizes = [room.find(model, "cuda:0", 1 << bits, 512) for bits in range(29, 38)]
    for less, more in itertools.pairwise(sizes):
        assert all(a <= b for a, b in zip(vars(less).values(), vars(more).values(), strict=True))
    assert sizes[-1].rows == Room().rows << 5


def test_streams() -> None:
    model = tiny.model()
    free = room.scratch(model, Room()) + 3 * room.cache(model, 100)
    assert room.going(model, 3, 100) == free
    room.check(model, "cuda:0", free, 3, 100)
    assert room.going(model, 100, 100) > room.scratch(model, Room()) + 100 * room.cache(model, 100)
    with pytest.raises(NczError, match="4 streams of 100 tokens"):
        room.check(model, "cuda:0", free, 4, 100)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_real_device_takes_no_more() -> None:
    model = tiny.model()
    network = plain.Network(model, "cuda:0")
    sizes = Room(windows=8, rows=2048, scores=1 << 22)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    cache = network.cache(8, 512)
    network.read_many(cache, [np.arange(256)] * 8, np.arange(8), sizes=sizes)
    taken = torch.cuda.max_memory_allocated() - before
    assert taken <= room.scratch(model, sizes) + 8 * room.window(model, 512)
