"""Counts that add up over runs of one version, kept as JSON: what ``docs/reliability.md`` reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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


def add(path: Path, found: Mapping[str, Any], most: Mapping[str, Any] | None = None) -> Record:
    """Add `found` to what is recorded at `path`, and write it.

    Args:
        path: of the JSON file; its folder is made.
        found: numbers, and dicts of such to any depth, which are added; anything else replaces.
        most: the same, but of these the largest is kept.
    """
    known = load(path)
    total = _joined(_joined(known, found, _sum), most or {}, max)
    total["machine"] = machine.describe()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(total, indent=1) + "\n", "utf-8")
    partial.replace(path)
    return total


def _sum(a: float, b: float) -> float:
    return a + b


def _joined(
    known: Mapping[str, Any], found: Mapping[str, Any], join: Callable[[float, float], float]
) -> Record:
    out = dict(known)
    for name, value in found.items():
        if isinstance(value, Mapping):
            out[name] = _joined(out.get(name, {}), value, join)
        elif isinstance(value, (int, float)):
            out[name] = join(out[name], value) if name in out else value
        else:
            out[name] = value
    return out
