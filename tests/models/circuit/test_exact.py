from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from ncz.codec.errors import ModelError
from ncz.models.circuit import exact, rows
from tests.independent.circuit import VALUES
from tests.models.circuit import making

KNOWN = np.random.default_rng(1).integers(0, 5, (20, 7))


def made(**change: Any) -> exact.Codes:
    return dataclasses.replace(making.codes(KNOWN, 3, 2), **change)


def test_the_table() -> None:
    """The largest integers whose 12th powers are not above 2^(360 - c)."""
    found = exact.table().tolist()
    assert found == VALUES, "and by decimals of 80 digits"
    assert found[0] == 1 << 30
    assert found[12] == 1 << 29
    assert found[exact.NOTHING] == 0
    for code, value in enumerate(found[: exact.NOTHING]):
        assert value**12 <= 1 << (360 - code) < (value + 1) ** 12


@given(st.floats(1e-6, 1.0))
def test_codes_are_the_nearest(probability: float) -> None:
    code = int(exact.codes_of(np.array([probability]))[0])
    said = 2 ** (-code / 12)
    assert 2 ** (-1 / 23.9) < said / probability < 2 ** (1 / 23.9)


def test_what_cannot_be_has_its_code() -> None:
    assert exact.codes_of(np.array([0.0, 1e-30, 1.0, 1.5])).tolist() == [255, 255, 0, 0]


@pytest.mark.parametrize("latents", [1, 2, 7, 128])
@pytest.mark.parametrize("power", [1.0, 30.0])
def test_promises_to_the_kernel(latents: int, power: float) -> None:
    codes = making.codes(KNOWN, latents, 2, power)
    codes.edges[1] = 0
    codes.edges[2] = exact.NOTHING
    codes.symbols[3] = exact.NOTHING
    codes.symbols[:, 0] = exact.NOTHING
    found = exact.compiled(codes, b"")
    assert found.edges.astype(np.int64).sum(2).max() < 1 << 15
    assert 0 <= int(found.known.min()) <= int(found.known.max()) < 1 << 15
    assert int(found.root.astype(np.int64).sum()) <= 1 << 20
    start = codes.leaves.start
    for place in range(len(codes.leaves)):
        shares = found.shares[start[place] + place : start[place + 1] + place + 1].astype(np.int64)
        assert not shares[0].any()
        assert (np.diff(shares, axis=0) >= 0).all()
        assert shares[-1].max() <= 1 << 30
        assert shares[-1].min() > (1 << 30) - 257, "every state has something"


def test_a_file_comes_back(tmp_path: Path) -> None:
    codes = made(notes={"named": "café", "log": [{"epoch": 1, "held": 0.5}]})
    digest = exact.save(codes, tmp_path / "one.circuit")
    assert [path.name for path in tmp_path.iterdir()] == ["one.circuit"]
    found = exact.load(tmp_path / "one.circuit")
    assert found.digest == digest
    assert found.codes.notes == codes.notes
    for mine, its in (
        (codes.tree.order, found.codes.tree.order),
        (codes.tree.parent, found.codes.tree.parent),
        (codes.leaves.start, found.codes.leaves.start),
        (codes.leaves.lows, found.codes.leaves.lows),
        (codes.leaves.widths, found.codes.leaves.widths),
        (codes.root, found.codes.root),
        (codes.edges, found.codes.edges),
        (codes.symbols, found.codes.symbols),
    ):
        assert mine.dtype == its.dtype
        assert np.array_equal(mine, its)
    assert rows.encode(found, KNOWN, 4) == rows.encode(exact.compiled(codes, b""), KNOWN, 4)


def test_the_same_circuit_is_the_same_file() -> None:
    codes = made(notes={"b": "café", "a": [2]})
    assert len({exact.to_bytes(codes) for _ in range(30)}) == 1


def test_a_loaded_circuit_needs_no_compiling_anew() -> None:
    """numba compiles again for arrays that are read-only, which takes seconds."""
    found = exact.from_bytes(exact.to_bytes(made()))
    for part in (found.codes.leaves.start, found.codes.leaves.widths, found.shares, found.known):
        assert part.flags.writeable
        assert part.flags.c_contiguous


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("some text, and more of it")
    with pytest.raises(ModelError, match=r"some\.txt: this is no circuit; .*ncz train"):
        exact.load(tmp_path / "some.txt")
    with pytest.raises(FileNotFoundError):
        exact.load(tmp_path / "none")


KIND = {"kind": "ncz circuit 1", "notes": "{}"}


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"kind": "ncz circuit 2", "notes": "{}"},
        {"kind": "ncz circuit 1", "notes": "[]"},
        {"kind": "ncz circuit 1", "notes": "{"},
        {"kind": "ncz circuit 1", "notes": '{"a":' * 200_000},
        {"kind": "ncz circuit 1", "notes": "1" * 10_000},
    ],
    ids=["none", "empty", "kind", "list", "cut", "deep", "number"],
)
def test_metadata_of_another(metadata: dict[str, str] | None) -> None:
    tensors = unpack(exact.to_bytes(made()))
    with pytest.raises(ModelError, match="no circuit"):
        exact.parse(pack(tensors, metadata))


def squeezed(raw: bytes) -> np.ndarray:
    return np.frombuffer(zstandard.compress(raw), np.uint8)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


_GOOD = unpack(exact.to_bytes(made()))
_START = _GOOD["start"]
_BIG = numbers(*range(1 << 16))

