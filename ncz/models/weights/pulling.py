"""Getting a model onto this machine: fetch, check, convert, check, give it its place.

All of it happens under a lock of the model's own, in a folder of its own, so that of several
processes one does the work, and whatever ends it early leaves nothing under a final name.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ncz.codec import notice
from ncz.codec.cache import sha256_of
from ncz.codec.errors import ModelError
from ncz.models.weights import remembered, sources, store
from ncz.models.weights.manifest import (
    BUILTIN,
    Address,
    Local,
    Weights,
    is_builtin,
    is_name,
    named,
)
from ncz.models.weights.store import Installed

Progress = Callable[[str, int, int | None], None]
"""Called with "fetching" or "converting", how far that is, and its end if known."""

Consent = Callable[[Weights], bool]
"""Asks whoever is there whether the terms of the weights are accepted."""

Convert = Callable[[Path, Path, str, Callable[[int, int], None] | None], None]
"""Makes the exact file (second) of the weights (first), under that name."""


def ensure(
    name: str,
    progress: Progress | None = None,
    consent: Consent | None = None,
    convert: Convert | None = None,
) -> Path:
    """The exact file of a model that is here, or that ncz knows and can fetch.

    Args:
        name: what it is called.
        progress: told how far a fetch and a conversion are.
        consent: asked if terms have to be accepted that were not; without it they are not.
        convert: in place of ncz's own conversion.

    Raises:
        ModelError: it cannot be had; the sentence names the command to try later.
    """
    model = store.have(name)
    if model is not None:
        reason = store.damage(model)
        if reason is None:
            return model.path
        if not is_builtin(name):
            raise ModelError(f"{reason}; {store.mend(model)}")
    try:
        return pull(named(name), progress, consent, convert).path
    except sources.NotFetched as error:
        raise sources.NotFetched(f"{error}; levels 1 to 6 need no model") from None


def pull(
    weights: Weights,
    progress: Progress | None = None,
    consent: Consent | None = None,
    convert: Convert | None = None,
) -> Installed:
    """Fetches and converts a model unless this machine has it.

    Args:
        weights: a known model, or what :func:`local` and :func:`address` describe.
        progress: as for :func:`ensure`.
        consent: as for :func:`ensure`.
        convert: as for :func:`ensure`.

    Raises:
        ModelError: it cannot be fetched or converted, its terms are not accepted, its digest is
            another one, its name is taken, or there is no room.
    """
    with _on_disk(weights), store.locked(weights.name):
        model = store.have(weights.name)
        if model is not None and store.damage(model) is None:
            _same(model, weights)
            return model
        _agree(weights, consent)
        work = store.work_folder(weights.name)
        work.mkdir(parents=True, exist_ok=True)
        try:
            return _make(weights, work, progress, convert or _own_convert)
        except sources.NotFetched:
            raise  # what has arrived is gone on with
        except (ModelError, OSError):
            shutil.rmtree(work, ignore_errors=True)
            raise


def local(path: Path, name: str | None = None, sha256: str | None = None) -> Weights:
    """Weights of the user's own: a GGUF or safetensors file, or a folder of the hub's kind.

    A file that is the source of a model ncz knows is that model.

    Args:
        path: the file or folder.
        name: what to call it; made of the file's name if None.
        sha256: what its SHA-256 must be, in hex.

    Raises:
        ModelError: it cannot be read, or the name will not do.
    """
    path = path.resolve()
    found = sources.digest_of(path)
    for weights in BUILTIN:
        if found is not None and found == weights.source_sha256 and name in (None, weights.name):
            return replace(weights, sources=(Local(path),))
    stem = path.name if path.is_dir() else path.stem
    if stem == "model":  # as the hub calls every one of them
        stem = path.parent.name
    size = path.stat().st_size
    return _own(Local(path), name or _as_name(stem), sha256 or found, size)


def address(url: str, name: str | None = None, sha256: str | None = None) -> Weights:
    """Weights of the user's own choice behind an address; otherwise as :func:`local`."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        raise ModelError(f"{url} is not an address of http or https")
    source = Address(url)
    return _own(source, name or _as_name(source.name.rsplit(".", 1)[0]), sha256, 0)


