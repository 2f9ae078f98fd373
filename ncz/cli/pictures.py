"""What the command does with lossy pictures: options, names, and jobs for :mod:`transfer`.

A lossy mode never runs unless ``--lossy`` is there, and nothing is overwritten or removed for a
picture that is not what it was: the file that is restored has a kind that keeps every sample, or
another name than the one that was compressed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import click

from ncz.cli.exits import Failure
from ncz.cli.names import STDOUT_NAMES, restored_name
from ncz.cli.quantities import size_between
from ncz.cli.reporting import Reporter
from ncz.cli.sources import Ahead, Source
from ncz.cli.targets import is_special
from ncz.cli.transfer import Destination, Stream
from ncz.codec.together import Steps

if TYPE_CHECKING:
    from ncz.formats.header import Header
    from ncz.formats.options import DecompressOptions
    from ncz.formats.picture.params import PictureParams
    from ncz.formats.picture.targets import Lossy
    from ncz.formats.stream import Progress, StreamStats

F = TypeVar("F", bound=Callable[..., Any])

_HEADER = (1 << 16) + 64  # bytes that a header is within
_NUMBER = re.compile(r"-q(\d+(\.\d*)?)")
_TARGETS = ("quality", "size", "bpp", "psnr", "ms_ssim")
_THUMBNAIL = ".thumbnail.png"


class LossyCommand(click.Command):
    """A command whose ``-q`` is ``--quality`` where ``--lossy`` is, and ``--quiet`` elsewhere."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As ever, with that said plainly."""
        end = args.index("--") if "--" in args else len(args)
        if "--lossy" in args[:end]:
            for at, word in enumerate(args[:end]):
                number = _NUMBER.fullmatch(word)
                if word == "-q":
                    args[at] = "--quality"
                elif number is not None:
                    args[at] = f"--quality={number[1]}"
        return super().parse_args(ctx, args)


def lossy(function: F) -> F:
    """--lossy and what goes with it as `lossy`, None without."""

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        wanted = given.pop("lossy")
        asked = {name: given.pop(name) for name in _TARGETS}
        effort, tune = given.pop("effort"), given.pop("tune")
        named = [name for name in _TARGETS if asked[name] is not None]
        if not wanted:
            named += ["effort"] * (effort is not None) + ["tune"] * (tune is not None)
            if named:
                option = named[0].replace("_", "-")
                raise click.UsageError(f"--{option} is for pictures, with --lossy")
            return function(*args, lossy=None, **given)
        return function(*args, lossy=_how(asked, effort, tune), **given)

    for option in reversed(
        [
            click.option(
                "--lossy",
                is_flag=True,
                help="FILES are pictures (PNG, JPEG, WebP, TIFF, BMP, PPM): keep what they show "
                "and not each pixel, in a small part of the bytes. Never done unless asked for.",
            ),
            click.option(
                "--quality",
                type=float,
                metavar="1..100",
                help="With --lossy: how much is kept; -q says the same there.  [default: 60]",
            ),
            click.option(
                "--size",
                type=size_between(1),
                metavar="SIZE",
                help="With --lossy: the best quality whose file has at most this size.",
            ),
            click.option(
                "--bpp",
                type=float,
                metavar="X",
                help="With --lossy: the same, in bits of the file for each pixel.",
            ),
            click.option(
                "--psnr",
                type=float,
                metavar="DB",
                help="With --lossy: the smallest file whose picture reaches this PSNR.",
            ),
            click.option(
                "--ms-ssim",
                type=float,
                metavar="X",
                help="With --lossy: the smallest file whose picture reaches this MS-SSIM.",
            ),
            click.option(
                "--effort",
                type=click.IntRange(1, 9),
                metavar="1..9",
                help="With --lossy: how long to look for a smaller file.  [default: 1]",
            ),
            click.option(
                "--tune",
                type=click.Choice(["psnr", "ms-ssim"]),
                help="With --lossy: what the file is to be small for.  [default: psnr, but "
                "ms-ssim with --ms-ssim]",
            ),
        ]
    ):
        call = option(call)
    return cast(F, call)


def _how(asked: dict[str, Any], effort: int | None, tune: str | None) -> Lossy:
    from ncz.formats.picture.targets import DEFAULT_EFFORT, Lossy

    try:
        return Lossy(**asked, effort=effort or DEFAULT_EFFORT, tune=tune)
    except ValueError as error:
        raise click.UsageError(str(error).replace("ms_ssim", "ms-ssim")) from None


def refuse_lossless(given: dict[str, Any]) -> None:
    """Refuse what is for lossless files only: options by name, with whether each was given.

    Raises:
        click.UsageError: one was.
    """
    for option, was_given in given.items():
        if was_given:
            raise click.UsageError(f"{option} is for lossless files: leave it or --lossy out")


