"""One process under one setting: it codes files again, restores them, and says what came of it.

Run as ``python -m ncz.corpora.probe REQUEST``, a request in JSON, this prints one line of JSON. It
is how :mod:`ncz.corpora.exactness` asks a Python other than its own, or its own in an environment
of other settings, and no interface. It needs what ncz needs and no more.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import importlib.metadata
import io
import json
import os
import platform
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ncz.codec import crew
from ncz.codec.coder import Coder
from ncz.codec.errors import NczError
from ncz.formats.options import CompressOptions, DecompressOptions
from ncz.formats.stream import compress_stream, decompress_stream


@dataclass(frozen=True)
class Case:
    """A file to code and to restore.

    Attributes:
        name: of it.
        raw: its path.
        coded: that of the .ncz file to restore; it is written where there is none.
        level: 1 to 9.
        block_size: raw bytes of a block, or None for the level's.
        streams: of a language model, or None for the level's.
        tables: the version of Unicode's tables that coding it again depends on, or "" for none.
            Restoring never does.
        weights: of the image codec whose packed latents the file is, coded by their coder alone;
            "" for an .ncz file.
    """

    name: str
    raw: str
    coded: str
    level: int
    block_size: int | None = None
    streams: int | None = None
    tables: str = ""
    weights: str = ""


@dataclass(frozen=True)
class Knobs:
    """What no environment variable says.

    Attributes:
        way: how language models multiply (:func:`ncz.models.language.products.use`), or None.
        device: that runs them, or None.
        cores: that ncz believes to have, or 0 for as many as there are.
        threads: that work on blocks side by side.
        torch_threads: that torch works with in each of ncz's, or 0 for ncz's choice, which is one.
    """

    way: str | None = None
    device: str | None = None
    cores: int = 0
    threads: int = 1
    torch_threads: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        name: the case's.
        coded: SHA-256 of the .ncz file made now, or "" where that was not to be asked.
        restored: SHA-256 of what the given .ncz file holds, or "" with an `error`.
        error: why it could not be restored.
        seconds: both took.
    """

    name: str
    coded: str
    restored: str
    error: str
    seconds: float


def main() -> None:
    """Answer the request in the first argument."""
    request = json.loads(sys.argv[1])
    try:
        if request is None:
            answer = here()
        else:
            set_knobs(Knobs(**request["knobs"]))
            threads = request["knobs"].get("threads", 1)
            outcomes = [asdict(work(Case(**case), threads)) for case in request["cases"]]
            answer = {"outcomes": outcomes, "facts": facts()}
    except NczError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


def set_knobs(knobs: Knobs) -> None:
    """Have this process work so from now on."""
    if knobs.cores:
        crew.use_cores(knobs.cores)
    if knobs.device:
        from ncz.models.language import devices

        devices.use(knobs.device)
    if knobs.way:
        from ncz.models.language import products

        products.use(knobs.way)
    if knobs.torch_threads:
        torch: Any = importlib.import_module("torch")
        torch.set_num_threads(knobs.torch_threads)
        torch.set_num_threads = lambda count: None  # ncz's own choice would come after


def work(case: Case, threads: int = 1) -> Outcome:
    """Code the case's file and restore its .ncz file.

    Raises:
        NczError: something is missing that coding needs. What fails in restoring is an outcome.
    """
    started = time.perf_counter()
    raw, path = Path(case.raw).read_bytes(), Path(case.coded)
    made = ""
    if case.tables in ("", unicodedata.unidata_version) or not path.exists():
        coded = _coded(case, raw, threads)
        made = _digest(coded)
        if not path.exists():
            path.write_bytes(coded)
    digest, wrong = "", ""
    try:
        digest = _digest(_restored(case, path.read_bytes(), len(raw), threads))
    except NczError as error:
        wrong = str(error)
    seconds = time.perf_counter() - started
    return Outcome(case.name, made, digest, wrong, round(seconds, 2))


def _coded(case: Case, raw: bytes, threads: int) -> bytes:
    if case.weights:
        made = _latents(case).encode(raw)
        if made is None:
            raise NczError(f"{case.name} holds no latents of {case.weights}")
        return made
    coded = io.BytesIO()
    options = CompressOptions(
        case.level, threads=threads, block_size=case.block_size, streams=case.streams
    )
    compress_stream(io.BytesIO(raw), coded, options)
    return coded.getvalue()


