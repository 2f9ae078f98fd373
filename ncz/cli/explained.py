"""An explained text for terminals and programs: coloured, as a table, in sums, and as JSON."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ncz.cli import heat
from ncz.cli.page import dearest
from ncz.cli.visible import line, marked, pieces

if TYPE_CHECKING:
    from ncz.models.text.explain import Explanation, TokenCost

_ROW = "{:>9}  {:>7}  {:>7}  {:>7}  {}"


def coloured(found: Explanation) -> Iterator[str]:
    """The text line by line, each piece in the colour of its cost, and what the colours mean."""
    painter = heat.Painter(os.environ)
    row = ""
    for piece in pieces([token.text for token in found.tokens]):
        number = heat.level(sum(t.bits for t in found.tokens[piece.first : piece.last]))
        run = ""
        for part, is_mark in marked(piece.text):
            if part != "\n" or is_mark:
                run += part
                continue
            yield row + painter.paint(run, number)
            row = run = ""
        if run:
            row += painter.paint(run, number)
    if row:
        yield row
    yield ""
    names = heat.labels(heat.EDGES)
    yield "bits: " + " ".join(painter.paint(f" {name} ", k) for k, name in enumerate(names))


def table(found: Explanation) -> Iterator[str]:
    """A line for each token: its offset, its costs, its rank and itself."""
    yield _ROW.format("offset", "bits", "model", "choice", "token")
    at = 0
    for token in found.tokens:
        yield _ROW.format(at, *_numbers(token), quoted(token.text))
        at += len(token.text)


def summary(found: Explanation, model: str) -> Iterator[str]:
    """What came of the whole text, and its most expensive tokens."""
    totals = found.totals
    share = 100 * totals.first_choices / max(totals.tokens, 1)
    yield (
        f"{totals.raw_size:,} -> {totals.coded_size:,} bytes; {totals.tokens:,} tokens, "
        f"{share:.0f} % of them the first choice of {model}"
    )
    gain = 100 * (1 - totals.bits / totals.model_bits) if totals.model_bits else 0.0
    said = "save" if gain >= 0 else "cost"
    yield f"  {totals.per_byte(totals.bits):>7.3f} bits per byte in the file"
    yield (
        f"  {totals.per_byte(totals.model_bits):>7.3f} the language model alone; contexts mixed "
        f"in {said} {abs(gain):.1f} %"
    )
    yield f"  {totals.per_byte(totals.context_bits):>7.3f} contexts alone, level 6"
    yield "the most expensive tokens:"
    yield "  " + _ROW.format("offset", "bits", "model", "choice", "token, and what was expected")
    starts = [0, *itertools.accumulate(len(token.text) for token in found.tokens)]
    for number in dearest(found.tokens):
        token = found.tokens[number]
        said = quoted(token.text)
        if token.alternatives:
            other, chance = token.alternatives[0]
            said += f"  {quoted(other)} {100 * chance:.0f} %"
        yield "  " + _ROW.format(f"{starts[number]:,}", *_numbers(token), said)


def as_record(found: Explanation) -> dict[str, Any]:
    """Everything, for JSON. Bytes that are no UTF-8 are written as ``\\xf0``."""
    totals = found.totals
    return {
        "raw_size": totals.raw_size,
        "coded_size": totals.coded_size,
        "bits": round(totals.bits, 3),
        "model_bits": round(totals.model_bits, 3),
        "context_bits": round(totals.context_bits, 3),
        "first_choices": totals.first_choices,
        "tokens": [
            {
                "text": _plain(token.text),
                "size": len(token.text),
                "bits": round(token.bits, 4),
                "model_bits": None if token.model_bits is None else round(token.model_bits, 4),
                "share": round(token.share, 4),
                "rank": None if token.model_bits is None else token.rank,
                "alternatives": [[_plain(text), round(p, 6)] for text, p in token.alternatives],
            }
            for token in found.tokens
        ],
    }


def quoted(token: bytes) -> str:
    """A token on one line, in quotation marks, so that its spaces are seen."""
    return f"“{line(token)}”"


def _numbers(token: TokenCost) -> tuple[str, str, str]:
    if token.model_bits is None:
        return f"{token.bits:.2f}", "-", "-"
    return f"{token.bits:.2f}", f"{token.model_bits:.2f}", f"{token.rank + 1:,}"


def _plain(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
