"""Imports point one way, and importing ncz is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ncz

ROOT = Path(ncz.__file__).parent
LAYERS = ["codec", "models", "formats", "corpora", "cli"]  # each may import itself and those before
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every ncz module that the file imports, at its top, inside of functions or for types."""
    package = ("ncz", *path.relative_to(ROOT).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            found |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return {name for name in found if name.split(".")[0] == "ncz"}


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 20
    assert "ncz.codec.varint" in imported(ROOT / "formats" / "header.py")
    assert "ncz.codec.zstd" in {
        name.rsplit(".", 1)[0] for name in imported(ROOT / "formats" / "coders.py")
    }, "imports inside of functions count"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    for name in imported(path):
        parts = name.split(".")
        if len(parts) == 1 or parts[1] not in LAYERS:
            # The package itself is the public interface: for those above what it is made of.
            assert layer in ("corpora", "cli"), f"{layer} imports {name}"
        else:
            assert parts[1] in allowed, f"{layer} imports {name}"


def loaded_by(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_ncz_is_cheap() -> None:
    heavy = {"numba", "numpy", "zstandard", "torch", "click", "matplotlib", "tqdm"}
    assert not heavy & loaded_by("import ncz, ncz.codec.errors, ncz.formats.options")


def test_a_file_of_zstd_blocks_needs_no_numba(tmp_path: Path) -> None:
    path = tmp_path / "a.ncz"
    coded = ncz.compress(b"content " * 100, level=1)
    path.write_bytes(coded)
    loaded = loaded_by(f"import ncz; ncz.open({str(path)!r}).read(); ncz.info({str(path)!r})")
    assert "zstandard" in loaded
    assert not {"numba", "numpy", "torch"} & loaded
