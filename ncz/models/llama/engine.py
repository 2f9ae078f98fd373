"""llama.cpp at work: a model, and a context that is given one token at a time.

One token at a time, always, the encoder too: batches of several sizes give several results.
Only the processor is used, with a number of threads that the file names. No result is known to
depend on it, but nothing promises that either.
"""

from __future__ import annotations

import ctypes
import functools
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from ncz.codec.errors import MissingExtra, ModelError, NczError

_ERROR = 4  # llama.cpp's level of a message that says why something failed


@functools.cache
def library() -> Any:
    """The module ``llama_cpp``, ready and silent.

    Raises:
        MissingExtra: it is not installed.
        NczError: it is, but cannot be loaded, or is too old.
    """
    # Threads that spin while they wait for each other stand still on a machine that is busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import llama_cpp
    except ImportError:
        raise MissingExtra("llama", "the llama.cpp engine") from None
    except (OSError, RuntimeError) as error:  # its shared library
        raise NczError(f"llama-cpp-python does not load ({error}); install it again") from None
    if not hasattr(llama_cpp, "LLAMA_FLASH_ATTN_TYPE_DISABLED"):  # and what came before it
        raise NczError(
            f"llama-cpp-python {llama_cpp.__version__} is too old; run: pip install -U 'ncz[llama]'"
        )
    global _listening
    _listening = llama_cpp.llama_log_callback(_listen)
    llama_cpp.llama_log_set(_listening, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


_listening: Any = None  # llama.cpp keeps no reference to what it calls
_complaints: list[str] = []  # what llama.cpp said of errors since it was last asked


def _listen(level: int, text: bytes, _: Any) -> None:
    if level == _ERROR:
        _complaints.append(text.decode(errors="replace").strip())


class Model:
    """A GGUF in the memory.

    Attributes:
        context: the longest sequence it was made for, in tokens.
        tokens: how many tokens it knows.
    """

    def __init__(self, path: Path) -> None:
        """Load it.

        Raises:
            ModelError: llama.cpp does not know its architecture, or it is damaged.
        """
        llama = library()
        params = llama.llama_model_default_params()
        params.n_gpu_layers = 0
        _complaints.clear()
        self.handle = llama.llama_model_load_from_file(os.fsencode(path), params)
        if not self.handle:
            said = _complaints[0].removeprefix("llama_model_load: ") if _complaints else "no reason"
            raise ModelError(
                f"llama.cpp cannot load {path} ({said}); fetch it again, or choose another model"
            )
        weakref.finalize(self, llama.llama_model_free, self.handle)
        if llama.llama_model_has_encoder(self.handle) or not llama.llama_model_has_decoder(
            self.handle
        ):
            raise ModelError(f"{path} holds no model that goes on with a text; choose another one")
        self.context = int(llama.llama_model_n_ctx_train(self.handle))
        self.tokens = int(llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.handle)))

    def memory(self, places: int) -> int:
        """Bytes of the keys and values of a context of so many tokens, as 16-bit floats."""
        llama = library()
        heads = max(1, llama.llama_model_n_head(self.handle))
        width = llama.llama_model_n_embd(self.handle) // heads
        width *= llama.llama_model_n_head_kv(self.handle)
        return int(4 * llama.llama_model_n_layer(self.handle) * width * places)


class Context:
    """A sequence of tokens that the model has read. For one thread at a time."""

    def __init__(self, model: Model, places: int, threads: int) -> None:
        """An empty one.

        Args:
            model: which.
            places: tokens that it has room for.
            threads: that llama.cpp computes with.

        Raises:
            NczError: there is no memory for it.
        """
        llama = self._llama = library()
        params = llama.llama_context_default_params()
        params.n_ctx = places
        params.n_batch = params.n_ubatch = params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.offload_kqv = params.op_offload = False
        self._handle = llama.llama_init_from_model(model.handle, params)
        if not self._handle:
            raise NczError(f"llama.cpp cannot make a context of {places} tokens; use a lower level")
        weakref.finalize(self, llama.llama_free, self._handle)
        self._model = model  # which has to outlive this
        self._token = (llama.llama_token * 1)()

    def clear(self) -> None:
        """Forget everything."""
        self._llama.llama_memory_clear(self._llama.llama_get_memory(self._handle), True)

    def read(self, token: int) -> np.ndarray:
        """float32[tokens]: logits of what comes next after one more token, until the next call.

        Raises:
            NczError: llama.cpp fails.
        """
        self._token[0] = token
        batch = self._llama.llama_batch_get_one(self._token, 1)
        code = self._llama.llama_decode(self._handle, batch)
        if code != 0:
            raise NczError(f"llama.cpp fails to read a token (code {code}); free some memory")
        logits = self._llama.llama_get_logits_ith(self._handle, -1)
        return np.ctypeslib.as_array(logits, (self._model.tokens,))
