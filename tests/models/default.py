"""A tiny random model in the place of the default one, so that levels 7 to 9 run offline in tests.

As ``python -m tests.models.default ARGUMENTS`` it is the command ``ncz`` with that model, for
tests that need a process of their own. ``NCZ_CACHE`` says where :func:`install` has put it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

from ncz.formats import levels
from ncz.models import weights
from ncz.models.weights import Installed, manifest, pulling, store

from .language import tiny


@functools.cache
def content() -> bytes:
    """Its exact file: a model of three layers that knows as many positions as level 9 asks for."""
    positions = mock.patch.dict(tiny.CONFIG["llama"], max_position_embeddings=8192)
    with tempfile.TemporaryDirectory() as folder, positions:
        path = Path(folder) / "tiny.safetensors"
        tiny.exact_file(path)
        return path.read_bytes()


def model() -> Installed:
    """Its record."""
    digest = hashlib.sha256(content()).hexdigest()
    known = manifest.default()
    return Installed(
        known.name, digest, len(content()), known.licence, "tests", None, True, known.description
    )


def install() -> Installed:
    """Put it into the models folder."""
    installed = model()
    with store.locked(installed.name):
        work = store.work_folder(installed.name)
        work.mkdir(parents=True)
        exact = work / installed.path.name
        exact.write_bytes(content())
        store.publish(installed, exact)
        work.rmdir()
    return installed


@contextlib.contextmanager
def replaced() -> Iterator[None]:
    """While this holds, the default model is the tiny one, by its digest.

    It knows nothing and would never be chosen for its size, so every block that it can code is.
    """
    known = (replace(manifest.BUILTIN[0], exact_sha256=model().digest), *manifest.BUILTIN[1:])
    by_size = levels.encode

    def encode(
        plan: levels.Plan, raw: bytes, known: levels.Coded | None = None
    ) -> tuple[int, bytes]:
        coded = plan.coders[-1].encode(raw) if plan.models else None
        return by_size(plan, raw, known) if coded is None else (len(plan.coders) - 1, coded)

    with contextlib.ExitStack() as stack:
        for module in (manifest, pulling, store, weights):
            stack.enter_context(mock.patch.object(module, "BUILTIN", known))
        stack.enter_context(mock.patch.object(levels, "encode", encode))
        yield


def replace_for_good() -> None:
    """The same for as long as the process lives: to prepare workers that are processes."""
    _FOREVER.enter_context(replaced())


_FOREVER = contextlib.ExitStack()

if __name__ == "__main__":
    from ncz.cli import main

    with replaced():
        sys.exit(main.main())
