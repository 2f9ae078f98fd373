"""An explained text as one HTML file that needs nothing else, for any browser, from any disk.

The text is in the page as text, so that it can be read without scripts; a script shows what is
known of the token that is hovered, focused or tapped. The page's own policy forbids whatever it
does not bring along, so that nothing in an explained file can become active in it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ncz.cli import heat
from ncz.cli.page.parts import filled, own
from ncz.cli.visible import Piece, line, marked, pieces

if TYPE_CHECKING:
    from ncz.models.text.explain import Explanation, TokenCost

DEAREST = 10  # tokens in the list of the most expensive ones
_BARS = 150  # of the strip, at most
_TOKENS_A_BAR = 4  # at least
_STRIP_HEIGHT = 40


def page(name: str, excerpt: str, model: str, found: Explanation) -> str:
    """The page of an explained text.

    Args:
        name: of the file.
        excerpt: which part of it this is, in a few words.
        model: the language model's name.
        found: what to show.
    """
    parts = pieces([token.text for token in found.tokens])
    return filled(
        "page.html",
        _style() + own("page.css"),
        own("page.js"),
        name=escape(line(name.encode("utf-8", "surrogateescape"))),
        excerpt=escape(f"{excerpt[:1].upper()}{excerpt[1:]}."),
        model=escape(model),
        summary=_summary(found),
        figures=_figures(found),
        strip=_strip(found.tokens),
        legends=_legends(found.tokens, parts),
        text="".join(_span(piece, found.tokens) for piece in parts),
        dearest=_dearest(found, parts),
        data=_data(found.tokens, parts),
    )


def dearest(tokens: Sequence[TokenCost]) -> list[int]:
    """Numbers of the most expensive tokens, the dearest first."""
    return sorted(range(len(tokens)), key=lambda k: (-tokens[k].bits, k))[:DEAREST]


def _style() -> str:
    """The colours of all classes, for both schemes."""
    return "".join(
        f"@media (prefers-color-scheme: {scheme}) {{{rules}}}\n"
        for scheme, rules in (
            ("light", _rules("c", heat.LIGHT) + _rules("d", heat.LIGHT_CHANGES)),
            ("dark", _rules("c", heat.DARK) + _rules("d", heat.DARK_CHANGES)),
        )
    )


def _rules(letter: str, colours: tuple[heat.Colour, ...]) -> str:
    if letter == "c":
        numbers = list(range(1, len(colours) + 1))
    else:
        middle = len(colours) // 2
        numbers = [*range(middle), *range(middle + 1, len(colours) + 1)]
    return "".join(
        f".{letter}{number}{{background:{colour.behind};color:{colour.text}}}"
        for number, colour in zip(numbers, colours, strict=True)
    )


def _text(text: str) -> str:
    """Text as HTML, with the marks apart. Signs are faint and not copied, what says more is."""
    parts = []
    for part, is_mark in marked(text):
        tag = ("<i>" if len(part) == 1 else '<i class="x">') if is_mark else ""
        parts.append(f"{tag}{escape(part)}{'</i>' if tag else ''}")
    return "".join(parts)


def _costs(piece: Piece, tokens: Sequence[TokenCost]) -> tuple[float, float, float]:
    """Bits of a piece, of the model alone, and saved."""
    own = tokens[piece.first : piece.last]
    model = sum(t.bits if t.model_bits is None else t.model_bits for t in own)
    return sum(t.bits for t in own), model, sum(t.saved for t in own)


def _span(piece: Piece, tokens: Sequence[TokenCost]) -> str:
    bits, _, _ = _costs(piece, tokens)
    return f'<span class="c{heat.level(bits)}">{_text(piece.text)}</span>'


def _data(tokens: Sequence[TokenCost], parts: Sequence[Piece]) -> str:
    """What the script shows, as JSON that no markup can be in; texts by number."""
    numbers: dict[str, int] = {}

    def number(text: bytes) -> int:
        return numbers.setdefault(line(text), len(numbers))

    rows: list[list[Any]] = []
    for piece in parts:
        row = []
        for token in tokens[piece.first : piece.last]:
            model = None if token.model_bits is None else round(token.model_bits, 3)
            first = [[number(text), round(p, 5)] for text, p in token.alternatives]
            row.append([number(token.text), round(token.bits, 3), model, token.rank, first])
        rows.append(row)
    data = {"words": list(numbers), "rows": rows, "edges": heat.EDGES, "changes": heat.CHANGES}
    plain = json.dumps(data, separators=(",", ":"))
    return plain.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _summary(found: Explanation) -> str:
    totals = found.totals
    share = 100 * totals.first_choices / max(totals.tokens, 1)
    return escape(
        f"{totals.raw_size:,} bytes became {totals.coded_size:,}; they are {totals.tokens:,} "
        f"tokens, {share:.0f} % of them the model’s first choice."
    )


def _figures(found: Explanation) -> str:
    totals = found.totals
    rows = (
        ("In the file", totals.bits),
        ("Language model alone", totals.model_bits),
        ("Contexts alone", totals.context_bits),
    )
    most = max(bits for _, bits in rows) or 1.0
    return "".join(
        f'<tr><th scope="row">{label}</th><td>{totals.per_byte(bits):.3f}</td>'
        f'<td class="bar"><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{100 * bits / most:.2f}" height="10"/></svg></td></tr>'
        for label, bits in rows
    )


def _strip(tokens: Sequence[TokenCost]) -> str:
    """Bits per byte over the text: bars for the file, a line for the model alone."""
    sizes = [len(token.text) for token in tokens]
    ends = list(itertools.accumulate(sizes))
    total, count = ends[-1], min(max(len(tokens) // _TOKENS_A_BAR, 1), _BARS)
    bits, model, size = [0.0] * count, [0.0] * count, [0] * count
    for token, end in zip(tokens, ends, strict=True):
        k = min((end - 1) * count // total, count - 1)
        bits[k] += token.bits
        model[k] += token.bits if token.model_bits is None else token.model_bits
        size[k] += len(token.text)
    own = [b / max(s, 1) for b, s in zip(bits, size, strict=True)]
    others = [b / max(s, 1) for b, s in zip(model, size, strict=True)]
    top = max(*own, *others, 1e-9)
    bars = "".join(
        f'<rect x="{k + 0.1:.1f}" width="0.8" y="{_STRIP_HEIGHT * (1 - b / top):.2f}" '
        f'height="{_STRIP_HEIGHT * b / top:.2f}"/>'
        for k, b in enumerate(own)
    )
    line = " ".join(
        f"{x},{_STRIP_HEIGHT * (1 - b / top):.2f}" for k, b in enumerate(others) for x in (k, k + 1)
    )
    return (
        f'<svg id="strip" viewBox="0 0 {count} {_STRIP_HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="Bits per byte along the text, at most {top:.1f}">'
        f'{bars}<polyline points="{line}"/></svg>'
        f'<p class="axis"><span>start</span><span>bits per byte, up to {top:.1f}: bars in the '
        "file, line the model alone</span><span>end</span></p>"
    )


def _legends(tokens: Sequence[TokenCost], parts: Sequence[Piece]) -> str:
    """For each way to colour, its classes: how many pieces they have and of how many bits."""
    costs = [_costs(piece, tokens) for piece in parts]
    ways: tuple[tuple[str, str, tuple[float, ...], Callable[[float], int], int], ...] = (
        ("file", "c", heat.EDGES, heat.level, 0),
        ("model", "c", heat.EDGES, heat.level, 1),
        ("saved", "d", heat.CHANGES, heat.change, 2),
    )
    return "".join(
        _legend(way, letter, heat.labels(edges), [(classify(c[k]), c) for c in costs], k)
        for way, letter, edges, classify, k in ways
    )


def _legend(
    way: str,
    letter: str,
    labels: list[str],
    classed: Iterable[tuple[int, tuple[float, float, float]]],
    which: int,
) -> str:
    counts, sums = [0] * len(labels), [0.0] * len(labels)
    for number, costs in classed:
        counts[number] += 1
        sums[number] += costs[which]
    pieces_in_all = max(sum(counts), 1)
    all_bits = max(sum(sums), 1e-9)
    items = []
    for number, label in enumerate(labels):
        share = f"{100 * counts[number] / pieces_in_all:.0f} % of tokens"
        amount = (
            f"{sums[number] / 8:+,.0f} bytes"
            if way == "saved"
            else f"{100 * sums[number] / all_bits:.0f} % of bits"
        )
        items.append(
            f'<li><b class="{letter}{number}">{escape(label)}</b><span>{share}</span>'
            f"<span>{amount}</span></li>"
        )
    hidden = "" if way == "file" else " hidden"
    return f'<ul class="legend" data-by="{way}"{hidden}>{"".join(items)}</ul>'


def _dearest(found: Explanation, parts: Sequence[Piece]) -> str:
    home = {n: k for k, piece in enumerate(parts) for n in range(piece.first, piece.last)}
    rows = []
    for number in dearest(found.tokens):
        token = found.tokens[number]
        first = token.alternatives[0] if token.alternatives else None
        instead = (
            f"<q>{escape(line(first[0]))}</q> {100 * first[1]:.0f} %" if first else "not asked"
        )
        rows.append(
            f'<tr><td>{token.bits:.1f}</td><td><button type="button" data-to="{home[number]}">'
            f"<q>{escape(line(token.text))}</q></button></td><td>{instead}</td></tr>"
        )
    return "".join(rows)
