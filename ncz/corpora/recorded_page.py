"""``docs/results-records.md``: what :mod:`ncz.corpora.recorded` measured."""

from __future__ import annotations

from typing import Any

from ncz.corpora.report import table

Found = dict[str, Any]

_PUBLISHED = {
    "mnist": {"IDF": 1.90, "BitSwap": 1.27, "HCLT": 1.20, "Sparse PC": 1.14},
    "fashion-mnist": {"HCLT": 3.34, "Sparse PC": 3.27},
}
"""Bits per dimension, theoretical, from the papers: Liu, Mandt and Van den Broeck 2022; Dang, Liu
and Van den Broeck 2022."""

_HEAD = """\
# Results with circuits

Written by `make results-records`, not by hand; measured with {cores} cores ({processor}, {date}).
Sizes are of real files, with everything but the circuit where it is named and not within, and
everything was decoded and compared. A record can be had alone only from what codes each record by
itself; circuits do so in groups of a few.

"""


def page(found: Found) -> str:
    """The document, from the content of ``records.json``."""
    sections = []
    for name, one in found.items():
        if name != "machine":
            sections.append(_images(one) if "values" in one else _table(one))
    return _HEAD.format(**found["machine"]) + "\n\n".join(sections) + "\n"


def _images(one: Found) -> str:
    values = one["values"]
    rows = [["**ncz, its circuit**", *_size(one["coded_size"], values)]]
    rows += [[name, *_size(size, values)] for name, size in one["others"].items()]
    rows += [
        [f"{name}, theoretical, published", "", f"{bits:.2f}"]
        for name, bits in _PUBLISHED.get(one["name"], {}).items()
    ]
    rows.sort(key=lambda row: float(row[2]))
    beyond = one["coded_size"] / one["model_bytes"] - 1
    return (
        f"## {one['name']}, the test set: {one['records']:,} records, {one['raw_size']:,} bytes\n\n"
        + table(["", "bytes", "bits per value"], rows)
        + f"\n\nThe file is {100 * beyond:.2f} % larger than the circuit's own negative "
        f"log-likelihood. The circuit, `{one['name']}`, has {one['circuit_size']:,} bytes. "
        f"Coding takes {one['encode_s']:.1f} s, decoding {one['decode_s']:.1f} s; a record alone "
        f"{one['record_ms']:.1f} ms in the median and {one['record_most_ms']:.1f} ms at most."
    )


def _table(one: Found) -> str:
    raw = one["raw_size"]
    within = "with the circuit within" if one["embedded"] else "its circuit named"
    rows = [[f"**ncz, a circuit alone** ({within})", *_size(one["coded_size"], raw)]]
    rows += [["ncz, a circuit where it pays", *_size(one["chosen_size"], raw)]]
    rows += [[name, *_size(size, raw)] for name, size in one["others"].items()]
    rows.sort(key=lambda row: float(row[2]))
    return (
        f"## {one['name']}, second half: {one['records']:,} records, {raw:,} bytes\n\n"
        + table(["", "bytes", "bits per byte"], rows)
        + f"\n\nThe circuit was trained on the first half, in {one['training_s']:.0f} s, and has "
        f"{one['circuit_size']:,} bytes. Coding takes {one['encode_s']:.1f} s, decoding "
        f"{one['decode_s']:.1f} s; a record alone {one['record_ms']:.2f} ms in the median."
    )


def _size(size: int, values: int) -> list[str]:
    return [f"{size:,}", f"{8 * size / values:.4f}"]
