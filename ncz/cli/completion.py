"""``ncz completion``: the script by which a shell completes ``ncz``, as click makes it."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
      bash:  ncz completion bash > ~/.local/share/bash-completion/completions/ncz
      zsh:   ncz completion zsh > "${fpath[1]}/_ncz"
      fish:  ncz completion fish > ~/.config/fish/completions/ncz.fish
    """
    from ncz.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    completer = kind(cli, {}, "ncz", "_NCZ_COMPLETE")
    # source() would also run the shell to look at its version, which need not be here.
    click.echo(completer.source_template % completer.source_vars())
