"""Counts that add up over runs: what reliability is told by, in one file for each campaign.

A campaign of a million tries is run in pieces, on any day, so what it finds is added to what is
there, as long as that is of the same version of ncz. What was found by another version is
replaced: it says nothing about this one. Several processes may add at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ncz.corpora import machine
from ncz.formats import temporaries

Found = dict[str, Any]

LARGEST = "peak_"
"""A number whose name begins so is a maximum; all others are sums."""


def add(folder: Path, part: str, found: Found) -> Found:
    """Add what a run has found to ``PART.json`` in `folder`, and return all of it.

    Args:
        folder: made if it is not there.
        part: name of the campaign.
        found: numbers, which are added; lists, which are joined; everything else is replaced.

    Returns:
        what the file holds now: the sums, and ``machine``.
    """
    return _write(folder, part, found, keep=True)


def put(folder: Path, part: str, found: Found) -> Found:
    """The same in place of what is there, for what is measured and not counted."""
    return _write(folder, part, found, keep=False)


def read(folder: Path, part: str) -> Found:
    """What ``PART.json`` holds; empty if it is not there."""
    path = folder / f"{part}.json"
    if not path.is_file():
        return {}
    known: Found = json.loads(path.read_text("utf-8"))
    return known


def _write(folder: Path, part: str, found: Found, keep: bool) -> Found:
    from filelock import FileLock

    path = folder / f"{part}.json"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{part}.lock"):
        now = machine.describe()
        known = read(folder, part) if keep else {}
        if known.get("machine", {}).get("ncz") != now["ncz"]:
            known = {}
        total = {**known, **found, "machine": now}
        for name in known.keys() & found.keys():
            total[name] = _both(name, known[name], found[name])
        descriptor, temporary = temporaries.create(path)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(total, file, indent=2)
                file.write("\n")
            temporaries.publish(temporary, path, replace=True)
        finally:
            temporaries.discard(temporary)
    return total


def _both(name: str, before: Any, now: Any) -> Any:
    if isinstance(now, bool) or type(before) is not type(now):
        both = isinstance(now, (int, float)) and isinstance(before, (int, float))
        return before + now if both and not isinstance(now, bool) else now
    if isinstance(now, (int, float)):
        return max(before, now) if name.startswith(LARGEST) else before + now
    return before + now if isinstance(now, list) else now
