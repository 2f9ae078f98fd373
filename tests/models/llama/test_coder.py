"""Whatever a block holds comes back, or is left to others; and only the same build takes part."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ncz.codec import notice
from ncz.codec.coder import ModelRef
from ncz.codec.errors import (
    FormatError,
    MissingExtra,
    ModelError,
    ModelMissing,
    NczError,
    UnsupportedError,
)
from ncz.formats import coders, levels, verify
from ncz.models.llama import build, coder, engine
from ncz.models.text import segments
from ncz.models.text.layout import BYTES, CONTEXTS, MODEL, Run
from ncz.models.text.windows import Windows
from tests.golden.make import noise, text

from .fake import BUILD, Context

few = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WINDOWS = Windows(24, 10, 0)
OTHER = replace(BUILD, version="9.9")
PARAMS = b"\x01\x00\x18\x0a\x01" + BUILD.pack()


def round_trip(raw, made):
    coded = made.encode(raw)
    if coded is not None:
        found = coder.from_params(made.spec.params, (made.model,))
        assert found.name == made.name
        assert found.decode(coded, len(raw)) == raw
    return coded


@contextlib.contextmanager
def cut(*runs):
    """Blocks are cut into these runs instead of those that cost least."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "plan_by", lambda raw, cost: runs)
        yield


@few
@given(st.binary(min_size=1, max_size=120))
@example(b"\xff\xfe\x00<|begin|><|user|>" * 3)
def test_any_bytes_come_back_past_any_window(fake, raw):
    raw = text(200) + raw
    with cut(Run(MODEL, len(raw))):
        assert round_trip(raw, coder.make(fake, WINDOWS)) is not None


@few
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60)), min_size=1))
def test_any_runs(fake, pieces):
    runs = [Run(MODEL, 5)]
    for kind, length in pieces:
        if kind != runs[-1].kind:
            runs.append(Run(kind, length))
    raw = (text(900) + noise(2000))[: sum(run.length for run in runs)]
    with cut(*runs):
        round_trip(raw, coder.make(fake, WINDOWS))


def test_text_between_bytes(fake):
    raw = noise(5000) + text(500) + noise(50) + text(300)
    with cut(Run(BYTES, 5000), Run(MODEL, 500), Run(CONTEXTS, 50), Run(MODEL, 300)):
        assert round_trip(raw, coder.make(fake, WINDOWS)) is not None


def test_what_is_no_text_is_left_to_others(fake):
    assert coder.make(fake, WINDOWS).encode(noise(9000)) is None


def test_a_model_that_knows_nothing_is_not_asked_about_long_text(fake):
    assert coder.make(fake, WINDOWS).encode(text(10_000)) is None


@pytest.mark.parametrize("asked", [None, True, False])
@pytest.mark.parametrize("after", [0, 30, 150])
def test_a_block_that_does_not_come_back_is_left_to_others(fake, monkeypatch, after, asked):
    said = []
    made = coder.make(fake, WINDOWS)
    made._ready()
    notice.set_notice(said.append)
    try:
        monkeypatch.setattr(Context, "wrong_after", after)
        # The first half of what is read is for coding, and there nobody can tell.
        plan = levels.Plan((coders.store(), coders.contextmix(6), made), 300, (made.model,), asked)
        wrong = verify.encode(plan, text(300))[0] == 1
    finally:
        notice.set_notice(None)
    assert wrong == (after > 0 and asked is not False)
    assert [sentence[:50] for sentence in said] == (
        ["llama.cpp did not compute the same twice, so a blo"] if wrong else []
    )


@few
@given(st.binary(max_size=120), st.integers(1, 200))
def test_any_coded_data_ends(fake, coded, size):
    made = coder.make(fake, WINDOWS)
    try:
        assert len(made.decode(coded, size)) == size
    except NczError as error:
        assert isinstance(error, FormatError)


def test_several_streams_are_damage(fake):
    with pytest.raises(FormatError, match="one stream"):
        coder.make(fake, WINDOWS).decode(b"\x02\x00\x00" + bytes(20), 50)


def test_windows_are_no_longer_than_the_model_reads(fake):
    assert coder.make(fake, Windows(2048, 1536, 0)).windows == Windows(512, 384, 0)
    params = b"\x01\x00\x80\x08\x0a\x01" + BUILD.pack()
    model = coder.make(fake, WINDOWS).model
    with pytest.raises(ModelError, match="at most 512 tokens"):
        coder.from_params(params, (model,)).memory(100)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        (b"", UnsupportedError),
        (b"\x02" + PARAMS[1:], UnsupportedError),
        (b"\x01", FormatError),
        (PARAMS[:-1], FormatError),
        (PARAMS + b"\x00", FormatError),
        (b"\x01\x01" + PARAMS[2:], FormatError),  # a model that the header lacks
        (b"\x01\x00\x0a\x18\x01" + BUILD.pack(), FormatError),  # a hop beyond the window
        (b"\x01\x00\x18\x0a\x00" + BUILD.pack(), FormatError),  # no threads
        (b"\x01\x00\x18\x0a\x41" + BUILD.pack(), FormatError),  # too many
        (b"\x01\x00\x18\x0a\x01\x00" + bytes(16), FormatError),  # no version
    ],
)
def test_parameters_that_are_refused(params, error):
    assert coder.from_params(PARAMS, (ModelRef(bytes(32), "any"),)).windows == WINDOWS
    with pytest.raises(error):
        coder.from_params(params, (ModelRef(bytes(32), "any"),))


def test_another_build_is_refused_before_anything_else(fake, monkeypatch):
    missing = coder.from_params(PARAMS, (ModelRef(bytes(32), "lost"),))
    with pytest.raises(ModelMissing, match="'lost'"):
        missing.memory(100)
    monkeypatch.setattr(build, "here", lambda: OTHER)
    with pytest.raises(ModelError, match=r"0\.0\.1; here is 9\.9"):
        missing.memory(100)
    with pytest.raises(ModelError, match=r"0\.0\.1; here is 9\.9"):
        missing.decode(b"", 1)


def test_without_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    engine.library.cache_clear()
    build.here.cache_clear()
    with pytest.raises(MissingExtra, match=r"pip install 'ncz\[llama\]'"):
        coder.from_params(PARAMS, (ModelRef(bytes(32), "any"),)).memory(100)
    with pytest.raises(MissingExtra):
        coder.make(tmp_path / "any.gguf", WINDOWS)


def test_the_time_that_is_expected_grows_with_the_size(fake):
    made = coder.make(fake, WINDOWS)
    assert 0 < made.seconds(1000) < made.seconds(100_000)
