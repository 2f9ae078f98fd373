"""Runs cover the block, and go to whoever codes them best."""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.models.text import loading, segments
from ncz.models.text.layout import BYTES, CONTEXTS, MODEL
from ncz.models.text.loading import Ready
from ncz.models.text.segments import PIECE
from tests.golden.make import noise, text
from tests.models.language import tiny


@functools.cache
def model() -> Ready:
    return loading.of(tiny.model())


def kinds(raw: bytes) -> list[int]:
    return [run.kind for run in segments.plan(raw, model())]


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=1, max_size=2 * PIECE))
def test_runs_cover_the_block(raw):
    runs = segments.plan(raw, model())
    assert sum(run.length for run in runs) == len(raw)
    assert all(a.kind != b.kind for a, b in itertools.pairwise(runs))


def test_short_text_is_for_the_model():
    assert kinds(text(500)) == [MODEL]


def test_noise_is_not():
    assert kinds(noise(3 * PIECE)) == [BYTES]
    assert kinds(noise(100)) == [CONTEXTS]


def test_a_model_that_knows_nothing_is_not_asked_about_long_text(monkeypatch):
    raw = text(6 * PIECE)
    assert set(kinds(raw)) == {CONTEXTS}  # the tiny model is random
    monkeypatch.setattr(segments, "_cost_of_model", lambda sample, model: 1.0)
    assert set(kinds(raw)) == {MODEL}


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_bytes_between_text(monkeypatch, pieces):
    monkeypatch.setattr(segments, "_cost_of_model", lambda sample, model: 1.0)
    raw = text(2 * PIECE) + noise(pieces * PIECE) + text(2 * PIECE)
    assert kinds(raw) == [MODEL, CONTEXTS if pieces == 1 else BYTES, MODEL]
