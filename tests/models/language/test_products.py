"""Products of integers are exact or are not used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.errors import NczError
from ncz.models.language import products
from ncz.models.language.products import BFloat16, Float32, Int8, Panels


@pytest.fixture(autouse=True)
def _choose_anew() -> Iterator[None]:
    for chosen in (products.best, products.on_cpu):
        chosen.cache_clear()
    yield
    for chosen in (products.best, products.on_cpu):
        chosen.cache_clear()


class Saturating(Int8):
    """Sums two products in 16 bits, as processors without dot products do.

    They multiply unsigned bytes by signed ones: 128 is added on the left and taken off the sums.
    """

    name = "saturating"

    def by(self, left: Any, prepared: Any) -> Any:
        high, low = self._bytes(products.limbs(left), prepared[0].int()).chunk(2)
        return 16 * high + low

    def _bytes(self, left: Any, right: Any) -> Any:
        total = -128 * right.sum(dim=0, dtype=torch.int32).expand(left.shape[0], -1)
        for at in range(0, left.shape[1], 2):
            pair = (left[:, at : at + 2].int() + 128) @ right[at : at + 2]
            total = total + pair.clamp(-32768, 32767)
        return total


class Rounding(Float32):
    """Adds up more than 24 bits in float32."""

    name = "rounding"

    def prepare(self, weight: Any) -> Any:
        return weight.float().t().contiguous()

    def by(self, left: Any, prepared: Any) -> Any:
        return (left.float() @ prepared).to(torch.int32)


class Missing(Int8):
    """A product that the library does not have."""

    name = "missing"

    def by(self, left: Any, prepared: Any) -> Any:
        raise NotImplementedError("no kernel for this device")


def test_floats_are_exact_everywhere() -> None:
    assert products.is_exact(Float32())
    assert products.is_exact(Panels())


INT8 = pytest.param(
    Int8,
    marks=pytest.mark.skipif(
        not products.is_exact(Int8()), reason="int8 products saturate on this processor"
    ),
)
"""Processors without dot products of bytes sum pairs of products in 16 bits."""


def test_bfloat16_is_exact_or_reported_not_to_be() -> None:
    left = torch.full((2, 3), 127, dtype=torch.int16)
    try:
        BFloat16().by(left, BFloat16().prepare(left.to(torch.int8)))
    except (RuntimeError, NotImplementedError, TypeError):
        assert not products.is_exact(BFloat16())
    else:  # this library has such products
        assert products.is_exact(BFloat16())


@pytest.mark.parametrize("way", [Saturating, Rounding, Missing])
def test_others_are_found_out(way: type) -> None:
    assert not products.is_exact(way())


def test_the_best_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    assert products.best().name in ("int8", "float32")
    products.best.cache_clear()
    monkeypatch.setattr(products, "WAYS", (Saturating, Missing, Float32))
    assert products.best().name == "float32"


def test_a_way_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_asked", None)  # and as it was, afterwards
    for wide in (True, False):
        monkeypatch.setattr(products, "wide", lambda wide=wide: wide)
        for name in ("float32", "panels"):
            products.use(name)
            assert products.on_cpu().name == name
    products.use("float32")
    assert products.best().name == "float32"
    products.use("torch")
    assert products.on_cpu() is products.best()
    monkeypatch.setattr(products, "WAYS", (Saturating, Float32))
    products.use("saturating")
    with pytest.raises(NczError, match="no matrix product"):
        products.on_cpu()
    products.use(None)
    assert products.best().name == "float32"


def test_none_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "WAYS", (Saturating, Missing))
    with pytest.raises(NczError, match="no matrix product of this torch is exact on cpu"):
        products.best()


def test_panels_need_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(products, "wide", lambda: True)
    assert products.on_cpu().name == "panels"
    products.on_cpu.cache_clear()
    monkeypatch.setattr(products, "wide", lambda: False)
    with pytest.raises(NczError, match="run: pip install torch"):
        products.on_cpu()


def test_panels_or_what_is_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "wide", lambda: False)
    for seconds, name in (({"panels": 3.0}, "panels"), ({"panels": 5.0}, products.best().name)):
        monkeypatch.setattr(products, "_seconds", lambda way, device, s=seconds: s.get(way.name, 2))
        products.on_cpu.cache_clear()
        assert products.on_cpu().name == name
    monkeypatch.setattr(Panels, "by", lambda self, left, prepared: np.zeros((2, 64), np.int32))
    products.on_cpu.cache_clear()
    assert products.on_cpu().name == products.best().name


@pytest.mark.parametrize("way", [INT8, Float32, Panels])
@settings(max_examples=40)
@given(
    rows=st.integers(1, 40),
    terms=st.integers(1, 2100),
    outputs=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    largest=st.booleans(),
)
def test_any_shape(
    way: type, rows: int, terms: int, outputs: int, seed: int, largest: bool
) -> None:
    draw = np.random.Generator(np.random.PCG64(seed))
    bound = (2032, 127)
    left, right = (
        draw.choice([-most, most], shape) if largest else draw.integers(-most, most + 1, shape)
        for most, shape in zip(bound, ((rows, terms), (outputs, terms)), strict=True)
    )
    left, right = left.astype(np.int16), right.astype(np.int8)
    made = way()
    got = np.asarray(made.by(torch.from_numpy(left), made.prepare(torch.from_numpy(right))))
    assert got.dtype == np.int32
    assert np.array_equal(got, left.astype(np.int64) @ right.T.astype(np.int64))


@pytest.mark.parametrize("way", [INT8, Float32, Panels])
@pytest.mark.parametrize("strides", ["rows", "columns"])
def test_a_single_term_in_any_layout(strides: str, way: type) -> None:
    right = torch.arange(-8, 8, dtype=torch.int8)[:, None]
    if strides == "columns":
        right = right.t().contiguous().t()
    left = torch.tensor([[300], [-5]], dtype=torch.int16)
    got = way().by(left, way().prepare(right))
    assert np.array_equal(np.asarray(got), (left.int() @ right.int().t()).numpy())


def test_limbs_of_every_activation() -> None:
    left = torch.arange(-2032, 2033, dtype=torch.int16)[None]
    high, low = products.limbs(left).int()
    assert torch.equal(16 * high + low, left[0].int())
    assert (high.abs() <= 127).all()
    assert (low.abs() <= 8).all()


@pytest.mark.parametrize("way", [INT8])
@pytest.mark.parametrize("shape", [(1, 5, 3), (17, 64, 40), (33, 24, 8)])
def test_padding_for_cuda_changes_nothing(shape: tuple[int, int, int], way: type) -> None:
    rows, terms, outputs = shape
    draw = np.random.Generator(np.random.PCG64(1))
    left = torch.from_numpy(draw.integers(-2032, 2033, (rows, terms)).astype(np.int16))
    right = torch.from_numpy(draw.integers(-127, 128, (outputs, terms)).astype(np.int8))
    padded = products.in_eights(right).t()
    both = torch._int_mm(products.for_cuda(products.limbs(left), padded), padded)
    assert both.shape[0] % 8 == both.shape[1] % 8 == padded.shape[0] % 8 == 0
    assert both.shape[0] > 16
    high, low = both[: 2 * rows, :outputs].chunk(2)
    assert torch.equal(16 * high + low, way().by(left, way().prepare(right)))


def test_products_side_by_side() -> None:
    multiply = products.batched("cpu")
    draw = np.random.Generator(np.random.PCG64(1))
    left, right = draw.integers(-127, 128, (3, 5, 1024)), draw.integers(-127, 128, (3, 1024, 7))
    left[0], right[0] = 127, 127
    got = multiply(torch.from_numpy(left), torch.from_numpy(right))
    assert got.dtype == torch.float32
    assert np.array_equal(got.double().numpy(), left @ right)


def test_a_product_side_by_side_that_rounds_is_found_out() -> None:
    def rounds(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return torch.bmm(left.float(), right.float()).bfloat16()

    assert not products._is_exact_batched(rounds, "cpu")
    assert products._is_exact_batched(products.batched("cpu"), "cpu")


def test_the_widest_product_stays_within_32_bits() -> None:
    """What :data:`ncz.models.language.exact.WIDEST` promises."""
    from ncz.models.language.exact import WIDEST

    assert WIDEST * 2032 * 127 < 2**31
    assert WIDEST * 127 * 127 * 16 < 2**31
