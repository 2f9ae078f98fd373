"""The machine's device is chosen, or the user's, and never one that computes otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ncz.codec import notice
from ncz.codec.errors import NczError
from ncz.models.language import devices, engine, plain, room
from ncz.models.language.exact import Exact
from ncz.models.language.network import Network
from ncz.models.language.plain_attention import Cache
from tests.models.language import tiny

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
Plain = plain.Network


class Wrong(Plain):
    """A device whose last token's last number is off by a little."""

    def read(self, cache: Cache, *given: Any) -> np.ndarray:
        out = super().read(cache, *given)
        out[-1, -1] = np.nextafter(out[-1, -1], np.float32(9))
        return out


class WrongOutput(Plain):
    """A device whose output has one logit off by one."""

    def product(self, *given: Any) -> tuple[np.ndarray, np.ndarray]:
        product, units = super().product(*given)
        product[3, 4] += 1
        return product, units


class Broken(Plain):
    """A device without memory."""

    def read(self, cache: Cache, *given: Any) -> np.ndarray:
        raise RuntimeError("CUDA out of memory\nand more lines")


@pytest.fixture
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that torch seems to see, and what runs on it: the given class, on the CPU."""
    monkeypatch.delenv(devices.DEVICE, raising=False)
    monkeypatch.setattr(devices, "_gpus", lambda: 1)
    monkeypatch.setattr(devices, "budget", lambda device: 1 << 30)

    def make(model: Exact, device: str, budget: int) -> plain.Network:
        assert device == "cuda:0"
        made: plain.Network = request.param(model, budget=budget)
        return made

    monkeypatch.setattr(plain, "Network", make)


@NO_CUDA
def test_the_cpu_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(devices.DEVICE, raising=False)
    assert isinstance(engine.make(tiny.model()), Network)


@pytest.mark.parametrize("device", [Plain], indirect=True)
def test_the_cpu_where_it_is_asked_for(device: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(engine.make(tiny.model(), device="cpu"), Network)
    monkeypatch.setenv(devices.DEVICE, "cpu")
    assert isinstance(engine.make(tiny.model()), Network)


@pytest.mark.parametrize("device", [Plain], indirect=True)
@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_a_device_that_agrees(device: None, architecture: str) -> None:
    assert isinstance(engine.make(tiny.model(architecture)), Plain)
    assert isinstance(engine.make(tiny.model(architecture), device="cuda"), Plain)


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (Wrong, "computes other bits than the CPU"),
        (WrongOutput, "computes other bits than the CPU"),
        (Broken, "fails (CUDA out of memory)"),
    ],
    indirect=["device"],
)
def test_a_device_that_does_not(device: None, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(notice, "_notice", told.append)
    assert isinstance(engine.make(tiny.model()), Network)
    assert told == [f"the device cuda:0 {why}; the CPU works instead"]
    with pytest.raises(NczError) as caught:
        engine.make(tiny.model(), device="cuda")
    assert str(caught.value) == f"the device cuda:0 {why}; use the device cpu"


@pytest.mark.parametrize("device", [Plain], indirect=True)
def test_a_device_that_is_too_small(device: None, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(notice, "_notice", told.append)
    monkeypatch.setattr(devices, "budget", lambda device: 100 << 20)
    assert room.scratch(tiny.model(), room.Room()) > 100 << 20
    with pytest.raises(NczError, match=r"lacks \d+ MiB .* use the device cpu"):
        engine.make(tiny.model(), device="cuda:0")
    assert isinstance(engine.make(tiny.model()), Network)
    assert len(told) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_a_real_device(architecture: str) -> None:
    assert isinstance(engine.make(tiny.model(architecture), device="cuda"), Plain)
