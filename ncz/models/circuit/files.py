"""Circuits by digest and by name: those that ship, those used here before, and those named now.

Whoever compresses by a circuit of his own has it copied beside the models, so that this machine
restores what it made, wherever the file went. Another machine is told where it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from pathlib import Path

from ncz.codec.cache import cache_folder, sha256_of, write_whole
from ncz.codec.coder import ModelRef
from ncz.codec.errors import ModelError, ModelMissing
from ncz.models.circuit import exact
from ncz.models.circuit.exact import Circuit

SUFFIX = ".circuit"
_LARGEST = 1 << 30  # bytes of a file

_IN_MEMORY = 2  # circuits: the one at work, and the one of the file before

_offered: dict[bytes, Path] = {}  # by digest, in this process
_ready: dict[bytes, Circuit] = {}  # by digest, what was used last at the end
_lock = threading.RLock()  # so that threads that start at once do not all make the same


def shipped() -> dict[str, Path]:
    """The circuits that come with ncz, by name."""
    folder = Path(__file__).parent / "trained"
    return {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))}


def resolve(named: str) -> Path:
    """The file that a user means by a path or the name of a circuit that ships.

    Raises:
        ModelError: there is neither.
    """
    path = Path(named)
    if path.is_file():
        return path
    known = shipped()
    if named in known:
        return known[named]
    raise ModelError(
        f"{named} is no circuit: there is no such file, and those that come with ncz are "
        f"{', '.join(known) or 'none'}; make one with: ncz train"
    )


def offer(path: Path) -> ModelRef:
    """Make a circuit known, to this process and later ones, and say what a header calls it.

    Raises:
        ModelError: there is no such file, or it is no circuit.
    """
    data = read(path)
    digest = ready(data).digest
    _offered[digest] = path.resolve()
    if path.resolve() not in shipped().values():
        kept = _kept(digest)
        with contextlib.suppress(OSError):  # a cache that cannot be written to serves this process
            if not kept.is_file() or sha256_of(kept) != digest.hex():
                write_whole(kept, data)
    return ModelRef.of_file(digest, path)


def read(path: Path) -> bytes:
    """The bytes of a circuit's file.

    Raises:
        ModelError: it cannot be read, or is too large for one.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ModelError(f"{path} is too large for a circuit")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); name another file") from None


def find(model: ModelRef) -> Circuit:
    """The circuit with that digest, ready to code.

    Raises:
        ModelMissing: no place that is known has it.
    """
    with _lock:
        known = _used(model.digest)
        return known if known is not None else ready(_bytes_of(model))


def ready(data: bytes) -> Circuit:
    """The circuit in a file's bytes, which is made once while it is in use.

    Raises:
        ModelError: there is none.
    """
    digest = hashlib.sha256(data).digest()
    with _lock:
        known = _used(digest)
        if known is None:
            known = _ready[digest] = exact.compiled(exact.parse(data), digest)
            for old in list(_ready)[:-_IN_MEMORY]:
                del _ready[old]
        return known


def _used(digest: bytes) -> Circuit | None:
    """One that is in memory, which is then the last to go."""
    known = _ready.pop(digest, None)
    if known is not None:
        _ready[digest] = known
    return known


def _bytes_of(model: ModelRef) -> bytes:
    for path in (_offered.get(model.digest), *shipped().values(), _kept(model.digest)):
        if path is not None:
            with contextlib.suppress(ModelError):
                data = read(path)
                if hashlib.sha256(data).digest() == model.digest:
                    return data
    raise ModelMissing(
        model.digest.hex(),
        model.name,
        "it is a circuit that somebody trained; say where its file is with: --model FILE",
    )


def _kept(digest: bytes) -> Path:
    return cache_folder("models") / "circuits" / f"{digest.hex()}{SUFFIX}"
