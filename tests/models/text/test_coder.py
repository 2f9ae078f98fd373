"""Whatever a block holds comes back, however it is cut into runs, streams and windows."""

from __future__ import annotations

import contextlib
import functools
import hashlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ncz.codec.coder import ModelRef
from ncz.codec.errors import FormatError, ModelError, NczError, UnsupportedError
from ncz.models.text import coder, loading, segments
from ncz.models.text.coder import TextCoder
from ncz.models.text.layout import BYTES, CONTEXTS, MODEL, Run
from ncz.models.text.loading import Ready
from ncz.models.text.windows import Windows
from tests.golden.make import noise, text
from tests.models.language import tiny

FIRST, SECOND = ModelRef(bytes(32), "first"), ModelRef(bytes([1]) * 32, "second")
few = settings(max_examples=12, deadline=None)

# What a fixed text becomes with a fixed tiny model. It pins the network, the mix and the framing:
# a change makes old files unreadable, and so needs a new revision.
GOLDEN = {
    1: "5b682187c12507bd",
    3: "ad16dee91030a004",
}


@functools.cache
def model(architecture: str, threads: int = 1) -> Ready:
    return loading.of(tiny.model(architecture), threads)


def load(wanted: ModelRef) -> Ready:
    return model("llama" if wanted == FIRST else "gemma3")


def making(streams: int | None = 1, two: bool = False, windows: tuple[int, ...] = (48, 20, 8)):
    second = SECOND if two else None
    return TextCoder(FIRST, Windows(*windows), second=second, streams=streams, load=load)


def round_trip(raw: bytes, made: TextCoder) -> bytes | None:
    coded = made.encode(raw)
    if coded is not None:
        found = coder.from_params(made.spec.params, (FIRST, SECOND), load)
        assert found.decode(coded, len(raw)) == raw
    return coded


@pytest.fixture
def cut(monkeypatch):
    """Have blocks cut into given runs instead of those that cost least."""

    def into(*runs: Run) -> None:
        monkeypatch.setattr(segments, "plan", lambda raw, model: runs)

    return into


@few
@given(st.binary(min_size=1, max_size=300), st.integers(1, 4), st.booleans())
@example(b"\xff\xfe\x00<|begin|><|user|>", 1, False)
@example(bytes(range(256)), 3, True)
@example("naïve café 日本".encode()[:-1] * 5, 2, False)
def test_any_bytes(raw, streams, two):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "plan", lambda raw, model: (Run(MODEL, len(raw)),))
        assert round_trip(raw, making(streams, two)) is not None


@few
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 90)), min_size=1), st.integers(1, 3))
def test_any_runs(pieces, streams):
    kinds = [kind for kind, _ in pieces]
    runs = [Run(MODEL, 5)]
    for kind, length in zip(kinds, (length for _, length in pieces), strict=True):
        if kind != runs[-1].kind:
            runs.append(Run(kind, length))
    raw = (text(4000) + noise(300))[: sum(run.length for run in runs)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "plan", lambda raw, model: tuple(runs))
        round_trip(raw, making(streams))


def test_text_between_bytes(cut):
    raw = noise(9000) + text(700) + noise(50) + text(400)
    cut(Run(BYTES, 9000), Run(MODEL, 700), Run(CONTEXTS, 50), Run(MODEL, 400))
    assert round_trip(raw, making(2)) is not None


def test_bytes_alone_are_left_to_others():
    assert making().encode(noise(20_000)) is None


@pytest.mark.parametrize("streams", [1, 3])
def test_golden(streams, cut):
    raw = text(900)
    cut(Run(MODEL, len(raw)))
    coded = making(streams).encode(raw)
    assert coded is not None
    assert hashlib.sha256(coded).hexdigest()[:16] == GOLDEN[streams]


def test_threads_change_nothing(cut):
    raw = text(900)
    cut(Run(MODEL, len(raw)))
    windows = Windows(48, 20, 8)
    coded = [
        TextCoder(FIRST, windows, streams=5, load=lambda _, n=n: model("llama", n)).encode(raw)
        for n in (1, 2)
    ]
    assert coded[0] == coded[1]


def test_a_short_text_is_not_cut_within_the_prefix(cut):
    raw = text(60)
    cut(Run(MODEL, len(raw)))
    coded = round_trip(raw, making(8, windows=(48, 20, 40)))
    assert coded is not None
    assert coded[0] == 1


@few
@given(st.binary(max_size=200), st.integers(1, 400))
def test_any_coded_data_ends(coded, size):
    try:
        assert len(making().decode(coded, size)) == size
    except NczError as error:
        assert isinstance(error, FormatError)


@few
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
def test_damage_is_an_error_or_other_bytes(place, junk):
    raw = text(300)
    coded = bytearray(making(2).encode(raw) or b"")
    at = place % len(coded)
    coded[at : at + len(junk)] = junk
    with contextlib.suppress(FormatError):
        assert len(making(2).decode(bytes(coded), len(raw))) == len(raw)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        (b"", UnsupportedError),
        (b"\x09\x01\x00\x30\x14\x08", UnsupportedError),
        (b"\x01", FormatError),
        (b"\x01\x03\x00\x30\x14\x08", FormatError),
        (b"\x01\x02\x01\x30\x14\x08", FormatError),
        (b"\x01\x01\x02\x30\x14\x08", FormatError),
        (b"\x01\x01\x00\x14\x30\x08", FormatError),
        (b"\x01\x01\x00\x30\x14\x30", FormatError),
        (b"\x01\x01\x00\x30\x14\x08\x00", FormatError),
    ],
)
def test_parameters_that_are_refused(params, error):
    with pytest.raises(error):
        coder.from_params(params, (FIRST, SECOND), load)


def test_windows_that_the_model_cannot_read():
    with pytest.raises(ModelError, match="at most 512 tokens"):
        making(windows=(1024, 512, 0)).encode(b"some text")


def test_streams_out_of_range():
    with pytest.raises(ValueError, match="1 to 64"):
        making(65)


def test_memory_covers_models_and_streams():
    few_streams, many = making(1).memory(1000), making(30).memory(1000)
    assert 0 < few_streams < many
    assert making(1, two=True).memory(1000) > few_streams
    assert isinstance(np.int64(many).item(), int)
