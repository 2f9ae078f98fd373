"""A benchmark in Markdown: what each codec reached in all, and on every file.

Totals count only codecs that brought every file back: a codec that failed on one is named
below the table with the reason, because a sum over fewer files would flatter it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ncz.corpora.rows import Row


@dataclass(frozen=True)
class Total:
    """One codec over all files.

    Attributes:
        codec: its name.
        version: its version.
        files: how many files.
        raw_size: bytes in.
        coded_size: bytes out.
        encode_speed: raw bytes per processor second of encoding; None if unmeasurably fast.
        decode_speed: the same of decoding.
        encode_wall_speed: raw bytes per second on the clock, encoding.
        decode_wall_speed: the same of decoding.
        encode_peak_bytes: the most memory on any file, encoding.
        decode_peak_bytes: the same of decoding.
        warm_up_s: the longest first call of either direction.
    """

    codec: str
    version: str
    files: int
    raw_size: int
    coded_size: int
    encode_speed: float | None
    decode_speed: float | None
    encode_wall_speed: float | None
    decode_wall_speed: float | None
    encode_peak_bytes: int
    decode_peak_bytes: int
    warm_up_s: float

    @property
    def ratio(self) -> float:
        """Coded size as a part of the raw size."""
        return self.coded_size / self.raw_size

    @property
    def bits_per_byte(self) -> float:
        """Coded bits for each raw byte."""
        return 8 * self.ratio


def totals(rows: Sequence[Row]) -> list[Total]:
    """What each codec that failed nowhere reached in all, smallest first."""
    sums = [
        _total(of_codec) for of_codec in _by_codec(rows).values() if all(r.ok for r in of_codec)
    ]
    return sorted(sums, key=lambda total: total.coded_size)


def failures(rows: Sequence[Row]) -> list[str]:
    """One sentence for each codec that failed."""
    return [
        f"{codec} is left out of the totals: the round trip failed on {len(bad)} of "
        f"{len(of_codec)} files, on {bad[0].file} because of this: {bad[0].error}."
        for codec, of_codec in _by_codec(rows).items()
        if (bad := [row for row in of_codec if not row.ok])
    ]


def markdown(rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """The whole report: totals, who wins where, sizes by file, failures, the machine."""
    parts = [
        totals_table(rows),
        *failures(rows),
        _wins(rows),
        _token_speeds(rows),
        "Sizes in bytes, smallest in bold:",
        sizes_table(rows),
        machine_note(rows, machine),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def totals_table(rows: Sequence[Row]) -> str:
    """One line for each codec: size in all, bits per byte, speed both ways, peak memory."""
    head = ["codec", "bytes", "of raw", "bpb", "in kB/s", "out kB/s", "in MB", "out MB"]
    lines = [
        [
            f"**{total.codec}**" if total.codec.startswith("ncz-") else total.codec,
            f"{total.coded_size:,}",
            f"{100 * total.ratio:.2f} %",
            f"{total.bits_per_byte:.3f}",
            speed(total.encode_speed),
            speed(total.decode_speed),
            f"{total.encode_peak_bytes / 1e6:,.0f}",
            f"{total.decode_peak_bytes / 1e6:,.0f}",
        ]
        for total in totals(rows)
    ]
    return table(head, lines)


def sizes_table(rows: Sequence[Row]) -> str:
    """Every codec's size on every file."""
    codecs = list(_by_codec(rows))
    by_file: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        by_file.setdefault((row.group, row.file), {})[row.codec] = row
    lines = []
    for (_, name), found in by_file.items():
        least = min((row.coded_size for row in found.values() if row.ok), default=0)
        cells = [_size(found.get(codec), least) for codec in codecs]
        lines.append([name, f"{next(iter(found.values())).raw_size:,}", *cells])
    return table(["file", "raw", *codecs], lines)


def texts_table(rows: Sequence[Row]) -> str:
    """One line for each codec on each file: size beside level 6, speeds on the clock, memory."""
    head = ["file", "codec", "bytes", "bpb", "beside -6", "in tok/s", "out tok/s", "in kB/s"]
    head += ["out kB/s", "peak MB"]
    context = {(row.group, row.file): row.coded_size for row in rows if row.codec == "ncz-6"}
    lines = []
    for row in sorted(rows, key=lambda row: (row.group, row.file)):
        if not row.ok:
            lines.append([row.file, row.codec, "failed", *[""] * (len(head) - 3)])
            continue
        beside = context.get((row.group, row.file))
        by_six = f"{100 * (row.coded_size / beside - 1):+.1f} %" if beside else ""
        seconds = (row.encode_wall_s, row.decode_wall_s)
        lines.append(
            [
                row.file,
                f"**{row.codec}**" if row.codec.startswith("ncz-") else row.codec,
                f"{row.coded_size:,}",
                f"{8 * row.coded_size / row.raw_size:.3f}",
                by_six,
                *(f"{row.tokens / s:,.0f}" if row.tokens and s else "" for s in seconds),
                *(speed(row.raw_size / s if s else None) for s in seconds),
                f"{max(row.encode_peak_bytes, row.decode_peak_bytes) / 1e6:,.0f}",
            ]
        )
    return table(head, lines)


