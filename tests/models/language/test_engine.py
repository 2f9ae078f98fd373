"""The machine's device is chosen, or the user's, and never one that is not there."""

from __future__ import annotations

import pytest
import torch

from ncz.codec.errors import NczError
from ncz.models.language import engine, plain
from ncz.models.language.network import Network
from tests.models.language import tiny

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


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


def test_cuda_where_torch_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice alone: what runs there is tested where there is such a device."""
    made: list[str] = []
    monkeypatch.delenv(engine.DEVICE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(plain, "Network", lambda model, device: made.append(device))
    engine.make(tiny.model())
    assert made == ["cuda"]
