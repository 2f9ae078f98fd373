"""``ncz bench``: ncz beside its peers on named test data or any files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from ncz.cli import beforehand, options
from ncz.cli.exits import Failure
from ncz.cli.reporting import Reporter
from ncz.corpora import bench, builtin, machine, peers, plot, registry, report, rows, select
from ncz.corpora.peers import Peer
from ncz.corpora.rows import Row
from ncz.formats.levels import MODEL_LEVELS

_EPILOG = """\b
Examples:
  ncz bench builtin                       real files that are on every machine
  ncz bench canterbury --levels 3,6       a corpus from NCZ_CORPORA, cache or internet
  ncz bench letters/ --levels 6,7,9       with the language model
  ncz bench logs/ --peers zstd,xz --out logs-bench
  ncz bench readings.csv --model readings.circuit
"""


def _levels(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    words = [word.strip() for word in value.split(",") if word.strip()]
    if not all(word in tuple("123456789") for word in words):
        raise click.BadParameter(f"{value!r} is no list of levels from 1 to 9, such as 1,3,6")
    return tuple(dict.fromkeys(map(int, words)))


@click.command(epilog=_EPILOG)
@click.argument("targets", nargs=-1, metavar="SET|PATH…")
@click.option("--list", "listing", is_flag=True, help="List the sets and the peers, and stop.")
@click.option(
    "--peers",
    "wanted",
    metavar="LIST",
    help="What to run beside ncz, by comma; 'none' for ncz alone.  [default: all that are here]",
)
@click.option(
    "--levels",
    default="1,3,6",
    show_default=True,
    metavar="LIST",
    callback=_levels,
    help="Levels of ncz, by comma; '' leaves ncz out.",
)
@options.circuit
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Measure everything so many times; the best counts.",
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Measurements side by side; more than 1 slows each of them a little.",
)
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="A measurement that takes longer counts as failed.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write rows.jsonl, results.json, results.md and size-speed.png into this folder.",
)
@click.option("--resume", is_flag=True, help="Go on with the rows that --out already has.")
@click.option("--json", "style", flag_value="json", help="Print everything as JSON.")
@click.option("--markdown", "style", flag_value="markdown", help="Print the whole report.")
@click.option("--plot/--no-plot", "drawing", default=True, help="Draw the picture in --out.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
def command(
    targets: tuple[str, ...],
    listing: bool,
    wanted: str | None,
    levels: tuple[int, ...],
    circuit: Path | None,
    repeat: int,
    jobs: int,
    limit: float,
    out: Path | None,
    resume: bool,
    style: str | None,
    drawing: bool,
    quiet: bool,
) -> None:
    """Measure ncz beside other compressors.

    Each file is compressed and decompressed by each codec, each time in a process of its own,
    and compared with what it was. A codec that does not bring the same bytes back is reported
    and not counted.
    """
    if listing:
        click.echo(_listing())
        return
    if not targets:
        raise click.UsageError("name a set or a path; --list shows the sets")
    if resume and out is None:
        raise click.UsageError("--resume needs --out, the folder with the earlier rows")
    if out is not None and drawing:
        plot.require()
    codecs = _codecs(wanted, levels, circuit)
    if any(level in MODEL_LEVELS for level in levels):
        beforehand.Model(Reporter(quiet=quiet), progress=True).bring()
    items = [item for target in targets for item in select.select(target, _note(quiet))]
    plan = bench.Plan(tuple(items), tuple(codecs), repeat, jobs, limit)
    measured = bench.run(plan, out, resume=resume, notice=None if quiet else _progress)
    described = machine.describe()
    if out is not None:
        (out / "results.json").write_text(rows.as_json(measured, described), "utf-8")
        (out / "results.md").write_text(report.markdown(measured, described), "utf-8")
        if drawing:
            plot.draw(report.totals(measured), out / "size-speed.png")
    if style == "json":
        click.echo(rows.as_json(measured, described), nl=False)
    elif style == "markdown":
        click.echo(report.markdown(measured, described), nl=False)
    else:
        click.echo(report.totals_table(measured))
    bad = report.failures(measured)
    if bad:
        raise Failure(" ".join(bad))


def _codecs(wanted: str | None, levels: Sequence[int], circuit: Path | None) -> list[Peer]:
    ours: list[Peer] = [peers.ncz_at(level) for level in levels]
    if circuit is not None:
        ours.append(peers.ncz_by(circuit))
    if wanted is None:
        theirs = peers.defaults()
    else:
        theirs = [] if wanted == "none" else peers.chosen(wanted)
    if not ours and not theirs:
        raise click.UsageError("nothing to measure: --levels and --peers are both empty")
    return [*ours, *theirs]


def _listing() -> str:
    lines = ["Sets:"]
    for name in registry.names():
        corpus = registry.named(name)
        lines.append(f"  {name:<17}{corpus.size / 1e6:>8,.1f} MB  {corpus.about}")
    for name in builtin.names():
        lines.append(f"  {name:<17}             {builtin.about(name)}")
    lines += ["", "Peers:"]
    for peer in peers.PEERS:
        lines.append(f"  {peer.name:<17}{'' if peer.available else 'not on this machine'}".rstrip())
    return "\n".join(lines)


def _note(quiet: bool) -> Callable[[str], None] | None:
    return None if quiet else lambda sentence: click.echo(f"ncz: {sentence}", err=True)


def _progress(done: int, total: int, row: Row) -> None:
    outcome = (
        f"{row.coded_size:,} bytes, {row.encode_cpu_s:.2f} s in, {row.decode_cpu_s:.2f} s out"
        if row.ok
        else f"failed: {row.error}"
    )
    click.echo(f"[{done}/{total}] {row.codec} {row.file}: {outcome}", err=True)
