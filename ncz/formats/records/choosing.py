"""Which form a column gets, told from its cells, and what that form would cost.

Numbers come first, then categories, then patterns, and text is what is left. A form has to hold
for cells that it was not made of: what is made of the first three quarters has to read the last
one, so that names that never return, or days of a log, are no category. Strings that occur once are
not listed: their share among the cells is the best guess of how often a new one comes, and so a
model learns from the training data itself how often a cell is escaped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ncz.formats.records.forms import (
    MAX_DECIMALS,
    MAX_DIGITS,
    MAX_HOLES,
    MAX_STRING,
    MAX_STRINGS,
    MAX_WIDTH,
    Category,
    Form,
    Number,
    Pattern,
    Template,
    Text,
    skeleton,
    starts_with_zero,
)

_NUMBERS = 0.98  # share of the cells that a number has to read, or what stands for none
_CATEGORIES = 0.95
_PATTERNS = 0.8
_LATER = 0.8  # of those shares, what has to hold for the last quarter
_FIXED_DECIMALS = 0.999  # share that agree in their digits behind the point
_BUDGET = 12_288  # bytes of a column's strings
_MISSING = 0.001  # share of the cells from which on one that is no number stands for none

_TEXT_BITS = 2.5  # a byte of text under a good coder, about
_LISTED_BITS = 4.0  # a byte of the layout

_Key = TypeVar("_Key", bytes, tuple[bytes, ...])


def choose(cells: Sequence[bytes], ordered: bool = True) -> Form:
    """The form of a column with these cells, in the order of their lines.

    Args:
        cells: what to learn from.
        ordered: what is to be coded follows them, and is not drawn from among them: the last
            quarter has to be foreseen from those before it.
    """
    if not cells:
        return Text()
    counts = Counter(cells)
    number = _number(counts)
    if _share(number, counts) >= _NUMBERS:
        return number
    early, late = Counter(cells[: -(len(cells) // 4) or None]), Counter(cells[-(len(cells) // 4) :])
    for make, share in ((_category, _CATEGORIES), (_pattern, _PATTERNS)):
        found = make(counts)
        if found is None or _share(found, counts) < share:
            continue
        if not ordered or len(cells) < 8 or _share(make(early), late) >= share * _LATER:
            return found
    return Text()


def cost(form: Form, cells: Sequence[bytes]) -> float:
    """Bits that a column takes in this form, about: variables coded one by one, strings as text."""
    counts = Counter(cells)
    read = {cell: form.read(cell) for cell in counts}
    bits = _LISTED_BITS * len(form.pack())
    width = max((len(row) for row in read.values() if row is not None), default=0)
    for i in range(width):
        tally: Counter[int | None] = Counter()
        for cell, row in read.items():
            tally[row[i] if row is not None else None] += counts[cell]
        bits += _entropy(tally)
    escaped = {cell: n for cell, n in counts.items() if not read[cell]}
    # One that comes again costs which one it is; the first time, its bytes.
    bits += _TEXT_BITS * sum(len(cell) + 1 for cell in escaped)
    return bits + min(_entropy(escaped), _TEXT_BITS * sum(len(c) * n for c, n in escaped.items()))


def _entropy(counts: Mapping[Any, int]) -> float:
    total = sum(counts.values())
    return sum(n * math.log2(total / n) for n in counts.values())


def _share(form: Form | None, counts: Mapping[bytes, int]) -> float:
    """The share of the cells that a form reads."""
    if form is None:
        return 0.0
    total = sum(counts.values())
    return sum(n for cell, n in counts.items() if form.read(cell) is not None) / max(total, 1)


def _number(counts: Counter[bytes]) -> Number:
    """The number that reads the most of these cells, not counting what stands for none."""
    total = sum(counts.values())
    plain = Counter[bytes]()
    digits = Counter[int]()
    widths = Counter[int]()
    for cell, n in counts.items():
        body = cell.strip(b" -")
        whole, _, fraction = body.partition(b".")
        if whole.isdigit() and (fraction.isdigit() or body == whole):
            plain[cell] += n
            digits[len(fraction)] += n
            widths[len(cell)] += n
    if not plain:
        return Number()
    most = min(max(digits), MAX_DECIMALS)
    decimals, agreeing = digits.most_common(1)[0]
    varying = agreeing < _FIXED_DECIMALS * sum(digits.values()) and most > 0
    decimals = most if varying else min(decimals, MAX_DECIMALS)
    width, same = widths.most_common(1)[0]
    found = Number(decimals, varying)
    if same >= _FIXED_DECIMALS * sum(widths.values()) and width <= MAX_WIDTH:
        blank, zero = Number(decimals, varying, width), Number(decimals, varying, width, True)
        found = max(found, blank, zero, key=lambda form: _share(form, plain))
    odd = [cell for cell, _ in counts.most_common(MAX_STRINGS) if found.read(cell) is None]
    if not odd or counts[odd[0]] < max(2, _MISSING * total) or len(odd[0]) > MAX_STRING:
        return found
    low = min((row[0] for cell in plain if (row := found.read(cell))), default=0)
    return Number(found.decimals, varying, found.width, found.zeros, odd[0], min(low, 0) - 1)


def _category(counts: Counter[bytes]) -> Category | None:
    found: list[bytes] = []
    size = 0
    for cell, n in _by_number(counts):
        size += len(cell) + 2
        if size > _BUDGET or len(found) == MAX_STRINGS:
            break
        if n > 1 and len(cell) <= MAX_STRING:
            found.append(cell)
    return Category(tuple(found)) if found else None


def _pattern(counts: Counter[bytes]) -> Pattern | None:
    skeletons: Counter[tuple[bytes, ...]] = Counter()
    runs: dict[tuple[bytes, ...], list[list[bytes]]] = {}
    for cell, n in counts.items():
        literals, found = skeleton(cell)
        skeletons[literals] += n
        runs.setdefault(literals, []).append(found)
    templates: list[Template] = []
    size = 0
    for literals, n in _by_number(skeletons):
        bytes_ = sum(map(len, literals)) + 2 * len(literals)
        if n == 1 or len(literals) > MAX_HOLES + 1 or bytes_ > MAX_STRING:
            continue
        size += bytes_
        if size > _BUDGET or len(templates) == MAX_STRINGS:
            break
        widths = [_width(hole) for hole in zip(*runs[literals], strict=True)]
        templates.append(Template(literals, tuple(widths)))
    # Without a number it would be a category, and for that it has failed.
    return Pattern(tuple(templates)) if any(found.widths for found in templates) else None


def _by_number(counts: Counter[_Key]) -> list[tuple[_Key, int]]:
    """The most frequent first, and in one order on every machine."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _width(runs: Sequence[bytes]) -> int:
    """The width of the numbers of a hole, if some show by a leading zero that it is fixed."""
    width = len(runs[0])
    fixed = all(len(run) == width for run in runs) and any(map(starts_with_zero, runs))
    return width if fixed and width <= MAX_DIGITS else 0
