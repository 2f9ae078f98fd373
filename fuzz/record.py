"""Counts that add up over runs of one version, kept as JSON: what ``docs/reliability.md`` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncz.corpora import machine

Record = dict[str, Any]


def load(path: Path) -> Record:
    """What runs of this version have recorded at `path`; empty if none has."""
    try:
        known: Record = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    of = known.get("machine", {}).get("ncz")
    return known if of == machine.describe()["ncz"] else {}


def add(path: Path, found: Mapping[str, Any], most: Mapping[str, float] | None = None) -> Record:
    """Add `found` to what is recorded at `path`, and write it.

    Args:
        path: of the JSON file; its folder is made.
        found: numbers, and dicts of such to any depth, which are added; anything else replaces.
        most: numbers of which the largest is kept.
    """
    known = load(path)
    total = _sum(known, found)
    for name, value in (most or {}).items():
        total[name] = max(value, known.get(name, value))
    total["machine"] = machine.describe()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(total, indent=1) + "\n", "utf-8")
    partial.replace(path)
    return total


def _sum(known: Mapping[str, Any], found: Mapping[str, Any]) -> Record:
    out = dict(known)
    for name, value in found.items():
        if isinstance(value, Mapping):
            out[name] = _sum(out.get(name, {}), value)
        elif isinstance(value, (int, float)):
            out[name] = out.get(name, 0) + value
        else:
            out[name] = value
    return out
