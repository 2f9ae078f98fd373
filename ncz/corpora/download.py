"""Fetching a named set from where the world keeps it.

An interrupted download goes on where it stopped. Nothing gets its final name before its
SHA-256 is right, so that whatever lies in the cache is what it says. Archives are read
member by member, no path inside one is ever used as a path, and no more than the declared
size of a member is written.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol

from ncz.codec.cache import partial_name
from ncz.codec.download import download
from ncz.corpora.registry import Corpus, CorpusError, CorpusFile
from ncz.corpora.search import cache_folder

_PIECE = 1 << 18


class Reader(Protocol):
    """What archives and files have in common."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def fetch(
    corpus: Corpus,
    files: tuple[CorpusFile, ...],
    notice: Callable[[str], None] | None = None,
) -> dict[str, Path]:
    """Downloads those files of the set into the cache.

    Args:
        corpus: the set.
        files: the files of it that are wanted.
        notice: called with one sentence before a download starts.

    Returns:
        The path of each file, by its name in the set.

    Raises:
        CorpusError: no address delivers, or what arrives has another SHA-256.
    """
    folder = cache_folder() / corpus.name
    folder.mkdir(parents=True, exist_ok=True)
    if corpus.packing in ("zip", "tar"):
        _try_each(corpus, partial(_from_archive, corpus, files, folder, notice))
    else:
        for file in files:
            _try_each(corpus, partial(_single, corpus, file, folder, notice))
    return {file.name: folder / file.name for file in files}


def _try_each(corpus: Corpus, attempt: Callable[[str], None]) -> None:
    reasons = []
    for url in corpus.urls:
        try:
            return attempt(url)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            reasons.append(f"{url}: {reason}")
        except CorpusError as error:
            reasons.append(str(error))
    raise CorpusError(
        f"cannot fetch the set {corpus.name} ({'; '.join(reasons)}); "
        "put its files in a folder and name that folder in NCZ_CORPORA"
    )


def _single(
    corpus: Corpus,
    file: CorpusFile,
    folder: Path,
    notice: Callable[[str], None] | None,
    url: str,
) -> None:
    arrived = _download(url.format(name=file.name), folder, notice)
    try:
        with _open_packed(arrived, corpus.packing) as stream:
            _install(stream, file, folder, url)
    finally:
        arrived.unlink()  # whole, so if it is wrong then going on with it cannot help


def _from_archive(
    corpus: Corpus,
    files: tuple[CorpusFile, ...],
    folder: Path,
    notice: Callable[[str], None] | None,
    url: str,
) -> None:
    arrived = _download(url, folder, notice)
    wanted = {file.name: file for file in files}
    try:
        for name, stream in _members(arrived, corpus.packing):
            file = wanted.pop(PurePosixPath(name).name, None)
            if file is not None:
                _install(stream, file, folder, url)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CorpusError(f"{url} is no whole archive: {error}") from error
    finally:
        arrived.unlink()
    if wanted:
        raise CorpusError(f"{url} does not hold {', '.join(sorted(wanted))}")


def _members(archive: Path, packing: str) -> Iterator[tuple[str, Reader]]:
    if packing == "zip":
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if not entry.is_dir():
                    with zipped.open(entry) as stream:
                        yield entry.filename, stream
        return
    with tarfile.open(archive) as tarred:
        for member in tarred:
            if member.isfile() and (content := tarred.extractfile(member)) is not None:
                with content:
                    yield member.name, content


@contextmanager
def _open_packed(path: Path, packing: str) -> Iterator[Reader]:
    if packing == "gzip":
        with gzip.open(path) as stream:
            yield stream
    else:
        with path.open("rb") as stream:
            yield stream


def _install(stream: Reader, file: CorpusFile, folder: Path, url: str) -> None:
    """Writes the stream under the file's name if it is the file, else raises CorpusError."""
    target = folder / file.name
    unfinished = partial_name(target)
    digest = hashlib.sha256()
    left = file.size
    try:
        with unfinished.open("wb") as out:
            while piece := stream.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    break
                digest.update(piece)
                out.write(piece)
        if left or digest.hexdigest() != file.sha256:
            raise CorpusError(f"what {url} delivers for {file.name} has another SHA-256")
        unfinished.replace(target)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(f"what {url} delivers for {file.name} is damaged: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _download(url: str, folder: Path, notice: Callable[[str], None] | None) -> Path:
    """The path of a whole copy of `url`. A partial one stays for the next try."""
    name = PurePosixPath(url).name
    arriving = folder / f".{name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.download"
    if notice is not None:
        notice(f"fetching {url}")
    download(url, arriving)
    return arriving
