"""``ncz compare``: how far one picture is from another, in figures and on a page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ncz.cli.each import Outcome
from ncz.cli.exits import Failure
from ncz.cli.names import STDIO
from ncz.cli.reporting import Reporter, announce_waiting, label
from ncz.cli.targets import check_free, file_target, stdout_target

if TYPE_CHECKING:
    from ncz.corpora.picture import Picture


@dataclass(frozen=True)
class Nearness:
    """What was found of two pictures.

    Attributes:
        psnr: in dB, infinite if they are equal.
        ms_ssim: 0 to 1, None if it cannot be had.
        lpips: 0 or more, None if it cannot be had.
        notes: why something cannot be had, and what else there is to know, in sentences.
    """

    psnr: float
    ms_ssim: float | None = None
    lpips: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether all colours are the same."""
        return math.isinf(self.psnr)


@click.command("compare")
@click.argument("one", metavar="A", type=click.Path(path_type=str))
@click.argument("other", metavar="B", type=click.Path(path_type=str))
@click.option(
    "--page",
    "output",
    metavar="FILE",
    type=click.Path(path_type=str),
    help="Write a page for a browser with both pictures and a line to move between them ('-' for "
    "standard output).",
)
@click.option("-f", "--force", is_flag=True, help="Overwrite an existing page.")
@click.option("--json", "records", is_flag=True, help="Print one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Leave out notes on what cannot be measured.")
@click.pass_context
def command(
    ctx: click.Context,
    one: str,
    other: str,
    output: str | None,
    force: bool,
    records: bool,
    quiet: bool,
) -> None:
    """Show how far picture B is from picture A.

    A and B are files of pictures of one size, or .ncz files of such. Colours are measured as
    they stand in the file, turned upright and, where something is seen through, before white:
    PSNR, MS-SSIM, and LPIPS where it is installed.

    \b
      ncz compare photo.png photo.jpg
      ncz compare photo.png photo.png.ncz --page photo.html
    """
    reporter = Reporter(quiet=quiet, records=records, data_on_stdout=output == STDIO)
    announce_waiting(reporter)
    outcome = Outcome(one)
    try:
        if output not in (None, STDIO):
            check_free(Path(output), force=force)
        first = _picture(one)
        outcome.name = other
        second = _picture(other)
        if (first.width, first.height) != (second.width, second.height):
            raise Failure(
                f"is {_size(second)} pixels, and {label(one)} is {_size(first)}: compare pictures "
                "of one size"
            )
        found = measure(first, second)
        outcome.name = one
        outcome.record.update(_record(first, second, other, found))
        if output is not None:
            _write(_page(one, other, first, second, found), output, force)
            outcome.record["page"] = output
        if not records and output != STDIO:
            click.echo("\n".join(table(_named(one, other), first, second, found)))
            outcome.lines += [_note(one, note) for note in found.notes]
    except Exception as error:
        outcome.fail(error)
    ctx.exit(outcome.tell(reporter))


def measure(first: Picture, second: Picture) -> Nearness:
    """Everything that can be measured of two pictures of one size."""
    from ncz.codec.errors import MissingExtra
    from ncz.corpora.picture import in_16_bits
    from ncz.models.image import quality

    left, right = first.pixels, second.pixels
    if left.dtype != right.dtype:
        left, right = in_16_bits(left), in_16_bits(right)
    notes: list[str] = []
    found: dict[str, float | None] = {}
    for take in (quality.ms_ssim, quality.lpips):
        found[take.__name__] = None
        try:
            found[take.__name__] = take(left, right)
        except (quality.NotMeasurable, MissingExtra) as error:
            notes.append(str(error))
    return Nearness(
        quality.psnr(left, right),
        found["ms_ssim"],
        found["lpips"],
        [*notes, *_alpha(first, second)],
    )


def table(
    names: tuple[str, str], first: Picture, second: Picture, found: Nearness
) -> Iterator[str]:
    """Lines for people."""
    width = max(map(len, names))
    yield f"{'':{width}}  {'kind':>5}{'bytes':>13}{'bpp':>9}"
    for name, picture in zip(names, (first, second), strict=True):
        yield f"{name:{width}}  {picture.kind:>5}{picture.size:>13,}{picture.bpp:>9.3f}"
    yield ""
    for name, figure in measures(found):
        yield f"{name:9}{figure}"


def measures(found: Nearness) -> list[tuple[str, str]]:
    """Names and figures of what was measured."""
    lines = [("PSNR", "infinite: all colours are equal" if found.equal else _db(found.psnr))]
    if found.ms_ssim is not None:
        decibels = "" if found.ms_ssim >= 1 else f"  ({_db(-10 * math.log10(1 - found.ms_ssim))})"
        lines.append(("MS-SSIM", f"{found.ms_ssim:.5f}{decibels}"))
    if found.lpips is not None:
        lines.append(("LPIPS", f"{found.lpips:.4f}"))
    return lines


def _picture(name: str) -> Picture:
    from ncz.corpora.picture import picture_of

    if Path(name).is_dir():
        raise Failure("is a directory: name one of the files in it")
    return picture_of(Path(name))


def _alpha(first: Picture, second: Picture) -> Iterator[str]:
    if first.alpha is None and second.alpha is None:
        return
    if first.alpha is None or second.alpha is None:
        yield "Only one of the two has an alpha channel that something is seen through."
    elif first.alpha.dtype == second.alpha.dtype and (first.alpha == second.alpha).all():
        yield "Their alpha channels are equal; colours were measured before white."
    else:
        yield "Their alpha channels differ; colours were measured before white."


def _record(first: Picture, second: Picture, other: str, found: Nearness) -> dict[str, Any]:
    return {
        "other": other,
        "width": first.width,
        "height": first.height,
        "kinds": [first.kind, second.kind],
        "sizes": [first.size, second.size],
        "bpp": [first.bpp, second.bpp],
        "equal": found.equal,
        "psnr": None if found.equal else found.psnr,
        "ms_ssim": found.ms_ssim,
        "lpips": found.lpips,
        "notes": found.notes,
    }


def _page(one: str, other: str, first: Picture, second: Picture, found: Nearness) -> str:
    from ncz.cli.page import beside

    left, right = _named(one, other)
    share = 100 * second.size / first.size
    return beside.page(
        beside.Side(left, first),
        beside.Side(right, second),
        f"{_size(first)} pixels. {right} has {share:,.1f} % of the bytes of {left}.",
        measures(found),
        found.notes,
    )


def _named(one: str, other: str) -> tuple[str, str]:
    """Both by their names, or by their paths if these are the same."""
    names = label(Path(one).name), label(Path(other).name)
    return names if names[0] != names[1] else (label(one), label(other))


def _note(name: str, note: str) -> Any:
    return lambda reporter: reporter.note(name, note)


def _size(picture: Picture) -> str:
    return f"{picture.width} × {picture.height}"


def _db(figure: float) -> str:
    return f"{figure:.2f} dB"


def _write(page: str, output: str, force: bool) -> None:
    target = stdout_target() if output == STDIO else file_target(Path(output), force=force)
    with target as sink:
        sink.write(page.encode())
