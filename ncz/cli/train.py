"""``ncz train``."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ncz.cli import exits
from ncz.cli.exits import Failure
from ncz.cli.quantities import size_between

if TYPE_CHECKING:
    from ncz.models.circuit.training import Progress


@click.command("train")
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The circuit's file, such as my.circuit.",
)
@click.option("-f", "--force", is_flag=True, help="Replace it if it is there.")
@click.option(
    "--latents",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="States of each latent variable: more fit better, take longer, and make a larger file.  "
    "[default: 8 to 64, by the amount of data]",
)
@click.option(
    "--epochs", type=click.IntRange(1), default=10, show_default=True, help="Passes over the data."
)
@click.option(
    "--grow",
    type=click.IntRange(0, 6),
    default=0,
    show_default=True,
    metavar="N",
    help="Start with fewer states and double them N times.",
)
@click.option("--seed", default=1, show_default=True, help="Of everything that is drawn.")
@click.option(
    "--record-size",
    type=size_between(1, 1 << 19),
    metavar="SIZE",
    help="Take DATA as records of so many bytes, whatever it looks like.",
)
@click.option("--type", "dtype", default="u1", show_default=True, help="What these are made of.")
@click.option(
    "--device", default="cpu", show_default=True, help="For torch: cpu, cuda:0 and so on."
)
@click.option("--resume", is_flag=True, help="Go on where a training was interrupted.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    data: Path,
    output: Path,
    force: bool,
    latents: int | None,
    epochs: int,
    grow: int,
    seed: int,
    record_size: int | None,
    dtype: str,
    device: str,
    resume: bool,
    quiet: bool,
) -> None:
    """Train a circuit on records: a table, an array, small images, anything alike.

    DATA is a CSV file or another table, an IDX, NPY or NPZ file, a folder of pictures of one size,
    or with --record-size any file. What came of it codes records such as these, each on its own:

    \b
      ncz train readings-2025.csv -o readings.circuit
      ncz compress --model readings.circuit readings-2026.csv
      ncz cat --record 17 readings-2026.csv.ncz

    Nothing is drawn but by --seed. An interrupted training leaves OUTPUT.training beside the
    output, and goes on with --resume.
    """
    from ncz.formats.records import coder, read
    from ncz.models.circuit import exact, training

    if output.exists() and not force:
        raise Failure(f"{output} exists already; -f replaces it")
    folder = output.with_name(f"{output.name}.training")
    if folder.exists() and not resume:
        raise Failure(
            f"{folder} is left of an interrupted training; go on with --resume, or remove it"
        )
    _check_device(device)
    try:
        found = read.read(data, record_size=record_size, dtype=dtype)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    values = coder.closed(found.values, found.layout.variables)
    plan = training.Plan(
        latents=latents or training.suited(len(values)), epochs=epochs, grow=grow, seed=seed
    )
    if not quiet:
        click.echo(
            f"{found.what}: {len(values):,} records of {values.shape[1]:,} variables; "
            f"{plan.latents} states",
            err=True,
        )
    report = _Report(quiet)
    try:
        codes = training.train(
            values,
            coder.domains(found.layout.variables),
            plan,
            {"layout": found.layout.pack().hex(), "what": found.what},
            ordered=[variable.kind == "number" for variable in found.layout.variables],
            checkpoint=folder,
            report=report,
            device=device,
        )
    except KeyboardInterrupt:
        if folder.exists():
            raise Failure(
                f"interrupted; go on with --resume (what is done lies in {folder})",
                exits.INTERRUPTED,
            ) from None
        raise
    exact.save(codes, output)
    _remove(folder)
    if not quiet:
        size = output.stat().st_size
        click.echo(f"{output}: {size:,} bytes", err=True)


def _check_device(name: str) -> None:
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter where torch is built without it
        raise Failure(f"--device {name}: {str(error).splitlines()[0]}") from None


class _Report:
    """Says how training goes: a line for each pass."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._began = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if self._quiet or math.isnan(progress.held):
            return
        click.echo(
            f"pass {progress.epoch} of {progress.epochs}: {progress.train:.4f} bits per variable, "
            f"{progress.held:.4f} held out [{time.monotonic() - self._began:.0f} s]",
            err=True,
        )


def _remove(folder: Path) -> None:
    for name in ("state.safetensors", "state.part"):
        (folder / name).unlink(missing_ok=True)
    if folder.exists():
        folder.rmdir()
