"""Reading what others wrote: a language model's float weights, from GGUF or safetensors.

Both files come out the same: names and layouts of Hugging Face's Llama and Gemma 3, all
tensors float32, rotary pairs half a head apart. Reading is bounded by what the file holds;
nothing in it is executed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ncz.codec.errors import ModelError, NczError
from ncz.models.language import gguf_metadata, vocab_source

ARCHITECTURES = ("llama", "gemma3")


@dataclass(frozen=True)
class Shape:
    """What a model computes, weights aside.

    Attributes:
        architecture: one of :data:`ARCHITECTURES`.
        layers, width, hidden: transformer layers, residual width, feed-forward width.
        heads, kv_heads, head_width: query heads, key and value heads, their width.
        context: the longest sequence it was made for, in tokens.
        epsilon: of the RMS norm.
        rope_base, rope_base_local: of the rotary embedding; the local one where layers slide.
        sliding: keys that a sliding layer sees, itself included; 0 where none slides.
        sliding_period: every so many-th layer sees all keys; the others slide.
        tokenizer, pre: kind of tokenizer, and its pre-tokenizer.
        begin: the token that begins a sequence, which is what a window without a past starts with.
    """

    architecture: str
    layers: int
    width: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    context: int
    epsilon: float
    rope_base: float
    rope_base_local: float = 10_000.0
    sliding: int = 0
    sliding_period: int = 1
    tokenizer: str = "gpt2"
    pre: str = "default"
    begin: int = 0

    def slides(self, i: int) -> bool:
        """Whether layer `i` sees the last :attr:`sliding` keys only."""
        return self.sliding > 0 and (i + 1) % self.sliding_period != 0


@dataclass(frozen=True)
class Source:
    """A model as somebody published it.

    Attributes:
        shape: its hyperparameters.
        vocabulary: the ``vocab.`` tensors of the exact file.
        tensor: the float32 array of a Hugging Face tensor name.
        names: all tensor names.
        licence: what the file says of its licence.
    """

    shape: Shape
    vocabulary: dict[str, np.ndarray]
    tensor: Callable[[str], np.ndarray]
    names: frozenset[str] = field(default_factory=frozenset)
    licence: str = ""


def open_source(path: Path) -> Source:
    """The model in a .gguf file, a .safetensors file or a folder with one.

    Raises:
        ModelError: the file is damaged, of an unknown architecture, or has a tokenizer that
            cannot be turned back into bytes.
    """
    with blaming(path):
        if path.is_file() and path.open("rb").read(4) == b"GGUF":
            return _from_gguf(path)
        return _from_safetensors(path)


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Around what reads `path`: whatever a damaged file leads to becomes a ModelError."""
    try:
        yield
    except FileNotFoundError as error:
        raise ModelError(f"there is no model at {path}: {error.filename} is missing") from None
    except (NczError, OSError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(
            f"{path} is no whole model file ({type(error).__name__}: {error}); fetch it again"
        ) from error


def _check_architecture(name: str, where: Path) -> None:
    if name not in ARCHITECTURES:
        raise ModelError(
            f"{where} holds a model of architecture {name!r}, and the exact engine knows "
            f"{' and '.join(ARCHITECTURES)}; choose another model, or use the llama.cpp engine"
        )


def _unknown_yet(where: Path, what: str) -> ModelError:
    return ModelError(
        f"{where} {what}, which the exact engine cannot yet; choose another model, or use the "
        "llama.cpp engine"
    )


def _refuse_biases(names: Iterable[str], where: Path) -> None:
    if any(name.endswith(".bias") for name in names):
        raise _biased(where)


def _biased(where: Path) -> ModelError:
    return _unknown_yet(where, "adds biases to its products")


# --- GGUF

_GGUF_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_GGUF_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
}
_GGUF_NORMS = {
    "llama": {"ffn_norm": "post_attention_layernorm"},
    "gemma3": {
        "post_attention_norm": "post_attention_layernorm",
        "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    },
}


def _from_gguf(path: Path) -> Source:
    from gguf import GGUFReader, dequantize

    gguf_metadata.check(path)
    reader = GGUFReader(path)
    fields: dict[str, Any] = {}
    for key, entry in reader.fields.items():
        if not key.startswith("GGUF."):
            fields[key] = entry.contents()
    name = str(fields.get("general.architecture", "unknown"))
    _check_architecture(name, path)

    def number(key: str, default: Any = None) -> Any:
        value = fields.get(f"{name}.{key}", default)
        if value is None:
            raise ModelError(f"{path} does not say its {name}.{key}; fetch the model again")
        return value

    width, heads = int(number("embedding_length")), int(number("attention.head_count"))
    shape = Shape(
        architecture=name,
        layers=int(number("block_count")),
        width=width,
        hidden=int(number("feed_forward_length")),
        heads=heads,
        kv_heads=int(number("attention.head_count_kv", heads)),
        head_width=int(number("attention.key_length", width // heads)),
        context=int(number("context_length")),
        epsilon=float(number("attention.layer_norm_rms_epsilon")),
        rope_base=float(number("rope.freq_base", 10_000.0)),
        sliding=int(number("attention.sliding_window", 0)) if name == "gemma3" else 0,
        sliding_period=6 if name == "gemma3" else 1,
        tokenizer="gpt2" if fields.get("tokenizer.ggml.model") == "gpt2" else "spm",
        pre=str(fields.get("tokenizer.ggml.pre", "default")),
        begin=int(fields.get("tokenizer.ggml.bos_token_id", 0)),
    )
    tensors = {_hugging_face_name(t.name, name): t for t in reader.tensors}
    scaling = fields.get(f"{name}.rope.scaling.type", "none")
    turned = number("rope.dimension_count", shape.head_width)
    if scaling not in ("none", "") or turned != shape.head_width or "rope_freqs.weight" in tensors:
        raise _unknown_yet(path, "scales its rotary embedding")
    _refuse_biases(tensors, path)

    def tensor(wanted: str) -> np.ndarray:
        if wanted not in tensors:
            raise ModelError(f"{path} lacks the tensor {wanted}; fetch the model again")
        entry = tensors[wanted]
        out = np.ascontiguousarray(dequantize(entry.data, entry.tensor_type), np.float32)
        out = out.reshape(tuple(int(n) for n in reversed(entry.shape)))
        if name == "llama" and wanted.endswith(("q_proj.weight", "k_proj.weight")):
            count = shape.heads if "q_proj" in wanted else shape.kv_heads
            # GGUF keeps the two of a rotary pair side by side.
            pairs = out.reshape(count, -1, 2, shape.width).swapaxes(1, 2)
            out = pairs.reshape(-1, shape.width)
        return out

    vocabulary = vocab_source.from_gguf(fields)
    licence = str(fields.get("general.license", ""))
    return Source(shape, vocabulary, tensor, frozenset(tensors), licence)


def _hugging_face_name(name: str, architecture: str) -> str:
    stem, _, kind = name.rpartition(".")
    if stem in _GGUF_NAMES:
        return f"{_GGUF_NAMES[stem]}.{kind}"
    if stem.startswith("blk."):
        _, number, part = stem.split(".", 2)
        known = _GGUF_NORMS[architecture].get(part) or _GGUF_LAYER.get(part)
        if known:
            return f"model.layers.{number}.{known}.{kind}"
    return name


# --- safetensors


def _from_safetensors(path: Path) -> Source:
    from safetensors import safe_open

    folder = path if path.is_dir() else path.parent
    files = sorted(folder.glob("*.safetensors")) if path.is_dir() else [path]
    if not path.exists():
        raise ModelError(f"there is no model at {path}")
    if not files:
        raise ModelError(f"{path} holds no .safetensors file")
    for needed in ("config.json", "tokenizer.json"):
        if not (folder / needed).is_file():
            raise ModelError(f"{needed} is missing beside {files[0]}; put it there")
    config = json.loads((folder / "config.json").read_text())
    name = str(config.get("model_type", "unknown"))
    name = "gemma3" if name == "gemma3_text" else name
    _check_architecture(name, path)
    gemma = name == "gemma3"
    heads = int(config["num_attention_heads"])
    head_width = int(config.get("head_dim") or config["hidden_size"] // heads)
    base, base_local = _rope_bases(config, path)
    if config.get("attention_bias") or config.get("mlp_bias"):
        raise _biased(path)
    usual = "gelu_pytorch_tanh" if gemma else "silu"
    if (config.get("hidden_activation") or config.get("hidden_act") or usual) != usual:
        raise _unknown_yet(path, "has an unusual activation")
    if config.get("query_pre_attn_scalar", head_width) != head_width:
        raise _unknown_yet(path, "scales its queries in an unusual way")
    if config.get("attn_logit_softcapping") or config.get("final_logit_softcapping"):
        raise _unknown_yet(path, "caps its logits")
    shape = Shape(
        architecture=name,
        layers=int(config["num_hidden_layers"]),
        width=int(config["hidden_size"]),
        hidden=int(config["intermediate_size"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads", heads)),
        head_width=head_width,
        context=int(config["max_position_embeddings"]),
        epsilon=float(np.float32(config["rms_norm_eps"])),  # as GGUF has it
        rope_base=base,
        rope_base_local=base_local,
        sliding=int(config.get("sliding_window") or 0) if gemma else 0,
        sliding_period=_sliding_period(config, path) if gemma else 1,
        begin=int(config.get("bos_token_id") or 0),
    )
    places: dict[str, Path] = {}
    for file in files:
        with safe_open(file, "numpy") as opened:
            places.update(dict.fromkeys(opened.keys(), file))
    _refuse_biases(places, path)

    def tensor(wanted: str) -> np.ndarray:
        if wanted not in places:
            raise ModelError(f"{path} lacks the tensor {wanted}; fetch the model again")
        out = _float32(places[wanted], wanted)
        return out + np.float32(1) if gemma and "norm" in wanted else out

    data = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = vocab_source.from_tokenizer_json(data)
    kind = "spm" if "vocab.scores" in vocabulary else "gpt2"
    shape = Shape(**{**shape.__dict__, "tokenizer": kind, "pre": vocab_source.pre_tokenizer(data)})
    return Source(shape, vocabulary, tensor, frozenset(places))


def _rope_bases(config: dict[str, Any], where: Path) -> tuple[float, float]:
    """Of the layers that see all, and of those that slide; older and newer files differ."""
    all_of = config.get("rope_parameters") or {}
    whole = all_of.get("full_attention", all_of)
    local = all_of.get("sliding_attention", {})
    scaled = [part.get("rope_type", "default") != "default" for part in (whole, local)]
    if config.get("rope_scaling") or any(scaled) or config.get("partial_rotary_factor", 1) != 1:
        raise _unknown_yet(where, "scales its rotary embedding")
    return (
        float(whole.get("rope_theta") or config.get("rope_theta") or 10_000.0),
        float(local.get("rope_theta") or config.get("rope_local_base_freq") or 10_000.0),
    )


def _sliding_period(config: dict[str, Any], where: Path) -> int:
    kinds = config.get("layer_types")
    if not kinds:
        return int(config.get("sliding_window_pattern") or 6)
    whole = [kind == "full_attention" for kind in kinds]
    period = (whole.index(True) if True in whole else len(whole)) + 1
    if whole != [(i + 1) % period == 0 for i in range(len(whole))]:
        raise _unknown_yet(where, "lets its layers slide in an unusual order")
    return period


def _float32(file: Path, name: str) -> np.ndarray:
    """A tensor widened to float32, which every 16-bit float fits exactly."""
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        return np.ascontiguousarray(opened.get_tensor(name).float().numpy())
