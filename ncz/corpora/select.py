"""From what stands on the command line to files: set names, builtin sets, any path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ncz.codec.cache import sha256_of
from ncz.corpora import builtin, download, registry, search
from ncz.corpora.registry import CorpusError


@dataclass(frozen=True)
class Item:
    """One file to measure.

    Attributes:
        group: the set or folder it was asked for by.
        name: its name in there.
        path: where it lies.
        size: bytes.
        sha256: SHA-256 of its content, in hex.
    """

    group: str
    name: str
    path: Path
    size: int
    sha256: str


def select(wanted: str, notice: Callable[[str], None] | None = None) -> list[Item]:
    """The files of a set, or a file, or every file in a folder and below.

    A set's name wins over a file of that name in the working folder; ``./NAME`` is the file.
    Empty files are left out: there is nothing to compress in them.

    Args:
        wanted: a set's name or a path.
        notice: called with one sentence before a download starts.

    Raises:
        CorpusError: it is neither, or the set cannot be had, or a folder holds no file.
    """
    if wanted in registry.names():
        return _corpus(wanted, notice)
    if wanted in builtin.names():
        return [_item(wanted, name, path) for name, path in builtin.paths(wanted).items()]
    path = Path(wanted)
    if path.is_dir():
        items = [
            _item(path.name or str(path), str(found.relative_to(path)), found)
            for found in sorted(path.rglob("*"))
            if found.is_file() and found.stat().st_size
        ]
        if not items:
            raise CorpusError(f"the folder {wanted} holds no file that is not empty")
        return items
    if path.is_file():
        if not path.stat().st_size:
            raise CorpusError(f"{wanted} is empty: there is nothing to measure")
        return [_item(path.parent.name or ".", path.name, path)]
    known = ", ".join((*registry.names(), *builtin.names()))
    raise CorpusError(f"{wanted!r} is neither a file, nor a folder, nor a set; sets are {known}")


def _corpus(name: str, notice: Callable[[str], None] | None) -> list[Item]:
    corpus = registry.named(name)
    paths = {file.name: path for file in corpus.files if (path := search.find(file)) is not None}
    missing = tuple(file for file in corpus.files if file.name not in paths)
    if missing:
        paths |= download.fetch(corpus, missing, notice)
    return [
        Item(name, file.name, paths[file.name], file.size, file.sha256) for file in corpus.files
    ]


def _item(group: str, name: str, path: Path) -> Item:
    return Item(group, name, path, path.stat().st_size, sha256_of(path))
