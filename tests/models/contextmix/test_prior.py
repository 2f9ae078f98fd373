"""The trained start: its file, and what it puts into a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ncz.codec.errors import NczError
from ncz.models.contextmix import kernel, prior, state
from ncz.models.contextmix.hashing import LINE, find_line
from ncz.models.contextmix.presets import PRESETS
from ncz.models.contextmix.prior import Prior, pack, unpack
from tests.models.contextmix.making import encode, text

PLACES = 0xFFFFFF
dtypes = st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.uint32])
tensors = st.dictionaries(
    st.text("abc.123", min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    dtypes.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=2, max_side=9))),
    max_size=4,
)


@given(tensors)
def test_packing_undoes_itself(content: dict[str, np.ndarray]) -> None:
    found = unpack(pack(content, {"data": "{}"}))
    assert found.keys() == content.keys()
    for name, tensor in content.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert (found[name] == tensor).all()


def test_packing_keeps_what_is_said_of_it() -> None:
    packed = pack({"a": np.arange(3)}, {"data": "said"})
    size = int.from_bytes(packed[:8], "little")
    assert json.loads(packed[8 : 8 + size])["__metadata__"]["data"] == "said"


def test_packing_gives_the_same_file_each_time() -> None:
    content = {"b": np.arange(3), "a": np.zeros((2, 2), np.int16)}
    assert len({pack(content, {"data": "said", "more": "too"}) for _ in range(20)}) == 1


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the shipped prior, which may be tampered with."""
    shipped = resources.files("ncz.models.contextmix") / "priors" / prior.NAME
    path = tmp_path / "priors" / prior.NAME
    path.parent.mkdir()
    path.write_bytes(shipped.read_bytes())
    monkeypatch.setattr(prior.resources, "files", lambda package: tmp_path)
    prior.load.cache_clear()
    yield path
    prior.load.cache_clear()


def test_the_shipped_prior_is_the_one_that_is_pinned(installed: Path) -> None:
    assert hashlib.sha256(installed.read_bytes()).hexdigest() == prior.DIGEST
    loaded = prior.load()
    assert loaded is prior.load(), "once a process"
    assert loaded.lines.place.size > 100_000


@pytest.mark.parametrize("at", [0, 9, 1_000_000, -1])
def test_a_changed_one_is_refused(installed: Path, at: int) -> None:
    packed = bytearray(installed.read_bytes())
    packed[at] ^= 1
    installed.write_bytes(packed)
    with pytest.raises(NczError) as caught:
        prior.load()
    sentence = str(caught.value)
    assert prior.NAME in sentence
    assert prior.DIGEST in sentence
    assert hashlib.sha256(packed).hexdigest() in sentence
    assert sentence.endswith("install ncz again")
    assert "\n" not in sentence


def test_a_missing_one_is_named(installed: Path) -> None:
    installed.unlink()
    with pytest.raises(NczError, match=r"text\.safetensors .* cannot be read .* install ncz again"):
        prior.load()


def test_text_has_one_and_the_others_start_from_nothing() -> None:
    assert prior.for_kind(kernel.TEXT) is prior.load()
    for kind in (kernel.BINARY, kernel.MACHINE32, kernel.MACHINE64):
        assert prior.for_kind(kind) is None


def test_the_shipped_lines_are_in_range() -> None:
    lines = prior.load().lines
    assert lines.place.dtype == np.uint32
    assert lines.place.max() <= PLACES
    assert lines.states.shape == (lines.place.size, LINE - 1)
    assert lines.states.max() <= 218, "a state that there is"
    assert (lines.states[:, 0] > 0).all(), "a line that was never used would be lost"
    assert set(lines.context) <= set(PRESETS[6].text)


@pytest.mark.parametrize("number", PRESETS)
def test_lines_put_in_are_found(start: Prior, number: int) -> None:
    """All of them: the small prior leaves room in every bucket."""
    model = state.fresh(PRESETS[number], kernel.TEXT, 1000, 1, 1, None)
    start.insert(model)
    lines = start.lines_of(PRESETS[number].text)
    assert lines.place.size > 100
    mask = model.table.size // LINE - 1
    before = model.table.copy()
    found = 0
    for place, check, states in zip(lines.place, lines.check, lines.states, strict=True):
        at = find_line(model.table, np.int64(place) & mask, np.int64(check))
        found += (model.table[at + 1 : at + LINE] == states).all()
    # Two contexts may be taken for one another where place and check are the same.
    assert found >= 0.98 * lines.place.size
    assert (model.table == before).all() or found < lines.place.size


def test_a_preset_gets_lines_of_its_contexts_alone(start: Prior) -> None:
    mine = start.lines_of((1, 3))
    assert set(mine.context) == {1, 3}
    assert mine.place.size == np.isin(start.lines.context, [1, 3]).sum()
    assert start.lines_of((29,)).place.size == 0


@pytest.mark.parametrize("number", PRESETS)
def test_apply_fills_everything_that_is_learned(start: Prior, number: int) -> None:
    preset = PRESETS[number]
    plain = state.fresh(preset, kernel.TEXT, 1000, 1, 1, None)
    model = state.fresh(preset, kernel.TEXT, 1000, 1, 1, start)
    given_ = start._tensors
    assert (model.maps == given_["maps"]).all()
    assert (model.match_maps == given_["match_maps"]).all()
    for name in ("weights", "final"):
        part = getattr(model, name)
        assert part.dtype == np.int32
        assert (part == given_[f"{number}.{name}"].astype(np.int64) * 16).all()
        assert (part != getattr(plain, name)).any()
    for name in ("apm0", "apm1", "apm2"):
        moved = np.zeros_like(getattr(plain, name))
        moved[given_[f"{name}.rows"]] = given_[f"{name}.moved"].astype(np.int64) * 256
        assert (getattr(model, name) == getattr(plain, name) + moved).all()
    assert model.rates[kernel.RATE_START] == 0, "what is trained does not hurry"
    assert not model.match_table.any()


@pytest.mark.parametrize("number", PRESETS)
def test_what_it_knows_it_codes_smaller(start: Prior, number: int) -> None:
    raw = text(10_000)[8000:]  # the same words, in an order that it has not seen
    known = len(encode(raw, kernel.TEXT, number, start=start))
    assert known < 0.85 * len(encode(raw, kernel.TEXT, number))


def test_the_shipped_one_knows_its_language() -> None:
    raw = b"The government of the country has been the subject of several studies, however."
    assert len(encode(raw, kernel.TEXT, 6, start=prior.load())) < 0.6 * len(
        encode(raw, kernel.TEXT, 6)
    )
