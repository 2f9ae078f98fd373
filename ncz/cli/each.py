"""The loop over FILES: one that fails is reported and does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ncz.cli import exits
from ncz.cli.reporting import Reporter

Record = dict[str, Any]


class Skip(Exception):
    """There is nothing to do for this file, and that is no failure."""


def each_file(
    files: Sequence[str], reporter: Reporter, action: Callable[[str, Record], int]
) -> int:
    """Call `action` with each name and the record to fill in; return the highest code.

    Errors become one sentence each. A broken pipe ends everything and is left to the caller.
    """
    return max((_one(name, reporter, action) for name in files), default=exits.OK)


def _one(name: str, reporter: Reporter, action: Callable[[str, Record], int]) -> int:
    record: Record = {"file": name}
    try:
        code = action(name, record)
    except BrokenPipeError:
        raise
    except Skip as reason:
        code = exits.OK
        record["skipped"] = str(reason)
        reporter.note(name, str(reason))
    except Exception as error:
        if os.environ.get("NCZ_DEBUG"):
            raise
        code, sentence = exits.explain(error)
        record["error"] = sentence.removeprefix(f"{name} ")  # the line starts with it
        reporter.error(name, record["error"])
    reporter.record({**record, "ok": code == exits.OK, "exit": code})
    return code
