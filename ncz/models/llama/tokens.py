"""What a GGUF calls its tokens, and what llama.cpp's logits of them weigh.

As with the exact engine (:mod:`ncz.models.language.head`), an entry of the sorted vocabulary
weighs 2²⁴ · exp(logit - largest logit), cut to a whole number, at least 1. From the logits on all
is exact: what may differ between machines is in them alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ncz.codec.errors import ModelError
from ncz.codec.jit import jit
from ncz.models.language import gguf_metadata, source, vocab_source
from ncz.models.language.arithmetic import LOG2_E, LOWEST, exp2
from ncz.models.language.head import SOFTENED
from ncz.models.language.tokenizer import Tokenizer


def read(path: Path) -> tuple[Tokenizer, int]:
    """The tokenizer of a GGUF, and the token that begins a sequence.

    Raises:
        ModelError: the file is damaged, or its tokenizer cannot be turned back into bytes.
    """
    from gguf import GGUFReader

    with source.blaming(path):
        gguf_metadata.check(path)
        reader = GGUFReader(path)  # which also looks whether the tensors are all there
        fields: dict[str, Any] = {
            key: entry.contents()
            for key, entry in reader.fields.items()
            if key.startswith("tokenizer.ggml.")
        }
        tensors = vocab_source.from_gguf(fields)
        family = "gpt2" if fields["tokenizer.ggml.model"] == "gpt2" else "spm"
        tokenizer = Tokenizer(tensors, family, str(fields.get("tokenizer.ggml.pre", "default")))
    begins = (fields.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos"))
    begin = next((int(token) for token in begins if token is not None), 0)
    if not 0 <= begin < len(fields["tokenizer.ggml.tokens"]):
        raise ModelError(f"{path} begins texts with a token that it lacks; fetch it again")
    return tokenizer, begin


@jit
def cumulate(logits: np.ndarray, order: np.ndarray, never: np.ndarray, out: np.ndarray) -> bool:
    """Sum up the weights; False if the logits are no numbers to do it with.

    Args:
        logits: float32[tokens].
        order: int32[n]: the token of each entry, below 0 for an escape, which weighs 1.
        never: uint8[n]: 1 for what cannot follow the token before, so that it weighs 2⁻¹⁰ of it.
        out: int64[n + 1], written: 0, and sums up to each entry.
    """
    top = np.float32(-np.inf)
    for entry in range(order.size):
        if order[entry] >= 0:
            logit = logits[order[entry]]
            if np.isnan(logit):
                return False
            top = max(top, logit)
    if np.isinf(top):
        return False
    total = np.int64(0)
    out[0] = 0
    for entry in range(order.size):
        weight = np.int64(1)
        if order[entry] >= 0:
            power = (logits[order[entry]] - top) * LOG2_E
            weight = np.int64(exp2(max(power, LOWEST)) * np.float32(16777216.0))
            if never[entry]:
                weight >>= SOFTENED
            weight = max(weight, 1)
        total += weight
        out[entry + 1] = total
    return True
