"""Wheels by the user's own pip, so that its index, proxy, certificates and cache count.

pip says how far it is only to a terminal and in words, so its unfinished file is watched: pip
is told to keep its temporary files where that can be seen, which is also the disk that has to
have room for the model anyway.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_PERIOD_S = 0.2


class PipError(Exception):
    """pip did not deliver; the text is its own last word."""


def fetch_wheel(
    requirement: str, folder: Path, progress: Callable[[int], None] | None = None
) -> Path:
    """The wheel of one package, without its dependencies, in `folder`.

    Args:
        requirement: the package and its exact version.
        folder: an empty folder, or one that does not exist.
        progress: told the bytes that have arrived.

    Raises:
        PipError: pip is not there, or fails.
        OSError: the folder cannot be written.
    """
    temporary = folder / "pip"
    temporary.mkdir(parents=True, exist_ok=True)
    said = folder / "pip.log"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    options = ["--no-deps", "--only-binary", ":all:", "--progress-bar", "off"]
    with said.open("wb") as log:
        process = subprocess.Popen(
            [*pip, "download", *options, "--dest", str(folder), requirement],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(temporary),
        )
        most = 0  # pip moves the file when it is whole
        try:
            while not _ended(process):
                most = max(most, _size_of(temporary))
                if progress is not None:
                    progress(most)
        finally:
            if process.poll() is None:  # we are interrupted
                process.terminate()
                process.wait()
    wheels = sorted(folder.glob("*.whl"))
    if process.returncode or not wheels:
        raise PipError(_last_word(said.read_text("utf-8", "replace")))
    return wheels[0]


def _environment(temporary: Path) -> dict[str, str]:
    """The user's, but for the place of temporary files, and no modules from the current folder."""
    place = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    return {**os.environ, **place, "PYTHONSAFEPATH": "1"}


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_PERIOD_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _size_of(folder: Path) -> int:
    """Bytes of wheels below `folder`, which changes meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_size
            except OSError:
                continue
    return total


def _last_word(text: str) -> str:
    """The line in which pip says why, without its colours and its label."""
    if "No module named pip" in text:
        return "this Python has no pip, and python -m ensurepip installs it"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    word = (errors or lines or ["it says nothing"])[-1].removeprefix("ERROR:").strip()
    if word.startswith("No matching distribution"):  # which is all it says without a connection
        return f"{word}; no index within reach has it"
    return word
