"""A circuit and rows that must decode for ever; see tests/golden/circuits.py."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ncz.models.circuit import exact, rows
from tests.golden import circuits
from tests.independent import circuit as independent

CIRCUIT = "09bb7f0304a5252353d181b1b32f49906a6d5c8f32ac33484d9d07a59068d24c"
ROWS = "269abe897c4bc2f7fb8235301c17025fb9b65d4b0da4ab67a7f88cce60f78479"


def test_the_files_are_as_they_were() -> None:
    assert hashlib.sha256(circuits.CIRCUIT.read_bytes()).hexdigest() == CIRCUIT
    assert hashlib.sha256(circuits.ROWS.read_bytes()).hexdigest() == ROWS
    with pytest.raises(SystemExit, match="stays as it is"):
        circuits.main()


def test_rows_decode() -> None:
    circuit = exact.load(circuits.CIRCUIT)
    assert circuit.digest.hex() == CIRCUIT
    values = circuits.values()
    found = rows.opened(circuit, circuits.ROWS.read_bytes(), len(values), circuits.GROUP)
    assert np.array_equal(found.read(0, len(values)), values)
    assert np.array_equal(found.read(31, 32), values[31:32])


def test_rows_are_coded_the_same() -> None:
    coded = rows.encode(exact.load(circuits.CIRCUIT), circuits.values(), circuits.GROUP)
    assert coded == circuits.ROWS.read_bytes()


def test_an_independent_decoder_agrees() -> None:
    circuit = independent.Circuit(circuits.CIRCUIT.read_bytes())
    values = circuits.values()
    coded = circuits.ROWS.read_bytes()
    assert independent.decode(circuit, coded, len(values), circuits.GROUP) == values.tolist()


def test_the_codes_are_those_that_it_was_made_of() -> None:
    found, made = exact.load(circuits.CIRCUIT).codes, circuits.codes()
    assert np.array_equal(found.edges, made.edges)
    assert np.array_equal(found.symbols, made.symbols)
    assert np.array_equal(found.leaves.widths, made.leaves.widths)
    assert np.array_equal(found.tree.order, made.tree.order)
