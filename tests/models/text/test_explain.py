"""What a token is said to cost it costs, and what the model is said to expect it expects."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.coder import ModelRef
from ncz.models.contextmix.coder import coder as contexts
from ncz.models.text import loading, segments
from ncz.models.text.coder import TextCoder
from ncz.models.text.explain import Explanation, TokenCost, explain
from ncz.models.text.layout import BYTES, CONTEXTS, MODEL, Layout, Run
from ncz.models.text.loading import Ready
from ncz.models.text.windows import Windows
from tests.golden.make import noise, text
from tests.models.language import tiny

WINDOWS = Windows(64, 24, 0)
few = settings(max_examples=8, deadline=None)


@functools.cache
def model() -> Ready:
    return loading.of(tiny.model())


def explained(raw: bytes) -> Explanation:
    found = explain(raw, model(), WINDOWS)
    assert found is not None
    assert b"".join(token.text for token in found.tokens) == raw
    return found


@functools.cache
def prose() -> Explanation:
    """Several windows long."""
    return explained(text(700))


def test_the_costs_add_up_to_the_coded_size() -> None:
    totals = prose().totals
    assert totals.raw_size == 700
    assert totals.tokens == len(prose().tokens) > 3 * WINDOWS.hop
    assert math.isclose(totals.bits, sum(token.bits for token in prose().tokens))
    assert abs(totals.bits / 8 - totals.coded_size) < 2


def test_the_coded_size_is_the_coders() -> None:
    coder = TextCoder(ModelRef(b"", "tiny"), WINDOWS, streams=1, load=lambda _: model())
    coded = coder.encode(text(700))
    assert coded is not None
    head = Layout((Run(MODEL, 700),), (700,)).pack()
    assert coded.startswith(head)
    assert len(coded) - len(head) == prose().totals.coded_size


def test_contexts_alone_are_level_6() -> None:
    coded = contexts(6).encode(text(700))
    assert coded is not None
    assert prose().totals.context_bits == 8 * len(coded)


def test_what_the_model_expects_is_what_a_decoder_is_told() -> None:
    predictor = model().predictor
    words = [
        predictor.vocabulary.bytes[a : a + n].tobytes()
        for a, n in zip(predictor.vocabulary.start, predictor.vocabulary.length, strict=True)
    ]
    decoding = predictor.decoder(WINDOWS, 1, 700)
    stream = np.zeros(1, np.int64)
    for token in prose().tokens:
        weights = np.diff(decoding.sums(stream)[0][0])
        entry = words.index(token.text)
        order = np.argsort(-weights, kind="stable")
        assert order[token.rank] == entry
        p = weights / weights.sum()
        assert [text for text, _ in token.alternatives] == [words[e] for e in order[:5]]
        assert np.allclose([chance for _, chance in token.alternatives], p[order[:5]])
        assert token.model_bits is not None
        if p[entry] > 2**-16:  # below, it tells that each step of a path is cut to 24 bits
            assert math.isclose(token.model_bits, -math.log2(p[entry]), abs_tol=0.01)
        decoding.take(stream, np.array([entry], np.int32))


def test_a_repeated_text_is_saved_by_contexts() -> None:
    found = explained(text(300) * 3)
    late = found.tokens[2 * len(found.tokens) // 3 :]
    assert sum(token.saved for token in late) > 0.5 * sum(token.model_bits or 0 for token in late)
    assert sum(token.share > 0.5 for token in late) > len(late) / 2
    assert found.totals.bits < found.totals.model_bits


@given(st.binary(min_size=1, max_size=80))
@few
def test_any_bytes_are_explained_or_left_to_contexts(raw: bytes) -> None:
    found = explain(raw, model(), WINDOWS)
    if found is not None:
        assert b"".join(token.text for token in found.tokens) == raw
        assert abs(found.totals.bits / 8 - found.totals.coded_size) < 2
        assert all(token.bits >= 0 and -1 <= token.share <= 1 for token in found.tokens)


def test_runs_of_other_kinds_are_shown_with_what_they_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = text(100) + noise(40) + text(100) + noise(60) + text(50)
    sizes = ((MODEL, 100), (CONTEXTS, 40), (MODEL, 100), (BYTES, 60), (CONTEXTS, 50))
    runs = tuple(Run(kind, size) for kind, size in sizes)
    monkeypatch.setattr(segments, "plan", lambda raw, model: runs)
    found = explained(raw)
    totals = found.totals
    assert abs(totals.bits / 8 - totals.coded_size) < 2
    alone = [token for token in found.tokens if token.model_bits is None]
    assert [len(token.text) for token in alone] == [1] * 40 + [60] + [1] * 50
    assert all(token.rank == -1 and token.alternatives == () for token in alone)
    assert all(token.share == 1 and token.saved == 0 for token in alone)
    assert sum(token.bits for token in alone[:40]) > 7 * 40, "noise does not shrink"
    assert totals.tokens == len(found.tokens) - len(alone)


def test_what_the_model_is_not_asked_about_is_not_explained() -> None:
    assert explain(b"", model(), WINDOWS) is None
    assert explain(bytes(range(32)) * 400, model(), WINDOWS) is None


def test_progress_rises_to_its_end() -> None:
    seen: list[tuple[int, int]] = []
    explain(text(700), model(), WINDOWS, lambda done, total: seen.append((done, total)))
    done = [step for step, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == (2 * prose().totals.tokens, 2 * prose().totals.tokens)


@pytest.mark.parametrize(
    ("bits", "model_bits", "share"),
    [(1.0, 4.0, 0.75), (4.0, 1.0, -0.75), (2.0, 2.0, 0.0), (0.0, 0.0, 0.0), (9.0, None, 1.0)],
)
def test_share(bits: float, model_bits: float | None, share: float) -> None:
    assert TokenCost(b"", bits, model_bits, 0, ()).share == share
