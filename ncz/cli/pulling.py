"""Getting a model while a person waits: a bar for the fetch and the conversion, and consent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ncz.cli.progress import shape
from ncz.cli.reporting import Reporter, stderr_is_terminal

if TYPE_CHECKING:
    from ncz.codec.coder import ModelRef
    from ncz.models.weights import Progress, Weights


@contextmanager
def stages(name: str, reporter: Reporter) -> Iterator[Progress | None]:
    """What to hand :func:`ncz.models.weights.pull` as its progress, None where nobody watches.

    Args:
        name: the model's.
        reporter: whether to show anything.
    """
    if not reporter.animated:
        yield None
        return
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def report(stage: str, done: int, total: int | None) -> None:
        bar = bars.get(stage)
        if bar is None:
            for finished in bars.values():
                finished.close()
            unit: dict[str, Any] = (
                {"unit": "B", "unit_scale": True} if stage == "fetching" else {"unit": " layers"}
            )
            bar = bars[stage] = tqdm(
                desc=f"{stage} {name}", total=total, file=sys.stderr, leave=False, **shape(), **unit
            )
        bar.total = total
        bar.n = done if total is None else min(done, total)
        bar.refresh()

    try:
        yield report
    finally:
        for bar in bars.values():
            bar.close()


def bringing(reporter: Reporter, *, progress: bool = True) -> Callable[[ModelRef], None]:
    """What fetches the models of a header, for a user who said --pull.

    Only what ncz knows by the digest of its exact file is fetched; anything else that a header
    names is left to decoding, which says what is missing.

    Args:
        reporter: whether a bar may be shown,
        progress: and whether it is wanted.
    """
    watching = reporter if progress else replace(reporter, quiet=True)

    def bring(model: ModelRef) -> None:
        from ncz.models import weights

        known = weights.known(model.digest.hex())
        if known is None or weights.whole(known.name):
            return
        with stages(known.name, watching) as report:
            weights.pull(known, report, ask)

    return bring


def ask(weights: Weights) -> bool:
    """Ask the person at the terminal whether the terms are accepted; no, if nobody is there."""
    if not (stderr_is_terminal() and sys.stdin is not None and sys.stdin.isatty()):
        return False
    click.echo(
        f"The model {weights.name} is under terms of its maker: {weights.terms_url}", err=True
    )
    try:
        return click.confirm("Have you read them, and do you accept them?", default=False, err=True)
    except click.Abort:  # the end of input is no answer
        return False
