"""The same files under many settings: equal bytes out, the equal content back in, or a finding.

``python -m ncz.corpora.exactness --out bench-out/reliability`` codes a few files once. Then each
setting that this machine can have (:mod:`ncz.corpora.settings`) codes them again and restores what
was coded first, each in a process of its own, and the bytes are compared
(:mod:`ncz.corpora.agreement`). Other versions of Python, NumPy, numba or torch, or another
processor by an emulator, are set up by whoever wants them tried, and named by ``--python``: nothing
is fetched. The outcome goes into ``exactness.json``; runs of the same version of ncz add up.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import ncz
from ncz.codec.errors import NczError
from ncz.corpora import agreement, builtin, machine, settings
from ncz.corpora.agreement import File, Python, Row
from ncz.corpora.registry import CorpusError

RESULTS = "exactness.json"

_KINDS = ("manual.txt", "generator.so", "stocks.csv", "elevation.npy")
_PROSE, _PROSE_START = "manual.txt", 100_000


def mixed(size: int) -> bytes:
    """`size` bytes of this machine's own files: prose, machine code, a table, numbers, in turn."""
    paths = builtin.paths("builtin")
    some = [paths[name].read_bytes() for name in _KINDS if name in paths]
    return b"".join(content[: -(-size // len(some))] for content in some)[:size]


def prose(size: int) -> bytes:
    """`size` bytes of text.

    Raises:
        CorpusError: this machine has none.
    """
    paths = builtin.paths("builtin")
    if _PROSE not in paths:
        raise CorpusError("this machine has no prose of its own; name a text by --text")
    return paths[_PROSE].read_bytes()[_PROSE_START:][:size]


def picture(side: int) -> NDArray[np.uint8]:
    """A picture with slopes, edges, waves and noise, uint8 (side, side, 3)."""
    random = np.random.default_rng(side)
    i, j = np.mgrid[:side, :side]
    slope = (i + 2 * j) / (4 * side)
    waves = 0.2 * np.sin(i / 3 + j * j / (6 * side))
    disc = 0.3 * (np.hypot(i - side / 3, j - side / 2) < side / 4)
    layers = [slope + share * waves + (1 - share) * disc for share in (0.2, 0.5, 0.9)]
    noisy = np.stack(layers, 2) + random.normal(size=(side, side, 3)) / 60
    return np.asarray(np.clip(255 * noisy, 0, 255), np.uint8)


def run(
    python: Python, others: Sequence[Python], files: Sequence[File], only: str = "*"
) -> Iterator[Row]:
    """A row for each setting of each Python, as they come.

    Args:
        python: the one that runs this.
        others: further ones.
        files: from :func:`ncz.corpora.agreement.files_of`.
        only: a pattern for the names of settings.

    Raises:
        NczError: the files cannot be coded at all.
    """
    known = agreement.first(files)
    for one in (python, *others):
        here = one.ask(None)
        if "error" in here:
            name = f"another Python, {Path(one.command[-1]).name}"
            yield Row(name, "whatever is other there", failure=here["error"])
            continue
        choose = settings.of_this_python if one is python else settings.of_another
        for setting in choose(here):
            if fnmatch.fnmatch(setting.name, only):
                yield agreement.compare(one, setting, known)


def described(files: Sequence[File]) -> list[dict[str, Any]]:
    """What was coded, and by which coders, for the record."""
    found = []
    for one in files:
        if one.case.weights:
            coders = {f"latents {one.case.weights}"}
        else:
            coders = {block.coder for block in ncz.info(one.case.coded).blocks}
        found.append(
            {
                "name": one.case.name,
                "bytes": Path(one.case.raw).stat().st_size,
                "coded": Path(one.case.coded).stat().st_size,
                "coders": sorted(coders),
            }
        )
    return found


def summary(rows: Sequence[dict[str, Any]], runs: int) -> dict[str, Any]:
    """What the rows of all runs come to, and the rows."""
    done = [row for row in rows if not row["failure"]]
    return {
        "ncz": ncz.__version__,
        "runs": runs,
        "settings": len(done),
        "not_run": len(rows) - len(done),
        "coded": sum(row["coded"] for row in rows),
        "restored": sum(row["restored"] for row in rows),
        "differences": sum(len(row["differences"]) for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "machine": machine.describe(),
        "rows": list(rows),
    }


def added(
    earlier: dict[str, Any], rows: Sequence[Row], files: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The summary of earlier runs with one more; of this one alone, if ncz is another version."""
    same = earlier.get("ncz") == ncz.__version__
    coded = {file["name"]: file for file in (earlier["files"] if same else [])}
    coded |= {file["name"]: file for file in files}
    known = {row["name"]: row for row in earlier["rows"]} if same else {}
    for row in map(asdict, rows):
        before = known.get(row["name"])
        if before is not None:
            for count in ("coded", "restored", "differences", "seconds"):
                row[count] = before[count] + row[count]
            row["facts"] = row["facts"] or before["facts"]
            row["failure"] = row["failure"] if before["failure"] else ""
        known[row["name"]] = row
    found = summary(list(known.values()), earlier["runs"] + 1 if same else 1)
    return found | {"files": list(coded.values())}


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help=f"For {RESULTS}, and a folder `exactness` with the files and machine code.",
)
@click.option(
    "--python",
    "others",
    multiple=True,
    metavar="COMMAND",
    help="Another Python that has what ncz needs, with an emulator before it perhaps. Repeatable.",
)
@click.option(
    "--levels", default="6,7,9", show_default=True, help="Of 2 to 9; none: '' codes pictures alone."
)
@click.option("--mixed", "mixed_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--text", "text_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--size", default=100_000, show_default=True, help="Bytes of mixed data.")
@click.option("--text-size", default=2400, show_default=True, help="Bytes of text.")
@click.option("--side", default=160, show_default=True, help="Of a picture, in pixels.")
@click.option("--only", default="*", metavar="PATTERN", help="Settings with such a name alone.")
@click.option("--limit", default=1800.0, show_default=True, help="Seconds for one process.")
def main(
    out: Path,
    others: tuple[str, ...],
    levels: str,
    mixed_file: Path | None,
    text_file: Path | None,
    size: int,
    text_size: int,
    side: int,
    only: str,
    limit: float,
) -> None:
    """Code and restore the same files under many settings and compare the bytes.

    MIXED data goes to levels without a language model, TEXT to those with one, whose models have
    to be here; files of this machine are taken where none are named, and where torch is, a picture
    that is drawn. Exit code 1 if bytes differ.
    """
    work = (out / "exactness").absolute()
    python = Python(work, limit_s=limit)
    named = [Python(work, tuple(shlex.split(other)), limit) for other in others]
    try:
        data = mixed(size) if mixed_file is None else mixed_file.read_bytes()[:size]
        text = prose(text_size) if text_file is None else text_file.read_bytes()[:text_size]
        wanted = [int(level) for level in levels.split(",") if level]
        files = agreement.files_of(work / "files", data, text, wanted)
        if side and importlib.util.find_spec("torch") is not None:  # which makes latents
            files += agreement.pictures_of(work / "files", picture(side))
        rows = []
        for row in run(python, named, files, only):
            _show(row)
            rows.append(row)
    except (NczError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    path = out / RESULTS
    earlier = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    found = added(earlier, rows, described(files))
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    differences = sum(len(row.differences) for row in rows)
    click.echo(f"{len(rows)} settings, {differences} differences; {path}")
    if differences:
        raise SystemExit(1)


def _show(row: Row) -> None:
    if row.failure:
        click.echo(f"not run         {row.name}: {row.failure}")
        return
    click.echo(f"{'DIFFERS' if row.differences else 'same':<8}{row.seconds:6.1f}  {row.name}")
    for difference in row.differences:
        click.echo(f"{'':16}{difference}")


if __name__ == "__main__":
    main()
