"""Which parts of a block the language model is asked about: decided by what they would cost.

A block is looked at in pieces. Pieces that are no text are left to contexts, or, where there are
several on end, to the coder of bytes. Of the rest, contexts alone code everything, which is
quick, and the model a sample here and there. Where the model takes far more bits than contexts
do, as in a language it does not know, mixing it in would gain little and take a hundred times
as long.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np

from ncz.codec.rangecoder import PENDING, POS
from ncz.models.text import kernel, state
from ncz.models.text.layout import BYTES, CONTEXTS, MODEL, Run
from ncz.models.text.loading import Ready

PIECE = 4096  # bytes that are decided on together
_GROUP = 8  # pieces that one sample stands for
_SAMPLE = 2048  # bytes of a sample
_MOST_CONTROL = 0.03  # share of control bytes in text
_APART = 2  # so many pieces on end that are no text go to the coder of bytes
_WORTH_IT = 2.0  # up to so many times the bits of contexts, the model still helps them
_ALWAYS = 2 * PIECE  # bytes of text up to which a sample would take as long as the work


def plan(raw: bytes, model: Ready) -> tuple[Run, ...]:
    """The runs of a block; none of them with the model where it does not pay."""
    return plan_by(raw, partial(_cost_of_model, model=model))


def plan_by(raw: bytes, cost: Callable[[bytes], float]) -> tuple[Run, ...]:
    """The runs of a block, where `cost` says the bits that the model alone takes for a sample."""
    data = np.frombuffer(bytearray(raw), np.uint8)
    pieces = [data[at : at + PIECE] for at in range(0, data.size, PIECE)]
    kinds = [MODEL if _is_text(piece) else BYTES for piece in pieces]
    _keep_short_ones(kinds)
    if MODEL in kinds and data.size > _ALWAYS:
        costs = _costs_of_contexts(data)
        for first in range(0, len(pieces), _GROUP):
            group = [i for i in range(first, min(first + _GROUP, len(pieces))) if kinds[i] == MODEL]
            if group:
                middle = group[len(group) // 2]
                sample = pieces[middle][:_SAMPLE].tobytes()
                share = len(sample) / pieces[middle].size
                if cost(sample) > _WORTH_IT * costs[middle] * share:
                    for i in group:
                        kinds[i] = CONTEXTS
    sizes = [piece.size for piece in pieces]
    return _joined(zip(kinds, sizes, strict=True))


def _is_text(piece: np.ndarray) -> bool:
    counts = np.bincount(piece, minlength=256)
    control = int(counts[:32].sum() - counts[[9, 10, 12, 13, 27]].sum() + counts[127])
    return control <= _MOST_CONTROL * piece.size


def _keep_short_ones(kinds: list[int]) -> None:
    """What is no text but short stays in the text, coded by contexts alone."""
    at = 0
    for kind, same in itertools.groupby(list(kinds)):
        count = len(list(same))
        if kind == BYTES and count < _APART:
            kinds[at : at + count] = [CONTEXTS] * count
        at += count


def _costs_of_contexts(data: np.ndarray) -> list[int]:
    """Bits that contexts alone take for each piece."""
    mixer = state.fresh(data.size, np.zeros(1, np.int64), np.array([data.size], np.int64))
    nowhere = np.empty(0, np.uint8)
    costs, before = [], 0
    for at in range(0, data.size, PIECE):
        kernel.encode_bytes(mixer, data, nowhere, 0, min(PIECE, data.size - at))
        now = int(mixer.coder[POS] + mixer.coder[PENDING])
        costs.append(8 * (now - before))
        before = now
    return costs


def _cost_of_model(sample: bytes, model: Ready) -> float:
    """Bits that the model alone takes for `sample`, of which it knows no past."""
    entries = model.entries(sample)[: model.predictor.network.model.shape.context]
    if entries.size == 0:
        return 0.0
    predictor = model.predictor
    cache = predictor.network.cache(1, entries.size)
    seen = np.concatenate([[predictor.begin], predictor.tokens(entries[:-1])])
    x = predictor.network.read(cache, 0, seen)
    return float(predictor.bits(x, entries, seen).sum())


def _joined(pieces: zip[tuple[int, int]]) -> tuple[Run, ...]:
    return tuple(
        Run(kind, sum(size for _, size in same))
        for kind, same in itertools.groupby(pieces, key=lambda piece: piece[0])
    )
