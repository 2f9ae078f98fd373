"""GGUF files by digest: where this machine has the one that a file names.

llama.cpp reads the published file itself, which ncz does not keep. So the user names it, once:
where it lies is remembered, and its content is hashed in every process that uses it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from ncz.codec.cache import cache_folder, sha256_of, write_whole
from ncz.codec.coder import ModelRef
from ncz.codec.errors import ModelError, ModelMissing
from ncz.models import weights

_offered: dict[str, Path] = {}  # by digest, in this process


def offer(path: Path) -> ModelRef:
    """Make a GGUF known, to this process and later ones, and say what a header calls it.

    Raises:
        ModelError: there is no such file, or it is no GGUF.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelError(f"{path} is no GGUF file, and llama.cpp reads no other")
        path = path.resolve()
        digest = _hashed(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); name another file") from None
    _offered[digest] = path
    with contextlib.suppress(OSError):  # a cache that cannot be written to serves this process
        _remember(digest, path)
    return ModelRef.of_file(bytes.fromhex(digest), path)


def find(model: ModelRef) -> Path:
    """The GGUF with that digest.

    Raises:
        ModelMissing: no place that is known has it.
    """
    digest = model.digest.hex()
    for path in _places(digest):
        with contextlib.suppress(OSError):
            if _hashed(path) == digest:
                return path
    raise ModelMissing(
        digest, model.name, "it is a GGUF file for llama.cpp; say where it is with: --model FILE"
    )


def _places(digest: str) -> Iterator[Path]:
    if digest in _offered:
        yield _offered[digest]
    with contextlib.suppress(OSError, ValueError):
        yield Path(_note(digest).read_text("utf-8").strip())
    for model in weights.installed():
        if model.source_sha256 == digest:
            yield Path(model.source)


def _hashed(path: Path) -> str:
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _sha256(path: Path, size: int, modified: int) -> str:
    return sha256_of(path)


def _note(digest: str) -> Path:
    return cache_folder("models") / "gguf" / digest


def _remember(digest: str, path: Path) -> None:
    write_whole(_note(digest), f"{path}\n".encode())
