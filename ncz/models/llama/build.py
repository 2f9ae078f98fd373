"""Which build of llama.cpp this is, for a file to name and a decoder to compare.

Floats agree to the last bit only between runs of the same machine code on processors with the
same features. So a build is its version, the content of its libraries, and what it says of the
machine; and, for the functions that it does not bring itself, the C library and what that goes
by when it chooses among its own versions of them.
"""

from __future__ import annotations

import functools
import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

from ncz.codec import varint
from ncz.codec.cache import sha256_of
from ncz.models.llama import engine

_DIGEST = 8  # bytes of each digest in a header
_LONGEST = 64  # bytes of a version
# What code is chosen by while it runs, in LLVM's words; what it is compiled for, llama.cpp says.
_FEATURES = (
    "avx", "avx2", "fma", "fma4", "f16c", "avx512f", "avx512vl", "avx512bw", "avx512vnni",
    "avx512bf16", "avxvnni", "amx-int8", "amx-bf16", "neon", "dotprod", "i8mm", "bf16", "sve",
    "sve2",
)  # fmt: skip


@dataclass(frozen=True)
class Build:
    """What decides the last digit.

    Attributes:
        version: of llama-cpp-python, ASCII.
        libraries: digest of the names and contents of its shared libraries, 8 bytes.
        machine: digest of what it says of itself, of the processor's features and of the system's
            C library, 8 bytes.
    """

    version: str
    libraries: bytes
    machine: bytes

    def pack(self) -> bytes:
        """Its bytes in a header."""
        version = self.version.encode()
        return varint.encode(len(version)) + version + self.libraries + self.machine

    def fingerprint(self, threads: int, places: int) -> str:
        """16 hex digits that stand for this build at work with so many threads and places."""
        whole = self.pack() + varint.encode(threads) + varint.encode(places)
        return hashlib.sha256(whole).hexdigest()[:16]

    def against(self, here: Build) -> str:
        """Why a file made by this build cannot be restored by another one, and what to do."""
        start = "this file was made by another build of llama.cpp"
        if self.version != here.version:
            return (
                f"{start} (llama-cpp-python {self.version}; here is {here.version}), and only the "
                "same build computes the same: restore it where it was made"
            )
        if self.libraries != here.libraries:
            return (
                f"{start} (llama-cpp-python {self.version} as here, but its libraries were "
                "compiled otherwise): restore it where it was made, or copy those libraries here"
            )
        return (
            f"{start}'s machine (the build is that of here, but the processor has other features "
            "or the system another C library): restore it where it was made"
        )


def parse(data: bytes, at: int) -> tuple[Build, int]:
    """The build that stands at `at` in a header, and where it ends.

    Raises:
        varint.Incomplete, ValueError: there is none.
    """
    size, at = varint.decode(data, at)
    end = at + size + 2 * _DIGEST
    if not 1 <= size <= _LONGEST or end > len(data):
        raise ValueError("the build of llama.cpp is too long or cut off")
    version = data[at : at + size].decode("ascii")
    if not version.isprintable():
        raise ValueError("the build of llama.cpp has no name")
    libraries, machine = data[at + size : end - _DIGEST], data[end - _DIGEST : end]
    return Build(version, libraries, machine), end


@functools.cache
def here() -> Build:
    """The build that is installed. Hashes its libraries, some 10 MB, once in a process.

    Raises:
        MissingExtra: there is none.
    """
    llama = engine.library()
    folder = Path(llama.llama_cpp._lib._name).parent
    libraries = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and any(part in path.name for part in ("llama", "ggml")):
            libraries.update(f"{path.name} {sha256_of(path)}\n".encode())
    machine = (
        llama.llama_print_system_info().decode(errors="replace"),
        platform.system(),
        platform.machine(),
        *platform.libc_ver(),
        platform.mac_ver()[0],
        _features(),
    )
    return Build(
        str(llama.__version__)[:_LONGEST],
        libraries.digest()[:_DIGEST],
        hashlib.sha256("\n".join(machine).encode()).digest()[:_DIGEST],
    )


def _features() -> str:
    from llvmlite import binding

    try:
        has = binding.get_host_cpu_features()
    except RuntimeError:  # not known of this kind of processor
        return ""
    return " ".join(name for name in _FEATURES if has.get(name))