def machine_note(rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """What it ran on and which versions, and how to read the columns."""
    versions = ", ".join(
        f"{of_codec[0].codec} ({of_codec[0].version})"
        for of_codec in _by_codec(rows).values()
        if not of_codec[0].codec.startswith("ncz-")
    )
    memory = machine.get("memory_bytes")
    warm_up = max((t.warm_up_s for t in totals(rows) if t.codec.startswith("ncz-")), default=0.0)
    said = (
        f"{machine['date']}, ncz {machine['ncz']}, {machine['python']}, {machine['system']}, "
        f"{machine['processor']}, {machine['cores']} cores"
        + (f", {memory / 2**30:.0f} GiB of memory" if memory else "")
        + ". Speed is raw bytes per processor second on one core, in to compress and out to "
        "decompress; MB is the peak of the whole process, Python and the file included. "
        "Every file was decompressed in a process of its own and compared."
    )
    if warm_up:
        said += (
            f" Loading ncz's machine code, up to {warm_up:.1f} s once a process, is not in its "
            "speed."
        )
    return said + (f" Peers: {versions}." if versions else "")


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, numbers to the right."""
    rules = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rules, *lines))


def speed(bytes_per_second: float | None) -> str:
    """Kilobytes a second with as many digits as mean something."""
    if bytes_per_second is None:
        return "–"
    kilobytes = bytes_per_second / 1000
    return f"{kilobytes:,.0f}" if kilobytes >= 10 else f"{kilobytes:.1f}"


def _wins(rows: Sequence[Row]) -> str:
    of_codec = _by_codec(rows)
    ours = [name for name in of_codec if name.startswith("ncz-")]
    if not ours:
        return ""
    strongest = max(ours, key=lambda name: int(name.removeprefix("ncz-")))
    mine = {(row.group, row.file): row for row in of_codec[strongest] if row.ok}
    said = []
    for codec, theirs in of_codec.items():
        both = [
            (mine[at], row) for row in theirs if row.ok and (at := (row.group, row.file)) in mine
        ]
        if codec not in ours and both:
            fewer = sum(one.coded_size < other.coded_size for one, other in both)
            said.append(f"{codec} on {fewer} of {len(both)}")
    return f"{strongest} is smaller than {', than '.join(said)} files." if said else ""


def _token_speeds(rows: Sequence[Row]) -> str:
    """How fast language models are where they are used: on the clock, all cores at work."""
    said = []
    for codec, of_codec in _by_codec(rows).items():
        asked = [row for row in of_codec if row.ok and row.tokens]
        if asked:
            tokens = sum(row.tokens for row in asked)
            inward = tokens / sum(row.encode_wall_s for row in asked)
            outward = tokens / sum(row.decode_wall_s for row in asked)
            files = "1 file" if len(asked) == 1 else f"{len(asked)} files"
            said.append(
                f"{codec} reads {inward:,.0f} tokens a second and restores {outward:,.0f}, on the "
                f"clock and on all cores, on the {files} of text."
            )
    return " ".join(said)


def _by_codec(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.codec, []).append(row)
    return found


def _total(rows: Sequence[Row]) -> Total:
    raw = sum(row.raw_size for row in rows)

    def over(seconds: Callable[[Row], float]) -> float | None:
        spent = sum(map(seconds, rows))
        return raw / spent if spent > 0 else None

    return Total(
        codec=rows[0].codec,
        version=rows[0].version,
        files=len(rows),
        raw_size=raw,
        coded_size=sum(row.coded_size for row in rows),
        encode_speed=over(lambda row: row.encode_cpu_s),
        decode_speed=over(lambda row: row.decode_cpu_s),
        encode_wall_speed=over(lambda row: row.encode_wall_s),
        decode_wall_speed=over(lambda row: row.decode_wall_s),
        encode_peak_bytes=max(row.encode_peak_bytes for row in rows),
        decode_peak_bytes=max(row.decode_peak_bytes for row in rows),
        warm_up_s=max(max(row.encode_warm_up_s, row.decode_warm_up_s) for row in rows),
    )


def _size(row: Row | None, least: int) -> str:
    if row is None:
        return ""
    if not row.ok:
        return "failed"
    return f"**{row.coded_size:,}**" if row.coded_size == least else f"{row.coded_size:,}"
