"""What ncz is measured beside: every codec under one shape, with its strongest usual settings.

Two kinds. A *library* codec turns bytes into bytes inside the measuring process. A *program*
reads and writes files and is used when it is on the ``PATH``. ncz itself is a library codec
like the others, so that nothing is measured in another way.

None of them is trusted to round-trip: what does not come back is a failure, not a size.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import ncz
from ncz.codec.coder import ModelRef
from ncz.codec.errors import MissingExtra
from ncz.corpora.registry import CorpusError
from ncz.formats.levels import MODEL_LEVELS, suits_model


@dataclass(frozen=True)
class Library:
    """A codec inside the process.

    Attributes:
        name: what tables call it, with its setting.
        family: what ``--peers`` calls it.
        module: the module it needs.
        package: the distribution whose version counts, or None for Python's own.
        encode: from raw bytes to coded bytes.
        decode: from coded bytes and the raw size to raw bytes.
        warm_up: bytes that are enough to go through every loop once, before time is taken.
        tokens: how many tokens its language model makes of raw bytes, None if it has none.
    """

    name: str
    family: str
    module: str
    package: str | None
    encode: Callable[[bytes], bytes]
    decode: Callable[[bytes, int], bytes]
    warm_up: int = 4096
    tokens: Callable[[bytes], int] | None = None

    @property
    def available(self) -> bool:
        """Whether this machine has it."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def version(self) -> str:
        """Its version, for the record."""
        if self.package is not None:
            return importlib.metadata.version(self.package)
        module = importlib.import_module(self.module)
        return str(
            getattr(module, "ZLIB_RUNTIME_VERSION", f"of Python {platform.python_version()}")
        )


@dataclass(frozen=True)
class Program:
    """A codec that is a command.

    Attributes:
        name: what tables call it, with its setting.
        family: what ``--peers`` calls it.
        program: the command's name.
        encode: the command line that makes the coded file of a raw file: (raw, coded).
        decode: the command line that restores it: (coded, raw).
        stdout: whether the command writes its result to standard output.
    """

    name: str
    family: str
    program: str
    encode: Callable[[Path, Path], list[str]]
    decode: Callable[[Path, Path], list[str]]
    stdout: bool = True

    @property
    def available(self) -> bool:
        """Whether this machine has it."""
        return shutil.which(self.program) is not None

    @property
    def version(self) -> str:
        """What the command says of itself, as far as it says anything."""
        for ask in ([self.program, "--version"], [self.program]):
            said = subprocess.run(
                ask, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL
            )
            for line in (said.stdout + said.stderr).splitlines():
                if any(character.isdigit() for character in line):
                    return line.split(" : ")[0].strip("* ")[:80]
        return "unknown"


Peer = Library | Program


def ncz_at(level: int) -> Library:
    """ncz at a level, a block at a time, through the public API.

    A language model uses all cores, and restores too few bytes a second for a long warm-up.
    """

    def encode(raw: bytes) -> bytes:
        return ncz.compress(raw, level=level, threads=1)

    def decode(coded: bytes, raw_size: int) -> bytes:
        return ncz.decompress(coded, threads=1)

    ours = Library(f"ncz-{level}", "ncz", "ncz", "ncz", encode, decode)
    return replace(ours, warm_up=512, tokens=tokens) if level in MODEL_LEVELS else ours


def ncz_by(circuit: Path) -> Library:
    """ncz at its default level by the circuit in a file."""
    from ncz.models.circuit import files

    name = circuit.stem if circuit in files.shipped().values() else str(circuit)

    def encode(raw: bytes) -> bytes:
        return ncz.compress(raw, circuit=circuit)

    def decode(coded: bytes, raw_size: int) -> bytes:
        return ncz.decompress(coded, threads=1)

    return Library(f"{_BY}{name}", "ncz", "ncz", "ncz", encode, decode)


