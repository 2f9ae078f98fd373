"""``ncz man``: manual pages in the man(7) format, made from the commands' own help.

One page for the whole and one for each subcommand, with nothing in them that depends on the
day or the machine: the same version writes the same bytes.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click

from ncz.cli import exits

_EXAMPLES = "\b\nExamples:\n"  # how the epilog of a command begins that has any

# What troff would take for something else, or would draw as another sign.
_SIGNS = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "~": "\\(ti", "^": "\\(ha"})


@click.command("man")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def command(directory: Path) -> None:
    """Write the manual pages.

    They go into DIRECTORY, which is made if needed: ncz.1 and one page for each subcommand.
    To read them: man -M, or copy them to share/man/man1.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, page in pages().items():
            (directory / name).write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {directory}: {exits.plain(error)}") from error


def pages() -> dict[str, str]:
    """Text of every page by file name."""
    from ncz.cli.main import cli

    top = click.Context(cli, info_name="ncz", **cli.context_settings)
    names = cli.list_commands(top)
    made = {"ncz.1": _page(cli, top, [f"ncz-{name}" for name in names])}
    for name in names:
        subcommand = cli.get_command(top, name)
        assert subcommand is not None
        context = click.Context(subcommand, info_name=name, parent=top)
        made[f"ncz-{name}.1"] = _page(subcommand, context, ["ncz"])
    return made


def _page(command: click.Command, context: click.Context, see_also: list[str]) -> str:
    import ncz

    title = context.command_path.replace(" ", "-")
    help_text = inspect.cleandoc(command.help or "")
    first, _, rest = help_text.partition("\n\n")
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        f'.TH "{title.upper()}" 1 "" "ncz {ncz.__version__}" "User Commands"',
        ".SH NAME",
        f"{_escape(title)} \\- {_escape(' '.join(first.split()).rstrip('.'))}",
        ".SH SYNOPSIS",
        f"\\fB{_escape(context.command_path)}\\fR {_escape(usage)}",
    ]
    if rest.strip():
        lines += [".SH DESCRIPTION", *_paragraphs(rest)]
    options = _options(command, context)
    if options:
        lines += [".SH OPTIONS", *options]
    epilog = inspect.cleandoc(command.epilog or "")
    if epilog.startswith(_EXAMPLES):
        lines += [".SH EXAMPLES", *_paragraphs("\b\n" + epilog.removeprefix(_EXAMPLES))]
    if isinstance(command, click.Group):
        lines += [".SH COMMANDS", *_commands(command, context)]
    lines.append(".SH EXIT STATUS")
    for code, text in exits.TABLE:
        lines += [".TP", f"\\fB{code}\\fR", _escape(text)]
    lines += [".SH SEE ALSO", ", ".join(f"\\fB{_escape(name)}\\fR(1)" for name in see_also)]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, context: click.Context) -> list[str]:
    """Those of ncz have pages of their own; those of a subcommand are told here whole."""
    lines = []
    if context.parent is None:
        from ncz.cli.main import COMMANDS

        for name, (_, line) in COMMANDS.items():
            lines += [".TP", f"\\fBncz\\-{_escape(name)}\\fR(1)", _escape(line)]
        return lines
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(inner))
        lines += [".SS", f"{_escape(inner.command_path)} {_escape(usage)}"]
        lines += _paragraphs(inspect.cleandoc(command.help or ""))
        lines += _options(command, inner)
    return lines


def _options(command: click.Command, context: click.Context) -> list[str]:
    lines = []
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            record = parameter.get_help_record(context)
            if record is not None:
                names, text = record
                lines += [".TP", f"\\fB{_escape(names)}\\fR", _escape(" ".join(text.split()))]
    return lines


def _paragraphs(text: str) -> list[str]:
    """Paragraphs as click writes them: those that start with a \\b keep their lines."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.startswith("\b"):
            kept = [_escape(line) for line in paragraph.splitlines()[1:]]
            lines += [".PP", ".nf", *kept, ".fi"]
        else:
            lines += [".PP", _escape(" ".join(paragraph.split()))]
    return lines


def _escape(text: str) -> str:
    """`text` as it will be read, with nothing in it that troff would take for a request."""
    text = text.translate(_SIGNS)
    return "\\&" + text if text.startswith(".") else text