def _own(source: Local | Address, name: str, sha256: str | None, size: int) -> Weights:
    if is_builtin(name):
        raise ModelError(f"{name} is the name of a model that ncz knows: give another by --name")
    if not is_name(name):
        raise ModelError(
            f"a model cannot be called {name!r}: give it a name of letters, digits, '.', '_' and "
            "'-' by --name"
        )
    return Weights(name, "its own", (source,), size, sha256, None, False, "", "your own")


def _as_name(stem: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")


def _same(model: Installed, weights: Weights) -> None:
    """Pass if what is here under that name is what is wanted."""
    if is_builtin(weights.name) or model.source_sha256 == weights.source_sha256 is not None:
        return
    if weights.source_sha256 is None and model.source == sources.described(weights):
        return
    raise ModelError(
        f"there is another model called {model.name}, made from {model.source}: give this one "
        f"another name by --name, or first run ncz models remove {model.name}"
    )


def _agree(weights: Weights, consent: Consent | None) -> None:
    if not weights.consent or remembered.accepted(weights.name):
        return
    if consent is None or not consent(weights):
        raise ModelError(
            f"the model {weights.name} is under terms that have to be accepted first: read "
            f"{weights.terms_url}, then run ncz models pull {weights.name} --accept-licence"
        )
    remembered.accept(weights)


def _make(weights: Weights, work: Path, progress: Progress | None, convert: Convert) -> Installed:
    if not isinstance(weights.sources[0], Local):
        size = f" ({weights.size / 1e6:.0f} MB)" if weights.size else ""
        notice.say(f"fetching the model {weights.name}{size} into {store.models_folder()}, once")
    source, found = sources.arrive(weights, work, _stage(progress, "fetching"))
    _first_seen(weights, found)
    exact = work / f"{weights.name}.safetensors"
    exact.unlink(missing_ok=True)  # of a conversion that was killed
    convert(source, exact, weights.name, _stage(progress, "converting"))
    digest = sha256_of(exact)
    if weights.exact_sha256 not in (None, digest):
        raise ModelError(
            f"converting the model {weights.name} gave SHA-256 {digest} and must give "
            f"{weights.exact_sha256}: please report it, with the output of ncz doctor"
        )
    model = Installed(
        weights.name,
        digest,
        exact.stat().st_size,
        weights.licence,
        sources.described(weights),
        found,
        weights.source_sha256 is not None,
        weights.description,
    )
    store.publish(model, exact)
    shutil.rmtree(work)
    return model


def _first_seen(weights: Weights, found: str | None) -> None:
    """What an address delivers must stay what it first delivered, if no digest is known."""
    first = weights.sources[0]
    if weights.source_sha256 is not None or not isinstance(first, Address) or found is None:
        return
    before = remembered.seen(first.url)
    if before not in (None, found):
        raise ModelError(
            f"{first.url} delivers SHA-256 {found} and delivered {before} before; if the new one "
            f"is right, say so by --sha256 {found}"
        )
    remembered.see(first.url, found)


def _stage(progress: Progress | None, stage: str) -> Callable[[int, int | None], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(stage, done, total)


def _own_convert(
    source: Path, target: Path, name: str, progress: Callable[[int, int], None] | None
) -> None:
    from safetensors import SafetensorError

    from ncz.models.language import addition
    from ncz.models.language.convert import convert

    try:
        convert(source, target, name, progress, addition.load(name))
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))  # it has no other way to say so
        if number is None:
            raise ModelError(f"cannot convert the model {name}: {error}") from error
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


@contextmanager
def _on_disk(weights: Weights) -> Iterator[None]:
    """What the disk refuses, as a sentence."""
    try:
        yield
    except OSError as error:
        folder = store.models_folder()
        if error.errno in sources.NO_ROOM:
            raise ModelError(
                f"no room for the model {weights.name} on the disk of {folder}: free some, or "
                "name a folder on another disk in NCZ_CACHE"
            ) from error
        raise ModelError(
            f"cannot keep the model {weights.name} in {folder} "
            f"({error.strerror or error}): NCZ_CACHE names another folder"
        ) from error