def families() -> tuple[str, ...]:
    """What ``--peers`` knows, in the order of the tables."""
    return tuple(dict.fromkeys(peer.family for peer in PEERS))


def defaults() -> list[Peer]:
    """The peers that this machine has, less the commands that repeat a library."""
    return [peer for peer in PEERS if peer.available and peer.family not in _REPEATS]


def chosen(wanted: str) -> list[Peer]:
    """The peers that a list such as ``zlib,zstd-22,xz`` names, by family or by name.

    Raises:
        CorpusError: a name is unknown, or a command is not on the PATH.
        MissingExtra: a peer needs an optional package.
    """
    peers: dict[str, Peer] = {}
    for word in filter(None, (word.strip() for word in wanted.split(","))):
        matching = [peer for peer in PEERS if word in (peer.family, peer.name)]
        if not matching:
            raise CorpusError(f"no peer is called {word!r}; there are {', '.join(families())}")
        for peer in matching:
            _require(peer)
            peers[peer.name] = peer
    return list(peers.values())


def by_name(name: str) -> Peer:
    """The codec that tables call `name`, ncz's levels among them."""
    if name.startswith(_BY):
        from ncz.models.circuit import files

        return ncz_by(files.resolve(name.removeprefix(_BY)))
    if name.startswith("ncz-"):
        return ncz_at(int(name.removeprefix("ncz-")))
    return next(peer for peer in PEERS if peer.name == name)


def _require(peer: Peer) -> None:
    if peer.available:
        return
    if isinstance(peer, Library):
        raise MissingExtra("bench", f"the peer {peer.family}")
    raise CorpusError(
        f"the peer {peer.family} needs the command {peer.program!r}, which is not on the PATH; "
        f"install it or leave {peer.family} out of --peers"
    )


def tokens(raw: bytes) -> int:
    """How many tokens of the default model these bytes are; 0 where levels leave the model out."""
    from ncz.models import weights
    from ncz.models.text import loading

    if not suits_model(raw):
        return 0
    installed = weights.have(weights.default().name)
    assert installed is not None
    model = ModelRef(bytes.fromhex(installed.digest), installed.name)
    return int(loading.ready(model).entries(raw).size)


def _zlib_encode(raw: bytes) -> bytes:
    import zlib

    return zlib.compress(raw, 9)


def _zlib_decode(coded: bytes, raw_size: int) -> bytes:
    import zlib

    return zlib.decompress(coded)


def _bz2_encode(raw: bytes) -> bytes:
    import bz2

    return bz2.compress(raw, 9)


def _bz2_decode(coded: bytes, raw_size: int) -> bytes:
    import bz2

    return bz2.decompress(coded)


def _lzma_encode(raw: bytes) -> bytes:
    import lzma

    return lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)


def _lzma_decode(coded: bytes, raw_size: int) -> bytes:
    import lzma

    return lzma.decompress(coded)


def _zstd_encode(level: int) -> Callable[[bytes], bytes]:
    def encode(raw: bytes) -> bytes:
        import zstandard

        # A window over the whole file, as every other peer here has it.
        window = min(max(len(raw).bit_length(), 10), 27)
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, source_size=len(raw), window_log=window, enable_ldm=level > 9
        )
        return zstandard.ZstdCompressor(compression_params=parameters).compress(raw)

    return encode


def _zstd_decode(coded: bytes, raw_size: int) -> bytes:
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(coded, raw_size)


def _brotli_encode(raw: bytes) -> bytes:
    import brotli

    return bytes(brotli.compress(raw, quality=11, lgwin=24))


def _brotli_decode(coded: bytes, raw_size: int) -> bytes:
    import brotli

    return bytes(brotli.decompress(coded))


_PPMD_ORDER = 16
_PPMD_MEMORY = 256 << 20
# pyppmd 1.3.1 loses bytes where one call's output outgrows its first buffer of 32 KiB, so that
# some files, given whole, do not come back. A piece of this size never gets there.
_PPMD_PIECE = 16 << 10
_PPMD_RESTART = 0  # what to do when the memory is full: start the model over


