"""Names of devices, the choice of one, and the memory that may be taken of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ncz.codec.errors import NczError
from ncz.models.language import devices


@pytest.fixture(autouse=True)
def _two_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(devices.DEVICE, raising=False)
    monkeypatch.setattr(devices, "_gpus", lambda: 2)
    yield
    devices.use(None)
    devices.limit(None)


def test_what_there_is() -> None:
    assert devices.usable() == ["cuda:0", "cuda:1", "cpu"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("plain", "plain")],
)
def test_names(name: str, meant: str) -> None:
    assert devices.named(name) == meant
    devices.use(name)
    assert devices.wanted() == meant


@pytest.mark.parametrize("name", ["", "tpu", "cuda:", "cuda:01", "cuda:x", "CPU", "cuda:0,cuda:1"])
def test_what_is_no_device(name: str) -> None:
    with pytest.raises(NczError) as caught:
        devices.use(name)
    assert str(caught.value) == f"{name!r} is no device; choose from cuda:0, cuda:1, cpu"
    assert devices.wanted() is None


def test_a_device_that_is_not_here() -> None:
    with pytest.raises(NczError) as caught:
        devices.named("cuda:2")
    assert str(caught.value) == "there is no device cuda:2 here; choose from cuda:0, cuda:1, cpu"


def test_who_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.wanted() is None
    monkeypatch.setenv(devices.DEVICE, "cuda")
    assert devices.wanted() == "cuda:0"
    devices.use("cuda:1")
    assert devices.wanted() == "cuda:1"
    with devices.using("cpu"):
        assert devices.wanted() == "cpu"
        with ThreadPoolExecutor(1) as others:
            assert others.submit(devices.wanted).result() == "cuda:1"
    assert devices.wanted() == "cuda:1"
    devices.use(None)
    monkeypatch.setenv(devices.DEVICE, "tpu")
    with pytest.raises(NczError, match="NCZ_DEVICE: 'tpu' is no device"):
        devices.wanted()


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000, 80_000))
    assert devices.budget("cuda:1") == 8000
    devices.limit(5000)
    assert devices.budget("cuda:1") == devices.budget("plain") == 5000
    devices.limit(None)
    assert devices.budget("cuda:1") == 8000
    with pytest.raises(ValueError, match="0 bytes"):
        devices.limit(0)


def test_what_torch_calls_them() -> None:
    assert [devices.torch_name(name) for name in ("plain", "cuda:1")] == ["cpu", "cuda:1"]
