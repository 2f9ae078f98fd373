"""Tiny random models, written the way that published ones are: for tests without a download."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ncz.models.language import exact
from ncz.models.language.convert import convert
from ncz.models.language.exact import Exact

WORDS = (
    " the", " and", " of", " to", " in", " that", " was", " it", "ing", "er", "ed", "on", "ly",
    "tion", " a", " his", "ou", " with", " for", " you", ". ", "ab", "aba", "\n\n", "é", " def",
)  # fmt: skip
MUTE = (0, 1, 2, 3, 0xC0, 0xC1, *range(0xF5, 0x100))
"""Bytes that no token says."""

CONFIG: dict[str, dict[str, Any]] = {
    "llama": {
        "model_type": "llama",
        "num_hidden_layers": 3,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rms_norm_eps": 2.0**-17,
        "rope_theta": 10_000.0,
        "bos_token_id": 0,
    },
    "gemma3": {
        "model_type": "gemma3_text",
        "num_hidden_layers": 6,  # five that slide, one that sees all
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 16,  # the heads together are wider than the residual
        "max_position_embeddings": 512,
        "rms_norm_eps": 2.0**-20,
        "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10_000.0,
        "sliding_window": 12,
        "bos_token_id": 0,
    },
}


@functools.cache
def model(architecture: str = "llama", seed: int = 1, head: bool = False) -> Exact:
    """A tiny model, loaded; `head` gives its output rows of their own. Not to be written to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        exact_file(path, architecture, seed, head)
        return exact.load(path)


def exact_file(path: Path, architecture: str = "llama", seed: int = 1, head: bool = False) -> None:
    """Write a tiny model in the exact form."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "tiny.gguf"
        write_gguf(source, architecture, seed, head)
        convert(source, path, f"tiny-{architecture}")


def tensors(architecture: str = "llama", seed: int = 1, head: bool = False) -> dict[str, Any]:
    """float32 weights by their Hugging Face names; Gemma's norms as what they multiply by."""
    config = CONFIG[architecture]
    draw = np.random.Generator(np.random.PCG64(seed))
    width, hidden = config["hidden_size"], config["intermediate_size"]
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    head_width = config.get("head_dim", width // heads)
    tokens = len(texts(architecture)[0])

    def linear(outputs: int, inputs: int) -> np.ndarray:
        spread = np.exp(0.3 * draw.standard_normal((outputs, 1))) / inputs**0.5
        return (draw.standard_normal((outputs, inputs)) * spread).astype(np.float32)

    def norm(size: int) -> np.ndarray:
        # In 1/1024 and not far from 1, so that taking 1 away and adding it again is exact.
        return (draw.integers(512, 2048, size) / 1024).astype(np.float32)

    out = {"model.embed_tokens.weight": 2 * linear(tokens, width), "model.norm.weight": norm(width)}
    if head:
        out["lm_head.weight"] = linear(tokens, width)
    for i in range(config["num_hidden_layers"]):
        layer = {
            "self_attn.q_proj": linear(heads * head_width, width),
            "self_attn.k_proj": linear(kv * head_width, width),
            "self_attn.v_proj": linear(kv * head_width, width),
            "self_attn.o_proj": linear(width, heads * head_width),
            "mlp.gate_proj": linear(hidden, width),
            "mlp.up_proj": linear(hidden, width),
            "mlp.down_proj": linear(width, hidden),
            "input_layernorm": norm(width),
            "post_attention_layernorm": norm(width),
        }
        if architecture == "gemma3":
            layer |= {
                "pre_feedforward_layernorm": norm(width),
                "post_feedforward_layernorm": norm(width),
                "self_attn.q_norm": norm(head_width),
                "self_attn.k_norm": norm(head_width),
            }
        out |= {f"model.layers.{i}.{name}.weight": value for name, value in layer.items()}
    return out


# --- tokenizers


def texts(architecture: str) -> tuple[list[str], list[int], list[tuple[str, str]]]:
    """The tokens as published, their types in GGUF's numbers, and the merges."""
    types = {"<|begin|>": 3, "<|user|>": 4}
    if architecture == "gemma3":
        types |= {f"<0x{byte:02X}>": 6 for byte in range(256)}
        types |= {_with_marks(chr(c)): 1 for c in (10, *range(32, 127))}
    else:
        types |= {_letters()[byte]: 1 for byte in range(256) if byte not in MUTE}
    spell = _with_marks if architecture == "gemma3" else _with_letters
    merges: list[tuple[str, str]] = []
    for word in map(spell, WORDS):
        for end in range(2, len(word) + 1):
            pair = (word[: end - 1], word[end - 1])
            if pair not in merges and types.keys() >= set(pair):
                merges.append(pair)
                types.setdefault("".join(pair), 1)
    return list(types), list(types.values()), merges


def _with_marks(text: str) -> str:
    return text.replace(" ", "▁")


def _with_letters(text: str) -> str:
    return "".join(_letters()[byte] for byte in text.encode())


@functools.cache
def _letters() -> dict[int, str]:
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    return {b: chr(b) for b in printing} | {b: chr(256 + k) for k, b in enumerate(others)}


# --- files


def write_gguf(
    path: Path,
    architecture: str = "llama",
    seed: int = 1,
    head: bool = False,
    *,
    without: str = "",
    strings: dict[str, str] | None = None,
    numbers: dict[str, int] | None = None,
    more: dict[str, np.ndarray] | None = None,
) -> None:
    """Write a GGUF file.

    Args:
        path: to write.
        architecture, seed, head: as for :func:`tensors`.
        without: a tensor left out, by its Hugging Face name.
        strings, numbers: more metadata.
        more: more tensors, by their GGUF names.
    """
    from gguf import GGUFWriter

    config = CONFIG[architecture]
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    if "head_dim" in config:
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
        writer.add_sliding_window(config["sliding_window"])
    _add_tokenizer(writer, architecture)
    for key, text in (strings or {}).items():
        if key == "general.architecture":
            writer.kv_data[0][key].value = text
        else:
            writer.add_string(key, text)
    for key, number in (numbers or {}).items():
        writer.add_uint32(key, number)
    for name, tensor in tensors(architecture, seed, head).items():
        if name != without:
            writer.add_tensor(
                _gguf_name(name, architecture), _gguf_layout(name, tensor, architecture)
            )
    for name, tensor in (more or {}).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: Any, architecture: str) -> None:
    names, types, merges = texts(architecture)
    writer.add_tokenizer_model("llama" if architecture == "gemma3" else "gpt2")
    writer.add_tokenizer_pre("default" if architecture == "gemma3" else "smollm")
    writer.add_token_list(names)
    writer.add_token_types(types)
    writer.add_bos_token_id(0)
    if architecture == "gemma3":
        rank = {left + right: -r for r, (left, right) in reversed(list(enumerate(merges)))}
        writer.add_token_scores([float(rank.get(name, 0)) for name in names])
    else:
        writer.add_token_merges([f"{left} {right}" for left, right in merges])


