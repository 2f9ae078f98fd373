"""The command ``ncz``: finds the subcommand, and turns whatever happens into an exit code.

``ncz --help`` must answer at once, so a subcommand's module is imported when it is called.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from ncz.cli import exits, signals

# Name: module with a click command named `command`, and the line that `ncz --help` shows.
COMMANDS = {
    "compress": ("ncz.cli.compress", "Compress files."),
    "decompress": ("ncz.cli.decompress", "Restore files."),
    "cat": ("ncz.cli.cat", "Write the content of files, or a range of it."),
    "test": ("ncz.cli.test", "Check that files are whole."),
    "info": ("ncz.cli.info", "Show what is in files."),
    "plan": ("ncz.cli.plan", "Estimate time, memory and size of every level."),
    "train": (
        "ncz.cli.train",
        "Train a circuit on records: a table, an array, small images, anything alike.",
    ),
    "explain": ("ncz.cli.explain", "Show where the bits of a text go."),
    "compare": ("ncz.cli.compare", "Show how far picture B is from picture A."),
    "bench": ("ncz.cli.bench", "Measure ncz beside other compressors."),
    "models": ("ncz.cli.models", "Manage the language models of this machine."),
    "doctor": ("ncz.cli.doctor", "Show versions, devices and models, and run a self-test."),
    "completion": ("ncz.cli.completion", "Print the completion script of a shell."),
    "man": ("ncz.cli.man", "Write the manual pages."),
}

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {text}" for code, text in exits.TABLE)


class _Lazy(click.Group):
    """A group whose commands are in a table of modules."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        with _quiet_pipes():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _quiet_pipes():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import ncz

        click.echo(f"ncz {ncz.__version__}")
        ctx.exit()


@click.group(
    cls=_Lazy,
    epilog=_EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Compress any file, losslessly, to the same bytes on every machine.

    \b
      ncz compress report.txt          makes report.txt.ncz
      ncz decompress report.txt.ncz    makes report.txt
      tar -cf - docs | ncz compress -3 > docs.tar.ncz
      ncz cat --range 1MiB:+64KiB log.ncz
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(exits.USAGE)


def main() -> int:
    """Run the command of this process and return its exit code."""
    signals.install()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return run()


def run(args: Sequence[str] | None = None) -> int:
    """Run the command with `args`, those of the process if None, and return the exit code.

    Does not touch the process's signal handlers.
    """
    try:
        code = cli.main(args=args, prog_name="ncz", standalone_mode=False)
        with _quiet_pipes():
            if sys.stdout is not None:
                sys.stdout.flush()
        return code if isinstance(code, int) else exits.OK
    except click.Abort:
        return exits.INTERRUPTED
    except click.ClickException as error:
        _say(_usage(error))
        return error.exit_code
    except OSError as error:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Python flushes at its end
        _say(f"ncz: cannot write standard output: {exits.plain(error)}")
        return exits.FAILED
    except Exception as error:
        if os.environ.get("NCZ_DEBUG"):
            raise
        code, sentence = exits.explain(error)
        _say(f"ncz: {sentence}")
        return code


@contextlib.contextmanager
def _quiet_pipes() -> Iterator[None]:
    """Before click sees a broken pipe: it would make it exit code 1."""
    try:
        yield
    except BrokenPipeError:
        signals.broken_pipe()


def _usage(error: click.ClickException) -> str:
    """A usage error in one line, naming the command and the way to its help."""
    message = error.format_message().strip().rstrip(".")
    message = message[:1].lower() + message[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return f"ncz: {message}"
    return f"{context.command_path}: {message} (see {context.command_path} --help)"


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(" ".join(line.split()), err=True)
