"""Small circuits and records for them, made by counting, so that no test has to train one."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from ncz.formats import records
from ncz.formats.records import coder
from ncz.formats.records.fixed import Field, Fixed
from ncz.formats.records.layout import Layout
from ncz.models.circuit import exact
from ncz.models.circuit.leaves import learn
from ncz.models.circuit.tree import Tree

PIXELS = Fixed((Field("u1", 6),))
_STATES = 3


def pixels(count: int, seed: int = 1) -> bytes:
    """Records of six bytes that go together."""
    rng = random.Random(seed)
    out = bytearray()
    for _ in range(count):
        level = rng.choice([10, 100, 200])
        out += bytes(level + rng.randrange(3) for _ in range(6))
    return bytes(out)


def rows(count: int, seed: int = 1) -> bytes:
    """Lines of a table, with its head."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        room = rng.randrange(4)
        cells = (rng.randrange(50), "abcd"[room], 20 + room + rng.randrange(2))
        lines.append("{},{},{},{:.2f}\n".format(*cells, rng.random()))
    return ("number,room,degrees,share\n" + "".join(lines)).encode()


def of(layout: Layout, sample: bytes, seed: int = 1) -> bytes:
    """The file of a circuit for records like those of `sample`.

    A chain of variables: each latent state prefers to be its neighbour's, and the values that fall
    into its share of the sample's, in order.
    """
    values = coder.closed(layout.split(sample).values, layout.variables)
    leaves = learn(values, coder.domains(layout.variables), most=32, ranges=8)
    places = values.shape[1]
    rng = np.random.default_rng(seed)
    stay = 0.97 * np.eye(_STATES) + 0.03 / _STATES
    likely = np.zeros((len(leaves.lows), _STATES))
    symbols, _ = leaves.symbols(values)
    for place in range(places):
        first, end = int(leaves.start[place]), int(leaves.start[place + 1])
        states = np.argsort(np.argsort(values[:, place], kind="stable")) * _STATES // len(values)
        np.add.at(likely[first:end], (symbols[:, place], states), 1.0)
        likely[first:end] += 0.05 + 0.01 * rng.random((end - first, _STATES))
        likely[first:end] /= likely[first:end].sum(axis=0)
    codes = exact.Codes(
        Tree(np.arange(places), np.arange(places) - 1),
        leaves,
        exact.codes_of(np.full(_STATES, 1 / _STATES)),
        exact.codes_of(np.repeat(stay[None], places, axis=0)),
        exact.codes_of(likely),
        {"layout": layout.pack().hex(), "bits": 8 * places},
    )
    return exact.to_bytes(codes)


def of_pixels() -> bytes:
    """A circuit for :func:`pixels`."""
    return of(PIXELS, pixels(200))


def of_rows() -> bytes:
    """A circuit for :func:`rows`."""
    layout, _ = records.detect(rows(200))
    assert layout is not None
    return of(layout, rows(200))


def saved(folder: Path, data: bytes, name: str = "my.circuit") -> Path:
    """A circuit as a file."""
    path = folder / name
    path.write_bytes(data)
    return path
