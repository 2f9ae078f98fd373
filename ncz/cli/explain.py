"""``ncz explain``: the text of a file coloured by what its tokens cost, in a terminal or a page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ncz.cli import exits, heat
from ncz.cli.each import Record, each_file
from ncz.cli.exits import Failure
from ncz.cli.inputs import named_or_piped
from ncz.cli.names import STDIO
from ncz.cli.progress import shape
from ncz.cli.quantities import readable, size_between
from ncz.cli.reporting import Reporter, announce_waiting, label
from ncz.cli.sources import Source, open_source
from ncz.cli.targets import check_free, file_target, stdout_is_terminal, stdout_target

if TYPE_CHECKING:
    from ncz.models.text.explain import Explanation, Progress
    from ncz.models.text.loading import Ready

EXCERPT = 16 << 10
"""Bytes of a file that are explained unless asked otherwise: 10 s of work, and enough to see."""

_CONTINUED = 3  # bytes of a character that may follow its first
_NO_TOKENS = (
    "is binary, or text that the language model does not pay for: all levels code it by contexts "
    "alone, and there are no tokens to explain"
)


@click.command("explain")
@click.argument("file", required=False, type=click.Path(path_type=str))
@click.option(
    "--bytes",
    "limit",
    type=size_between(1, 1 << 30),
    default=str(EXCERPT),
    metavar="SIZE",
    help=f"Explain so much of the file, from its start.  [default: {readable(EXCERPT)}]",
)
@click.option(
    "--html",
    "output",
    metavar="FILE",
    type=click.Path(path_type=str),
    help="Write a page for a browser instead of the text ('-' for standard output).",
)
@click.option("-f", "--force", is_flag=True, help="Overwrite an existing page.")
@click.option("--model", metavar="NAME", help="The language model.  [default: that of level 7]")
@click.option(
    "--color/--no-color",
    "color",
    default=None,
    help="Colour the text, or print a table with a line for each token.  [default: colours on "
    "a terminal, unless NO_COLOR is set]",
)
@click.option("--json", "records", is_flag=True, help="Print everything as one JSON object.")
@click.option("--no-progress", is_flag=True, help="Show no progress bar.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors and what is asked for.")
@click.pass_context
def command(
    ctx: click.Context,
    file: str | None,
    limit: int,
    output: str | None,
    force: bool,
    model: str | None,
    color: bool | None,
    records: bool,
    no_progress: bool,
    quiet: bool,
) -> None:
    """Show where the bits of a text go.

    FILE is coded as levels 7 to 9 do it, with a language model and contexts mixed, and its text
    is shown with each token coloured by what it costs. The page shows more: the model's rank of
    the token, what it expected instead, and what contexts changed.

    \b
      ncz explain report.txt
      ncz explain report.txt --html report.html
      ncz explain report.txt | sort -rnk2 | head
    """
    names = named_or_piped([file] if file is not None else [], "explain")
    if names == [STDIO] and sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError("nothing to explain: name a file, or pipe text in")
    reporter = Reporter(quiet=quiet, records=records, data_on_stdout=output == STDIO)
    announce_waiting(reporter)

    def one(name: str, record: Record) -> int:
        from ncz.cli import explained

        if output not in (None, STDIO):
            check_free(Path(output), force=force)
        if name != STDIO and Path(name).is_dir():
            raise Failure("is a directory: name one of the files in it")
        with open_source(name) as source:
            data, excerpt = _read(source, limit)
        if excerpt and not records:
            reporter.note(name, f"{excerpt} (--bytes takes more or less)")
        chosen, ready = _ready(model, data, reporter)
        with _bar(label(name), reporter.animated and not no_progress) as progress:
            found = _explain(data, ready, progress)
        if records:
            record.update(model=chosen, whole=not excerpt, **explained.as_record(found))
        if output is not None:
            from ncz.cli.page import page

            title = label(name if name == STDIO else Path(name).name)
            _write(page(title, excerpt or "all of it", chosen, found), output, force)
            record["output"] = output
        if records:
            return exits.OK
        painted = heat.wanted(color, stdout_is_terminal()) and output is None
        if output is None:
            for line in explained.coloured(found) if painted else explained.table(found):
                click.echo(line, color=True)
        if not quiet:
            for line in explained.summary(found, chosen):
                click.echo(line, err=not painted)
        return exits.OK

    ctx.exit(each_file(names, reporter, one))


def _read(source: Source, limit: int) -> tuple[bytes, str]:
    """The start of a text, up to the end of a character, and which part that is if not all.

    Raises:
        Failure: there is no text.
    """
    from ncz.formats.header import MAGIC

    size = source.size
    data = source.file.read(limit + 1)
    if not data:
        raise Failure("is empty: there is nothing to explain")
    if data.startswith(MAGIC):
        raise Failure("is compressed already: name the file that it was made from")
    if len(data) <= limit:
        return data, ""
    end = limit
    while limit - end < _CONTINUED and data[end] & 0xC0 == 0x80:
        end -= 1
    data = data[: end or limit]
    of_all = f" of {size:,}" if size is not None else ""
    return data, f"the first {len(data):,}{of_all} bytes"


def _ready(name: str | None, data: bytes, reporter: Reporter) -> tuple[str, Ready]:
    """The model, fetched if need be, and what it is called.

    Raises:
        ModelError: it cannot be had.
        Failure: it is not here, and `data` is nothing to fetch it for.
    """
    from ncz.cli.pulling import ask, stages
    from ncz.codec.coder import ModelRef
    from ncz.formats.levels import suits_model
    from ncz.models import weights
    from ncz.models.text.loading import ready

    chosen = name or weights.default().name
    if weights.have(chosen) is None and not suits_model(data):
        raise Failure(_NO_TOKENS)
    with stages(chosen, reporter) as progress:
        weights.ensure(chosen, progress, ask)
    installed = weights.have(chosen)
    assert installed is not None
    return chosen, ready(ModelRef(bytes.fromhex(installed.digest), chosen))


def _explain(data: bytes, model: Ready, progress: Progress | None) -> Explanation:
    """What `data` costs.

    Raises:
        Failure: the model would not be used for it.
    """
    from ncz.formats.levels import DEFAULT_TEXT, WINDOWS
    from ncz.models.text.explain import explain
    from ncz.models.text.windows import Windows

    found = explain(data, model, Windows(*WINDOWS[DEFAULT_TEXT]), progress)
    if found is None:
        raise Failure(_NO_TOKENS)
    return found


@contextmanager
def _bar(name: str, shown: bool) -> Iterator[Progress | None]:
    """What to hand to the library as its progress, None for no bar."""
    if not shown:
        yield None
        return
    from tqdm import tqdm

    form = "{l_bar}{bar}| [{elapsed}<{remaining}]"
    with tqdm(desc=name, total=1, file=sys.stderr, leave=False, bar_format=form, **shape()) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.n = done
            bar.refresh()

        yield report


def _write(page: str, output: str, force: bool) -> None:
    target = stdout_target() if output == STDIO else file_target(Path(output), force=force)
    with target as sink:
        sink.write(page.encode())
