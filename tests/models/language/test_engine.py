"""The machine's device is chosen, or the user's, and never one that computes otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ncz.codec import notice
from ncz.codec.errors import NczError
from ncz.models.language import engine, plain
from ncz.models.language.exact import Exact
from ncz.models.language.network import Network
from tests.models.language import tiny

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
Plain = plain.Network


class Wrong(Plain):
    """A device whose last token's last number is off by a little."""

    def read(self, cache: plain.Cache, *given: Any) -> np.ndarray:
        out = super().read(cache, *given)
        out[-1, -1] = np.nextafter(out[-1, -1], np.float32(9))
        return out


class Broken(Plain):
    """A device without memory."""

    def read(self, cache: plain.Cache, *given: Any) -> np.ndarray:
        raise RuntimeError("CUDA out of memory\nand more lines")


@pytest.fixture
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that torch seems to see, and what runs on it: the given class, on the CPU."""
    monkeypatch.delenv(engine.DEVICE, raising=False)
    monkeypatch.setattr(engine, "_sees_cuda", lambda: True)

    def make(model: Exact, device: str) -> plain.Network:
        assert device == "cuda"
        made: plain.Network = request.param(model)
        return made

    monkeypatch.setattr(plain, "Network", make)


@NO_CUDA
def test_the_cpu_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(engine.DEVICE, raising=False)
    assert isinstance(engine.make(tiny.model()), Network)


def test_the_cpu_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.DEVICE, "cpu")
    assert isinstance(engine.make(tiny.model()), Network)
    monkeypatch.setenv(engine.DEVICE, "something")
    assert isinstance(engine.make(tiny.model(), device="cpu"), Network)


def test_a_device_of_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.DEVICE, "tpu")
    with pytest.raises(NczError, match="neither cpu nor cuda"):
        engine.make(tiny.model())


@NO_CUDA
def test_cuda_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.DEVICE, "cuda")
    with pytest.raises(NczError, match="set NCZ_DEVICE=cpu"):
        engine.make(tiny.model())


@pytest.mark.parametrize("device", [Plain], indirect=True)
@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_a_device_that_agrees(device: None, architecture: str) -> None:
    assert isinstance(engine.make(tiny.model(architecture)), Plain)
    assert isinstance(engine.make(tiny.model(architecture), device="cuda"), Plain)


@pytest.mark.parametrize(
    ("device", "why"),
    [(Wrong, "computes other bits than the CPU"), (Broken, "fails (CUDA out of memory)")],
    indirect=["device"],
)
def test_a_device_that_does_not(device: None, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(notice, "_notice", told.append)
    assert isinstance(engine.make(tiny.model()), Network)
    assert told == [f"the CUDA device {why}; the CPU works instead"]
    with pytest.raises(NczError) as caught:
        engine.make(tiny.model(), device="cuda")
    assert str(caught.value) == f"the CUDA device {why}; set NCZ_DEVICE=cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_real_device() -> None:
    assert isinstance(engine.make(tiny.model(), device="cuda"), Plain)