LIES: dict[str, dict[str, np.ndarray | None]] = {
    **{f"no-{name}": {name: None} for name in _GOOD},
    **{f"empty-{name}": {name: tensor[:0]} for name, tensor in _GOOD.items()},
    **{
        f"longer-{name}": {name: np.append(tensor, tensor[-1:])}
        for name, tensor in _GOOD.items()
        if not name.endswith(".zst")  # what follows a frame is not looked at
    },
    **{f"float-{name}": {name: tensor.astype(np.float32)} for name, tensor in _GOOD.items()},
    **{f"table-{name}": {name: tensor[None]} for name, tensor in _GOOD.items()},
    "order-twice": {"order": numbers(0, 1, 2, 3, 4, 5, 5)},
    "order-beyond": {"order": numbers(0, 1, 2, 3, 4, 5, 7)},
    "order-negative": {"order": numbers(0, 1, 2, 3, 4, 5, -6)},
    "two-roots": {"parent": numbers(-1, 0, 1, -1, 0, 0, 0)},
    "no-root": {"parent": numbers(0, 0, 1, 2, 3, 4, 5)},
    "own-parent": {"parent": numbers(-1, 0, 1, 3, 0, 0, 0)},
    "later-parent": {"parent": numbers(-1, 0, 1, 5, 0, 0, 0)},
    "parent-beyond": {"parent": numbers(-1, 0, 1, 1 << 40, 0, 0, 0)},
    "parent-negative": {"parent": numbers(-1, 0, 1, -5, 0, 0, 0)},
    "no-preorder": {"parent": numbers(-1, 0, 0, 1, 0, 0, 0)},
    "start-not-0": {"start": _START + (np.arange(8) == 0)},
    "start-beyond": {"start": _START + (np.arange(8) == 7)},
    "start-overflows": {"start": np.where(np.arange(8) == 3, np.int64(1) << 62, _START)},
    "nothing-at-a-place": {"start": np.where(np.arange(8) == 3, _START[2], _START)},
    "width-negative": {"widths": _GOOD["widths"] * -1},
    "width-0": {"widths": _GOOD["widths"] * 0},
    "edges-short": {"edges.zst": squeezed(bytes(7 * 9 - 1))},
    "edges-long": {"edges.zst": squeezed(bytes(7 * 9 + 1))},
    "edges-bomb": {"edges.zst": squeezed(bytes(1 << 28))},
    "edges-noise": {"edges.zst": np.arange(50, dtype=np.uint8)},
    "symbols-bomb": {"symbols.zst": squeezed(bytes(1 << 28))},
    "too-many-symbols-at-a-place": {
        "start": _START + 300 * (np.arange(8) > 0),
        "lows": np.append(np.zeros(300, np.int64), _GOOD["lows"]),
        "widths": np.append(np.ones(300, np.int64), _GOOD["widths"]),
        "symbols.zst": squeezed(bytes(3 * (300 + int(_START[-1])))),
    },
    "too-many-latents": {"root": np.zeros(1025, np.uint8)},
    "too-large": {
        "order": _BIG,
        "parent": _BIG - 1,
        "start": np.append(_BIG, len(_BIG)),
        "lows": _BIG * 0,
        "widths": _BIG * 0,
        "root": np.zeros(1024, np.uint8),
    },
    "too-deep": {
        "order": _BIG,
        "parent": _BIG - 1,
        "start": np.append(_BIG, len(_BIG)),
        "lows": _BIG * 0,
        "widths": _BIG * 0,
        "root": np.zeros(17, np.uint8),
        "edges.zst": squeezed(bytes(len(_BIG) * 17 * 17)),
        "symbols.zst": squeezed(bytes(len(_BIG) * 17)),
    },
}


@pytest.mark.parametrize("name", sorted(LIES))
def test_a_damaged_circuit(name: str) -> None:
    tensors = {key: value for key, value in (_GOOD | LIES[name]).items() if value is not None}
    with pytest.raises(ModelError, match="damaged"):
        exact.parse(pack(tensors, KIND))


def test_what_is_lied_about_is_right_else() -> None:
    """Or the lies above prove nothing."""
    exact.parse(pack(_GOOD, KIND))
    assert _GOOD["parent"].tolist()[0] == -1
    good = _GOOD | {"parent": numbers(-1, 0, 1, 1, 0, 0, 0)}
    exact.parse(pack(good, KIND))
    most = {key: value for key, value in LIES["too-deep"].items() if value is not None}
    few = numbers(-1, *[0] * ((1 << 16) - 1))
    assert exact.parse(pack(_GOOD | most | {"parent": few}, KIND)).latents == 17


@given(st.data())
def test_any_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    """Whatever is changed in a file, what is made of it codes rows and decodes them."""
    tensors = dict(_GOOD)
    name = data.draw(st.sampled_from(sorted(tensors)))
    raw = bytearray(tensors[name].tobytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    tensors[name] = np.frombuffer(bytes(raw), tensors[name].dtype)
    try:
        found = exact.from_bytes(pack(tensors, KIND))
        coded = rows.encode(found, KNOWN, 8)
    except (ModelError, ValueError):  # a type may not hold the rows any more
        return
    assert np.array_equal(rows.opened(found, coded, len(KNOWN), 8).read(0, len(KNOWN)), KNOWN)


@given(st.integers(0, 5000), st.integers(0, 255))
def test_any_byte_of_a_file(at: int, value: int) -> None:
    data = bytearray(exact.to_bytes(made()))
    data[at % len(data)] = value
    try:
        found = exact.from_bytes(bytes(data))
    except ModelError:
        return
    assert len(found.root) == found.codes.latents


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 100, 500])
def test_a_cut_file(size: int) -> None:
    with pytest.raises(ModelError):
        exact.parse(exact.to_bytes(made())[:size])


def test_notes_are_json() -> None:
    data = exact.to_bytes(made(notes={"b": 1, "a": [2]}))
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size])["__metadata__"]
    assert json.loads(metadata["notes"]) == {"a": [2], "b": 1}
