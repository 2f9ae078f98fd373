"""The same weights give the same exact file, whatever they came in; and only whole ones do."""

from __future__ import annotations

import decimal
import hashlib
from pathlib import Path

import numpy as np
import pytest

from ncz.codec.errors import ModelError
from ncz.models.language import convert as converting
from ncz.models.language import exact
from ncz.models.language.convert import convert, rotary_table
from tests.models.language import tiny

BOTH = pytest.mark.parametrize("architecture", ["llama", "gemma3"])

# SHA-256 of the exact files of tiny GGUF models, and of a rotary table. A change means that
# models converted before are no longer those that files name.
GOLDEN = {
    "llama": "a261726e0d6524e2fe14a710d453a44e32c99273dd1361209d995ecf0cb6736f",
    "gemma3": "9e753bd1fb0700e614393962b34091f41f13b7d49ce21275257865656943dd26",
    "rotary": "63a82758154a9c4507c6476ad772f261308d1122a04135774d88d42135cb194f",
}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def arrays(model: exact.Exact) -> dict[str, np.ndarray]:
    """All arrays of a model by where they stand."""
    out: dict[str, np.ndarray] = {}

    def collect(at: str, thing: object) -> None:
        if isinstance(thing, np.ndarray):
            out[at] = thing
        elif isinstance(thing, dict):
            for name, value in thing.items():
                collect(f"{at}.{name}", value)
        elif isinstance(thing, tuple):
            for number, value in enumerate(thing):
                collect(f"{at}.{number}", value)
        elif isinstance(thing, (exact.Linear, exact.Layer, exact.Exact)):
            collect(at, vars(thing))

    collect("", model)
    return out


@BOTH
@pytest.mark.parametrize("head", [False, True])
def test_both_kinds_of_file_give_the_same_model(
    architecture: str, head: bool, tmp_path: Path
) -> None:
    tiny.write_gguf(tmp_path / "a.gguf", architecture, head=head)
    tiny.write_safetensors(tmp_path / "b", architecture, head=head)
    told: list[tuple[int, int]] = []
    convert(
        tmp_path / "a.gguf", tmp_path / "a", "one", lambda done, all_: told.append((done, all_))
    )
    convert(tmp_path / "b", tmp_path / "b.exact", "one")
    a, b = exact.load(tmp_path / "a"), exact.load(tmp_path / "b.exact")
    left, right = arrays(a), arrays(b)
    assert left.keys() == right.keys()
    for name in left:
        assert np.array_equal(left[name], right[name]), name
        assert left[name].dtype == right[name].dtype
    assert {**a.shape.__dict__, "pre": ""} == {**b.shape.__dict__, "pre": ""}
    assert (a.head is not None) == head
    assert told == [(i + 1, a.shape.layers) for i in range(a.shape.layers)]


@BOTH
def test_golden_files(architecture: str, tmp_path: Path) -> None:
    for name in ("once", "twice"):
        tiny.exact_file(tmp_path / name, architecture)
        assert digest(tmp_path / name) == GOLDEN[architecture]


@BOTH
def test_weights_are_rounded_to_the_nearest(architecture: str) -> None:
    tensors, model = tiny.tensors(architecture), tiny.model(architecture)
    for published, linear in (
        (tensors["model.embed_tokens.weight"], model.embedding),
        (tensors["model.layers.1.mlp.down_proj.weight"], model.layers[1].down),
    ):
        assert np.abs(linear.weight).max(axis=1).tolist() == [127] * len(published)
        error = np.abs(linear.weight * linear.scale[:, None].astype(np.float64) - published)
        assert (error <= linear.scale[:, None] * 0.5001).all()


def test_rows_of_nothing() -> None:
    out: dict[str, np.ndarray] = {}
    converting._linear(out, "x", np.array([[0, 0], [-3, 1]], np.float32))
    assert out["x.weight"].tolist() == [[0, 0], [-127, 42]]
    assert out["x.scale"][0] == 1


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(number: float) -> None:
    with pytest.raises(ModelError, match="infinite or none"):
        converting._linear({}, "x", np.array([[0, number], [-3, 1]], np.float32))


# --- rotation


def test_rotary_table_against_decimal_series() -> None:
    table = rotary_table(10_000.0, 16, 3000)
    assert table.shape == (2, 3000, 8)
    with decimal.localcontext(decimal.Context(prec=50)):
        for i in (0, 1, 5, 7):
            step = decimal.Decimal(10_000) ** (decimal.Decimal(-2 * i) / 16)
            for position in (0, 1, 2, 100, 2047, 2999):
                sine, cosine = _sine_cosine(step * position)
                for got, true in zip(table[:, position, i], (cosine, sine), strict=True):
                    wanted = (true * 32768).to_integral_value(decimal.ROUND_HALF_UP)
                    assert got == max(-32767, min(32767, wanted))


def _sine_cosine(angle: decimal.Decimal) -> tuple[decimal.Decimal, decimal.Decimal]:
    """By halving the angle until the series is short, and doubling back."""
    halvings = 24
    x = angle / 2**halvings
    sine, cosine = x - x**3 / 6 + x**5 / 120 - x**7 / 5040, 1 - x**2 / 2 + x**4 / 24 - x**6 / 720
    for _ in range(halvings):
        sine, cosine = 2 * sine * cosine, 1 - 2 * sine * sine
    return sine, cosine


def test_rotary_table_at_length() -> None:
    """Errors do not add up over all the positions there can be."""
    table = rotary_table(1_000_000.0, 8, exact.LONGEST)
    angle = np.arange(exact.LONGEST)[:, None] * 1_000_000.0 ** (-np.arange(4) / 4)
    true = np.stack([np.cos(angle), np.sin(angle)]) * 32768
    assert np.abs(table - np.clip(true, -32767, 32767)).max() < 0.5001
    first = table[:, :8192].astype("<i2")
    assert hashlib.sha256(first.tobytes()).hexdigest() == GOLDEN["rotary"]


# --- refusals


def test_too_wide(tmp_path: Path) -> None:
    tiny.write_safetensors(tmp_path / "a", config={"intermediate_size": 11008})
    with pytest.raises(ModelError, match="11008 numbers wide"):
        convert(tmp_path / "a", tmp_path / "out", "x")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_key_value_heads": 3}, "cannot be"),
        ({"head_dim": 15}, "cannot be"),
        ({"rms_norm_eps": 0.0}, "cannot be"),
        ({"rms_norm_eps": float("nan")}, "cannot be"),
        ({"num_hidden_layers": 4}, "lacks the tensor"),
        ({"num_attention_heads": 8, "head_dim": 16}, "do not fit"),
        ({"hidden_size": 128, "head_dim": 16}, "do not fit"),
        ({"head_dim": 2048}, "heads of 2048"),
    ],
)
def test_numbers_that_do_not_go_together(
    config: dict[str, float], message: str, tmp_path: Path
) -> None:
    tiny.write_safetensors(tmp_path / "a", config=config)
    with pytest.raises(ModelError, match=message):
        convert(tmp_path / "a", tmp_path / "out", "x")
    assert not (tmp_path / "out").exists()


def test_a_tensor_of_a_gguf_file_is_missing(tmp_path: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    tiny.write_gguf(tmp_path / "a.gguf", without=name)
    with pytest.raises(ModelError, match=f"lacks the tensor {name}"):
        convert(tmp_path / "a.gguf", tmp_path / "out", "x")


def test_context_is_cut_to_the_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converting, "LONGEST", 100)
    tiny.exact_file(tmp_path / "out")
    model = exact.load(tmp_path / "out")
    assert model.shape.context == 100
    assert model.rotary.shape[1] == 100
