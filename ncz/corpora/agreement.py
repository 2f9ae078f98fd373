"""Whether a process under some setting codes files to the same bytes, and restores the same ones.

Files are coded once, by :func:`first`. What a setting makes of them is a :class:`Row`:
:func:`compare`. The process is :mod:`ncz.corpora.probe`, called by any Python that has what ncz
needs; ncz itself it gets from here.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ncz
from ncz.corpora import probe, settings
from ncz.corpora.probe import Case
from ncz.corpora.registry import CorpusError
from ncz.corpora.settings import Setting
from ncz.formats import levels

_LINE = "The letters 𐳀, 𞤀, 𖹀, 𐖀, 𑼄, 𞓐 and 𐵀 came one after the other, and the last one stayed. "
"""Letters of Unicode 8, 9, 11, 14, 15, 15 and 16: what older tables do not know as such."""
_STREAMS, _FOR_STREAMS = 4, 2000  # how many, and bytes of text that are enough for them


@dataclass(frozen=True)
class File:
    """A file with what it is compared to.

    Attributes:
        case: its paths, and how it is coded.
        kind: one of the constants of :mod:`ncz.corpora.settings`.
        raw: SHA-256 of its content.
        coded: of the .ncz file; "" before that was made.
    """

    case: Case
    kind: str
    raw: str
    coded: str = ""


@dataclass
class Row:
    """What came of one setting.

    Attributes:
        name, catches: the setting's.
        coded, restored: how many files were coded again, and restored.
        differences: what differs, a sentence each.
        failure: why it was not run, or not to its end; "" if it was.
        seconds: on the clock.
        facts: what it ran on.
    """

    name: str
    catches: str
    coded: int = 0
    restored: int = 0
    differences: list[str] = field(default_factory=list)
    failure: str = ""
    seconds: float = 0.0
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Python:
    """A Python that can be asked.

    Attributes:
        work: a folder for ncz as it gets it, and for machine code.
        command: how to call it, with an emulator before it perhaps.
        limit_s: seconds after which a process counts as failed.
    """

    work: Path
    command: tuple[str, ...] = (sys.executable,)
    limit_s: float = 3600.0

    @property
    def own(self) -> bool:
        """Whether it is the one that runs this."""
        return self.command == (sys.executable,)

    def ask(self, request: Any, setting: Setting = settings.FIRST) -> dict[str, Any]:
        """What a process of it answers, under a setting's environment.

        Args:
            request: see :mod:`ncz.corpora.probe`; None asks what it has.
            setting: whose.

        Returns:
            Its answer; with an "error" in it if it could not give one.
        """
        environment = {**os.environ, **setting.environment}
        if not self.own:
            environment["PYTHONPATH"] = str(self._package())
        if not self.own or setting.own_code:
            name = "".join(c if c.isalnum() else "-" for c in setting.name)
            environment["NUMBA_CACHE_DIR"] = str(self.work / "compiled" / name)
        command = [*self.command, "-m", "ncz.corpora.probe", json.dumps(request)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=self.limit_s
            )
        except subprocess.TimeoutExpired:
            return {"error": f"took more than {self.limit_s:.0f} s"}
        except OSError as error:
            return {"error": f"cannot be started: {error.strerror}"}
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return {"error": f"ended with {done.returncode}: {last}"}
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def _package(self) -> Path:
        """A folder with ncz, and nothing that another Python's packages would be hidden by."""
        folder, package = self.work / "package", Path(ncz.__file__).resolve().parent
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / "ncz"
        if link.is_symlink() and link.resolve() != package:
            link.unlink()
        if not link.exists():
            link.symlink_to(package, target_is_directory=True)
        return folder