def _ppmd_encode(raw: bytes) -> bytes:
    import pyppmd

    encoder = pyppmd.Ppmd8Encoder(_PPMD_ORDER, _PPMD_MEMORY, _PPMD_RESTART)
    pieces = [
        encoder.encode(raw[start : start + _PPMD_PIECE])
        for start in range(0, len(raw), _PPMD_PIECE)
    ]
    return b"".join(pieces) + bytes(encoder.flush(endmark=False))


def _ppmd_decode(coded: bytes, raw_size: int) -> bytes:
    import pyppmd

    decoder = pyppmd.Ppmd8Decoder(_PPMD_ORDER, _PPMD_MEMORY, _PPMD_RESTART)
    # The decoder wants a byte more than the encoder of a tiny file writes.
    return bytes(decoder.decode(coded + bytes(1), raw_size))


_SEVEN_ZIP = "7zz" if shutil.which("7zz") else "7z"  # the first is the author's own build

_REPEATS = ("xz", "zstd-cli", "brotli-cli")
_BY = "ncz by "  # a circuit

PEERS: tuple[Peer, ...] = (
    Library("zlib-9", "zlib", "zlib", None, _zlib_encode, _zlib_decode),
    Library("bz2-9", "bz2", "bz2", None, _bz2_encode, _bz2_decode),
    Library("lzma-9e", "lzma", "lzma", None, _lzma_encode, _lzma_decode),
    Library("zstd-3", "zstd", "zstandard", "zstandard", _zstd_encode(3), _zstd_decode),
    Library("zstd-22", "zstd", "zstandard", "zstandard", _zstd_encode(22), _zstd_decode),
    Library("brotli-11", "brotli", "brotli", "brotli", _brotli_encode, _brotli_decode),
    Library("ppmd-o16", "ppmd", "pyppmd", "pyppmd", _ppmd_encode, _ppmd_decode),
    Program(
        "xz-9e",
        "xz",
        "xz",
        lambda raw, coded: ["xz", "-9e", "-T1", "-c", str(raw)],
        lambda coded, raw: ["xz", "-d", "-T1", "--format=xz", "-c", str(coded)],
    ),
    Program(
        "zpaq-m5",
        "zpaq",
        "zpaq",
        # zpaq is an archiver: it keeps the path it was given, so that is a bare name.
        lambda raw, coded: ["zpaq", "a", str(coded), raw.name, "-m5", "-t1"],
        lambda coded, raw: ["zpaq", "x", str(coded), "-t1"],
        stdout=False,
    ),
    Program(
        "7z-lzma2",
        "7z",
        _SEVEN_ZIP,
        lambda raw, coded: [_SEVEN_ZIP, "a", "-t7z", "-mx=9", "-mmt=1", str(coded), raw.name],
        lambda coded, raw: [_SEVEN_ZIP, "x", "-y", str(coded)],
        stdout=False,
    ),
    Program(
        "bsc-e2",
        "bsc",
        "bsc",
        lambda raw, coded: ["bsc", "e", str(raw), str(coded), "-e2", "-t", "-T"],
        lambda coded, raw: ["bsc", "d", str(coded), str(raw), "-t", "-T"],
        stdout=False,
    ),
    Program(
        "zstd-cli-22",
        "zstd-cli",
        "zstd",
        lambda raw, coded: ["zstd", "--ultra", "-22", "--single-thread", "-q", "-c", str(raw)],
        lambda coded, raw: ["zstd", "-d", "-q", "-c", str(coded)],
    ),
    Program(
        "brotli-cli-11",
        "brotli-cli",
        "brotli",
        lambda raw, coded: ["brotli", "-q", "11", "-w", "24", "-c", str(raw)],
        lambda coded, raw: ["brotli", "-d", "-c", str(coded)],
    ),
)
