"""The colours can be told apart without seeing hues, and what is written on them can be read."""

import itertools
import re
from importlib import resources

import pytest

from ncz.cli import heat

STYLE = resources.files("ncz.cli.page").joinpath("base.css").read_text(encoding="utf-8")
PAGES = dict(zip(("light", "dark"), re.findall("--page: (#[0-9a-f]{6});", STYLE), strict=True))
COSTS = {"light": heat.LIGHT, "dark": heat.DARK}
CHANGES = {"light": heat.LIGHT_CHANGES, "dark": heat.DARK_CHANGES}


def brightness(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [part / 255 for part in bytes.fromhex(colour[1:])]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", PAGES)
def test_text_can_be_read_on_every_colour(scheme: str) -> None:
    for colour in (*COSTS[scheme], *CHANGES[scheme]):
        assert contrast(colour.behind, colour.text) >= 4.5


@pytest.mark.parametrize("scheme", PAGES)
def test_dearer_is_further_from_the_background(scheme: str) -> None:
    scale = [PAGES[scheme], *(colour.behind for colour in COSTS[scheme])]
    away = [contrast(PAGES[scheme], colour) for colour in scale]
    assert all(b > 1.1 * a for a, b in itertools.pairwise(away))


@pytest.mark.parametrize("scheme", PAGES)
def test_larger_changes_are_further_from_the_background(scheme: str) -> None:
    colours = [colour.behind for colour in CHANGES[scheme]]
    for side in (colours[:3][::-1], colours[3:]):
        away = [contrast(PAGES[scheme], colour) for colour in (PAGES[scheme], *side)]
        assert all(b > 1.1 * a for a, b in itertools.pairwise(away))


def test_there_is_a_colour_for_every_class_but_one() -> None:
    for colours in (heat.LIGHT, heat.DARK):
        assert len(colours) == len(heat.EDGES) == heat.level(1e9)
    for colours in (heat.LIGHT_CHANGES, heat.DARK_CHANGES):
        assert len(colours) == len(heat.CHANGES) == heat.change(1e9)
    assert (heat.level(0), heat.level(0.25), heat.level(11.9)) == (0, 1, 5)
    assert (heat.change(-9), heat.change(0), heat.change(0.25)) == (0, 3, 4)
    assert len(heat.labels(heat.EDGES)) == len(heat.EDGES) + 1


def test_terminals() -> None:
    exact = heat.Painter({"COLORTERM": "truecolor"})
    assert exact.paint("x", 0) == "x"
    assert exact.paint("x", 6) == "\x1b[48;2;254;227;145;38;2;17;17;17mx\x1b[0m"
    assert heat.Painter({}).paint("x", 6) == "\x1b[48;5;222;38;5;16mx\x1b[0m"
    light = heat.Painter({"COLORTERM": "24bit", "COLORFGBG": "0;15"})
    assert light.paint("x", 6) == "\x1b[48;2;102;37;6;38;2;255;255;255mx\x1b[0m"


def test_when_colours_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert heat.wanted(None, True)
    assert not heat.wanted(None, False)
    assert heat.wanted(True, False)
    assert not heat.wanted(False, True)
    monkeypatch.setenv("TERM", "dumb")
    assert not heat.wanted(None, True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not heat.wanted(None, True)
    assert heat.wanted(True, True)