def coding(
    name: str,
    source: Source,
    how: Lossy,
    memlimit: int | None,
    verify: bool,
    threads: int | None,
    reporter: Reporter,
) -> tuple[Source, Stream]:
    """The job that codes one picture, with at most so many threads."""

    def run(
        src: BinaryIO,
        dst: BinaryIO,
        progress: Callable[[Progress], None] | None,
        kept: BinaryIO | None,
    ) -> Steps[StreamStats]:
        from ncz.formats.picture.streams import compress_picture_stream

        with _within(threads):
            stats = compress_picture_stream(
                src,
                dst,
                how,
                memlimit=memlimit,
                verify=verify,
                progress=progress,
                say=lambda sentence: reporter.note(name, sentence),
            )
        reporter.result(name, _reached(stats.about))
        return stats
        yield  # a job of one step

    return source, run


def _within(threads: int | None) -> AbstractContextManager[object]:
    """Arithmetic by at most so many threads; for None, by as many as there are cores."""
    if threads is None:
        return nullcontext()
    import torch  # noqa: F401  (what is loaded later is not limited)
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(threads)
    return limits


def _reached(about: dict[str, Any]) -> str:
    """What became of it, in one line."""
    parts = [
        f"{about['width']} x {about['height']}",
        f"quality {about['quality']:g}",
        f"{about['bpp']:.3f} bits per pixel",
    ]
    if "psnr" in about:
        parts.append(f"PSNR {about['psnr']:.2f} dB")
    if "ms_ssim" in about:
        parts.append(f"MS-SSIM {about['ms_ssim']:.4f}")
    return ", ".join(parts)


def looked_at(source: Source) -> tuple[Source, Header | None]:
    """An .ncz file to read, and its header; None where it is not to be had."""
    from ncz.codec import varint
    from ncz.codec.errors import FormatError
    from ncz.formats import header

    if source.file.seekable():
        at = source.file.tell()
        start = source.file.read(_HEADER)
        source.file.seek(at)
    else:
        ahead = Ahead(source.file)
        start = ahead.head(_HEADER)
        source = replace(source, file=ahead.as_file())
    try:
        return source, header.parse(start)[0]
    except (FormatError, varint.Incomplete):
        return source, None  # whoever reads it says what is wrong


def params_of(header: Header | None) -> PictureParams | None:
    """What the picture is, if it is one."""
    from ncz.formats.header import PICTURE
    from ncz.formats.picture import params

    if header is None or header.format != PICTURE:
        return None
    return params.parse(header.format_params)


def restored(path: Path, *, thumbnail: bool = False) -> Path:
    """Where the content of an .ncz file goes; of a picture, under a name whose kind keeps it.

    ``a.png.ncz`` becomes ``a.png``, and ``a.jpg.ncz`` becomes ``a.jpg.png``; of a thumbnail,
    ``a.thumbnail.png``.

    Raises:
        Failure: there is no such name.
    """
    plain = restored_name(path)
    try:
        with path.open("rb") as file:
            says = params_of(looked_at(Source(path, file, None))[1])
    except OSError:
        return plain  # and reading it says why
    if says is None:
        return plain
    if thumbnail:
        return plain.with_name(plain.stem + _THUMBNAIL)
    from ncz.formats.picture import writing

    kind = writing.SUFFIXES.get(plain.suffix.lower())
    if kind is not None and writing.exact(kind, says.depth, says.alpha, says.metadata):
        return plain
    return plain.with_name(plain.name + ".png")


def kind_for(name: str, destination: Destination, thumbnail: bool) -> str:
    """The kind of file that a picture is restored as.

    Raises:
        Failure: the name that was given says none.
    """
    from ncz.codec.errors import PictureError
    from ncz.formats.picture import writing

    if destination.is_stdout(name):
        return writing.PNG
    if destination.output is None or destination.folder:
        return writing.kind_of(restored(Path(name), thumbnail=thumbnail))
    if destination.output in STDOUT_NAMES or is_special(Path(destination.output)):
        return writing.PNG
    try:
        return writing.kind_of(destination.output)
    except PictureError as error:
        raise Failure(str(error)) from None


def rendering(
    name: str,
    options: DecompressOptions,
    destination: Destination,
    thumbnail: bool,
    threads: int | None,
    reporter: Reporter,
) -> Stream:
    """The job that renders one picture, with at most so many threads.

    Raises:
        Failure: it cannot be what is asked for.
    """
    if destination.remove:
        raise Failure(
            "--rm would leave a rendering and remove the picture that it was made from: remove it "
            "yourself if that is meant"
        )
    if destination.resume:
        raise Failure("--resume does not go on with a picture: leave it out")
    kind = kind_for(name, destination, thumbnail)

    def run(
        src: BinaryIO,
        dst: BinaryIO,
        progress: Callable[[Progress], None] | None,
        kept: BinaryIO | None,
    ) -> Steps[StreamStats]:
        from ncz.formats.picture.streams import render_stream

        with _within(threads):
            return render_stream(
                src,
                dst,
                kind,
                options,
                thumbnail=thumbnail,
                progress=progress,
                say=lambda sentence: reporter.note(name, sentence),
            )
        yield  # a job of one step

    return run
