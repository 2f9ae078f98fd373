"""What others publish: read alike from both kinds of file, refused where it cannot be run."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.errors import ModelError
from ncz.models.language.convert import convert
from ncz.models.language.source import open_source
from tests.models.language import tiny

BOTH = pytest.mark.parametrize("architecture", ["llama", "gemma3"])


@BOTH
@pytest.mark.parametrize("head", [False, True])
def test_both_kinds_of_file(architecture: str, head: bool, tmp_path: Path) -> None:
    tiny.write_gguf(tmp_path / "a.gguf", architecture, head=head)
    tiny.write_safetensors(tmp_path / "b", architecture, head=head)
    wanted = tiny.tensors(architecture, head=head)
    for path in (tmp_path / "a.gguf", tmp_path / "b", tmp_path / "b" / "model.safetensors"):
        source = open_source(path)
        assert source.names == wanted.keys()
        for name, value in wanted.items():
            assert np.array_equal(source.tensor(name), value), name
        with pytest.raises(ModelError, match="lacks the tensor"):
            source.tensor("model.layers.99.mlp.up_proj.weight")
        shape = source.shape
        assert shape.sliding == (12 if architecture == "gemma3" else 0)
        assert shape.tokenizer == ("spm" if architecture == "gemma3" else "gpt2")
        assert shape.begin == 0


def test_sixteen_bit_weights(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tiny.write_safetensors(tmp_path / "a")
    wanted = tiny.tensors()
    halves = {name: torch.from_numpy(value).bfloat16() for name, value in wanted.items()}
    save_file(halves, tmp_path / "a" / "model.safetensors")
    source = open_source(tmp_path / "a")
    for name, value in halves.items():
        got = source.tensor(name)
        assert got.dtype == np.float32
        assert np.array_equal(got, value.float().numpy())


def test_weights_in_several_files(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    tiny.write_safetensors(tmp_path / "a")
    (tmp_path / "a" / "model.safetensors").unlink()
    tensors = tiny.tensors()
    for part in (0, 1):
        some = {name: value for i, (name, value) in enumerate(tensors.items()) if i % 2 == part}
        save_file(some, tmp_path / "a" / f"model-0000{part}.safetensors")
    assert open_source(tmp_path / "a").names == tensors.keys()


@pytest.mark.parametrize(
    ("architecture", "config", "message"),
    [
        ("llama", {"model_type": "mamba"}, "architecture 'mamba'"),
        ("llama", {"attention_bias": True}, "biases"),
        ("llama", {"mlp_bias": True}, "biases"),
        ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 32}}, "scales its rotary"),
        ("llama", {"rope_parameters": {"rope_type": "yarn"}}, "scales its rotary"),
        ("llama", {"partial_rotary_factor": 0.5}, "scales its rotary"),
        ("llama", {"hidden_act": "relu"}, "unusual activation"),
        ("gemma3", {"query_pre_attn_scalar": 168}, "scales its queries"),
        ("gemma3", {"final_logit_softcapping": 30.0}, "caps its logits"),
        (
            "gemma3",
            {"layer_types": ["full_attention", "sliding_attention", "full_attention"] * 2},
            "unusual order",
        ),
    ],
)
def test_models_that_compute_otherwise(
    architecture: str, config: dict[str, Any], message: str, tmp_path: Path
) -> None:
    tiny.write_safetensors(tmp_path / "a", architecture, config=config)
    with pytest.raises(ModelError, match=message) as caught:
        open_source(tmp_path / "a")
    assert "\n" not in str(caught.value)


def test_how_newer_files_say_the_same(tmp_path: Path) -> None:
    newer = {
        "rope_theta": None,
        "rope_local_base_freq": None,
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
        "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 16,
    }
    tiny.write_safetensors(tmp_path / "old", "gemma3")
    tiny.write_safetensors(tmp_path / "new", "gemma3", config=newer)
    assert open_source(tmp_path / "old").shape == open_source(tmp_path / "new").shape
    period = {"layer_types": ["sliding_attention", "full_attention"] * 3}
    tiny.write_safetensors(tmp_path / "new", "gemma3", config=period)
    assert open_source(tmp_path / "new").shape.sliding_period == 2
    llama = {"rope_theta": None, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}
    tiny.write_safetensors(tmp_path / "llama", config=llama)
    assert open_source(tmp_path / "llama").shape.rope_base == 5e5


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
def test_a_file_beside_is_missing(file: str, tmp_path: Path) -> None:
    tiny.write_safetensors(tmp_path / "a")
    (tmp_path / "a" / file).unlink()
    with pytest.raises(ModelError, match=f"{file} is missing"):
        open_source(tmp_path / "a")


def test_no_model_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model at"):
        open_source(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match=r"holds no \.safetensors file"):
        open_source(tmp_path)
    (tmp_path / "text.gguf").write_text("GGUF, but not so")
    with pytest.raises(ModelError, match="no whole model file"):
        open_source(tmp_path / "text.gguf")


def test_biases_in_the_weights(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    tiny.write_safetensors(tmp_path / "a")
    bias = {"model.layers.0.self_attn.q_proj.bias": np.zeros(64, np.float32)}
    save_file(tiny.tensors() | bias, tmp_path / "a" / "model.safetensors")
    with pytest.raises(ModelError, match="biases"):
        open_source(tmp_path / "a")


@pytest.mark.parametrize("what", ["scaling", "factors", "bias", "part"])
def test_gguf_models_that_compute_otherwise(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    strings, numbers, tensors = {}, {}, {}
    if what == "scaling":
        strings["llama.rope.scaling.type"] = "linear"
    elif what == "factors":
        tensors["rope_freqs.weight"] = np.ones(8, np.float32)
    elif what == "bias":
        tensors["blk.0.attn_q.bias"] = np.ones(64, np.float32)
    else:
        numbers["llama.rope.dimension_count"] = 8
    tiny.write_gguf(path, strings=strings, numbers=numbers, more=tensors)
    with pytest.raises(ModelError, match="biases" if what == "bias" else "scales its rotary"):
        open_source(path)


def test_gguf_of_an_unknown_architecture(tmp_path: Path) -> None:
    tiny.write_gguf(tmp_path / "a.gguf", strings={"general.architecture": "rwkv6"})
    with pytest.raises(ModelError, match="architecture 'rwkv6'"):
        open_source(tmp_path / "a.gguf")


# --- damage


@functools.cache
def whole_gguf() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gguf"
        tiny.write_gguf(path)
        return path.read_bytes()


@pytest.mark.parametrize("part", [0.0001, 0.01, 0.05, 0.5, 0.99])
def test_a_truncated_gguf(part: float, tmp_path: Path) -> None:
    whole = whole_gguf()
    (tmp_path / "a.gguf").write_bytes(whole[: max(4, int(len(whole) * part))])
    with pytest.raises(ModelError):
        convert(tmp_path / "a.gguf", tmp_path / "out", "x")


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_gguf_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(whole_gguf())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, 12_000))  # metadata and names of tensors
        whole[at] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gguf"
        path.write_bytes(whole)
        try:
            convert(path, Path(folder) / "out", "x")
        except ModelError as error:
            assert "\n" not in str(error)


def test_a_damaged_folder(tmp_path: Path) -> None:
    tiny.write_safetensors(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_text('{"model_type": "llama"')
    with pytest.raises(ModelError, match="no whole model file"):
        open_source(tmp_path / "a")
    (tmp_path / "a" / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ModelError, match="no whole model file"):
        open_source(tmp_path / "a")
    tiny.write_safetensors(tmp_path / "a")
    weights = tmp_path / "a" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="no whole model file"):
        open_source(tmp_path / "a")
