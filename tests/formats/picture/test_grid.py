"""Tiles cover a picture, and put together they are the picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ncz.formats.picture.grid import Grid, joined


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    tile = draw(st.integers(16, 40))
    sides = st.integers(1, 120)
    return Grid(draw(sides), draw(sides), tile, draw(st.integers(0, tile // 4)))


@given(grids())
def test_cores_are_the_picture_once(grid: Grid) -> None:
    seen = np.zeros((grid.height, grid.width), int)
    for number in range(grid.count):
        core = grid.core(number)
        assert 1 <= core.width <= grid.tile
        assert 1 <= core.height <= grid.tile
        seen[core.top : core.bottom, core.left : core.right] += 1
    assert (seen == 1).all()


@given(grids(), st.integers(1, 3))
def test_cut_and_joined_is_the_same(grid: Grid, channels: int) -> None:
    shape = (grid.height, grid.width, channels)
    picture = np.random.default_rng(1).random(shape, np.float32)
    tiles = []
    for number in range(grid.count):
        box = grid.box(number)
        tiles.append(picture[box.top : box.bottom, box.left : box.right])
    due, strips = 0, []
    for top, strip in joined(grid, tiles):
        assert top == due
        due += len(strip)
        strips.append(strip)
    assert np.abs(np.concatenate(strips) - picture).max() < 1e-6


def test_one_tile_fades_into_the_next() -> None:
    grid = Grid(128, 16, 64, 16)
    tiles = [np.full((16, grid.box(n).width, 1), n, np.float32) for n in range(2)]
    [(_, strip)] = joined(grid, tiles)
    line = strip[0, :, 0]
    assert (line[:48] == 0).all()
    assert (line[80:] == 1).all()
    assert (np.diff(line[48:80]) > 0).all()
