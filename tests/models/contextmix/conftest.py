"""A prior of its own for tests, so that they hold whatever the shipped one knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ncz.models.contextmix import prior, train
from tests.models.contextmix.making import text

LINE_BITS = 21  # of the gathering table: as many as the largest preset has for a small block


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a prior, trained on little by the command that trains the real one."""
    folder = tmp_path_factory.mktemp("prior")
    for part, pieces in (("a", (0, 2000)), ("b", (4000, 6000))):
        (folder / "data" / part).mkdir(parents=True)
        for start in pieces:
            path = folder / "data" / part / f"{start}.txt"
            path.write_bytes(text(8000)[start : start + 2000])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_LINE_BITS", LINE_BITS)
        arguments = [str(folder / "data"), "-o", str(folder / "new" / "prior"), "--lines", "5000"]
        result = CliRunner().invoke(train.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return folder / "new" / "prior"


@pytest.fixture(scope="session")
def start(trained: Path) -> prior.Prior:
    """That prior, loaded."""
    return prior.Prior(prior.unpack(trained.read_bytes()))