def _gguf_name(name: str, architecture: str) -> str:
    plain = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in plain:
        return plain[name]
    _, _, number, *part, kind = name.split(".")
    norms = {
        "llama": {"post_attention_layernorm": "ffn_norm"},
        "gemma3": {
            "post_attention_layernorm": "post_attention_norm",
            "pre_feedforward_layernorm": "ffn_norm",
            "post_feedforward_layernorm": "post_ffw_norm",
        },
    }
    both = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
    }
    return f"blk.{number}.{(both | norms[architecture])['.'.join(part)]}.{kind}"


def _gguf_layout(name: str, tensor: np.ndarray, architecture: str) -> np.ndarray:
    """llama.cpp wants the two of a rotary pair side by side in Llama models."""
    if architecture != "llama" or not name.endswith(("q_proj.weight", "k_proj.weight")):
        return tensor
    config = CONFIG[architecture]
    count = config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"]
    halves = tensor.reshape(count, 2, -1, tensor.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(tensor.shape)


def write_safetensors(
    folder: Path,
    architecture: str = "llama",
    seed: int = 1,
    head: bool = False,
    config: dict[str, Any] | None = None,
) -> None:
    """Write a folder as Hugging Face has it; `config` is put over the usual one."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = tensors(architecture, seed, head)
    if architecture == "gemma3":  # which adds 1 to what its norms multiply by
        for name in weights:
            if "norm" in name:
                weights[name] = weights[name] - np.float32(1)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG[architecture] | (config or {})))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer_json(architecture)))


def _tokenizer_json(architecture: str) -> dict[str, Any]:
    names, types, merges = texts(architecture)
    added = [
        {"id": token, "content": names[token], "special": types[token] == 3}
        for token in range(len(names))
        if types[token] in (3, 4)
    ]
    gemma = architecture == "gemma3"
    digits = {"type": "Digits", "individual_digits": True}
    pieces = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    return {
        "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
        if gemma
        else None,
        "pre_tokenizer": None if gemma else {"type": "Sequence", "pretokenizers": [digits, pieces]},
        "model": {
            "type": "BPE",
            "byte_fallback": gemma,
            "vocab": {name: token for token, name in enumerate(names)},
            "merges": [f"{left} {right}" for left, right in merges],
        },
    }
