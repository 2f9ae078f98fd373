"""Makes the golden circuit and rows coded by it, which must decode for ever.

    python -m tests.golden.circuits          # makes them, unless they are there

What is there is never made again: its digests stand in tests/models/circuit/test_golden.py.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from ncz.models.circuit import exact, rows
from ncz.models.circuit.leaves import learn
from ncz.models.circuit.tree import rooted

HERE = Path(__file__).parent / "circuits"
CIRCUIT, ROWS = HERE / "golden.circuit", HERE / "golden.rows"
GROUP = 7
LEAST, MOST = -(1 << 63), (1 << 63) - 1
DOMAINS = [(0, 256)] * 5 + [(-(1 << 31), 1 << 32), (0, 100_000), (0, 0)]


def values(count: int = 60) -> np.ndarray:
    """Rows of a few kinds, with numbers of every size, the same on every machine."""
    dice = random.Random(6)
    out = []
    for _ in range(count):
        kind = dice.randrange(3)
        far = dice.choice([LEAST, MOST, 0, dice.randint(LEAST, MOST)])
        small = [kind * 3 + dice.randrange(2), dice.randrange(4), 255 * (kind == 1), 9, kind]
        out.append([*small, dice.randint(-70_000, 70_000), dice.randrange(100_000), far])
    return np.array(out, np.int64)


def codes() -> exact.Codes:
    """A circuit of three states, which has seen the first half of the rows, and cannot be right."""
    dice = random.Random(7)
    tree = rooted([(0, 1), (0, 2), (2, 3), (2, 4), (4, 5), (5, 6), (0, 7)])
    leaves = learn(values()[:30], DOMAINS, most=10, ranges=4).of(tree.order)

    def some(*shape: int) -> np.ndarray:
        picked = [dice.choice([0, 5, 12, 40, 100, 200, 255]) for _ in range(int(np.prod(shape)))]
        return np.array(picked, np.uint8).reshape(shape)

    symbols = some(len(leaves.lows), 3)
    return exact.Codes(tree, leaves, some(3), some(8, 3, 3), symbols, {"for": "ever"})


def main() -> None:
    for path in (CIRCUIT, ROWS):
        if path.exists():
            raise SystemExit(f"{path} stays as it is")
    HERE.mkdir(exist_ok=True)
    exact.save(codes(), CIRCUIT)
    ROWS.write_bytes(rows.encode(exact.load(CIRCUIT), values(), GROUP))


if __name__ == "__main__":
    main()
