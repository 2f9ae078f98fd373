"""Folders that the command works in, and what has to be true of them whatever happens to it.

A scene is what lies there before, a command line, and what should come of it. However its process
ends, nothing may be lost: every content is there, in its input or in a whole output; nothing
stands half-written under a final name; what was there before and is nobody's output is as it was;
and whatever else lies there has the name of a temporary file.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ncz
from ncz.codec.errors import NczError
from ncz.corpora.kinds import any_content
from ncz.formats.temporaries import SUFFIX

_RANDOM = re.compile(rf"\.(?P<name>.+)\.[0-9a-f]{{8}}{re.escape(SUFFIX)}")


@dataclass(frozen=True)
class Output:
    """A file that is to be made.

    Attributes:
        source: the input's name.
        content: what the uncompressed of the two holds.
        old: what is there before under the output's name, if anything.
    """

    source: str
    content: bytes
    old: bytes | None = None


@dataclass(frozen=True)
class Scene:
    """A folder before the command, and the command.

    Attributes:
        name: what kind of work it is, for counting.
        args: the command line.
        files: what is in the folder, by name relative to it.
        outputs: what is to be made, by name.
        compressing: whether outputs are .ncz files.
        removes: ``--rm`` is among the arguments.
        resumes: ``--resume`` is.
        among: the folder that is named in place of inputs, if outputs come to lie in it.
    """

    name: str
    args: tuple[str, ...]
    files: dict[str, bytes]
    outputs: dict[str, Output]
    compressing: bool
    removes: bool = False
    resumes: bool = False
    among: str = ""

    def lay(self, folder: Path) -> None:
        """Make the folder as it is before, and empty of all else."""
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def whole(self, folder: Path, name: str) -> bool:
        """Whether an output is there and is what it should be."""
        path = folder / name
        if not path.is_file():
            return False
        made = path.read_bytes()
        if not self.compressing:
            return made == self.outputs[name].content
        try:
            return ncz.decompress(made) == self.outputs[name].content
        except NczError:
            return False

    def done(self, folder: Path) -> bool:
        """Whether every output is whole."""
        return all(self.whole(folder, name) for name in self.outputs)

    def losses(self, folder: Path) -> list[str]:
        """What is not as it has to be at any moment; a sentence for each."""
        found: list[str] = []
        for name, output in self.outputs.items():
            path, whole = folder / name, self.whole(folder, name)
            if path.exists() and not whole and path.read_bytes() != output.old:
                found.append(f"{name} is not whole")
            if output.old is not None and not path.exists():
                found.append(f"{name}, which was there before, is gone")
            source = folder / output.source
            if not source.exists() and not (self.removes and whole):
                found.append(f"{output.source} is gone, and {name} is not whole")
        for name, content in self.files.items():
            path = folder / name
            if name in self.outputs or (not path.exists() and name in self._sources):
                continue
            if not path.exists() or path.read_bytes() != content:
                found.append(f"{name} is not what it was")
        return found + [f"{name} should not be there" for name in self._strangers(folder)]

    def unfinished(self, folder: Path) -> list[str]:
        """What is not as it has to be after a run that ended well."""
        found = [f"{name} is not whole" for name in self.outputs if not self.whole(folder, name)]
        if self.resumes:
            found += [
                f"{name} was left behind"
                for name in self.leftovers(folder)
                if not _RANDOM.fullmatch(Path(name).name)
            ]
        elif self.removes:
            found += [
                f"{name} is still there" for name in self._sources if (folder / name).exists()
            ]
        return found

    def leftovers(self, folder: Path) -> list[str]:
        """The temporary files in the folder, by name."""
        names = (path.relative_to(folder) for path in folder.rglob("*" + SUFFIX) if path.is_file())
        return [str(name) for name in names]

    @property
    def _sources(self) -> set[str]:
        return {output.source for output in self.outputs.values()}

    def _strangers(self, folder: Path) -> list[str]:
        known = self.files.keys() | self.outputs.keys()
        strange = []
        for path in folder.rglob("*"):
            name = str(path.relative_to(folder))
            if path.is_dir() or name in known:
                continue
            if self.resumes and name.removesuffix(SUFFIX) in self.outputs:
                continue
            temporary = _RANDOM.fullmatch(path.name)
            if not temporary or str(Path(name).parent / temporary["name"]) not in self.outputs:
                strange.append(name)
        return strange


Maker = Callable[[random.Random, int, int], Scene]
"""From chance, the level and about how many bytes."""


def _one(chance: random.Random, level: int, size: int, options: tuple[str, ...]) -> Scene:
    compressing = chance.random() < 0.5
    content = any_content(chance, size)
    coded = ncz.compress(content, level, block_size=_block_size(chance, size))
    # Now and then something whole is there already, and replaced.
    old = chance.random() < 0.3
    args = [*options, *(["-f"] if old else [])]
    source, target = ("a b", "a b.ncz") if compressing else ("a b.ncz", "a b")
    before = (ncz.compress(b"older", 1) if compressing else b"older") if old else None
    files = {source: content if compressing else coded, "bystander": b"stays"}
    if before is not None:
        files[target] = before
    if compressing:
        args += [f"-{level}", "--block-size", str(_block_size(chance, size))]
    verb = "compress" if compressing else "decompress"
    return Scene(
        " ".join([verb, *(option for option in options if option.startswith("--"))]),
        (verb, *args, source),
        files,
        {target: Output(source, content, before)},
        compressing,
        "--rm" in options,
        "--resume" in options,
    )


def _tree(chance: random.Random, level: int, size: int, options: tuple[str, ...]) -> Scene:
    compressing = chance.random() < 0.5
    names = [f"d/{number}" for number in range(chance.randint(2, 5))] + ["d/e/f/deep"]
    files: dict[str, bytes] = {"bystander": b"stays"}
    outputs: dict[str, Output] = {}
    aside = chance.random() < 0.5
    for name in names:
        content = any_content(chance, chance.randint(0, size // 3))
        source, target = (name, f"{name}.ncz") if compressing else (f"{name}.ncz", name)
        coded = ncz.compress(content, level, block_size=1024)
        files[source] = content if compressing else coded
        outputs[f"out/{target}" if aside else target] = Output(source, content)
    args = [*options, "-r", "-T", "2", *(["-o", "out"] if aside else [])]
    if compressing:
        args += [f"-{level}", "--block-size", "1KiB"]
    verb = "compress" if compressing else "decompress"
    return Scene(
        " ".join([verb, "-r", *(option for option in options if option.startswith("--"))]),
        (verb, *args, "d"),
        files,
        outputs,
        compressing,
        "--rm" in options,
        "--resume" in options,
        "" if aside else "d",
    )


def _block_size(chance: random.Random, size: int) -> int:
    return chance.choice([1024, 4096, max(1024, size // 3)])


def any_scene(chance: random.Random, level: int, size: int) -> Scene:
    """A scene of any kind with inputs of about `size` bytes."""
    options = chance.choice([(), ("--rm",), ("--resume",), ("--rm", "--resume")])
    return (_tree if chance.random() < 0.25 else _one)(chance, level, size, options)
