"""The campaign judges as it says: it sees every kind of wrong, and hides none."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import ncz
from fuzz import judge, mutations, record, seeds, workers
from fuzz.judge import BAD, RIGHT, WAYS, Outcome, way_of
from fuzz.mutators import AS_MADE, DECODE, EITHER, REBUILT, REFUSE, RESEALED, Mutant, mutant
from fuzz.seeds import Seed
from ncz.codec.checks import xxh64
from tests.independent import reader


@pytest.fixture(scope="module")
def quick() -> list[Seed]:
    """Seeds that are decoded in no time."""
    found = [*seeds.golden(mixed=False), *seeds.frames()]
    return [Seed(name, data, content, 1, seeds.MEMLIMIT) for name, data, content in found]


def test_mutants_are_the_same_at_every_call(quick: list[Seed]) -> None:
    assert [mutant(quick, n).data for n in range(50)] == [mutant(quick, n).data for n in range(50)]


def test_a_thousand_mutants(quick: list[Seed]) -> None:
    tiers = Counter()
    for number in range(1000):
        one = mutant(quick, number)
        verdict = judge.judge(one, way_of(number))
        assert verdict.kind not in BAD, (number, verdict)
        tiers[one.tier, verdict.kind] += 1
    # Every tier is decoded, too, and not just refused at its door.
    assert all(tiers[tier, RIGHT] > 5 for tier in (AS_MADE, RESEALED, REBUILT))
    assert all(tiers[tier, "error"] > 5 for tier in (AS_MADE, RESEALED, REBUILT))


def test_rebuilt_files_are_valid_to_an_independent_reader(quick: list[Seed]) -> None:
    valid = [one for one in (mutant(quick, n) for n in range(600)) if one.tier == REBUILT]
    for one in valid:
        if one.must == DECODE:
            at = 0
            for member in reader.read(one.data):
                size = sum(block.raw_size for block in member.blocks)
                assert xxh64(one.content[at : at + size]) == member.content_check
                at += size
            assert at == len(one.content)
    assert sum(one.must == DECODE for one in valid) > 20


def test_checks_of_content_stay_as_made_where_a_mutant_is_judged_by_them(
    quick: list[Seed],
) -> None:
    """No kind of mutation but a rebuilt file makes a check of content fit other content."""
    for number in range(600):
        one = mutant(quick, number)
        if one.tier != RESEALED:
            continue
        known = {m.tail.content_check for m in one.seed.members()}
        try:
            members = reader.read(one.data)
        except (reader.Broken, IndexError, UnicodeDecodeError):
            continue
        made = {member.content_check for member in members}
        assert made <= known or one.kind == "tail: content check"


def _whole(seed: Seed, must: int = EITHER) -> Mutant:
    return Mutant(seed, AS_MADE, "nothing", seed.data, seed.content, must)


@pytest.mark.parametrize(
    ("must", "reader", "expected"),
    [
        (EITHER, lambda *_: Outcome(b"other"), "wrong"),
        (EITHER, lambda *_: Outcome(b"other", whole=False), "error"),
        (DECODE, lambda *_: Outcome(b"other", whole=False), "refused"),
        (REFUSE, lambda data, _: Outcome(ncz.decompress(data)), "missed"),
        (EITHER, lambda data, _: Outcome(ncz.decompress(data)), "right"),
    ],
)
def test_verdicts(
    must: int,
    reader: Callable[[bytes, int], Outcome],
    expected: str,
    quick: list[Seed],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(WAYS, "decompress", reader)
    assert judge.judge(_whole(quick[0], must), "decompress").kind == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ncz.FormatError("no"), "error"),
        (ncz.CorruptBlock(0, 0, 0, 1, "its coder failed: IndexError: 7"), "stumble"),
        (IndexError("7"), "crash"),
        (MemoryError(), "crash"),
        (RecursionError(), "crash"),
    ],
)
def test_errors(
    error: Exception, expected: str, quick: list[Seed], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Outcome:
        raise error

    monkeypatch.setitem(WAYS, "decompress", fail)
    assert judge.judge(_whole(quick[0]), "decompress").kind == expected
    if expected == "error":
        assert judge.judge(_whole(quick[0], DECODE), "decompress").kind == "refused"


def test_what_is_saved_is_content_or_zeros(quick: list[Seed]) -> None:
    seed = next(one for one in quick if one.name == "nine blocks")
    mutant = Mutant(seed, AS_MADE, "bits", seed.data, seed.content, REFUSE, in_place=True)
    zeros = bytes(9) + seed.content[9:]
    wrong = bytes([seed.content[0] ^ 1]) + seed.content[1:]
    for saved, expected in ((zeros, "error"), (wrong, "wrong"), (seed.content, "error")):
        outcome = Outcome(saved, whole=False)
        assert judge._compare(mutant, "keep going", outcome).kind == expected


def test_a_decoder_that_does_not_check_is_found_out(
    quick: list[Seed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the checks of content, wrong outputs show."""
    from ncz.codec.checks import Running
    from ncz.formats import decode

    class Yes(int):
        def __ne__(self, other: object) -> bool:
            return False

        __hash__ = int.__hash__

    monkeypatch.setattr(decode.checks, "x32", lambda data: Yes())
    monkeypatch.setattr(Running, "value", Yes())
    kinds = Counter(judge.judge(mutant(quick, n), "decompress").kind for n in range(400))
    assert kinds["wrong"] > 5
    assert kinds["missed"] > 5


