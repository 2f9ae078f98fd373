"""The exact files on this machine, and the check that each is what its digest says.

Each model has a folder of its own, ``NAME-DIGEST``, with the exact file and a record of where it
came from. The folder gets that name by one rename, when everything in it is whole. The file
is hashed each time it is asked for, 0.1 s for 150 MB, so that a changed file never decodes.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ncz.codec import notice
from ncz.codec.cache import cache_folder, sha256_of
from ncz.codec.errors import ModelMissing
from ncz.models.weights.manifest import BUILTIN, is_builtin, is_name

_RECORD = "record.json"
_FOLDER_DIGITS = 16  # of the digest, in a folder's name


@dataclass(frozen=True)
class Installed:
    """A model that this machine has.

    Attributes:
        name: what it is called.
        digest: SHA-256 of its exact file, in hex.
        size: bytes of its exact file.
        licence: the terms of the weights.
        source: what it was made from: packages, addresses or a path.
        source_sha256: SHA-256 of what it was made from, in hex, None for a folder.
        checked: whether that digest was known before it arrived.
        description: what it is.
    """

    name: str
    digest: str
    size: int
    licence: str
    source: str
    source_sha256: str | None
    checked: bool
    description: str

    @property
    def path(self) -> Path:
        """Its exact file."""
        return _folder_of(self.name, self.digest) / f"{self.name}.safetensors"


def models_folder() -> Path:
    """Where models are kept; it may not exist yet."""
    return cache_folder("models")


def installed() -> list[Installed]:
    """Every model of this machine, by name. Nothing is hashed."""
    found = []
    for path in models_folder().glob(f"*/{_RECORD}"):
        model = _read(path)
        if model is not None and model.path.parent == path.parent and model.path.is_file():
            found.append(model)
    return sorted(found, key=lambda model: (model.name, model.digest))


def have(name: str) -> Installed | None:
    """The model of that name, None if this machine lacks it. Nothing is hashed.

    Of a model that ncz knows, only what this ncz converts it to counts.
    """
    pinned = next((w.exact_sha256 for w in BUILTIN if w.name == name), None)
    for model in installed():
        if model.name == name and pinned in (None, model.digest):
            return model
    return None


def whole(name: str) -> bool:
    """Whether the model of that name is here, with the digest that it must have. Hashes it."""
    model = have(name)
    return model is not None and damage(model) is None


def find(digest: bytes, name: str = "") -> Path:
    """The exact file with that SHA-256, for decoding.

    Args:
        digest: its 32 bytes.
        name: what messages call it.

    Raises:
        ModelMissing: this machine has no such file, or only a changed one. The sentence names
            the command that mends it.
    """
    wanted = digest.hex()
    for model in installed():
        if model.digest == wanted:
            reason = damage(model)
            if reason is None:
                return model.path
            raise ModelMissing(wanted, model.name, f"{reason}; {mend(model)}")
    raise ModelMissing(wanted, name, f"get it with: {_how_to_get(wanted, name)}")


def damage(model: Installed) -> str | None:
    """What is wrong with the exact file of `model`, None if nothing is. Hashes it."""
    try:
        actual = sha256_of(model.path)
    except OSError as error:
        return f"{model.path} cannot be read ({error.strerror})"
    return None if actual == model.digest else f"{model.path} was changed: it has SHA-256 {actual}"


def mend(model: Installed) -> str:
    """How a damaged model is replaced, for the end of a sentence."""
    if is_builtin(model.name):
        return f"fetch it again with: ncz models pull {model.name}"
    return f"make it again with: ncz models pull {shlex.quote(model.source)} --name {model.name}"


def remove(name: str) -> list[Installed]:
    """Removes every model of that name, and what is left of an unfinished one.

    Returns:
        What was removed.
    """
    gone = [model for model in installed() if model.name == name]
    if gone or work_folder(name).exists():
        with locked(name):
            for model in gone:
                shutil.rmtree(model.path.parent)
            shutil.rmtree(work_folder(name), ignore_errors=True)
    return gone


def work_folder(name: str) -> Path:
    """Where the model of that name is fetched and converted; kept if that can be gone on with."""
    return models_folder() / f".{name}.unfinished"


def publish(model: Installed, exact: Path) -> None:
    """Gives the exact file `exact`, which lies in the model's work folder, its place."""
    ready = work_folder(model.name) / "ready"
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir()
    exact.replace(ready / model.path.name)
    (ready / _RECORD).write_text(json.dumps(asdict(model), indent=1, sort_keys=True), "utf-8")
    final = model.path.parent
    if final.exists():  # a damaged one
        shutil.rmtree(final)
    ready.rename(final)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """While this runs, no other process or thread fetches, converts or removes that model."""
    from filelock import FileLock, Timeout

    models_folder().mkdir(parents=True, exist_ok=True)
    lock = FileLock(models_folder() / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        notice.say(f"another ncz is at work on the model {name}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _folder_of(name: str, digest: str) -> Path:
    return models_folder() / f"{name}-{digest[:_FOLDER_DIGITS]}"


def _read(path: Path) -> Installed | None:
    """A record, or None for what is no such thing."""
    try:
        model = Installed(**json.loads(path.read_text("utf-8")))
        return model if is_name(model.name) else None
    except (OSError, ValueError, TypeError):
        return None


def _how_to_get(digest: str, name: str) -> str:
    for weights in BUILTIN:
        if digest == weights.exact_sha256 or (name == weights.name and not weights.exact_sha256):
            return f"ncz models pull {weights.name}, or let --pull fetch it"
    if is_builtin(name):
        return f"the ncz that made the file, for this one makes another {name}"
    called = name if is_name(name) else "NAME"
    return f"ncz models pull FILE --name {called}, where FILE is what its maker pulled"
