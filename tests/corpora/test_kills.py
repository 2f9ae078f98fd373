"""Kills find nothing lost; and what loses something, leaves something or hangs is found."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

import ncz
from ncz.corpora import forked, kills, kinds, scenes, steps
from ncz.corpora.forked import Lost, alone, command
from ncz.corpora.scenes import Output, Scene

CONTENT = b"something that nobody wants to lose" * 50


@pytest.fixture(autouse=True, scope="module")
def _ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    kills.ready((1,), tmp_path_factory.mktemp("warm"))
    yield


def compressing(*options: str) -> Scene:
    return Scene(
        "compress",
        ("compress", "-1", *options, "a"),
        {"a": CONTENT, "other": b"stays"},
        {"a.ncz": Output("a", CONTENT)},
        True,
        "--rm" in options,
        "--resume" in options,
    )


def test_nothing_is_lost(tmp_path: Path) -> None:
    made = 0
    for seed in range(4):
        killed = kills.attempt(seed, tmp_path / "scene", (1,))
        assert killed.failures == []
        made += killed.counts["kills"]
    assert made > 5


def test_counts_add_up(tmp_path: Path) -> None:
    args = ["--levels", "1", "--out", str(tmp_path / "out"), "--seed", "7"]
    for _ in range(2):
        result = CliRunner().invoke(kills.main, [*args, "--count", "3"])
        assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "kills.json").read_text())
    assert found["kills"] >= 6
    assert (found["lost"], found["failures"]) == (0, [])
    assert found["kills"] == sum(found[name] for name in found if name.startswith("kills of"))


@pytest.mark.parametrize("options", [(), ("--rm",), ("--resume",), ("--rm", "--resume")])
def test_killed_at_each_of_the_last_steps(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Before and after everything between the last byte written and the end."""
    scene, folder = compressing(*options), tmp_path / "scene"
    total = kills._measure(scene, folder, own=False).steps
    assert total > 20
    ends = set()
    for step in range(max(1, total - 24), total + 1):
        scene.lay(folder)
        child = command(scene.args, folder, inside=partial(steps.end_at, step))
        assert child.wait(60) == -signal.SIGKILL
        assert scene.losses(folder) == []
        ends.add((scene.whole(folder, "a.ncz"), (folder / "a").exists()))
        assert kills._finish(scene, folder) == []
    assert (False, True) in ends
    assert (True, True) in ends
    assert ((True, False) in ends) == ("--rm" in options)


def test_a_name_given_and_one_not_yet_dropped(tmp_path: Path) -> None:
    """The moment between the two, at which --resume has two names for one file."""
    scene, folder = compressing("--resume"), tmp_path / "scene"
    total = kills._measure(scene, folder, own=False).steps
    for step in range(max(1, total - 24), total + 1):
        scene.lay(folder)
        command(scene.args, folder, inside=partial(steps.end_at, step)).wait(60)
        if (folder / "a.ncz").exists() and (folder / "a.ncz.ncz-part").exists():
            break
    else:
        pytest.fail("no step had both")
    again = command(("compress", "-1", "--resume", "-f", "a"), folder)
    assert again.wait(60) == 0
    assert scene.unfinished(folder) == []


def lose(folder: Path, what: str) -> None:
    if what == "the input":
        (folder / "a").unlink()
    elif what == "a bit of the input":
        (folder / "a").write_bytes(CONTENT[:-1] + b"?")
    elif what == "the end of the output":
        (folder / "a.ncz").write_bytes(ncz.compress(CONTENT, 1)[:-1])
    elif what == "another file":
        (folder / "other").unlink()
    elif what == "other content":
        (folder / "a.ncz").write_bytes(ncz.compress(b"other", 1))
    else:
        (folder / what).write_bytes(b"")


LOSSES = ("the input", "a bit of the input", "the end of the output", "another file")
STRANGERS = ("a.ncz.tmp", ".b.01234567.ncz-part", ".a.ncz.0123456.ncz-part", "a.ncz.ncz-part")


