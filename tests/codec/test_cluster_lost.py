"""A node of a Ray cluster is lost with work under way.

This is a file of its own, for a process knows one cluster at a time, and this one ends maimed.
"""

from __future__ import annotations

import io
from functools import partial

import pytest

import ncz
from ncz.codec.cluster import cluster
from ncz.formats.options import CompressOptions, DecompressOptions
from ncz.formats.stream import compress_stream, decompress_stream

from . import ray_nodes
from .test_cluster import slow, text


@slow
@pytest.mark.parametrize("level", [1, 3])
def test_a_node_lost_in_the_midst_changes_no_byte(level: int) -> None:
    """The cluster loses a node while compressing and the next while decompressing."""
    raw = text(1_500_000, 5)
    expected = ncz.compress(raw, level, threads=2, block_size=32768)
    with ray_nodes.started(3) as nodes, cluster(nodes.address) as crew:
        size = {worker.name for worker in crew.workers}
        assert len(size) == 3
        coded, back = io.BytesIO(), io.BytesIO()
        left = nodes.nodes[1:]

        def lose(progress: ncz.formats.stream.Progress, at: int) -> None:
            if progress.blocks_done == at:
                left.pop().kill()

        compress_stream(
            io.BytesIO(raw),
            coded,
            CompressOptions(level=level, block_size=32768),
            partial(lose, at=10),
            crew,
        )
        assert coded.getvalue() == expected
        coded.seek(0)
        decompress_stream(coded, back, DecompressOptions(), partial(lose, at=10), crew)
        assert back.getvalue() == raw
        assert left == []
