"""What golden files of language models need: small models, kept beside them, and an engine.

The models are files here because a file that names one by digest has to find that one for ever. The
engine stands for llama.cpp: what it says hangs on all that it has read and on SHAKE-128, so it
is the same with every library.

    python -m tests.golden.standins          # makes the models, unless they are there
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np

from ncz.codec.coder import ModelRef
from ncz.models.circuit import files as circuit_files
from ncz.models.contextmix.prior import pack, unpack
from ncz.models.image import export
from ncz.models.image import weights as image_weights
from ncz.models.llama import build, coder, engine, files
from ncz.models.llama.build import Build
from ncz.models.text import loading
from ncz.models.weights import Installed, store

MODELS = Path(__file__).parent / "models"
FIRST, SECOND = "golden-llama", "golden-gemma3"
GGUF = MODELS / "golden.gguf"
CIRCUITS = "golden-pixels", "golden-rows"
IMAGE = "golden-image"
BUILD = Build("0.0.1", b"golden__", b"machine_")


def model(name: str) -> ModelRef:
    """A model of the exact engine, or of pictures."""
    digest = hashlib.sha256((MODELS / f"{name}.safetensors").read_bytes()).digest()
    return ModelRef(digest, name)


def image() -> ModelRef:
    """Weights of the image codec."""
    return model(IMAGE)


def circuit(name: str) -> Path:
    """The file of a circuit."""
    return MODELS / f"{name}.circuit"


class Model:
    """Has the tokens of the GGUF."""

    context = 512

    def __init__(self, path: Path) -> None:
        from ncz.models.llama import tokens

        self.tokens = int(tokens.read(path)[0].vocabulary.order.max()) + 1

    def memory(self, places: int) -> int:
        return 100 * places


class Context:
    """Logits of 0 to 15 that hang on every token since it was last cleared."""

    def __init__(self, model: Model, places: int, threads: int) -> None:
        self._tokens = model.tokens
        self.clear()

    def clear(self) -> None:
        self._seen = hashlib.shake_128()

    def read(self, token: int) -> np.ndarray:
        self._seen.update(token.to_bytes(4, "little"))
        said = np.frombuffer(self._seen.digest(self._tokens), np.uint8)
        return (said >> 4).astype(np.float32)


@contextlib.contextmanager
def at_work() -> Iterator[None]:
    """While this holds, these are the models of this machine, and the engine is its llama.cpp."""
    with contextlib.ExitStack() as stack:
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(mock.patch.dict(os.environ, {"NCZ_CACHE": cache}))
        stack.enter_context(mock.patch.object(engine, "Model", Model))
        stack.enter_context(mock.patch.object(engine, "Context", Context))
        stack.enter_context(mock.patch.object(build, "here", lambda: BUILD))
        for forget in (loading._load.cache_clear, coder._loaded.cache_clear):
            forget()
            stack.callback(forget)
        for name in (FIRST, SECOND):
            _install(name)
        files.offer(GGUF)
        for name in CIRCUITS:
            circuit_files.offer(circuit(name))
        shipped = image_weights.tensors

        def tensors(name: str) -> dict[str, np.ndarray]:
            if name != IMAGE:
                return shipped(name)
            return unpack((MODELS / f"{name}.safetensors").read_bytes())

        stack.enter_context(mock.patch.dict(image_weights.DIGESTS, {IMAGE: image().digest.hex()}))
        stack.enter_context(mock.patch.object(image_weights, "tensors", tensors))
        yield


def _install(name: str) -> None:
    content = (MODELS / f"{name}.safetensors").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    record = Installed(name, digest, len(content), "free", "tests/golden", None, True, "golden")
    work = store.work_folder(name)
    work.mkdir(parents=True)
    exact = work / record.path.name
    exact.write_bytes(content)
    store.publish(record, exact)
    work.rmdir()


def make() -> None:
    """The files, from what tests call tiny models."""
    from tests import circuits
    from tests.models.language import tiny

    MODELS.mkdir(exist_ok=True)
    for name, architecture, positions in ((FIRST, "llama", 8192), (SECOND, "gemma3", 512)):
        with mock.patch.dict(tiny.CONFIG[architecture], max_position_embeddings=positions):
            path = MODELS / f"{name}.safetensors"
            if not path.exists():
                tiny.exact_file(path, architecture)
    if not GGUF.exists():
        with mock.patch.object(tiny, "tensors", lambda *_: {}):  # the engine has none
            tiny.write_gguf(GGUF)
    if not (MODELS / f"{IMAGE}.safetensors").exists():
        (MODELS / f"{IMAGE}.safetensors").write_bytes(_image())
    for name, made in zip(CIRCUITS, (circuits.of_pixels, circuits.of_rows), strict=True):
        if not circuit(name).exists():
            circuit(name).write_bytes(made())


def _image() -> bytes:
    """Random weights; of what is large only a few are not zero, so that the file is small."""
    from tests.models.image import tiny

    random = np.random.default_rng(9)
    found = dict(unpack(tiny.packed()))
    for name, tensor in found.items():
        if tensor.size > 20_000:
            found[name] = tensor * (random.random(tensor.shape) < 0.04).astype(tensor.dtype)
    return pack(found, {"format": export.FORMAT})


if __name__ == "__main__":
    make()
