"""Making the state of a block of text: what it starts from before a byte is seen."""

from __future__ import annotations

import numpy as np

from ncz.codec import rangecoder as rc
from ncz.models.contextmix import kernel as cm
from ncz.models.contextmix import prior
from ncz.models.contextmix import state as contexts
from ncz.models.contextmix.presets import PRESETS
from ncz.models.text import alone, opinions, reading, start, stops, together
from ncz.models.text.kernel import State

PRESET = 6
"""The preset of context mixing whose contexts, memory and trained start are used."""

SHIPPED: start.Tensors = {}
"""Stands for the start that comes with ncz, for as many models."""

_LEAST_BITS, _MOST_BITS = 12, 20  # of the places for each context of opinions and stops


def fresh(
    raw_size: int,
    starts: np.ndarray,
    ends: np.ndarray,
    models: int = 1,
    trained: start.Tensors | None = SHIPPED,
) -> State:
    """The state for a block.

    Args:
        raw_size: bytes of the block.
        starts: int64[S]: the first byte of each stream.
        ends: int64[S]: the byte after its last.
        models: how many language models will be asked, 1 or 2.
        trained: what it begins with; None for nothing but the memory of contexts.
    """
    model = contexts.fresh(PRESETS[PRESET], cm.TEXT, raw_size, 1, 1, prior.for_kind(cm.TEXT))
    bits = min(max(raw_size.bit_length(), _LEAST_BITS), _MOST_BITS)
    coder = np.zeros(6, np.int64)
    rc.start_encoder(coder)
    streams = reading.fresh_streams(raw_size, starts, ends)
    state = State(
        coder=coder,
        at=streams.at,
        start=streams.start,
        end=streams.end,
        streams=streams,
        model=model,
        reading=reading.fresh_reading(model),
        alone=alone.fresh(),
        together=together.fresh(model),
        stops=stops.fresh(bits),
        opinions=opinions.fresh(bits),
    )
    if models > 1:
        together.share(state.together, model)
        stops.share(state.stops)
    if trained is not None:
        start.apply(state, start.load(models) if trained is SHIPPED else trained)
    return state