# --- processes


def _dies(pipe: object, slot: object, found: list[Seed], cache: str) -> None:
    first, _ = pipe.recv()  # type: ignore[attr-defined]
    slot[0], slot[1] = first + 1, time.monotonic()  # type: ignore[index]
    os._exit(3)


def _hangs(pipe: object, slot: object, found: list[Seed], cache: str) -> None:
    first, _ = pipe.recv()  # type: ignore[attr-defined]
    slot[0], slot[1] = first + 1, time.monotonic()  # type: ignore[index]
    slot[2] = time.process_time() - judge.TIME_LIMIT_S - 1  # type: ignore[index]
    time.sleep(600)


def _waits(pipe: object, slot: object, found: list[Seed], cache: str) -> None:
    first, _ = pipe.recv()  # type: ignore[attr-defined]
    slot[0], slot[1] = first + 1, time.monotonic() - workers._STUCK_S - 1  # type: ignore[index]
    time.sleep(600)


def _counts(pipe: object, slot: object, found: list[Seed], cache: str) -> None:
    while True:
        try:
            first, stop = pipe.recv()  # type: ignore[attr-defined]
        except EOFError:
            return
        tally = workers.Tally(most_seconds=0.5)
        for number in range(first, stop):
            tally.add(mutant(found, number), number, judge.Verdict(RIGHT))
        pipe.send(tally)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("serve", "kind"), [(_dies, "crash"), (_hangs, "hang"), (_waits, "hang")])
def test_a_worker_that_is_lost_costs_one_mutant(
    serve: Callable[..., None],
    kind: str,
    quick: list[Seed],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serving = iter([serve, _counts])
    made = workers._Worker

    def worker(found: list[Seed], cache: Path) -> workers._Worker:
        return made(found, cache, next(serving))

    monkeypatch.setattr(workers, "_Worker", worker)
    total = workers.Tally()
    for tally in workers.run(quick, (0, 20), 1, tmp_path, 10):
        total.counts += tally.counts
        total.bad += tally.bad
    assert total.counts.total() == 20
    assert [(number, verdict.kind) for number, verdict in total.bad] == [(1, kind)]


@pytest.mark.slow
def test_the_campaign_adds_up_and_keeps_what_is_bad(
    quick: list[Seed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = workers._Worker
    monkeypatch.setattr(workers, "_Worker", lambda found, cache: made(found, cache, _counts))
    assert mutations.campaign(quick, (0, 30), 2, tmp_path, tmp_path, 10) == 0
    assert mutations.campaign(quick, (30, 40), 1, tmp_path, tmp_path, 10) == 0
    found = json.loads((tmp_path / mutations.RESULTS).read_text())
    assert (found["containers"], found["right"], found["next"]) == (40, 40, 40)
    assert sum(sum(counts.values()) for counts in found["by_seed"].values()) == 40
    assert found["most_processor_seconds"] == 0.5
    assert found["machine"]["ncz"] == ncz.__version__
    serving = iter([_dies, _counts])
    monkeypatch.setattr(workers, "_Worker", lambda found, cache: made(found, cache, next(serving)))
    assert mutations.campaign(quick, (40, 50), 1, tmp_path, tmp_path, 10) == 1
    found = json.loads((tmp_path / mutations.RESULTS).read_text())
    assert (found["containers"], found["crash"]) == (50, 1)
    kept = tmp_path / "bad-mutants" / "crash-41.ncz"
    assert kept.read_bytes() == mutant(quick, 41).data
    assert "ended with 3" in kept.with_suffix(".txt").read_text()


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        mutations.main,
        ["--count", "20", "--processes", "1", "--no-models", "--out", str(tmp_path)],
    )
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / mutations.RESULTS).read_text())
    assert found["containers"] == 20
    assert not any(found[kind] for kind in BAD)


def test_counts_of_another_version_are_left(tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    record.add(path, {"a": 1, "by": {"x": {"y": 2}}}, {"most": 3})
    record.add(path, {"a": 1, "by": {"x": {"y": 2, "z": 1}}}, {"most": 2})
    found = json.loads(path.read_text())
    assert (found["a"], found["by"], found["most"]) == (2, {"x": {"y": 4, "z": 1}}, 3)
    found["machine"]["ncz"] = "0.0.0"
    path.write_text(json.dumps(found))
    record.add(path, {"a": 5})
    assert json.loads(path.read_text())["a"] == 5
