"""Where test data lies on this machine.

Two places are searched, in this order: the folders that ``NCZ_CORPORA`` names (separated as
in ``PATH``, searched with everything below them, never written to), then ncz's own cache.
A file counts only if its SHA-256 is right; ``NAME.gz`` serves for ``NAME`` when its content
hashes right. Hashing costs about half a second per gigabyte.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from ncz.codec import cache
from ncz.codec.cache import partial_name, sha256_of, sha256_of_stream
from ncz.corpora.registry import CorpusFile

ENV_CORPORA = "NCZ_CORPORA"
_PIECE = 1 << 20


def find(file: CorpusFile) -> Path | None:
    """The path of a file with that content, or None if this machine has none."""
    for folder in search_path():
        for candidate in _named(folder, file.name):
            if candidate.stat().st_size == file.size and sha256_of(candidate) == file.sha256:
                return candidate
        for candidate in _named(folder, f"{file.name}.gz"):
            unpacked = cache_folder() / "content" / file.sha256 / file.name
            if unpacked.is_file() and sha256_of(unpacked) == file.sha256:
                return unpacked
            if _gunzip(candidate, unpacked, file):
                return unpacked
    return None


def search_path() -> tuple[Path, ...]:
    """The folders searched, those that exist, in order."""
    said = os.environ.get(ENV_CORPORA, "").split(os.pathsep)
    folders = [Path(entry).expanduser() for entry in said if entry]
    return tuple(folder for folder in [*folders, cache_folder()] if folder.is_dir())


def cache_folder() -> Path:
    """Where downloaded and unpacked test data is kept; it may not exist yet."""
    return cache.cache_folder("corpora")


def _named(folder: Path, name: str) -> Iterator[Path]:
    for place, _, files in os.walk(folder):
        if name in files:
            yield Path(place) / name


def _gunzip(packed: Path, target: Path, file: CorpusFile) -> bool:
    """Unpacks to `target` and says True if the content is that of `file`."""
    partial = partial_name(target)
    try:
        with gzip.open(packed) as stream:
            if sha256_of_stream(cast(BinaryIO, stream)) != file.sha256:
                return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(packed) as stream, partial.open("wb") as out:
            while piece := stream.read(_PIECE):
                out.write(piece)
        partial.replace(target)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False  # not the file that is looked for, whatever else it is
    finally:
        partial.unlink(missing_ok=True)
    return True
