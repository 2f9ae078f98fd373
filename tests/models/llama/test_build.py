"""A build is itself and no other, in a header too."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import varint
from ncz.models.llama import build
from ncz.models.llama.build import Build

ONE = Build("0.3.16", b"librarie", b"machines")
digests = st.binary(min_size=8, max_size=8)
versions = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)


@given(versions, digests, digests, st.binary(max_size=20))
def test_a_header_gives_it_back(version, libraries, machine, before):
    made = Build(version, libraries, machine)
    packed = before + made.pack()
    assert build.parse(packed + b"more", len(before)) == (made, len(packed))
    assert all(ord(sign) < 128 for sign in made.against(replace(made, machine=b"")))


@given(st.binary(max_size=90))
def test_any_bytes_are_a_build_or_refused(data):
    try:
        found, end = build.parse(data, 0)
    except (ValueError, varint.Incomplete):
        return
    assert found.pack() == data[:end]


def test_fingerprints_tell_everything_apart():
    others = [
        (replace(ONE, version="0.3.17"), 2, 2048),
        (replace(ONE, libraries=bytes(8)), 2, 2048),
        (replace(ONE, machine=bytes(8)), 2, 2048),
        (ONE, 3, 2048),
        (ONE, 2, 4096),
    ]
    marks = [made.fingerprint(*how) for made, *how in [(ONE, 2, 2048), *others]]
    assert len(set(marks)) == len(marks)
    assert all(len(mark) == 16 for mark in marks)


@pytest.mark.parametrize(
    ("here", "message"),
    [
        (replace(ONE, version="0.4", libraries=bytes(8)), r"0\.3\.16; here is 0\.4"),
        (replace(ONE, libraries=bytes(8), machine=bytes(8)), "compiled otherwise"),
        (replace(ONE, machine=bytes(8)), "the processor has other features"),
    ],
)
def test_what_differs_is_said(here, message):
    assert re.search(message, ONE.against(here))
