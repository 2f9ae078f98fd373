"""The page of two pictures in a real browser: what a reader sees, drags, types and touches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ncz.cli.page import beside
from ncz.corpora.picture import Picture

from . import browser

pytest.importorskip("PIL")

WIDE, HIGH = 400, 300
FIRST = 'a <b>&".png'
SECOND = "b</script><script>bad=1</script>.jpg"
# The first is red and the second is blue, with a white pixel in the middle of each.
PIXELS = {}
for number in (0, 2):
    PIXELS[number] = np.zeros((HIGH, WIDE, 3), np.uint8)
    PIXELS[number][:, :, number] = 255
    PIXELS[number][HIGH // 2, WIDE // 2] = 255

RED, BLUE = [255, 0, 0], [0, 0, 255]
SHEET = "document.getElementById('sheet')"
PART = "document.getElementById('part')"
LINE = "document.getElementById('line')"


def whole() -> str:
    return beside.page(
        beside.Side(FIRST, Picture(PIXELS[0], None, 1000, "PNG")),
        beside.Side(SECOND, Picture(PIXELS[2], None, 250, "JPEG")),
        "400 × 300 pixels.",
        [("PSNR", "30.00 dB"), ("MS-SSIM", "0.95")],
        ["LPIPS <is> missing."],
    )


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[browser.Tab, Path]]:
    """A browser, and the page as a file."""
    program = browser.found()
    if program is None:
        pytest.skip("no browser on the PATH: install chromium to run this")
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.html").write_text(whole(), encoding="utf-8")
    with browser.tab(program, folder / "profile") as tab:
        yield tab, folder / "page.html"


@pytest.fixture
def tab(opened: tuple[browser.Tab, Path]) -> Iterator[browser.Tab]:
    """The page on a wide screen. It must ask for nothing but itself, and complain of nothing."""
    tab, path = opened
    tab.problems.clear()
    tab.requests.clear()
    tab.look(1200, 900)
    tab.open(path.as_uri())
    yield tab
    assert tab.problems == []
    assert {request for request in tab.requests if not request.startswith("data:")} == {
        path.as_uri()
    }


def seen(tab: browser.Tab, tmp_path: Path, *places: tuple[float, float]) -> list[list[int]]:
    """The colours that the screen shows at places of the sheet, from 0 to 1 each way."""
    from PIL import Image

    left, top, width, height = box(tab, SHEET)
    tab.picture(tmp_path / "seen.png")
    pixels = np.asarray(Image.open(tmp_path / "seen.png").convert("RGB"))
    return [pixels[int(top + y * height), int(left + x * width)].tolist() for x, y in places]


def box(tab: browser.Tab, element: str) -> tuple[float, float, float, float]:
    found = tab.run(f"(b => [b.left, b.top, b.width, b.height])({element}.getBoundingClientRect())")
    left, top, width, height = found
    return left, top, width, height


def zoom(tab: browser.Tab, times: int) -> None:
    tab.run(
        f"(e => {{ e.value = '{times}'; e.dispatchEvent(new Event('change')); }})"
        "(document.getElementById('zoom'))"
    )


def test_both_are_there_and_nothing_else_happens(tab: browser.Tab, tmp_path: Path) -> None:
    assert tab.run("typeof bad") == "undefined"
    assert tab.run("document.title") == f"{FIRST} beside {SECOND}"
    assert tab.run("document.querySelector('.measures').innerText").split() == [
        "PSNR", "30.00", "dB", "MS-SSIM", "0.95",
    ]  # fmt: skip
    assert tab.run("document.querySelector('.notes').innerText") == "LPIPS <is> missing."
    left, centre, right = seen(tab, tmp_path, (0.25, 0.2), (0.4, 0.8), (0.75, 0.2))
    assert (left, centre, right) == (RED, RED, BLUE)
    assert tab.run("document.getElementById('first').naturalWidth") == WIDE


def test_dragging_moves_the_line(tab: browser.Tab, tmp_path: Path) -> None:
    left, top, width, height = box(tab, SHEET)
    x, y = left + width / 2, top + height / 2
    tab.drag((x, y), (left + width / 4, y))
    assert tab.run(f"Number({PART}.value)") == pytest.approx(25, abs=0.5)
    assert seen(tab, tmp_path, (0.2, 0.2), (0.3, 0.2)) == [RED, BLUE]
    tab.drag((left + 0.9 * width, y), (left + 0.8 * width, y + 3))
    assert tab.run(f"Number({PART}.value)") == pytest.approx(80, abs=0.5)
    assert seen(tab, tmp_path, (0.7, 0.2), (0.9, 0.2)) == [RED, BLUE]
    tab.drag((x, y), (left + 2 * width, y))
    assert tab.run(f"Number({PART}.value)") == 100
    tab.point(left + 10, y)
    assert tab.run(f"Number({PART}.value)") == 100, "let go is let go"


def test_the_keyboard_moves_the_line(tab: browser.Tab, tmp_path: Path) -> None:
    tab.run("document.getElementById('all-first').focus()")
    tab.press("Tab")
    assert tab.run("document.activeElement.id") == "part"
    tab.press("ArrowLeft", "ArrowLeft")
    assert tab.run(f"Number({PART}.value)") == 49
    tab.press("End")
    assert tab.run(f"{PART}.getAttribute('aria-valuetext')") == f"100 % {FIRST}"
    assert seen(tab, tmp_path, (0.05, 0.2), (0.95, 0.2)) == [RED, RED]
    tab.press("Home")
    assert seen(tab, tmp_path, (0.05, 0.2), (0.95, 0.2)) == [BLUE, BLUE]
    assert tab.run(f"{PART}.getAttribute('aria-label')") == f"How much is of {FIRST}, from the left"


def test_buttons_show_one_alone(tab: browser.Tab, tmp_path: Path) -> None:
    tab.click(*tab.middle("document.getElementById('all-first')"))
    assert seen(tab, tmp_path, (0.05, 0.2), (0.95, 0.2)) == [RED, RED]
    tab.click(*tab.middle("document.getElementById('all-second')"))
    assert seen(tab, tmp_path, (0.05, 0.2), (0.95, 0.2)) == [BLUE, BLUE]


def test_pixels_of_the_picture_are_pixels_of_the_screen(tab: browser.Tab, tmp_path: Path) -> None:
    assert box(tab, SHEET)[2:] == (WIDE, HIGH), "small pictures are not enlarged to fit"
    tab.look(360, 900)
    _, _, width, height = box(tab, SHEET)
    assert width < 360
    assert height == pytest.approx(width * HIGH / WIDE, abs=0.1)
    for times in (1, 4):
        zoom(tab, times)
        assert box(tab, SHEET)[2:] == (times * WIDE, times * HIGH)
        stage = box(tab, "document.getElementById('stage')")
        left, _, width, _ = box(tab, SHEET)
        middle = (stage[0] + stage[2] / 2 - left) / width
        assert middle == pytest.approx(0.5, abs=0.03), "the middle stays in the middle"
    zoom(tab, 0)
    assert box(tab, SHEET)[2] < 360


def test_an_enlarged_picture_is_moved_beneath_the_line(tab: browser.Tab, tmp_path: Path) -> None:
    zoom(tab, 8)
    where = "document.getElementById('stage').scrollLeft"
    before, line = tab.run(where), box(tab, LINE)
    tab.drag((300, 400), (200, 400))
    assert tab.run(where) == before + 100
    assert box(tab, LINE) == line
    assert tab.run(f"Number({PART}.value)") == 50
    x, y = line[0] + line[2] / 2, line[1] + line[3] / 2
    tab.drag((x, y), (x + 50, y))
    assert box(tab, LINE)[0] == pytest.approx(line[0] + 50, abs=3)
    assert tab.run(where) == before + 100
    tab.run("document.getElementById('stage').focus()")
    tab.press("ArrowRight")
    tab.until(f"{where} > {before + 100}")


def test_tapping_on_a_phone(tab: browser.Tab, tmp_path: Path) -> None:
    tab.look(390, 844, phone=True)
    assert tab.run("document.documentElement.scrollWidth") <= 390
    left, top, width, height = box(tab, SHEET)
    tab.tap(left + 0.75 * width, top + height / 2)
    assert tab.run(f"Number({PART}.value)") == pytest.approx(75, abs=0.5)
    tab.run("scrollTo(0, 0)")
    assert seen(tab, tmp_path, (0.6, 0.2), (0.9, 0.2)) == [RED, BLUE]


def test_light_and_dark(tab: browser.Tab) -> None:
    found = []
    for scheme in ("light", "dark"):
        tab.look(1200, 900, scheme)
        found.append(tab.run("getComputedStyle(document.documentElement).backgroundColor"))
    assert found == ["rgb(253, 253, 252)", "rgb(23, 24, 27)"]


def test_without_scripts_one_stands_below_the_other(
    opened: tuple[browser.Tab, Path],
) -> None:
    tab, path = opened
    still = path.with_name("still.html")
    still.write_text(re.sub("<script>.*</script>", "", whole(), flags=re.S), encoding="utf-8")
    tab.look(1200, 900)
    tab.open(still.as_uri())
    boxes = [box(tab, f"document.getElementById('{name}')") for name in ("second", "first")]
    assert boxes[0][1] + boxes[0][3] <= boxes[1][1]
    assert tab.run("getComputedStyle(document.querySelector('.tools')).display") == "none"


def test_the_page_without_a_browser() -> None:
    """What holds wherever the tests run."""
    html = whole()
    addresses = re.findall('(?:src|href)="([^"]{,30})', html)
    assert len(addresses) == 3
    assert all(address.startswith("data:") for address in addresses)
    assert "url(" not in html
    assert html.count("<script") == html.count("</script") == 1
    assert "<is>" not in html


def test_the_pictures_in_the_page_are_exact() -> None:
    import base64
    import io

    from PIL import Image

    chance = np.random.default_rng(2).integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    shown = ((chance.astype(float)) / 257 + 0.5).astype(np.uint8)
    for pixels, wanted in ((shown, shown), (chance, shown)):
        address = beside._address(Picture(pixels, None, 1, "PNG"))
        data = base64.b64decode(address.partition(",")[2])
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), wanted)
    long = np.zeros((1, 16_384, 3), np.uint8)
    assert beside._address(Picture(long, None, 1, "PNG")).startswith("data:image/png;")
