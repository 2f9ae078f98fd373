"""The named corpora: what each set holds, by SHA-256, and where the world keeps it.

A set is a list of files, each known by the digest of its *content*. Archives are only the
way there: their digests differ between mirrors and repackagings, and a file that hashes
right is right wherever it came from. So there are no archive digests here to go stale.

How each digest in ``digests.txt`` was established, always from at least two places that
agree byte for byte:

* canterbury, artificial, calgary: hashed from the public git copy of the corpus
  (pfalcon/canterbury-corpus), equal to the digests in the large-file pointers of another
  copy (amkillam/compression-test-data). canterbury-large the same, but for E.coli, whose
  digest is from those pointers and a third project's pinned test data.
* silesia: published by several projects that pin the set; seven of the twelve files also
  hashed from a public git copy (MiloszKrajewski/SilesiaCorpus).
* enwik8, enwik9, text8: published by many projects that pin them, and in the pointers above.
* kodak: hashed from copies at hand, equal to the lists that several projects pin.
* mnist, fashion-mnist: hashed from the decompressed IDX files at hand, equal to the digests
  of the decompressed files that other projects pin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ncz.codec.errors import NczError

PACKINGS = ("plain", "gzip", "zip", "tar")


class CorpusError(NczError):
    """A set or a file of test data cannot be had; the sentence says why and what to do."""


@dataclass(frozen=True)
class CorpusFile:
    """One file of a set.

    Attributes:
        name: its name in the set.
        size: bytes of its content.
        sha256: SHA-256 of its content, in hex.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Corpus:
    """A named set.

    Attributes:
        name: what ``ncz bench`` calls it.
        about: one line: what it is, and its terms where they are stated.
        packing: how the addresses carry the files: "plain" or "gzip" (one address a file,
            with ``{name}`` in it), "zip" or "tar" (one archive that holds them all).
        urls: addresses to try, in this order.
        files: what belongs to it.
    """

    name: str
    about: str
    packing: str
    urls: tuple[str, ...]
    files: tuple[CorpusFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files together."""
        return sum(file.size for file in self.files)


def names() -> tuple[str, ...]:
    """The names of all sets, in the order in which they are listed."""
    return tuple(name for name, *_ in _SETS)


def named(name: str) -> Corpus:
    """The set of that name.

    Raises:
        CorpusError: there is none.

    Example:
        >>> [file.name for file in named("canterbury-large").files]
        ['E.coli', 'bible.txt', 'world192.txt']
    """
    for known, about, packing, urls in _SETS:
        if known == name:
            return Corpus(name, about, packing, urls, _files()[name])
    raise CorpusError(f"no set is called {name!r}; there are {', '.join(names())}")


@lru_cache(maxsize=1)
def _files() -> dict[str, tuple[CorpusFile, ...]]:
    files: dict[str, list[CorpusFile]] = {}
    for line in Path(__file__).with_name("digests.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        corpus, name, size, sha256 = line.split()
        files.setdefault(corpus, []).append(CorpusFile(name, int(size), sha256))
    return {corpus: tuple(members) for corpus, members in files.items()}


_CANTERBURY = "https://corpus.canterbury.ac.nz/resources/"
_MAHONEY = "https://mattmahoney.net/dc/"

_SETS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        "canterbury",
        "Canterbury corpus, 1997: the classic small mix; no terms stated",
        "tar",
        (f"{_CANTERBURY}cantrbry.tar.gz",),
    ),
    (
        "canterbury-large",
        "Canterbury's large files: a genome, a bible, an almanac; no terms stated",
        "tar",
        (f"{_CANTERBURY}large.tar.gz",),
    ),
    (
        "artificial",
        "Canterbury's artificial files: edge cases, not for averages; no terms stated",
        "tar",
        (f"{_CANTERBURY}artificl.tar.gz",),
    ),
    (
        "calgary",
        "Calgary corpus, 1987, the edition of 18 files; no terms stated",
        "tar",
        (f"{_CANTERBURY}calgary.tar.gz",),
    ),
    (
        "silesia",
        "Silesia corpus, 2003: twelve files of 5 to 51 MB; no terms stated",
        "zip",
        ("https://sun.aei.polsl.pl/~sdeor/corpus/silesia.zip", f"{_MAHONEY}silesia.zip"),
    ),
    (
        "enwik8",
        "the first 10^8 bytes of the English Wikipedia of March 2006; CC BY-SA and GFDL",
        "zip",
        (f"{_MAHONEY}enwik8.zip",),
    ),
    (
        "enwik9",
        "the first 10^9 bytes of the same; CC BY-SA and GFDL",
        "zip",
        (f"{_MAHONEY}enwik9.zip",),
    ),
    (
        "text8",
        "enwik8's words alone: lower-case letters and spaces; CC BY-SA and GFDL",
        "zip",
        (f"{_MAHONEY}text8.zip",),
    ),
    (
        "kodak",
        "24 photographs as PNG, 768x512; released by Kodak for unrestricted use",
        "plain",
        ("https://r0k.us/graphics/kodak/kodak/{name}",),
    ),
    (
        "mnist",
        "handwritten digits as IDX files, decompressed; MIT",
        "gzip",
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/{name}.gz",
            "https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz",
        ),
    ),
    (
        "fashion-mnist",
        "articles of clothing as IDX files, decompressed; MIT",
        "gzip",
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{name}.gz",),
    ),
)
