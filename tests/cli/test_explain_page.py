"""The page of an explained text in a real browser: what a reader sees, hovers, focuses, taps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ncz.cli.page import page
from ncz.models.text.explain import Explanation, TokenCost, Totals

from . import browser

HOSTILE = b"</script><script>bad=1</script><img src=x onerror=bad=1> &lt; \"quoted\" 'too'\r\n"
WORDS = [
    b"The", b" cat", b" sat", b"\n", b" ", "日".encode()[:2], "日".encode()[2:], HOSTILE,
    b"\x00\x1b", b"\xff", "\u202e".encode(), b"\t", b" end", "😀".encode(), b".",
]  # fmt: skip
TOKENS = (
    *(
        TokenCost(
            word,
            bits=(7.25, 0.1, 13.0, 1.0)[n % 4],
            model_bits=(9.0, 0.1, 11.5)[n % 3],
            rank=(0, 1, 12_345)[n % 3],
            alternatives=((word, 0.5), (b" <b>dog</b>", 0.25), (b"\xf0\x9f", 0.00002)),
        )
        for n, word in enumerate(WORDS * 30)
    ),
    TokenCost(b"alone", 3.5, None, -1, ()),
)
RAW = b"".join(token.text for token in TOKENS)
FOUND = Explanation(TOKENS, Totals(len(RAW), 999, len(TOKENS), 2000.0, 2500.0, 4000.0, 7))
# Signs stand in for what they show, except where that follows them.
SHOWN = (
    RAW.decode("utf-8", "surrogateescape")
    .replace("\r", "")
    .replace("\0", "⟨00⟩")
    .replace("\x1b", "⟨1B⟩")
    .replace("\udcff", "⟨FF⟩")
    .replace("\u202e", "⟨U+202E⟩")
)
TOKEN = "document.querySelectorAll('#text > span')[{}]"
CARD = "document.getElementById('card')"
SEEN = f"{CARD}.hidden ? '' : {CARD}.innerText.replace(/\\s+/g, ' ')"


def whole() -> str:
    return page("a <b>&.txt", "the first 9 bytes", "tiny", FOUND)


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
    tab.point(0, 0)
    tab.open(path.as_uri())
    yield tab
    assert tab.problems == []
    assert set(tab.requests) == {path.as_uri()}


def test_the_text_is_complete_and_does_nothing(tab: browser.Tab) -> None:
    text = tab.run(
        "(copy => { for (const sign of copy.querySelectorAll('i:not(.x)')) sign.remove(); "
        "return copy.textContent; })(document.getElementById('text').cloneNode(true))"
    )
    assert text == SHOWN
    assert tab.run("typeof bad") == "undefined"
    assert tab.run("document.querySelectorAll('#text img, #text script, #text b').length") == 0
    assert tab.run("document.title") == "Where the bits of a <b>&.txt go"


def test_hovering_shows_what_is_known(tab: browser.Tab) -> None:
    assert tab.run(SEEN) == ""
    tab.point(*tab.middle(TOKEN.format(2)))
    seen = tab.until(SEEN)
    assert "“ sat” 13.00 bits" in seen or " sat 13.00 bits" in seen
    assert "The model alone: 11.50 bits. Contexts cost 1.50 bits, 12 % of what was paid." in seen
    assert "Its 12,346th choice." in seen
    assert re.search(r"<b>dog</b> ?25 %", seen)
    assert "⟨F0⟩⟨9F⟩" in seen
    assert "< 0.1 %" in seen
    assert tab.run(f"{CARD}.querySelectorAll('b').length") == 3, "bars, and no markup of a token"
    tab.point(*tab.middle(TOKEN.format(0)))
    seen = tab.until(f"({SEEN}).includes('7.25') && ({SEEN})")
    assert "Contexts saved 1.75 bits, 19 % of that." in seen
    assert "Its first choice." in seen
    assert tab.run(f"{CARD}.querySelector('li.own q').textContent") == "The"
    tab.point(1, 1)
    tab.until(f"{CARD}.hidden")


def test_the_card_stays_while_the_mouse_is_on_it(tab: browser.Tab) -> None:
    tab.point(*tab.middle(TOKEN.format(40)))
    tab.until(SEEN)
    before = tab.run(SEEN)
    x, y = tab.run(f"(b => [b.left + b.width / 2, b.top + b.height / 2])"
                   f"({CARD}.getBoundingClientRect())")  # fmt: skip
    tab.point(x, y)
    tab.run("new Promise(done => setTimeout(done, 400))")
    assert tab.run(SEEN) == before


def test_the_keyboard_goes_through_the_text(tab: browser.Tab) -> None:
    tab.run("document.getElementById('by').focus()")
    tab.press("Tab")
    number = f"Array.from({TOKEN.format(0)}.parentNode.children).indexOf(document.activeElement)"
    assert tab.run(number) == 0
    assert "7.25 bits" in tab.run(SEEN)
    tab.press("ArrowRight", "ArrowRight")
    assert tab.run(number) == 2
    assert "13.00 bits" in tab.run(SEEN)
    assert tab.run("document.activeElement.getAttribute('aria-describedby')") == "card"
    tab.press("ArrowLeft")
    assert tab.run(number) == 1
    tab.press("End")
    last = tab.run(number)
    assert last == tab.run(f"{TOKEN.format(0)}.parentNode.children.length") - 1
    assert "the language model was not asked" in tab.run(SEEN)
    tab.press("ArrowUp")
    assert 0 < tab.run(number) < last
    top = tab.run("document.activeElement.getBoundingClientRect().top")
    assert top < tab.run(f"{TOKEN.format(last)}.getBoundingClientRect().top")
    tab.press("ArrowDown", "Home")
    assert tab.run(number) == 0
    tab.press("Escape")
    assert tab.run(SEEN) == ""


def test_a_character_of_several_tokens_shows_all_of_them(tab: browser.Tab) -> None:
    tab.point(*tab.middle(TOKEN.format(5)))
    seen = tab.until(SEEN)
    assert tab.run(f"{TOKEN.format(5)}.textContent") == "日"
    assert "2 tokens, 13.10 bits together" in seen
    assert seen.count("The model alone") == 2
    assert "⟨E6⟩⟨97⟩" in seen


def test_tapping_on_a_phone(tab: browser.Tab) -> None:
    tab.look(390, 844, phone=True)
    assert tab.run("document.documentElement.scrollWidth") <= 390
    x, y = tab.middle(TOKEN.format(100))
    tab.tap(x, y)
    assert "bits" in tab.until(SEEN)
    box = tab.run(f"(b => [b.left, b.right, b.bottom])({CARD}.getBoundingClientRect())")
    assert box == [0, 390, 844]
    token = tab.run(f"{TOKEN.format(100)}.classList.contains('on')")
    assert token is True
    tab.run("scrollTo(0, 0)")
    tab.tap(*tab.middle("document.querySelector('h1')"))
    tab.until(f"{CARD}.hidden")


def test_the_colours_follow_what_is_chosen(tab: browser.Tab) -> None:
    names = f"Array.from({TOKEN.format(0)}.parentNode.children).slice(0, 3).map(e => e.className)"
    choose = (
        "(e => {{ e.value = '{}'; e.dispatchEvent(new Event('change')); }})"
        "(document.getElementById('by'))"
    )
    legend = "document.querySelector('.legend:not([hidden])').dataset.by"
    assert tab.run(names) == ["c4", "c0", "c6"]
    tab.run(choose.format("model"))
    assert tab.run(names) == ["c5", "c0", "c5"]
    assert tab.run(legend) == "model"
    tab.run(choose.format("saved"))
    assert tab.run(names) == ["d5", "d3", "d1"]
    tab.run(choose.format("file"))
    assert tab.run(names) == ["c4", "c0", "c6"]
    assert tab.run(legend) == "file"


def test_light_and_dark(tab: browser.Tab) -> None:
    style = "getComputedStyle({}).{}"
    seen = []
    for scheme in ("light", "dark"):
        tab.look(1200, 900, scheme)
        page_colour = tab.run(style.format("document.documentElement", "backgroundColor"))
        token_colour = tab.run(style.format(TOKEN.format(2), "backgroundColor"))
        seen.append((page_colour, token_colour))
    assert seen == [
        ("rgb(253, 253, 252)", "rgb(102, 37, 6)"),
        ("rgb(23, 24, 27)", "rgb(254, 227, 145)"),
    ]


def test_the_most_expensive_tokens_lead_to_their_place(tab: browser.Tab) -> None:
    assert tab.run("document.querySelectorAll('.dearest button').length") == 10
    tab.click(*tab.middle("document.querySelector('.dearest button')"))
    assert "13.00 bits" in tab.run(SEEN)
    assert tab.run("document.activeElement.parentNode.id") == "text"


def test_the_strip_leads_into_the_text(tab: browser.Tab) -> None:
    x, y = tab.middle("document.getElementById('strip')")
    tab.click(x, y)
    number = f"Array.from({TOKEN.format(0)}.parentNode.children).indexOf(document.activeElement)"
    length = tab.run(f"{TOKEN.format(0)}.parentNode.children.length")
    assert 0.4 * length < tab.run(number) < 0.6 * length


def test_the_page_forbids_what_it_did_not_bring_along(opened: tuple[browser.Tab, Path]) -> None:
    tab, path = opened
    changed = path.with_name("changed.html")
    extra = '<script>bad = 1</script><img src="http://127.0.0.1:9/x"></body>'
    changed.write_text(whole().replace("</body>", extra), encoding="utf-8")
    tab.problems.clear()
    tab.open(changed.as_uri())
    assert tab.run("typeof bad") == "undefined"
    assert len(tab.problems) == 2
    assert all("Content Security Policy" in problem for problem in tab.problems)


def test_the_page_without_a_browser() -> None:
    """What holds wherever the tests run."""
    html = whole()
    assert re.findall('(?:src|href)="([^"]*)"', html) == ["data:,"]
    assert "url(" not in html
    assert HOSTILE.decode() not in html
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert data is not None
    assert not set("<>&") & set(data[1])
    rows = json.loads(data[1])["rows"]
    assert sum(len(row) for row in rows) == len(TOKENS)
    assert html.count("<script") == 2
    assert html.count("</script") == 2
