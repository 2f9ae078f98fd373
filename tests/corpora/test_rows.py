"""Rows survive what a run can do to their file."""

from dataclasses import replace

from ncz.corpora import rows
from ncz.corpora.rows import Row

ROW = Row("set", "file", 1000, "0" * 64, "zlib-9", "1.3", 1, None, 400, 0.5, 0.6, 7, 0.0, 0.1)


def test_json_lines_round_trip(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert rows.load(path) == []
    failed = replace(ROW, codec="other", error="other bytes came back")
    rows.append(path, ROW)
    rows.append(path, failed)
    assert rows.load(path) == [ROW, failed]
    assert ROW.ok and not failed.ok


def test_a_later_row_replaces_an_earlier_of_the_same_question(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows.append(path, replace(ROW, error="interrupted"))
    rows.append(path, ROW)
    assert rows.load(path) == [ROW]


def test_a_torn_line_is_dropped_and_the_next_row_is_whole(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows.append(path, ROW)
    with path.open("a") as lines:
        lines.write('{"group": "set", "fi')
    assert rows.load(path) == [ROW]
    other = replace(ROW, file="other")
    rows.append(path, other)
    assert rows.load(path) == [ROW, other]


def test_the_document_round_trips():
    text = rows.as_json([ROW], {"cores": 2})
    assert rows.from_json(text) == ([ROW], {"cores": 2})
