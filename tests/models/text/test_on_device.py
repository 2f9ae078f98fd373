"""Text coded where GPUs' code runs, here on the CPU: the same bytes as by the compiled network."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from ncz.codec.coder import ModelRef
from ncz.codec.errors import NczError
from ncz.models.language import devices, plain, room
from ncz.models.language.plain_head import Top
from ncz.models.language.replay import Replay
from ncz.models.language.room import Room
from ncz.models.text import loading, segments
from ncz.models.text.coder import TextCoder
from ncz.models.text.decoding import OnDevice
from ncz.models.text.layout import CONTEXTS, MODEL, Run
from ncz.models.text.loading import Ready
from ncz.models.text.windows import Windows
from tests.golden.make import noise, text
from tests.models import default
from tests.models.language import tiny

FIRST, SECOND = ModelRef(bytes(32), "first"), ModelRef(bytes([1]) * 32, "second")
CUDA = pytest.param(
    "cuda",
    marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
)
DEVICES = pytest.mark.parametrize("device", ["plain", CUDA])


@functools.cache
def model(architecture: str, device: str) -> Ready:
    return loading.of(tiny.model(architecture), device=device)


def making(device: str, streams: int = 1, two: bool = False) -> TextCoder:
    def load(wanted: ModelRef) -> Ready:
        if wanted == FIRST:
            return model("llama", device)
        assert devices.wanted() == devices.CPU  # a second model is read on the CPU
        return model("gemma3", "cpu")

    second = SECOND if two else None
    return TextCoder(FIRST, Windows(48, 20, 8), second=second, streams=streams, load=load)


def top_of(ready: Ready) -> Top:
    assert ready.predictor.top is not None
    return ready.predictor.top


@pytest.fixture
def windows_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of so many windows, of whose logits 7 rows are held at once."""
    sizes = Room(windows=request.param, rows=40, scores=9000, outputs=7)
    monkeypatch.setattr(plain.Network, "room", lambda network, places: sizes)


@DEVICES
@pytest.mark.parametrize(
    ("windows_at_once", "streams", "two"),
    [(1, 1, False), (3, 4, False), (100, 4, False), (2, 3, True)],
    indirect=["windows_at_once"],
)
def test_the_same_bytes(
    device: str,
    streams: int,
    two: bool,
    windows_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = text(500) + noise(20) + text(420)
    runs = (Run(MODEL, 500), Run(CONTEXTS, 20), Run(MODEL, 420))
    monkeypatch.setattr(segments, "plan", lambda raw, model: runs)
    there, here = making(device, streams, two), making("cpu", streams, two)
    coded = there.encode(raw)
    assert coded is not None
    assert coded == here.encode(raw)
    assert there.decode(coded, len(raw)) == raw


@DEVICES
def test_what_a_run_of_bytes_would_cost(device: str) -> None:
    raw = text(300)
    both = [segments.plan(raw, model("llama", each)) for each in (device, "cpu")]
    assert both[0] == both[1]


@DEVICES
@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_probabilities_and_sums(architecture: str, device: str) -> None:
    there, here = model(architecture, device).predictor, model(architecture, "cpu").predictor
    top = top_of(model(architecture, device))
    draw = np.random.Generator(np.random.PCG64(3))
    tokens = draw.integers(0, 270, 30)
    entries = draw.integers(0, there.vocabulary.order.size, 30).astype(np.int32)
    x = here.network.read(here.network.cache(1, 30), 0, tokens)
    wanted = np.empty((30, top.entries + 1), np.int64)
    here.sums(x, tokens, wanted)
    on_device = top.network.tensor(x)
    assert np.array_equal(top.sums(on_device, top.places(tokens)).cpu().numpy(), wanted)
    part = here.part(0, 0, x, tokens, entries)
    for at_once in (1, 7, 100):
        trace, counts = top.paths(on_device, tokens, entries, at_once)
        assert np.array_equal(trace, part.trace)
        assert trace.dtype == np.uint32
        assert np.array_equal(counts, part.counts)
    again = np.empty_like(wanted)
    there.sums(x, tokens, again)
    assert np.array_equal(again, wanted)


def test_more_masks_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncz.models.language.plain_head.MASKS", 4 * 40)
    ready = model("llama", "plain")
    top = Top(ready.predictor.head, ready.predictor.mask)
    assert 2 <= top.most < 10
    draw = np.random.Generator(np.random.PCG64(4))
    tokens = draw.integers(0, 270, 40)
    x = torch.from_numpy(draw.standard_normal((40, 64)).astype(np.float32))
    entries = draw.integers(0, top.entries, 40).astype(np.int32)
    few, many = (each.paths(x, tokens, entries, 100) for each in (top, top_of(ready)))
    assert np.array_equal(few[0], many[0])


class Unrecorded(Replay):
    """What a graph would do, done anew: everything but the recording itself."""

    def _run(self, span: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.fixed(span)


@DEVICES
@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_steps_of_all_streams_with_fixed_shapes(architecture: str, device: str) -> None:
    top = top_of(model(architecture, device))
    network = top.network
    draw = np.random.Generator(np.random.PCG64(5))
    tokens = draw.integers(0, 270, (3, 60))
    caches = [network.cache(3, 60) for _ in range(2)]
    kind = Unrecorded if device == "plain" else Replay
    recorded, freely = kind(network, top, caches[0], True), Replay(network, top, caches[1], False)
    for at in range(60):
        if at == 40:  # a window begins anew
            for cache in caches:
                network.read_many(cache, list(tokens[:, :20]), np.arange(3))
        streams = np.array([0, 1, 2]) if at % 3 else np.array([0, 2])
        position = np.full(streams.size, at if at < 40 else at - 20)
        results = [each.step(streams, tokens[streams, at], position) for each in (recorded, freely)]
        for one, other in zip(*results, strict=True):
            assert torch.equal(one, other)


def test_a_step_past_the_end() -> None:
    top = top_of(model("llama", "plain"))
    replay = Unrecorded(top.network, top, top.network.cache(1, 4), True)
    with pytest.raises(ValueError, match="position 4 in a cache of 4"):
        replay.step(np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([4]))


def test_too_little_memory_is_said_before_work_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = loading.of(tiny.model(), device="plain")
    made = TextCoder(FIRST, Windows(48, 20, 8), load=lambda _: ready)
    monkeypatch.setattr(top_of(ready).network, "_budget", 100 << 20)
    for work in (lambda: made.memory(1000), lambda: made.encode(text(100))):
        with pytest.raises(NczError, match=r"lacks \d+ MiB for the language model and one window"):
            work()
    network = top_of(ready).network
    enough = (
        network.held + room.scratch(network.model, Room()) + 20 * room.window(network.model, 512)
    )
    monkeypatch.setattr(network, "_budget", enough)
    assert network.room(512).windows >= 10
    with pytest.raises(NczError, match="64 streams of 512 tokens"):
        OnDevice(top_of(ready), 64, 512)


def test_a_model_is_ready_once_for_each_device(tiny_default_model: Path) -> None:
    ref = ModelRef(bytes.fromhex(default.model().digest), default.model().name)
    with devices.using("plain"):
        there = loading.ready(ref)
    with devices.using("cpu"):
        here = loading.ready(ref)
    assert here.predictor.top is None
    assert there.predictor.top is not None
    with devices.using("plain"):
        assert loading.ready(ref) is there
