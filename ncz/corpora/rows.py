"""What a benchmark leaves behind: one row per file and codec, kept as JSON lines.

A row is appended when it is measured, so whatever ends a run, the rows before stay. A torn
last line, which a crash can leave, is dropped on reading.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMAT = 1  # of results.json; raised when a field changes its meaning


@dataclass(frozen=True)
class Row:
    """One codec on one file. Sizes in bytes, times in seconds; the best of all repeats.

    Attributes:
        group: the set or folder the file was asked for by.
        file: the file's name in there.
        raw_size: its size.
        raw_sha256: SHA-256 of its content, in hex.
        codec: the codec's name.
        version: the codec's version.
        repeat: how many times it was measured.
        error: why the round trip failed, or None if the same bytes came back.
        coded_size: the coded file's size; it and what follows are 0 if there was an error.
        encode_cpu_s: processor seconds of encoding, all threads together.
        encode_wall_s: the same on the clock.
        encode_peak_bytes: peak of memory, the process and its data included.
        encode_warm_up_s: what the first call on a few kilobytes took.
        decode_cpu_s: as for encoding.
        decode_wall_s: as for encoding.
        decode_peak_bytes: as for encoding.
        decode_warm_up_s: as for encoding.
        tokens: how many tokens a language model was asked about; 0 without one.
    """

    group: str
    file: str
    raw_size: int
    raw_sha256: str
    codec: str
    version: str
    repeat: int
    error: str | None = None
    coded_size: int = 0
    encode_cpu_s: float = 0.0
    encode_wall_s: float = 0.0
    encode_peak_bytes: int = 0
    encode_warm_up_s: float = 0.0
    decode_cpu_s: float = 0.0
    decode_wall_s: float = 0.0
    decode_peak_bytes: int = 0
    decode_warm_up_s: float = 0.0
    tokens: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two rows answers to the same question."""
        return (self.group, self.file, self.raw_sha256, self.codec, self.version, str(self.repeat))

    @property
    def ok(self) -> bool:
        """Whether the same bytes came back."""
        return self.error is None


def append(path: Path, row: Row) -> None:
    """Adds a row to a file of JSON lines, all of it or nothing that counts."""
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(row)) + "\n")


def load(path: Path) -> list[Row]:
    """The rows of a file of JSON lines; of several with one key the last. None: no rows."""
    if not path.exists():
        return []
    text = path.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, "utf-8")  # else the next row would go on the torn line
    rows = (Row(**json.loads(line)) for line in whole.splitlines())
    return list({row.key: row for row in rows}.values())


def as_json(rows: list[Row], machine: dict[str, Any]) -> str:
    """Everything a run knows, as one JSON document."""
    body = {"format": FORMAT, "machine": machine, "rows": [asdict(row) for row in rows]}
    return json.dumps(body, indent=1) + "\n"


def from_json(text: str) -> tuple[list[Row], dict[str, Any]]:
    """The rows and the machine of a document that :func:`as_json` wrote."""
    body = json.loads(text)
    return [Row(**row) for row in body["rows"]], body["machine"]
