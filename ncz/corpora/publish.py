"""The numbers in the documents, written from a benchmark and never typed.

``make results`` runs this: ``python -m ncz.corpora.publish OUT`` takes the folder that ``ncz bench
--out OUT`` filled and writes ``docs/results.md``, ``docs/images/size-speed.png`` and the part of
``README.md`` between two markers. ``make results-text`` does the same with texts, on which the slow
levels are worth their time: ``--texts OUT…`` writes ``docs/results-text.md`` and another part.
``make scale`` writes ``docs/scale.md`` from what :mod:`ncz.corpora.scaling` left in OUT
(``--scale``), ``make results-records`` ``docs/results-records.md`` from what
:mod:`ncz.corpora.recorded` left there (``--records``), ``make results-images``
``docs/results-images.md`` and its plot from what :mod:`ncz.corpora.distortion` left there
(``--images``), ``make results-lossless-images`` ``docs/results-lossless-images.md`` from the file
that :mod:`ncz.corpora.pixels` wrote (``--lossless-images``), and ``make reliability`` writes
``docs/reliability.md`` from the counts of campaigns in OUT (``--reliability``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from ncz.corpora import (
    curves,
    distortion,
    distortion_page,
    distortion_plot,
    pixels,
    pixels_page,
    plot,
    recorded,
    recorded_page,
    reliability_page,
    report,
    rows,
    scale_page,
    scaling,
    tally,
)
from ncz.corpora.registry import CorpusError
from ncz.corpora.rows import Row

BEGIN = "<!-- results: written by `make results`, not by hand -->"
END = "<!-- end of results -->"
TEXT_BEGIN = "<!-- results of texts: written by `make results-text`, not by hand -->"
TEXT_END = "<!-- end of results of texts -->"

_HEAD = """\
# Results

Written by `make results`, not by hand. What the files are and how this is measured stands in
[benchmark.md](benchmark.md); `ncz bench PATH` measures your own files the same way. What language
models reach on texts is in [results-text.md](results-text.md).

![Size against speed](images/size-speed.png)

"""
_TEXT_HEAD = """\
# Results with language models

Written by `make results-text`, not by hand. Speeds are on the clock, with all cores at work; tok/s
are tokens of the model a second, reading and restoring. All else is as in [results.md](results.md).

