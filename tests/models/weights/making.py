"""Small stand-ins for what is large: wheels, weights and the conversion."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

from ncz.codec.errors import ModelError
from ncz.models.weights.manifest import Local, Weights, Wheel

CONTENT = bytes(range(256)) * 500


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def exact(content: bytes, name: str) -> bytes:
    return b"exact " + name.encode() + content


def convert(source: Path, target: Path, name: str, progress: Any = None) -> None:
    """What :func:`ncz.models.language.convert.convert` promises, of any bytes."""
    content = (source / "model.safetensors" if source.is_dir() else source).read_bytes()
    if content.startswith(b"odd"):
        raise ModelError(f"{source} is of an architecture that ncz does not know")
    if progress:
        progress(1, 2)
    target.write_bytes(exact(content, name))


def make_wheel(folder: Path, package: str, **members: bytes) -> Path:
    """A wheel that pip takes, version 1.0, with `members` in its data folder."""
    stem = package.replace("-", "_")
    path = folder / f"{stem}-1.0-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        f"{stem}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        "Requires-Dist: there-is-no-such-package\n",
        f"{stem}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{stem}-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(f"{stem}/data/{name}", content)
        for name, text in about.items():
            packed.writestr(name, text)
    return path


def in_wheels(*packages: str, content: bytes = CONTENT, **changes: Any) -> Weights:
    """Weights in a part of `content` for each package."""
    sources = tuple(
        Wheel(f"{package}==1.0", f"{package.replace('-', '_')}/data/part") for package in packages
    )
    return some(**{"sources": sources, "source_sha256": sha(content), **changes})


def some(**changes: Any) -> Weights:
    """Weights called ``small``, of no source unless said."""
    fields: dict[str, Any] = {
        "name": "small",
        "licence": "free",
        "sources": (Local(Path("absent")),),
        "size": len(CONTENT),
        "source_sha256": None,
        "exact_sha256": None,
        "consent": False,
        "terms_url": "https://example.org/terms",
        "description": "a small one",
    }
    return Weights(**{**fields, **changes})


def left(folder: Path) -> list[str]:
    """Every file below `folder` but locks, without the folder's name."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(path.relative_to(folder).as_posix() for path in found)
