"""Where ncz keeps what it fetched, and how files get there: whole, or not under their name.

Test data and models share these few rules, so they stand below both.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

ENV_CACHE = "NCZ_CACHE"
_PIECE = 1 << 20


def cache_folder(kind: str) -> Path:
    """The folder for things of that `kind`, such as ``models``; it may not exist yet.

    It lies in the folder that ``NCZ_CACHE`` names, else in ``ncz`` in the user's cache directory.
    """
    said = os.environ.get(ENV_CACHE)
    if said:
        return Path(said).expanduser() / kind
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "ncz" / kind


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex: about 0.1 s for 150 MB, 1 s on an old processor."""
    with path.open("rb") as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: BinaryIO) -> str:
    """SHA-256 of what `stream` has still to give, in hex."""
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not under its name; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(path)
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def partial_name(path: Path) -> Path:
    """The name under which `path` is written until it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")
