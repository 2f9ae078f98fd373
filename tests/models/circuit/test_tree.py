from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.models.circuit import tree
from tests.models.circuit import making


def information(a: list[int], b: list[int]) -> float:
    """Mutual information in nats, from its definition."""
    total, pairs = len(a), Counter(zip(a, b, strict=True))
    one, other = Counter(a), Counter(b)
    return sum(n / total * math.log(n * total / (one[x] * other[y])) for (x, y), n in pairs.items())


def table(columns: int, rows: int = 200) -> np.ndarray:
    """Columns that have more or less to do with each other."""
    dice = np.random.default_rng(columns)
    out = dice.integers(0, 4, (rows, columns))
    for column in range(1, columns):
        same = dice.random(rows) < 0.3 + 0.6 * dice.random()
        out[same, column] = out[same, dice.integers(column)]
    return out


@pytest.mark.parametrize("block", [1, 2500, 1 << 24])
def test_mutual_information(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_BLOCK", block)
    data = table(6)
    data[:, 3] = 2  # tells nothing
    found = tree.mutual_information(tree.binned(data, 4), 4)
    for a, b in itertools.product(range(6), repeat=2):
        expected = information(data[:, a].tolist(), data[:, b].tolist())
        assert found[a, b] == pytest.approx(expected, abs=1e-6)


def test_no_tree_has_more_information() -> None:
    data = table(5)
    weight = tree.mutual_information(tree.binned(data, 4), 4)
    pairs = list(itertools.combinations(range(5), 2))
    most = max(
        sum(weight[a, b] for a, b in edges)
        for edges in itertools.combinations(pairs, 4)
        if _spans(edges, 5)
    )
    found = tree.chow_liu(data, 4)
    own = sum(weight[found.order[place], found.order[found.parent[place]]] for place in range(1, 5))
    assert own == pytest.approx(most)


def _spans(edges: tuple[tuple[int, int], ...], size: int) -> bool:
    of = list(range(size))
    for a, b in edges:
        of = [of[a] if one == of[b] else one for one in of]
    return len(set(of)) == 1


def depths(found: tree.Tree) -> list[int]:
    out: list[int] = []
    for above in found.parent.tolist():
        out.append(out[above] + 1 if above >= 0 else 0)
    return out


@given(st.integers(1, 40), st.integers(0, 99))
def test_a_rooted_tree(size: int, seed: int) -> None:
    dice = np.random.default_rng(seed)
    edges = [(int(dice.integers(i)), i) for i in range(1, size)]
    found = tree.rooted(edges)
    assert sorted(found.order.tolist()) == list(range(size))
    own = {
        frozenset((int(found.order[place]), int(found.order[found.parent[place]])))
        for place in range(1, size)
    }
    assert own == {frozenset(edge) for edge in edges}
    # What stands below a place follows it without a gap.
    for place in range(size):
        below = [other for other in range(size) if place in _path(found, other)]
        assert below == list(range(place, place + len(below)))
    assert found.depth.tolist() == depths(found)
    # The root is the centre: the longest path through the tree is cut in half.
    longest = max(depths(tree.rooted(edges)))
    assert longest == min(_depth_from(edges, size, root) for root in range(size))


def _path(found: tree.Tree, place: int) -> list[int]:
    out = []
    while place >= 0:
        out.append(place)
        place = int(found.parent[place])
    return out


def _depth_from(edges: list[tuple[int, int]], size: int, root: int) -> int:
    far, line = {root: 0}, [root]
    for at in line:
        for a, b in edges:
            for here, there in ((a, b), (b, a)):
                if here == at and there not in far:
                    far[there] = far[at] + 1
                    line.append(there)
    assert len(far) == size
    return max(far.values())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_smallest_trees(size: int) -> None:
    found = tree.chow_liu(table(size))
    assert found.parent.tolist() == [-1, 0, 0][:size] or size == 3
    assert sorted(found.order.tolist()) == list(range(size))


def test_a_chain_is_hung_at_its_middle() -> None:
    found = tree.rooted([(i, i + 1) for i in range(10)])
    assert found.order[0] == 5
    assert int(found.depth.max()) == 5
    assert making.chain(4).depth.tolist() == [0, 1, 2, 3]


def test_bins_are_about_equally_full() -> None:
    dice = np.random.default_rng(1)
    column = (dice.random(4000) ** 3 * 1000).astype(np.int64)
    counts = np.bincount(tree.binned(column[:, None], 8)[:, 0], minlength=8)
    assert counts.sum() == 4000
    assert counts[1:].min() > 350
    few = tree.binned(np.array([[5], [7], [5], [9]]), 8)[:, 0]
    assert few.tolist() == [0, 1, 0, 2]
