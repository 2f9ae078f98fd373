"""The exact file is loaded whole or refused, in one sentence that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from ncz.codec.errors import ModelError
from ncz.models.language import exact
from ncz.models.language.convert import convert
from tests.models.language import tiny

Tensors = dict[str, np.ndarray]


@pytest.fixture
def parts(tmp_path: Path) -> tuple[dict[str, Any], Tensors]:
    """Metadata and tensors of a tiny model."""
    path = tmp_path / "whole"
    tiny.exact_file(path)
    with safe_open(path, "numpy") as file:
        head = json.loads(file.metadata()["ncz"])
        return head, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def write(path: Path, head: Any, tensors: Tensors) -> Path:
    save_file(tensors, path, {"ncz": json.dumps(head)})
    return path


def test_what_is_loaded(tmp_path: Path) -> None:
    tiny.exact_file(tmp_path / "a", "gemma3")
    model = exact.load(tmp_path / "a")
    assert model.name == "tiny-gemma3"
    assert [layer.sliding for layer in model.layers] == [12] * 5 + [0]
    assert model.rotary_local is not None
    assert {"bytes", "offsets", "kind", "merges", "scores"} == model.vocabulary.keys()


def test_changes_are_noticed(parts: tuple[dict[str, Any], Tensors], tmp_path: Path) -> None:
    head, tensors = parts
    exact.load(write(tmp_path / "a", head, tensors))  # as it was, it is sound

    def narrower(name: str) -> Callable[[], Tensors]:
        return lambda: tensors | {name: np.ascontiguousarray(tensors[name][..., :-1])}

    def other(name: str, kind: Any) -> Callable[[], Tensors]:
        return lambda: tensors | {name: tensors[name].astype(kind)}

    broken = tensors["layer.0.qkv.scale"].copy()
    broken[3] = np.nan
    changes: list[Callable[[], Tensors]] = [
        narrower("norm"),
        narrower("rotary"),
        narrower("embedding.weight"),
        narrower("embedding.scale"),
        narrower("layer.1.qkv.weight"),
        narrower("layer.1.out.scale"),
        narrower("layer.2.norm_mid"),
        other("layer.0.down.weight", np.int16),
        other("norm", np.float64),
        other("rotary", np.int32),
        lambda: tensors | {"layer.0.qkv.scale": broken},
        lambda: tensors | {"layer.0.norm_q": np.ones(16, np.float32)},
        lambda: tensors | {"embedding.weight": tensors["embedding.weight"][:-1]},
        lambda: {name: value for name, value in tensors.items() if name != "layer.2.down.weight"},
        lambda: {name: value for name, value in tensors.items() if name != "vocab.offsets"},
        lambda: {name: value for name, value in tensors.items() if name != "vocab.bytes"},
        lambda: tensors | {"vocab.other": np.zeros(1)},
        narrower("vocab.merges"),
        other("vocab.offsets", np.uint64),
        other("vocab.kind", np.int32),
    ]
    for number, change in enumerate(changes):
        with pytest.raises(ModelError) as caught:
            exact.load(write(tmp_path / f"{number}", head, change()))
        assert "fetch it again" in str(caught.value), number


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"revision": 2}, "revision 1"),
        ({"shape": {}}, "lacks a part"),
        ({"shape": None}, "lacks a part"),
    ],
)
def test_other_heads(
    parts: tuple[dict[str, Any], Tensors], change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    head, tensors = parts
    with pytest.raises(ModelError, match=message):
        exact.load(write(tmp_path / "a", head | change, tensors))


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a"
    tiny.exact_file(path)
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[:100], whole[:-1], whole[:8] + b"x" + whole[9:]):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="ncz models pull"):
            exact.load(path)
    save_file({"x": np.zeros(1)}, path)
    with pytest.raises(ModelError, match="no exact model of revision"):
        exact.load(path)


@pytest.mark.parametrize(
    ("width", "fits"),
    [({"hidden": 8192}, True), ({"hidden": 8193}, False), ({"width": 9000}, False)],
)
def test_how_wide_a_model_may_be(width: dict[str, int], fits: bool) -> None:
    shape = exact.Shape(**(tiny.model().shape.__dict__ | width))
    if fits:
        exact.check(shape)
    else:
        with pytest.raises(ModelError, match="exact up to 8192"):
            exact.check(shape)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rope_base": 1e-300}, "rotary"),
        ({"rope_base": 0.999}, "rotary"),
        ({"rope_base": float("inf")}, "rotary"),
        ({"rope_base_local": float("nan")}, "rotary"),
        ({"sliding": 4, "sliding_period": 0}, "slide"),
        ({"sliding": -1}, "slide"),
    ],
)
def test_shapes_that_cannot_be(
    change: dict[str, Any], says: str, parts: tuple[dict[str, Any], Tensors], tmp_path: Path
) -> None:
    head, tensors = parts
    changed = head | {"shape": head["shape"] | change}
    with pytest.raises(ModelError, match=says):
        exact.load(write(tmp_path / "a", changed, tensors))


def test_a_rotary_base_below_one_is_refused_before_its_table_is_made(tmp_path: Path) -> None:
    """The series that makes the table is for angles of at most one, and else does not end."""
    tiny.write_safetensors(tmp_path / "a", config={"rope_theta": 1e-300})
    with pytest.raises(ModelError, match="rotary"):
        convert(tmp_path / "a", tmp_path / "exact", "tiny")
