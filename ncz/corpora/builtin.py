"""Real data on every machine: sets made of files that Python and its packages carry.

A machine without internet still has prose, source code, machine code, tables, fonts and
photographs: the interpreter, NumPy and matplotlib bring them. They are real files that
people use, but no standard: their content follows the versions installed, so sizes here
compare between compressors on one machine and never between machines. Whatever is not
installed is left out.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import io
import json
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ncz.codec.cache import partial_name
from ncz.corpora.registry import CorpusError
from ncz.corpora.search import cache_folder

_MOST = 1_000_000  # bytes of one file: enough to compare, little enough to wait for


@dataclass(frozen=True)
class Builtin:
    """One builtin file.

    Attributes:
        name: its name in the set.
        kind: the part of ``builtin`` it belongs to: text, code, binary, data or photos.
        about: what it is and where it comes from.
        make: returns its content, or None where this machine cannot make it.
    """

    name: str
    kind: str
    about: str
    make: Callable[[], bytes | None]


def names() -> tuple[str, ...]:
    """The names of the builtin sets: ``builtin`` has them all, the others a kind each."""
    kinds = dict.fromkeys(file.kind for file in FILES)
    return ("builtin", *(f"builtin-{kind}" for kind in kinds))


def about(name: str) -> str:
    """One line that says what the set holds."""
    return "; ".join(file.about for file in FILES if _belongs(file, name))


def paths(name: str) -> dict[str, Path]:
    """The files of a builtin set, written to the cache, by name.

    Raises:
        CorpusError: this machine has none of the set's files.
    """
    folder = cache_folder() / "builtin"
    found: dict[str, Path] = {}
    for file in FILES:
        if _belongs(file, name) and (content := file.make()):
            found[file.name] = _keep(folder / file.name, content[:_MOST])
    if not found:
        raise CorpusError(f"this machine has none of the files of the set {name}")
    return found


def _belongs(file: Builtin, name: str) -> bool:
    return name in ("builtin", f"builtin-{file.kind}")


def _keep(path: Path, content: bytes) -> Path:
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_name(path)
        partial.write_bytes(content)
        partial.replace(path)
    return path


def _reference_manual() -> bytes | None:
    try:
        from pydoc_data.topics import topics  # type: ignore[import-not-found,unused-ignore]
    except ImportError:  # some distributions split it off
        return None
    return "\n".join(topics[name] for name in sorted(topics)).encode()


def _licences() -> bytes:
    texts: dict[bytes, None] = {}
    for path in _distribution_files(lambda name: name.upper().startswith(("LICENSE", "COPYING"))):
        if path.suffix.lower() in ("", ".txt", ".md", ".rst"):
            texts[path.read_bytes()] = None
    return b"\n".join(texts)


def _bills_of_materials() -> bytes:
    found = _distribution_files(lambda name: name.endswith((".cdx.json", ".cyclonedx.json")))
    # Packages ship them packed to one line; indented is how such files are read and kept.
    return b"\n".join(
        json.dumps(json.loads(path.read_bytes()), indent=2).encode() for path in found
    )


def _distribution_files(wanted: Callable[[str], bool]) -> Iterator[Path]:
    everything = {
        str(entry.locate())
        for distribution in importlib.metadata.distributions()
        for entry in distribution.files or []
        if wanted(entry.name)
    }
    return (path for path in map(Path, sorted(everything)) if path.is_file())


def _library_source() -> bytes:
    folder = Path(sysconfig.get_paths()["stdlib"])
    modules = ("argparse", "doctest", "inspect", "pydoc", "tarfile", "turtle", "typing")
    files = [folder / f"{module}.py" for module in modules]
    return b"".join(file.read_bytes() for file in files if file.is_file())


def _c_headers() -> bytes:
    folder = Path(sysconfig.get_paths()["include"])
    return b"".join(file.read_bytes() for file in sorted(folder.glob("**/*.h")))


def _shared_object() -> bytes | None:
    return _first(_package("numpy"), "random/_generator*.so", "random/_generator*.pyd")


def _stocks() -> bytes | None:
    return _first(_package("matplotlib"), "mpl-data/sample_data/Stocks.csv")


def _font() -> bytes | None:
    return _first(_package("matplotlib"), "mpl-data/fonts/ttf/DejaVuSans.ttf")


def _elevation() -> bytes | None:
    packed = _first(_package("matplotlib"), "mpl-data/sample_data/jacksboro_fault_dem.npz")
    if packed is None:
        return None
    with zipfile.ZipFile(io.BytesIO(packed)) as arrays:
        return arrays.read("elevation.npy") if "elevation.npy" in arrays.namelist() else None


def _scan() -> bytes | None:
    packed = _first(_package("matplotlib"), "mpl-data/sample_data/s1045.ima.gz")
    return None if packed is None else gzip.decompress(packed)


def _photo_file() -> bytes | None:
    return _first(_package("matplotlib"), "mpl-data/sample_data/grace_hopper.jpg")


def _photo_pixels() -> bytes | None:
    packed = _photo_file()
    if packed is None or importlib.util.find_spec("PIL") is None:
        return None
    from PIL import Image

    pixels = io.BytesIO()
    with Image.open(io.BytesIO(packed)) as image:
        image.convert("RGB").save(pixels, "PPM")
    return pixels.getvalue()


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _first(folder: Path | None, *patterns: str) -> bytes | None:
    if folder is None:
        return None
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            return path.read_bytes()
    return None


FILES: tuple[Builtin, ...] = (
    Builtin("manual.txt", "text", "Python's reference manual as help() has it", _reference_manual),
    Builtin("licences.txt", "text", "the licences of the installed packages", _licences),
    Builtin("stdlib.py", "code", "seven modules of Python's library", _library_source),
    Builtin("python.h", "code", "Python's C headers", _c_headers),
    Builtin("generator.so", "binary", "a compiled module of NumPy", _shared_object),
    Builtin("font.ttf", "binary", "the font DejaVu Sans", _font),
    Builtin("stocks.csv", "data", "stock prices as CSV", _stocks),
    Builtin("bom.json", "data", "bills of materials of installed packages", _bills_of_materials),
    Builtin("elevation.npy", "data", "a terrain model, 16-bit", _elevation),
    Builtin("scan.ima", "data", "a medical scan, 16-bit", _scan),
    Builtin("photo.ppm", "photos", "a photograph's pixels", _photo_pixels),
    Builtin("photo.jpg", "photos", "the same photograph as JPEG", _photo_file),
)
