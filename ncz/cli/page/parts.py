"""What pages are put together from: files of this package, and the hashes their policy allows."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib import resources
from string import Template


def filled(name: str, style: str, script: str, /, **parts: str) -> str:
    """A page, from the file `name` of this package.

    Args:
        name: of a template.
        style: what is beyond the style that all pages have.
        script: the page's own.
        parts: what else the template asks for, as HTML.
    """
    style = own("base.css") + style
    return Template(own(name)).substitute(
        style=style, script=script, style_hash=_hash(style), script_hash=_hash(script), **parts
    )


def own(name: str) -> str:
    """The text of a file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def cells(*values: str) -> str:
    """A row of a table, its first cell the head of it."""
    first, *others = map(escape, values)
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
