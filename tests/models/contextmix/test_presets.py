"""What the presets of revision 1 are."""

from __future__ import annotations

import hashlib

import pytest

from ncz.models.contextmix import binary, kernel, machine, textual
from ncz.models.contextmix.presets import PRESETS, REVISION, Preset, matches

COUNTS = {
    kernel.TEXT: textual.COUNT,
    kernel.BINARY: binary.COUNT,
    kernel.MACHINE32: machine.COUNT,
    kernel.MACHINE64: machine.COUNT,
}


def test_golden() -> None:
    """A released preset never changes: a better one belongs to a new revision."""
    assert REVISION == 1
    listed = "\n".join(repr(PRESETS[number]) for number in sorted(PRESETS))
    assert hashlib.sha256(listed.encode()).hexdigest() == (
        "4340dbfa2006b5bf2498a8711746887a44ebc9771ccf10fbbcc8579a313cc849"
    )


def test_there_is_one_for_each_level() -> None:
    assert {number: preset.number for number, preset in PRESETS.items()} == {
        level: level for level in range(2, 7)
    }


@pytest.mark.parametrize("preset", PRESETS.values())
def test_it_names_what_there_is(preset: Preset) -> None:
    for kind in kernel.KINDS:
        contexts = preset.contexts(kind)
        assert list(contexts) == sorted(set(contexts))
        assert all(0 <= context < COUNTS[kind] <= kernel.CONTEXTS for context in contexts)
    assert list(preset.sets) == sorted(set(preset.sets))
    assert all(0 <= number < kernel.SETS for number in preset.sets)


@pytest.mark.parametrize("preset", PRESETS.values())
def test_memory_follows_the_size_between_its_bounds(preset: Preset) -> None:
    sizes = [1 << bits for bits in range(31)]
    for kind in kernel.KINDS:
        lines = [preset.lines(kind, size) for size in sizes]
        assert lines == sorted(lines)
        assert lines[0] == preset.least_line_bits
        assert lines[-1] == preset.line_bits
    slots = [matches(size) for size in sizes]
    assert slots == sorted(slots)
    assert (slots[0], slots[-1]) == (12, 22)