def files_of(
    folder: Path, mixed: bytes, text: bytes, wanted: Sequence[int], small: int = 1500
) -> list[File]:
    """What is coded at the `wanted` levels, written into a folder.

    Args:
        folder: of the files.
        mixed: for levels without a language model, in four blocks.
        text: for the others: in four streams at level 7, where it is long enough for them.
        wanted: levels of 2 to 9. At level 1 bytes are the installed zstandard's business.
        small: bytes of the smaller files, one for levels without a model and one for those with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    bytes_at = sorted(set(wanted) - set(levels.MODEL_LEVELS))
    texts_at = sorted(set(wanted) & set(levels.MODEL_LEVELS))
    for level in bytes_at:
        block = max(1024, -(-len(mixed) // 4))
        found.append(file(folder, f"mixed-{level}", settings.BYTES, mixed, level, block))
    for level in texts_at:
        streams = _STREAMS if level == 7 and len(text) >= _FOR_STREAMS else None
        found.append(file(folder, f"text-{level}", settings.TEXT, text, level, None, streams))
    if bytes_at:
        middle = max(0, len(mixed) // 2 - small // 2)  # where two kinds of data meet
        some, level = mixed[middle:][:small], bytes_at[-1]
        found.append(file(folder, f"bytes-{level}", settings.SMALL_BYTES, some, level))
    if texts_at:
        level = texts_at[0]
        some, scripts = text[: small // 2], text[:200] + _LINE.encode()
        found.append(file(folder, f"words-{level}", settings.SMALL_TEXT, some, level))
        one = file(folder, f"scripts-{level}", settings.TEXT, scripts, level)
        case = replace(one.case, tables=unicodedata.unidata_version)
        found.append(replace(one, case=case))
    return found


def file(
    folder: Path,
    name: str,
    kind: str,
    raw: bytes,
    level: int,
    block_size: int | None = None,
    streams: int | None = None,
) -> File:
    """A file that is written into `folder`, to be coded so; see :class:`ncz.corpora.probe.Case`."""
    path, coded = folder / name, folder / f"{name}.ncz"
    path.write_bytes(raw)
    coded.unlink(missing_ok=True)
    case = Case(name, str(path), str(coded), level, block_size, streams)
    return File(case, kind, hashlib.sha256(raw).hexdigest())


def pictures_of(folder: Path, rgb: NDArray[np.uint8]) -> list[File]:
    """A picture, uint8 (height, width, 3), as pixels to be coded without loss, and as the latents
    that the learned codec makes of it here, at a coarse quality and a fine one."""
    from ncz.models.image import weights
    from ncz.models.image.codec import ImageCodec

    height, width = rgb.shape[:2]
    pixels = b"P6\n%d %d\n255\n" % (width, height) + rgb.tobytes()
    found = [file(folder, "pixels-6", settings.BYTES, pixels, 6)]
    codec = ImageCodec.load()
    for quality in (25, 75):
        shares = (rgb / np.float32(255)).astype(np.float32)
        latents = codec.analyse(shares, codec.level(quality)).packed()
        one = file(folder, f"latents-{quality}", settings.BYTES, latents, 0)
        found.append(replace(one, case=replace(one.case, weights=weights.DEFAULT)))
    return found


def first(files: Sequence[File]) -> list[File]:
    """The files as this process codes them: what all settings are compared with.

    Raises:
        CorpusError: one does not even come back here.
        NczError: one cannot be coded: its level's model is not here, say.
    """
    found = []
    for one in files:
        outcome = probe.work(one.case)
        if outcome.restored != one.raw:
            raise CorpusError(f"{one.case.name} does not come back, which is a bug: report it")
        found.append(replace(one, coded=outcome.coded))
    return found


def compare(python: Python, setting: Setting, files: Sequence[File]) -> Row:
    """What `python` makes of the files under a setting.

    Args:
        python: who is asked.
        setting: how.
        files: from :func:`first`; those of the setting's kind are taken.
    """
    row = Row(setting.name, setting.catches, failure=setting.lacking)
    kinds = (settings.BYTES, settings.TEXT) if setting.files == settings.ALL else (setting.files,)
    chosen = [one for one in files if one.kind in kinds]
    if not chosen and not row.failure:
        row.failure = "no level that was asked for depends on it"
    if row.failure:
        return row
    started = time.monotonic()
    answer = python.ask(_request(setting, chosen), setting)
    row.seconds = round(time.monotonic() - started, 1)
    if "error" in answer:
        row.failure = answer["error"]
        return row
    row.facts = answer["facts"]
    for one, outcome in zip(chosen, answer["outcomes"], strict=True):
        name = one.case.name
        row.restored += 1
        row.coded += bool(outcome["coded"])
        if outcome["coded"] not in ("", one.coded):
            row.differences.append(f"{name} is coded to other bytes")
        if outcome["restored"] != one.raw:
            row.differences.append(f"{name} is restored to {outcome['error'] or 'other bytes'}")
    return row


def _request(setting: Setting, files: Sequence[File]) -> dict[str, Any]:
    return {"knobs": asdict(setting.knobs), "cases": [asdict(one.case) for one in files]}
