"""Llama and Gemma 3 in float64, from their papers: what the exact engine has to come close to.

Sources: Touvron et al., "LLaMA" (2023); Gemma Team, "Gemma 3 Technical Report" (2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def run(
    tensors: Mapping[str, np.ndarray], config: Mapping[str, Any], tokens: np.ndarray
) -> np.ndarray:
    """float64[n, width]: the residual after the last layer, for each of int64[n] tokens."""
    gemma = config["model_type"] == "gemma3_text"
    width = config["hidden_size"]
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    head_width = config.get("head_dim", width // heads)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        mean = (x * x).mean(axis=-1, keepdims=True)
        return x / np.sqrt(mean + config["rms_norm_eps"]) * tensors[f"{name}.weight"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ tensors[f"{name}.weight"].astype(np.float64).T

    x = tensors["model.embed_tokens.weight"][tokens].astype(np.float64)
    if gemma:
        x = x * width**0.5
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}"
        slides = gemma and (i + 1) % 6 != 0
        base = config["rope_local_base_freq"] if slides else config["rope_theta"]
        y = norm(x, f"{at}.input_layernorm")
        parts = []
        for name, count in (("q", heads), ("k", kv), ("v", kv)):
            part = linear(y, f"{at}.self_attn.{name}_proj").reshape(-1, count, head_width)
            if gemma and name != "v":
                part = norm(part, f"{at}.self_attn.{name}_norm")
            parts.append(part if name == "v" else _turned(part, base))
        window = config["sliding_window"] if slides else tokens.size
        y = linear(_attention(*parts, window), f"{at}.self_attn.o_proj")
        x = x + (norm(y, f"{at}.post_attention_layernorm") if gemma else y)
        before = "pre_feedforward_layernorm" if gemma else "post_attention_layernorm"
        y = norm(x, f"{at}.{before}")
        gate = linear(y, f"{at}.mlp.gate_proj")
        gate = _gelu(gate) if gemma else gate / (1 + np.exp(-gate))
        y = linear(gate * linear(y, f"{at}.mlp.up_proj"), f"{at}.mlp.down_proj")
        x = x + (norm(y, f"{at}.post_feedforward_layernorm") if gemma else y)
    return x


def _turned(x: np.ndarray, base: float) -> np.ndarray:
    """float64[n, heads, width]: each pair, half a head apart, as a complex number turned."""
    n, _, width = x.shape
    half = width // 2
    angle = np.arange(n)[:, None] * base ** (-np.arange(half) / half)
    pairs = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angle)[:, None]
    return np.concatenate([pairs.real, pairs.imag], axis=-1)


def _attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, window: int) -> np.ndarray:
    n, heads, width = q.shape
    out = np.empty((n, heads, width))
    for h in range(heads):
        mine = h * k.shape[1] // heads
        for at in range(n):
            seen = slice(max(0, at + 1 - window), at + 1)
            scores = k[seen, mine] @ q[at, h] / width**0.5
            weights = np.exp(scores - scores.max())
            out[at, h] = weights / weights.sum() @ v[seen, mine]
    return out.reshape(n, heads * width)


def _gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