def _restored(case: Case, coded: bytes, raw_size: int, threads: int) -> bytes:
    if case.weights:
        return _latents(case).decode(coded, raw_size)
    restored = io.BytesIO()
    decompress_stream(io.BytesIO(coded), restored, DecompressOptions(threads=threads))
    return restored.getvalue()


def _latents(case: Case) -> Coder:
    from ncz.models.image import weights
    from ncz.models.image.codec import LatentsCoder

    return LatentsCoder(weights.ref(case.weights))


def facts() -> dict[str, str]:
    """What this process ran on, of all that could have made a difference."""
    import numba
    import numpy
    from llvmlite import binding

    from ncz.models.language import panels

    found = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "unicode": unicodedata.unidata_version,
        "numpy": numpy.__version__,
        "numba": numba.__version__,
        "llvm": ".".join(map(str, binding.llvm_version_info)),
        "compiled for": _compiled_for(panels.features()),
    }
    if "ncz.models.language.products" in sys.modules:
        from ncz.models.language import devices, products

        found["products"] = products.on_cpu().name
        found["device"] = devices.wanted() or devices.usable()[0]
    if "torch" in sys.modules:
        torch: Any = sys.modules["torch"]
        found["torch"] = torch.__version__
        found["torch's vectors"] = torch.backends.cpu.get_cpu_capability()
        found |= _libraries(torch)
    return found


def here() -> dict[str, Any]:
    """What this Python has, on which it depends what can be set."""
    from ncz.models.language import panels

    features = panels.features().split(",")
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "features": sorted(name[1:] for name in features if name.startswith("+")),
        "numpy_features": _numpy_features(),
        "numpy": _version("numpy"),
        "numba": _version("numba"),
        "libc": platform.libc_ver()[0],
        "torch": None,
        "mkl": False,
        "onednn": False,
        "gpus": [],
    }
    try:
        torch: Any = importlib.import_module("torch")
    except (ImportError, OSError):  # not there, or without the libraries that it was built for
        return found
    from ncz.models.language import devices

    found["torch"] = str(torch.__version__)
    found["mkl"] = torch.backends.mkl.is_available()
    found["onednn"] = torch.backends.mkldnn.is_available()
    found["gpus"] = devices.usable()[:-1]
    return found


def _compiled_for(features: str) -> str:
    import numba
    from llvmlite import binding

    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return "nothing"
    asked: str | None = numba.config.CPU_NAME  # type: ignore[attr-defined]
    named = asked or binding.get_host_cpu_name()
    has = features.split(",")
    vectors = next((name for name in ("avx512bw", "avx2", "avx", "neon") if f"+{name}" in has), "")
    return f"{named} with {vectors}" if vectors else str(named)


def _numpy_features() -> list[str]:
    """What NumPy has code of its own for, and this processor has, too."""
    try:
        core: Any = importlib.import_module("numpy._core._multiarray_umath")
    except ImportError:  # before NumPy 2
        core = importlib.import_module("numpy.core._multiarray_umath")
    return [name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)]


def _libraries(torch: Any) -> dict[str, str]:
    """What oneDNN and MKL say of themselves when they are made to talk."""
    a = torch.ones((64, 64), dtype=torch.int8)

    def multiply() -> None:
        verbose = [(torch.backends.mkldnn, 1), (torch.backends.mkl, 1)]
        with contextlib.ExitStack() as stack:
            for library, level in verbose:
                if library.is_available():
                    stack.enter_context(library.verbose(level))
            with contextlib.suppress(RuntimeError, NotImplementedError):
                torch._int_mm(a, a)
            a.float() @ a.float()

    found = {}
    for line in _said_by(multiply).splitlines():
        if ",isa:" in line:
            found["oneDNN"] = line.partition(",isa:")[2]
        elif "CNR:" in line:
            found["MKL"] = next(word for word in line.split() if word.startswith("CNR:"))
    return found


def _said_by(function: Callable[[], None]) -> str:
    """What libraries that know nothing of Python write to standard output meanwhile."""
    sys.stdout.flush()
    try:
        flush = ctypes.CDLL(None).fflush
    except (OSError, TypeError, AttributeError):  # a system whose C library cannot be asked so
        return ""
    with tempfile.TemporaryFile() as said:
        before = os.dup(1)
        os.dup2(said.fileno(), 1)
        try:
            function()
        finally:
            flush(None)
            os.dup2(before, 1)
            os.close(before)
        said.seek(0)
        return said.read().decode(errors="replace")


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