@pytest.mark.parametrize("what", [*LOSSES, *STRANGERS, "other content", "a.ncz"])
def test_a_loss_is_seen(tmp_path: Path, what: str) -> None:
    scene = compressing()
    scene.lay(tmp_path / "scene")
    assert scene.losses(tmp_path / "scene") == []
    lose(tmp_path / "scene", what)
    assert scene.losses(tmp_path / "scene")


def test_what_may_lie_there(tmp_path: Path) -> None:
    scene = compressing("--rm", "--resume")
    scene.lay(tmp_path)
    for name in ("a.ncz.ncz-part", ".a.ncz.01234567.ncz-part"):
        (tmp_path / name).write_bytes(b"")
    assert scene.losses(tmp_path) == []
    assert scene.unfinished(tmp_path) == ["a.ncz is not whole", "a.ncz.ncz-part was left behind"]
    (tmp_path / "a.ncz").write_bytes(ncz.compress(CONTENT))
    (tmp_path / "a").unlink()
    assert scene.losses(tmp_path) == []


def test_an_old_output_stays_until_the_new_one_is_there(tmp_path: Path) -> None:
    old = ncz.compress(b"older", 1)
    scene = Scene("x", (), {"a": CONTENT, "a.ncz": old}, {"a.ncz": Output("a", CONTENT, old)}, True)
    scene.lay(tmp_path)
    assert scene.losses(tmp_path) == []
    (tmp_path / "a.ncz").write_bytes(ncz.compress(CONTENT, 1))
    assert scene.losses(tmp_path) == []
    (tmp_path / "a.ncz").unlink()
    assert scene.losses(tmp_path) == ["a.ncz, which was there before, is gone"]


def test_scenes_can_be_played_again() -> None:
    for seed in range(40):
        one, other = (scenes.any_scene(random.Random(seed), 1, 3000) for _ in range(2))
        assert one == other
        assert one.outputs


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_contents_of_every_kind(kind: str) -> None:
    made = kinds.content(random.Random(3), kind, 5000)
    assert made == kinds.content(random.Random(3), kind, 5000)
    assert len(made) == {"empty": 0, "tiny": len(made)}.get(kind, 5000)


def test_a_child_that_hangs_or_dies_is_lost_and_no_more() -> None:
    assert alone(lambda: [1, 2], 60) == [1, 2]
    started = time.monotonic()
    with pytest.raises(Lost, match="not done after"):
        alone(lambda: time.sleep(100), 0.2)
    assert time.monotonic() - started < 30
    with pytest.raises(Lost, match=f"ended with -{int(signal.SIGKILL)}"):
        alone(lambda: os.kill(os.getpid(), signal.SIGKILL), 60)
    with pytest.raises(Lost, match="ended with 1"):
        alone(lambda: 1 // 0, 60)


def test_the_command_in_a_child_is_the_command(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(CONTENT)
    child = command(("compress", "-1"), tmp_path, stdin=tmp_path / "in", stdout=tmp_path / "out")
    assert child.wait(60) == 0
    assert child.kill() == 0
    assert ncz.decompress((tmp_path / "out").read_bytes()) == CONTENT
    child = command(("compress", "-1", "missing"), tmp_path, stderr=tmp_path / "said")
    assert child.wait(60) == 1
    assert (tmp_path / "said").read_text() == "ncz: missing: no such file\n"
    with pytest.raises(Lost, match="ended with"):
        forked.warm(["decompress", str(tmp_path / "missing.ncz")])


@pytest.mark.parametrize("options", [(), ("--rm",)])
def test_a_folder_with_some_outputs_in_it_is_finished(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    names = ("d/a", "d/b", "d/c")
    scene = Scene(
        "compress -r",
        ("compress", "-1", "-r", *options, "d"),
        dict.fromkeys(names, CONTENT),
        {f"{name}.ncz": Output(name, CONTENT) for name in names},
        True,
        bool(options),
        among="d",
    )
    scene.lay(tmp_path)
    (tmp_path / "d/a.ncz").write_bytes(ncz.compress(CONTENT, 1))
    assert scene.losses(tmp_path) == []
    assert kills._finish(scene, tmp_path) == []
    assert scene.done(tmp_path)