"""


def publish(out: Path, root: Path) -> list[Path]:
    """Writes the documents and returns their paths.

    Args:
        out: the folder of a finished benchmark.
        root: the working copy.

    Raises:
        CorpusError: the benchmark is not there or not finished, or the README lacks a marker.
    """
    measured, machine = _measured(out)
    readme, results = root / "README.md", root / "docs" / "results.md"
    picture = root / "docs" / "images" / "size-speed.png"
    totals = report.totals(measured)
    files = len({(row.group, row.file) for row in measured})
    size = sum({(row.group, row.file): row.raw_size for row in measured}.values())
    summary = (
        f"{files} files, {size:,} bytes in all, on one core ({machine['processor']}, "
        f"{machine['date']}):\n\n{report.totals_table(measured)}"
    )
    text = between(readme.read_text("utf-8"), summary, BEGIN, END)
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot.draw(totals, picture)
    results.write_text(_HEAD + report.markdown(measured, machine), "utf-8")
    readme.write_text(text, "utf-8")
    return [results, picture, readme]


def publish_texts(outs: Sequence[Path], root: Path) -> list[Path]:
    """The same for texts, from one or more benchmarks. Result and errors as for :func:`publish`."""
    found = [_measured(out) for out in outs]
    measured = [row for some, _ in found for row in some]
    machine = found[0][1]
    readme, results = root / "README.md", root / "docs" / "results-text.md"
    best = report.texts_table([row for row in measured if row.codec.startswith("ncz-")])
    summary = (
        f"On text, with language models ({machine['processor']}, {machine['cores']} cores, "
        f"{machine['date']}):\n\n{best}"
    )
    text = between(readme.read_text("utf-8"), summary, TEXT_BEGIN, TEXT_END)
    parts = [report.texts_table(measured), *report.failures(measured)]
    page = "\n\n".join([*parts, report.machine_note(measured, machine)])
    results.write_text(f"{_TEXT_HEAD}{page}\n", "utf-8")
    readme.write_text(text, "utf-8")
    return [results, readme]


def publish_scale(out: Path, root: Path) -> list[Path]:
    """Writes the document about scale and returns its path.

    Raises:
        CorpusError: nothing was measured.
    """
    target = root / "docs" / "scale.md"
    return _one_page(out / scaling.RESULTS, scaling, scale_page.page, target)


def publish_records(out: Path, root: Path) -> list[Path]:
    """Writes the document about records and returns its path.

    Raises:
        CorpusError: nothing was measured.
    """
    target = root / "docs" / "results-records.md"
    return _one_page(out / recorded.RESULTS, recorded, recorded_page.page, target)


def publish_images(out: Path, root: Path, anchor: str = distortion_page.ANCHOR) -> list[Path]:
    """Writes the document about lossy images and its plot, and returns their paths.

    Raises:
        CorpusError: nothing was measured, or nothing of the codec that others are held against.
    """
    source, described = out / distortion.RESULTS, out / distortion.MACHINE
    if not (source.is_file() and described.is_file()):
        raise CorpusError(
            f"{source} is not there; run: python -m {distortion.__name__} --out {out}"
        )
    rows = curves.read(source)
    target = root / "docs" / "results-images.md"
    picture = root / "docs" / distortion_page.PICTURE
    text = distortion_page.page(rows, json.loads(described.read_text("utf-8")), anchor)
    picture.parent.mkdir(parents=True, exist_ok=True)
    distortion_plot.draw(rows, picture)
    target.write_text(text, "utf-8")
    return [target, picture]


def publish_lossless(source: Path, root: Path) -> list[Path]:
    """Writes the document about images without loss from a file of rows, and returns its path.

    Raises:
        CorpusError: it is not there, or holds no rows of ncz.
    """
    if not source.is_file():
        raise CorpusError(
            f"{source} is not there; run: python -m {pixels.__name__} --out {source} --data …"
        )
    target = root / "docs" / "results-lossless-images.md"
    target.write_text(pixels_page.page(*pixels.read(source)), "utf-8")
    return [target]


def _one_page(
    source: Path, measures: ModuleType, page: Callable[[dict[str, Any]], str], target: Path
) -> list[Path]:
    """Writes what `page` makes of `source`, which a module `measures`."""
    if not source.is_file():
        raise CorpusError(f"{source} is not there; run: python -m {measures.__name__} measure")
    target.write_text(page(json.loads(source.read_text("utf-8"))), "utf-8")
    return [target]


def publish_reliability(out: Path, root: Path) -> list[Path]:
    """Writes the document about reliability and returns its path.

    Raises:
        CorpusError: no campaign has left anything in `out`.
    """
    names = [part.name for part in reliability_page.PARTS]
    found = {name: tally.read(out, name) for name in names}
    found = {name: counts for name, counts in found.items() if counts}
    if not found:
        raise CorpusError(f"{out} has no counts; run: python -m ncz.corpora.kills --out {out}")
    target = root / "docs" / "reliability.md"
    target.write_text(reliability_page.page(found), "utf-8")
    return [target]


def _measured(out: Path) -> tuple[list[Row], dict[str, Any]]:
    source = out / "results.json"
    if not source.is_file():
        raise CorpusError(f"{source} is not there; run `ncz bench … --out {out}` to its end first")
    return rows.from_json(source.read_text("utf-8"))


def between(text: str, inserted: str, first: str, last: str) -> str:
    """`text` with `inserted` between two markers, in place of what was there."""
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise CorpusError(f"the README has no {first} … {last} to write between")
    return f"{before}{first}\n\n{inserted}\n\n{last}{after}"


@click.command()
@click.option("--texts", is_flag=True, help="Benchmarks of texts.")
@click.option("--scale", is_flag=True, help="How the work scales.")
@click.option("--records", is_flag=True, help="What circuits reach.")
@click.option("--images", is_flag=True, help="Rate against distortion.")
@click.option(
    "--anchor",
    default=distortion_page.ANCHOR,
    show_default=True,
    help="With --images: the codec that others are held against.",
)
@click.option("--lossless-images", "lossless", is_flag=True, help="Images without loss.")
@click.option("--reliability", is_flag=True, help="Counts of campaigns.")
@click.option("--root", type=click.Path(path_type=Path), default=".", help="The working copy.")
@click.argument("out", type=click.Path(path_type=Path), nargs=-1, required=True)
def main(
    texts: bool,
    scale: bool,
    records: bool,
    images: bool,
    anchor: str,
    lossless: bool,
    reliability: bool,
    root: Path,
    out: tuple[Path, ...],
) -> None:
    """Write what the benchmarks in OUT found into the documents."""
    if not texts and len(out) != 1:
        raise click.UsageError("the documents hold one benchmark; only texts may come from several")
    if texts + scale + records + images + lossless + reliability > 1:
        raise click.UsageError(
            "--texts, --scale, --records, --images, --lossless-images, --reliability: one of them"
        )
    try:
        if scale:
            files = publish_scale(out[0], root)
        elif records:
            files = publish_records(out[0], root)
        elif images:
            files = publish_images(out[0], root, anchor)
        elif lossless:
            files = publish_lossless(out[0], root)
        elif reliability:
            files = publish_reliability(out[0], root)
        else:
            files = publish_texts(out, root) if texts else publish(out[0], root)
    except CorpusError as error:
        raise click.ClickException(str(error)) from None
    for written in files:
        click.echo(written)


if __name__ == "__main__":
    main()
