"""``ncz info``: a table for people, the library's own account as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ncz.cli import exits
from ncz.cli.each import Record, each_file
from ncz.cli.exits import Failure
from ncz.cli.inputs import named_or_piped, refuse_typing
from ncz.cli.names import shown
from ncz.cli.reporting import Reporter, label
from ncz.cli.sources import open_source

if TYPE_CHECKING:
    from ncz.formats.info import FileInfo, MemberInfo, PictureInfo

_MANY_BLOCKS = 20  # a longer list is shown in part, unless all of it is asked for


@click.command("info")
@click.argument("files", nargs=-1, type=click.Path(path_type=str))
@click.option("-v", "--verbose", is_flag=True, help="List every block, however many there are.")
@click.option("--json", "records", is_flag=True, help="Print one JSON object per file.")
@click.pass_context
def command(ctx: click.Context, files: tuple[str, ...], verbose: bool, records: bool) -> None:
    """Show what is in files.

    Members, blocks, the coder that made each block, sizes and checks. Nothing is decoded:
    ncz test does that.
    """
    inputs = named_or_piped(files, "describe")
    refuse_typing(inputs)
    reporter = Reporter(records=records)

    def describe(name: str, record: Record) -> int:
        import ncz

        with open_source(name) as source:
            if not source.file.seekable():
                raise Failure("is a pipe, and describing needs a file: save it first")
            found = ncz.info(source.file)
        if records:
            record.update(found.to_dict())
        else:
            click.echo("\n".join(table(label(name), found, whole=verbose)))
        return exits.OK

    ctx.exit(each_file(inputs, reporter, describe))


def table(name: str, found: FileInfo, *, whole: bool = True) -> list[str]:
    """Lines that describe a file; long lists of blocks in part unless `whole`."""
    share = f"{100 * found.size / found.raw_size:.2f} %, " if found.raw_size else ""
    bpb = f"{8 * found.size / found.raw_size:.3f} bpb" if found.raw_size else "empty"
    lines = [f"{name}: {found.size:,} bytes for {found.raw_size:,} bytes of content ({share}{bpb})"]
    for number, member in enumerate(found.members):
        lines += _member(number, member, whole)
    return lines


def _member(number: int, member: MemberInfo, whole: bool) -> list[str]:
    used: dict[str, tuple[int, int, int]] = {}
    for block in member.blocks:
        blocks, raw, coded = used.get(block.coder, (0, 0, 0))
        used[block.coder] = blocks + 1, raw + block.raw_size, coded + block.coded_size
    lines = [
        f"member {number}: version {member.version}, format {shown(member.format)}, "
        f"offset {member.offset:,}, {member.size:,} bytes, "
        f"{_blocks(len(member.blocks))} of at most {member.block_size:,} bytes",
        f"  content {member.raw_start:,} to {member.raw_start + member.raw_size:,}, "
        f"XXH64 {member.content_check}",
    ]
    if member.picture is not None:
        lines.append(f"  {_picture(member.picture, member.size)}")
    for model in member.models:
        lines.append(f"  model {shown(model.name)}, SHA-256 {model.sha256}")
    for coder, (blocks, raw, coded) in used.items():
        lines.append(
            f"  coder {shown(coder)}: {blocks:,} of {_blocks(len(member.blocks))}, "
            f"{raw:,} -> {coded:,} bytes"
        )
    if not member.blocks:
        return lines
    rows = [("block", "offset", "content from", "raw", "coded", "ratio", "raw check", "coder")]
    for block in member.blocks:
        rows.append(
            (
                str(block.index),
                f"{block.offset:,}",
                f"{block.raw_start:,}",
                f"{block.raw_size:,}",
                f"{block.coded_size:,}",
                f"{100 * block.coded_size / block.raw_size:.2f} %",
                block.raw_check,
                shown(block.coder),
            )
        )
    hidden = 0 if whole else len(member.blocks) - _MANY_BLOCKS
    if hidden > 0:
        rows = rows[: 1 + _MANY_BLOCKS]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("  " + "  ".join([*cells, row[-1]]))
    if hidden > 0:
        lines.append(f"  and {hidden:,} more: -v lists all")
    return lines


def _picture(picture: PictureInfo, size: int) -> str:
    """A lossy picture in one line."""
    colours = "grey" if picture.channels == 1 else "RGB"
    parts = [
        f"lossy picture, {picture.width} x {picture.height}, "
        f"{colours}{' with alpha' if picture.alpha else ''} of {picture.depth} bits",
        f"quality {picture.quality:g}",
        f"{8 * size / (picture.width * picture.height):.3f} bits per pixel",
        "1 tile" if picture.tiles == 1 else f"{picture.tiles:,} tiles",
    ]
    if picture.thumbnail:
        parts.append("a thumbnail")
    if picture.metadata:
        parts.append("metadata")
    return ", ".join(parts)


def _blocks(number: int) -> str:
    return "1 block" if number == 1 else f"{number:,} blocks"
